//! `teams run`: from a team file to an exit code and a report, whatever happens on the way.

use serde_json::{Value, json};

use crate::support::{Home, daemon_pid, signal, wait_for};

/// Two members and these tasks: name, description, more keys.
fn file(home: &Home, tasks: &[(&str, &str, &str)], more: &str) {
    let mut text = "[team]\nname = \"crew\"\n[[member]]\nname = \"c\"\nbackend = \"codex\"\n[[member]]\nname = \"g\"\n\
        backend = \"gemini\"\n"
        .to_owned();
    for (name, description, keys) in tasks {
        text += &format!("[[task]]\nname = {}\ndescription = {}\n{keys}\n", json!(name), json!(description));
    }
    home.write("project/teams.toml", &(text + more));
}

/// What `teams run --json` says last.
fn report_of(output: &std::process::Output) -> Value {
    let stdout = String::from_utf8_lossy(&output.stdout);
    let last = stdout.lines().last().unwrap_or_else(|| panic!("{}", String::from_utf8_lossy(&output.stderr)));
    serde_json::from_str(last).expect("a report")
}

fn turns(home: &Home, name: &str) -> Vec<String> {
    let begun = |event: &&Value| event["type"] == "turn-started" && event["agent"] == name;
    home.events().iter().filter(begun).map(|event| event["input"].to_string()).collect()
}

#[test]
fn a_file_becomes_a_team_that_works_and_a_report() {
    let home = Home::simulated();
    let tasks = [
        ("report", "[[finish all is well]]", "depends-on = [\"look\", \"listen\"]"),
        ("look", "[[finish it looks well]]", "wants = { backend = \"codex\" }\ncontext = { place = \"here\" }"),
        ("listen", "[[finish it sounds well]]", "owner = \"g\"\nsubject = \"Listen to it\""),
    ];
    file(&home, &tasks, "");
    let reports = ["r.json", "r.xml", "r.md", "r.html"];
    let options: Vec<&str> = reports.iter().flat_map(|report| ["--report", report]).collect();
    let (code, report) = home.run_team_file(&options);
    assert_eq!((code, &report["state"]), (0, &json!("done")), "{report}");
    let summary = &report["summary"];
    assert_eq!(
        [&summary["totalTasks"], &summary["tasksCompleted"], &summary["tasksFailed"], &summary["agentsSpawned"]],
        [3, 3, 0, 2]
    );
    assert!(summary["totalTokensUsed"].as_u64() > Some(300), "{summary}");
    let of =
        |subject: &str| report["tasks"].as_array().unwrap().iter().find(|task| task["subject"] == subject).unwrap();
    assert_eq!((&of("report")["blockedBy"], &of("Listen to it")["owner"]), (&json!(["1", "2"]), &json!("g")));
    assert_eq!((&of("look")["owner"], &of("look")["result"]), (&json!("c"), &json!("it looks well")));
    assert!(turns(&home, "c")[0].contains("place: here"));
    assert_eq!(report["turns"].as_array().map(Vec::len), Some(3));
    for (file, part) in reports.iter().zip(["\"run\": \"crew-1\"", "failures=\"0\"", "it sounds well", "<svg"]) {
        let written = std::fs::read_to_string(home.work().join(file)).expect("a report");
        assert!(written.contains(part), "{part}: {written}");
    }
    // Once more, and of all that the team has done.
    let again = home.json(&["report", "crew-1"]);
    assert_eq!((&again["run"], &again["summary"]), (&report["run"], &report["summary"]));
    let of_team = home.json(&["report"]);
    assert_eq!(
        (&of_team["run"], &of_team["state"], &of_team["tasks"]),
        (&json!("crew"), &json!("done"), &report["tasks"])
    );
    assert!(home.teams(&["report", "crew"]).contains("it sounds well"));
    home.teams(&["report", "crew", "--html", "team.html"]);
    let page = std::fs::read_to_string(home.work().join("team.html")).expect("a report");
    assert!(page.contains("Team report, team crew") && page.contains("Tokens over time"), "{page}");
    assert!(home.fails(&["report", "crew-7"]).1.contains("crew-7"));
    // Its members are stopped, and the team is there to be looked at.
    home.wait_for_only_the_daemon();
    assert!(home.teams(&["task", "list"]).contains("completed"));
    // A second run is another one, with its own tasks.
    let (code, second) = home.run_team_file(&[]);
    assert_eq!((code, &second["run"], &second["summary"]["totalTasks"]), (0, &json!("crew-2"), &json!(3)));
    assert_eq!(home.json(&["runs"]).as_array().map(Vec::len), Some(2));
    let attached = home.teams(&["attach", "crew-1"]);
    assert!(attached.contains("run crew-1 is done: 3 of 3 tasks completed"), "{attached}");
}

