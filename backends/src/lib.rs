//! Drive one agent CLI behind two traits.
//!
//! [`AgentBackend`] is a factory for sessions of one agent CLI; [`AgentSession`] is one live conversation with one agent.
//! This crate knows nothing of teams, members, tasks or inboxes, never reads the user's configuration and never decides:
//! permission, retry, restart and delivery belong to the caller. It reports what the agent did.
//!
//! # Theory of operation
//!
//! Every session, whatever its protocol, is the same loop (`session`): a task owns a driver (one for each protocol),
//! a queue of inputs, and the sending half of the [output channel](output). The handle that implements [`AgentSession`]
//! only sends commands to that task. The loop
//!
//! 1. starts the next input when no turn is running: input that comes while the agent is busy waits here and is never
//!    merged with another;
//! 2. hands each event of the agent to the driver, which answers with [`AgentOutput`] values;
//! 3. passes those on, in order, through the output channel, while it keeps listening for commands: a reader that does
//!    not read cannot keep a session from being stopped.
//!
//! A turn starts with [`AgentOutput::TurnStarted`] and ends with exactly one of [`AgentOutput::TurnComplete`] (it
//! succeeded), [`AgentOutput::Error`] (it failed, and this is why) or [`AgentOutput::TurnInterrupted`]. When nothing waits
//! after it, [`AgentOutput::Idle`] follows. The last event of every session is [`AgentOutput::Exited`].
//!
//! [`process`] is the only place that starts, signals and reaps processes, [`pipes`] reads and writes theirs; [`wire`] speaks newline-delimited JSON-RPC over
//! their pipes. Each protocol's JSON stays inside that protocol's module.
#![warn(clippy::print_stdout)]

pub mod acp;
mod approval;
pub mod claude;
pub mod codex;
pub mod config;
pub mod discover;
pub mod error;
pub mod gemini;
mod outbox;
pub mod output;
pub mod pipes;
pub mod process;
mod rate_limit;
mod session;
pub mod simulate;
pub mod wire;

use async_trait::async_trait;

pub use config::{BackendType, Command, McpServer, PermissionMode, SpawnConfig, Supervision};
pub use error::BackendError;
pub use output::{
    AgentOutput, Approval, ApprovalId, ApprovalKind, Decision, Exit, OutputReceiver, ToolEvent, ToolStatus, Usage,
};
pub use process::StopReport;

/// What every call of this crate answers.
pub type Result<T, E = BackendError> = std::result::Result<T, E>;

/// A factory for sessions of one agent CLI.
#[async_trait]
pub trait AgentBackend: Send + Sync {
    /// Which agent CLI this backend runs.
    fn backend_type(&self) -> BackendType;

    /// Starts a session and waits until the agent is ready for input. No turn is started.
    ///
    /// # Errors
    /// The program is missing or too old, the working directory does not exist, the agent is not logged in, it did not
    /// become ready in time, cannot do what `config` asks for, or reports settings that differ from it.
    async fn spawn(&self, config: SpawnConfig) -> Result<Box<dyn AgentSession>>;
}

/// One live conversation with one agent: takes input, gives output.
///
/// Dropping a session kills its processes; [`shutdown`](AgentSession::shutdown) is the polite way, and the only one that
/// reports what became of them.
#[async_trait]
pub trait AgentSession: Send + Sync {
    /// The name the session was spawned with.
    fn name(&self) -> &str;

    /// Tells whether this input could be given to the agent at all.
    ///
    /// # Errors
    /// It is empty, or too large for this agent.
    fn check_input(&self, _input: &str) -> Result<()> {
        Ok(())
    }

    /// Queues `input` as one turn. It starts at once when the agent is idle, else after the turns before it.
    ///
    /// # Errors
    /// The input is empty or too large for this agent, the queue is full, or the session has ended.
    async fn send_input(&mut self, input: &str) -> Result<()>;

    /// As [`send_input`](AgentSession::send_input), under an id of the caller's (a UUID), by which the agent can be asked
    /// later whether it [has](AgentSession::has_input) it.
    ///
    /// # Errors
    /// As [`send_input`](AgentSession::send_input).
    async fn send_input_as(&mut self, _id: &str, input: &str) -> Result<()> {
        self.send_input(input).await
    }

    /// Whether the conversation has the input that was sent under this id, in this session or in one before it that it
    /// continues. `None` where the agent cannot tell.
    ///
    /// # Errors
    /// The agent was asked and did not answer.
    async fn has_input(&mut self, _id: &str) -> Result<Option<bool>> {
        Ok(None)
    }

    /// Whether a turn that runs can be given a further input; see [`steer`](AgentSession::steer).
    fn steers(&self) -> bool {
        false
    }

    /// Gives the turn that runs a further input, under an id of the caller's. The agent finishes the tool that it uses, takes
    /// it (Codex drops the answer that it is in the midst of), and goes on with the same turn.
    /// [`AgentOutput::InputAccepted`] follows when it has it. `false` when the agent cannot take it, or no turn runs any
    /// more; then it does not have it.
    ///
    /// # Errors
    /// The session has ended, or the agent did not answer: then nobody knows whether it has it.
    async fn steer(&mut self, _id: &str, _input: &str) -> Result<bool> {
        Ok(false)
    }

    /// The session's output, handed out once; `None` after that.
    fn output_receiver(&mut self) -> Option<OutputReceiver>;

    /// Whether the session can still take input.
    async fn is_alive(&self) -> bool;

    /// Ends the running turn; what waits behind it stays queued. Does nothing when no turn runs.
    ///
    /// # Errors
    /// The session has ended.
    async fn interrupt(&mut self) -> Result<()>;

    /// Asks the agent whether its turn still runs, where its protocol can. An end that was missed is then reported as any
    /// other; else nothing happens.
    async fn probe(&mut self) {}

    /// Changes what the agent may do without asking, from its next use of a tool on, or from its next turn on. Its conversation
    /// goes on.
    ///
    /// # Errors
    /// The agent has no such mode, or refuses.
    async fn set_permission_mode(&mut self, mode: PermissionMode) -> Result<()>;

    /// Answers a question the agent asked with [`AgentOutput::Approval`].
    ///
    /// # Errors
    /// No such question is open: it was answered, withdrawn, or belongs to a turn that ended.
    async fn answer(&mut self, approval: &ApprovalId, decision: Decision) -> Result<()>;

    /// The agent's own name for the conversation, with which [`SpawnConfig::resume`] continues it. `None` while the agent
    /// has not made it durable.
    fn session_id(&self) -> Option<String>;

    /// The id that the conversation has, or will have once it is durable: what was killed in its first turn may be found
    /// under it.
    fn assigned_id(&self) -> Option<String> {
        self.session_id()
    }

    /// The model that the agent says it uses, when it says so.
    fn model(&self) -> Option<String>;

    /// The process that serves the session now; `None` when there is none (a one-shot agent between turns).
    fn pid(&self) -> Option<u32>;

    /// Stops the session, politely first: by protocol, then by closing its input, then SIGTERM, then SIGKILL, each with a
    /// deadline, and verifies what is left. The output ends with [`AgentOutput::Exited`]. Calling it again returns the same
    /// report.
    ///
    /// # Errors
    /// The processes could not be looked at, so nothing can be said about them.
    async fn shutdown(&mut self) -> Result<StopReport>;

    /// Kills the session's processes now and verifies that none is left.
    ///
    /// # Errors
    /// As [`shutdown`](AgentSession::shutdown).
    async fn force_kill(&mut self) -> Result<StopReport>;
}
