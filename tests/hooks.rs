//! Hooks: commands of a team file that are told what happens, and may say no.

use serde_json::{Value, json};

use crate::support::{Home, wait_for};

/// A trusted teams.toml: a member that finishes what it is asked to finish, these hooks (event, command, limit), and these tasks.
fn home(hooks: &[(&str, &str, &str)], tasks: &[&str], member: &str) -> Home {
    let home = Home::simulated().with_env("AGENT_SIMULATE_FINISH", "1");
    let mut text = format!("[team]\nname = \"crew\"\n[[member]]\nname = \"w\"\nbackend = \"codex\"\n{member}\n");
    for (event, command, limit) in hooks {
        text += &format!("[[hook]]\nevent = \"{event}\"\ncommand = {}\ntimeout = \"{limit}\"\n", json!(command));
    }
    for task in tasks {
        text += &format!("[[task]]\nname = {}\n", json!(task));
    }
    home.write("project/teams.toml", &text);
    home.teams(&["trust"]);
    home
}

/// What a hook has been told, each time.
fn told(home: &Home, file: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(home.work().join(file)).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

fn notices(home: &Home) -> String {
    home.events()
        .iter()
        .filter(|event| event["type"] == "notice")
        .map(|event| format!("{}\n", event["message"]))
        .collect()
}

#[test]
fn a_completion_that_a_hook_rejects_sends_its_owner_back() {
    let once = "cat >> told; [ -e first ] && exit 0; touch first; echo 'the tests are <red>' >&2; exit 2";
    let home = home(&[("TaskCompleted", once, "30s")], &["Build it"], "");
    let (code, report) = home.run_team_file(&[]);
    assert_eq!((code, &report["state"]), (0, &json!("done")), "{report}");
    assert_eq!(report["tasks"][0]["attempts"], 1, "its owner went on with it");
    let told = told(&home, "told");
    assert_eq!(told.len(), 2);
    for (field, value) in [
        ("hook_event_name", "TaskCompleted"),
        ("team_name", "crew"),
        ("teammate_name", "w"),
        ("task_id", "1"),
        ("task_subject", "Build it"),
        ("task_result", "simulated: nothing was done"),
    ] {
        assert_eq!(told[0][field], value, "{field}: {}", told[0]);
    }
    assert_eq!(told[0]["cwd"], json!(home.work().canonicalize().expect("a folder")));
    assert!(told[0]["session_id"].is_string() && told[0]["task_description"] == "Build it");
    let rejected = home.wait_for_event("the veto", |event| event["type"] == "hook-rejected");
    assert_eq!(
        (&rejected["event"], &rejected["feedback"], &rejected["agent"]),
        (&json!("TaskCompleted"), &json!("the tests are <red>"), &json!("w"))
    );
    let work = &home.json(&["task", "list"])[0]["metadata"]["agentTeams"];
    assert_eq!((&work["failures"], &work["feedback"]), (&json!(1), &Value::Null), "{work}");
    let said: String = home.events().iter().filter(|event| event["type"] == "message").map(Value::to_string).collect();
    assert!(said.contains("task #1 is not done: the tests are <red>"), "its agent has heard it: {said}");
}

#[test]
fn a_completion_that_is_always_rejected_fails_in_the_end() {
    let home = home(&[("TaskCompleted", "echo never good enough >&2; exit 2", "30s")], &["Build it"], "");
    let (code, report) = home.run_team_file(&[]);
    assert_eq!((code, &report["tasks"][0]["state"]), (1, &json!("failed")), "{report}");
    assert!(report["reason"].as_str().is_some_and(|reason| reason.contains("never good enough")), "{report}");
    let failed = home.wait_for_event("its end", |event| event["type"] == "task" && event["failed"].is_string());
    assert_eq!((&failed["id"], &failed["status"]), (&json!("1"), &json!("pending")), "{failed}");
    // A person is told, too, and nothing is done.
    home.teams(&["task", "retry", "1"]);
    let (code, said) = home.fails(&["task", "done", "1"]);
    assert!(code == 1 && said.contains("task #1 is not done: never good enough"), "{said}");
    assert_eq!(home.json(&["task", "list"])[0]["status"], "pending");
    home.teams(&["task", "update", "1", "--subject", "Other"]);
}

#[test]
fn a_creation_that_a_hook_rejects_makes_no_task() {
    let home = home(
        &[("TaskCreated", "grep -q Forbidden && { echo 'not this one' >&2; exit 2; }; exit 0", "30s")],
        &[],
        "work = false",
    );
    home.teams(&["up"]);
    let (code, said) = home.fails(&["task", "add", "Forbidden"]);
    assert!(code == 1 && said.contains("the task \"Forbidden\" was not added: not this one"), "{said}");
    home.teams(&["task", "add", "Allowed"]);
    let subjects: Vec<Value> =
        home.json(&["task", "list"]).as_array().unwrap().iter().map(|task| task["subject"].clone()).collect();
    assert_eq!(subjects, ["Allowed"]);
    assert_eq!(home.json(&["task", "list"])[0]["id"], "1");
    // An agent hears it from its tool.
    let said = home.ask("w", &format!("[[call task_create {}]]", json!({"subject": "Forbidden", "description": "x"})));
    assert!(said["text"].as_str().is_some_and(|text| text.contains("not this one")), "{said}");
}

#[test]
fn a_member_is_kept_at_work_three_times_and_no_more() {
    let home = home(&[("TeammateIdle", "cat >> told; echo go on >&2; exit 2", "30s")], &[], "work = false");
    home.teams(&["up"]);
    home.ask("w", "[[say a word]]");
    wait_for("it to be left alone", || notices(&home).contains("3 times in a row").then_some(()));
    let inputs: Vec<Value> = home
        .events()
        .iter()
        .filter(|event| event["type"] == "turn-started")
        .map(|event| json!([event["input"], event["from"]]))
        .collect();
    assert_eq!(inputs.len(), 4, "{inputs:?}");
    assert_eq!(inputs[3], json!(["go on", "hook"]));
    // A person's word begins anew.
    home.ask("w", "[[say another]]");
    wait_for("it to be kept again", || (told(&home, "told").len() >= 6).then_some(()));
}

#[test]
fn hooks_hear_of_questions_ends_and_budgets() {
    let deny = "cat >> told; echo 'not on a Friday' >&2; exit 2";
    let note = "cat >> told";
    let hooks = [
        ("ApprovalRequested", deny, "30s"),
        ("TurnCompleted", note, "30s"),
        ("MemberExited", note, "30s"),
        ("BudgetExceeded", note, "30s"),
    ];
    let home = home(&hooks, &[], "work = false\nbudget = { turns = 2 }");
    home.teams(&["up"]);
    home.ask("w", "[[run touch asked]]");
    assert!(!home.work().join("asked").exists());
    let closed = home.wait_for_event("the answer", |event| event["type"] == "approval-closed");
    assert_eq!((&closed["outcome"], &closed["by"]), (&json!("denied"), &json!("hook")));
    home.ask("w", "[[say done]]");
    home.teams(&["stop", "w"]);
    wait_for("all of it to be told", || (told(&home, "told").len() >= 5).then_some(()));
    let told = told(&home, "told");
    let of = |event: &str| {
        told.iter().find(|told| told["hook_event_name"] == event).unwrap_or_else(|| panic!("{event}: {told:?}"))
    };
    assert_eq!(of("ApprovalRequested")["tool_input"]["command"], "touch asked");
    assert_eq!(of("ApprovalRequested")["cwd"], json!(home.work().canonicalize().expect("a folder")));
    assert!(told.iter().any(|told| told["last_assistant_message"] == "done"), "{told:?}");
    assert!(of("BudgetExceeded")["reason"].as_str().is_some_and(|reason| reason.contains("2 of 2 turns")));
    assert!(of("MemberExited")["reason"].as_str().is_some_and(|reason| reason.contains("ended")));
}

#[test]
fn a_hook_that_is_broken_has_no_say_and_leaves_nothing() {
    let hooks = [
        ("TaskCompleted", "./missing", "30s"),
        ("TaskCompleted", "exit 1", "30s"),
        ("TaskCompleted", "yes | head -c 20000000; yes 2>/dev/null | head -c 20000000 >&2; exit 0", "60s"),
        ("TaskCompleted", "echo '{\"decision\": 7'", "30s"),
        ("TaskCompleted", "sleep 300 & sleep 300", "500ms"),
    ];
    let home = home(&hooks, &["Build it"], "");
    let (code, report) = home.run_team_file(&[]);
    assert_eq!(code, 0, "{report}");
    let notices = notices(&home);
    for part in ["./missing", "it ended with exit code 1", "took longer than 500ms"] {
        assert!(notices.contains(part), "{part}: {notices}");
    }
    assert_eq!(notices.matches("has no say").count(), 3, "{notices}");
    home.wait_for_only_the_daemon();
}

#[test]
fn a_slow_hook_delays_nobody_but_its_own_task() {
    let slow = "grep -q Slow || exit 0; touch begun; while [ ! -e go ]; do sleep 0.05; done";
    let home = home(&[("TaskCompleted", slow, "5m")], &["Slow", "One", "Two"], "count = 2");
    home.teams(&["run", "--detach"]);
    let status = |subject: &str| {
        let tasks = home.json(&["task", "list"]);
        let task = tasks.as_array().and_then(|tasks| tasks.iter().find(|task| task["subject"] == subject).cloned());
        task.map(|task| task["status"].clone())
    };
    wait_for("the others", || ["One", "Two"].iter().all(|task| status(task) == Some(json!("completed"))).then_some(()));
    assert_eq!(status("Slow"), Some(json!("in_progress")));
    assert!(home.work().join("begun").exists());
    home.write("project/go", "");
    home.wait_for_event("the end", |event| event["type"] == "run-ended");
    assert_eq!(home.json(&["runs"])[0]["state"], "done");
}
