//! What a session says, and the channel it says it through.
//!
//! The channel keeps the promise that a control event is never lost and text is never silently lost: a control event
//! waits for room; text never waits. When the channel is full, text is held back in order, adjacent deltas joined, up to
//! [`HELD_BACK_LIMIT`] bytes; what comes past that is counted, and the reader gets one [`AgentOutput::Lagged`] in its place.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};

use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

use crate::lock::lock;

pub use crate::approval::{Approval, ApprovalId, ApprovalKind, Decision, UserQuestion};

/// One event of a session.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum AgentOutput {
    /// A complete text message of the agent; its deltas, if any, came before it.
    Message(String),
    /// A piece of text as it is written.
    Delta(String),
    /// The text since the last message is no part of the answer: the agent's request broke off, and it begins anew.
    Retracted,
    /// The turn ended and succeeded.
    TurnComplete,
    /// No turn runs and none waits.
    Idle,
    /// The turn failed, or the session did, and this is why.
    Error(String),
    /// The provider takes no requests for the time being: the failure of the turn, which comes next, is no fault of its own.
    RateLimited {
        /// When it will take some again, in seconds since 1970, where that is known.
        resets_at: Option<i64>,
    },
    /// A turn began: `input` is the ordinal of the [`send_input`](crate::AgentSession::send_input) call it answers,
    /// counted from 1, or `None` when the agent began it by itself.
    TurnStarted {
        /// Which input.
        input: Option<u64>,
    },
    /// The agent has taken the input of the running turn: its conversation has it, whatever becomes of the turn.
    InputAccepted,
    /// The turn was ended by [`interrupt`](crate::AgentSession::interrupt).
    TurnInterrupted,
    /// The agent uses a tool.
    Tool(ToolEvent),
    /// What the turn cost so far.
    Usage(Usage),
    /// The agent asks for permission and waits.
    Approval(Approval),
    /// A question is closed: answered, withdrawn by the agent, or ended with its turn.
    ApprovalClosed(ApprovalId),
    /// What the session says of itself has changed: [`pid`](crate::AgentSession::pid),
    /// [`session_id`](crate::AgentSession::session_id), [`model`](crate::AgentSession::model) or
    /// [`warnings`](crate::AgentSession::warnings).
    FactsChanged,
    /// Something the reader should know, and that changes nothing.
    Notice(String),
    /// This many bytes of text were dropped here because nobody read.
    Lagged {
        /// Bytes of text.
        bytes: u64,
    },
    /// The session ended. Nothing comes after it.
    Exited(Exit),
}

impl AgentOutput {
    /// Whether the event may be held back and joined, rather than waited for.
    pub fn is_text(&self) -> bool {
        matches!(self, Self::Delta(_) | Self::Message(_))
    }

    /// Whether the event ends a turn.
    pub fn ends_turn(&self) -> bool {
        matches!(self, Self::TurnComplete | Self::TurnInterrupted | Self::Error(_) | Self::Exited(_))
    }
}

/// A use of a tool: one event when it starts, one when it ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolEvent {
    /// The agent's id of this use; the same in both events.
    pub id: String,
    /// The tool's name.
    pub name: String,
    /// How far it is.
    pub status: ToolStatus,
    /// What it does, in one line.
    pub summary: String,
}

/// How far the use of a tool is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ToolStatus {
    /// It runs.
    Started,
    /// It ended well.
    Completed,
    /// It failed.
    Failed,
    /// It was not allowed.
    Denied,
}

/// What a turn used. Tokens as the agent counts them; cached input is part of the input.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Usage {
    /// Tokens read by the model, from its cache too.
    pub input_tokens: u64,
    /// Tokens written by the model.
    pub output_tokens: u64,
    /// US dollars, where the agent says so.
    pub cost_usd: Option<f64>,
}

impl std::ops::AddAssign for Usage {
    fn add_assign(&mut self, other: Self) {
        // An agent may say any number.
        self.input_tokens = self.input_tokens.saturating_add(other.input_tokens);
        self.output_tokens = self.output_tokens.saturating_add(other.output_tokens);
        self.cost_usd = match (self.cost_usd, other.cost_usd) {
            (None, None) => None,
            (a, b) => Some(a.unwrap_or(0.0) + b.unwrap_or(0.0)),
        };
    }
}

/// One line of at most 120 characters.
pub(crate) fn summarize(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= 120 { line } else { line.chars().take(119).chain(['…']).collect() }
}

/// How a session ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Exit {
    /// The process ended with this code.
    Code(i32),
    /// A signal ended the process.
    Signal(i32),
    /// There was no process to end, or nobody knows how it did.
    Unknown,
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exit code {code}"),
            Self::Signal(signal) => write!(f, "signal {signal}"),
            Self::Unknown => f.write_str("ended"),
        }
    }
}

/// How many events a session's channel holds before control events wait and text is held back.
pub const OUTPUT_CHANNEL_SIZE: usize = 256;

