//! Whatever comes in, a clear error comes out, with exit code 1 or 2, and nothing is lost.

use crate::support::Home;

/// Runs a command that must fail with this code, and say all of these.
#[track_caller]
fn check(home: &Home, args: &[&str], code: i32, says: &[&str]) {
    let (got, error) = home.fails(args);
    assert_eq!(got, code, "{error}");
    for expected in says {
        assert!(error.contains(expected), "`{expected}` is not in: {error}");
    }
    assert!(!error.trim().is_empty());
}

#[test]
fn bad_names_are_refused_before_anything_is_made() {
    let home = Home::simulated();
    let long = "n".repeat(64);
    let wide = "é".repeat(40);
    for name in ["../../x", "A b", "a/b", "", ".", "a\nb", &long, &wide] {
        check(&home, &["create", name], 1, &["not a valid team name"]);
    }
    check(&home, &["create", "--", "-rf"], 1, &["not a valid team name"]);
    home.teams(&["create", "crew"]);
    for name in ["../../x", "A", "x.json", &long] {
        check(&home, &["spawn", name, "--backend", "gemini"], 1, &["not a valid member name"]);
    }
    for name in ["team-lead", "main", "user", "system"] {
        check(&home, &["spawn", name, "--backend", "gemini"], 1, &["has a meaning of its own"]);
    }
    let left: Vec<_> =
        std::fs::read_dir(home.claude("teams")).expect("teams").flatten().map(|entry| entry.file_name()).collect();
    assert_eq!(left, ["crew"]);
}

#[test]
fn who_and_what_is_not_there_is_named_with_what_is() {
    let home = Home::simulated();
    check(&home, &["status"], 1, &["there is no team yet", "teams create"]);
    home.teams(&["create", "one"]);
    home.teams(&["create", "two"]);
    check(&home, &["status"], 1, &["which team?", "one, two"]);
    check(&home, &["status", "three"], 1, &["no team `three`", "one, two"]);
    check(&home, &["create", "one"], 1, &["exists already"]);
    home.teams(&["spawn", "w", "--backend", "gemini", "-t", "one"]);
    check(&home, &["ask", "x", "hi", "-t", "one"], 1, &["no member `x`", "members: w"]);
    check(&home, &["tail", "x", "-t", "one"], 1, &["no member `x`", "members: w"]);
    check(&home, &["stop", "x", "-t", "one"], 1, &["no member `x`"]);
    check(&home, &["message", "teamlead", "hi", "-t", "one"], 1, &["did you mean `team-lead`? members: team-lead, w"]);
    check(&home, &["message", "x", "hi", "-t", "one"], 1, &["no member `x`", "team-lead, w"]);
    check(&home, &["inbox", "x", "-t", "one"], 1, &["no member `x`"]);
    check(&home, &["task", "add", "T", "--owner", "x", "-t", "one"], 1, &["no member `x`"]);
    check(&home, &["task", "show", "7", "-t", "one"], 1, &["no task #7"]);
    check(&home, &["task", "done", "../1", "-t", "one"], 1, &["not a task id"]);
    check(&home, &["approve", "x-1", "-t", "one"], 1, &["no open approval `x-1`"]);
    check(&home, &["spawn", "w", "--backend", "gemini", "-t", "one"], 1, &["is running", "teams stop w"]);
    check(&home, &["delete", "one"], 1, &["running members (w)", "--force"]);
    assert!(!home.claude("teams/three").exists(), "asking for a team does not make it");
}

#[test]
fn wrong_usage_is_told_from_failure() {
    let home = Home::simulated();
    check(&home, &["spawn", "--backend", "Cursor!"], 2, &["unknown backend `Cursor!`", "gemini-acp"]);
    check(&home, &["spawn"], 2, &["--backend"]);
    check(&home, &["frobnicate"], 2, &["unrecognized subcommand"]);
    check(&home, &["ask", "x", "y", "--timeout", "soon"], 2, &["not a duration"]);
    check(&home, &["task", "list", "--status", "open"], 2, &["unknown status"]);
    check(&home, &["stop"], 2, &["NAME"]);
    check(&home, &["spawn", "--backend", "acp", "--env", "novalue"], 2, &["NAME=VALUE"]);
}

