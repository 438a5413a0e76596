//! Backend `auto`: which one is chosen, why, and what is said where none can be.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use agent_teams::prelude::*;
use agent_teams::routing::{AUTO, BackendRouter, Candidate, KeywordRouter, Route, RouteRequest};
use serde_json::{Value, json};

use crate::library::simulated;
use crate::support::{Client, Home, daemon_pid, signal, teams_binary, wait_for};
use crate::worktrees::{git, repository};

fn crew() -> Home {
    let home = Home::simulated();
    home.teams(&["create", "crew"]);
    home
}

/// Which backend a member got, and why.
fn chosen(member: &Value) -> (&str, &str) {
    (member["backend"].as_str().expect("a backend"), member["routed"].as_str().expect("a reason"))
}

fn spawn(home: &Home, args: &[&str]) -> Value {
    home.json(&[&["spawn", "--backend", "auto"], args].concat())
}

#[test]
fn a_backend_is_chosen_and_the_reason_is_shown_and_kept() {
    let home = crew();
    let first = spawn(&home, &["--prompt", "You write Rust."]);
    assert_eq!(chosen(&first), ("claude-code", "order: it is the first of 5 that can be used here"));
    assert_eq!(first["name"], "claude", "it is called after what was chosen");
    assert_eq!(spawn(&home, &[])["name"], "claude-2");
    let named = spawn(&home, &["codex-tester", "--prompt", "You fix typos."]);
    assert_eq!(chosen(&named), ("codex", "name: it is called after it"));
    let simple = spawn(&home, &["fixer", "--prompt", "You fix typos."]);
    let (backend, reason) = chosen(&simple);
    assert_eq!(backend, "gemini");
    assert!(
        reason.starts_with("complexity: the work seems simple (score -3), and cost: it is the cheapest"),
        "{reason}"
    );
    assert!(reason.contains("by the default table of ") && reason.contains("no measurement"), "{reason}");
    // Settings that only some can have narrow the choice.
    let model = spawn(&home, &["gemini-x", "--model", "claude-sonnet-4-5"]);
    assert_eq!(chosen(&model).0, "claude-code");
    assert_eq!(chosen(&spawn(&home, &["gemini-y", "--max-turns", "5"])).0, "claude-code");
    let shown = home.output(&["spawn", "shown", "--backend", "auto"]);
    let told = String::from_utf8_lossy(&shown.stderr).into_owned();
    assert!(told.contains("shown: claude-code was chosen: order: "), "{told}");
    assert!(String::from_utf8_lossy(&shown.stdout).contains("shown: claude-code is ready"));
    // It is seen later, too.
    assert_eq!(home.member("fixer")["routed"], simple["routed"]);
    let status = home.output(&["status"]);
    let status = [status.stdout, status.stderr].concat();
    let status = String::from_utf8_lossy(&status);
    assert!(status.contains("fixer: gemini was chosen: complexity: "), "{status}");
    let events = home.events();
    let of = |kind: &str| events.iter().position(|event| event["type"] == kind && event["agent"] == "fixer");
    let routed = &events[of("routed").expect("an event")];
    assert_eq!((&routed["backend"], &routed["reason"]), (&json!("gemini"), &simple["routed"]));
    assert!(of("routed") < of("spawned"));
    assert!(home.teams(&["tail", "fixer"]).contains("gemini was chosen for it: complexity"));
}

