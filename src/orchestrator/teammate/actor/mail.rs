//! A member's mail: taken out of its inbox when its agent can take it, given to the agent as a turn, and accounted for.
//!
//! The inbox is the queue. What is fetched is written into the journal, then removed from the inbox, then given to the agent;
//! so it is never in neither place, and where it is in both, the journal counts.

use std::time::Duration;

use tokio::time::{Instant, timeout};

use crate::model::event::{EventKind, MailState};
use crate::model::message::Message;
use crate::model::name::{AgentName, SYSTEM};
use crate::orchestrator::feed::mail_events::{not_delivered, record_queued};
use crate::orchestrator::teammate::actor::{Actor, Down, Phase};
use crate::orchestrator::teammate::journal::Input;
use crate::orchestrator::teammate::mailbox::{FileJob, MOST, TRY_AGAIN, Undecided};
use crate::orchestrator::teammate::native::UNVERIFIED;
use crate::orchestrator::teammate::turn::{Accepted, Ended};
use crate::store::{self};

/// Their text, at most; a single message may be longer.
const MOST_BYTES: usize = 256 << 10;
/// How often an agent that dies of it is given a message.
const ATTEMPTS: u64 = 3;
/// How long the end of an agent may come after the failure of its turn.
const DEATH_LIMIT: Duration = Duration::from_secs(2);
/// How long an agent may take to tell whether it has a message.
const ASK_LIMIT: Duration = Duration::from_secs(10);
/// How long a member that stops may take to write what it has to tell.
const FLUSH_LIMIT: Duration = Duration::from_secs(2);

impl Actor {
    /// The inbox has changed.
    pub(super) fn inbox_changed(&mut self) {
        self.mail.changed = true;
        self.advance_mail();
    }

    /// Does what there is to do with the inbox, if it can be done now.
    pub(super) fn advance_mail(&mut self) {
        if !self.mail.is_free() {
            return;
        }
        self.mail.not_before = None;
        let outgoing_waits = self.mail.outgoing_after.is_some_and(|at| at > Instant::now());
        if let Some((to, _)) = self.mail.outgoing.front().filter(|_| !outgoing_waits).cloned() {
            let same = self.mail.outgoing.iter().take_while(|(other, _)| *other == to).take(MOST);
            let mut messages: Vec<Message> = same.map(|(_, message)| message.clone()).collect();
            let count = messages.len();
            return self.mail.run(move |store, team, _| {
                let sent = store.team(team).and_then(|team| store.send(&team, &to, &mut messages));
                FileJob::Sent(count, sent)
            });
        }
        if self.shutting_down || self.finishing.is_some() {
            return;
        }
        if let Some((turn, keys)) = self.mail.unconfirmed.first_key_value().map(|(turn, keys)| (*turn, keys.clone())) {
            self.mail.run(move |store, team, member| {
                let taken = store.take_messages(team, member, |message| keys.contains(&message.key()));
                FileJob::Removed(turn, taken.map(|_| ()))
            });
            return;
        }
        let busy = !self.turn.is_none();
        if !self.mail.changed && (!self.mail.waits || busy) {
            return;
        }
        let free = match self.phase {
            Phase::Up(_) => self.ending.is_none() && self.queue.iter().all(|input| input.mail.is_empty()),
            Phase::Down(Down::Exited | Down::Failed) => true,
            Phase::Down(Down::StartLimit) | Phase::Starting(_) | Phase::Waiting(_) => false,
        };
        if free && self.mail.unsure.is_empty() && self.mail.undecided.is_none() {
            self.mail.look();
        }
    }

    pub(super) fn file_job_done(&mut self, done: FileJob) {
        match done {
            FileJob::Read(Ok(messages)) => {
                self.take_mail(messages.into_iter().filter(|message| !message.read).collect())
            }
            FileJob::Read(Err(error)) => {
                tracing::warn!(member = %self.profile.name, %error, "an inbox cannot be read");
                self.mail.changed = true;
                self.mail.later();
            }
            FileJob::Removed(turn, Ok(())) => {
                self.mail.unconfirmed.remove(&turn);
            }
            FileJob::Removed(_, Err(error)) => {
                tracing::warn!(member = %self.profile.name, %error, "an inbox cannot be emptied");
                self.mail.later();
            }
            FileJob::Sent(count, Ok(())) => {
                for (to, message) in self.mail.outgoing.drain(..count) {
                    record_queued(&self.services.feed, &to, &message);
                }
                self.mail.outgoing_after = None;
            }
            FileJob::Sent(_, Err(error @ store::StoreError::NoTeam { .. })) => {
                tracing::warn!(member = %self.profile.name, %error, "nobody is left who could be told");
                self.mail.outgoing.clear();
                self.mail.outgoing_after = None;
            }
            FileJob::Sent(_, Err(error)) => {
                if self.mail.outgoing_after.replace(Instant::now() + TRY_AGAIN).is_none() {
                    tracing::warn!(member = %self.profile.name, %error, "messages cannot be written, which is tried again");
                }
            }
        }
    }

