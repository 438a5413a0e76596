//! Each verb of the command line, as a person and as a script sees it.

use serde_json::Value;

use crate::support::{Home, daemon_pid, signal, wait_for};

#[test]
fn the_demo_runs_and_leaves_nothing() {
    let home = Home::simulated();
    let text = home.teams(&["demo"]);
    for expected in ["[completed]", "0 processes left", "teams/demo/config.json", "no recursion."] {
        assert!(text.contains(expected), "{expected} is not in {text}");
    }
    assert!(!text.contains('\u{1b}'), "no colour in a pipe");
    home.wait_for_no_process();
}

#[test]
fn a_team_is_created_listed_shown_and_deleted() {
    let home = Home::simulated();
    assert_eq!(home.json(&["list"]), Value::Array(Vec::new()));
    home.teams(&["create", "review", "--description", "two reviewers"]);
    // The folder is called "project".
    let created = home.json(&["create"]);
    assert_eq!(created["team"], "project");
    assert!(home.claude("teams/project/config.json").exists());
    let names: Vec<Value> =
        home.json(&["list"]).as_array().expect("a list").iter().map(|team| team["team"].clone()).collect();
    assert_eq!(names, ["project", "review"]);
    assert_eq!(home.json(&["status", "review"])["description"], "two reviewers");
    home.teams(&["delete", "review"]);
    assert!(!home.claude("teams/review").exists());
    assert_eq!(home.json(&["list"])[0]["tasks"], serde_json::json!({"pending": 0, "inProgress": 0, "completed": 0}));
}

#[test]
fn a_config_is_one_that_claude_code_reads() {
    let home = Home::simulated();
    home.teams(&["create", "crew"]);
    home.teams(&["spawn", "--backend", "claude", "--prompt", "Be kind."]);
    let text = std::fs::read_to_string(home.claude("teams/crew/config.json")).expect("a config");
    assert!(text.starts_with("{\n  \"name\": \"crew\",\n  \"createdAt\": ") && !text.ends_with('\n'), "{text}");
    let config: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(config["leadAgentId"], "team-lead@crew");
    let member = &config["members"][1];
    assert_eq!((&member["agentId"], &member["name"]), (&"claude@crew".into(), &"claude".into()));
    assert_eq!((&member["color"], &member["prompt"]), (&"blue".into(), &"Be kind.".into()));
    assert_eq!(member["cwd"].as_str(), home.work().canonicalize().expect("a path").to_str());
    assert_eq!(std::fs::read(home.claude("teams/crew/inboxes/claude.json")).expect("an inbox"), b"[]");
}

#[test]
fn members_are_named_after_their_backends() {
    let home = Home::simulated();
    home.teams(&["create", "crew"]);
    let names: Vec<Value> = ["gemini", "gemini", "claude-code"]
        .iter()
        .map(|backend| home.json(&["spawn", "--backend", backend])["name"].clone())
        .collect();
    assert_eq!(names, ["gemini", "gemini-2", "claude"]);
}

#[test]
fn input_comes_from_the_line_the_pipe_or_both() {
    let home = Home::simulated();
    home.teams(&["create", "crew"]);
    home.teams(&["spawn", "g", "--backend", "gemini"]);
    let ask = |text: Option<&str>, stdin: &str| {
        let args: Vec<&str> = ["ask", "g"].into_iter().chain(text).collect();
        let output = home.teams_with_stdin(&args, stdin.as_bytes());
        String::from_utf8(output.stdout).expect("UTF-8")
    };
    assert_eq!(ask(Some("Review"), "diff --git\n"), "echo: Review\n\ndiff --git\n");
    assert_eq!(ask(None, "only the pipe"), "echo: only the pipe\n");
    let output = home.teams_with_stdin(&["ask", "g"], b"  \n");
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("nothing to send"));
    // Bytes that are no text are replaced, not refused.
    let output = home.teams_with_stdin(&["ask", "g"], b"bad \xff byte");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "echo: bad \u{fffd} byte\n");
}

