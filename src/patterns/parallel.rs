//! Agents at the same time.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use super::agent::Agent;
use super::answer::Answer;
use super::config::ExecutionConfig;
use super::context::ExecutionContext;
use super::errors::{OrchestrationError, Result};
use super::fan::fan_out;
use super::orchestrator::{BaseOrchestrator, Orchestrator, OrchestratorOutput};
use super::run::Run;
use super::values::OrchestratorInput;

type Aggregator = Arc<dyn Fn(&[Answer]) -> String + Send + Sync>;

/// Gives all agents the same input at the same time, and makes one result of their answers.
///
/// What some have answered is kept when others fail or are too late: the output has their answers and the
/// [failures](OrchestratorOutput::failures), and [is not successful](OrchestratorOutput::is_successful). Whoever wants
/// [`PartialSuccess`](OrchestrationError::PartialSuccess) instead sets
/// [`with_fail_on_partial`](ExecutionConfig::with_fail_on_partial). It is an error when nobody has answered.
#[derive(Clone, Default)]
pub struct ParallelOrchestrator {
    base: BaseOrchestrator,
    aggregator: Option<Aggregator>,
}

impl ParallelOrchestrator {
    /// One with the default settings.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same with these settings.
    #[must_use]
    pub fn with_config(self, config: ExecutionConfig) -> Self {
        Self { base: self.base.with_config(config), ..self }
    }

    /// The same with so many retries of each agent.
    #[must_use]
    pub fn with_max_retries(self, max_retries: usize) -> Self {
        Self { base: self.base.map(|config| config.with_max_retries(max_retries)), ..self }
    }

    /// The same with at most so many agents at work at the same time.
    #[must_use]
    pub fn with_parallel_limit(self, limit: usize) -> Self {
        Self { base: self.base.map(|config| config.with_parallel_limit(limit)), ..self }
    }

    /// The same with this limit for the whole orchestration.
    #[must_use]
    pub fn with_timeout(self, timeout: Duration) -> Self {
        Self { base: self.base.map(|config| config.with_timeout(timeout)), ..self }
    }

    /// The same, which ends when this token is cancelled.
    #[must_use]
    pub fn with_cancellation(self, cancellation: CancellationToken) -> Self {
        Self { base: self.base.with_cancellation(cancellation), ..self }
    }

    /// The same with a function that makes the result of the answers, which come in the order of the agents. Without one, the
    /// result is a numbered list.
    #[must_use]
    pub fn with_aggregator(self, aggregator: impl Fn(&[Answer]) -> String + Send + Sync + 'static) -> Self {
        Self { aggregator: Some(Arc::new(aggregator)), ..self }
    }

    /// A new context with these settings, for [`orchestrate_in`](Self::orchestrate_in).
    pub fn context(&self) -> ExecutionContext {
        self.base.context()
    }

    /// Has the agents work on an input under the settings of a context, which has the trace afterwards, whether there is a
    /// result or not.
    ///
    /// # Errors
    /// Nobody has answered; some have not, and that is an error by the settings; the orchestration was cancelled; there is no
    /// agent, or a setting makes no sense.
    pub async fn orchestrate_in(
        &self,
        context: &ExecutionContext,
        agents: Vec<Box<dyn Agent>>,
        input: OrchestratorInput,
    ) -> Result<OrchestratorOutput> {
        let run = Run::begin(context)?;
        let fanned = fan_out(&run, agents, input.into()).await;
        let trace = run.end();
        let fanned = fanned?;
        if context.config().fail_on_partial && !fanned.failures.is_empty() {
            return Err(OrchestrationError::PartialSuccess(fanned.failures.len()));
        }
        let result = match &self.aggregator {
            Some(aggregator) => aggregator(&fanned.answers),
            None => list(&fanned.answers),
        };
        let outputs = fanned.answers.into_iter().map(|answer| answer.output).collect();
        Ok(OrchestratorOutput::new(result, outputs, trace).with_failures(fanned.failures))
    }
}

impl fmt::Debug for ParallelOrchestrator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ParallelOrchestrator").field("base", &self.base).finish_non_exhaustive()
    }
}

#[async_trait]
impl Orchestrator for ParallelOrchestrator {
    async fn orchestrate(&self, agents: Vec<Box<dyn Agent>>, input: OrchestratorInput) -> Result<OrchestratorOutput> {
        self.orchestrate_in(&self.context(), agents, input).await
    }
}

/// Answers as a list; each has the number of its agent, so that a gap shows who has not answered.
fn list(answers: &[Answer]) -> String {
    let mut text = "Parallel execution results:".to_owned();
    for Answer { position, agent, output } in answers {
        text.push_str(&format!("\n{}. {agent}: {}", position + 1, output.content));
    }
    text
}

#[cfg(test)]
#[path = "parallel_tests.rs"]
mod tests;
