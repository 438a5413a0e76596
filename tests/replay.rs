//! Recordings: what is in them, and that a replay comes to the same.

use std::os::unix::fs::PermissionsExt as _;

use crate::support::{Agent, Home, signal, wait_for};

/// A team that is recorded from its beginning.
fn recorded() -> (Home, String) {
    recorded_in(Home::simulated())
}

fn recorded_in(home: Home) -> (Home, String) {
    home.teams(&["create", "crew"]);
    let file = home.path().join("crew.jsonl").display().to_string();
    home.teams(&["record", "crew", &file]);
    (home, file)
}

/// Replays a recording, and answers how many events were the same.
fn replays(home: &Home, file: &str) -> u64 {
    let output = home.output(&["replay", file, "--speed", "max"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{}", std::fs::read_to_string(file).unwrap_or_default());
    let count =
        said.split(" events, as they were recorded").next().and_then(|before| before.split(['\n', ' ']).next_back());
    count.and_then(|count| count.parse().ok()).unwrap_or_else(|| panic!("{said}"))
}

/// Works, asks, is denied, gets mail, is stopped and comes back.
fn a_day_of(agent: Agent) {
    let (home, file) = recorded_in(Home::of(agent));
    home.teams(&["spawn", "worker", "--backend", agent.backend, "--model", agent.model()]);
    home.ask("worker", "[[say one two]]");
    // Gemini CLI asks nobody.
    let asks = agent.backend != "gemini";
    if asks {
        home.teams(&["send", "worker", "please [[run touch made]]"]);
        home.teams(&["approve", &home.wait_for_approval()]);
        home.wait_for_state("worker", "idle");
        home.teams(&["send", "worker", "please [[run touch other]]"]);
        home.teams(&["deny", &home.wait_for_approval(), "--reason", "not today"]);
        home.wait_for_state("worker", "idle");
    }
    home.teams(&["message", "worker", "the plums are ripe"]);
    home.wait_for_event("the turn that has it", |event| {
        event["type"] == "turn-completed" && event["agent"] == "worker" && event["turn"] == if asks { 4 } else { 2 }
    });
    home.wait_for_state("worker", "idle");
    home.teams(&["stop", "worker"]);
    home.ask("worker", "[[say back again]]");
    home.teams(&["stop", "worker"]);
    let end = home.json(&["record", "crew", "--stop"]);
    assert!(end["missing"].is_null() && end["lines"].as_u64() > Some(40), "{end}");
    let same = replays(&home, &file);
    assert!(same > 30, "only {same} events");
}

#[test]
fn a_replay_comes_to_the_same_as_simulated_agents() {
    for backend in ["claude", "codex", "gemini"] {
        a_day_of(Agent { backend, real: false });
    }
}

#[test]
#[ignore = "needs the real agent CLIs; run scripts/test"]
fn a_replay_comes_to_the_same_as_real_agents() {
    for backend in ["claude", "codex", "gemini"] {
        a_day_of(Agent { backend, real: true });
    }
}

/// A recording of before is played by every later version.
#[test]
fn the_example_is_replayed() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/recordings/parser.jsonl");
    assert!(replays(&Home::simulated(), file) > 40);
}

#[test]
fn a_team_that_talks_and_works_is_replayed() {
    let (home, file) = recorded();
    let turn_ends = |name: &str, turn: u64| {
        home.wait_for_event("the end of a turn", |event| {
            event["type"] == "turn-completed" && event["agent"] == name && event["turn"] == turn
        });
        home.wait_for_state(name, "idle");
    };
    let members = [("anna", "claude"), ("ben", "codex"), ("cora", "gemini")];
    for (name, backend) in members {
        home.teams(&["spawn", name, "--backend", backend]);
        home.teams(&["message", name, "good morning"]);
        turn_ends(name, 1);
    }
    for (id, (name, _)) in ["1", "2", "3"].into_iter().zip(members) {
        home.teams(&["task", "add", "Pick the plums", "--owner", name]);
        turn_ends(name, 2);
        home.teams(&["task", "done", id]);
    }
    // Several at once.
    home.teams(&["message", "*", "thanks"]);
    members.iter().for_each(|(name, _)| turn_ends(name, 3));
    for (name, _) in members {
        home.teams(&["stop", name]);
    }
    home.teams(&["record", "crew", "--stop"]);
    replays(&home, &file);
}

#[test]
fn an_agent_that_was_killed_is_killed_again() {
    let (home, file) = recorded();
    home.teams(&["spawn", "anna", "--backend", "claude", "--restart", "on-failure"]);
    let hold = home.hold("held");
    home.teams(&["send", "anna", &format!("[[say one two]] {hold}")]);
    home.wait_for_event("its first word", |event| event["text"] == "one ");
    signal("-9", home.member("anna")["pid"].as_u64().expect("a process"));
    home.wait_for_event("its end", |event| event["type"] == "exited");
    home.wait_for_state("anna", "idle");
    hold.release();
    home.ask("anna", "[[say here again]]");
    home.teams(&["stop", "anna"]);
    home.teams(&["record", "crew", "--stop"]);
    let text = std::fs::read_to_string(&file).expect("the recording");
    assert!(text.contains(r#""exit":{"signal":9}"#), "{text}");
    replays(&home, &file);
}

#[test]
fn a_recording_has_no_secrets_and_ends_when_it_is_told_to() {
    let home = Home::simulated().with_env("MY_API_KEY", "plums-and-pears-4711");
    let (home, file) = recorded_in(home);
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    home.teams(&["spawn", "anna", "--backend", "claude"]);
    home.ask("anna", "[[say it is plums-and-pears-4711]]");
    let token = home.token_of("anna");
    let (code, said) = home.fails(&["record", "crew", "other.jsonl"]);
    assert!(code == 1 && said.contains(&file) && said.contains("--stop"), "{said}");
    home.teams(&["record", "crew", "--stop"]);
    let text = std::fs::read_to_string(&file).expect("the recording");
    assert!(text.contains("[MY_API_KEY redacted]"), "{text}");
    for secret in ["plums-and-pears-4711", &token, "TEAMS_STATE_DIR="] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
    home.ask("anna", "[[say more]]");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), text, "it has ended");
    let (_, said) = home.fails(&["record", "crew", "--stop"]);
    assert!(said.contains("is not recorded"), "{said}");
    let (_, said) = home.fails(&["record", "crew", &file]);
    assert!(said.contains("exists"), "{said}");
    let later = home.path().join("later.jsonl").display().to_string();
    let reply = home.json(&["record", "crew", &later]);
    assert_eq!(reply["later"], serde_json::json!(["anna"]));
    home.ask("anna", "[[say not in it]]");
    home.teams(&["spawn", "ben", "--backend", "codex"]);
    home.ask("ben", "[[say in it]]");
    home.teams(&["stop", "ben"]);
    home.teams(&["record", "crew", "--stop"]);
    let output = home.output(&["replay", &later, "--speed", "max"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("anna ran before the recording began"), "{said}");
}

#[test]
fn a_run_is_recorded_where_its_file_says_so() {
    let home = Home::simulated();
    home.write(
        "project/teams.toml",
        "[team]\nname = 'crew'\n[record]\nfolder = 'recordings'\n[run]\ntimeout = '2m'\n\
         [[member]]\nname = 'anna'\nbackend = 'claude'\n\
         [[task]]\nname = 'pick'\nsubject = 'Pick the plums'\ndescription = '[[finish picked]]'\n\
         [[task]]\nname = 'cook'\nsubject = 'Cook them'\ndescription = '[[finish cooked]]'\ndepends-on = ['pick']\n",
    );
    let (code, report) = home.run_team_file(&[]);
    assert_eq!((code, &report["state"]), (0, &"done".into()), "{report}");
    let file = home.work().join("recordings/crew-1.jsonl");
    let text = std::fs::read_to_string(&file).expect("the recording");
    assert!(text.contains("\"method\":\"run.start\"") && text.contains("\"type\":\"run-ended\""), "{text}");
    assert!(replays(&home, &file.display().to_string()) > 20);
    home.run_team_file(&[]);
    assert!(home.work().join("recordings/crew-2.jsonl").exists());
    home.write(
        "project/teams.toml",
        "[team]\nname = 'crew'\n[record]\nfolder = '../elsewhere'\n[[task]]\nname = 'a'\n",
    );
    let (_, said) = home.fails(&["check"]);
    assert!(said.contains("4:") && said.contains("below"), "{said}");
}

#[test]
fn a_bug_report_is_replayed() {
    let (home, file) = recorded();
    home.teams(&["spawn", "anna", "--backend", "claude"]);
    home.ask("anna", "[[say the plums]]");
    home.teams(&["stop", "anna"]);
    home.teams(&["record", "crew", "--stop"]);
    let report = home.path().join("report.jsonl").display().to_string();
    home.teams(&["bugreport", &report, "--recording", &file]);
    assert_eq!(std::fs::metadata(&report).unwrap().permissions().mode() & 0o777, 0o600);
    let text = std::fs::read_to_string(&report).expect("the report");
    assert!(text.contains("\"about\":\"doctor --json\"") && text.contains("the end of the daemon's log"), "{text}");
    assert_eq!(replays(&home, &report), replays(&home, &file));
    let (_, said) = home.fails(&["bugreport", &report]);
    assert!(said.contains("not there yet"), "{said}");
    // Without a recording it has what happened.
    let events = home.path().join("events.jsonl").display().to_string();
    home.teams(&["bugreport", &events]);
    assert!(std::fs::read_to_string(&events).expect("the report").contains("the plums"));
}

#[test]
fn what_is_wrong_with_a_recording_is_said() {
    let (home, file) = recorded();
    home.teams(&["spawn", "anna", "--backend", "claude"]);
    home.ask("anna", "[[say the plums]]");
    home.teams(&["stop", "anna"]);
    home.teams(&["record", "crew", "--stop"]);
    let text = std::fs::read_to_string(&file).expect("the recording");
    let replay = |name: &str, text: &str| {
        home.write(name, text);
        let output = home.output(&["replay", &home.path().join(name).display().to_string(), "--speed", "max"]);
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    for (name, text, says) in [
        ("empty", String::new(), "does not say what it is"),
        ("other", "{\"a\":1}\n".to_owned(), "this is no recording"),
        ("bytes", "\u{1b}[2J\0".to_owned(), "this is no recording"),
        ("damaged", text.replacen("\"what\":\"started\"", "\"what\":\"sta", 1), "is damaged"),
        ("future", text.replacen("\"format\":1", "\"format\":99", 1), "a later version"),
    ] {
        let (code, said) = replay(name, &text);
        assert!(code == Some(1) && said.contains(says), "{name}: {said}");
    }
    let (_, said) = home.fails(&["replay", "/nowhere", "--speed", "max"]);
    assert!(said.contains("cannot be read"), "{said}");
    let (_, said) = home.fails(&["replay", &file, "--speed", "fast"]);
    assert!(said.contains("max"), "{said}");
    let (code, said) = replay("cut", &text[..text.len() - 20]);
    assert!(code == Some(0) && said.contains("cut off"), "{said}");
    // What comes of it now is another thing: an event that is told, and one that is not.
    let told = text.replacen(
        "\"type\":\"turn-completed\",\"text\":\"the plums\"",
        "\"type\":\"turn-completed\",\"text\":\"the pears\"",
        1,
    );
    let (code, said) = replay("told", &told);
    assert!(code == Some(1) && said.contains("the pears") && said.contains("the plums"), "{said}");
    let events: Vec<&str> = text.lines().filter(|line| !line.contains("\"type\":\"idle\"")).collect();
    let (code, said) = replay("missing", &(events.join("\n") + "\n"));
    assert!(code == Some(1) && said.contains("and now \"idle\""), "{said}");
}

/// A recording may come from anybody: nothing that it says is run, and nothing is written but in the home that is thrown away.
#[test]
fn a_recording_runs_nothing_of_this_machine() {
    let home = Home::simulated();
    let (ran, written) = (home.path().join("ran"), home.path().join("written.jsonl"));
    let touch = format!("touch {}", ran.display());
    // Programs of this machine, by the names of agents.
    for name in ["claude", "codex", "gemini", "opencode"] {
        home.write(&format!("bin/{name}"), &format!("#!/bin/sh\n{touch}\n"));
        let program = home.path().join("bin").join(name);
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    let spawn = |name: &str, more: serde_json::Value| {
        let mut params = serde_json::json!({
            "team": "crew", "name": name, "backend": "claude-code", "prompt": "", "model": null, "effort": null, "cwd": "/",
            "permissionMode": null, "environment": null, "env": null, "umask": null, "maxTurns": null, "resume": null,
            "readyTimeoutMs": 1000, "stopGraceMs": null,
        });
        params.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        params
    };
    let sh = ["/bin/sh", "-c", touch.as_str()];
    let file = format!(
        "[team]\nname='crew'\n[[member]]\nname='x'\nbackend='acp'\ncommand=\"sh -c '{touch}'\"\n[[hook]]\nevent='SessionStart'\ncommand='{touch}'\n"
    );
    let calls = [
        ("member.spawn", spawn("a", serde_json::json!({}))),
        ("member.spawn", spawn("b", serde_json::json!({ "command": sh }))),
        ("member.spawn", spawn("c", serde_json::json!({ "backend": "acp", "command": sh }))),
        (
            "member.spawn",
            spawn("d", serde_json::json!({ "backend": "codex", "env": { "PATH": home.path().join("bin") } })),
        ),
        (
            "tool.call",
            serde_json::json!({ "tool": "spawn_teammate", "arguments": { "name": "e", "backend": "gemini", "command": sh } }),
        ),
        ("team.up", serde_json::json!({ "file": { "text": file, "file": "/x", "folder": "/", "surroundings": null } })),
        ("team.record", serde_json::json!({ "team": "crew", "file": written })),
        ("team.trust_file", serde_json::json!({ "file": "/x", "text": "" })),
        ("approval.set_policy", serde_json::json!([])),
    ];
    let mut lines = vec![serde_json::json!({
        "ms": 0, "seq": 0, "what": "begun", "format": 1, "version": env!("CARGO_PKG_VERSION"), "team": "crew", "at": "",
    })];
    lines.extend(calls.map(
        |(method, params)| serde_json::json!({ "ms": 0, "seq": 0, "what": "call", "method": method, "params": params }),
    ));
    // Something to wait for, which does not come.
    lines.push(
        serde_json::json!({ "ms": 0, "seq": 0, "what": "started", "process": 1, "member": "nobody", "args": [] }),
    );
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    home.write("evil.jsonl", &text);
    let mut replay = home.command(&["replay", &home.path().join("evil.jsonl").display().to_string(), "--speed", "max"]);
    let path = format!("{}:{}", home.path().join("bin").display(), std::env::var("PATH").unwrap());
    let output = replay.env("PATH", path).output().expect("it runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("nobody: its agent is not started"), "{said}");
    assert!(!ran.exists() && !written.exists(), "{said}");
}

/// Ends a command that has a home that is thrown away, and sees that nothing of it is left.
fn leaves_nothing(home: &Home, args: &[&str], agent: &str, ends: &str) {
    let temp = home.path().join(format!("{}{ends}", args[0]));
    std::fs::create_dir(&temp).unwrap();
    let mark = format!("TMPDIR={}", temp.display());
    let mut command = home.command(args);
    let mut child = command.env("TMPDIR", &temp).stdout(std::process::Stdio::piped()).spawn().expect("it runs");
    wait_for("its agents", || home.processes_with(&mark).iter().any(|it| it.contains(agent)).then_some(()));
    signal(ends, child.id().into());
    child.wait().expect("it ends");
    wait_for("the end of all of it", || home.processes_with(&mark).is_empty().then_some(()));
    if ends != "-KILL" {
        assert_eq!(std::fs::read_dir(&temp).unwrap().count(), 0, "{args:?} {ends}: its home is gone");
    }
}

#[test]
fn a_replay_leaves_nothing_behind_however_it_is_ended() {
    let home = Home::simulated();
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/recordings/parser.jsonl");
    for ends in ["-TERM", "-INT", "-KILL"] {
        leaves_nothing(&home, &["replay", file, "web", "--json"], "app-server", ends);
    }
}

#[test]
fn a_demo_that_is_ended_leaves_nothing_behind() {
    let home = Home::simulated();
    for ends in ["-TERM", "-INT"] {
        leaves_nothing(&home, &["demo"], "app-server", ends);
    }
}

#[test]
fn a_dry_run_that_is_ended_leaves_nothing_behind() {
    let home = Home::simulated();
    home.write(
        "project/teams.toml",
        "[team]\nname = 'crew'\n[[member]]\nname = 'ben'\nbackend = 'codex'\n\
         [[task]]\nname = 'wait'\nsubject = 'Wait'\ndescription = '[[say one two]] [[hold /nonexistent/never]]'\n",
    );
    for ends in ["-TERM", "-INT"] {
        leaves_nothing(&home, &["run", "--dry-run"], "app-server", ends);
    }
}