#[test]
fn what_fails_fails_the_run_and_what_waits_for_it_is_said_to() {
    let home = Home::simulated();
    let fails =
        format!("[[call task_complete {}]]", json!({"taskId": "1", "failed": true, "note": "it is <impossible>"}));
    let tasks = [
        ("a", fails.as_str(), "max-retries = 1"),
        ("b", "[[finish x]]", "depends-on = [\"a\"]"),
        ("c", "[[finish y]]", ""),
    ];
    file(&home, &tasks, "");
    let (code, report) = home.run_team_file(&["--report", "r.xml"]);
    assert_eq!((code, &report["state"]), (1, &json!("failed")));
    let states: Vec<&Value> = report["tasks"].as_array().unwrap().iter().map(|task| &task["state"]).collect();
    assert_eq!(states, ["failed", "blocked", "completed"]);
    assert_eq!(report["tasks"][0]["attempts"], 2);
    let reason = report["reason"].as_str().unwrap();
    assert!(reason.contains("task #1 (a) failed: it is <impossible>") && reason.contains("1 more"), "{reason}");
    let junit = std::fs::read_to_string(home.work().join("r.xml")).expect("a report");
    assert!(
        junit.contains("failures=\"1\"") && junit.contains("skipped=\"1\"") && !junit.contains("<impossible>"),
        "{junit}"
    );
}

#[test]
fn each_other_end_has_a_code_of_its_own() {
    let home = Home::simulated();
    let many = [
        ("a", "[[finish x]]", "owner = \"c\""),
        ("b", "[[finish y]]", "owner = \"c\"\ndepends-on = [\"a\"]"),
        ("c", "[[finish z]]", "owner = \"c\"\ndepends-on = [\"b\"]"),
    ];
    file(&home, &many, "[budget]\nturns = 2\n");
    let (code, report) = home.run_team_file(&[]);
    assert_eq!((code, &report["state"]), (3, &json!("over-budget")), "{report}");
    assert!(report["reason"].as_str().is_some_and(|reason| reason.contains("2 of 2 turns") && reason.contains("#3 c")));
    home.teams(&["delete", "crew", "--force"]);
    // Nobody is there to answer.
    file(&home, &[("a", "[[run touch asked]]", "owner = \"c\"")], "");
    let (code, report) = home.run_team_file(&[]);
    assert_eq!((code, &report["state"]), (4, &json!("unanswered")), "{report}");
    assert!(
        report["reason"].as_str().is_some_and(|reason| reason.contains("touch asked") && reason.contains("[policy]"))
    );
    assert!(!home.work().join("asked").exists());
    home.teams(&["delete", "crew", "--force"]);
    file(&home, &[("a", "[[silence]]", "")], "");
    let (code, report) = home.run_team_file(&["--timeout", "1s"]);
    assert_eq!((code, &report["state"]), (124, &json!("timed-out")), "{report}");
    home.teams(&["delete", "crew", "--force"]);
    // Whoever is left cannot take what is left.
    file(&home, &[("a", "[[crash]]", "owner = \"c\"\nmax-retries = 5")], "");
    let (code, report) = home.run_team_file(&[]);
    assert_eq!(code, 1);
    assert!(
        report["reason"].as_str().is_some_and(|reason| reason.contains("nobody can take what is left: #1 a")),
        "{report}"
    );
    home.wait_for_only_the_daemon();
}

