//! Calls about messages and inboxes.

use serde::{Deserialize, Serialize};

use crate::model::launch::{Resumed, Surroundings};

/// Writes a message into an inbox, or into all but the sender's, and brings back a single recipient that does not run.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SendMessageParams {
    /// The team.
    pub team: String,
    /// Who writes.
    pub from: String,
    /// To whom; `*` for everybody else.
    pub to: String,
    /// The message.
    pub text: String,
    /// The same in a few words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<String>,
    /// It does not wait for the end of its recipient's turn.
    #[serde(default)]
    pub urgent: bool,
    /// In which a recipient is started that does not run; without them it is left alone, as are all that `*` reaches.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub surroundings: Option<Surroundings>,
}

/// A message that was written into one inbox.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageReply {
    /// Whose inbox it is.
    pub to: String,
    /// The message's id.
    pub id: String,
}

/// What became of a message to one or to all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SendMessageReply {
    /// Into which inboxes it was written.
    pub written: Vec<MessageReply>,
    /// The recipient that did not run, and what became of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub woken: Option<Resumed>,
}

/// Reads an inbox. Nothing is marked or removed.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InboxParams {
    /// The team.
    pub team: String,
    /// Whose inbox.
    pub name: String,
}

/// Asks for a message's whole way.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TraceParams {
    /// The team.
    pub team: String,
    /// The message's id.
    pub id: String,
}

/// Lists the messages of a team that no agent has yet.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UndeliveredParams {
    /// The team.
    pub team: String,
}
