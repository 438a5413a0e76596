//! Claims of tasks: threads that claim from one list at the same time share the turn for it, and write together.

use std::path::Path;

use serde_json::json;

use super::edits::{change, change_work};
use super::group::Waiting;
use super::jobs::Claim;
use super::lock::Turn;
use super::outcomes::claimed;
use super::task_cache::TaskList;
use super::tasks::{blocked_error, no_task};
use super::{Result, Store, StoreError};
use crate::model::graph::Graph;
use crate::model::name::TeamName;
use crate::model::task::{Task, TaskId, TaskStatus};
use crate::model::work::{Claimant, Lease};

impl Store {
    /// Makes somebody the owner of a task that nobody works on and that waits for nothing: of `id`, or of the first one that is for them,
    /// by priority and number. Answers `None` when there is none. Two claims never get the same task. Each is a new attempt.
    pub fn claim_task(&self, team: &TeamName, id: Option<&TaskId>, who: impl Into<Claimant>) -> Result<Option<Task>> {
        let dir = self.task_dir(team)?;
        if !dir.is_dir() {
            return self.tasks(team).map(|_| None);
        }
        let claim = Claim { id: id.cloned(), who: who.into() };
        self.claims.run(&dir, claim, |take| {
            let turn = self.locks.queue(&dir)?;
            let list = self.cached(&dir)?;
            self.claim_all(&turn, &dir, team, &list, take());
            Ok(())
        })
    }

    /// Gives each claim a task of the list, in our turn for it.
    fn claim_all(
        &self,
        turn: &Turn<'_>,
        dir: &Path,
        team: &TeamName,
        list: &TaskList,
        mut claims: Vec<Waiting<Claim, Option<Task>>>,
    ) {
        // Who names a task needs no graph.
        let graph = claims.iter().any(|waiting| waiting.job.id.is_none()).then(|| Graph::new(&list.tasks));
        // Tasks that were tried for somebody.
        let mut tried = vec![false; list.tasks.len()];
        while !claims.is_empty() {
            let mut chosen = Vec::new();
            let mut later = Vec::new();
            for waiting in claims {
                match choose(team, list, graph.as_ref(), &tried, &waiting.job) {
                    // What the other one has made of it counts.
                    Ok(Some(place)) if chosen.iter().any(|(other, _)| *other == place) => later.push(waiting),
                    Ok(Some(place)) => {
                        tried[place] = true;
                        chosen.push((place, waiting));
                    }
                    Ok(None) => waiting.done(Ok(None)),
                    Err(error) => waiting.done(Err(error)),
                }
            }
            let claim = |(place, waiting): (usize, Waiting<Claim, Option<Task>>)| {
                let id = &list.tasks[place].id;
                match self.claim(turn, dir, team, id, &waiting.job.who) {
                    // The next one may be free.
                    Err(StoreError::Claimed { .. } | StoreError::Failed { .. } | StoreError::NoTask { .. })
                        if waiting.job.id.is_none() =>
                    {
                        Some(waiting)
                    }
                    claimed => {
                        waiting.done(claimed.map(Some));
                        None
                    }
                }
            };
            // The disk takes several files in the time of one.
            let own = chosen.pop();
            let again: Vec<_> = std::thread::scope(|scope| {
                let others: Vec<_> = chosen.into_iter().map(|one| scope.spawn(|| claim(one))).collect();
                let own = own.and_then(claim);
                let others = others
                    .into_iter()
                    .map(|other| other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
                others.chain([own]).flatten().collect()
            });
            claims = again.into_iter().chain(later).collect();
        }
    }

    /// Makes somebody the owner of a task that is free. A live Claude Code may have been quicker: what counts is what the file says under
    /// its lock.
    fn claim(&self, turn: &Turn<'_>, dir: &Path, team: &TeamName, id: &TaskId, who: &Claimant) -> Result<Task> {
        self.edit(turn, dir, team, id, |raw, task| {
            if !task.is_free_for(&who.name) {
                return Err(claimed(task));
            }
            if let Some(reason) = task.work().failed {
                return Err(StoreError::Failed { id: task.id.to_string(), reason });
            }
            let assigned = task.owner.is_some();
            let lease = who.process.clone().map(|process| Lease { owner: who.name.clone(), process, assigned });
            change(raw, "owner", Some(json!(who.name)));
            change(raw, "status", Some(json!(TaskStatus::InProgress)));
            change_work(raw, "attempt", Some(json!(task.work().attempt + 1)));
            change_work(raw, "lease", lease.map(|lease| json!(lease)));
            Ok(true)
        })
    }
}

/// The place in the list of the task that a claim is for, if there is one; none that was tried is the first that is free.
fn choose(
    team: &TeamName,
    list: &TaskList,
    graph: Option<&Graph<'_>>,
    tried: &[bool],
    claim: &Claim,
) -> Result<Option<usize>> {
    let Some(id) = &claim.id else {
        let is_claimable = |place: &usize| {
            let task = &list.tasks[*place];
            let is_blocked = || graph.is_some_and(|graph| graph.is_blocked(&task.id));
            !tried[*place] && task.is_claimable_by(&claim.who) && !is_blocked()
        };
        // Of those that are alike the first.
        return Ok((0..list.tasks.len()).filter(is_claimable).min_by_key(|place| list.tasks[*place].priority()));
    };
    let place = list.place(id).ok_or_else(|| no_task(team, id))?;
    match list.open_blockers(id) {
        open if open.is_empty() => Ok(Some(place)),
        open => Err(blocked_error(id, open)),
    }
}
