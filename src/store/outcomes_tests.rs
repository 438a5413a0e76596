use std::sync::Arc;

use serde_json::Value;

use super::*;
use crate::model::graph::Graph;
use crate::model::task::CreateTaskRequest;
use crate::model::work::{Claimant, TaskPlan};

struct Lists {
    _dir: tempfile::TempDir,
    store: Store,
    team: TeamName,
}

impl Lists {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::new(dir.path().join("teams"), dir.path().join("tasks"), dir.path().join("locks"));
        let team = "t".parse().unwrap();
        store.create_team(&team, None, std::path::Path::new("/"), 0).unwrap();
        Self { _dir: dir, store, team }
    }

    fn add(&self, plan: TaskPlan, blocked_by: &[u64]) -> TaskId {
        let blocked_by = blocked_by.iter().map(u64::to_string).collect();
        let request = CreateTaskRequest { subject: "s".into(), blocked_by, plan, ..CreateTaskRequest::default() };
        self.store.create_task(&self.team, &request).unwrap().id
    }

    fn claim(&self, id: Option<&TaskId>, who: &str) -> Option<Task> {
        let who = Claimant { process: Some("1 2 boot".into()), ..who.into() };
        self.store.claim_task(&self.team, id, who).unwrap()
    }

    fn settle(&self, id: &TaskId, expected: &Expected, outcome: &Outcome) -> Result<(Task, Vec<TaskId>)> {
        self.store.settle_task(&self.team, id, expected, outcome)
    }

    fn task(&self, id: &TaskId) -> Arc<Task> {
        Arc::clone(self.store.tasks(&self.team).unwrap().get(id).unwrap())
    }
}

fn failed(feedback: &str) -> Outcome {
    Outcome::Failed { feedback: feedback.into(), for_good: false }
}

fn attempt(number: u64) -> Expected {
    Expected { owner: None, attempt: Some(number) }
}

const DONE: Outcome = Outcome::Completed { result: None };

#[test]
fn a_task_is_given_out_again_until_its_attempts_are_used_up() {
    let lists = Lists::new();
    let id = lists.add(TaskPlan { max_retries: Some(1), ..TaskPlan::default() }, &[]);
    let next = lists.add(TaskPlan::default(), &[1]);
    let task = lists.claim(None, "a").unwrap();
    assert_eq!((task.work().attempt, task.lease().unwrap().owner.as_str()), (1, "a"));
    let (task, _) = lists.settle(&id, &attempt(1), &failed("too hard")).unwrap();
    assert_eq!((task.status, task.owner.clone(), task.is_failed()), (TaskStatus::Pending, None, false));
    assert_eq!(task.work().feedback.as_deref(), Some("too hard"));
    lists.claim(None, "b").unwrap();
    // What the first one says now is of an attempt that is over.
    let late = lists.settle(&id, &Expected { owner: None, attempt: Some(1) }, &DONE).unwrap_err();
    assert!(matches!(late, StoreError::OldAttempt { attempt: 1, now: 2, .. }), "{late}");
    let other = lists.settle(&id, &Expected { owner: Some("a".into()), attempt: None }, &DONE).unwrap_err();
    assert!(matches!(other, StoreError::Claimed { .. }), "{other}");
    let (task, _) = lists.settle(&id, &attempt(2), &failed("still")).unwrap();
    assert!(task.is_failed() && task.owner.as_deref() == Some("b"), "others leave it alone: {task:?}");
    assert!(lists.claim(None, "c").is_none());
    let named = lists.store.claim_task(&lists.team, Some(&id), "b").unwrap_err();
    assert!(named.to_string().contains("still") && named.to_string().contains("teams task retry"), "{named}");
    let list = lists.store.tasks(&lists.team).unwrap();
    assert_eq!(Graph::new(&list.tasks).failed_blockers(&next), std::slice::from_ref(&id));
    // From the beginning.
    let task = lists.store.retry_task(&lists.team, &id).unwrap();
    assert_eq!((task.owner.clone(), task.is_failed(), task.work().failures), (None, false, 0));
    assert_eq!(lists.claim(None, "c").unwrap().work().attempt, 3);
    let done = Outcome::Completed { result: Some("it works".into()) };
    let (task, freed) = lists.settle(&id, &attempt(3), &done).unwrap();
    assert_eq!((task.work().result.as_deref(), task.lease(), freed), (Some("it works"), None, vec![next]));
}

