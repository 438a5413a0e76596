//! What comes back, how, and when it does not: restarts, resumes, and turns that hang.

use serde_json::{Value, json};

use crate::support::{Agent, Home, daemon_pid, signal, wait_for};

fn crew(home: &Home, spawns: &[&[&str]]) {
    home.teams(&["create", "crew"]);
    for spawn in spawns {
        let mut args = vec!["spawn"];
        args.extend(*spawn);
        home.teams(&args);
    }
}

fn kill_daemon(home: &Home) {
    signal("-9", daemon_pid(home));
    wait_for("its agents to end", || home.processes().is_empty().then_some(()));
}

/// Who was resumed, and with which outcome.
fn outcomes(resumed: &Value) -> Vec<(&str, &str)> {
    let list = resumed.as_array().expect("a list").iter();
    list.map(|one| (one["name"].as_str().expect("a name"), one["outcome"].as_str().expect("an outcome"))).collect()
}

fn states(home: &Home, name: &str) -> Vec<String> {
    let of = |event: &Value| event["agent"] == name && event["type"] == "state";
    let states = home.events().into_iter().filter(of);
    states.map(|event| event["state"].as_str().expect("a state").to_owned()).collect()
}

#[test]
fn a_member_that_dies_is_restarted_with_its_conversation() {
    let home = Home::simulated();
    crew(&home, &[&["c", "--backend", "claude", "--restart", "on-failure"], &["other", "--backend", "claude"]]);
    home.ask("c", "the word is plum [[say noted]]");
    let before = home.member("c");
    assert_eq!(home.ask("c", "[[crash]]")["status"], "failed");
    wait_for("the next session", || (states(&home, "c").len() == 6).then_some(()));
    let report = home.ask("c", "[[recall]]");
    assert!(report["text"].as_str().is_some_and(|text| text.contains("the word is plum")), "{report}");
    let after = home.member("c");
    assert_eq!(after["sessionId"], before["sessionId"]);
    assert_ne!(after["pid"], before["pid"]);
    let spawned: Vec<Value> =
        home.events().into_iter().filter(|event| event["agent"] == "c" && event["type"] == "spawned").collect();
    assert_eq!((spawned.len(), &spawned[1]["conversation"]), (2, &json!("resumed")), "{spawned:?}");
    let exited = home.wait_for_event("its end", |event| event["type"] == "exited");
    assert_eq!((&exited["code"], &exited["restarts"]), (&json!(9), &json!(true)));
    let all = ["idle", "busy", "idle", "busy", "starting", "idle", "busy", "idle"];
    assert_eq!(wait_for("its rest", || Some(states(&home, "c")).filter(|states| states.len() >= all.len())), all);
    assert_eq!(states(&home, "other"), ["idle"], "nobody else is touched");
}

#[test]
fn what_waits_for_a_member_that_dies_is_done_by_its_next_session() {
    let home = Home::simulated();
    crew(&home, &[&["c", "--backend", "claude", "--restart", "always"]]);
    let hold = home.hold("go");
    home.teams(&["send", "c", &format!("[[crash]] {hold}")]);
    let asking = home.start(&["ask", "c", "[[say still done]]", "--json"]);
    wait_for("it to wait", || (home.member("c")["queued"] == 1).then_some(()));
    hold.release();
    let output = asking.wait_with_output().expect("it ends");
    let report: Value = serde_json::from_slice(&output.stdout).expect("a report");
    assert_eq!((&report["turn"], &report["text"]), (&json!(2), &json!("still done")));
}