#[test]
fn a_timeout_ends_the_waiting_and_not_the_turn() {
    let home = Home::simulated();
    home.teams(&["create", "crew"]);
    home.teams(&["spawn", "c", "--backend", "claude"]);
    let hold = home.hold("go");
    let (code, error) = home.fails(&["ask", "c", &format!("[[say a b]] {hold}"), "--timeout", "0.1"]);
    assert!(code == 124 && error.contains("teams interrupt c"), "{code} {error}");
    hold.release();
    home.wait_for_event("its end", |event| event["type"] == "turn-completed");
    // An open pipe that nobody writes to counts as waiting.
    let mut child = home
        .command(&["ask", "c", "hi", "--timeout", "0.2"])
        .stdin(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null())
        .spawn()
        .expect("it runs");
    let _open = child.stdin.take();
    assert_eq!(child.wait().expect("it ends").code(), Some(124));
}

#[test]
fn what_waits_and_what_runs_can_be_replaced() {
    let home = Home::simulated();
    home.teams(&["create", "crew"]);
    home.teams(&["spawn", "c", "--backend", "claude"]);
    home.teams(&["send", "c", "[[silence]]"]);
    assert_eq!(home.teams(&["ask", "c", "--interrupt", "[[say instead]]"]), "instead\n");
    let interrupted = home.events().into_iter().find(|event| event["type"] == "turn-interrupted").expect("an end");
    assert_eq!(interrupted["turn"], 1);
}

#[test]
fn the_transcript_is_read_in_pieces_and_as_text() {
    let home = Home::simulated();
    home.teams(&["create", "crew"]);
    for name in ["a", "b"] {
        home.teams(&["spawn", name, "--backend", "claude"]);
        home.teams(&["ask", name, &format!("[[say I am {name}]]")]);
    }
    let text = home.teams(&["tail"]);
    assert!(text.contains("a: I am a\n") && text.contains("b: I am b\n"), "{text}");
    let of_b = home.teams(&["tail", "b"]);
    assert!(of_b.contains("I am b\n") && !of_b.contains("I am a"), "{of_b}");
    for backend in ["codex", "gemini", "gemini-acp"] {
        home.teams(&["spawn", backend, "--backend", backend]);
        home.teams(&["ask", backend, "[[say just once]]"]);
        assert_eq!(home.teams(&["tail", backend]).matches("\njust once").count(), 1, "{backend}");
    }
    let numbers = |args: &[&str]| -> Vec<u64> {
        let lines = home.teams(args);
        lines
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).expect("JSON")["seq"].as_u64().expect("a number"))
            .collect()
    };
    let all = numbers(&["tail", "--json"]);
    assert_eq!(numbers(&["tail", "--json", "-n", "3"]), all[all.len() - 3..]);
    assert_eq!(numbers(&["tail", "--json", "--since", "4"]), all[3..]);
}

#[test]
fn who_follows_follows_the_next_daemon_too() {
    use std::io::{BufRead, BufReader};
    let home = Home::simulated();
    home.teams(&["create", "crew"]);
    home.teams(&["spawn", "c", "--backend", "claude"]);
    home.ask("c", "[[say before]]");
    let mut followers = [&["tail", "c", "-f"][..], &["approvals", "--follow"], &["inbox", "--follow"]].map(|verb| {
        let mut child = home.start(verb);
        let lines = BufReader::new(child.stdout.take().expect("stdout")).lines();
        (child, lines)
    });
    let wait_for_line = |lines: &mut std::io::Lines<_>, text: &str| {
        assert!(lines.any(|line: std::io::Result<String>| line.expect("text").contains(text)), "no {text}");
    };
    wait_for_line(&mut followers[0].1, "before");
    wait_for_line(&mut followers[2].1, "before");
    signal("-9", daemon_pid(&home));
    home.teams(&["resume"]);
    home.ask("c", "[[say after]]");
    home.teams(&["send", "c", "[[run touch made]]"]);
    wait_for_line(&mut followers[0].1, "after");
    wait_for_line(&mut followers[1].1, "touch made");
    wait_for_line(&mut followers[2].1, "after");
    for (mut child, _) in followers {
        child.kill().expect("it runs");
        child.wait().expect("it ends");
    }
}

