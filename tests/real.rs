//! The real CLIs beside our files: what Claude Code sees of our team, and what we see of its words.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

use serde_json::{Value, json};

use crate::support::{Agent, Home, wait_for};

const CLAUDE: Agent = Agent { backend: "claude", real: true };
const CODEX: Agent = Agent { backend: "codex", real: true };

/// A Claude Code that somebody else has started as a member of our team: it has its own tools, and they act on our files.
struct Live {
    child: Child,
    stdin: ChildStdin,
    lines: std::io::Lines<BufReader<ChildStdout>>,
}

impl Live {
    fn start(home: &Home) -> Self {
        let args = ["-p", "--input-format", "stream-json", "--output-format", "stream-json", "--verbose", "--model"];
        let flags = ["--agent-id", "live@crew", "--agent-name", "live", "--team-name", "crew", "--permission-mode"];
        let args: Vec<&str> =
            args.into_iter().chain([CLAUDE.model()]).chain(flags).chain(["bypassPermissions"]).collect();
        let mut command = home.agent("claude", &args);
        command.env("CLAUDE_CODE_EXPERIMENTAL_AGENT_TEAMS", "1").env("CLAUDE_CODE_ENABLE_TODO_TOOLS", "1");
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("claude runs");
        let stdin = child.stdin.take().expect("stdin");
        let lines = BufReader::new(child.stdout.take().expect("stdout")).lines();
        Self { child, stdin, lines }
    }

