//! A step on a message's way, as `trace` shows it.

use serde::{Deserialize, Serialize};

use super::message::Message;

/// A step on a message's way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MailStep {
    /// The message.
    pub id: String,
    /// When.
    pub time: String,
    /// Who wrote it.
    pub from: String,
    /// Whom it is for.
    pub to: String,
    /// How far it was: `queued` (in the inbox), `taken` (out of it), `injected`, `acknowledged`, `returned` or `refused`.
    /// Among what is undelivered also `unreadable`: an inbox of which nobody knows what is in it.
    pub state: String,
    /// In which turn of the recipient.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub turn: Option<u64>,
    /// Why, where that is not plain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl MailStep {
    pub(crate) fn of(message: &Message, to: &str, state: &str) -> Self {
        Self {
            id: message.key(),
            time: message.timestamp.clone(),
            from: message.from.clone(),
            to: to.to_owned(),
            state: state.to_owned(),
            turn: None,
            reason: None,
        }
    }

    /// Nobody knows what is in this inbox.
    pub(crate) fn unreadable(to: &str, reason: String) -> Self {
        Self {
            id: String::new(),
            time: String::new(),
            from: String::new(),
            to: to.to_owned(),
            state: "unreadable".to_owned(),
            turn: None,
            reason: Some(reason),
        }
    }
}