#[test]
fn a_follower_gets_what_comes_and_what_it_missed() {
    use std::io::{BufRead, BufReader};
    let home = Home::simulated();
    home.teams(&["create", "crew"]);
    home.teams(&["spawn", "c", "--backend", "claude"]);
    let mut tail = home.start(&["tail", "c", "-f", "--json"]);
    let mut lines = BufReader::new(tail.stdout.take().expect("stdout")).lines();
    home.teams(&["send", "c", "[[flood 20000]]"]);
    // The first is the team's.
    let (mut next, mut text) = (2, String::new());
    loop {
        let event: Value = serde_json::from_str(&lines.next().expect("a line").expect("text")).expect("JSON");
        assert_eq!(event["seq"], next);
        next += 1;
        match event["type"].as_str() {
            Some("delta") => text.push_str(event["text"].as_str().expect("a text")),
            Some("turn-completed") => break,
            _ => {}
        }
    }
    assert_eq!((text.lines().count(), text.lines().last()), (20_000, Some("line 19999")));
    tail.kill().expect("it runs");
    tail.wait().expect("it ends");
}

#[test]
fn tasks_are_added_changed_drawn_and_deleted() {
    let home = Home::simulated();
    home.teams(&["create", "crew"]);
    home.teams(&["spawn", "w", "--backend", "gemini"]);
    home.teams(&["task", "add", "Parse", "--description", "by hand", "--active-form", "Parsing", "--owner", "w"]);
    home.teams(&["task", "add", "Test", "--blocked-by", "1"]);
    let list = home.json(&["task", "list"]);
    assert_eq!(list[0]["blocks"], serde_json::json!(["2"]));
    assert_eq!(list[1]["blockedBy"], serde_json::json!(["1"]));
    assert_eq!(home.json(&["task", "list", "--owner", "w"]).as_array().map(Vec::len), Some(1));
    assert_eq!(home.json(&["task", "list", "--status", "completed"]), serde_json::json!([]));
    assert!(home.teams(&["task", "show", "2"]).contains("waits for: #1"));
    assert!(home.teams(&["task", "done", "1"]).contains("#2 waits no longer"));
    home.teams(&["task", "update", "2", "--status", "in_progress", "--owner", "w", "--subject", "Test it"]);
    assert_eq!(home.teams(&["task", "graph"]), "[x] #1 Parse (w)\n[>] #2 Test it (w)  <- #1\n");
    assert!(home.teams(&["task", "graph", "--format", "mermaid"]).contains("t1 --> t2"));
    assert!(home.teams(&["task", "graph", "--format", "svg"]).starts_with("<svg "));
    assert_eq!(home.teams(&["task", "tree"]), "[x] #1 Parse (w)\n└─ [>] #2 Test it (w)\n");
    home.teams(&["task", "delete", "2"]);
    assert_eq!(home.json(&["task", "add", "Third"])["id"], "3");
    // What others put into a file is shown, and stays.
    let path = home.claude("tasks/crew/1.json");
    let text = std::fs::read_to_string(&path).expect("a task").replace("{\n", "{\n  \"zeta\": 1,\n");
    std::fs::write(&path, text).expect("written");
    assert_eq!(home.json(&["task", "list", "--owner", "w"])[0]["zeta"], 1);
    // The owner was told, in the form of Claude Code.
    let assignments: Vec<Value> = wait_for("both assignments", || {
        let events = home.events();
        let mail = events.iter().filter(|event| event["type"] == "mail" && event["state"] == "injected");
        let texts: Vec<Value> =
            mail.map(|event| serde_json::from_str(event["text"].as_str().expect("a text")).expect("JSON")).collect();
        (texts.len() == 2).then_some(texts)
    });
    assert_eq!((&assignments[0]["type"], &assignments[0]["taskId"]), (&"task_assignment".into(), &"1".into()));
    // What a program wrote has its way, too: this one, and what the lead is told of its turn.
    let events = home.events();
    let injected = events.iter().find(|event| event["type"] == "mail" && event["state"] == "injected").expect("one");
    let notification = wait_for("a notification", || home.json(&["inbox"])[0]["msg_id"].as_str().map(str::to_owned));
    for id in [injected["id"].as_str().expect("an id"), &notification] {
        let way = home.json(&["trace", id]);
        assert!(way.as_array().expect("steps").iter().any(|step| step["state"] == "queued"), "{way}");
    }
}