    /// Writes what is still to be written, unless that fails or takes too long.
    pub(super) async fn flush_outgoing(&mut self) {
        let flush = async {
            (self.mail.not_before, self.mail.outgoing_after) = (None, None);
            while !self.mail.outgoing.is_empty() && self.mail.outgoing_after.is_none() {
                self.advance_mail();
                let done = self.mail.done().await;
                self.file_job_done(done);
            }
        };
        let in_time = timeout(FLUSH_LIMIT, flush).await.is_ok();
        if !in_time || !self.mail.outgoing.is_empty() {
            tracing::warn!(member = %self.profile.name, "not all that was to be told was written");
        }
    }

    fn take_mail(&mut self, messages: Vec<Message>) {
        if messages.is_empty() {
            return;
        }
        match self.phase {
            // What comes while a turn runs is one turn after it, unless it is urgent; where inputs wait, mail gets a place among
            // them.
            Phase::Up(_) => {
                let busy = !self.turn.is_none();
                let urgent = messages.iter().any(|message| message.urgent);
                if busy && self.queue.is_empty() && !urgent {
                    self.mail.waits = true;
                    return;
                }
                self.mail.urgent = busy && urgent;
            }
            Phase::Down(Down::Exited | Down::Failed) if !self.shutting_down => {
                if self.mail.starts_member(&messages) {
                    self.mail.changed = true;
                    self.begin_start("mail came for it");
                }
                return;
            }
            _ => {
                self.mail.changed = true;
                return;
            }
        }
        let (mut mail, mut bytes) = (Vec::new(), 0);
        let all = messages.len();
        for message in messages {
            bytes += message.text.len();
            if mail.len() == MOST || (bytes > MOST_BYTES && !mail.is_empty()) {
                break;
            }
            // Whatever the file says of it.
            let unverified = self.mail.letters.is_forged(&message);
            mail.push(Message { unverified, ..message });
        }
        // The rest is next.
        self.mail.changed |= mail.len() < all;
        let mut senders: Vec<String> = Vec::new();
        for message in &mail {
            if !senders.contains(&message.from) {
                senders.push(message.from.clone());
            }
        }
        let interrupted = if self.mail.urgent { self.to_go_on_with() } else { None };
        let input = Input { mail, interrupted, ..Input::new(self.next_turn, String::new(), Some(senders.join(", "))) };
        if let Err(error) = self.journal.queued(&input) {
            tracing::error!(member = %self.profile.name, %error, "mail cannot be taken down, and stays in the inbox");
            self.mail.changed = true;
            return self.mail.later();
        }
        self.next_turn += 1;
        self.mail.found_in_journal(&input);
        match self.mail.urgent {
            true => self.queue.push_front(input),
            false => self.queue.push_back(input),
        }
        self.note_state("mail came for it");
        self.advance_mail();
    }

    pub(super) fn record_mail(&self, input: &Input, state: MailState, reason: Option<&str>) {
        self.record_mail_in(input.turn, input, state, reason);
    }

    pub(super) fn record_mail_in(&self, turn: u64, input: &Input, state: MailState, reason: Option<&str>) {
        let with_text = matches!(state, MailState::Injected | MailState::Refused);
        for message in &input.mail {
            let event = EventKind::Mail {
                id: message.key(),
                from: message.from.clone(),
                state,
                text: Some(message.text.clone()).filter(|_| with_text),
                reason: reason.or(message.unverified.then_some(UNVERIFIED)).map(str::to_owned),
            };
            self.services.feed.append(&self.profile.name, Some(turn), event);
        }
    }

    /// The session ended before it took this input.
    pub(super) fn put_back(&mut self, input: Input) {
        self.record_mail(&input, MailState::Returned, Some("its agent ended before it took it"));
        self.queue.push_front(input);
    }