/// What a project's file asks for beyond what agents have by themselves, a person has to agree to, and again when it changes.
#[test]
fn a_file_that_wants_more_is_trusted_first() {
    let home = Home::simulated();
    let tasks = [("a", "[[run echo by-policy]]", "owner = \"c\""), ("b", "[[finish x]]", "owner = \"g\"")];
    file(&home, &tasks[1..], "[policy]\nallow = [\"command echo\"]\n");
    let (code, said) = home.fails(&["run"]);
    assert!(code == 1 && said.contains("the policy allows `command echo`") && said.contains("teams trust"), "{said}");
    assert!(home.json(&["list"]).as_array().is_some_and(Vec::is_empty), "nothing was begun");
    assert!(home.teams(&["trust"]).contains("- the policy allows `command echo`"));
    assert_eq!(home.run_team_file(&[]).0, 0);
    file(&home, &tasks[1..], "[policy]\nallow = [\"command echo\"]\notherwise = \"allow\"\n");
    assert!(home.fails(&["run"]).1.contains("has changed since"));
    // An agent has no say in it.
    let agent = home.command(&["trust"]).env("AGENT_BACKENDS_PROCESS", "x").output().expect("teams runs");
    assert!(String::from_utf8_lossy(&agent.stderr).contains("only a person"), "{agent:?}");
}

#[test]
fn a_run_outlives_the_daemon_and_does_nothing_twice() {
    let home = Home::simulated();
    let hold = home.hold("go");
    let second = format!("{hold} [[finish two]]");
    let tasks = [
        ("one", "[[finish one]]", ""),
        ("two", second.as_str(), "depends-on = [\"one\"]"),
        ("three", "[[finish three]]", "depends-on = [\"two\"]"),
    ];
    file(&home, &tasks, "");
    let begun = home.json(&["run", "--detach"]);
    assert_eq!(begun["run"], "crew-1");
    home.wait_for_event("the second task to begin", |event| {
        event["type"] == "task" && event["id"] == "2" && event["status"] == "in_progress"
    });
    let (code, said) = home.fails(&["run"]);
    assert!(code == 1 && said.contains("run crew-1 is running"), "{said}");
    signal("-9", daemon_pid(&home));
    home.wait_for_no_process();
    hold.release();
    assert_eq!(home.json(&["runs"])[0]["state"], "interrupted");
    assert!(home.fails(&["run"]).1.contains("--resume"));
    let (code, report) = home.run_team_file(&["--resume"]);
    assert_eq!((code, &report["run"], &report["state"]), (0, &json!("crew-1"), &json!("done")), "{report}");
    let attempts: Vec<&Value> = report["tasks"].as_array().unwrap().iter().map(|task| &task["attempts"]).collect();
    assert_eq!(attempts, [1, 2, 1], "only what was cut off was begun again");
    assert!(home.fails(&["run", "--resume"]).1.contains("no run of team `crew` can be resumed"));
    home.wait_for_only_the_daemon();
}

