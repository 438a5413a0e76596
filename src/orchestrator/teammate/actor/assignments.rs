//! What is in a member's mail and is not for its agent: tasks that are somebody else's by now, and answers to questions that are settled.

use crate::model::event::MailState;
use crate::model::message::{Message, StructuredMessage};
use crate::model::task::TaskStatus;
use crate::orchestrator::teammate::actor::Actor;
use crate::orchestrator::teammate::journal::Input;
use crate::store::TaskList;

const OVER: &str = "that attempt at the task is over";
const SETTLED: &str = "the question that it answers is settled";

impl Actor {
    /// The input without answers and assignments that are over; `None` when nothing is left of it.
    pub(super) async fn without_what_is_over(&mut self, mut input: Input) -> Option<Input> {
        let settled = input.mail.extract_if(.., |message| is_answer(message)).collect();
        let settled = Input { mail: settled, turn: input.turn, ..Input::default() };
        if !settled.mail.is_empty() {
            self.record_mail(&settled, MailState::Refused, Some(SETTLED));
        }
        if input.mail.is_empty() && input.text.is_empty() && !settled.mail.is_empty() {
            self.ended(input.turn);
            self.note_state(SETTLED);
            return None;
        }
        if !input.mail.iter().any(|message| assigned(message).is_some()) {
            return Some(input);
        }
        let (store, team) = (self.services.store.clone(), self.services.team.clone());
        let tasks = tokio::task::spawn_blocking(move || store.tasks(&team)).await;
        // What cannot be looked at is given as it is.
        let Ok(Ok(tasks)) = tasks else { return Some(input) };
        let is_over = |message: &Message| assigned(message).is_some_and(|what| self.is_over(&tasks, &what));
        let (over, mail) = std::mem::take(&mut input.mail).into_iter().partition(is_over);
        input.mail = mail;
        let over = Input { mail: over, turn: input.turn, ..Input::default() };
        if !over.mail.is_empty() {
            self.record_mail(&over, MailState::Refused, Some(OVER));
        }
        if input.mail.is_empty() && input.text.is_empty() {
            self.ended(input.turn);
            self.note_state(OVER);
            return None;
        }
        Some(input)
    }

    fn is_over(&self, tasks: &TaskList, (id, attempt): &(String, u64)) -> bool {
        let is_its = |task: &crate::model::task::Task| {
            task.status == TaskStatus::InProgress
                && task.owner.as_deref() == Some(self.profile.name.as_str())
                && task.work().attempt == *attempt
        };
        !tasks.get(id).is_some_and(|task| is_its(task))
    }
}

/// Whether a message answers a question of a member's agent: it decides, or comes too late, and is for no agent to read.
fn is_answer(message: &Message) -> bool {
    matches!(StructuredMessage::parse(&message.text), Some(StructuredMessage::PermissionResponse { .. }))
}

/// The task and the attempt that a message gives to its recipient.
fn assigned(message: &Message) -> Option<(String, u64)> {
    match StructuredMessage::parse(&message.text)? {
        StructuredMessage::TaskAssignment { task_id, attempt: Some(attempt), .. } => Some((task_id, attempt)),
        _ => None,
    }
}
