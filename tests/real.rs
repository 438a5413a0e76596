//! The real CLIs beside our files: what Claude Code sees of our team, and what we see of its words.

use serde_json::Value;

use crate::support::{Agent, Home};

const CLAUDE: Agent = Agent { backend: "claude", real: true };

#[test]
#[ignore = "needs the real agent CLIs; run scripts/test"]
fn claude_code_sees_our_tasks_and_writes_to_our_inboxes() {
    let home = Home::real();
    let name = home.team_of(CLAUDE, &["--permission-mode", "bypassPermissions"]);
    home.teams(&["task", "add", "Prune the plum tree", "--owner", "worker"]);
    home.teams(&["task", "add", "Water it", "--blocked-by", "1"]);
    let report = home.ask(&name, "[[call TaskList {}]]");
    let text = report["text"].as_str().expect("a text");
    assert!(text.contains("Prune the plum tree") && text.contains("Water it"), "{text}");

    let report = home
        .ask(&name, r#"[[call SendMessage {"to":"team-lead","message":"the plums are ripe","summary":"ripe plums"}]]"#);
    assert_eq!(report["status"], "completed", "{report}");
    let inbox = home.json(&["inbox"]);
    let last = inbox.as_array().expect("messages").last().expect("a message").clone();
    assert_eq!((&last["from"], &last["text"]), (&"worker".into(), &"the plums are ripe".into()), "{inbox}");

    let report = home.ask(&name, r#"[[call TaskUpdate {"taskId":"1","status":"completed"}]]"#);
    assert_eq!(report["status"], "completed", "{report}");
    let tasks = home.json(&["task", "list"]);
    assert_eq!(tasks[0]["status"], "completed", "{tasks}");
    assert!(!home.teams(&["task", "show", "2"]).contains("waits for"));

    // What it wrote, we change, and it still reads.
    home.teams(&["task", "update", "2", "--status", "in_progress"]);
    let text = home.ask(&name, "[[call TaskList {}]]")["text"].to_string();
    assert!(text.contains("in_progress"), "{text}");
}

#[test]
#[ignore = "needs the real agent CLIs; run scripts/test"]
fn a_team_of_all_of_them_works_and_ends() {
    let home = Home::real();
    home.teams(&["create", "crew"]);
    for backend in ["claude", "codex", "gemini"] {
        let agent = Agent { backend, real: true };
        home.teams(&["spawn", "--backend", backend, "--model", agent.model()]);
    }
    let output =
        home.teams_with_stdin(&["send", "gemini", "Review [[say it reads well]]", "--wait"], b"diff --git a b\n");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "it reads well\n");
    for name in ["claude", "codex"] {
        assert_eq!(home.teams(&["ask", name, "[[say so do I]]"]), "so do I\n");
    }
    let doctor = home.command(&["doctor", "--json"]).output().expect("it runs");
    let findings: Value = serde_json::from_slice(&doctor.stdout).expect("JSON");
    for (at, version) in [(0, "2.1.329"), (1, "0.169.0"), (2, "0.61.0")] {
        assert_eq!(
            (&findings[at]["version"], &findings[at]["loggedIn"]),
            (&version.into(), &true.into()),
            "{findings}"
        );
    }
    let stopped = home.json(&["stop", "--all"]);
    assert!(stopped.as_array().expect("a list").iter().all(|member| member["left"] == 0), "{stopped}");
    home.wait_for_only_the_daemon();
}

#[test]
#[ignore = "needs the real agent CLIs; run scripts/test"]
fn who_is_not_logged_in_is_told_how() {
    let home = Home::real().with_env("ANTHROPIC_API_KEY", "");
    home.teams(&["create", "crew"]);
    let (code, error) = home.fails(&["spawn", "--backend", "claude"]);
    assert!(code == 1 && error.contains("not logged in") && error.contains("/login"), "{error}");
    home.write(".codex/config.toml", "");
    let (code, error) = home.fails(&["spawn", "--backend", "codex"]);
    assert!(code == 1 && error.contains("not logged in") && error.contains("codex login"), "{error}");
    home.wait_for_only_the_daemon();
}

#[test]
#[ignore = "needs the real agent CLIs; run scripts/test"]
fn two_codex_members_share_one_server() {
    let home = Home::real();
    home.teams(&["create", "crew"]);
    let pids: Vec<Value> =
        ["a", "b"].iter().map(|name| home.json(&["spawn", name, "--backend", "codex"])["pid"].clone()).collect();
    assert_eq!(pids[0], pids[1]);
    for name in ["a", "b"] {
        home.teams(&["send", name, &format!("[[slow 50]] [[say one two three {name}]]")]);
    }
    for name in ["a", "b"] {
        let end = home.wait_for_event("an end", |event| event["agent"] == name && event["type"] == "turn-completed");
        assert_eq!(end["text"], format!("one two three {name}"));
    }
    home.teams(&["stop", "a"]);
    assert_eq!(home.ask("b", "[[recall]]")["status"], "completed");
}

#[test]
#[ignore = "needs the real agent CLIs; run scripts/test"]
fn codex_asks_before_it_changes_a_file() {
    let home = Home::real();
    let codex = Agent { backend: "codex", real: true };
    let name = home.team_of(codex, &[]);
    let asking = home.start(&["ask", &name, "[[write made.txt]]", "--json"]);
    let id = home.wait_for_approval();
    let event = home.wait_for_event("the question", |event| event["type"] == "approval");
    assert_eq!(event["tool"], "apply_patch", "{event}");
    assert!(event["summary"].as_str().is_some_and(|summary| summary.contains("made.txt")), "{event}");
    home.teams(&["approve", &id]);
    asking.wait_with_output().expect("it ends");
    assert_eq!(std::fs::read_to_string(home.work().join("made.txt")).expect("a file"), "written\n");
}

#[test]
#[ignore = "needs the real agent CLIs; run scripts/test"]
fn codex_does_not_wait_for_ever_for_a_network_that_is_down() {
    let home = Home::real();
    let codex = Agent { backend: "codex", real: true };
    // A port of loopback that nobody listens on.
    let port = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address").port();
    let path = home.path().join(".codex/config.toml");
    let config = std::fs::read_to_string(&path).expect("a configuration");
    let url = home.model.as_ref().expect("an endpoint").url();
    std::fs::write(&path, config.replace(&url, &format!("http://127.0.0.1:{port}"))).expect("written");
    let name = home.team_of(codex, &[]);
    let report = home.ask(&name, "hello");
    assert_eq!(report["status"], "failed", "{report}");
}

#[test]
#[ignore = "needs the real agent CLIs; run scripts/test"]
fn what_looks_like_a_command_reaches_gemini_as_text_over_acp() {
    let home = Home::real();
    let name = home.team_of(Agent { backend: "gemini-acp", real: true }, &[]);
    let report = home.ask(&name, "/about [[say it was only text]]");
    assert_eq!(report["text"], "it was only text", "{report}");
}
