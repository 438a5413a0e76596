//! Claims of several processes that are killed at random: no task is done by two, and none is left. `TEAMS_TEST_CLAIMS=10000` is the whole
//! suite.

use std::collections::{BTreeMap, HashSet};
use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use agent_teams::model::work::Claimant;
use agent_teams::store::Expected;
use agent_teams::{CreateTaskRequest, TaskStatus, TeamOrchestrator};

use crate::support::wait_for;

/// Names the folder of the team to a process that is one of those who claim, and its member.
const CLAIMER: (&str, &str) = ("TEAMS_TEST_CLAIMS_IN", "TEAMS_TEST_CLAIMS_AS");
const WORKERS: usize = 4;

fn orchestrator(dir: &Path, name: &str) -> TeamOrchestrator {
    let builder = TeamOrchestrator::builder().teams_base(dir.join("teams")).tasks_base(dir.join("tasks"));
    builder.state_dir(dir.join("state").join(name)).build().expect("an orchestrator")
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime")
}

/// One of the processes: takes tasks and completes them until all are done. Without its variables it is nobody's.
#[test]
fn a_process_that_claims() {
    let (Some(dir), Ok(name)) = (std::env::var_os(CLAIMER.0), std::env::var(CLAIMER.1)) else { return };
    let dir = Path::new(&dir);
    let mut log = std::fs::OpenOptions::new().append(true).create(true).open(dir.join("log")).expect("a log");
    let mut note = |line: String| log.write_all(format!("{line}\n").as_bytes()).expect("noted");
    let orchestrator = orchestrator(dir, &name);
    let runtime = runtime();
    // A task, or the end of all.
    let next = || {
        let claimed = runtime.block_on(orchestrator.claim_task("crew", None, &name)).expect("no claim is refused");
        let tasks = runtime.block_on(orchestrator.list_tasks("crew")).expect("a list");
        let all_done = tasks.tasks.iter().all(|task| task.status == TaskStatus::Completed);
        (claimed.is_some() || all_done).then_some(claimed)
    };
    while let Some(task) = wait_for("a task that is free", next) {
        let attempt = task.work().attempt;
        note(format!("begun {} {attempt}", task.id));
        let expected = Expected { owner: Some(name.clone()), attempt: Some(attempt) };
        runtime.block_on(orchestrator.complete_task("crew", &task.id, expected, None)).expect("it is its own");
        note(format!("done {} {attempt}", task.id));
    }
}

/// Whoever wants it finds out that its owner is dead, also of a task that is named.
#[test]
fn a_task_of_a_process_that_is_dead_can_be_named() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = agent_teams::store::Store::new(
        dir.path().join("teams"),
        dir.path().join("tasks"),
        dir.path().join("state/x/locks"),
    );
    let orchestrator = orchestrator(dir.path(), "x");
    runtime().block_on(async {
        orchestrator.create_team("crew", None).await.expect("created");
        let request = CreateTaskRequest { subject: "one".into(), ..CreateTaskRequest::default() };
        orchestrator.create_task("crew", request).await.expect("added");
        let dead = Claimant { process: Some("1 7 another-boot".into()), .."team-lead".into() };
        store.claim_task(&"crew".parse().expect("a name"), None, dead).expect("claimed").expect("a task");
        let task = orchestrator.claim_task("crew", Some("1"), "team-lead").await.expect("claimed").expect("the task");
        assert_eq!((task.work().attempt, task.work().failures), (2, 0));
        assert!(orchestrator.claim_task("crew", Some("1"), "team-lead").await.is_err(), "it is somebody's who lives");
    });
}

#[test]
fn processes_that_are_killed_leave_no_task_and_do_none_twice() {
    // With more tasks there are more kills. Each that comes while a lock is held costs the ten seconds of Claude Code's lock.
    let count: usize = std::env::var("TEAMS_TEST_CLAIMS").map_or(200, |count| count.parse().expect("a number"));
    let kills = (count / 40).min(30);
    let dir = tempfile::tempdir().expect("a folder");
    runtime().block_on(async {
        let orchestrator = orchestrator(dir.path(), "maker");
        orchestrator.create_team("crew", None).await.expect("created");
        for number in 0..count {
            // Some wait for the one before.
            let blocked_by = if number % 3 == 2 { vec![number.to_string()] } else { Vec::new() };
            let request = CreateTaskRequest { subject: "one".into(), blocked_by, ..CreateTaskRequest::default() };
            orchestrator.create_task("crew", request).await.expect("added");
        }
    });
    let config = dir.path().join("teams/crew/config.json");
    let mut team: serde_json::Value = serde_json::from_slice(&std::fs::read(&config).expect("a team")).expect("JSON");
    for name in 0..WORKERS {
        let member = serde_json::json!({"agentId": format!("w{name}@crew"), "name": format!("w{name}"), "joinedAt": 1, "cwd": "/"});
        team["members"].as_array_mut().expect("members").push(member);
    }
    std::fs::write(&config, team.to_string()).expect("written");
    let start = |number: usize| -> Child {
        Command::new(std::env::current_exe().expect("this program"))
            .args(["--exact", "claims::a_process_that_claims"])
            .env(CLAIMER.0, dir.path())
            .env(CLAIMER.1, format!("w{number}"))
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it runs")
    };
    let lines = || std::fs::read_to_string(dir.path().join("log")).unwrap_or_default();
    let mut processes: Vec<Child> = (0..WORKERS).map(start).collect();
    let step = 2 * count / (kills + 2);
    for kill in 0..kills {
        let wanted = (kill + 1) * step + usize::from(uuid::Uuid::new_v4().as_bytes()[0]) % step;
        let done = wait_for("work to be done", || {
            let all_ended = processes.iter_mut().all(|process| process.try_wait().is_ok_and(|end| end.is_some()));
            (all_ended || lines().lines().count() >= wanted).then_some(all_ended)
        });
        if done {
            break;
        }
        let victim = kill % WORKERS;
        processes[victim].kill().expect("killed");
        processes[victim].wait().expect("ended");
        processes[victim] = start(victim);
    }
    for process in processes {
        let output = process.wait_with_output().expect("it ends");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let (mut begun, mut done) = (HashSet::new(), BTreeMap::new());
    for line in lines().lines() {
        let parts: Vec<&str> = line.split(' ').collect();
        match parts[..] {
            ["begun", id, attempt] => {
                assert!(begun.insert((id.to_owned(), attempt.to_owned())), "two have attempt {attempt} at #{id}");
                assert!(!done.contains_key(id), "#{id} is begun again although it is done");
            }
            ["done", id, attempt] => assert_eq!(done.insert(id.to_owned(), attempt.to_owned()), None, "#{id} twice"),
            _ => panic!("{line}"),
        }
    }
    let tasks = runtime().block_on(orchestrator(dir.path(), "judge").list_tasks("crew")).expect("a list");
    assert_eq!(tasks.tasks.len(), count);
    assert!(tasks.tasks.iter().all(|task| task.status == TaskStatus::Completed && task.lease().is_none()));
}
