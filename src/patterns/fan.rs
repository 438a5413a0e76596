//! The same input for several agents at the same time: who answers, and who does not.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::task::JoinSet;

use super::agent::Agent;
use super::answer::Answer;
use super::ask::Asker;
use super::errors::{AgentFailure, OrchestrationError, Result};
use super::run::Run;
use super::values::{AgentInput, AgentOutput};
use crate::sync::lock;

/// Who has answered, and who has not, each in the order of the agents.
#[derive(Debug)]
pub(super) struct Fanned {
    pub(super) answers: Vec<Answer>,
    pub(super) failures: Vec<AgentFailure>,
}

/// What the workers share.
struct Work {
    asker: Asker,
    agents: Vec<Box<dyn Agent>>,
    input: AgentInput,
    /// The first agent that no worker has.
    next: AtomicUsize,
    /// What came of each agent, as far as it is known.
    results: Mutex<Vec<Option<Result<AgentOutput>>>>,
}

impl Work {
    /// Asks one agent after the other, until each has a worker.
    async fn work(self: Arc<Self>) {
        loop {
            let position = self.next.fetch_add(1, Ordering::Relaxed);
            let Some(agent) = self.agents.get(position) else { return };
            let result = self.asker.ask(position, agent.as_ref(), &self.input).await;
            // Who comes too late finds the results taken away.
            if let Some(place) = lock(&self.results).get_mut(position) {
                *place = Some(result);
            }
        }
    }
}

/// Asks all agents, as many at a time as the settings allow. When the time limit runs out, those that have answered have
/// answered.
///
/// # Errors
/// The orchestration was cancelled; there is no agent; nobody has answered.
pub(super) async fn fan_out(run: &Run, agents: Vec<Box<dyn Agent>>, input: AgentInput) -> Result<Fanned> {
    if agents.is_empty() {
        return Err(OrchestrationError::InvalidConfig("there is no agent; give one".to_owned()));
    }
    let names: Vec<String> = agents.iter().map(|agent| agent.name().to_owned()).collect();
    let results = Mutex::new(names.iter().map(|_| None).collect());
    let work = Work { asker: run.asker(), agents, input, next: AtomicUsize::new(0), results };
    let work = Arc::new(work);
    let mut workers = JoinSet::new();
    for _ in 0..run.context().config().parallel_limit.min(names.len()) {
        workers.spawn(Arc::clone(&work).work());
    }
    let mut lost = None;
    let ended = run.bounded(async {
        while let Some(ended) = workers.join_next().await {
            lost = ended.err().map(|error| error.to_string()).or(lost.take());
        }
    });
    let too_late = match ended.await {
        Ok(()) => None,
        Err(error @ OrchestrationError::Timeout(_)) => Some(error),
        Err(error) => return Err(error),
    };
    drop(workers);
    let results = std::mem::take(&mut *lock(&work.results));
    let mut fanned = Fanned { answers: Vec::new(), failures: Vec::new() };
    for (position, (agent, result)) in names.into_iter().zip(results).enumerate() {
        let result = match (result, &too_late) {
            // A worker that comes to an agent when time is over is told that all is over.
            (None | Some(Err(OrchestrationError::Cancelled)), Some(error)) => Err(error.clone()),
            (Some(result), _) => result,
            // A worker ends early only when something panics around an agent: its name, or its end.
            (None, None) => Err(OrchestrationError::AgentFailed(agent.clone(), lost.clone().unwrap_or_default())),
        };
        match result {
            Ok(output) => fanned.answers.push(Answer { position, agent, output }),
            Err(error) => fanned.failures.push(AgentFailure { position, agent, error }),
        }
    }
    match (fanned.answers.is_empty(), too_late) {
        (false, _) => Ok(fanned),
        (true, Some(error)) => Err(error),
        (true, None) => Err(nobody(&fanned.failures)),
    }
}

/// The error when nobody has answered: that of the one agent that was asked, or all of them in one.
fn nobody(failures: &[AgentFailure]) -> OrchestrationError {
    match failures {
        [only] => only.error.clone(),
        all => {
            let reasons: Vec<String> = all.iter().map(|failure| failure.error.to_string()).collect();
            let what = format!("none of the {} agents has answered: {}", all.len(), reasons.join(" | "));
            OrchestrationError::OrchestratorFailed(what)
        }
    }
}
