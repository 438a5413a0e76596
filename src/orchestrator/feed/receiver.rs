//! One member's output, for programs: read from the team's events.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use agent_backends::AgentOutput;
use futures_core::Stream;
use tokio_util::sync::ReusableBoxFuture;

use crate::model::event::EventKind;
use crate::orchestrator::feed::{Feed, Subscription};

/// One session's output, read from its team's events: a slow reader loses nothing and slows nobody.
#[derive(Debug)]
pub struct MemberReceiver {
    events: Subscription,
    member: String,
    ended: bool,
}

impl MemberReceiver {
    pub(crate) fn new(feed: &Arc<Feed>, member: &str, from: u64) -> Self {
        Self { events: feed.subscribe(from), member: member.to_owned(), ended: false }
    }

    /// The next event; `None` after [`AgentOutput::Exited`]. Cancel-safe.
    pub async fn recv(&mut self) -> Option<AgentOutput> {
        while !self.ended {
            let event = self.events.next().await?;
            if event.agent != self.member {
                continue;
            }
            self.ended = match &event.kind {
                EventKind::Exited { restarts, .. } => !restarts,
                // It was to be started again, and was not.
                EventKind::State { state, .. } => ["exited", "failed"].contains(&state.as_str()),
                _ => false,
            };
            if let Some(output) = event.kind.as_output(event.turn) {
                return Some(output);
            }
        }
        None
    }
}

/// [`MemberReceiver`] as a stream.
pub struct MemberStream {
    next: ReusableBoxFuture<'static, (Option<AgentOutput>, MemberReceiver)>,
}

async fn receive(mut receiver: MemberReceiver) -> (Option<AgentOutput>, MemberReceiver) {
    (receiver.recv().await, receiver)
}

impl MemberStream {
    pub(crate) fn new(receiver: MemberReceiver) -> Self {
        Self { next: ReusableBoxFuture::new(receive(receiver)) }
    }
}

impl std::fmt::Debug for MemberStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MemberStream")
    }
}

impl Stream for MemberStream {
    type Item = AgentOutput;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<AgentOutput>> {
        match self.next.poll(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready((output, receiver)) => {
                self.next.set(receive(receiver));
                Poll::Ready(output)
            }
        }
    }
}
