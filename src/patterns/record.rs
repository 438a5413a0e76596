//! Keeps what happens in one orchestration while it happens. It is written by all agents that work at the same time.

use std::sync::{Arc, Mutex};

use jiff::Timestamp;
use tokio::time::Instant;

use super::errors::Result;
use super::trace::{AgentExecution, ExecutionTrace};
use super::values::{AgentInput, AgentOutput};
use crate::model::time::milliseconds;
use crate::sync::lock;

/// The record of one orchestration; clones are the same record.
#[derive(Clone, Debug)]
pub(super) struct Record(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    start_time: Timestamp,
    began: Instant,
    keeps_attempts: bool,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    executions: Vec<AgentExecution>,
    /// When each of them began.
    began: Vec<Instant>,
    ended: Option<Instant>,
}

impl Record {
    pub(super) fn new(keeps_attempts: bool) -> Self {
        let (start_time, began) = (Timestamp::now(), Instant::now());
        Self(Arc::new(Inner { start_time, began, keeps_attempts, kept: Mutex::default() }))
    }

    /// An attempt begins; `None` when the orchestration is over.
    pub(super) fn begin(&self, position: usize, agent: &str, attempt: usize, input: &AgentInput) -> Option<Attempt> {
        let execution = self.0.keeps_attempts.then(|| AgentExecution {
            agent_name: agent.to_owned(),
            position,
            attempt,
            input: input.clone(),
            output: None,
            success: false,
            error: None,
            start_time: Timestamp::now(),
            duration_ms: 0,
        });
        let mut kept = lock(&self.0.kept);
        if kept.ended.is_some() {
            return None;
        }
        let index = execution.map(|execution| {
            kept.executions.push(execution);
            kept.began.push(Instant::now());
            kept.executions.len() - 1
        });
        Some(Attempt { record: self.clone(), index })
    }

    /// The orchestration is over: attempts that still go on were cut off for this reason. Answers whose they were.
    pub(super) fn close(&self, why: &str) -> Vec<String> {
        let now = Instant::now();
        let mut kept = lock(&self.0.kept);
        if kept.ended.is_some() {
            return Vec::new();
        }
        kept.ended = Some(now);
        let Kept { executions, began, .. } = &mut *kept;
        let open = executions.iter_mut().zip(began).filter(|(execution, _)| is_open(execution));
        open.map(|(execution, began)| {
            execution.error = Some(why.to_owned());
            execution.duration_ms = milliseconds(now - *began);
            execution.agent_name.clone()
        })
        .collect()
    }

    /// What is known now.
    pub(super) fn trace(&self) -> ExecutionTrace {
        let kept = lock(&self.0.kept);
        let until = kept.ended.unwrap_or_else(Instant::now);
        ExecutionTrace::new(self.0.start_time, until - self.0.began, kept.executions.clone())
    }

    /// From when until when the orchestration ran, or has run so far.
    pub(super) fn span(&self) -> (Instant, Instant) {
        (self.0.began, lock(&self.0.kept).ended.unwrap_or_else(Instant::now))
    }

    fn end(&self, index: usize, result: std::result::Result<&AgentOutput, &str>) {
        let mut kept = lock(&self.0.kept);
        let Kept { executions, began, .. } = &mut *kept;
        let Some(execution) = executions.get_mut(index).filter(|execution| is_open(execution)) else { return };
        execution.duration_ms = milliseconds(began[index].elapsed());
        execution.success = result.is_ok();
        match result {
            Ok(output) => execution.output = Some(output.clone()),
            Err(error) => execution.error = Some(error.to_owned()),
        }
    }
}

fn is_open(execution: &AgentExecution) -> bool {
    execution.output.is_none() && execution.error.is_none()
}

/// An attempt that goes on.
#[derive(Debug)]
pub(super) struct Attempt {
    record: Record,
    /// Where it is kept, unless its end is.
    index: Option<usize>,
}

impl Attempt {
    pub(super) fn end(mut self, result: &Result<AgentOutput>) {
        if let Some(index) = self.index.take() {
            match result {
                Ok(output) => self.record.end(index, Ok(output)),
                Err(error) => self.record.end(index, Err(&error.to_string())),
            }
        }
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        if let Some(index) = self.index.take() {
            self.record.end(index, Err("the attempt was given up"));
        }
    }
}
