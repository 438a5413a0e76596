//! A message that was sent, and what becomes of it.

use std::sync::Arc;

use crate::model::event::{EventKind, MailState};
use crate::model::message::Message;
use crate::orchestrator::feed::{Feed, Subscription};

/// A message in somebody's inbox. It goes its way without this, too.
#[derive(Debug)]
pub struct MessageHandle {
    message: Message,
    state: MailState,
    events: Subscription,
}

impl MessageHandle {
    pub(crate) fn new(message: Message, feed: &Arc<Feed>, since: u64) -> Self {
        Self { message, state: MailState::Queued, events: feed.subscribe(since) }
    }

    /// It, as it was written.
    pub fn message(&self) -> &Message {
        &self.message
    }

    /// How far it is now.
    pub fn state(&mut self) -> MailState {
        while let Some(event) = self.events.next_now() {
            self.heed(&event.kind);
        }
        self.state
    }

    /// Waits until the recipient's agent has it, or will not get it. Messages for the lead, and for members that are not ours,
    /// stay queued. Cancel-safe.
    pub async fn settled(&mut self) -> MailState {
        while !matches!(self.state(), MailState::Acknowledged | MailState::Refused) {
            let Some(event) = self.events.next().await else { break };
            self.heed(&event.kind);
        }
        self.state
    }

    fn heed(&mut self, kind: &EventKind) {
        match kind {
            EventKind::Mail { id, state, .. } if *id == self.message.key() => self.state = *state,
            _ => {}
        }
    }
}
