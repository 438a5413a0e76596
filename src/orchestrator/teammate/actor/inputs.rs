//! Inputs that wait for the member: taken, withdrawn, refused.

use agent_backends::BackendError;

use crate::error::{Error, Result};
use crate::model::event::EventKind;
use crate::orchestrator::teammate::actor::{Actor, Down, Phase};
use crate::orchestrator::teammate::journal::Input;

/// Inputs that may wait for one member.
const QUEUE_LIMIT: usize = 256;

impl Actor {
    /// Takes an input, which is a turn when its time comes.
    pub(super) fn take_input(&mut self, text: String, from: Option<String>, asked: bool) -> Result<u64> {
        match self.session() {
            Some(session) => session.check_input(&text)?,
            None if text.trim().is_empty() => return Err(BackendError::EmptyInput.into()),
            None => {}
        }
        if self.queue.len() >= QUEUE_LIMIT {
            return Err(BackendError::QueueFull { waiting: self.queue.len() }.into());
        }
        if self.shutting_down {
            return Err(Error::ShuttingDown);
        }
        if let Phase::Down(Down::StartLimit) = self.phase {
            return Err(Error::StartLimit { member: self.profile.name.to_string() });
        }
        let before = self.queue.len() + usize::from(!self.turn.is_none());
        self.services.ledger.check_turn(&self.profile.name, before as u64)?;
        let input = Input { asked, ..Input::new(self.next_turn, text, from) };
        self.journal.queued(&input).map_err(Error::io("write", self.journal.path()))?;
        let turn = input.turn;
        self.next_turn += 1;
        self.queue.push_back(input);
        if let Phase::Down(_) = self.phase {
            self.begin_start("an input came for it");
        }
        self.note_state(format!("turn {turn} was taken"));
        Ok(turn)
    }

    /// Takes an input out of those that wait.
    pub(super) fn withdraw(&mut self, turn: u64) -> bool {
        let Some(at) = self.queue.iter().position(|input| input.turn == turn) else { return false };
        if let Some(input) = self.queue.remove(at) {
            self.forget(&input);
            self.note_state("a question was withdrawn");
        }
        true
    }

    /// An input is not done, because nobody wants it any more.
    pub(super) fn forget(&mut self, input: &Input) {
        let event = EventKind::TurnInterrupted { text: String::new(), input: None };
        self.services.feed.append(&self.profile.name, Some(input.turn), event);
        self.ended(input.turn);
    }

    /// An input is not done, and this is why.
    pub(super) fn refuse(&mut self, input: &Input, message: String) {
        if !input.mail.is_empty() {
            self.refuse_mail(input, &message);
        }
        self.services.feed.append(&self.profile.name, Some(input.turn), EventKind::Error { message });
        self.ended(input.turn);
        self.note_state("an input was refused");
    }
}
