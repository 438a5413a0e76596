//! An agent of our own: a loop over a language model, with tools, subagents, and a conversation that outlives its process.
//!
//! [`AgentLoop`] is the agent, within any process. It asks an [`LlmClient`](llm::LlmClient), does what the model calls for with its
//! [`Tool`]s, and tells an [`Observer`] what happens. A [`PermissionGate`] decides what it may do; a [`Conversation`] is what it remembers.

mod agent_loop;
mod background;
mod compaction;
mod context;
mod conversation;
mod error;
mod events;
mod in_process;
pub mod llm;
#[cfg(test)]
mod loop_tests;
mod mcp;
mod permission;
mod roots;
mod serve;
mod setup;
mod subagent;
mod tool;
pub mod tools;

pub use agent_loop::{AgentLoop, AgentLoopResult, LoopSettings};
pub use background::{Background, BackgroundEnd};
pub use compaction::CompactionStrategy;
pub use conversation::{Conversation, Conversations};
pub use error::{Error, Result};
pub use events::{BackgroundResult, BackgroundResultKind, LoopEvent, Observer, ToolOutcome};
pub use in_process::{BeforeTurn, InProcessBackend};
pub use mcp::tools_of;
pub use permission::{ModeGate, PermissionGate, Rule, rule};
pub use roots::Roots;
pub use serve::{Extend, ServeOptions, serve};
pub use setup::AgentSetup;
pub use subagent::{ClientFactory, SpawnSubAgentTool, SubAgentDef, SubAgentRegistry, SubAgentResult, SubAgentRunner};
pub use tool::{FileChange, Tool, ToolDefinition, ToolKind, ToolRegistry, ToolUse};
