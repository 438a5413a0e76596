//! How the agents of a team work.

use std::time::Duration;

use agent_backends::native::tools::{CommandLimits, WebHosts};
use agent_backends::native::{CompactionStrategy, LoopSettings};

/// How the agents of an [`AgentTeam`](super::AgentTeam) work.
#[derive(Clone, Debug)]
pub struct AgentConfig {
    /// So many agents work at the same time where no teammates are named, and so many a lead may have.
    pub max_parallel_agents: usize,
    /// How often a task that failed is given out again, where the task does not say so.
    pub max_task_retries: u32,
    /// The most requests to the model in one turn of an agent.
    pub max_loop_iterations: usize,
    /// How many tokens an agent's conversation and its answer may have together; `None` for what the model can read. A client that the program has made says that itself.
    pub max_context_tokens: Option<u64>,
    /// When a conversation is shortened.
    pub compaction: CompactionStrategy,
    /// What the agents' commands may do. With a list of what is allowed they run nothing else.
    pub commands: CommandLimits,
    /// The hosts that agents may fetch pages from; `None` for none.
    pub web: Option<WebHosts>,
    /// How long a run may take. `None`: two hours where a lead plans, and as long as it takes where the tasks are given.
    pub timeout: Option<Duration>,
}

impl Default for AgentConfig {
    fn default() -> Self {
        let settings = LoopSettings::default();
        Self {
            max_parallel_agents: 4,
            max_task_retries: crate::model::work::MAX_RETRIES,
            max_loop_iterations: settings.max_turns,
            max_context_tokens: None,
            compaction: settings.compaction,
            commands: CommandLimits::default(),
            web: None,
            timeout: None,
        }
    }
}

impl AgentConfig {
    pub(super) fn settings(&self) -> LoopSettings {
        LoopSettings { max_turns: self.max_loop_iterations, compaction: self.compaction, ..LoopSettings::default() }
    }
}