    fn ask(&mut self, text: &str) -> String {
        let message = json!({"type": "user", "message": {"role": "user", "content": text}});
        writeln!(self.stdin, "{message}").expect("it listens");
        loop {
            let line: Value = serde_json::from_str(&self.lines.next().expect("a line").expect("UTF-8")).expect("JSON");
            if line["type"] == "result" {
                return line["result"].to_string();
            }
        }
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
#[ignore = "needs the real agent CLIs; run scripts/test"]
fn a_live_claude_code_and_our_members_agree() {
    let home = Home::real();
    let worker = Agent { backend: "codex", real: true };
    home.team_of(worker, &[]);
    home.teams(&["task", "add", "Prune the plum tree"]);
    home.teams(&["task", "add", "Water it", "--blocked-by", "1"]);
    let mut live = Live::start(&home);
    let text = live.ask("[[call TaskList {}]]");
    assert!(text.contains("Prune the plum tree") && text.contains("Water it"), "{text}");
    live.ask(r#"[[call TaskUpdate {"taskId":"1","status":"completed"}]]"#);
    let tasks = home.json(&["task", "list"]);
    assert_eq!(tasks[0]["status"], "completed", "{tasks}");
    assert!(!home.teams(&["task", "show", "2"]).contains("waits for"));
    // What it wrote, we change, and it still reads.
    home.teams(&["task", "update", "2", "--status", "in_progress"]);
    assert!(live.ask("[[call TaskList {}]]").contains("in_progress"));
    // What its tool writes is a turn of our member, and what our member's tool writes is in its inbox.
    live.ask(r#"[[call SendMessage {"to":"worker","message":"the plums are ripe","summary":"ripe plums"}]]"#);
    let turn = home.wait_for_event("its turn", |event| event["type"] == "turn-started" && event["from"] == "live");
    let input = turn["input"].as_str().expect("an input");
    assert!(input.contains("summary=\"ripe plums\"") && input.contains("the plums are ripe"), "{input}");
    home.wait_for_state("worker", "idle");
    let report = home.ask("worker", r#"[[call mcp__teams__send_message {"to":"team-lead","message":"I know"}]]"#);
    assert_eq!(report["status"], "completed", "{report}");
    let inbox = home.json(&["inbox"]);
    let of_worker = |message: &&Value| message["from"] == "worker" && message["text"] == "I know";
    assert_eq!(inbox.as_array().expect("messages").iter().filter(of_worker).count(), 1, "{inbox}");
}

/// What a live Claude Code takes or completes is its own, and what it gives to a member of ours wakes that.
#[test]
#[ignore = "needs the real agent CLIs; run scripts/test"]
fn a_live_claude_code_and_members_that_work_share_a_list() {
    let home = Home::real();
    home.teams(&["create", "crew"]);
    let complete =
        |id: &str| format!("[[call mcp__teams__task_complete {}]]", json!({"taskId": id, "note": "by ours"}));
    home.teams(&["task", "add", "Theirs", "--priority", "-9", "--context", "tree=plum"]);
    home.teams(&["task", "add", "After it", "--blocked-by", "1", "--description", &complete("2")]);
    home.teams(&["task", "add", "Given", "--wants", "member=nobody", "--description", &complete("3")]);
    let mut live = Live::start(&home);
    live.ask(r#"[[call TaskUpdate {"taskId":"1","status":"in_progress","owner":"live"}]]"#);
    home.teams(&["spawn", "worker", "--backend", "codex", "--model", CODEX.model(), "--work"]);
    assert_eq!(home.ask("worker", "[[say nothing to do]]")["turn"], 1, "it was given nothing");
    let tasks = home.json(&["task", "list"]);
    assert_eq!((&tasks[0]["owner"], &tasks[0]["status"]), (&json!("live"), &json!("in_progress")), "{tasks}");
    let plan = &tasks[0]["metadata"]["agentTeams"];
    assert_eq!((&plan["priority"], &plan["context"]["tree"]), (&json!(-9), &json!("plum")), "Claude Code keeps it");
    live.ask(r#"[[call TaskUpdate {"taskId":"1","status":"completed"}]]"#);
    home.teams(&["task", "wait", "2", "--timeout", "60s"]);
    home.teams(&["task", "update", "3", "--status", "pending"]);
    live.ask(r#"[[call TaskUpdate {"taskId":"3","owner":"worker"}]]"#);
    home.wait_for_event("a word of it", |event| {
        event["type"] == "turn-started" && event["input"].as_str().is_some_and(|input| input.contains("Task #3: Given"))
    });
    assert!(live.ask("[[call TaskList {}]]").contains("completed"));
}

/// One of the two ways to talk to a teammate is enough: a Claude Code of ours is told of ours only.
#[test]
#[ignore = "needs the real agent CLIs; run scripts/test"]
fn a_claude_code_of_ours_has_our_tools_and_not_its_own() {
    let home = Home::real();
    home.team_of(CLAUDE, &[]);
    let said = home.ask("worker", r#"[[call SendMessage {"to":"team-lead","message":"x"}]]"#)["text"].to_string();
    assert!(said.contains("No such tool available"), "{said}");
    let said = home.ask("worker", "[[call mcp__teams__team_status {}]]")["text"].to_string();
    assert!(said.contains("teammates"), "{said}");
}

#[test]
#[ignore = "needs the real agent CLIs; run scripts/test"]
fn a_team_of_all_of_them_works_and_ends() {
    let home = Home::real();
    home.teams(&["create", "crew"]);
    for backend in ["claude", "codex", "gemini", "native"] {
        let agent = Agent { backend, real: true };
        home.teams(&["spawn", "--backend", backend, "--model", agent.model()]);
    }
    let output =
        home.teams_with_stdin(&["send", "gemini", "Review [[say it reads well]]", "--wait"], b"diff --git a b\n");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "it reads well\n");
    for name in ["claude", "codex", "native"] {
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
fn a_mixed_team_works_through_its_tasks() {
    let home = Home::real();
    home.teams(&["create", "crew"]);
    for backend in ["claude", "codex", "native"] {
        let agent = Agent { backend, real: true };
        home.teams(&["spawn", "--backend", backend, "--model", agent.model(), "--work"]);
    }
    for number in 1..=6 {
        home.teams(&["task", "add", &format!("Piece {number}")]);
    }
    for backend in ["claude-code", "codex", "native"] {
        home.teams(&["task", "add", &format!("For {backend}"), "--wants", &format!("backend={backend}")]);
    }
    let tasks = wait_for("all to be done", || {
        let tasks = home.json(&["task", "list"]);
        let all = tasks.as_array().expect("a list");
        all.iter().all(|task| task["status"] == "completed").then(|| all.clone())
    });
    assert_eq!(tasks.len(), 9);
    let owner = |subject: &str| tasks.iter().find(|task| task["subject"] == subject).expect("it")["owner"].clone();
    assert_eq!([owner("For claude-code"), owner("For codex"), owner("For native")], ["claude", "codex", "native"]);
    assert!(home.events().iter().all(|event| event["type"] != "error"));
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
