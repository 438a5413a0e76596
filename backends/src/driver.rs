//! What a new backend writes: a [`Driver`], which speaks one agent's protocol.
//!
//! A backend is two types. One implements [`AgentBackend`](crate::AgentBackend): its `spawn` starts the agent, waits until
//! it is ready, and hands a driver to [`Session::start`](crate::Session::start). The other is the driver. The session then
//! owns the queue of inputs, the commands of the handle and the output channel; it calls the driver from one task, one call
//! at a time, so a driver needs no locks.
//!
//! # A turn, call by call
//!
//! 1. The session announces the turn, and calls [`start_turn`](Driver::start_turn), which writes the input to the agent.
//! 2. The session waits in [`next`](Driver::next), and hands each event to [`handle`](Driver::handle), which pushes
//!    [`AgentOutput`](crate::AgentOutput) values into the [`Outbox`].
//! 3. When the agent is done with the turn, `handle` says so with [`Outbox::end_turn`]: complete, failed, interrupted or refused by
//!    its provider. The session then starts the next input, if one waits.
//! 4. When the agent has ended, `handle` says so with [`Outbox::exit`]. A turn that runs fails with the reason given there.
//!    After that only [`stop`](Driver::stop) is called.
//!
//! # What a driver must not do
//!
//! Wait, in any method but `next` and `stop`: the session hears nothing meanwhile. A question that takes time returns an
//! [`Answer`], which runs beside the loop. Write to a pipe through [`StdinWriter`](crate::pipes::StdinWriter), which never
//! blocks, and read it with [`next_line`](crate::process::next_line), which is cancel-safe.
//!
//! Nor decide: permission, retry and restart belong to whoever owns the session.
//!
//! `examples/custom_backend.rs` of `agent-teams` is a whole backend in under 120 lines.

use std::pin::Pin;

use async_trait::async_trait;

use crate::approval::{ApprovalId, Decision};
use crate::error::{BackendError, Result};
use crate::outbox::Outbox;
use crate::permission::PermissionMode;
use crate::process::{Grace, StopReport};

/// Tells whether an input can be given to an agent.
pub type InputCheck = Box<dyn Fn(&str) -> Result<()> + Send + Sync>;

/// What comes of a question that is asked beside the loop.
pub type Answer<T> = Pin<Box<dyn Future<Output = Result<T>> + Send>>;

/// What a turn begins with.
#[derive(Clone, Debug)]
pub struct TurnInput {
    /// The caller's name for it, a UUID.
    pub id: String,
    /// What the agent is to be given.
    pub text: String,
    /// Others have written it: nothing in it is the agent's own language, no mention of a file and no command.
    pub quoted: bool,
}

/// How a session is to be stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopMode {
    /// By protocol first, then by signals.
    Politely,
    /// Kill it at once.
    Now,
}

impl StopMode {
    /// How long each rung of the stop ladder may take.
    pub fn grace(self) -> Grace {
        match self {
            Self::Politely => Grace::default(),
            Self::Now => Grace::NONE,
        }
    }
}

/// What may be known about a session from outside.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// See [`AgentSession::session_id`](crate::AgentSession::session_id).
    pub session_id: Option<String>,
    /// See [`AgentSession::assigned_id`](crate::AgentSession::assigned_id).
    pub assigned_id: Option<String>,
    /// See [`AgentSession::model`](crate::AgentSession::model).
    pub model: Option<String>,
    /// See [`AgentSession::pid`](crate::AgentSession::pid).
    pub pid: Option<u32>,
    /// See [`AgentSession::warnings`](crate::AgentSession::warnings).
    pub warnings: Vec<String>,
}

/// One agent's side of a session: how it is given input, and what its events mean. See the [module](self).
#[async_trait]
pub trait Driver: Send + 'static {
    /// What comes from the agent.
    type Event: Send;

    /// Tells whether an input can be given to the agent at all.
    fn input_check(&self) -> InputCheck {
        Box::new(|_| Ok(()))
    }

    /// Gives the agent an input, without waiting; the turn was announced already.
    ///
    /// # Errors
    /// The agent could not be given it, which ends the turn.
    fn start_turn(&mut self, input: &TurnInput, out: &mut Outbox) -> Result<()>;

    /// Gives the running turn a further input, where [`Capabilities::steers`](crate::Capabilities::steers); see
    /// [`AgentSession::steer`](crate::AgentSession::steer). Answered beside the loop.
    fn steer(&mut self, _input: TurnInput) -> Answer<bool> {
        Box::pin(std::future::ready(Ok(false)))
    }

    /// Whether the conversation has an input; answered beside the loop.
    fn has_input(&self, _id: &str) -> Answer<Option<bool>> {
        Box::pin(std::future::ready(Ok(None)))
    }

    /// Waits for the next event. It must be cancel-safe, because a command interrupts the waiting, and pending while there is
    /// nothing to wait for.
    async fn next(&mut self) -> Self::Event;

    /// Turns an event into output, without waiting.
    fn handle(&mut self, event: Self::Event, out: &mut Outbox);

    /// Asks the agent to end the running turn. The end comes as an event; an agent that has no way to be asked may end the turn
    /// here.
    ///
    /// # Errors
    /// The agent cannot be asked.
    fn interrupt(&mut self, out: &mut Outbox) -> Result<()>;

    /// Changes what the agent may do without asking; answered beside the loop. The default is an agent that cannot.
    fn set_mode(&mut self, mode: PermissionMode) -> Answer<()> {
        Box::pin(std::future::ready(Err(BackendError::FixedMode { mode })))
    }

    /// Passes on the answer to a question that is open, and says so with [`AgentOutput::ApprovalClosed`](crate::AgentOutput::ApprovalClosed). The default is an
    /// agent that asks nothing.
    ///
    /// # Errors
    /// The agent cannot be told.
    fn answer(&mut self, approval: &ApprovalId, _decision: Decision, _out: &mut Outbox) -> Result<()> {
        Err(BackendError::NoSuchApproval { id: approval.0.clone() })
    }

    /// Asks the agent whether its turn still runs, where the protocol can; an end that was missed comes as an event.
    fn probe(&mut self) {}

    /// Stops everything that belongs to the session, and nothing else, and verifies what is left. It is called once, and again
    /// only when it has failed.
    ///
    /// # Errors
    /// Nothing can be said about the processes.
    async fn stop(&mut self, how: StopMode) -> Result<StopReport>;

    /// What is known of the session now. It is asked after each event.
    fn facts(&self) -> Facts;
}

/// Waits until then; without a time, for ever.
pub(crate) async fn reached(at: Option<tokio::time::Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
