//! What the agents of a job share: settings, values, a trace, and the way to cancel them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

pub use super::backoff::Backoff;
pub use super::config::ExecutionConfig;
use super::record::Record;
pub use super::trace::{AgentExecution, ExecutionTrace};
use crate::sync::lock;

/// What the agents of a job share. One job may be several orchestrations, one after the other or at the same time; clones are
/// the same context.
///
/// An agent gets at it by having a clone. The trace stays here when an orchestration fails.
#[derive(Clone, Debug)]
pub struct ExecutionContext {
    shared: Arc<Shared>,
    cancellation: CancellationToken,
}

#[derive(Debug)]
struct Shared {
    config: ExecutionConfig,
    start_time: Timestamp,
    state: Mutex<HashMap<String, Value>>,
    records: Mutex<Vec<Record>>,
}

impl ExecutionContext {
    /// A context with these settings, which count for all orchestrations in it.
    pub fn new(config: ExecutionConfig) -> Self {
        let (state, records) = (Mutex::default(), Mutex::default());
        let shared = Shared { config, start_time: Timestamp::now(), state, records };
        Self { shared: Arc::new(shared), cancellation: CancellationToken::new() }
    }

    /// The same, which ends when this token is cancelled.
    #[must_use]
    pub fn with_cancellation(self, cancellation: CancellationToken) -> Self {
        Self { cancellation, ..self }
    }

    /// The settings.
    pub fn config(&self) -> &ExecutionConfig {
        &self.shared.config
    }

    /// The token that cancels the orchestrations in this context.
    pub fn cancellation(&self) -> &CancellationToken {
        &self.cancellation
    }

    /// Cancels the orchestrations in this context, also those to come.
    pub fn cancel(&self) {
        self.cancellation.cancel();
    }

    /// Keeps a value under a key, in the place of the one before.
    pub async fn set_state(&self, key: impl Into<String>, value: Value) {
        lock(&self.shared.state).insert(key.into(), value);
    }

    /// The value under a key.
    pub async fn get_state(&self, key: &str) -> Option<Value> {
        lock(&self.shared.state).get(key).cloned()
    }

    /// What has happened so far in all orchestrations in this context.
    pub async fn get_trace(&self) -> ExecutionTrace {
        let records = lock(&self.shared.records).clone();
        let spans = records.iter().map(Record::span);
        let span = spans.reduce(|one, other| (one.0.min(other.0), one.1.max(other.1)));
        let duration = span.map_or(Duration::ZERO, |(began, ended)| ended - began);
        let traces: Vec<ExecutionTrace> = records.iter().map(Record::trace).collect();
        let start_time = traces.iter().map(|trace| trace.start_time).min().unwrap_or(self.shared.start_time);
        let executions = traces.into_iter().flat_map(|trace| trace.agent_executions).collect();
        ExecutionTrace::new(start_time, duration, executions)
    }

    /// A new record, which is part of this context's trace.
    pub(super) fn record(&self) -> Record {
        let record = Record::new(self.config().enable_tracing);
        lock(&self.shared.records).push(record.clone());
        record
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn clones_share_values() {
        let context = ExecutionContext::new(ExecutionConfig::new());
        assert_eq!(context.get_state("key").await, None);
        context.clone().set_state("key", Value::from(1)).await;
        context.set_state("key", Value::from(2)).await;
        assert_eq!(context.clone().get_state("key").await, Some(Value::from(2)));
    }

    #[tokio::test]
    async fn a_context_in_which_nothing_has_happened_has_an_empty_trace() {
        let trace = ExecutionContext::new(ExecutionConfig::new()).get_trace().await;
        assert_eq!((trace.duration(), trace.agent_executions.len()), (Duration::ZERO, 0));
    }
}
