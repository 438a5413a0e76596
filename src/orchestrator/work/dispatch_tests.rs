use std::sync::Arc;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::model::work::WORK_KEY;

fn task(id: u64, status: TaskStatus, owner: Option<&str>, blocked_by: &[u64], work: Value) -> Arc<Task> {
    Arc::new(Task {
        id: TaskId::number(id),
        subject: format!("task {id}"),
        description: String::new(),
        active_form: None,
        owner: owner.map(str::to_owned),
        status,
        blocks: Vec::new(),
        blocked_by: blocked_by.iter().map(|id| TaskId::number(*id)).collect(),
        metadata: json!({WORK_KEY: work}).as_object().cloned(),
    })
}

fn worker(name: &str, is_idle: bool) -> Worker {
    Worker { name: name.parse().unwrap(), who: name.into(), works: true, runs: true, is_idle, hears_first: false }
}

fn is_leased_by_us(task: &Task) -> bool {
    task.lease().is_some_and(|lease| lease.process == "us")
}

fn is_orphaned(task: &Task) -> bool {
    task.status == TaskStatus::InProgress && task.lease().is_some_and(|lease| lease.process == "dead")
}

fn actions(workers: &[Worker], tasks: &[Arc<Task>], given: &BTreeMap<TaskId, Given>) -> Vec<Action> {
    let tasks = TaskList { tasks: tasks.to_vec(), problems: Vec::new() };
    dispatch(&Snapshot { workers, tasks: &tasks, given, is_leased_by_us, is_orphaned })
}

fn give(task: u64, to: &str) -> Action {
    Action::Give { task: TaskId::number(task), to: to.parse().unwrap() }
}

fn lease(owner: &str, process: &str, attempt: u64) -> Value {
    json!({"attempt": attempt, "lease": {"owner": owner, "process": process}})
}

use TaskStatus::{Completed, InProgress, Pending};

#[test]
fn who_is_idle_gets_the_next_task_that_is_free_and_for_it() {
    let tasks = [
        task(1, Completed, None, &[], json!({})),
        task(2, Pending, None, &[1], json!({"priority": 2})),
        task(3, Pending, None, &[2], json!({"priority": -5})),
        task(4, Pending, Some("b"), &[], json!({})),
        task(5, Pending, None, &[], json!({"wants": {"member": "c"}})),
        task(6, Pending, None, &[], json!({"failed": "no"})),
    ];
    let workers = [worker("a", true), worker("b", true), worker("d", false)];
    assert_eq!(actions(&workers, &tasks, &BTreeMap::new()), [give(2, "a"), give(4, "b")]);
    let idle_again = [Worker { works: false, ..worker("a", true) }, worker("c", true)];
    assert_eq!(actions(&idle_again, &tasks, &BTreeMap::new()), [give(5, "c")]);
}

#[test]
fn who_has_a_task_gets_no_other() {
    let tasks = [task(1, InProgress, Some("a"), &[], lease("a", "us", 1)), task(2, Pending, None, &[], json!({}))];
    assert_eq!(actions(&[worker("a", true)], &tasks, &BTreeMap::new()), []);
}

#[test]
fn a_task_is_free_when_its_owner_is_gone_and_left_alone_when_others_have_it() {
    let back = |id: u64, attempt: u64, owner: &str| Action::Settle {
        task: TaskId::number(id),
        expected: Expected { owner: Some(owner.to_owned()), attempt: Some(attempt) },
        outcome: Outcome::GivenBack,
    };
    let tasks = [
        task(1, InProgress, Some("a"), &[], lease("a", "us", 3)),
        task(2, InProgress, Some("x"), &[], lease("x", "dead", 1)),
        task(3, InProgress, Some("x"), &[], lease("x", "alive", 1)),
        // A live Claude Code took it.
        task(4, InProgress, Some("claude"), &[], lease("a", "dead", 1)),
        task(5, InProgress, Some("claude"), &[], json!({})),
    ];
    let gone = Worker { runs: false, ..worker("a", false) };
    assert_eq!(actions(&[gone], &tasks, &BTreeMap::new()), [back(1, 3, "a"), back(2, 1, "x")]);
    assert_eq!(actions(&[worker("a", false)], &tasks[..1], &BTreeMap::new()), []);
}

