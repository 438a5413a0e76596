//! What comes of a team's run.

use agent_backends::native::AgentLoopResult;
use agent_backends::native::llm::TokenUsage;

use crate::model::run::RunState;
use crate::model::run_report::{RunReport, TaskReport};

/// What came of [`AgentTeam::run`](super::AgentTeam::run).
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum TeamResult {
    /// One agent did it, without a team. [`AgentTeam::run`](super::AgentTeam::run) always has a team do it.
    Single(AgentLoopResult),
    /// A team did it.
    Team(ExecutionSummary),
}

impl TeamResult {
    /// The tokens that were read and written.
    pub fn total_tokens(&self) -> u64 {
        match self {
            Self::Single(result) => result.total_tokens,
            Self::Team(summary) => summary.total_tokens_used,
        }
    }

    /// Whether everything that was to be done is done.
    pub fn is_success(&self) -> bool {
        match self {
            Self::Single(_) => true,
            Self::Team(summary) => summary.state == RunState::Done,
        }
    }
}

/// What came of a team's run.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ExecutionSummary {
    /// The tasks, those that agents added too.
    pub total_tasks: usize,
    /// Those that are completed.
    pub tasks_completed: usize,
    /// Those that have failed, and those that wait for one that has.
    pub tasks_failed: usize,
    /// The tokens that all agents read and wrote.
    pub total_tokens_used: u64,
    /// The tokens that they read.
    pub input_tokens: u64,
    /// The tokens that they wrote.
    pub output_tokens: u64,
    /// The US dollars that they cost, where the prices are known.
    pub total_cost_usd: Option<f64>,
    /// The agents that were started, those that a lead started too.
    pub agents_spawned: usize,
    /// How the run ended.
    pub state: RunState,
    /// Why it ended so, or what the lead said at its end.
    pub reason: Option<String>,
    /// The tasks, and what came of each.
    pub tasks: Vec<TaskReport>,
}

impl ExecutionSummary {
    /// Adds what was used beside the agents.
    pub(super) fn count(&mut self, usage: TokenUsage) {
        self.input_tokens += usage.input;
        self.output_tokens += usage.output;
        self.total_tokens_used += usage.total();
    }
}

impl From<RunReport> for ExecutionSummary {
    fn from(report: RunReport) -> Self {
        let summary = report.summary;
        Self {
            total_tasks: summary.total_tasks,
            tasks_completed: summary.tasks_completed,
            tasks_failed: summary.tasks_failed,
            total_tokens_used: summary.total_tokens_used,
            input_tokens: report.members.iter().map(|member| member.usage.input_tokens).sum(),
            output_tokens: report.members.iter().map(|member| member.usage.output_tokens).sum(),
            total_cost_usd: summary.total_cost_usd,
            agents_spawned: summary.agents_spawned,
            state: report.state,
            reason: report.reason,
            tasks: report.tasks,
        }
    }
}
