//! What an orchestrator is, what it answers, and what every orchestrator has.

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use super::agent::Agent;
use super::config::ExecutionConfig;
use super::context::ExecutionContext;
use super::errors::{AgentFailure, Result};
pub use super::run::Run;
use super::trace::ExecutionTrace;
use super::values::AgentOutput;
pub use super::values::OrchestratorInput;

/// A way to make one result of the work of several agents.
#[async_trait]
pub trait Orchestrator: Send + Sync {
    /// Has the agents work on an input.
    ///
    /// # Errors
    /// There is no result; [`OrchestrationError`](super::OrchestrationError) says why.
    async fn orchestrate(&self, agents: Vec<Box<dyn Agent>>, input: OrchestratorInput) -> Result<OrchestratorOutput>;
}

/// What an orchestration comes to.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct OrchestratorOutput {
    /// The result.
    pub result: String,
    /// What the agents have answered, in the order of the agents. Who has given no answer is left out.
    pub agent_outputs: Vec<AgentOutput>,
    /// The agents that have given no answer.
    pub failures: Vec<AgentFailure>,
    /// What happened in this orchestration.
    pub execution_trace: ExecutionTrace,
}

impl OrchestratorOutput {
    /// An output of an orchestration in which every agent has answered.
    pub fn new(result: impl Into<String>, agent_outputs: Vec<AgentOutput>, execution_trace: ExecutionTrace) -> Self {
        Self { result: result.into(), agent_outputs, failures: Vec::new(), execution_trace }
    }

    /// The same with agents that have given no answer.
    #[must_use]
    pub fn with_failures(self, failures: Vec<AgentFailure>) -> Self {
        Self { failures, ..self }
    }

    /// Whether every agent has answered.
    pub fn is_successful(&self) -> bool {
        self.failures.is_empty()
    }
}

/// What every orchestrator has: settings, and the token that cancels it. An orchestrator of your own keeps one, makes a
/// context of it, and begins a [`Run`] in that context, which asks agents with time limits, retries and a trace.
#[derive(Clone, Debug, Default)]
pub struct BaseOrchestrator {
    config: ExecutionConfig,
    cancellation: CancellationToken,
}

impl BaseOrchestrator {
    /// One with these settings.
    pub fn new(config: ExecutionConfig) -> Self {
        Self { config, cancellation: CancellationToken::new() }
    }

    /// The same with these settings.
    #[must_use]
    pub fn with_config(self, config: ExecutionConfig) -> Self {
        Self { config, ..self }
    }

    /// The same, which ends when this token is cancelled.
    #[must_use]
    pub fn with_cancellation(self, cancellation: CancellationToken) -> Self {
        Self { cancellation, ..self }
    }

    /// The settings.
    pub fn config(&self) -> &ExecutionConfig {
        &self.config
    }

    /// A new context with these settings.
    pub fn context(&self) -> ExecutionContext {
        ExecutionContext::new(self.config.clone()).with_cancellation(self.cancellation.clone())
    }

    /// The same with settings that a function makes of the present ones.
    #[must_use]
    pub(super) fn map(self, change: impl FnOnce(ExecutionConfig) -> ExecutionConfig) -> Self {
        Self { config: change(self.config), ..self }
    }
}