#[test]
fn who_ends_its_turn_without_a_word_is_asked_once() {
    let tasks = [task(1, InProgress, Some("a"), &[], lease("a", "us", 2))];
    let given = |stage: Stage, asked: bool, attempt: u64| {
        BTreeMap::from([(TaskId::number(1), Given { to: "a".parse().unwrap(), attempt, stage, asked })])
    };
    let ended = |failure: Option<&str>| Stage::Ended { failure: failure.map(str::to_owned) };
    let look = |given: &BTreeMap<TaskId, Given>| actions(&[worker("a", true)], &tasks, given);
    let id = TaskId::number(1);
    assert_eq!(look(&given(Stage::InTurn(4), false, 2)), []);
    assert_eq!(look(&given(ended(None), false, 2)), [Action::Ask { task: id.clone(), to: "a".parse().unwrap() }]);
    for (stage, asked) in [(ended(None), true), (ended(Some("401")), false)] {
        let actions = look(&given(stage, asked, 2));
        let [Action::Settle { expected, outcome: Outcome::Failed { for_good: false, .. }, .. }] = &actions[..] else {
            panic!("{actions:?}")
        };
        assert_eq!((expected.owner.as_deref(), expected.attempt), (Some("a"), Some(2)));
    }
    // Whoever waits for an answer to its plan is asked nothing.
    let planner = Worker { hears_first: true, ..worker("a", true) };
    assert_eq!(actions(&[planner], &tasks, &given(ended(None), true, 2)), []);
    // It is done, or somebody else's.
    assert_eq!(look(&given(ended(None), false, 1)), [Action::Forget { task: id }]);
}

prop_compose! {
    fn any_task(id: u64)(
        status in prop::sample::select(vec![Pending, InProgress, Completed]),
        owner in prop::sample::select(vec![None, Some("a"), Some("b"), Some("x")]),
        blockers in prop::collection::vec(1..12u64, 0..3),
        priority in -2..3i64,
        failed in any::<bool>(),
        process in prop::sample::select(vec!["us", "dead", "alive"]),
    ) -> Arc<Task> {
        let mut work = json!({"priority": priority, "attempt": 1});
        if failed && status == Pending {
            work["failed"] = json!("no");
        }
        if let (InProgress, Some(owner)) = (status, owner) {
            work["lease"] = json!({"owner": owner, "process": process});
        }
        let blockers: Vec<u64> = blockers.into_iter().filter(|blocker| *blocker < id).collect();
        task(id, status, owner, &blockers, work)
    }
}

proptest! {
    /// Whatever there is: nobody gets two tasks, no task goes to two, none that is not free; and nobody is idle while there is one for it.
    #[test]
    fn tasks_are_given_out_as_they_should(
        tasks in (1..12u64).prop_map(|_| ()).prop_flat_map(|()| (1..12u64).map(any_task).collect::<Vec<_>>()),
        idle in (any::<bool>(), any::<bool>()),
    ) {
        let workers = [worker("a", idle.0), worker("b", idle.1)];
        let list = TaskList { tasks: tasks.clone(), problems: Vec::new() };
        let graph = Graph::new(&tasks);
        let given = actions(&workers, &tasks, &BTreeMap::new());
        let gives: Vec<_> = given.iter().filter_map(|action| match action {
            Action::Give { task, to } => Some((task.clone(), to.to_string())),
            _ => None,
        }).collect();
        let ids: BTreeSet<_> = gives.iter().map(|(id, _)| id).collect();
        let members: BTreeSet<_> = gives.iter().map(|(_, to)| to).collect();
        prop_assert_eq!((ids.len(), members.len()), (gives.len(), gives.len()));
        let is_free = |task: &Task, to: &str| {
            task.status == Pending && task.owner.as_deref().is_none_or(|owner| owner == to)
                && !task.is_failed() && !graph.is_blocked(&task.id)
        };
        for (id, to) in &gives {
            prop_assert!(is_free(list.get(id).unwrap(), to));
        }
        for worker in workers.iter().filter(|worker| worker.is_idle) {
            let name = worker.name.as_str();
            let works = tasks.iter().any(|task| task.status == InProgress && task.owner.as_deref() == Some(name));
            let for_it = tasks.iter().filter(|task| is_free(task, name) && !ids.contains(&task.id)).count();
            prop_assert!(works || for_it == 0 || members.contains(&name.to_owned()));
        }
    }
}