/// Killed at any moment and resumed, a run does what is left, and nothing that is done.
#[test]
fn a_run_that_is_killed_again_and_again_does_everything_once() {
    let home = Home::simulated();
    let names: Vec<String> = (1..11).map(|number| format!("t{number}")).collect();
    let after: Vec<String> = (0..10).map(|at| format!("depends-on = [\"t{at}\"]")).collect();
    let keys = |at: usize| if at.is_multiple_of(3) && at > 0 { after[at].as_str() } else { "" };
    let tasks: Vec<_> = names.iter().enumerate().map(|(at, name)| (name.as_str(), "[[finish x]]", keys(at))).collect();
    file(&home, &tasks, "");
    home.json(&["run", "--detach"]);
    for more in [1, 5, 12, 25] {
        let before = home.events().len();
        wait_for("it to go on", || {
            let events = home.events();
            (events.len() >= before + more || events.iter().any(|event| event["type"] == "run-ended")).then_some(())
        });
        signal("-9", daemon_pid(&home));
        home.wait_for_no_process();
        let resumed = home.output(&["run", "--resume", "--detach"]);
        let said = String::from_utf8_lossy(&resumed.stderr);
        assert!(resumed.status.success() || said.contains("no run of team `crew` can be resumed"), "{said}");
    }
    wait_for("its end", || (home.json(&["runs"])[0]["state"] == "done").then_some(()));
    let completed = |event: &&Value| event["type"] == "task" && event["status"] == "completed";
    let ends: Vec<String> = home.events().iter().filter(completed).map(|event| event["id"].to_string()).collect();
    let once: std::collections::HashSet<&String> = ends.iter().collect();
    assert_eq!(ends.len(), once.len(), "{ends:?}");
    let tasks = home.json(&["task", "list"]);
    assert!(tasks.as_array().expect("a list").iter().all(|task| task["metadata"]["agentTeams"]["result"] == "x"));
    home.wait_for_only_the_daemon();
}

#[test]
fn a_person_may_end_a_run() {
    let home = Home::simulated();
    file(&home, &[("a", "[[silence]]", "owner = \"c\"")], "");
    let shown = home.start(&["run"]);
    home.wait_for_event("the turn", |event| event["type"] == "turn-started");
    signal("-INT", u64::from(shown.id()));
    let output = shown.wait_with_output().expect("it ends");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("stopping; Ctrl-C once more"), "{stderr}");
    assert!(String::from_utf8_lossy(&output.stdout).contains("run crew-1 is cancelled"), "{output:?}");
    home.wait_for_only_the_daemon();
    home.teams(&["delete", "crew", "--force"]);
    // A team that is deleted takes its run along, and leaves no file.
    home.teams(&["run", "--detach"]);
    home.wait_for_event("the turn", |event| event["type"] == "turn-started");
    home.teams(&["delete", "crew", "--force"]);
    home.wait_for_only_the_daemon();
    assert!(home.json(&["runs"]).as_array().is_some_and(Vec::is_empty));
    // The command may be killed, and the run goes on.
    let mut shown = home.start(&["run"]);
    home.wait_for_event("the turn", |event| event["type"] == "turn-started");
    shown.kill().expect("killed");
    shown.wait().expect("it ends");
    assert_eq!(home.json(&["runs"])[0]["state"], "running");
    home.teams(&["down"]);
    assert_eq!(home.json(&["runs"])[0]["state"], "cancelled");
    home.wait_for_only_the_daemon();
}

#[test]
fn members_of_a_file_can_be_started_and_stopped_without_a_run() {
    let home = Home::simulated();
    home.write("project/sub/prompt.md", "You are one of two.");
    let text = "[team]\nname = \"crew\"\n[defaults]\nbackend = \"claude-code\"\n[[member]]\nname = \"w\"\ncount = 2\n\
        prompt-file = \"sub/prompt.md\"\nmodel = \"${A_MODEL}\"\nbudget = { turns = 1 }\nlimits = { silence = \"5m\" }\n";
    home.write("project/teams.toml", text);
    let (code, said) = home.fails(&["up"]);
    assert!(code == 1 && said.contains("teams.toml:9:9: the variable A_MODEL is not set"), "{said}");
    let home = home.with_env("A_MODEL", "simulated-model");
    let up = home.teams(&["up"]);
    assert!(up.contains("w-1: idle") && up.contains("w-2: idle"), "{up}");
    let pid = home.member("w-1")["pid"].clone();
    assert_eq!(home.member("w-1")["model"], "simulated-model");
    home.teams(&["up"]);
    assert_eq!(home.member("w-1")["pid"], pid, "who runs is left alone");
    home.ask("w-1", "[[say a word]]");
    assert!(home.fails(&["ask", "w-1", "another"]).1.contains("1 of 1 turns"));
    home.teams(&["down"]);
    home.wait_for_only_the_daemon();
    home.teams(&["up"]);
    assert_eq!(home.member("w-1")["turns"], 1, "its conversation goes on");
}