/// How much text is held back for a reader that does not keep up, in bytes.
pub const HELD_BACK_LIMIT: usize = 1 << 20;

/// A reader takes so many events from the queue at once.
const TAKEN_AT_ONCE: usize = 64;
/// What one held-back event costs beside its text, so that a flood of tiny messages is bounded too.
const EVENT_COST: usize = 32;

/// Makes a channel for `capacity` events (at least 1).
pub fn output_channel(capacity: usize) -> (OutputSender, OutputReceiver) {
    let shared = Arc::new(Shared {
        state: Mutex::new(State::default()),
        capacity: capacity.max(1),
        readable: Notify::new(),
        writable: Notify::new(),
    });
    (OutputSender { shared: Arc::clone(&shared) }, OutputReceiver { shared, taken: VecDeque::new() })
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    capacity: usize,
    readable: Notify,
    writable: Notify,
}

#[derive(Debug, Default)]
struct State {
    queue: VecDeque<AgentOutput>,
    /// Bytes (and [`EVENT_COST`]s) of the text that stands beyond the queue's capacity.
    held_back: usize,
    sender_gone: bool,
    receiver_gone: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

/// The reader is gone; the event was not delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("nobody reads this output any more")]
pub struct ReceiverGone;

/// The writing half. There is one; dropping it ends the stream after what was sent.
#[derive(Debug)]
pub struct OutputSender {
    shared: Arc<Shared>,
}

impl OutputSender {
    /// Sends an event. Text returns at once; a control event waits until the reader has made room.
    ///
    /// Cancel-safe: an event that still waits when the future is dropped was not sent.
    ///
    /// # Errors
    /// The receiver is gone.
    pub async fn send(&self, event: AgentOutput) -> Result<(), ReceiverGone> {
        if !event.is_text() {
            self.ready().await?;
        }
        self.push(event)
    }

    /// Waits until a control event can be sent without waiting.
    ///
    /// # Errors
    /// The receiver is gone.
    pub async fn ready(&self) -> Result<(), ReceiverGone> {
        loop {
            let writable = self.shared.writable.notified();
            tokio::pin!(writable);
            writable.as_mut().enable();
            {
                let state = self.shared.lock();
                if state.receiver_gone {
                    return Err(ReceiverGone);
                }
                if state.queue.len() < self.shared.capacity {
                    return Ok(());
                }
            }
            writable.await;
        }
    }

    /// Sends an event without waiting; for control events, after [`ready`](Self::ready).
    ///
    /// # Errors
    /// The receiver is gone.
    pub fn push(&self, event: AgentOutput) -> Result<(), ReceiverGone> {
        self.push_all(std::iter::once(event))
    }

    /// Sends events as [`push`](Self::push) does; the reader is woken once.
    pub(crate) fn push_all(&self, events: impl Iterator<Item = AgentOutput>) -> Result<(), ReceiverGone> {
        let mut state = self.shared.lock();
        if state.receiver_gone {
            return Err(ReceiverGone);
        }
        for event in events {
            if state.queue.len() < self.shared.capacity || !event.is_text() {
                state.queue.push_back(event);
            } else {
                state.hold_back(event, self.shared.capacity);
            }
        }
        drop(state);
        self.shared.readable.notify_one();
        Ok(())
    }
}

impl State {
    /// Keeps text that found the queue full: joined to the delta before it, as an event of its own, or only counted.
    fn hold_back(&mut self, event: AgentOutput, capacity: usize) {
        let bytes = text_len(&event);
        let last = if self.queue.len() > capacity { self.queue.back_mut() } else { None };
        match (last, event) {
            (Some(AgentOutput::Lagged { bytes: lost }), _) => *lost += bytes as u64,
            (Some(AgentOutput::Delta(last)), AgentOutput::Delta(text)) if self.held_back + bytes <= HELD_BACK_LIMIT => {
                self.held_back += bytes;
                last.push_str(&text);
            }
            (_, event) if self.held_back + bytes + EVENT_COST <= HELD_BACK_LIMIT => {
                self.held_back += bytes + EVENT_COST;
                self.queue.push_back(event);
            }
            _ => self.queue.push_back(AgentOutput::Lagged { bytes: bytes as u64 }),
        }
    }

