//! Who watches what: changes that other programs make are seen, and nothing that is watched or locked stays behind.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Child;

use agent_teams::model::name::TeamName;
use agent_teams::model::task::{CreateTaskRequest, TaskStatus};
use agent_teams::store::Store;
use serde_json::{Value, json};

use crate::support::{Client, Home, daemon_pid, wait_for};

/// Claude Code's files of a home, as another program has them.
fn store(home: &Home) -> Store {
    Store::new(home.claude("teams"), home.claude("tasks"), home.state().join("locks"))
}

fn name(team: &str) -> TeamName {
    team.parse().expect("a name")
}

/// What the daemon's descriptors lead to.
fn open_files(home: &Home) -> Vec<PathBuf> {
    let dir = format!("/proc/{}/fd", daemon_pid(home));
    let files = fs::read_dir(dir).expect("it runs").flatten();
    files.filter_map(|file| fs::read_link(file.path()).ok()).collect()
}

fn inotify_instances(home: &Home) -> usize {
    // The one who waits for it has a copy of the descriptor.
    let copies = open_files(home).iter().filter(|file| *file == Path::new("anon_inode:inotify")).count();
    copies.div_ceil(2)
}

/// A daemon that may have so many files open.
fn daemon_with_files(home: &Home, limit: usize) -> Child {
    let daemon = home.shell(&format!("ulimit -n {limit}; exec \"$TEAMS\" daemon run"));
    wait_for("the daemon", || home.state().join("daemon.sock").exists().then_some(()));
    daemon
}

/// `id change fields` of each event of a task.
fn told(home: &Home) -> Vec<String> {
    let events = home.events().into_iter().filter(|event| event["type"] == "task");
    let fields = |event: &Value| {
        let fields = event["fields"].as_array().into_iter().flatten();
        fields.map(|field| field.as_str().expect("a name").to_owned()).collect::<Vec<_>>().join(",")
    };
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    events.map(|event| format!("{} {} {}", text(&event["id"]), text(&event["change"]), fields(&event))).collect()
}

#[test]
fn a_task_that_any_program_changes_is_an_event() {
    let home = Home::simulated();
    home.teams(&["create", "crew"]);
    home.teams(&["task", "add", "Write it"]);
    home.teams(&["task", "add", "Review it", "--blocked-by", "1"]);
    // Told at once, and once.
    assert_eq!(told(&home), ["1 created ", "1 changed blocks", "2 created "]);
    let file = home.claude("tasks/crew/1.json");
    let text = fs::read_to_string(&file).expect("a task");
    // In place, as Claude Code does.
    fs::write(&file, text.replace("pending", "in_progress").replace("Write it", "Write it well")).expect("written");
    let event = home.wait_for_event("the change", |event| event["type"] == "task" && event["status"] == "in_progress");
    assert_eq!(event["fields"], json!(["subject", "description", "status"]));
    assert_eq!((&event["subject"], &event["agent"]), (&json!("Write it well"), &json!("team-lead")));
    // And by renaming, as others do.
    let new = home.claude("tasks/crew/7.json.tmp.1");
    fs::write(&new, text.replace("\"id\": \"1\"", "\"id\": \"7\"")).expect("written");
    fs::rename(&new, home.claude("tasks/crew/7.json")).expect("renamed");
    home.wait_for_event("the new one", |event| event["type"] == "task" && event["id"] == "7");
    fs::remove_file(home.claude("tasks/crew/7.json")).expect("removed");
    home.wait_for_event("its end", |event| event["type"] == "task" && event["change"] == "deleted");
    home.teams(&["task", "update", "1", "--status", "completed"]);
    let all = told(&home);
    assert_eq!(
        all[3..],
        ["1 changed subject,description,status", "7 created ", "7 deleted ", "1 changed status"],
        "{all:?}"
    );
    let shown = home.teams(&["tail"]);
    assert!(shown.contains("[task #7 deleted: Write it]"), "{shown}");
    assert!(shown.contains("[task #1 changed (subject, description, status): Write it well, in_progress]"), "{shown}");
}

#[test]
fn a_thousand_tasks_need_no_thousand_files() {
    const TASKS: usize = 1_100;
    let home = Home::simulated();
    let store = store(&home);
    store.create_team(&name("crew"), None, Path::new("/"), 1).expect("created");
    for number in 1..=TASKS {
        let request = CreateTaskRequest { subject: format!("task {number}"), ..Default::default() };
        store.create_task(&name("crew"), &request).expect("created");
    }
    let mut daemon = daemon_with_files(&home, 256);
    let mut lead = Client::lead(&home);
    lead.does("task_update", json!({"taskId": "1", "status": "in_progress"}));
    let before = open_files(&home).len();
    for id in 2..=TASKS {
        lead.does("task_update", json!({"taskId": id.to_string(), "status": "in_progress"}));
    }
    let after = open_files(&home);
    assert!(after.len() <= before + 2, "{before} files were open, and now {after:#?}");
    assert_eq!(inotify_instances(&home), 1, "{after:#?}");
    let list = store.tasks(&name("crew")).expect("tasks");
    assert!(list.tasks.iter().all(|task| task.status == TaskStatus::InProgress));
    let expected: Vec<String> = (1..=TASKS).map(|id| format!("{id} changed status")).collect();
    assert_eq!(told(&home), expected, "each was told once");
    let locks = fs::read_dir(home.state().join("locks")).expect("locks").count();
    assert!(locks <= 8, "{locks} lock files are left");
    drop(lead);
    home.teams(&["daemon", "stop"]);
    daemon.wait().expect("it ends");
}

#[test]
fn what_is_kept_of_a_team_goes_with_it() {
    // The system lets a user have 128 inotify instances.
    const TEAMS: usize = 130;
    let home = Home::simulated();
    let store = store(&home);
    let mut daemon = daemon_with_files(&home, 256);
    let teams: Vec<String> = (0..TEAMS).map(|number| format!("t{number}")).collect();
    home.teams(&["list"]);
    let before = open_files(&home).len();
    for team in &teams {
        store.create_team(&name(team), None, Path::new("/"), 1).expect("created");
        store.create_task(&name(team), &CreateTaskRequest { subject: "s".into(), ..Default::default() }).expect("made");
    }
    let listed = home.json(&["list"]);
    assert_eq!(listed.as_array().map(Vec::len), Some(TEAMS));
    assert!(listed.as_array().expect("teams").iter().all(|team| team["tasks"]["pending"] == 1), "{listed}");
    assert_eq!(inotify_instances(&home), 1);
    // Its tasks are as fresh as the files, for the last team as for the first.
    let last = home.claude(&format!("tasks/{}/1.json", teams[TEAMS - 1]));
    let text = fs::read_to_string(&last).expect("a task");
    fs::write(&last, text.replace("pending", "completed")).expect("written");
    let listed = home.json(&["list"]);
    let done = |team: &&Value| team["tasks"]["completed"] == 1;
    assert_eq!(listed.as_array().expect("teams").iter().filter(done).count(), 1);
    for team in &teams {
        home.teams(&["delete", team]);
    }
    let after = open_files(&home);
    assert!(after.len() <= before + 2, "{before} files were open, and now {after:#?}");
    let locks = fs::read_dir(home.state().join("locks")).expect("locks").count();
    assert_eq!(locks, 0, "lock files are left");
    home.teams(&["daemon", "stop"]);
    daemon.wait().expect("it ends");
}
