//! Rate limits: a turn that the provider refused is held, and goes on by itself when the limit is lifted.

use tokio::time::Instant;

use crate::model::event::EventKind;
use crate::orchestrator::teammate::actor::Actor;
use crate::orchestrator::teammate::journal::Input;
use crate::orchestrator::teammate::parts::iso_seconds;

/// What an agent is told whose turn was cut off in its midst by a limit.
const GO_ON: &str = "A rate limit cut you off; it is lifted. Go on with what you were doing.";

impl Actor {
    /// The provider has refused the turn that runs, whose failure comes next.
    pub(super) fn rate_limited(&mut self, resets_at: Option<i64>) {
        let limit = self.services.accounts.refused(self.account, resets_at);
        self.turn.refused(limit);
    }

    /// Holds a turn that failed because of a limit; answers the failure where that makes no sense.
    pub(super) fn hold(&mut self, message: String) -> Option<String> {
        let Some(limit) = self.turn.take_refusal() else { return Some(message) };
        if let Some(verdict) = self.watchdog.verdict() {
            return Some(verdict);
        }
        let until = iso_seconds(limit.resets_at);
        if limit.until >= self.watchdog.turn_ends() {
            return Some(format!("{message}; rate-limited until {until}, which is beyond the turn's limit"));
        }
        // Another name than that of the input that failed, for an agent that remembers it.
        self.turn.hold(uuid::Uuid::new_v4().to_string(), GO_ON);
        self.watchdog.waits_for_provider(true);
        self.emit(EventKind::Notice { message: format!("{message}; the turn goes on by itself at {until}") });
        self.note_state(format!("its provider refuses: {message}"));
        None
    }

    /// A limit was set or lifted, by whomever: what is held may have to wait longer than it can.
    pub(super) fn limit_changed(&mut self) {
        let limit = self.services.accounts.limit(self.account);
        if let Some(limit) = limit.filter(|limit| self.turn.is_held() && limit.until >= self.watchdog.turn_ends()) {
            let until = iso_seconds(limit.resets_at);
            self.end_held(|_| EventKind::Error {
                message: format!("rate-limited until {until}, which is beyond the turn's limit"),
            });
        }
        self.note_state("its account's rate limit has changed");
    }

    /// What the agent may be given now, if anything: a turn that was held comes first.
    pub(super) fn next_input(&mut self) -> Option<Input> {
        if self.services.accounts.limit(self.account).is_some() {
            return None;
        }
        if self.turn.is_held() {
            return self.turn.held_input().cloned();
        }
        if self.turn.number().is_some() || self.queue.front().is_some_and(|input| !self.mail.is_confirmed(input)) {
            return None;
        }
        self.queue.pop_front()
    }

    /// The turn that was held runs again.
    pub(super) fn goes_on(&mut self) {
        self.watchdog.waits_for_provider(false);
        self.note_state("the limit is lifted, and its turn goes on");
    }

    /// A turn that was held will not go on.
    pub(super) fn end_held(&mut self, end: impl FnOnce(String) -> EventKind) {
        if self.turn.is_held() {
            self.watchdog.waits_for_provider(false);
            let text = self.turn.take_answer();
            self.end_turn(end(text));
        }
    }

    /// When a limit ends that this member has to do with.
    pub(super) fn limit_ends(&self) -> Option<Instant> {
        self.services.accounts.limit(self.account).map(|limit| limit.until)
    }
}
