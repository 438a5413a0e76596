//! What can go wrong in an agent of our own.

use super::llm::LlmError;

/// What every call of this module answers.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error of an agent of our own, or of one of its tools.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A tool could not do what its call asked for. The model is told so, and goes on.
    #[error("{tool_name}: {message}")]
    ToolExecution {
        /// Which tool.
        tool_name: String,
        /// What was wrong, and what would be right.
        message: String,
    },
    /// The language model gave no answer.
    #[error(transparent)]
    Llm(#[from] LlmError),
    /// The settings name no model, or one that cannot be used.
    #[error("{0}")]
    Config(String),
    /// The conversation is too long for the model, and what can be left out of it was left out.
    #[error(
        "the conversation does not fit into the model's context: it has about {tokens} tokens, and {limit} fit; begin a new one, or use a model with a larger context"
    )]
    ContextTooLong {
        /// How long it is, in tokens, by the provider's own figures as far as they are known.
        tokens: u64,
        /// How many fit, less the room for the answer.
        limit: u64,
    },
    /// The agent has made as many requests as one turn may have.
    #[error(
        "the turn was ended after {0} requests to the model, which is its limit; ask it to go on, or allow more (--max-turns)"
    )]
    TooManyTurns(usize),
    /// The turn was cancelled.
    #[error("the turn was cancelled")]
    Cancelled,
    /// A file of the agent's could not be read or written.
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: String,
        /// Why it failed.
        source: std::io::Error,
    },
}

impl Error {
    /// That a tool could not do what it was asked for.
    pub fn tool(tool_name: impl Into<String>, message: impl Into<String>) -> Self {
        Self::ToolExecution { tool_name: tool_name.into(), message: message.into() }
    }
}