/// What is told of a task between its end and our look at it does not make it one to be done again.
#[test]
fn a_task_that_is_done_is_not_opened_again_by_a_late_word() {
    let lists = Lists::new();
    let id = lists.add(TaskPlan::default(), &[]);
    lists.claim(Some(&id), "a").unwrap();
    lists.settle(&id, &attempt(1), &DONE).unwrap();
    let expected = Expected { owner: Some("a".into()), attempt: Some(1) };
    for outcome in [Outcome::GivenBack, failed("its agent has ended")] {
        let late = lists.settle(&id, &expected, &outcome).unwrap_err();
        assert!(matches!(late, StoreError::Claimed { .. }), "{late}");
    }
    assert_eq!(lists.store.release_tasks(&lists.team, "a").unwrap(), []);
    assert_eq!(lists.task(&id).status, TaskStatus::Completed);
}

#[test]
fn who_was_chosen_for_a_task_stays_its_owner_and_others_do_not() {
    let lists = Lists::new();
    let [chosen, open] = [(); 2].map(|()| lists.add(TaskPlan::default(), &[]));
    let update = crate::model::task::TaskUpdate { owner: Some("a".into()), ..Default::default() };
    lists.store.update_task(&lists.team, &chosen, &update).unwrap();
    lists.claim(Some(&chosen), "a").unwrap();
    lists.claim(Some(&open), "b").unwrap();
    for (id, owner) in [(&chosen, Some("a")), (&open, None)] {
        let (task, _) = lists.settle(id, &attempt(1), &Outcome::GivenBack).unwrap();
        assert_eq!((task.owner.as_deref(), task.status), (owner, TaskStatus::Pending));
        assert_eq!(task.work().failures, 0);
    }
}

#[test]
fn what_is_urgent_comes_first_and_what_is_for_others_never() {
    let lists = Lists::new();
    let plan = |json: Value| serde_json::from_value::<TaskPlan>(json).unwrap();
    lists.add(plan(json!({"priority": 5})), &[]);
    lists.add(plan(json!({"wants": {"member": "b"}, "priority": -9})), &[]);
    lists.add(plan(json!({})), &[]);
    lists.add(plan(json!({"priority": -1})), &[3]);
    lists.add(plan(json!({"wants": {"backend": "codex"}, "priority": -9})), &[]);
    let order: Vec<u64> =
        std::iter::from_fn(|| lists.claim(None, "a")).map(|task| task.id.as_number().unwrap()).collect();
    assert_eq!(order, [3, 1]);
    assert_eq!(lists.claim(None, "b").unwrap().id, TaskId::number(2));
}

#[test]
fn what_others_attached_stays() {
    let lists = Lists::new();
    let id = lists.add(TaskPlan { priority: 1, ..TaskPlan::default() }, &[]);
    let attached = json!({"mine": [1], "agentTeams": {"priority": 7, "later": true}});
    let metadata = attached.as_object().cloned();
    let update = crate::model::task::TaskUpdate { metadata, ..Default::default() };
    lists.store.update_task(&lists.team, &id, &update).unwrap();
    lists.claim(Some(&id), "a").unwrap();
    lists.settle(&id, &attempt(1), &failed("no")).unwrap();
    let metadata = lists.task(&id).metadata.clone().unwrap();
    assert_eq!((&metadata["mine"], &metadata["agentTeams"]["later"]), (&json!([1]), &json!(true)));
    assert_eq!(metadata["agentTeams"]["priority"], 7);
}

/// A word about a task is one write, whatever waits for it.
#[test]
fn a_thousand_tasks_wait_no_longer_after_one_write() {
    let lists = Lists::new();
    let first = lists.add(TaskPlan::default(), &[]);
    for _ in 0..1000 {
        lists.add(TaskPlan::default(), &[1]);
    }
    lists.claim(Some(&first), "a").unwrap();
    let files = || {
        let dir = lists.store.task_dir(&lists.team).unwrap();
        let read = |entry: std::fs::DirEntry| (entry.path(), std::fs::read(entry.path()).unwrap());
        std::fs::read_dir(dir).unwrap().flatten().filter(|entry| entry.path().is_file()).map(read).collect()
    };
    let before: std::collections::BTreeMap<_, Vec<u8>> = files();
    let (_, freed) = lists.settle(&first, &attempt(1), &DONE).unwrap();
    let changed = files().into_iter().filter(|(path, bytes)| before.get(path) != Some(bytes)).count();
    assert_eq!((freed.len(), changed), (1000, 1));
    let blocked = lists.settle(&TaskId::number(2), &Expected::default(), &DONE);
    assert!(blocked.is_ok(), "it waits for nothing");
}
