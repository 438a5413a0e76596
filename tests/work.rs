//! A team's tasks, given to its members: in order, once, and again when somebody dies of them.

use serde_json::{Value, json};

use crate::support::{Agent, Client, Home, daemon_pid, signal, wait_for};

/// What a simulated agent does that is given a task with this description: completes it.
fn completes(id: u64, note: &str) -> String {
    format!("[[call task_complete {}]]", json!({"taskId": id.to_string(), "note": note}))
}

fn add(home: &Home, subject: &str, description: &str, options: &[&str]) {
    home.teams(&[&["task", "add", subject, "--description", description], options].concat());
}

fn worker(home: &Home, name: &str, backend: &str, options: &[&str]) {
    home.teams(&[&["spawn", name, "--backend", backend, "--work"], options].concat());
}

fn task(home: &Home, id: u64) -> Value {
    let (tasks, id) = (home.json(&["task", "list"]), id.to_string());
    let found = tasks.as_array().expect("a list").iter().find(|task| task["id"] == id.as_str());
    found.unwrap_or_else(|| panic!("no task {id}: {tasks}")).clone()
}

fn work(home: &Home, id: u64) -> Value {
    task(home, id)["metadata"]["agentTeams"].clone()
}

fn wait_for_task(home: &Home, id: u64, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
    wait_for(what, || Some(task(home, id)).filter(|task| is_so(task)))
}

/// The inputs of a member's turns.
fn inputs(home: &Home, name: &str) -> Vec<String> {
    let begun = |event: &Value| event["type"] == "turn-started" && event["agent"] == name;
    home.events().iter().filter(|event| begun(event)).map(|event| event["input"].to_string()).collect()
}

#[test]
fn members_of_all_backends_work_through_the_list() {
    let home = Home::simulated();
    home.teams(&["create", "crew"]);
    for (id, backend) in (1..).zip(["claude", "codex", "gemini", "gemini-acp"]) {
        add(
            &home,
            &format!("for {backend}"),
            &completes(id, &format!("by {backend}")),
            &["--wants", &format!("backend={backend}")],
        );
    }
    add(
        &home,
        "Last",
        &completes(5, "all done"),
        &["--blocked-by", "1", "--blocked-by", "4", "--context", "place=here"],
    );
    for backend in ["claude", "codex", "gemini", "gemini-acp"] {
        worker(&home, backend, backend, &[]);
    }
    assert_eq!(home.teams(&["task", "wait", "--timeout", "60s"]), "");
    for (id, backend) in (1..).zip(["claude", "codex", "gemini", "gemini-acp"]) {
        let task = task(&home, id);
        assert_eq!((&task["owner"], &task["status"]), (&json!(backend), &json!("completed")));
        assert_eq!(work(&home, id)["result"], format!("by {backend}"));
        assert!(work(&home, id)["lease"].is_null(), "nobody has it any more");
    }
    let last = task(&home, 5)["owner"].as_str().expect("an owner").to_owned();
    let told = inputs(&home, &last).pop().expect("a turn");
    for part in ["Task #5: Last", "place: here", "#1 for claude: by claude", "#4 for gemini-acp: by gemini-acp"] {
        assert!(told.contains(part), "{part}: {told}");
    }
    assert!(home.json(&["inbox", "codex"]).as_array().is_some_and(Vec::is_empty), "each assignment was taken");
}

#[test]
fn a_plan_that_waits_is_no_silence() {
    let home = Home::simulated();
    home.teams(&["create", "crew"]);
    let plan = format!("[[call submit_plan {}]]", json!({"plan": "# One step"}));
    add(&home, "Planned", &plan, &["--max-retries", "0"]);
    worker(&home, "w", "claude", &["--plan-approval"]);
    let id = home.wait_for_approval();
    home.wait_for_state("w", "idle");
    home.teams(&["deny", &id, "--reason", "smaller steps"]);
    // It hears why, and is asked only after that.
    wait_for("the question", || inputs(&home, "w").iter().any(|input| input.contains("still open")).then_some(()));
    let turns = inputs(&home, "w");
    let place = |text: &str| turns.iter().position(|input| input.contains(text)).expect("a turn");
    assert!(turns[0].contains("Plan first: hand in a plan"), "{turns:?}");
    assert!(place("smaller steps") <= place("still open"), "{turns:?}");
}

