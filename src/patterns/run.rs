//! One orchestration that goes on: its time limit, its cancellation, and its end.

use tokio::task::JoinSet;
use tokio::time::Instant;

use super::agent::Agent;
use super::ask::Asker;
use super::context::ExecutionContext;
use super::errors::{OrchestrationError, Result};
use super::trace::ExecutionTrace;
use super::values::{AgentInput, AgentOutput};

/// One orchestration that goes on. Dropping it ends its record.
#[derive(Debug)]
pub struct Run {
    asker: Asker,
    /// `None` for a time that no clock knows.
    deadline: Option<Instant>,
}

impl Run {
    /// Begins an orchestration; its time limit counts from now.
    ///
    /// # Errors
    /// The settings make no sense; the context was cancelled before.
    pub fn begin(context: &ExecutionContext) -> Result<Self> {
        context.config().check()?;
        if context.cancellation().is_cancelled() {
            return Err(OrchestrationError::Cancelled);
        }
        let deadline = Instant::now().checked_add(context.config().timeout);
        Ok(Self { asker: Asker { context: context.clone(), record: context.record() }, deadline })
    }

    /// The context of the orchestration.
    pub fn context(&self) -> &ExecutionContext {
        &self.asker.context
    }

    /// What asks agents of this orchestration in other tasks.
    pub(super) fn asker(&self) -> Asker {
        self.asker.clone()
    }

    /// Asks an agent, and again after failures that may not come again, as often as the settings allow. Each attempt is
    /// recorded. A panic is a failure of the agent.
    ///
    /// # Errors
    /// How the last attempt failed; the orchestration is over.
    pub async fn agent(&self, position: usize, agent: &dyn Agent, input: &AgentInput) -> Result<AgentOutput> {
        self.asker.ask(position, agent, input).await
    }

    /// Waits for work within the time limit of the orchestration, and until it is cancelled. Otherwise the work is dropped.
    ///
    /// # Errors
    /// The time limit ran out; the orchestration was cancelled.
    pub async fn bounded<T>(&self, work: impl Future<Output = T>) -> Result<T> {
        let deadline = async {
            match self.deadline {
                Some(deadline) => tokio::time::sleep_until(deadline).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = self.asker.context.cancellation().cancelled() => {
                self.asker.record.close("the orchestration was cancelled");
                Err(OrchestrationError::Cancelled)
            }
            done = work => Ok(done),
            () = deadline => Err(self.time_is_over()),
        }
    }

    /// The same in a task of its own, so that the time limit holds for work that occupies its thread, too.
    ///
    /// # Errors
    /// As [`bounded`](Self::bounded); the work panicked, or the runtime ends.
    pub(super) async fn apart<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> Result<T> {
        // A set of one: a task in it ends when the set is dropped.
        let mut task = JoinSet::new();
        task.spawn(work);
        let ended = self.bounded(task.join_next()).await?;
        let ended = ended.ok_or_else(|| OrchestrationError::OrchestratorFailed("its task is gone".to_owned()))?;
        ended.map_err(|error| OrchestrationError::OrchestratorFailed(error.to_string()))
    }

    /// Ends the orchestration, and answers its trace.
    pub fn end(&self) -> ExecutionTrace {
        self.asker.record.close("the orchestration was over");
        self.asker.record.trace()
    }

    fn time_is_over(&self) -> OrchestrationError {
        let limit = self.asker.context.config().timeout;
        let at_work = self.asker.record.close(&format!("the orchestration has not ended within {limit:?}"));
        let who: String = at_work.iter().map(|name| format!(", and `{name}` was at work")).collect();
        OrchestrationError::Timeout(format!("the orchestration has not ended within {limit:?}{who}"))
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        self.asker.record.close("the orchestration was given up");
    }
}
