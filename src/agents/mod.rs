#![doc = include_str!("guide.md")]

mod config;
mod errors;
mod events;
mod hooks;
mod judge;
mod members;
mod prompt;
mod result;
mod run;
mod spawn_team;
mod task;
mod team;
mod team_tools;

pub use agent_backends::native::Error as ToolError;
pub use agent_backends::native::llm::{ChatMessage, LlmClient, LlmConfig, Provider as LlmProvider, create_client};
pub use agent_backends::native::tools::{CommandLimits, WebHosts, builtin as builtin_tools};
pub use agent_backends::native::{
    AgentLoop, AgentLoopResult, Background, BackgroundResult, BackgroundResultKind, PermissionGate, Roots,
    SpawnSubAgentTool, SubAgentDef, SubAgentRegistry, SubAgentResult, SubAgentRunner, Tool, ToolDefinition, ToolKind,
    ToolRegistry,
};
pub use config::AgentConfig;
pub use errors::{Error as SdkError, Result as SdkResult};
pub use events::AgentEvent;
pub use hooks::{Hook, HookEvent, HookResult};
pub use prompt::{DefaultPromptBuilder, PromptBuilder};
pub use result::{ExecutionSummary, TeamResult};
pub use spawn_team::SpawnAgentTeamTool;
pub use task::{Task, TaskId, TaskResult, TaskStatus};
pub use team::AgentTeam;

/// Agents, by the paths that programs may know.
pub mod agent {
    /// The loop of one agent.
    pub mod agent_loop {
        pub use agent_backends::native::{AgentLoop, AgentLoopResult, BackgroundResult, BackgroundResultKind};
    }
    /// What happens in a team.
    pub mod events {
        pub use crate::agents::events::AgentEvent;
    }
    /// A program's say in what happens.
    pub mod hooks {
        pub use crate::agents::hooks::{Hook, HookEvent, HookResult};
    }
    /// Agents that do a piece of another one's work.
    pub mod subagent {
        pub use agent_backends::native::{SubAgentDef, SubAgentRegistry, SubAgentResult, SubAgentRunner};
    }
    /// Teams of agents.
    pub mod team {
        pub use crate::agents::result::TeamResult;
        pub use crate::agents::team::AgentTeam;
    }
}

/// Traits, by the paths that programs may know.
pub mod traits {
    /// Language models.
    pub mod llm_client {
        pub use agent_backends::native::llm::LlmClient;
    }
    /// What agents are told.
    pub mod prompt_builder {
        pub use crate::agents::prompt::{DefaultPromptBuilder, PromptBuilder};
    }
    /// What agents act with.
    pub mod tool {
        pub use agent_backends::native::{Tool, ToolDefinition};
    }
}

/// Tools, by the paths that programs may know.
pub mod tools {
    /// The tools that an agent has.
    pub mod registry {
        pub use agent_backends::native::ToolRegistry;
    }
    pub use crate::agents::spawn_team::SpawnAgentTeamTool;
    pub use agent_backends::native::SpawnSubAgentTool;
    pub use agent_backends::native::tools::*;
}

/// Errors, by the path that programs may know.
pub mod error {
    pub use crate::agents::errors::{Error as SdkError, Result as SdkResult};
    pub use crate::agents::task::TaskId;
}