#[test]
fn a_task_that_is_left_open_is_asked_for_once_and_then_given_out_again() {
    let home = Home::simulated();
    home.teams(&["create", "crew"]);
    add(&home, "Silent", "say nothing of it", &["--max-retries", "1"]);
    add(&home, "After", &completes(2, "x"), &["--blocked-by", "1"]);
    worker(&home, "w", "claude", &[]);
    let (code, said) = home.fails(&["task", "wait", "--timeout", "60s"]);
    assert!(code == 1 && said.contains("#1 #2"), "{said}");
    let turns = inputs(&home, "w");
    assert_eq!(turns.len(), 4, "{turns:?}");
    assert!(turns[1].contains("still open") && turns[2].contains("An attempt before this one has failed"), "{turns:?}");
    assert!(home.teams(&["task", "list"]).contains("waits for a failure (#1)"));
    assert!(home.teams(&["task", "show", "1"]).contains("status: failed"));
    assert_eq!(task(&home, 1)["owner"], "w", "a live Claude Code takes what has no owner");
    // A person has another try, and says that it is done.
    home.teams(&["stop", "w"]);
    assert!(home.teams(&["task", "retry", "1"]).contains("can be begun"));
    assert!(home.teams(&["task", "next"]).contains("#1 Silent"));
    home.teams(&["task", "done", "1"]);
    home.teams(&["restart", "w"]);
    home.teams(&["task", "wait", "--timeout", "60s"]);
    home.teams(&["task", "fail", "2", "--reason", "no longer wanted"]);
    assert_eq!(work(&home, 2)["failed"], "no longer wanted");
}

#[test]
fn a_failed_attempt_tells_the_next_one_why() {
    let home = Home::simulated();
    home.teams(&["create", "crew"]);
    let fails = json!({"taskId": "1", "failed": true, "note": "the tests are red"});
    add(&home, "Hard", &format!("[[call task_complete {fails}]]"), &["--max-retries", "1"]);
    worker(&home, "w", "codex", &[]);
    wait_for_task(&home, 1, "the last failure", |task| task["metadata"]["agentTeams"]["failed"].is_string());
    let turns = inputs(&home, "w");
    assert_eq!(turns.len(), 2, "{turns:?}");
    assert!(turns[1].contains("the tests are red") && turns[1].contains("attempt 2"), "{turns:?}");
}

#[test]
fn what_its_owner_had_is_free_when_that_is_stopped_or_dies() {
    let home = Home::simulated();
    home.teams(&["create", "crew"]);
    for end in ["stop", "kill"] {
        let hold = home.hold(end);
        add(&home, end, &format!("{hold} [[say no more]]"), &[]);
        worker(&home, end, "claude", &[]);
        let id = home.json(&["task", "list"]).as_array().map(Vec::len).expect("a list") as u64;
        let begun = wait_for_task(&home, id, "a claim", |task| task["status"] == "in_progress");
        assert_eq!((&begun["owner"], &work(&home, id)["attempt"]), (&json!(end), &json!(1)));
        wait_for("its turn", || (home.member(end)["state"] == "busy").then_some(()));
        match end {
            "stop" => drop(home.teams(&["stop", "stop"])),
            _ => signal("-9", home.member(end)["pid"].as_u64().expect("a process")),
        }
        let free = wait_for_task(&home, id, "it to be free", |task| task["status"] == "pending");
        assert!(free["owner"].is_null() && work(&home, id)["lease"].is_null(), "{free}");
        home.teams(&["stop", "--all"]);
        home.teams(&["task", "done", &id.to_string()]);
    }
}

/// What was finished before the daemon was killed is not done again, and what was not is.
#[test]
fn work_goes_on_after_the_daemon_was_killed() {
    let home = Home::simulated();
    home.teams(&["create", "crew"]);
    let hold = home.hold("go");
    add(&home, "First", &completes(1, "one"), &[]);
    add(&home, "Second", &format!("{hold} {}", completes(2, "two")), &["--blocked-by", "1"]);
    add(&home, "Third", &completes(3, "three"), &["--blocked-by", "2"]);
    worker(&home, "w", "claude", &[]);
    wait_for_task(&home, 2, "the second to be given", |task| task["status"] == "in_progress");
    home.wait_for_event("the second to begin", |event| event["type"] == "turn-started" && event["turn"] == 2);
    signal("-9", daemon_pid(&home));
    wait_for("its agents to end", || home.processes().is_empty().then_some(()));
    hold.release();
    assert_eq!(task(&home, 2)["status"], "in_progress", "nobody was there to give it back");
    home.teams(&["resume"]);
    home.teams(&["task", "wait", "--timeout", "60s"]);
    let attempts: Vec<Value> = (1..4).map(|id| work(&home, id)["attempt"].clone()).collect();
    assert_eq!(attempts, [json!(1), json!(2), json!(1)]);
    assert!(work(&home, 2)["failures"].is_null(), "nobody has failed");
}

