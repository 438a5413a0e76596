//! One answer out of those of several agents.

mod count;
mod judge;

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use super::agent::Agent;
use super::answer::{Answer, Candidate};
use super::config::ExecutionConfig;
use super::context::ExecutionContext;
use super::errors::{AgentFailure, NoConsensus, NoConsensusCause, OrchestrationError, Result};
use super::fan::{Fanned, fan_out};
use super::orchestrator::{BaseOrchestrator, Orchestrator, OrchestratorOutput};
use super::run::Run;
use super::values::{AgentInput, AgentOutput, OrchestratorInput};

type Equality = Arc<dyn Fn(&AgentOutput, &AgentOutput) -> bool + Send + Sync>;
type Weight = Arc<dyn Fn(&Answer) -> f64 + Send + Sync>;
type Choice = Pin<Box<dyn Future<Output = Option<usize>> + Send>>;
type Decider = Arc<dyn Fn(Vec<Candidate>) -> Choice + Send + Sync>;

/// What makes an answer the winner.
#[derive(Clone)]
enum Rule {
    Majority,
    Weighted(Weight),
    Unanimous,
    Judged(Arc<dyn Agent>),
    Decided(Decider),
}

/// Gives all agents the same input at the same time, and chooses one of their answers.
///
/// Answers that a function holds for equal ([`with_equality`](Self::with_equality)) count as one. An agent that fails has no
/// answer, and counts as one that does not agree. Where no answer wins, the error is a [`NoConsensus`] with all answers.
#[derive(Clone)]
pub struct Vote {
    base: BaseOrchestrator,
    rule: Rule,
    equality: Equality,
}

/// What a vote comes to.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Verdict {
    /// The answer that has won, and who gave it.
    pub winner: Candidate,
    /// The others, the one with the most weight first.
    pub others: Vec<Candidate>,
    /// The same as an orchestrator tells it: its result is the winning answer.
    pub output: OrchestratorOutput,
}

impl Vote {
    fn new(rule: Rule) -> Self {
        let equality = |one: &AgentOutput, other: &AgentOutput| one.content.trim() == other.content.trim();
        Self { base: BaseOrchestrator::default(), rule, equality: Arc::new(equality) }
    }

    /// A vote by majority: an answer wins when more than half of the agents that were asked have given it.
    pub fn majority() -> Self {
        Self::new(Rule::Majority)
    }

    /// A vote by weight: an answer wins when it has more than half of what all answers weigh together. The function says what
    /// one weighs: by its agent, by its confidence.
    pub fn weighted(weight: impl Fn(&Answer) -> f64 + Send + Sync + 'static) -> Self {
        Self::new(Rule::Weighted(Arc::new(weight)))
    }

    /// A unanimous vote: an answer wins when all agents that were asked have given it.
    pub fn unanimous() -> Self {
        Self::new(Rule::Unanimous)
    }

    /// A vote with a judge: the answer wins that another agent chooses. The judge is given the question and the answers with
    /// numbers, and replies with a number: in its data as `choice`, or in its text.
    pub fn judged_by(judge: impl Agent + 'static) -> Self {
        Self::new(Rule::Judged(Arc::new(judge)))
    }

    /// A vote with a person: the answer wins that the person chooses. The function shows the answers to the person and returns
    /// the place of the chosen one (the first is 0), or `None` when none will do. The time of the person counts: give the vote
    /// [settings](Self::with_config) with a long time limit.
    pub fn decided_by<F, T>(decide: F) -> Self
    where
        F: Fn(Vec<Candidate>) -> T + Send + Sync + 'static,
        T: Future<Output = Option<usize>> + Send + 'static,
    {
        Self::new(Rule::Decided(Arc::new(move |candidates| Box::pin(decide(candidates)))))
    }

    /// The same with a function that says which answers are equal. Without one, those are whose texts are, but for spaces at
    /// their ends.
    #[must_use]
    pub fn with_equality(self, equal: impl Fn(&AgentOutput, &AgentOutput) -> bool + Send + Sync + 'static) -> Self {
        Self { equality: Arc::new(equal), ..self }
    }

    /// The same with these settings.
    #[must_use]
    pub fn with_config(self, config: ExecutionConfig) -> Self {
        Self { base: self.base.with_config(config), ..self }
    }

