//! What happened in an orchestration: plain values.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Serialize, Serializer};

use super::values::{AgentInput, AgentOutput};
use crate::model::time::milliseconds;

/// One attempt of one agent.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct AgentExecution {
    /// The agent's name.
    pub agent_name: String,
    /// The agent's place among the agents of the orchestration; the first is 0.
    pub position: usize,
    /// Which attempt it was: 1, and more for each retry.
    pub attempt: usize,
    /// What the agent was given.
    pub input: AgentInput,
    /// What it answered.
    pub output: Option<AgentOutput>,
    /// Whether it answered.
    pub success: bool,
    /// Why it did not; neither this nor an output while the attempt goes on.
    pub error: Option<String>,
    /// When the attempt began.
    #[serde(serialize_with = "as_text")]
    pub start_time: Timestamp,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
}

/// All attempts of all agents of an orchestration, in the order in which they began.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ExecutionTrace {
    /// When the orchestration began.
    #[serde(serialize_with = "as_text")]
    pub start_time: Timestamp,
    /// The attempts: also those that failed, were retried, or were cut off by a time limit.
    pub agent_executions: Vec<AgentExecution>,
    #[serde(rename = "duration_ms", serialize_with = "as_milliseconds")]
    duration: Duration,
}

impl ExecutionTrace {
    /// A trace of an orchestration that began then and took so long.
    pub fn new(start_time: Timestamp, duration: Duration, agent_executions: Vec<AgentExecution>) -> Self {
        Self { start_time, agent_executions, duration }
    }

    /// How long the orchestration took, or has taken so far.
    pub fn duration(&self) -> Duration {
        self.duration
    }
}

fn as_text<S: Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(time)
}

fn as_milliseconds<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(milliseconds(*duration))
}
