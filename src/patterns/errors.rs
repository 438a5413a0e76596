//! How agents and orchestrations fail.

use super::answer::Candidate;

/// What every call on agents answers.
pub type Result<T, E = OrchestrationError> = std::result::Result<T, E>;

/// The failure of an agent that would fail in the same way again. An agent returns it to say: do not retry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentError {
    agent: Option<String>,
    message: String,
}

impl AgentError {
    /// A failure for this reason. Whoever runs the agent adds its name.
    pub fn new(message: impl Into<String>) -> Self {
        Self { agent: None, message: message.into() }
    }

    /// The agent's name, once it is known.
    pub fn agent(&self) -> Option<&str> {
        self.agent.as_deref()
    }

    /// Why it failed.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The same with the agent's name, unless it has one.
    pub(super) fn of(self, agent: &str) -> Self {
        Self { agent: self.agent.or_else(|| Some(agent.to_owned())), ..self }
    }
}

impl std::fmt::Display for AgentError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.agent {
            Some(agent) => write!(f, "agent `{agent}` failed for good: {}", self.message),
            None => f.write_str(&self.message),
        }
    }
}

impl std::error::Error for AgentError {}

/// How an orchestration, or an agent in it, failed.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum OrchestrationError {
    /// An agent (its name) failed or panicked (why), and might succeed when it is asked again.
    #[error("agent `{0}` failed: {1}")]
    AgentFailed(String, String),
    /// An agent failed, and would fail again.
    #[error(transparent)]
    AgentError(#[from] AgentError),
    /// The orchestration has no result: none of several agents has answered, or what surrounds them failed.
    #[error("the orchestration failed: {0}")]
    OrchestratorFailed(String),
    /// A time limit ran out: that of the orchestration, or that of one attempt of an agent.
    #[error("timed out: {0}")]
    Timeout(String),
    /// The orchestration cannot begin with these settings.
    #[error("invalid configuration: {0}")]
    InvalidConfig(String),
    /// Somebody cancelled the orchestration.
    #[error("the orchestration was cancelled")]
    Cancelled,
    /// So many agents failed while others have answered, and
    /// [`fail_on_partial`](crate::patterns::ExecutionConfig::fail_on_partial) is set.
    #[error("{0} of the agents failed; what the others answered is in the trace of the context")]
    PartialSuccess(usize),
    /// The members of a vote do not agree.
    #[error(transparent)]
    NoConsensus(Box<NoConsensus>),
}

impl OrchestrationError {
    /// Whether the same call may succeed later. Such failures of an agent are retried.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::AgentFailed(..) | Self::Timeout(_))
    }
}

/// An agent that has given no answer.
#[derive(Clone, Debug, PartialEq)]
pub struct AgentFailure {
    /// The agent's place among those that were asked; the first is 0.
    pub position: usize,
    /// Its name.
    pub agent: String,
    /// Why: the failure of its last attempt.
    pub error: OrchestrationError,
}

/// A vote without a winner, and all that was answered.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("no consensus: {why} ({})", self.standing())]
#[non_exhaustive]
pub struct NoConsensus {
    /// Of what kind that is.
    pub cause: NoConsensusCause,
    /// The same for people.
    pub why: String,
    /// The answers, the one with the most weight first.
    pub candidates: Vec<Candidate>,
    /// The agents that have given none.
    pub failures: Vec<AgentFailure>,
}

/// Why a vote has no winner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NoConsensusCause {
    /// Two or more answers share the first place.
    Tie,
    /// The answer in the first place has less than the rule asks for.
    NotEnough,
    /// Whoever was to choose among the answers chose none of them.
    Undecided,
}

impl NoConsensus {
    pub(super) fn new(
        cause: NoConsensusCause,
        why: impl Into<String>,
        candidates: Vec<Candidate>,
        failures: Vec<AgentFailure>,
    ) -> Self {
        Self { cause, why: why.into(), candidates, failures }
    }

    /// Who stands behind which answer, in a few words.
    fn standing(&self) -> String {
        let groups = self.candidates.iter().map(|group| group.agents().collect::<Vec<_>>().join(", "));
        let failed = self.failures.iter().map(|failure| format!("{}: no answer", failure.agent));
        groups.chain(failed).collect::<Vec<_>>().join(" | ")
    }
}

impl From<NoConsensus> for OrchestrationError {
    fn from(error: NoConsensus) -> Self {
        Self::NoConsensus(Box::new(error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_succeed_later_is_retryable() {
        let all = [
            (OrchestrationError::AgentFailed("a".into(), "why".into()), true),
            (AgentError::new("why").into(), false),
            (OrchestrationError::OrchestratorFailed("why".into()), false),
            (OrchestrationError::Timeout("why".into()), true),
            (OrchestrationError::InvalidConfig("why".into()), false),
            (OrchestrationError::Cancelled, false),
            (OrchestrationError::PartialSuccess(2), false),
            (NoConsensus::new(NoConsensusCause::Tie, "why", Vec::new(), Vec::new()).into(), false),
        ];
        for (error, retryable) in all {
            assert_eq!(error.is_retryable(), retryable, "{error}");
        }
    }

    #[test]
    fn a_failure_for_good_names_its_agent_once_it_is_known() {
        let error = AgentError::new("no such file");
        assert_eq!(error.to_string(), "no such file");
        let named = error.of("reader").of("somebody else");
        assert_eq!(named.to_string(), "agent `reader` failed for good: no such file");
        assert_eq!((named.agent(), named.message()), (Some("reader"), "no such file"));
    }
}
