//! What a registry refuses, and how an agent that it asked has failed.

use crate::patterns::errors::OrchestrationError;

/// What a registry refuses, and how an agent that it asked has failed.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// No agent has that id.
    #[error("no agent is registered as `{id}`; registered are: {}", known.join(", "))]
    NotFound {
        /// The id.
        id: String,
        /// The ids that there are.
        known: Vec<String>,
    },
    /// Another agent has that id.
    #[error("an agent is registered as `{id}` already; unregister it first, or register this one with another id")]
    Exists {
        /// The id.
        id: String,
    },
    /// The agent may not be asked.
    #[error("agent `{id}` is disabled; enable it with `set_enabled`")]
    Disabled {
        /// Its id.
        id: String,
    },
    /// The metadata are those of an agent of another name.
    #[error(
        "the metadata of `{id}` say that the agent's name is `{expected}`, and the agent says `{actual}`; write its own name"
    )]
    NameMismatch {
        /// The id.
        id: String,
        /// The name in the metadata.
        expected: String,
        /// What the agent says.
        actual: String,
    },
    /// The metadata make no sense.
    #[error("the metadata of `{id}` make no sense: {reason}")]
    BadMetadata {
        /// The id.
        id: String,
        /// Why.
        reason: String,
    },
    /// The agent was asked, and has failed.
    #[error(transparent)]
    Execution(#[from] OrchestrationError),
}

impl RegistryError {
    /// Whether the same call may succeed later.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Execution(error) if error.is_retryable())
    }
}

impl From<RegistryError> for OrchestrationError {
    /// The failure of the agent; what the registry refuses is a matter of configuration.
    fn from(error: RegistryError) -> Self {
        match error {
            RegistryError::Execution(error) => error,
            refused => Self::InvalidConfig(refused.to_string()),
        }
    }
}
