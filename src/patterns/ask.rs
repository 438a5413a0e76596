//! How an agent is asked: as often as it takes, with each attempt on record, and with its panics caught.

use std::any::Any;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;

use super::agent::Agent;
use super::context::ExecutionContext;
use super::errors::{OrchestrationError, Result};
use super::record::Record;
use super::values::{AgentInput, AgentOutput};

/// Asks the agents of one orchestration. Clones ask for the same one, from other tasks.
#[derive(Clone, Debug)]
pub(super) struct Asker {
    pub(super) context: ExecutionContext,
    pub(super) record: Record,
}

impl Asker {
    /// Asks an agent, and again after failures that may not come again, as often as the settings allow.
    ///
    /// # Errors
    /// How the last attempt failed; the orchestration is over.
    pub(super) async fn ask(&self, position: usize, agent: &dyn Agent, input: &AgentInput) -> Result<AgentOutput> {
        let config = self.context.config();
        let mut attempt = 1;
        loop {
            let recorded = self.record.begin(position, agent.name(), attempt, input);
            let Some(recorded) = recorded else { return Err(OrchestrationError::Cancelled) };
            let result = self.attempt(agent, input.clone()).await;
            recorded.end(&result);
            self.log(agent.name(), attempt, &result);
            match result {
                Err(error) if error.is_retryable() && attempt <= config.max_retries => {
                    let delay = config.backoff.delay(attempt);
                    if !delay.is_zero() {
                        tokio::time::sleep(delay).await;
                    }
                    attempt += 1;
                }
                result => return result,
            }
        }
    }

    /// One attempt within its time limit.
    async fn attempt(&self, agent: &dyn Agent, input: AgentInput) -> Result<AgentOutput> {
        // The call itself may panic as well, so it stands within the future that is watched.
        let answer = caught(async { agent.execute(input).await });
        let result = match self.context.config().agent_timeout {
            None => answer.await,
            Some(limit) => tokio::time::timeout(limit, answer).await.unwrap_or_else(|_| {
                let what = format!("agent `{}` has not answered within {limit:?}", agent.name());
                Ok(Err(OrchestrationError::Timeout(what)))
            }),
        };
        match result {
            Ok(Err(OrchestrationError::AgentError(error))) => Err(error.of(agent.name()).into()),
            Ok(result) => result,
            Err(panic) => {
                Err(OrchestrationError::AgentFailed(agent.name().to_owned(), format!("it panicked: {panic}")))
            }
        }
    }

    fn log(&self, agent: &str, attempt: usize, result: &Result<AgentOutput>) {
        if self.context.config().enable_logging {
            match result {
                Ok(_) => tracing::debug!(agent, attempt, "an agent has answered"),
                Err(error) => tracing::warn!(agent, attempt, %error, "an agent has failed"),
            }
        }
    }
}

/// Awaits work; the error is what it said when it panicked.
async fn caught<T>(work: impl Future<Output = T>) -> std::result::Result<T, String> {
    let mut work = pin!(work);
    poll_fn(|context| {
        // What has panicked is never polled again.
        match catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(context))) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(done)) => Poll::Ready(Ok(done)),
            Err(panic) => Poll::Ready(Err(words(&*panic))),
        }
    })
    .await
}

/// What a panic said.
fn words(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "without a word".to_owned())
}