    /// The same, which ends when this token is cancelled.
    #[must_use]
    pub fn with_cancellation(self, cancellation: CancellationToken) -> Self {
        Self { base: self.base.with_cancellation(cancellation), ..self }
    }

    /// A new context with these settings, for [`hold_in`](Self::hold_in).
    pub fn context(&self) -> ExecutionContext {
        self.base.context()
    }

    /// Has the agents answer, and chooses.
    ///
    /// # Errors
    /// As [`hold_in`](Self::hold_in).
    pub async fn hold(&self, agents: Vec<Box<dyn Agent>>, input: OrchestratorInput) -> Result<Verdict> {
        self.hold_in(&self.context(), agents, input).await
    }

    /// The same under the settings of a context, which has the trace afterwards, whether there is a winner or not.
    ///
    /// # Errors
    /// No answer has won; nobody has answered; the judge failed; the time limit ran out; the vote was cancelled; there is no
    /// agent, a weight is none, or a setting makes no sense.
    pub async fn hold_in(
        &self,
        context: &ExecutionContext,
        agents: Vec<Box<dyn Agent>>,
        input: OrchestratorInput,
    ) -> Result<Verdict> {
        let run = Run::begin(context)?;
        let chosen = self.choose(&run, agents, input.into()).await;
        let trace = run.end();
        let Chosen { winner, others, outputs, failures } = chosen?;
        let output = OrchestratorOutput::new(winner.content(), outputs, trace).with_failures(failures);
        Ok(Verdict { winner, others, output })
    }

    async fn choose(&self, run: &Run, agents: Vec<Box<dyn Agent>>, input: AgentInput) -> Result<Chosen> {
        let asked = agents.len();
        let Fanned { answers, failures } = fan_out(run, agents, input.clone()).await?;
        let outputs = answers.iter().map(|answer| answer.output.clone()).collect();
        let mut groups = count::group(answers, &*self.equality);
        let won = match &self.rule {
            Rule::Majority => count::majority_of(asked as f64, &groups).map(|()| 0),
            Rule::Unanimous => count::unanimous(asked, &groups).map(|()| 0),
            Rule::Weighted(weight) => {
                count::weigh(&mut groups, &**weight).map_err(|bad| {
                    let (answer, weight) = *bad;
                    let what = format!("the answer of `{}` weighs {weight}; give 0 or more", answer.agent);
                    OrchestrationError::InvalidConfig(what)
                })?;
                let total = groups.iter().map(|group| group.weight).sum();
                count::majority_of(total, &groups).map(|()| 0)
            }
            Rule::Judged(judge) => {
                let (asker, judge) = (run.asker(), Arc::clone(judge));
                let question = judge::question(&input, &groups);
                let verdict = run.apart(async move { asker.ask(asked, judge.as_ref(), &question).await }).await??;
                judge::choice(&verdict, groups.len()).ok_or_else(|| {
                    let what = format!("the judge has chosen no answer: {}", verdict.content);
                    (NoConsensusCause::Undecided, what)
                })
            }
            Rule::Decided(decide) => {
                let chosen = run.bounded(decide(groups.clone())).await?;
                let in_range = chosen.filter(|place| *place < groups.len());
                in_range.ok_or_else(|| (NoConsensusCause::Undecided, "none of the answers was chosen".to_owned()))
            }
        };
        match won {
            Ok(place) => Ok(Chosen { winner: groups.remove(place), others: groups, outputs, failures }),
            Err((cause, why)) => Err(NoConsensus::new(cause, why, groups, failures).into()),
        }
    }
}

struct Chosen {
    winner: Candidate,
    others: Vec<Candidate>,
    outputs: Vec<AgentOutput>,
    failures: Vec<AgentFailure>,
}

impl fmt::Debug for Vote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rule = match &self.rule {
            Rule::Majority => "majority",
            Rule::Weighted(_) => "weighted",
            Rule::Unanimous => "unanimous",
            Rule::Judged(_) => "judged",
            Rule::Decided(_) => "decided",
        };
        f.debug_struct("Vote").field("base", &self.base).field("rule", &rule).finish_non_exhaustive()
    }
}

#[async_trait]
impl Orchestrator for Vote {
    async fn orchestrate(&self, agents: Vec<Box<dyn Agent>>, input: OrchestratorInput) -> Result<OrchestratorOutput> {
        Ok(self.hold(agents, input).await?.output)
    }
}

#[cfg(test)]
mod tests;