#[test]
fn a_bad_file_is_shown_where_it_is_bad() {
    let home = Home::simulated();
    assert!(home.fails(&["check"]).1.contains("there is no teams.toml; write one with `teams init`"));
    home.write("project/teams.toml", "[team]\nname = \"crew\"\n[[member]]\nname = \"a\"\nbackend = \"codx\"\n[[task]]\nname = \"x\"\ndepends-on = [\"y\"]\n");
    let (code, said) = home.fails(&["check"]);
    assert_eq!(code, 1);
    for part in
        ["teams.toml:5:11: unknown backend `codx`; did you mean `codex`?", "teams.toml:8:15: there is no task `y`"]
    {
        assert!(said.contains(part), "{part}: {said}");
    }
    let problems = home.output(&["check", "--json"]);
    let problems: Value = serde_json::from_slice(&problems.stdout).expect("JSON");
    assert_eq!((&problems["problems"][0]["line"], &problems["problems"][1]["column"]), (&json!(5), &json!(15)));
    assert!(home.fails(&["run"]).1.contains("teams.toml:5:11"));
    std::fs::write(home.work().join("teams.toml"), b"[team]\nname = \"\xff\"\n").expect("written");
    assert!(home.fails(&["check"]).1.contains("is not UTF-8 from byte 15 on"));
    home.write("project/teams.toml", "[team]\nname = \"crew\"\n");
    assert!(home.fails(&["run"]).1.contains("there is nothing to do"));
    assert!(home.teams(&["check"]).contains("team crew, 0 members, 0 tasks"));
    let schema: Value = serde_json::from_str(&home.teams(&["check", "--schema"])).expect("JSON");
    assert_eq!(schema["title"], "TeamFile");
    let (code, said) = home.fails(&["run", "--report", "x.pdf"]);
    assert!(code == 2 && said.contains(".html"), "{said}");
    // A member that cannot be started fails the run, and leaves nothing.
    let text = "[team]\nname = \"crew\"\n[[member]]\nname = \"a\"\ncwd = \"missing\"\n[[member]]\nname = \"b\"\n[[task]]\nname = \"x\"\n";
    home.write("project/teams.toml", text);
    let (code, report) = home.run_team_file(&[]);
    assert_eq!((code, &report["state"]), (1, &json!("failed")));
    assert!(report["reason"].as_str().is_some_and(|reason| reason.contains("missing")), "{report}");
    home.wait_for_only_the_daemon();
}