#[test]
fn what_was_measured_changes_the_choice_and_a_resume_does_not() {
    let home = crew();
    home.teams(&["spawn", "worker", "--backend", "claude"]);
    let before = spawn(&home, &["before", "--prompt", "You fix typos."]);
    assert_eq!(chosen(&before).0, "gemini");
    for _ in 0..5 {
        home.ask("worker", "[[say done]]");
    }
    let after = spawn(&home, &["after", "--prompt", "You fix typos."]);
    let (backend, reason) = chosen(&after);
    assert_eq!(backend, "claude-code");
    assert!(reason.ends_with("0.0010 US dollars a turn, the median of 5 turns of this team)"), "{reason}");
    // Another team has the figures of all.
    home.teams(&["create", "other"]);
    let elsewhere = spawn(&home, &["-t", "other", "after", "--prompt", "You fix typos."]);
    assert!(chosen(&elsewhere).1.ends_with("the median of 5 turns of all teams)"), "{elsewhere}");
    home.teams(&["delete", "other", "--force"]);
    // Who has a backend keeps it.
    home.teams(&["stop", "before"]);
    home.teams(&["resume", "crew"]);
    home.teams(&["-t", "crew", "send", "before", "[[say hello]]", "--wait"]);
    assert_eq!(chosen(&home.member("before")), chosen(&before));
    signal("-9", daemon_pid(&home));
    wait_for("its agents to end", || home.processes().is_empty().then_some(()));
    home.teams(&["resume", "crew"]);
    assert_eq!(chosen(&home.member("before")), chosen(&before));
}

/// A replay has other figures, and is told what was chosen.
#[test]
fn a_recording_replays_what_was_chosen() {
    let home = crew();
    home.teams(&["spawn", "worker", "--backend", "claude"]);
    for _ in 0..5 {
        home.ask("worker", "[[say done]]");
    }
    home.teams(&["create", "other"]);
    home.teams(&["record", "other", "other.jsonl"]);
    let member = spawn(&home, &["-t", "other", "m", "--prompt", "You fix typos."]);
    assert_eq!(chosen(&member).0, "claude-code", "by what was measured elsewhere");
    home.teams(&["-t", "other", "send", "m", "[[say hello]]", "--wait"]);
    home.teams(&["record", "other", "--stop"]);
    // It fails where other events come of it.
    let shown = home.teams(&["replay", "other.jsonl", "--speed", "max"]);
    assert!(shown.contains("m: [claude-code was chosen for it: ") && shown.contains("all teams"), "{shown}");
}

/// What could not be started is no part of what is played.
#[test]
fn a_recording_replays_a_choice_that_was_made_again() {
    let codex = format!("exec {} simulate codex -- \"$@\"", teams_binary());
    let home = bare(&[("claude", "echo 'Invalid API key' >&2; exit 1"), ("codex", &codex)]);
    home.teams(&["record", "crew", "crew.jsonl"]);
    for args in [&["m"][..], &[]] {
        let member = spawn(&home, args);
        let (backend, reason) = chosen(&member);
        assert!(backend == "codex" && reason.ends_with("after claude-code could not be started"), "{member}");
    }
    home.teams(&["send", "m", "[[say hello]]", "--wait"]);
    home.teams(&["record", "crew", "--stop"]);
    let shown = home.teams(&["replay", "crew.jsonl", "--speed", "max"]);
    assert!(shown.contains("m: [codex was chosen for it: ") && shown.contains("hello"), "{shown}");
}

/// The branch is free for the next one.
#[test]
fn what_does_not_start_leaves_no_worktree() {
    let codex = format!("exec {} simulate codex -- \"$@\"", teams_binary());
    let home = bare(&[("claude", "exit 1"), ("codex", &codex)]);
    repository(&home.work());
    for branch in ["old", "new"] {
        if branch == "old" {
            git(&home.work(), &["branch", branch]);
        }
        let member = spawn(&home, &["--worktree", branch]);
        assert_eq!(chosen(&member).0, "codex", "{member}");
    }
    let list = git(&home.work(), &["worktree", "list"]);
    assert_eq!(list.lines().count(), 3, "{list}");
    // Nor does it when nobody can be started.
    home.fails(&["spawn", "--backend", "claude", "--worktree", "third"]);
    home.fails(&["spawn", "--backend", "claude", "--worktree"]);
    assert_eq!(git(&home.work(), &["worktree", "list"]), list);
    let branches = git(&home.work(), &["branch", "--format=%(refname:short)"]);
    assert_eq!(branches.lines().collect::<Vec<_>>(), ["main", "new", "old"]);
}

