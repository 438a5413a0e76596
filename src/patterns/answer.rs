//! Answers with the name of who gave them, alone and grouped: plain values.

use super::values::AgentOutput;

/// The answer of one of several agents.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The agent's place among those that were asked; the first is 0.
    pub position: usize,
    /// The agent's name.
    pub agent: String,
    /// What it answered.
    pub output: AgentOutput,
}

/// An answer that one or more agents of a vote have given.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    /// All answers that count as this one, in the order of their agents. There is always a first.
    pub answers: Vec<Answer>,
    /// What they count together: their number, or in a weighted vote the sum of their weights.
    pub weight: f64,
}

impl Candidate {
    /// The answer, in the words of the first agent that gave it.
    pub fn content(&self) -> &str {
        self.answers.first().map_or("", |answer| answer.output.content.as_str())
    }

    /// Who gave it.
    pub fn agents(&self) -> impl Iterator<Item = &str> {
        self.answers.iter().map(|answer| answer.agent.as_str())
    }
}