    /// Takes the first event; what moves up into the regular part of the queue is held back no longer.
    fn pop(&mut self, capacity: usize) -> Option<AgentOutput> {
        let event = self.queue.pop_front()?;
        if let Some(moved) = self.queue.get(capacity - 1).filter(|_| self.queue.len() >= capacity)
            && moved.is_text()
        {
            self.held_back = self.held_back.saturating_sub(text_len(moved) + EVENT_COST);
        }
        Some(event)
    }
}

fn text_len(event: &AgentOutput) -> usize {
    match event {
        AgentOutput::Delta(text) | AgentOutput::Message(text) => text.len(),
        _ => 0,
    }
}

impl Drop for OutputSender {
    fn drop(&mut self) {
        self.shared.lock().sender_gone = true;
        self.shared.readable.notify_one();
    }
}

/// The reading half.
#[derive(Debug)]
pub struct OutputReceiver {
    shared: Arc<Shared>,
    /// Events that were taken from the queue together.
    taken: VecDeque<AgentOutput>,
}

impl OutputReceiver {
    /// The next event; `None` when the session is gone and everything was read. Cancel-safe.
    pub async fn recv(&mut self) -> Option<AgentOutput> {
        loop {
            if let Some(event) = self.taken.pop_front() {
                return Some(event);
            }
            {
                let mut state = self.shared.lock();
                let pop = || state.pop(self.shared.capacity);
                self.taken.extend(std::iter::from_fn(pop).take(TAKEN_AT_ONCE));
                if !self.taken.is_empty() {
                    self.shared.writable.notify_one();
                    continue;
                }
                if state.sender_gone {
                    return None;
                }
            }
            self.shared.readable.notified().await;
        }
    }
}

impl Drop for OutputReceiver {
    fn drop(&mut self) {
        self.shared.lock().receiver_gone = true;
        self.shared.writable.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn event() -> impl Strategy<Value = AgentOutput> {
        prop_oneof![
            4 => "[a-z]{1,40}".prop_map(AgentOutput::Delta),
            1 => "[a-z]{1,40}".prop_map(AgentOutput::Message),
            1 => (1..9u64).prop_map(|n| AgentOutput::TurnStarted { input: Some(n) }),
            1 => Just(AgentOutput::TurnComplete),
        ]
    }

    /// What is read, with adjacent deltas joined, so that joining cannot be told from not joining.
    fn joined(events: &[AgentOutput]) -> Vec<AgentOutput> {
        let mut out: Vec<AgentOutput> = Vec::new();
        for event in events {
            match (out.last_mut(), event) {
                (Some(AgentOutput::Delta(last)), AgentOutput::Delta(text)) => last.push_str(text),
                _ => out.push(event.clone()),
            }
        }
        out
    }

    fn run<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(future)
    }

    proptest! {
        /// Whatever the size of the channel and the pace of the reader: every event arrives, in order, and text within
        /// the bound is whole.
        #[test]
        fn nothing_is_lost_and_order_is_kept(
            events in prop::collection::vec(event(), 0..200),
            capacity in 1..8usize,
            reads in prop::collection::vec(0..4usize, 200),
        ) {
            let expected = joined(&events);
            let got = run(async move {
                let (tx, mut rx) = output_channel(capacity);
                let writer = async move {
                    for event in events {
                        tx.send(event).await.unwrap();
                        tokio::task::yield_now().await;
                    }
                };
                let reader = async move {
                    let mut got = Vec::new();
                    let mut pace = reads.into_iter().cycle();
                    while let Some(event) = rx.recv().await {
                        got.push(event);
                        for _ in 0..pace.next().unwrap_or(0) {
                            tokio::task::yield_now().await;
                        }
                    }
                    got
                };
                tokio::join!(writer, reader).1
            });
            prop_assert_eq!(joined(&got), expected);
        }
    }

    #[test]
    fn a_reader_that_sleeps_loses_no_control_event_and_is_told_of_lost_text() {
        run(async {
            let (tx, mut rx) = output_channel(4);
            let writer = tokio::spawn(async move {
                let line = "x".repeat(1000);
                for _ in 0..5_000 {
                    tx.send(AgentOutput::Delta(line.clone())).await.unwrap();
                }
                tx.send(AgentOutput::TurnComplete).await.unwrap();
                tx.send(AgentOutput::Idle).await.unwrap();
            });
            for _ in 0..100 {
                tokio::task::yield_now().await;
            }
            let (mut text, mut lagged, mut control) = (0, 0, Vec::new());
            while let Some(event) = rx.recv().await {
                match event {
                    AgentOutput::Delta(part) => text += part.len() as u64,
                    AgentOutput::Lagged { bytes } => lagged += bytes,
                    other => control.push(other),
                }
            }
            writer.await.unwrap();
            assert_eq!(text + lagged, 5_000_000, "every byte is either delivered or counted");
            assert!(text >= HELD_BACK_LIMIT as u64 - 1000, "only {text} bytes were kept");
            assert!(lagged > 0);
            assert_eq!(control, [AgentOutput::TurnComplete, AgentOutput::Idle]);
        });
    }

    #[test]
    fn a_writer_learns_that_nobody_reads() {
        run(async {
            let (tx, rx) = output_channel(1);
            tx.send(AgentOutput::Idle).await.unwrap();
            drop(rx);
            assert_eq!(tx.send(AgentOutput::Idle).await, Err(ReceiverGone));
            assert_eq!(tx.send(AgentOutput::Delta("a".into())).await, Err(ReceiverGone));
        });
    }
}