/// A home in which no agent is simulated by itself, with these programs on PATH besides those that every shell needs.
fn bare(programs: &[(&str, &str)]) -> Home {
    let home = Home::simulated().with_env("TEAMS_SIMULATE", "0");
    let bin = home.path().join("bin");
    std::fs::create_dir(&bin).expect("a folder");
    for (name, script) in programs {
        let path = bin.join(name);
        std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).expect("a program");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("it can be run");
    }
    let path = format!("{}:/usr/bin:/bin", bin.display());
    let home = home.with_env("PATH", &path).with_env("AGENT_SIMULATE_DIR", &bin.display().to_string());
    home.teams(&["create", "crew"]);
    home
}

#[test]
fn where_none_can_be_used_each_says_why() {
    let home = bare(&[]);
    let (code, error) = home.fails(&["spawn", "m", "--backend", "auto"]);
    assert_eq!(code, 1);
    for said in [
        "no backend can be used here",
        "claude-code: the program `claude` was not found",
        "codex: the program `codex` was not found",
        "gemini: the program `gemini` was not found",
        "native: no language model is set up",
        "acp: which program it runs, only a person says",
        "teams doctor",
    ] {
        assert!(error.contains(said), "{said}: {error}");
    }
    let kind: Value =
        serde_json::from_slice(&home.output(&["spawn", "--backend", "auto", "--json"]).stdout).expect("JSON");
    assert_eq!(kind["error"]["kind"], "no-backend");
    assert!(home.json(&["status"])["members"].as_array().expect("members").is_empty());
    // What cannot be chosen, and what nobody has.
    let (_, error) = home.fails(&["spawn", "m", "--backend", "auto", "--resume", "0b0f"]);
    assert!(error.contains("name the backend"), "{error}");
    let (_, error) = home.fails(&["spawn", "m", "--backend", "auto", "--command", "x"]);
    assert!(error.contains("--command is for --backend acp"), "{error}");
    home.write(
        "project/teams.toml",
        "[team]\nname = \"crew\"\n[[member]]\nname = \"m\"\nbackend = \"auto\"\ncommand = \"x\"\n",
    );
    assert!(home.fails(&["check"]).1.contains("`auto` chooses among the others"));
}

#[test]
fn the_callers_own_path_counts_and_what_does_not_start_is_left_out() {
    let codex = format!("exec {} simulate codex -- \"$@\"", teams_binary());
    let home = bare(&[("claude", "echo 'Invalid API key' >&2; exit 1"), ("codex", &codex), ("gemini", "exit 1")]);
    let member = spawn(&home, &["m"]);
    let (backend, reason) = chosen(&member);
    assert_eq!(backend, "codex");
    assert_eq!(reason, "order: it is the only one that can be used here, after claude-code could not be started");
    let (_, error) = home.fails(&["spawn", "n", "--backend", "auto", "--model", "gemini-2.5-pro"]);
    assert!(error.contains("codex: it does not have the model gemini-2.5-pro"), "{error}");
    assert!(error.contains("gemini: it is not logged in"), "{error}");
}

