//! Agents one after the other.

use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::agent::Agent;
use super::ask::Asker;
use super::config::ExecutionConfig;
use super::context::ExecutionContext;
use super::errors::{OrchestrationError, Result};
use super::orchestrator::{BaseOrchestrator, Orchestrator, OrchestratorOutput};
use super::run::Run;
use super::values::{AgentInput, AgentOutput, OrchestratorInput};

/// Asks agents one after the other, each with the answer of the one before.
///
/// The first agent is given the whole input. Each further one is given the answer before it as the content, the data of that
/// answer laid over the context, and the metadata of the input. The result is the last answer. An agent that fails ends the
/// orchestration; what came before it stays in the trace of the context: see [`orchestrate_in`](Self::orchestrate_in).
#[derive(Clone, Debug, Default)]
pub struct SequentialOrchestrator {
    base: BaseOrchestrator,
}

impl SequentialOrchestrator {
    /// One with the default settings.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same with these settings.
    #[must_use]
    pub fn with_config(self, config: ExecutionConfig) -> Self {
        Self { base: self.base.with_config(config) }
    }

    /// The same with so many retries of each agent.
    #[must_use]
    pub fn with_max_retries(self, max_retries: usize) -> Self {
        Self { base: self.base.map(|config| config.with_max_retries(max_retries)) }
    }

    /// The same with this limit for the whole orchestration.
    #[must_use]
    pub fn with_timeout(self, timeout: Duration) -> Self {
        Self { base: self.base.map(|config| config.with_timeout(timeout)) }
    }

    /// The same, which ends when this token is cancelled.
    #[must_use]
    pub fn with_cancellation(self, cancellation: CancellationToken) -> Self {
        Self { base: self.base.with_cancellation(cancellation) }
    }

    /// A new context with these settings, for [`orchestrate_in`](Self::orchestrate_in).
    pub fn context(&self) -> ExecutionContext {
        self.base.context()
    }

    /// Has the agents work on an input under the settings of a context, which has the trace afterwards, whether there is a
    /// result or not.
    ///
    /// # Errors
    /// How the first agent failed that did; the time limit ran out; the orchestration was cancelled; there is no agent, or a
    /// setting makes no sense.
    pub async fn orchestrate_in(
        &self,
        context: &ExecutionContext,
        agents: Vec<Box<dyn Agent>>,
        input: OrchestratorInput,
    ) -> Result<OrchestratorOutput> {
        let run = Run::begin(context)?;
        let outputs = run.apart(chain(run.asker(), agents, input.into())).await;
        let trace = run.end();
        let outputs = outputs??;
        let result = outputs.last().map(|output| output.content.clone());
        let result =
            result.ok_or_else(|| OrchestrationError::InvalidConfig("there is no agent; give one".to_owned()))?;
        Ok(OrchestratorOutput::new(result, outputs, trace))
    }
}

#[async_trait]
impl Orchestrator for SequentialOrchestrator {
    async fn orchestrate(&self, agents: Vec<Box<dyn Agent>>, input: OrchestratorInput) -> Result<OrchestratorOutput> {
        self.orchestrate_in(&self.context(), agents, input).await
    }
}

async fn chain(asker: Asker, agents: Vec<Box<dyn Agent>>, mut input: AgentInput) -> Result<Vec<AgentOutput>> {
    let mut outputs: Vec<AgentOutput> = Vec::with_capacity(agents.len());
    for (position, agent) in agents.iter().enumerate() {
        if let Some(before) = outputs.last() {
            input.content.clone_from(&before.content);
            lay_over(&mut input.context, &before.data);
        }
        outputs.push(asker.ask(position, agent.as_ref(), &input).await?);
    }
    Ok(outputs)
}

/// Lays data over a context: of two objects each key counts, the data's before the context's; otherwise the data, if any.
fn lay_over(context: &mut Value, data: &Value) {
    match (context, data) {
        (_, Value::Null) => {}
        (Value::Object(context), Value::Object(data)) => {
            context.extend(data.iter().map(|(key, value)| (key.clone(), value.clone())));
        }
        (context, data) => *context = data.clone(),
    }
}

#[cfg(test)]
#[path = "sequential_tests.rs"]
mod tests;
