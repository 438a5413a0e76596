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
//! orchestrator.spawn_teammate("review", config, BackendType::ClaudeCode).await?;
//! orchestrator.send_input("review", "reviewer", "Review src/main.rs").await?;
//! # Ok(())
//! # }
//! ```

pub mod cli;
pub mod daemon;
pub mod error;
pub mod mcp;
pub mod model;
pub mod orchestrator;
pub mod paths;
pub mod store;
mod sync;

#[doc = include_str!("tour.md")]
pub mod tour {}

/// The backends, under the names that programs use.
pub mod backend {
    pub use agent_backends::{Capabilities, Command, Driver, Group, Outbox, OutputReceiver, Session, TurnEnd};
    pub use agent_backends::{acp, claude as claude_code, codex, driver, gemini, known, pipes, process};
}

pub use agent_backends::{
    AgentBackend, AgentOutput, AgentSession, Approval, ApprovalId, BackendError, BackendType, Decision, Exit,
    PermissionMode, SpawnConfig, StopReport, ToolEvent, ToolStatus, Usage,
};
pub use error::{Error, Result};
pub use model::status::{MemberState, MemberStatus, TeamStatus};
pub use model::task::{CreateTaskRequest, Task, TaskId, TaskStatus, TaskUpdate};
pub use orchestrator::TeamOrchestrator;

/// What a program that runs a team needs.
pub mod prelude {
    pub use crate::backend::acp::AcpBackend;
    pub use crate::backend::claude_code::ClaudeCodeBackend;
    pub use crate::backend::codex::CodexBackend;
    pub use crate::backend::gemini::GeminiCliBackend;
    pub use crate::{
        AgentBackend, AgentOutput, AgentSession, BackendType, CreateTaskRequest, Decision, MemberState, PermissionMode,
        SpawnConfig, Task, TaskStatus, TaskUpdate, TeamOrchestrator,
    };
}