#[test]
fn a_team_file_has_backends_chosen_by_what_its_members_do() {
    let home = Home::simulated().with_env("AGENT_SIMULATE_FINISH", "1");
    home.write(
        "project/teams.toml",
        "[team]\nname = \"crew\"\n[defaults]\nbackend = \"auto\"\n[[member]]\nname = \"lead-dev\"\nbackend = \"claude-code\"\n\
         [[member]]\nname = \"wanted\"\n[[member]]\nname = \"fixer\"\n\
         [[task]]\nname = \"fix\"\nsubject = \"Fix a typo\"\nowner = \"fixer\"\n[[task]]\nname = \"other\"\nwants = { backend = \"codex\" }\n",
    );
    home.teams(&["check"]);
    let (code, report) = home.run_team_file(&[]);
    assert_eq!((code, &report["state"]), (0, &json!("done")), "{report}");
    let wanted = home.member("wanted");
    assert_eq!(wanted["backend"], "codex", "its task wants one: {wanted}");
    let fixer = home.member("fixer");
    assert_eq!(chosen(&fixer).0, "gemini", "{fixer}");
    assert!(chosen(&fixer).1.contains("the work seems simple"), "{fixer}");
    assert!(home.member("lead-dev")["routed"].is_null());
    // A dry run shows the choice, too.
    let output = home.output(&["run", "--dry-run"]);
    let shown = String::from_utf8_lossy(&output.stdout);
    assert!(shown.contains("fixer: gemini was chosen: complexity: the work seems simple"), "{shown}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("chosen among all backends here"));
}

/// A lead may leave it open, too.
#[test]
fn a_lead_starts_a_teammate_of_whichever_backend_fits() {
    let home = crew();
    let mut lead = Client::lead(&home);
    let said = lead.does("spawn_teammate", json!({"name": "anna", "backend": "auto", "prompt": "You fix typos."}));
    assert!(said.starts_with("anna is ready. Note: gemini was chosen: complexity: "), "{said}");
    assert_eq!(home.member("anna")["backend"], "gemini");
}

struct Stubborn;

impl BackendRouter for Stubborn {
    fn name(&self) -> &str {
        "stubborn"
    }

    fn route(&self, _: &RouteRequest, _: &[Candidate]) -> Option<Route> {
        Some(Route { backend: BackendType::GeminiCli, reason: "always".into() })
    }
}

#[tokio::test]
async fn a_program_has_a_router_of_its_own() -> agent_teams::Result<()> {
    let builder = |dir: &Path| {
        TeamOrchestrator::builder()
            .teams_base(dir.join("teams"))
            .tasks_base(dir.join("tasks"))
            .state_dir(dir.join("state"))
            .with_claude_code(ClaudeCodeBackend::with_command(simulated("claude-code")))
            .with_codex(CodexBackend::with_command(simulated("codex")))
    };
    let dir = tempfile::tempdir().expect("a folder");
    let by_word = KeywordRouter::new().rule("sql", BackendType::Codex);
    let orchestrator = builder(dir.path()).with_router(by_word).build()?;
    orchestrator.create_team("team", None).await?;
    let config =
        |name: &str, prompt: &str| SpawnConfig { cwd: Some(dir.path().to_owned()), ..SpawnConfig::new(name, prompt) };
    let member = orchestrator.spawn_teammate("team", config("a", "You tune SQL."), AUTO).await?;
    assert_eq!(member.backend, Some(BackendType::Codex));
    assert_eq!(member.routed.as_deref(), Some("its instructions have the word `sql`"));
    let called = SpawnConfig { command: Some(simulated("codex")), ..config("b", "") };
    let refused = orchestrator.spawn_teammate("team", called, AUTO).await.expect_err("whose command").to_string();
    assert!(refused.contains("a command is one agent's"), "{refused}");
    let silent =
        orchestrator.spawn_teammate("team", config("b", "You rest."), AUTO).await.expect_err("no router answers");
    assert_eq!(silent.kind(), ErrorKind::NoBackend);
    orchestrator.shutdown().await;
    let other = tempfile::tempdir().expect("a folder");
    let orchestrator = builder(other.path()).with_router(Stubborn).build()?;
    orchestrator.create_team("team", None).await?;
    let bad =
        orchestrator.spawn_teammate("team", config("a", ""), AUTO).await.expect_err("it is not set up").to_string();
    assert!(bad.contains("the router `stubborn` has chosen gemini") && bad.contains("no such backend"), "{bad}");
    orchestrator.shutdown().await;
    Ok(())
}
