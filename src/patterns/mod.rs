#![doc = include_str!("guide.md")]

// It knows members only through the verbs of a team, and neither the daemon nor the disk.

pub mod agent;
mod answer;
mod ask;
mod backoff;
mod config;
pub mod context;
pub mod errors;
mod fan;
pub mod orchestrator;
pub mod parallel;
mod record;
pub mod registry;
mod run;
pub mod sequential;
mod teammate;
mod trace;
mod values;
pub mod vote;

/// The ways in which agents work together.
#[allow(clippy::module_inception, reason = "the path by which programs know it")]
pub mod patterns {
    pub use crate::patterns::parallel::{self, ParallelOrchestrator};
    pub use crate::patterns::sequential::{self, SequentialOrchestrator};
    pub use crate::patterns::vote::{self, Vote};
}

pub use agent::{Agent, AgentError, AgentInput, AgentOutput, SimpleAgent};
pub use answer::{Answer, Candidate};
pub use context::{AgentExecution, Backoff, ExecutionConfig, ExecutionContext, ExecutionTrace};
pub use errors::{AgentFailure, NoConsensus, NoConsensusCause, OrchestrationError, Result};
pub use orchestrator::{BaseOrchestrator, Orchestrator, OrchestratorInput, OrchestratorOutput, Run};
pub use parallel::ParallelOrchestrator;
pub use registry::{AgentFilter, AgentMetadata, AgentRegistry, AgentRegistryBuilder, RegistryError};
pub use sequential::SequentialOrchestrator;
pub use teammate::TeammateAgent;
pub use vote::{Verdict, Vote};
