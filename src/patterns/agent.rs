//! What an agent is, and agents made of closures.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use async_trait::async_trait;

pub use super::errors::AgentError;
use super::errors::Result;
pub use super::values::{AgentInput, AgentOutput};

/// Something that answers an input: a model, a member of a team, a function.
///
/// Its future may be dropped at any point where it waits, when a time limit runs out or the orchestration is cancelled.
#[async_trait]
pub trait Agent: Send + Sync {
    /// The agent's name, for traces and errors.
    fn name(&self) -> &str;

    /// What the agent does.
    fn description(&self) -> &str {
        ""
    }

    /// Answers an input. A retry calls it again with the same input.
    ///
    /// # Errors
    /// [`AgentFailed`](super::OrchestrationError::AgentFailed) for what may succeed when it is tried again, an [`AgentError`] for
    /// what will not.
    async fn execute(&self, input: AgentInput) -> Result<AgentOutput>;
}

#[async_trait]
impl<A: Agent + ?Sized> Agent for Box<A> {
    fn name(&self) -> &str {
        (**self).name()
    }

    fn description(&self) -> &str {
        (**self).description()
    }

    async fn execute(&self, input: AgentInput) -> Result<AgentOutput> {
        (**self).execute(input).await
    }
}

/// A shared agent is an agent: it may be in several orchestrations at a time.
#[async_trait]
impl<A: Agent + ?Sized> Agent for Arc<A> {
    fn name(&self) -> &str {
        (**self).name()
    }

    fn description(&self) -> &str {
        (**self).description()
    }

    async fn execute(&self, input: AgentInput) -> Result<AgentOutput> {
        (**self).execute(input).await
    }
}

type Future<T> = Pin<Box<dyn std::future::Future<Output = T> + Send>>;

/// What a [`SimpleAgent`] does with an input.
enum Work {
    Sync(Box<dyn Fn(AgentInput) -> Result<AgentOutput> + Send + Sync>),
    Async(Box<dyn Fn(AgentInput) -> Future<Result<AgentOutput>> + Send + Sync>),
}

/// An agent made of a closure.
pub struct SimpleAgent {
    name: String,
    description: String,
    work: Work,
}

impl SimpleAgent {
    /// An agent that answers with a function. The function is called on a thread of the runtime, and no time limit can end it:
    /// what waits or takes long belongs in [`new_async`](Self::new_async).
    pub fn new<F>(name: impl Into<String>, description: impl Into<String>, answer: F) -> Self
    where
        F: Fn(AgentInput) -> Result<AgentOutput> + Send + Sync + 'static,
    {
        Self { name: name.into(), description: description.into(), work: Work::Sync(Box::new(answer)) }
    }

    /// An agent that answers with an asynchronous function.
    pub fn new_async<F, T>(name: impl Into<String>, description: impl Into<String>, answer: F) -> Self
    where
        F: Fn(AgentInput) -> T + Send + Sync + 'static,
        T: std::future::Future<Output = Result<AgentOutput>> + Send + 'static,
    {
        let answer = move |input| -> Future<Result<AgentOutput>> { Box::pin(answer(input)) };
        Self { name: name.into(), description: description.into(), work: Work::Async(Box::new(answer)) }
    }
}

impl fmt::Debug for SimpleAgent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimpleAgent").field("name", &self.name).finish_non_exhaustive()
    }
}

#[async_trait]
impl Agent for SimpleAgent {
    fn name(&self) -> &str {
        &self.name
    }

    fn description(&self) -> &str {
        &self.description
    }

    async fn execute(&self, input: AgentInput) -> Result<AgentOutput> {
        match &self.work {
            Work::Sync(answer) => answer(input),
            Work::Async(answer) => answer(input).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn closures_are_agents_and_so_are_shared_ones() {
        let now = SimpleAgent::new("now", "answers at once", |input| Ok(AgentOutput::new(input.content)));
        let later = SimpleAgent::new_async("later", "waits first", |input| async move {
            tokio::task::yield_now().await;
            Ok(AgentOutput::new(input.content))
        });
        let agents: [Box<dyn Agent>; 2] = [Box::new(now), Box::new(Arc::new(later))];
        for agent in agents {
            assert!(!agent.description().is_empty());
            assert_eq!(agent.execute(AgentInput::new("x")).await.unwrap().content, "x", "{}", agent.name());
        }
    }
}
