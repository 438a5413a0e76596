//! What becomes of a task that somebody has: it is completed, has failed, or is free again. Each is one write of the task's file, so
//! that whoever dies meanwhile leaves nothing half done: what waits for a task looks at that task.

use serde_json::json;

use super::edits::{change, change_work};
use super::tasks::{blocked_error, no_task};
use super::{RawObject, Result, Store, StoreError};
use crate::model::name::TeamName;
use crate::model::task::{Task, TaskId, TaskStatus};

/// Whose word about a task counts; `None` is whoever has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expected {
    /// Only if this is its owner.
    pub owner: Option<String>,
    /// Only if this is the attempt that runs.
    pub attempt: Option<u64>,
}

/// What has become of a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is done.
    Completed {
        /// What came of it.
        result: Option<String>,
    },
    /// The attempt has failed. The task is given out again, or has failed for good when that was the last attempt.
    Failed {
        /// Why, for whoever tries next.
        feedback: String,
        /// There is to be no further attempt.
        for_good: bool,
    },
    /// Its owner said that it was done, and it is not: the owner goes on with it. It has failed for good when that was the last attempt.
    SentBack {
        /// What is missing.
        feedback: String,
    },
    /// Its owner no longer works on it. That is no failure.
    GivenBack,
}

impl Store {
    /// Writes down what became of a task, and answers it with the ids of those that no longer wait because of it.
    pub fn settle_task(
        &self,
        team: &TeamName,
        id: &TaskId,
        expected: &Expected,
        outcome: &Outcome,
    ) -> Result<(Task, Vec<TaskId>)> {
        let dir = self.task_dir(team)?;
        let turn = self.locks.queue(&dir)?;
        let list = self.tasks(team)?;
        list.get(id).ok_or_else(|| no_task(team, id))?;
        let completes = matches!(outcome, Outcome::Completed { .. });
        let open = if completes { list.open_blockers(id) } else { Vec::new() };
        if !open.is_empty() {
            return Err(blocked_error(id, open));
        }
        let task = self.edit(&turn, &dir, team, id, |raw, task| {
            check(task, expected, outcome)?;
            Ok(settle(raw, task, outcome))
        })?;
        let freed = if completes { list.freed_by(id) } else { Vec::new() };
        Ok((task, freed))
    }

    /// Makes a task that has failed, or that is done, one that can be given out, with all its attempts.
    pub fn retry_task(&self, team: &TeamName, id: &TaskId) -> Result<Task> {
        let dir = self.task_dir(team)?;
        let turn = self.locks.queue(&dir)?;
        self.edit(&turn, &dir, team, id, |raw, task| {
            if task.status == TaskStatus::InProgress {
                return Err(claimed(task));
            }
            let mut changed = change(raw, "status", Some(json!(TaskStatus::Pending))) | change(raw, "owner", None);
            for key in ["failed", "failures", "result", "lease"] {
                changed |= change_work(raw, key, None);
            }
            Ok(changed)
        })
    }

    /// Gives back what somebody has, whatever it is: its tasks that are not done have no owner any more and are pending.
    pub fn release_tasks(&self, team: &TeamName, owner: &str) -> Result<Vec<TaskId>> {
        let dir = self.task_dir(team)?;
        if !dir.is_dir() {
            return Ok(Vec::new());
        }
        let turn = self.locks.queue(&dir)?;
        let mut released = Vec::new();
        let is_its = |task: &Task| {
            task.owner.as_deref() == Some(owner) && task.status != TaskStatus::Completed && !task.is_failed()
        };
        for task in self.cached(&dir)?.tasks.iter().filter(|task| is_its(task)) {
            let mut was_its = false;
            self.edit(&turn, &dir, team, &task.id, |raw, task| {
                was_its = is_its(task);
                let free = |raw: &mut RawObject| {
                    let lease = change_work(raw, "lease", None);
                    lease | change(raw, "owner", None) | change(raw, "status", Some(json!(TaskStatus::Pending)))
                };
                Ok(was_its && free(raw))
            })?;
            if was_its {
                released.push(task.id.clone());
            }
        }
        Ok(released)
    }
}

pub(super) fn claimed(task: &Task) -> StoreError {
    StoreError::Claimed {
        id: task.id.to_string(),
        owner: task.owner.clone().unwrap_or_else(|| "nobody".into()),
        status: task.status.to_string(),
    }
}

/// Whether this word about a task counts.
fn check(task: &Task, expected: &Expected, outcome: &Outcome) -> Result<()> {
    let attempt = task.work().attempt;
    if let Some(asked) = expected.attempt.filter(|asked| *asked != attempt) {
        return Err(StoreError::OldAttempt { id: task.id.to_string(), attempt: asked, now: attempt });
    }
    let opens_again =
        matches!(outcome, Outcome::GivenBack | Outcome::SentBack { .. } | Outcome::Failed { for_good: false, .. });
    match &expected.owner {
        // Its owner was done with it before this was written.
        _ if opens_again && task.status == TaskStatus::Completed => Err(claimed(task)),
        Some(owner) if task.owner.as_ref() != Some(owner) => Err(claimed(task)),
        _ => Ok(()),
    }
}

fn settle(raw: &mut RawObject, task: &Task, outcome: &Outcome) -> bool {
    let work = task.work();
    if let Outcome::SentBack { feedback } = outcome {
        let failures = work.failures + 1;
        if failures < work.most_attempts() {
            return change_work(raw, "failures", Some(json!(failures)))
                | change_work(raw, "feedback", Some(json!(feedback)));
        }
    }
    let lease = change_work(raw, "lease", None);
    let status = |raw: &mut RawObject, status: TaskStatus| change(raw, "status", Some(json!(status)));
    let free = |raw: &mut RawObject| {
        // Who was chosen for it still is.
        let stays = work.lease.as_ref().is_some_and(|lease| lease.assigned);
        status(raw, TaskStatus::Pending) | (!stays && change(raw, "owner", None))
    };
    lease
        | match outcome {
            Outcome::Completed { result } => {
                let result = result.as_ref().is_some_and(|result| change_work(raw, "result", Some(json!(result))));
                let cleared = change_work(raw, "feedback", None) | change_work(raw, "failed", None);
                result | cleared | status(raw, TaskStatus::Completed)
            }
            Outcome::SentBack { feedback } | Outcome::Failed { feedback, .. } => {
                let failures = work.failures + 1;
                let counted = change_work(raw, "failures", Some(json!(failures)));
                let told = change_work(raw, "feedback", Some(json!(feedback)));
                let for_good = matches!(outcome, Outcome::Failed { for_good: true, .. });
                match for_good || failures >= work.most_attempts() {
                    // It keeps its owner: others take what has none.
                    true => {
                        let failed = change_work(raw, "failed", Some(json!(feedback)));
                        counted | told | failed | status(raw, TaskStatus::Pending)
                    }
                    false => counted | told | free(raw),
                }
            }
            Outcome::GivenBack => free(raw),
        }
}

#[cfg(test)]
#[path = "outcomes_tests.rs"]
mod tests;