/// Tasks that another program has are its own, and those that it gives to a member of ours wake it.
#[test]
fn what_others_do_with_the_list_counts() {
    let home = Home::simulated();
    home.teams(&["create", "crew"]);
    add(&home, "Theirs", &completes(1, "x"), &[]);
    add(&home, "Given", &completes(2, "by us"), &[]);
    let edit = |id: u64, change: &dyn Fn(&mut Value)| {
        let path = home.claude(&format!("tasks/crew/{id}.json"));
        let mut task: Value = serde_json::from_slice(&std::fs::read(&path).expect("a task")).expect("JSON");
        change(&mut task);
        std::fs::write(&path, task.to_string()).expect("written");
    };
    edit(1, &|task| {
        task["owner"] = json!("team-lead");
        task["status"] = json!("in_progress");
    });
    edit(2, &|task| task["owner"] = json!("other"));
    worker(&home, "w", "claude", &[]);
    home.ask("w", "[[say nothing to do]]");
    assert_eq!(inputs(&home, "w").len(), 1, "both are somebody else's");
    edit(2, &|task| task["owner"] = json!("w"));
    wait_for_task(&home, 2, "it to be done", |task| task["status"] == "completed");
    assert_eq!((&task(&home, 1)["owner"], &task(&home, 1)["status"]), (&json!("team-lead"), &json!("in_progress")));
    // Another program completes what a member of ours would have been given.
    add(&home, "Later", "not for us", &["--blocked-by", "1"]);
    edit(3, &|task| task["status"] = json!("completed"));
    edit(1, &|task| task["status"] = json!("completed"));
    home.teams(&["task", "wait", "--timeout", "20s"]);
    assert_eq!(inputs(&home, "w").len(), 2);
}

#[test]
fn a_word_about_an_attempt_that_is_over_counts_no_more() {
    let home = Home::simulated();
    home.teams(&["create", "crew"]);
    let hold = home.hold("go");
    add(&home, "One", &format!("{hold} [[say late]]"), &[]);
    worker(&home, "a", "claude", &[]);
    wait_for_task(&home, 1, "a claim", |task| task["owner"] == "a");
    let member = |name: &str| Client::start(&home, &["mcp"], &[("TEAMS_MEMBER_TOKEN", &home.token_of(name))]);
    let mut a = member("a");
    home.teams(&["task", "update", "1", "--status", "pending", "--owner", ""]);
    worker(&home, "b", "claude", &[]);
    wait_for_task(&home, 1, "another claim", |task| task["owner"] == "b");
    let refused = a.refuses("task_complete", json!({"taskId": "1", "note": "late"}));
    assert!(refused.contains("b's"), "{refused}");
    let mut b = member("b");
    let refused = b.refuses("task_complete", json!({"taskId": "1", "note": "x", "attempt": 1}));
    assert!(refused.contains("attempt 1 is over") && refused.contains("attempt 2 counts"), "{refused}");
    b.does("task_complete", json!({"taskId": "1", "note": "done", "attempt": 2}));
    assert_eq!(work(&home, 1)["result"], "done");
    hold.release();
}

/// What is over when it comes leaves its member free.
#[test]
fn a_member_whose_only_mail_is_over_is_idle() {
    let home = Home::simulated();
    home.teams(&["create", "crew"]);
    add(&home, "One", "whatever", &["--wants", "member=nobody"]);
    worker(&home, "w", "claude", &[]);
    let over = json!({
        "type": "task_assignment", "taskId": "1", "subject": "One", "description": "", "assignedBy": "team-lead",
        "timestamp": "2026-01-01T00:00:00.000Z", "attempt": 9,
    });
    let mail = json!([{"from": "team-lead", "text": over.to_string(), "timestamp": "2026-01-01T00:00:00.000Z", "read": false}]);
    home.write(".claude/teams/crew/inboxes/w.json", &mail.to_string());
    home.wait_for_event("its refusal", |event| event["type"] == "mail" && event["state"] == "refused");
    assert_eq!(home.wait_for_state("w", "idle")["queued"], 0);
    assert!(inputs(&home, "w").is_empty());
}