#[test]
fn a_member_that_dies_at_once_again_and_again_is_given_up() {
    let home = Home::simulated().with_env("TEAMS_SIMULATE", "0");
    // It shakes hands, and ends.
    let script = r#"echo start >> starts
read l; echo '{"jsonrpc":"2.0","id":0,"result":{"protocolVersion":1}}'
read l; echo '{"jsonrpc":"2.0","id":1,"result":{"sessionId":"s"}}'
[ -e well ] && cat > /dev/null
exit 3"#;
    home.write("agent.sh", script);
    let command = format!("sh {}", home.path().join("agent.sh").display());
    crew(&home, &[&["a", "--backend", "acp", "--command", &command, "--restart", "on-failure"]]);
    let member = home.wait_for_state("a", "failed");
    let reason = member["failure"].as_str().expect("a reason");
    assert!(reason.contains("start-limit") && reason.contains("exit code 3"), "{reason}");
    let starts = || std::fs::read_to_string(home.work().join("starts")).expect("starts").lines().count();
    assert_eq!(starts(), 5);
    let (_, error) = home.fails(&["send", "a", "hello"]);
    assert!(error.contains("teams restart a"), "{error}");
    home.write("project/well", "");
    let restarted = home.json(&["restart", "a"]);
    assert_eq!((&restarted["name"], &restarted["outcome"]), (&json!("a"), &json!("fresh")));
    assert_eq!((home.member("a")["state"].clone(), starts()), (json!("idle"), 6));
}

#[test]
fn a_restart_keeps_the_conversation_and_exchanges_the_process() {
    let home = Home::simulated();
    crew(&home, &[&["c", "--backend", "claude"]]);
    home.ask("c", "the word is plum [[say noted]]");
    let before = home.member("c")["pid"].clone();
    assert_eq!(home.json(&["restart", "c"])["outcome"], "resumed");
    assert_ne!(home.member("c")["pid"], before);
    assert!(home.ask("c", "[[recall]]")["text"].as_str().is_some_and(|text| text.contains("plum")));
}

#[test]
fn a_codex_server_that_dies_takes_its_sessions_through_their_policies_once() {
    let home = Home::simulated();
    let codex = ["--backend", "codex", "--restart", "on-failure"];
    crew(&home, &[&[&["x"], &codex[..]].concat(), &[&["y"], &codex[..]].concat(), &["z", "--backend", "codex"]]);
    for name in ["x", "y", "z"] {
        home.ask(name, &format!("the word is {name}-plum [[say noted]]"));
    }
    let pid = home.member("x")["pid"].as_u64().expect("a server");
    signal("-9", pid);
    home.wait_for_state("z", "failed");
    for name in ["x", "y"] {
        let has_another = |member: &Value| member["pid"].is_u64() && member["pid"] != pid && member["state"] == "idle";
        let member = wait_for("a new server", || Some(home.member(name)).filter(has_another));
        assert_eq!(member["pid"], home.member("x")["pid"], "one server for both");
        let report = home.ask(name, "[[recall]]");
        assert!(report["text"].as_str().is_some_and(|text| text.contains(&format!("{name}-plum"))), "{report}");
    }
    let exits = home.events().iter().filter(|event| event["type"] == "exited").count();
    assert_eq!(exits, 3);
}

#[test]
fn an_input_brings_back_a_member_that_was_stopped() {
    let home = Home::simulated();
    crew(&home, &[&["c", "--backend", "claude"], &["g", "--backend", "gemini"]]);
    for name in ["c", "g"] {
        home.ask(name, "the word is plum [[say noted]]");
    }
    home.teams(&["stop", "--all"]);
    assert_eq!(home.json(&["resume"]), json!([]), "who was stopped stays away");
    for name in ["c", "g"] {
        assert_eq!(home.member(name)["state"], "exited");
        let report = home.ask(name, "[[recall]]");
        assert!(report["text"].as_str().is_some_and(|text| text.contains("plum")), "{report}");
    }
    // Also when another daemon has taken over, and by a message too.
    home.teams(&["stop", "--all"]);
    home.teams(&["daemon", "stop"]);
    assert!(home.ask("c", "[[recall]]")["text"].as_str().is_some_and(|text| text.contains("plum")));
    home.teams(&["message", "g", "hello"]);
    home.wait_for_event("its turn", |event| {
        event["type"] == "turn-completed" && event["text"].as_str().is_some_and(|text| text.contains("hello"))
    });
    home.wait_for_state("g", "idle");
}