#[test]
fn every_template_runs_as_it_is_written() {
    let home = Home::simulated();
    let places = home.path().join("places");
    std::fs::create_dir(&places).expect("a folder");
    let place = format!("TMPDIR={}", places.display());
    let home = home.with_env("TMPDIR", &places.to_string_lossy());
    for template in ["review", "feature", "debug", "research"] {
        let name = format!("{template}.toml");
        home.teams(&["init", &name, "--template", template]);
        // What was started to note that the file is trusted is not the dry run's.
        home.teams(&["daemon", "stop"]);
        let output = home.output(&["run", &name, "--dry-run", "--json"]);
        assert_eq!(output.status.code(), Some(0), "{template}: {}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(report_of(&output)["state"], "done");
        wait_for("it to leave no process", || home.processes_with(&place).is_empty().then_some(()));
        assert_eq!(std::fs::read_dir(&places).expect("a folder").count(), 0, "nor a file");
        assert!(home.fails(&["init", &name, "--template", template]).1.contains("is there already"));
    }
    assert!(!home.claude("teams/review").exists(), "a dry run has a home of its own");
}

/// A simulated lead that does these steps in its turns, in `[lead]` of a file that is trusted.
fn lead(home: &Home, turns: Value, more: &str) {
    home.write("project/lead.json", &json!({"turns": turns}).to_string());
    let script = home.work().join("lead.json");
    let command = format!("{} simulate acp --script {} --", crate::support::teams_binary(), script.display());
    file(home, &[], &format!("{more}[lead]\nbackend = \"acp\"\ncommand = {}\n", json!(command)));
    home.teams(&["trust"]);
}

#[test]
fn a_lead_plans_starts_members_and_says_when_it_is_done() {
    let home = Home::simulated();
    let hold = home.hold("go");
    let call = |tool: &str, arguments: Value| json!({"do": "call", "tool": tool, "arguments": arguments});
    let task = |subject: &str, description: &str| json!({"subject": subject, "description": description});
    let plan = json!([
        call("spawn_teammate", json!({"name": "extra", "backend": "claude-code", "prompt": "You help."})),
        call("finish_run", json!({"summary": "too early"})),
        call("task_create", task("One", "[[finish one]]")),
        call("task_create", task("Two", &format!("{hold} [[finish two]]"))),
        call("finish_run", json!({"summary": "still too early"})),
    ]);
    let script =
        json!([plan, [{"do": "say", "text": "thanks"}], [call("finish_run", json!({"summary": "all is well"}))]]);
    lead(&home, script, "");
    home.teams(&["run", "--goal", "Make it work", "--detach"]);
    home.wait_for_event("the second task", |event| {
        event["type"] == "task" && event["id"] == "2" && event["status"] == "in_progress"
    });
    // What is written to the lead of the team reaches the lead of the run.
    home.teams(&["message", "team-lead", "it is harder than it looks", "--from", "c"]);
    wait_for("the lead to hear it", || {
        turns(&home, "coordinator").iter().any(|turn| turn.contains("harder than")).then_some(())
    });
    hold.release();
    home.wait_for_event("the end", |event| event["type"] == "run-ended");
    let report = home.output(&["attach", "--json"]);
    let report = report_of(&report);
    assert_eq!(
        (&report["state"], &report["reason"], &report["goal"]),
        (&json!("done"), &json!("all is well"), &json!("Make it work"))
    );
    assert_eq!((&report["summary"]["tasksCompleted"], &report["summary"]["agentsSpawned"]), (&json!(2), &json!(4)));
    let heard = turns(&home, "coordinator");
    assert!(
        heard[0].contains("Make it work") && heard[0].contains("- c (codex)") && heard[2].contains("is settled"),
        "{heard:?}"
    );
    let said: Vec<String> =
        home.events().iter().filter(|event| event["agent"] == "coordinator").map(Value::to_string).collect();
    let said = said.join("\n");
    assert!(said.contains("tasks are open: "), "it may not end while tasks are open: {said}");
    home.wait_for_only_the_daemon();
}

#[test]
fn a_lead_has_a_limit() {
    let home = Home::simulated();
    let spawn = |name: &str| json!({"do": "call", "tool": "spawn_teammate", "arguments": {"name": name, "backend": "codex", "prompt": ""}});
    let say = json!([{"do": "say", "text": "nothing to add"}]);
    lead(&home, json!([[spawn("one"), spawn("two")], say]), "[budget]\nmembers = 4\n");
    let (code, report) = home.run_team_file(&["--goal", "More of us"]);
    assert_eq!((code, &report["state"]), (0, &json!("done")), "{report}");
    assert_eq!(report["summary"]["agentsSpawned"], 4, "two of the file, the lead, and one more");
    let said: String =
        home.events().iter().filter(|event| event["agent"] == "coordinator").map(Value::to_string).collect();
    assert!(said.contains("4 of 4 members"), "{said}");
    home.teams(&["delete", "crew", "--force"]);
    lead(&home, json!([[{"do": "silence"}]]), "[run]\ntimeout = \"1s\"\n");
    assert_eq!(home.run_team_file(&["--goal", "Never"]).0, 124);
    home.teams(&["delete", "crew", "--force"]);
    lead(&home, json!([[{"do": "crash", "code": 3}]]), "");
    let (code, report) = home.run_team_file(&["--goal", "Never"]);
    assert!(
        code == 1 && report["reason"].as_str().is_some_and(|reason| reason.contains("the lead is gone")),
        "{report}"
    );
    home.wait_for_only_the_daemon();
}

#[test]
fn a_lead_grants_what_it_may_do_itself() {
    let goal =
        format!("Two things. [[call task_create {}]]", json!({"subject": "one", "description": "(run touch granted)"}));
    for (mode, granted) in [("bypassPermissions", true), ("default", false)] {
        let home = Home::simulated().with_env("AGENT_SIMULATE_FINISH", "1");
        let lead = format!("[policy]\notherwise = \"lead\"\n[lead]\npermission-mode = \"{mode}\"\n");
        file(&home, &[("ask", "[[run touch granted]]", "owner = \"c\"")], &format!("[run]\ntimeout = \"5s\"\n{lead}"));
        home.teams(&["trust"]);
        let (code, report) = home.run_team_file(&["--goal", &goal]);
        assert_eq!(home.work().join("granted").exists(), granted, "{mode}: {report}");
        // What it may not grant waits for a person, until the time is over.
        assert_eq!(code, if granted { 0 } else { 124 }, "{report}");
        let heard = turns(&home, "coordinator").join("\n");
        assert!(heard.contains("c asks for permission to use") && heard.contains("touch granted"), "{heard}");
        if granted {
            assert_eq!(
                (&report["summary"]["tasksCompleted"], &report["reason"]),
                (&json!(2), &json!("simulated: nothing was done"))
            );
        }
        home.wait_for_only_the_daemon();
    }
}

/// The example as it stands, with the three real CLIs and a scripted model.
#[test]
#[ignore = "needs the real agent CLIs; run scripts/test"]
fn the_real_agents_review_a_commit() {
    let home = Home::real();
    let example = include_str!("../examples/review.toml");
    home.write("project/teams.toml", example);
    let reports = ["--report", "r.html", "--report", "r.xml"];
    let output = home.output(&[&["run", "--json"], &reports[..]].concat());
    let report = report_of(&output);
    assert_eq!(
        (output.status.code(), &report["state"]),
        (Some(0), &json!("done")),
        "{report}\n{}",
        home.teams(&["tail", "-n", "200"])
    );
    let owners: Vec<&Value> = report["tasks"].as_array().unwrap().iter().take(3).map(|task| &task["owner"]).collect();
    assert_eq!(owners, ["claude", "codex", "gemini"]);
    assert_eq!(report["tasks"][3]["result"], "done by the model");
    let told: Vec<String> = ["claude", "codex", "gemini"].iter().flat_map(|name| turns(&home, name)).collect();
    assert!(
        told.iter().any(|input| input.contains("#2 Review the last commit: is it safe?: done by the model")),
        "{told:?}"
    );
    assert!(std::fs::read_to_string(home.work().join("r.html")).is_ok_and(|page| page.contains("done by the model")));
    home.wait_for_only_the_daemon();
}

/// A real Claude Code leads: it starts two members, adds tasks, and says when it is done.
#[test]
#[ignore = "needs the real agent CLIs; run scripts/test"]
fn a_real_claude_code_leads_a_run() {
    let home = Home::real();
    let spawn = |name: &str, backend: &str| json!({"name": name, "backend": backend, "prompt": "You help."});
    let task = |subject: &str| json!({"subject": subject, "description": subject});
    let goal = format!(
        "Have two things looked at. [[call spawn_teammate {}]] [[then spawn_teammate {}]] [[then task_create {}]] [[then task_create {}]]",
        spawn("one", "codex"),
        spawn("two", "gemini"),
        task("Look at the first thing"),
        task("Look at the second thing"),
    );
    let output = home.output(&["run", "--goal", &goal, "--lead", "claude-code", "--json"]);
    let report = report_of(&output);
    assert_eq!(
        (output.status.code(), &report["state"]),
        (Some(0), &json!("done")),
        "{report}\n{}",
        home.teams(&["tail", "-n", "200"])
    );
    assert_eq!(
        (&report["summary"]["tasksCompleted"], &report["summary"]["agentsSpawned"]),
        (&json!(2), &json!(3)),
        "{report}"
    );
    assert_eq!(report["reason"], "done by the model");
    home.wait_for_only_the_daemon();
}
