//! The settings of an orchestration.

use std::time::Duration;

use super::backoff::Backoff;
use super::errors::{OrchestrationError, Result};

/// The settings of an orchestration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExecutionConfig {
    /// How long the whole orchestration may take, retries and waiting included: 300 seconds.
    pub timeout: Duration,
    /// How long each attempt of an agent may take; without it, as long as the orchestration.
    pub agent_timeout: Option<Duration>,
    /// How often an agent is asked again after a failure that [may not come
    /// again](super::OrchestrationError::is_retryable): 3 times.
    pub max_retries: usize,
    /// How long to wait before it is asked again.
    pub backoff: Backoff,
    /// How many agents may work at the same time: 10.
    pub parallel_limit: usize,
    /// Whether agents in parallel of which some fail come to the error
    /// [`PartialSuccess`](super::OrchestrationError::PartialSuccess) instead of an output with what the others have answered: no.
    pub fail_on_partial: bool,
    /// Whether attempts are logged, with the crate `tracing`: yes.
    pub enable_logging: bool,
    /// Whether attempts are kept in the trace: yes.
    pub enable_tracing: bool,
}

impl Default for ExecutionConfig {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(300),
            agent_timeout: None,
            max_retries: 3,
            backoff: Backoff::default(),
            parallel_limit: 10,
            fail_on_partial: false,
            enable_logging: true,
            enable_tracing: true,
        }
    }
}

impl ExecutionConfig {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same with this limit for the whole orchestration.
    #[must_use]
    pub fn with_timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// The same with this limit for each attempt of an agent.
    #[must_use]
    pub fn with_agent_timeout(self, timeout: Duration) -> Self {
        Self { agent_timeout: Some(timeout), ..self }
    }

    /// The same with so many retries.
    #[must_use]
    pub fn with_max_retries(self, max_retries: usize) -> Self {
        Self { max_retries, ..self }
    }

    /// The same with these waiting times before retries.
    #[must_use]
    pub fn with_backoff(self, backoff: Backoff) -> Self {
        Self { backoff, ..self }
    }

    /// The same with at most so many agents at work at the same time.
    #[must_use]
    pub fn with_parallel_limit(self, parallel_limit: usize) -> Self {
        Self { parallel_limit, ..self }
    }

    /// The same with or without an error when some of several agents fail.
    #[must_use]
    pub fn with_fail_on_partial(self, fail_on_partial: bool) -> Self {
        Self { fail_on_partial, ..self }
    }

    /// The same with or without a log.
    #[must_use]
    pub fn with_logging(self, enable_logging: bool) -> Self {
        Self { enable_logging, ..self }
    }

    /// The same with or without attempts in the trace.
    #[must_use]
    pub fn with_tracing(self, enable_tracing: bool) -> Self {
        Self { enable_tracing, ..self }
    }

    /// Says which setting makes no sense.
    pub(super) fn check(&self) -> Result<()> {
        let wrong = if self.timeout.is_zero() || self.agent_timeout.is_some_and(|limit| limit.is_zero()) {
            "a time limit of zero leaves no time for any agent; give a longer one"
        } else if self.parallel_limit == 0 {
            "a parallel limit of zero lets no agent work; give at least 1"
        } else {
            return Ok(());
        };
        Err(OrchestrationError::InvalidConfig(wrong.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_with_which_nothing_could_work_are_refused() {
        assert_eq!(ExecutionConfig::new().check(), Ok(()));
        let zero = Duration::ZERO;
        for config in [
            ExecutionConfig::new().with_timeout(zero),
            ExecutionConfig::new().with_agent_timeout(zero),
            ExecutionConfig::new().with_parallel_limit(0),
        ] {
            assert!(matches!(config.check(), Err(OrchestrationError::InvalidConfig(_))), "{config:?}");
        }
    }

    #[test]
    fn the_defaults_are_the_documented_ones() {
        let config = ExecutionConfig::default();
        assert_eq!((config.timeout, config.max_retries, config.parallel_limit), (Duration::from_secs(300), 3, 10));
        assert!(config.enable_logging && config.enable_tracing && !config.fail_on_partial);
    }
}
