//! What the lead hears of a turn that has ended, in the form in which Claude Code's teammates tell it.

use crate::model::event::EventKind;
use crate::model::message::StructuredMessage;
use crate::model::name::AgentName;
use crate::model::time::iso;
use crate::orchestrator::teammate::actor::Actor;
use crate::store::new_message;
use crate::sync::lock;

/// How much of an answer the lead gets; the transcript has all of it.
const RESULT_LIMIT: usize = 8 << 10;

impl Actor {
    /// Tells the lead how the turn that has just been told of ended.
    pub(super) fn notify_lead(&mut self, end: &EventKind) {
        let mut activity = std::mem::take(&mut lock(&self.shared).activity);
        let (reason, failure, answer) = match end {
            EventKind::TurnCompleted { text } => ("available", None, text.as_str()),
            EventKind::TurnInterrupted { text, .. } => ("interrupted", None, text.as_str()),
            EventKind::Error { message } => ("failed", Some(message.clone()), ""),
            _ => return,
        };
        // Claude Code's form has room for one.
        let (completed_task_id, completed_status) =
            activity.completed.pop().map(|(id, status)| (id, status.to_owned())).unzip();
        activity.wrote.extend(activity.completed.iter().map(|(id, status)| format!("task #{id}: {status}")));
        let notification = StructuredMessage::IdleNotification {
            from: self.profile.name.to_string(),
            timestamp: iso(jiff::Timestamp::now()),
            idle_reason: Some(reason.to_owned()),
            summary: Some(activity.wrote.join("; ")).filter(|text| !text.is_empty()),
            completed_task_id,
            completed_status,
            failure_reason: failure,
            result: Some(answer).filter(|text| !text.is_empty()).map(|text| self.bounded(text)),
        };
        let text = self.services.redactor.redact(&notification.to_text()).into_owned();
        self.send(AgentName::lead(), new_message(&self.profile.name, &text, None, None));
    }

    fn bounded(&self, text: &str) -> String {
        if text.len() <= RESULT_LIMIT {
            return text.to_owned();
        }
        let end = (0..=RESULT_LIMIT).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        let head = &text[..end];
        let (more, name, seq) = (text.len() - head.len(), &self.profile.name, self.services.feed.last_seq());
        format!("{head}\n… ({more} more bytes: `teams tail {name} --since {seq} --json`)")
    }
}
