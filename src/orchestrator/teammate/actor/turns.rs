//! What a session says, as events of the team.

use agent_backends::AgentOutput;

use crate::model::event::EventKind;
use crate::orchestrator::teammate::actor::Actor;
use crate::orchestrator::teammate::journal::Input;
use crate::orchestrator::teammate::turn::Begun;
use crate::sync::lock;

impl Actor {
    pub(super) fn event(&mut self, event: AgentOutput) {
        if event != AgentOutput::FactsChanged {
            self.mail_decided(matches!(event, AgentOutput::Exited(_)));
        }
        if event != AgentOutput::FactsChanged && self.watchdog.sign_of_life() {
            self.note_state("it gives signs of life again");
        }
        if !matches!(event, AgentOutput::Delta(_) | AgentOutput::FactsChanged) && !self.maybe_secret.is_empty() {
            let text = std::mem::take(&mut self.maybe_secret);
            self.emit(EventKind::Delta { text });
        }
        match event {
            AgentOutput::TurnStarted { input } => self.turn_started(input.is_some()),
            AgentOutput::InputAccepted => self.mail_accepted(),
            AgentOutput::Delta(text) => {
                self.turn.add_delta(&text);
                self.delta(&text);
            }
            AgentOutput::Message(text) => {
                self.turn.add_message(text.clone());
                self.emit(EventKind::Message { text });
            }
            AgentOutput::Retracted => {
                self.turn.retract();
                self.emit(EventKind::Retracted);
            }
            AgentOutput::Tool(tool) => {
                self.turn.note_tool();
                self.emit(EventKind::Tool { id: tool.id, name: tool.name, status: tool.status, summary: tool.summary });
            }
            AgentOutput::Usage(usage) => {
                self.record.usage += usage;
                self.emit(EventKind::Usage { usage });
            }
            AgentOutput::Approval(approval) => self.ask_for_approval(approval),
            AgentOutput::ApprovalClosed(id) => self.approval_closed(&id),
            AgentOutput::TurnComplete => {
                // An agent that has done what it was given has it.
                if !self.turn.has_its_own() {
                    self.mail_accepted();
                }
                let text = self.turn.take_answer();
                self.end_turn(EventKind::TurnCompleted { text });
            }
            AgentOutput::TurnInterrupted => {
                let text = self.turn.take_answer();
                self.end_turn(match self.watchdog.verdict() {
                    Some(message) => EventKind::Error { message },
                    None => EventKind::TurnInterrupted { text, input: None },
                });
            }
            AgentOutput::RateLimited { resets_at } => self.rate_limited(resets_at),
            // What was held has not failed: it waits for the next session.
            AgentOutput::Error(message) if self.turn.is_held() => self.emit(EventKind::Notice { message }),
            AgentOutput::Error(message) => {
                if let Some(message) = self.hold(message) {
                    self.end_turn(EventKind::Error { message });
                }
            }
            AgentOutput::Idle => {
                self.note_state("its turn has ended");
                if self.queue.is_empty() && self.turn.is_none() {
                    self.emit(EventKind::Idle);
                }
            }
            AgentOutput::FactsChanged => {
                self.facts_changed();
                self.hear_warnings();
            }
            AgentOutput::Notice(message) => self.emit(EventKind::Notice { message }),
            AgentOutput::Lagged { bytes } => self.emit(EventKind::Lagged { bytes }),
            AgentOutput::Exited(exit) => self.session_exited(&exit),
            other => tracing::warn!(?other, "an event of a session that nobody knows"),
        }
    }

    /// Passes text on, but for an end that may be the beginning of a secret: that waits for what follows.
    fn delta(&mut self, text: &str) {
        self.maybe_secret.push_str(text);
        let sure = self.maybe_secret.len() - self.services.redactor.unsure(&self.maybe_secret);
        let rest = self.maybe_secret.split_off(sure);
        let text = std::mem::replace(&mut self.maybe_secret, rest);
        if !text.is_empty() {
            self.emit(EventKind::Delta { text });
        }
    }

    fn turn_started(&mut self, asked: bool) {
        let begun = if asked { self.turn.begin_asked() } else { Begun::NotGiven };
        let (input, from) = match begun {
            Begun::GoesOn => return self.goes_on(),
            Begun::Asked(input) => (Some(input.prompt().into_owned()), input.from),
            Begun::NotGiven => {
                self.begin_own_turn();
                (None, None)
            }
        };
        self.watchdog.begin();
        let turn = self.turn.number().unwrap_or_default();
        self.note_state(format!("turn {turn} has begun"));
        self.emit(EventKind::TurnStarted { input, from });
    }

    /// The agent has begun a turn by itself.
    fn begin_own_turn(&mut self) {
        let turn = self.next_turn;
        self.next_turn += 1;
        // So that its end is told, whatever becomes of us.
        let none = Input::new(turn, String::new(), None);
        if let Err(error) = self.journal.queued(&none).and_then(|()| self.journal.begun(turn)) {
            tracing::warn!(%error, turn, "a turn of an agent's own was not written down");
        }
        // The provider answers, so what was held is next.
        self.watchdog.waits_for_provider(false);
        if let Some(held) = self.turn.begin_own(turn) {
            self.queue.push_front(held);
        }
    }

    pub(super) fn end_turn(&mut self, end: EventKind) {
        // Before the end is told, so that whoever hears of it finds the conversation.
        if let Some(turn) = self.turn.number() {
            self.record.turns = self.record.turns.max(turn);
            self.record.wall_ms += u64::try_from(self.watchdog.elapsed().as_millis()).unwrap_or(0);
        }
        if matches!(end, EventKind::TurnCompleted { .. }) {
            self.services.accounts.answered(self.account);
        }
        self.facts_changed();
        self.watchdog.rest();
        self.tools_after_turn();
        let ended = self.turn.end();
        let number = ended.number;
        // Before its end is told: who finds a turn there hears of its end later.
        lock(&self.shared).turn = self.turn.at_work();
        let settled = self.settle_turn_mail(ended, &end);
        // Told first: killed in between, it would rather be told twice than never.
        self.services.feed.append(&self.profile.name, number, end.clone());
        self.notify_lead(&end);
        if let Some(turn) = number.filter(|_| settled) {
            self.ended(turn);
        }
    }

    /// Tells what the session has to warn of, once.
    pub(super) fn hear_warnings(&mut self) {
        let warnings = self.session().map(|session| session.warnings()).unwrap_or_default();
        warnings.into_iter().for_each(|warning| self.warn(warning));
    }

    /// Tells of something that has to be known of the agent, once in a session.
    pub(super) fn warn(&mut self, warning: String) {
        let known = &mut lock(&self.shared).warnings;
        if !known.contains(&warning) {
            known.push(warning.clone());
            self.emit(EventKind::Notice { message: warning });
        }
    }

    /// Asks the session what it says of itself now.
    pub(super) fn facts_changed(&mut self) {
        if let Some(session) = self.session() {
            let (id, model, pid) = (session.session_id(), session.model(), session.pid());
            self.record.session_id = id.or(self.record.session_id.take());
            self.record.model = model.or(self.record.model.take());
            lock(&self.shared).pid = pid;
        }
        self.save();
    }
}
