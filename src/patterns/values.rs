//! What agents and orchestrations are given, and what an agent answers: plain values.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// From this confidence on an output counts as successful.
const SUCCESSFUL_FROM: f64 = 0.5;

/// What an agent is given to work on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AgentInput {
    /// What it is asked to do.
    pub content: String,
    /// What it has to know for that; `null` for nothing.
    pub context: Value,
    /// Words for programs: an agent that is a model does not see them.
    pub metadata: HashMap<String, String>,
}

impl AgentInput {
    /// An input without context and metadata.
    pub fn new(content: impl Into<String>) -> Self {
        Self { content: content.into(), ..Self::default() }
    }

    /// The same with this context.
    #[must_use]
    pub fn with_context(self, context: Value) -> Self {
        Self { context, ..self }
    }

    /// The same with one more word for programs.
    #[must_use]
    pub fn with_metadata(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.metadata.insert(key.into(), value.into());
        self
    }
}

/// What an agent answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AgentOutput {
    /// The answer.
    pub content: String,
    /// The answer, or more of it, in a form for programs; `null` for nothing.
    #[serde(default)]
    pub data: Value,
    /// How sure the agent is of its answer, from 0 to 1.
    pub confidence: f64,
    /// Words for programs.
    #[serde(default)]
    pub metadata: HashMap<String, String>,
}

impl AgentOutput {
    /// An answer of which the agent is sure.
    pub fn new(content: impl Into<String>) -> Self {
        Self { content: content.into(), data: Value::Null, confidence: 1.0, metadata: HashMap::new() }
    }

    /// The same with this data.
    #[must_use]
    pub fn with_data(self, data: Value) -> Self {
        Self { data, ..self }
    }

    /// The same with this confidence. A number below 0 counts as 0, one above 1 as 1, and what is no number as 0.
    #[must_use]
    pub fn with_confidence(self, confidence: f64) -> Self {
        let confidence = if confidence.is_nan() { 0.0 } else { confidence.clamp(0.0, 1.0) };
        Self { confidence, ..self }
    }

    /// The same with one more word for programs.
    #[must_use]
    pub fn with_metadata(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.metadata.insert(key.into(), value.into());
        self
    }

    /// Whether the agent stands by its answer: its confidence is 0.5 at least.
    pub fn is_successful(&self) -> bool {
        self.confidence >= SUCCESSFUL_FROM
    }
}

/// What an orchestration is given to work on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct OrchestratorInput {
    /// What is asked for.
    pub content: String,
    /// What the agents have to know for that; `null` for nothing.
    pub context: Value,
    /// Words for programs, which every agent is given.
    pub metadata: HashMap<String, String>,
}

impl OrchestratorInput {
    /// An input without context and metadata.
    pub fn new(content: impl Into<String>) -> Self {
        Self { content: content.into(), ..Self::default() }
    }

    /// The same with this context.
    #[must_use]
    pub fn with_context(self, context: Value) -> Self {
        Self { context, ..self }
    }

    /// The same with one more word for programs.
    #[must_use]
    pub fn with_metadata(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.metadata.insert(key.into(), value.into());
        self
    }
}

impl From<OrchestratorInput> for AgentInput {
    fn from(input: OrchestratorInput) -> Self {
        Self { content: input.content, context: input.context, metadata: input.metadata }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn confidence_stays_between_nothing_and_all() {
        for (said, kept) in [(0.25, 0.25), (-1.0, 0.0), (7.0, 1.0), (f64::NAN, 0.0), (f64::INFINITY, 1.0)] {
            assert_eq!(AgentOutput::new("x").with_confidence(said).confidence, kept, "{said}");
        }
    }

    #[test]
    fn an_answer_is_successful_when_its_agent_stands_by_it() {
        assert!(AgentOutput::new("x").is_successful());
        assert!(AgentOutput::new("x").with_confidence(0.5).is_successful());
        assert!(!AgentOutput::new("x").with_confidence(0.49).is_successful());
    }

    #[test]
    fn agents_are_given_all_that_the_orchestration_was_given() {
        let input = OrchestratorInput::new("a").with_context(serde_json::json!({"b": 1})).with_metadata("c", "d");
        let expected = AgentInput::new("a").with_context(serde_json::json!({"b": 1})).with_metadata("c", "d");
        assert_eq!(AgentInput::from(input), expected);
    }
}