#[test]
fn after_the_daemon_is_killed_everybody_comes_back_and_nothing_taken_is_lost_or_done_twice() {
    let home = Home::simulated();
    crew(
        &home,
        &[
            &["c", "--backend", "claude", "--permission-mode", "bypassPermissions"],
            &["x", "--backend", "codex"],
            &["g", "--backend", "gemini"],
            &["a", "--backend", "gemini-acp"],
            &["idle", "--backend", "codex"],
            &["gone", "--backend", "claude"],
        ],
    );
    for name in ["c", "x", "g", "a"] {
        home.ask(name, &format!("the word is {name}-plum [[say noted]]"));
    }
    home.teams(&["stop", "gone"]);
    home.teams(&["send", "c", "[[run echo once >> done; tail -f /dev/null]]"]);
    wait_for("the command", || home.work().join("done").exists().then_some(()));
    home.teams(&["send", "c", "[[say one]]"]);
    home.teams(&["send", "c", "[[say two]]"]);
    kill_daemon(&home);
    assert_eq!((home.member("c")["state"].clone(), home.member("c")["queued"].clone()), (json!("lost"), json!(2)));

    let resumed = home.json(&["resume"]);
    let expected = [("a", "resumed"), ("c", "resumed"), ("g", "resumed"), ("idle", "fresh"), ("x", "resumed")];
    assert_eq!(outcomes(&resumed), expected);
    assert!(resumed[3]["reason"].as_str().is_some_and(|reason| reason.contains("no turn")), "{resumed}");
    home.wait_for_event("the last input", |event| event["type"] == "turn-completed" && event["turn"] == 4);
    let of_c: Vec<Value> = home.events().into_iter().filter(|event| event["agent"] == "c").collect();
    let cut = of_c.iter().find(|event| event["type"] == "turn-interrupted").expect("the cut turn is told of");
    assert!(cut["turn"] == 2 && cut["input"].as_str().is_some_and(|input| input.contains("echo once")), "{cut}");
    let texts: Vec<&Value> =
        of_c.iter().filter(|event| event["type"] == "turn-completed").map(|event| &event["text"]).collect();
    assert_eq!(texts, [&json!("noted"), &json!("one"), &json!("two")], "each once, in order");
    assert_eq!(std::fs::read_to_string(home.work().join("done")).expect("done"), "once\n");
    for name in ["c", "x", "g", "a"] {
        let report = home.ask(name, "[[recall]]");
        assert!(report["text"].as_str().is_some_and(|text| text.contains(&format!("{name}-plum"))), "{report}");
    }
    assert_eq!(home.member("gone")["state"], "exited");
    assert_eq!(home.json(&["resume"]), json!([]));
}

#[test]
fn a_team_that_says_so_comes_back_by_itself() {
    let home = Home::simulated();
    home.teams(&["create", "crew", "--resume", "auto"]);
    home.teams(&["spawn", "c", "--backend", "claude"]);
    home.ask("c", "the word is plum [[say noted]]");
    kill_daemon(&home);
    let output = home.command(&["ask", "c", "[[recall]]"]).output().expect("it runs");
    assert!(String::from_utf8_lossy(&output.stdout).contains("plum"));
    assert!(String::from_utf8_lossy(&output.stderr).contains("c: resumed"));
    // After an orderly end of the daemon too.
    home.teams(&["daemon", "stop"]);
    assert_eq!(home.member("c")["state"], "idle");
}

#[test]
fn a_conversation_that_the_agent_has_lost_is_never_swapped_for_another() {
    let home = Home::simulated();
    crew(&home, &[&["c", "--backend", "claude"], &["x", "--backend", "codex", "--env", "SECRET_OF_MINE=seed"]]);
    for name in ["c", "x"] {
        home.ask(name, "[[say noted]]");
    }
    kill_daemon(&home);
    let session = home.member("c")["sessionId"].as_str().expect("a session").to_owned();
    std::fs::remove_file(home.state().join("simulated").join(format!("{session}.jsonl"))).expect("forgotten");
    let output = home.command(&["resume", "--json"]).output().expect("it runs");
    assert_eq!(output.status.code(), Some(1));
    let resumed: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!((&resumed[0]["name"], &resumed[0]["outcome"]), (&json!("c"), &json!("failed")));
    assert!(resumed[0]["reason"].as_str().is_some_and(|reason| reason.contains(&session)), "{resumed}");
    // What was given with --env is on no disk, so its absence is told.
    assert_eq!(resumed[1]["outcome"], "resumed");
    assert!(resumed[1]["reason"].as_str().is_some_and(|reason| reason.contains("SECRET_OF_MINE")), "{resumed}");
}

