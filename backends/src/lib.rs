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
mod backend;
mod capabilities;
pub mod claude;
pub mod codex;
mod command;
pub mod config;
pub mod discover;
pub mod driver;
pub mod error;
#[cfg(fuzzing)]
pub mod fuzz;
pub mod gemini;
pub mod json_line;
mod kind;
pub mod known;
mod lenient;
mod lock;
mod login;
#[cfg(feature = "native")]
pub mod native;
mod outbox;
pub mod output;
mod permission;
pub mod pipes;
pub mod process;
mod rate_limit;
mod session;
pub mod simulate;
pub mod tap;
pub mod usual;
pub mod wire;

pub use backend::{AgentBackend, AgentSession};
pub use capabilities::{Capabilities, Group};
pub use command::{Command, EmptyCommand};
pub use config::{McpServer, SpawnConfig};
pub use driver::Driver;
pub use error::{BackendError, Result};
pub use kind::{BackendType, UnknownBackend};
pub use outbox::{Outbox, TurnEnd};
pub use output::{
    AgentOutput, Approval, ApprovalId, ApprovalKind, Decision, Exit, OutputReceiver, ToolEvent, ToolStatus, Usage,
    UserQuestion,
};
pub use permission::PermissionMode;
pub use process::{StopReport, Supervision};
pub use session::Session;