#[test]
fn the_lead_s_inbox_is_read_without_being_emptied() {
    let home = Home::simulated();
    home.teams(&["create", "crew"]);
    for name in ["a", "b"] {
        home.teams(&["spawn", name, "--backend", "gemini"]);
    }
    let reached = home.json(&["message", "*", "to all", "--from", "a"]);
    assert_eq!(reached["to"], serde_json::json!(["team-lead", "b"]));
    for _ in 0..2 {
        let of_lead = home.json(&["inbox"]);
        assert_eq!((&of_lead[0]["from"], &of_lead[0]["text"]), (&"a".into(), &"to all".into()));
        assert_eq!(of_lead[0]["color"], "blue");
    }
    let of_lead = home.json(&["inbox"]);
    let keys: Vec<&String> = of_lead[0].as_object().expect("an object").keys().collect();
    assert_eq!(keys, ["from", "text", "timestamp", "color", "msgV", "msg_id", "type", "via", "read"]);
}

#[test]
fn a_question_that_nobody_answers_is_denied_in_the_end() {
    let home = Home::simulated().with_env("TEAMS_APPROVAL_TIMEOUT", "1");
    home.teams(&["create", "crew"]);
    home.teams(&["spawn", "c", "--backend", "claude"]);
    let report = home.ask("c", "[[run touch made]]");
    assert_eq!(report["status"], "completed", "{report}");
    assert!(!home.work().join("made").exists());
    let closed = home.wait_for_event("its end", |event| event["type"] == "approval-closed");
    assert_eq!(closed["outcome"], "expired");
    let text = home.teams(&["tail", "c"]);
    assert!(text.contains("asks: Bash touch made"), "{text}");
}

#[test]
fn completions_and_help_are_there_for_every_verb() {
    let home = Home::simulated();
    for shell in ["bash", "zsh", "fish"] {
        assert!(home.teams(&["completions", shell]).contains("spawn"));
    }
    let help = home.teams(&["--help"]);
    for verb in ["create", "spawn", "send", "ask", "tail", "stop", "task", "message", "inbox", "doctor", "demo"] {
        assert!(help.contains(&format!("  {verb} ")), "{verb} is not in {help}");
        home.teams(&[verb, "--help"]);
    }
    assert!(!help.contains("simulate "), "it is hidden");
}

#[test]
fn the_doctor_names_what_is_missing() {
    let home = Home::simulated().with_env("TEAMS_SIMULATE", "0").with_env("PATH", "/usr/bin:/bin");
    let (code, error) = home.fails(&["doctor"]);
    assert!(code == 1 && error.contains("no agent CLI is usable yet"), "{error}");
    let output = home.command(&["doctor", "--json"]).output().expect("it runs");
    let findings: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let text = findings[0]["detail"].as_str().expect("a detail");
    assert!(text.contains("npm install -g @anthropic-ai/claude-code"), "{text}");
    assert_eq!((&findings[3]["what"], &findings[3]["ok"]), (&"native".into(), &false.into()), "{findings}");
    assert!(findings[3]["remedy"].to_string().contains("ANTHROPIC_API_KEY"), "{findings}");
    assert_eq!((&findings[4]["what"], &findings[4]["ok"]), (&"state".into(), &true.into()), "{findings}");
}