    /// The agent has the input of its turn, or a further one.
    pub(super) fn mail_accepted(&mut self) {
        let input = match self.turn.accept() {
            Accepted::Input(input) if !input.mail.is_empty() => input,
            Accepted::Steered(input) => return self.steered_accepted(&input),
            Accepted::Input(_) | Accepted::Nothing => return,
        };
        self.record_mail(&input, MailState::Acknowledged, None);
        if let Err(error) = self.journal.accepted(input.turn) {
            tracing::error!(member = %self.profile.name, %error, "that mail arrived was not written down");
        }
    }

    /// A turn ends; answers whether the journal can forget it.
    pub(super) fn settle_turn_mail(&mut self, ended: Ended, end: &EventKind) -> bool {
        self.settle_steered(ended.steered);
        let Some(input) = ended.unaccepted.filter(|input| !input.mail.is_empty()) else { return true };
        match end {
            EventKind::Error { message } => {
                let until = Instant::now() + DEATH_LIMIT;
                self.mail.undecided = Some(Undecided { input, reason: message.clone(), until });
            }
            // It was interrupted: the agent knows whether that came before it or after.
            _ => self.mail.unsure_of(input),
        }
        false
    }

    /// What follows a turn that failed shows whose fault it was.
    pub(super) fn mail_decided(&mut self, session_ended: bool) {
        let due = |undecided: &mut Undecided| session_ended || undecided.until <= Instant::now();
        let Some(Undecided { input, reason, .. }) = self.mail.undecided.take_if(due) else { return };
        if session_ended {
            self.mail.unsure_of(input);
        } else {
            self.refuse_mail(&input, &reason);
            self.ended(input.turn);
        }
    }

    /// The agent will not get this mail; whoever wrote it is told.
    pub(super) fn refuse_mail(&mut self, input: &Input, reason: &str) {
        self.record_mail(input, MailState::Refused, Some(reason));
        for message in input.mail.iter().filter(|message| message.from != SYSTEM) {
            let Ok(to) = message.from.parse::<AgentName>() else { continue };
            self.send(to, not_delivered(&self.profile.name, message, reason));
        }
    }

    /// Writes into somebody's inbox, after what was written before.
    pub(super) fn send(&mut self, to: AgentName, message: Message) {
        self.mail.outgoing.push_back((to, message));
        self.mail.give_up_oldest();
        self.advance_mail();
    }

    /// The conversation that everything before was given to is lost.
    pub(super) fn mail_begins_anew(&mut self) {
        self.mail.lost = self.mail.unsure.len();
    }

    /// Asks the agent, which has come back, for what nobody knows whether it has it.
    pub(super) async fn resolve_unsure(&mut self) {
        while !self.mail.unsure.is_empty() {
            let input = self.mail.unsure[0].clone();
            let Phase::Up(live) = &mut self.phase else { return };
            let known = match self.mail.lost {
                1.. => Some(false),
                0 => match timeout(ASK_LIMIT, live.session.has_input(&input.id)).await {
                    Ok(Ok(known)) => known,
                    Ok(Err(_)) if !live.session.is_alive().await => return,
                    Ok(Err(_)) | Err(_) => None,
                },
            };
            self.mail.unsure.remove(0);
            self.mail.lost = self.mail.lost.saturating_sub(1);
            if known == Some(true) {
                self.record_mail(&input, MailState::Acknowledged, Some("its conversation has it"));
                self.ended(input.turn);
                continue;
            }
            if input.attempts + 1 >= ATTEMPTS {
                self.refuse_mail(&input, &format!("its agent ended {ATTEMPTS} times before it had it"));
                self.ended(input.turn);
                continue;
            }
            let again = Input {
                turn: self.next_turn,
                attempts: input.attempts + 1,
                doubtful: known.is_none(),
                // An agent that knows this name would drop it.
                id: known.map_or_else(|| uuid::Uuid::new_v4().to_string(), |_| input.id.clone()),
                ..input.clone()
            };
            if let Err(error) = self.journal.again(input.turn, &again) {
                tracing::error!(member = %self.profile.name, %error, "mail cannot be taken down again");
                self.mail.unsure.insert(0, input);
                self.mail.lost += usize::from(known == Some(false));
                return;
            }
            self.next_turn += 1;
            self.record.in_doubt = self.journal.record().in_doubt;
            let reason = if again.doubtful { "nobody knows whether it has it" } else { "its conversation has it not" };
            self.record_mail(&input, MailState::Returned, Some(reason));
            // After those that were given before it.
            let at = self.queue.iter().take_while(|queued| queued.attempts > 0).count();
            self.queue.insert(at, again);
        }
    }
}