#[test]
fn an_agent_that_falls_silent_is_interrupted() {
    let home = Home::simulated();
    for backend in ["claude", "codex", "gemini", "gemini-acp"] {
        if backend == "claude" {
            home.teams(&["create", "crew"]);
        }
        home.teams(&["spawn", backend, "--backend", backend, "--silence-limit", "0.2"]);
        let report = home.ask(backend, "[[silence]]");
        let error = report["error"].as_str().expect("an error");
        assert!(report["status"] == "failed" && error.contains("no sign of life for 0.2 s"), "{report}");
        assert_eq!(home.ask(backend, "[[say here again]]")["text"], "here again");
        assert!(states(&home, backend).contains(&"stuck".to_owned()));
    }
}

#[test]
fn an_agent_that_hears_nothing_is_replaced_and_its_conversation_goes_on() {
    let home = Home::simulated();
    for backend in ["claude", "gemini-acp"] {
        if backend == "claude" {
            home.teams(&["create", "crew"]);
        }
        home.teams(&["spawn", backend, "--backend", backend, "--silence-limit", "0.2"]);
        home.ask(backend, "the word is plum [[say noted]]");
        let pid = home.member(backend)["pid"].clone();
        let report = home.ask(backend, "[[deaf]]");
        let error = report["error"].as_str().expect("an error");
        assert!(error.contains("no sign of life") && error.contains("did not react to an interrupt"), "{report}");
        let report = home.ask(backend, "[[recall]]");
        assert!(report["text"].as_str().is_some_and(|text| text.contains("plum")), "{report}");
        assert_ne!(home.member(backend)["pid"], pid);
    }
}

#[test]
fn a_turn_that_takes_too_long_is_ended_however_lively_it_is() {
    let home = Home::simulated();
    crew(&home, &[&["c", "--backend", "claude", "--turn-limit", "2.5", "--silence-limit", "2"]]);
    let words = "word ".repeat(200);
    let report = home.ask("c", &format!("[[say {words}]] [[slow 50]]"));
    assert!(report["error"].as_str().is_some_and(|error| error.contains("which is its limit")), "{report}");
    assert_eq!(home.ask("c", "[[say brief]]")["text"], "brief");
}

#[test]
fn the_time_in_which_somebody_decides_does_not_count() {
    let home = Home::simulated();
    crew(&home, &[&["c", "--backend", "claude", "--turn-limit", "1", "--silence-limit", "0.5"]]);
    let asking = home.start(&["ask", "c", "[[run echo done]]", "--json"]);
    let id = home.wait_for_approval();
    let asked = std::time::Instant::now();
    wait_for("a long consideration", || (asked.elapsed().as_millis() > 1500).then_some(()));
    home.teams(&["approve", &id]);
    let report: Value = serde_json::from_slice(&asking.wait_with_output().expect("it ends").stdout).expect("a report");
    assert_eq!(report["status"], "completed", "{report}");
}

#[test]
fn a_lost_end_of_a_codex_turn_is_found_in_its_thread() {
    let home = Home::simulated();
    crew(&home, &[&["x", "--backend", "codex", "--silence-limit", "0.3"]]);
    let report = home.ask("x", "[[lose end]]");
    assert_eq!((&report["status"], &report["text"]), (&json!("completed"), &json!("all but the end")), "{report}");
    let notice = home.wait_for_event("a word about it", |event| {
        event["message"].as_str().is_some_and(|message| message.contains("did not tell the end"))
    });
    assert_eq!(notice["type"], "notice");
}

const REAL: [Agent; 5] = [
    Agent { backend: "claude", real: true },
    Agent { backend: "codex", real: true },
    Agent { backend: "gemini", real: true },
    Agent { backend: "gemini-acp", real: true },
    Agent { backend: "native", real: true },
];

