//! What the transcript says of a message on its way, and what a sender is told of one that did not arrive.

use crate::model::event::{EventKind, MailState};
use crate::model::message::{Message, StructuredMessage};
use crate::model::name::{AgentName, SYSTEM, TEAM_LEAD};
use crate::orchestrator::feed::Feed;
use crate::store::new_message;

/// What tells a sender that a message did not reach its recipient.
pub(crate) fn not_delivered(to: &AgentName, message: &Message, reason: &str) -> Message {
    let start: String = message.text.chars().take(80).collect();
    let text = format!("Your message to {to} was not delivered ({reason}): {start}");
    new_message(SYSTEM, &text, Some("not delivered"), None)
}

/// A message is in an inbox.
pub(crate) fn record_queued(feed: &Feed, to: &str, message: &Message) {
    // What is given to no agent of ours is told here, unless it is for programs.
    let text = Some(message.text.clone()).filter(|text| to == TEAM_LEAD && !StructuredMessage::is_one(text));
    let (id, from) = (message.key(), message.from.clone());
    feed.append(to, None, EventKind::Mail { id, from, state: MailState::Queued, text, reason: None });
}
