//! Who is given which task, and what is done about those that somebody has. Pure: what is known goes in, what is to be done comes out.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet, HashSet};

use crate::model::graph::Graph;
use crate::model::name::AgentName;
use crate::model::task::{Task, TaskId, TaskStatus};
use crate::model::work::Claimant;
use crate::store::{Expected, Outcome, TaskList};

/// A member of ours, as far as tasks go.
#[derive(Clone, Debug)]
pub(super) struct Worker {
    pub(super) name: AgentName,
    /// What tasks may want.
    pub(super) who: Claimant,
    /// It is given tasks.
    pub(super) works: bool,
    pub(super) runs: bool,
    /// It runs, does nothing, and nothing waits for it.
    pub(super) is_idle: bool,
    /// Something comes to it before anything else: an answer to the plan that it has handed in, or mail.
    pub(super) hears_first: bool,
}

/// How far the turn of a task is that was given to a member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// This message is on its way to the agent.
    Sent { message: String },
    /// The agent has it, in this turn.
    InTurn(u64),
    /// That turn has ended; with a reason when it failed.
    Ended { failure: Option<String> },
}

/// A task that was given to a member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Given {
    pub(super) to: AgentName,
    pub(super) attempt: u64,
    pub(super) stage: Stage,
    /// The member was asked what has become of it.
    pub(super) asked: bool,
}

/// All that decides.
#[derive(Debug)]
pub(super) struct Snapshot<'a> {
    pub(super) workers: &'a [Worker],
    pub(super) tasks: &'a TaskList,
    pub(super) given: &'a BTreeMap<TaskId, Given>,
    /// Whether a task's owner has a lease of this process.
    pub(super) is_leased_by_us: fn(&Task) -> bool,
    /// Whether whoever answers for a task's owner is dead.
    pub(super) is_orphaned: fn(&Task) -> bool,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// The task is this member's now.
    Give { task: TaskId, to: AgentName },
    /// The member is asked what has become of its task.
    Ask { task: TaskId, to: AgentName },
    /// The attempt has failed, or nobody works on it any more.
    Settle { task: TaskId, expected: Expected, outcome: Outcome },
    /// There is nothing more to be done about a task that was given to somebody.
    Forget { task: TaskId },
}

pub(super) fn dispatch(snapshot: &Snapshot<'_>) -> Vec<Action> {
    let mut actions = Vec::new();
    let mut occupied: BTreeSet<&str> = BTreeSet::new();
    for task in &snapshot.tasks.tasks {
        let (TaskStatus::InProgress, Some(owner)) = (task.status, &task.owner) else { continue };
        occupied.insert(owner);
        let attempt = task.work().attempt;
        let worker = snapshot.workers.iter().find(|worker| worker.name.as_str() == owner);
        let is_gone = worker.is_some_and(|worker| !worker.runs) && (snapshot.is_leased_by_us)(task);
        let has_failed =
            |given: &Given| given.attempt == attempt && matches!(given.stage, Stage::Ended { failure: Some(_) });
        // Whose owner died of it has failed.
        let has_failed = snapshot.given.get(&task.id).is_some_and(has_failed);
        if !has_failed && (is_gone || (snapshot.is_orphaned)(task)) {
            actions.push(settle(task, owner, attempt, Outcome::GivenBack));
        }
    }
    for (id, given) in snapshot.given {
        let hears_first = snapshot.workers.iter().any(|worker| worker.name == given.to && worker.hears_first);
        actions.extend(after(id, given, snapshot.tasks.get(id).map(|task| &**task), hears_first));
        occupied.insert(&given.to);
    }
    let is_free = |worker: &&Worker| worker.works && worker.is_idle && !occupied.contains(worker.name.as_str());
    let mut free = snapshot.workers.iter().filter(is_free).peekable();
    if free.peek().is_none() {
        return actions;
    }
    let (graph, named) = (OnceCell::new(), named_by_open(snapshot.tasks));
    let is_blocked = |task: &Task| {
        // Most tasks wait for nothing: the graph is made when one may.
        (!task.blocked_by.is_empty() || named.contains(&task.id))
            && graph.get_or_init(|| Graph::new(&snapshot.tasks.tasks)).is_blocked(&task.id)
    };
    let mut taken: BTreeSet<&TaskId> = BTreeSet::new();
    for worker in free {
        let is_for_it =
            |task: &&Task| task.is_claimable_by(&worker.who) && !taken.contains(&task.id) && !is_blocked(task);
        // Of those that are alike the first.
        let tasks = snapshot.tasks.tasks.iter().map(|task| &**task);
        if let Some(task) = tasks.filter(is_for_it).min_by_key(|task| task.priority()) {
            taken.insert(&task.id);
            actions.push(Action::Give { task: task.id.clone(), to: worker.name.clone() });
        }
    }
    actions
}

fn settle(task: &Task, owner: &str, attempt: u64, outcome: Outcome) -> Action {
    let expected = Expected { owner: Some(owner.to_owned()), attempt: Some(attempt) };
    Action::Settle { task: task.id.clone(), expected, outcome }
}

/// The tasks that wait for others by the word of those.
fn named_by_open(tasks: &TaskList) -> HashSet<&TaskId> {
    let open = tasks.tasks.iter().filter(|task| task.status != TaskStatus::Completed);
    open.flat_map(|task| &task.blocks).collect()
}

/// What follows for a task that was given to somebody.
fn after(id: &TaskId, given: &Given, task: Option<&Task>, hears_first: bool) -> Option<Action> {
    let is_its = |task: &&Task| {
        task.status == TaskStatus::InProgress
            && task.owner.as_deref() == Some(given.to.as_str())
            && task.work().attempt == given.attempt
    };
    let Some(task) = task.filter(is_its) else { return Some(Action::Forget { task: id.clone() }) };
    let Stage::Ended { failure } = &given.stage else { return None };
    let failed = |feedback: &str| {
        let outcome = Outcome::Failed { feedback: feedback.to_owned(), for_good: false };
        settle(task, &given.to, given.attempt, outcome)
    };
    Some(match failure {
        Some(reason) => failed(reason),
        None if hears_first => return None,
        None if given.asked => {
            const SILENT: &str = "its turn ended, and once more when it was asked, without a word of what became of it";
            // What it was sent back with is what the next one needs to know.
            match task.work().feedback.filter(|before| !before.starts_with(SILENT)) {
                Some(before) => failed(&format!("{SILENT}; before that: {before}")),
                None => failed(SILENT),
            }
        }
        None => Action::Ask { task: id.clone(), to: given.to.clone() },
    })
}

#[cfg(test)]
#[path = "dispatch_tests.rs"]
mod tests;