#[test]
#[ignore = "needs the real agent CLIs; run scripts/test"]
fn a_team_of_real_agents_survives_the_murder_of_the_daemon() {
    let home = Home::real();
    home.teams(&["create", "crew"]);
    for agent in REAL {
        let folder = home.path().join(agent.backend);
        std::fs::create_dir(&folder).expect("a folder");
        let cwd = folder.display().to_string();
        // What each agent reports of its mode after the resume is compared with this.
        let mode = ["--permission-mode", "acceptEdits"];
        let args = ["spawn", agent.backend, "--backend", agent.backend, "--model", agent.model(), "--cwd", &cwd];
        home.teams(&[&args[..], &mode[..]].concat());
        if agent.backend == "gemini-acp" {
            // As Gemini CLI is set up, the second in a folder deletes the conversation of the first.
            home.teams(&[&["spawn", "twin"], &args[2..], &mode[..]].concat());
            home.ask("twin", "the word is twin-plum [[say noted]]");
        }
        home.ask(agent.backend, &format!("the word is {}-plum [[say noted]]", agent.backend));
    }
    // A Codex thread without a turn is not on its disk.
    home.teams(&["spawn", "new", "--backend", "codex", "--model", "stub-model", "--permission-mode", "plan"]);
    kill_daemon(&home);
    let resumed = home.json(&["resume"]);
    let expected = [
        ("claude", "resumed"),
        ("codex", "resumed"),
        ("gemini", "resumed"),
        ("gemini-acp", "resumed"),
        ("native", "resumed"),
        ("new", "fresh"),
        ("twin", "resumed"),
    ];
    assert_eq!(outcomes(&resumed), expected, "{resumed}");
    for name in ["claude", "codex", "gemini", "gemini-acp", "native", "twin"] {
        let report = home.ask(name, "[[recall]]");
        let word = format!("{name}-plum");
        assert!(report["text"].as_str().is_some_and(|text| text.contains(&word)), "{name}: {report}");
    }
    assert_eq!(home.json(&["ps", "--orphans"]), json!([]));
}

#[test]
#[ignore = "needs the real agent CLIs; run scripts/test"]
fn a_codex_conversation_that_another_process_holds_is_named_and_comes_back_when_it_is_free() {
    use std::io::{BufRead, BufReader, Write};
    let home = Home::real();
    home.teams(&["create", "crew"]);
    home.teams(&["spawn", "x", "--backend", "codex", "--model", "stub-model"]);
    home.ask("x", "the word is plum [[say noted]]");
    let thread = home.member("x")["sessionId"].as_str().expect("a thread").to_owned();
    home.teams(&["daemon", "stop"]);
    // As an orphan of another supervisor would.
    let codex = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("target/agents/node_modules/.bin/codex");
    let mut holder = std::process::Command::new(codex)
        .arg("app-server")
        .env("HOME", home.path())
        .env("STUB_KEY", "none")
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null())
        .spawn()
        .expect("codex runs");
    let mut stdin = holder.stdin.take().expect("stdin");
    for line in [
        json!({"id": 1, "method": "initialize", "params": {"clientInfo": {"name": "holder", "version": "0"}}}),
        json!({"method": "initialized"}),
        json!({"id": 2, "method": "thread/resume", "params": {"threadId": thread}}),
    ] {
        writeln!(stdin, "{line}").expect("it reads");
    }
    let mut lines = BufReader::new(holder.stdout.take().expect("stdout")).lines();
    let held = lines.find(|line| line.as_ref().is_ok_and(|line| line.contains("\"id\":2")));
    assert!(held.expect("an answer").expect("a line").contains("\"result\""));

    let output = home.command(&["resume", "--json"]).output().expect("it runs");
    let resumed: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let reason = resumed[0]["reason"].as_str().unwrap_or_default();
    assert!(resumed[0]["outcome"] == "failed" && reason.contains("open in another process"), "{resumed}");
    drop(stdin);
    holder.wait().expect("it ends");
    assert_eq!(home.json(&["resume"])[0]["outcome"], "resumed");
    assert!(home.ask("x", "[[recall]]")["text"].as_str().is_some_and(|text| text.contains("plum")));
}
