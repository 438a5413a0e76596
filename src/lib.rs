//! Teams of agent CLIs: Claude Code, Codex, Gemini CLI and ACP agents as members of one team.
//!
//! [`TeamOrchestrator`] is the entry point: it starts agents behind [`AgentBackend`] and [`AgentSession`], gives them input,
//! passes on what they say, and keeps teams, tasks and messages in Claude Code's own files, so that a live Claude Code sees
//! the same team. The `teams` command and its daemon are a thin skin over it.
//!
//! ```no_run
//! use agent_teams::prelude::*;
//!
//! # async fn run() -> agent_teams::Result<()> {
//! let orchestrator = TeamOrchestrator::builder().with_claude_code(ClaudeCodeBackend::new()).build()?;
//! orchestrator.create_team("review", None).await?;
//! let config = SpawnConfig::new("reviewer", "You review Rust code.");
//! let reviewer = orchestrator.team("review")?.spawn(config, BackendType::ClaudeCode).await?;
//! println!("{}", reviewer.ask("Review src/main.rs").await?);
//! # Ok(())
//! # }
//! ```
//!
//! [`patterns`] has agents of any kind work together: one after the other, at the same time, or as a vote over their answers. A
//! member of a team is one of them.
//!
//! Features, all on by default: `cli` is the `teams` command, `daemon` the daemon and `Client`, through which a program shares it,
//! `mcp` the team's tools over MCP, `native` an agent of our own. Without them the library builds with about half of the crates.

#[cfg(feature = "native")]
pub mod agents;
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod cli;
#[cfg(feature = "daemon")]
mod client;
#[cfg(feature = "daemon")]
#[doc(hidden)]
pub mod daemon;
pub mod error;
mod git;
#[cfg(feature = "cli")]
mod lead;
#[cfg(feature = "cli")]
mod live;
#[cfg(feature = "mcp")]
#[doc(hidden)]
pub mod mcp;
pub mod model;
pub mod orchestrator;
mod paths;
pub mod patterns;
#[cfg(feature = "cli")]
mod picture;
#[cfg(feature = "cli")]
mod replay;
pub mod routing;
#[doc(hidden)]
pub mod store;
mod sync;
#[cfg(feature = "cli")]
mod tui;
pub mod turn;
#[cfg(feature = "cli")]
mod visible;
#[cfg(feature = "cli")]
mod web;

#[cfg(feature = "daemon")]
#[doc = include_str!("tour.md")]
pub mod tour {}

/// The backends, under the names that programs use.
pub mod backend {
    #[cfg(feature = "native")]
    pub use agent_backends::native;
    pub use agent_backends::{
        ApprovalKind, Capabilities, Command, Driver, Group, Outbox, OutputReceiver, Session, TurnEnd,
    };
    pub use agent_backends::{acp, claude as claude_code, codex, driver, gemini, known, pipes, process};
}

/// The [`patterns`] under the name that their programs may know.
#[doc(no_inline)]
pub use patterns as orchestration;

pub use agent_backends::{
    AgentBackend, AgentOutput, AgentSession, Approval, ApprovalId, BackendError, BackendType, Decision, Exit,
    PermissionMode, SpawnConfig, StopReport, ToolEvent, ToolStatus, Usage,
};
#[cfg(feature = "daemon")]
pub use client::Client;
pub use error::{Error, ErrorKind, Result};
pub use model::approval::ApprovalPolicy;
pub use model::checkpoint::{Checkpoint, CheckpointNotes, CheckpointStatus};
pub use model::event::{Event, EventKind};
pub use model::hook::{HookEvent, HookInput, HookVerdict};
pub use model::launch::Supervise;
pub use model::name::{AgentName, TeamName};
pub use model::policy::{Budget, ResumeMode};
pub use model::run::{RunId, RunState};
pub use model::run_report::{RunReport, RunSummary};
pub use model::status::{MemberState, MemberStatus, PendingApproval, TeamStatus};
pub use model::task::{CreateTaskRequest, Task, TaskId, TaskStatus, TaskUpdate};
pub use model::team_file::TeamFile;
pub use model::turn::{TurnOutcome, TurnStatus};
pub use orchestrator::{Hook, Letter, MemberHandle, RunHandle, RunOptions, TeamHandle, TeamOrchestrator, Verbs};
pub use turn::{EventSource, TurnHandle};

/// What a program that runs a team needs.
pub mod prelude {
    #[cfg(feature = "daemon")]
    pub use crate::Client;
    pub use crate::backend::acp::AcpBackend;
    pub use crate::backend::claude_code::ClaudeCodeBackend;
    pub use crate::backend::codex::CodexBackend;
    pub use crate::backend::gemini::GeminiCliBackend;
    pub use crate::{
        AgentBackend, AgentName, AgentOutput, AgentSession, Approval, ApprovalPolicy, BackendType, Budget,
        CreateTaskRequest, Decision, Error, ErrorKind, Event, EventKind, EventSource, Hook, HookEvent, HookInput,
        HookVerdict, Letter, MemberHandle, MemberState, MemberStatus, PendingApproval, PermissionMode, Result,
        ResumeMode, RunHandle, RunOptions, RunReport, RunState, RunSummary, SpawnConfig, StopReport, Supervise, Task,
        TaskId, TaskStatus, TaskUpdate, TeamFile, TeamHandle, TeamName, TeamOrchestrator, TeamStatus, TurnHandle,
        TurnOutcome, TurnStatus, Usage, Verbs,
    };
}
