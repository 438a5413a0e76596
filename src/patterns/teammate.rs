//! Members of a team as agents, over whatever has the verbs of a team.

use async_trait::async_trait;
use tokio::runtime::Handle;

use super::agent::Agent;
use super::errors::{AgentError, OrchestrationError, Result};
use super::values::{AgentInput, AgentOutput};
use crate::error::{Error, ErrorKind};
use crate::model::turn::{TurnOutcome, TurnStatus};
use crate::orchestrator::{MemberHandle, Verbs};
use crate::turn::TurnHandle;

/// A member of a team as an agent: each input becomes a turn, and the answer is the whole text of that turn.
///
/// The member is given the content and, below it, the context as JSON. What the turn used is in the metadata of the answer. A
/// turn that nobody waits for any more, because a time limit ran out or the orchestration was cancelled, is interrupted.
#[derive(Clone, Debug)]
pub struct TeammateAgent<V> {
    member: MemberHandle<V>,
    description: String,
}

impl<V: Verbs> TeammateAgent<V> {
    /// This member as an agent.
    pub fn new(member: MemberHandle<V>) -> Self {
        let description = format!("member `{}` of team `{}`", member.name(), member.team().name());
        Self { member, description }
    }

    /// The same with this description.
    #[must_use]
    pub fn with_description(self, description: impl Into<String>) -> Self {
        Self { description: description.into(), ..self }
    }

    /// The member.
    pub fn member(&self) -> &MemberHandle<V> {
        &self.member
    }

    fn failed(&self, error: &Error) -> OrchestrationError {
        let may_succeed_later = matches!(
            error.kind(),
            ErrorKind::TurnFailed
                | ErrorKind::Busy
                | ErrorKind::Full
                | ErrorKind::Locked
                | ErrorKind::TimedOut
                | ErrorKind::NotStarted
                | ErrorKind::NoDaemon
                | ErrorKind::Io
        );
        if may_succeed_later {
            OrchestrationError::AgentFailed(self.name().to_owned(), error.to_string())
        } else {
            AgentError::new(error.to_string()).into()
        }
    }
}

#[async_trait]
impl<V: Verbs> Agent for TeammateAgent<V> {
    fn name(&self) -> &str {
        self.member.name().as_str()
    }

    fn description(&self) -> &str {
        &self.description
    }

    async fn execute(&self, input: AgentInput) -> Result<AgentOutput> {
        let turn = self.member.begin_turn(&text(&input)).await.map_err(|error| self.failed(&error))?;
        let mut awaited = Awaited { member: self.member.clone(), turn: Some(turn), begun: false };
        let outcome = awaited.outcome().await.map_err(|error| self.failed(&error))?;
        let turn = outcome.turn;
        match outcome.status {
            TurnStatus::Completed => Ok(answer(outcome)),
            TurnStatus::Interrupted => Err(AgentError::new(format!("its turn {turn} was interrupted")).into()),
            TurnStatus::Failed => {
                let why = format!("its turn {turn} failed: {}", outcome.error.unwrap_or_default());
                Err(OrchestrationError::AgentFailed(self.name().to_owned(), why))
            }
        }
    }
}

/// What the member reads.
fn text(input: &AgentInput) -> String {
    if input.context.is_null() {
        return input.content.clone();
    }
    format!("{}\n\nContext:\n{:#}", input.content, input.context)
}

fn answer(outcome: TurnOutcome) -> AgentOutput {
    let output = AgentOutput::new(outcome.text).with_metadata("turn", outcome.turn.to_string());
    let Some(usage) = outcome.usage else { return output };
    let output = output
        .with_metadata("input_tokens", usage.input_tokens.to_string())
        .with_metadata("output_tokens", usage.output_tokens.to_string());
    match usage.cost_usd {
        Some(cost) => output.with_metadata("cost_usd", cost.to_string()),
        None => output,
    }
}

/// A turn that somebody waits for; dropped before its end, it is interrupted.
struct Awaited<V: Verbs> {
    member: MemberHandle<V>,
    /// The turn, until it has ended.
    turn: Option<TurnHandle>,
    begun: bool,
}

impl<V: Verbs> Awaited<V> {
    async fn outcome(&mut self) -> std::result::Result<TurnOutcome, Error> {
        let Some(turn) = &mut self.turn else { return Err(Error::ShuttingDown) };
        while turn.events().next().await?.is_some() {
            self.begun = true;
        }
        let outcome = turn.outcome().await;
        self.turn = None;
        outcome
    }
}

impl<V: Verbs> Drop for Awaited<V> {
    fn drop(&mut self) {
        // Nobody is left to own this task. It ends with the turn, at the latest.
        if let (Some(turn), Ok(runtime)) = (self.turn.take(), Handle::try_current()) {
            runtime.spawn(give_up(self.member.clone(), turn, self.begun));
        }
    }
}

/// Interrupts a turn as soon as it runs: until then, an interrupt would end the turn before it.
async fn give_up<V: Verbs>(member: MemberHandle<V>, mut turn: TurnHandle, begun: bool) {
    if !begun && !matches!(turn.events().next().await, Ok(Some(_))) {
        return;
    }
    tokio::select! {
        biased;
        _ = turn.outcome() => {}
        () = std::future::ready(()) => {
            if let Err(error) = member.interrupt().await {
                tracing::warn!(member = %member.name(), %error, "a turn that nobody waits for goes on");
            }
        }
    }
}

#[cfg(test)]
#[path = "teammate_tests.rs"]
mod tests;