#[test]
fn what_a_backend_cannot_do_is_said_at_spawn() {
    let home = Home::simulated();
    home.teams(&["create", "crew"]);
    check(&home, &["spawn", "--backend", "cursor"], 1, &["no backend `cursor` is set up", "codex, gemini, gemini-acp"]);
    check(&home, &["spawn", "--backend", "codex", "--max-turns", "3"], 1, &["codex cannot do this", "--max-turns"]);
    check(&home, &["spawn", "--backend", "gemini", "--effort", "high"], 1, &["gemini cannot do this", "--effort"]);
    check(
        &home,
        &["spawn", "--backend", "gemini", "--permission-mode", "yolo"],
        1,
        &["unknown permission mode `yolo`", "acceptEdits"],
    );
    check(
        &home,
        &["spawn", "--backend", "gemini", "--cwd", "/nowhere/at/all"],
        1,
        &["/nowhere/at/all", "does not exist"],
    );
    check(&home, &["spawn", "--backend", "codex", "--resume", "01a1fc47-0000"], 1, &["no rollout found"]);
    check(
        &home,
        &["spawn", "--backend", "claude", "--resume", "1b6f5b7e-6f0c-4f0e-8e43-7a8f6f3d2c11"],
        1,
        &["No conversation found"],
    );
    assert_eq!(home.json(&["status"])["members"], serde_json::json!([]), "nobody joined");
}

#[test]
fn a_missing_or_broken_program_is_named() {
    let home = Home::simulated().with_env("TEAMS_SIMULATE", "0").with_env("PATH", "/usr/bin:/bin");
    home.teams(&["create", "crew"]);
    check(&home, &["spawn", "--backend", "codex"], 1, &["npm install -g @openai/codex", "teams doctor"]);
    check(&home, &["spawn", "--backend", "acp"], 1, &["--command"]);
    check(&home, &["spawn", "--backend", "acp", "--command", "no-such-agent --x"], 1, &["`no-such-agent`"]);
    check(&home, &["spawn", "--backend", "acp", "--command", "false"], 1, &["did not become ready"]);
    check(&home, &["spawn", "--backend", "acp", "--command", "sh -c 'echo broken >&2; exit 3'"], 1, &["broken"]);
    check(&home, &["spawn", "--backend", "acp", "--command", "sleep 100", "--timeout", "1s"], 124, &["1 s"]);
    home.wait_for_only_the_daemon();
}

#[test]
fn a_program_that_is_not_the_agent_does_not_last() {
    let home = Home::simulated().with_env("TEAMS_SIMULATE", "0");
    home.teams(&["create", "crew"]);
    // It speaks, but not the protocol: it says what we say.
    check(&home, &["spawn", "--backend", "acp", "--command", "cat"], 1, &["acp refused `initialize`"]);
    home.wait_for_only_the_daemon();
}

#[test]
fn an_agent_of_another_version_that_does_not_get_ready_is_named_with_its_version() {
    let home = Home::simulated().with_env("TEAMS_SIMULATE", "0");
    let script = "[ \"$1\" = --version ] && echo '3.0.33 (Claude Code)' && exit\n\
                  echo \"error: unknown option '--permission-prompt-tool'\" >&2; exit 1";
    home.write("old.sh", script);
    let command = format!("sh {}", home.path().join("old.sh").display());
    let home = home.with_env("TEAMS_CLAUDE_COMMAND", &command);
    home.teams(&["create", "crew"]);
    check(
        &home,
        &["spawn", "--backend", "claude"],
        1,
        &["version 3.0.33", "is tested", "does not know --permission-prompt-tool"],
    );
}

#[test]
fn empty_and_overlong_input_is_refused() {
    let home = Home::simulated();
    home.teams(&["create", "crew"]);
    home.teams(&["spawn", "g", "--backend", "gemini"]);
    check(&home, &["ask", "g", ""], 1, &["nothing to send"]);
    check(&home, &["message", "g", "  "], 1, &["the message is empty"]);
    check(&home, &["task", "add", " "], 1, &["needs a subject"]);
    let output = home.teams_with_stdin(&["ask", "g"], &vec![b'x'; (8 << 20) + 1]);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(error.contains("8388609 bytes") && error.contains("8388607"), "{error}");
    let output = home.teams_with_stdin(&["ask", "g"], &vec![b'x'; (32 << 20) + 1]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("longer than 32 MiB"));
    // 5 MB pass, there and back.
    let output = home.teams_with_stdin(&["ask", "g"], &vec![b'y'; 5 << 20]);
    assert_eq!(output.stdout.len(), (5 << 20) + "echo: \n".len());
}

#[test]
fn a_configuration_that_is_none_is_named() {
    let home = Home::simulated().with_env("TEAMS_SIMULATE", "0");
    home.teams(&["create", "crew"]);
    home.write(".config/agent-teams/config.toml", "[backends.gemini\ncommand = 3");
    check(&home, &["spawn", "--backend", "gemini"], 1, &["config.toml", "repair it"]);
    home.write(".config/agent-teams/config.toml", "[backends.acp]\ncommand = [\"no-such-agent\"]");
    check(&home, &["spawn", "--backend", "acp"], 1, &["no-such-agent"]);
}