/// A member that takes a task by itself is asked for it, too, and gets the next one.
#[test]
fn what_a_member_takes_by_itself_is_seen_to() {
    let home = Home::simulated();
    home.teams(&["create", "crew"]);
    worker(&home, "w", "claude", &[]);
    add(&home, "Taken", "whatever", &["--wants", "member=nobody", "--max-retries", "0"]);
    home.ask("w", r#"[[call task_claim {"taskId": "1"}]]"#);
    wait_for_task(&home, 1, "its failure", |task| task["metadata"]["agentTeams"]["failed"].is_string());
    add(&home, "Next", &completes(2, "fine"), &[]);
    wait_for_task(&home, 2, "the next", |task| task["status"] == "completed");
}

#[test]
fn who_does_not_work_is_given_nothing() {
    let home = Home::simulated();
    home.teams(&["create", "crew"]);
    add(&home, "Free", "whatever", &[]);
    home.teams(&["spawn", "idler", "--backend", "claude"]);
    worker(&home, "w", "claude", &["--capability", "shell"]);
    wait_for_task(&home, 1, "a claim", |task| task["owner"] == "w");
    add(&home, "For a shell", &completes(2, "x"), &["--wants", "capability=shell"]);
    add(&home, "For a browser", &completes(3, "x"), &["--wants", "capability=browser", "--priority", "-5"]);
    wait_for_task(&home, 2, "it to be done", |task| task["status"] == "completed");
    assert_eq!(task(&home, 3)["status"], "pending");
    assert!(inputs(&home, "idler").is_empty());
    let (code, said) = home.fails(&["task", "add", "x", "--wants", "model=best"]);
    assert!(code == 1 && said.contains("not `model`"), "{said}");
    let (_, said) = home.fails(&["task", "wait", "77"]);
    assert!(said.contains("no task #77"), "{said}");
    let (code, said) = home.fails(&["task", "wait", "3", "--timeout", "1s"]);
    assert!(code == 124 && said.contains("teams task list"), "{said}");
}

/// Real agents, a scripted model.
#[test]
#[ignore = "needs the real agent CLIs; run scripts/test"]
fn real_members_work_through_the_list() {
    let home = Home::real();
    home.teams(&["create", "crew"]);
    for (id, (backend, tool)) in (1..).zip([
        ("claude", "mcp__teams__task_complete"),
        ("codex", "mcp__teams__task_complete"),
        ("gemini-acp", "mcp_teams_task_complete"),
    ]) {
        let call = json!({"taskId": id.to_string(), "note": format!("by {backend}")});
        add(&home, backend, &format!("[[call {tool} {call}]]"), &["--wants", &format!("backend={backend}")]);
        worker(&home, backend, backend, &["--permission-mode", "acceptEdits"]);
    }
    let waited = home.output(&["task", "wait", "--timeout", "90s"]);
    assert!(waited.status.success(), "{}\n{}", home.teams(&["task", "list"]), home.teams(&["tail", "-n", "400"]));
    for (id, backend) in (1..).zip(["claude", "codex", "gemini-acp"]) {
        assert_eq!(work(&home, id)["result"], format!("by {backend}"));
    }
    let stopped = home.json(&["stop", "--all"]);
    assert!(stopped.as_array().expect("reports").iter().all(|one| one["left"] == 0), "{stopped}");
}

/// What somebody has begun in its name it is told of by hand, since nobody gives it out.
#[test]
fn a_task_that_is_begun_for_a_member_wakes_it() {
    let home = Home::simulated();
    home.teams(&["create", "crew"]);
    add(&home, "Begun", &completes(1, "seen"), &["--wants", "member=nobody"]);
    worker(&home, "w", "claude", &[]);
    home.teams(&["task", "update", "1", "--owner", "w", "--status", "in_progress"]);
    wait_for_task(&home, 1, "it to be done", |task| task["status"] == "completed");
    assert_eq!(work(&home, 1)["result"], "seen");
}

/// Whatever the agent is: one that is not asked to work is left alone by tasks, and the lead can be told of work by hand.
#[test]
fn an_assignment_by_hand_wakes_a_member_that_does_not_work() {
    let home = Home::simulated();
    home.team_of(Agent { backend: "codex", real: false }, &[]);
    home.teams(&["task", "add", "By hand", "--owner", "worker", "--description", &completes(1, "done by hand")]);
    wait_for_task(&home, 1, "it to be done", |task| task["status"] == "completed");
}
