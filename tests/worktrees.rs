//! Git worktrees for members.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;

use crate::support::{Agent, Home};

pub(crate) fn git(dir: &Path, args: &[&str]) -> String {
    let identity = ["-c", "user.name=T", "-c", "user.email=t@example.invalid", "-c", "init.defaultBranch=main"];
    let output = Command::new("git").arg("-C").arg(dir).args(identity).args(args).output().expect("git runs");
    assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8").trim().to_owned()
}

pub(crate) fn repository(dir: &Path) {
    git(dir, &["init", "--quiet"]);
    std::fs::create_dir_all(dir.join("sub")).expect("a folder");
    std::fs::write(dir.join("sub/file"), "one").expect("a file");
    git(dir, &["add", "."]);
    git(dir, &["commit", "--quiet", "-m", "first"]);
}

const FREE: [&str; 2] = ["--permission-mode", "bypassPermissions"];

#[test]
fn members_work_on_branches_of_their_own() {
    let home = Home::simulated();
    repository(&home.work());
    home.teams(&["create", "crew"]);
    home.teams(&["spawn", "a", "--backend", "claude", "--worktree", FREE[0], FREE[1]]);
    home.teams(&["spawn", "b", "--backend", "codex", "--worktree", "feature/b", "--cwd", "sub", FREE[0], FREE[1]]);
    let commit = "git -c user.name=T -c user.email=t@example.invalid commit -qam";
    home.ask("a", &format!("[[run echo a > sub/file && {commit} of-a]]"));
    home.ask("b", &format!("[[run echo b > file && {commit} of-b]]"));
    assert_eq!(
        std::fs::read_to_string(home.work().join("sub/file")).expect("a file"),
        "one",
        "nobody else's is touched"
    );
    assert_eq!(git(&home.work(), &["log", "--format=%s", "-1", "teams/crew/a"]), "of-a");
    assert_eq!(git(&home.work(), &["log", "--format=%s", "-1", "feature/b"]), "of-b");
    let list = home.json(&["worktree", "list"]);
    assert_eq!(
        (&list[0]["branch"], &list[0]["dirty"], &list[0]["unmerged"]),
        (&json!("teams/crew/a"), &json!(false), &json!(true))
    );
    // They come back to where they were.
    home.teams(&["daemon", "stop"]);
    home.teams(&["resume"]);
    let report = home.ask("b", "[[run pwd; cat file]]");
    assert!(report["text"].as_str().is_some_and(|text| text.contains("/crew/b/sub\nb")), "{report}");
}

#[test]
fn what_would_be_lost_is_not_removed() {
    let home = Home::simulated();
    repository(&home.work());
    home.teams(&["create", "crew"]);
    home.teams(&["spawn", "a", "--backend", "claude", "--worktree"]);
    let (_, error) = home.fails(&["worktree", "remove", "a"]);
    assert!(error.contains("is running"), "{error}");
    home.teams(&["stop", "a"]);
    let path = PathBuf::from(home.json(&["worktree", "list"])[0]["path"].as_str().expect("a path"));
    std::fs::write(path.join("new"), "x").expect("a file");
    let (_, error) = home.fails(&["worktree", "remove", "a"]);
    assert!(error.contains("not committed") && error.contains("--force"), "{error}");
    git(&path, &["add", "."]);
    git(&path, &["commit", "--quiet", "-m", "second"]);
    let (_, error) = home.fails(&["worktree", "remove", "a"]);
    assert!(error.contains("not merged"), "{error}");
    assert_eq!(home.json(&["worktree", "remove", "a", "--force"])["branch"], "kept", "commits are not lost");
    assert!(!path.exists());
    assert_eq!(git(&home.work(), &["log", "--format=%s", "-1", "teams/crew/a"]), "second");
    assert_eq!(home.json(&["worktree", "list"]), json!([]));
    // A member whose worktree is gone is not started somewhere else.
    let (_, error) = home.fails(&["ask", "a", "hello"]);
    assert!(error.contains(path.to_str().expect("UTF-8")), "{error}");
    // One that is merged goes with its branch.
    git(&home.work(), &["merge", "--quiet", "teams/crew/a"]);
    home.teams(&["spawn", "a", "--backend", "claude", "--worktree"]);
    home.teams(&["stop", "a"]);
    assert_eq!(home.json(&["worktree", "remove", "a"])["branch"], "deleted");
    assert_eq!(git(&home.work(), &["branch", "--list", "teams/*"]), "");
}

#[test]
fn a_worktree_that_cannot_be_made_is_a_spawn_that_fails() {
    let home = Home::simulated();
    home.teams(&["create", "crew"]);
    let (_, error) = home.fails(&["spawn", "a", "--backend", "claude", "--worktree"]);
    assert!(error.contains("git") && error.contains("not a git repository"), "{error}");
    repository(&home.work());
    let (_, error) = home.fails(&["spawn", "a", "--backend", "claude", "--worktree", "main"]);
    assert!(error.contains("main"), "{error}");
    let (_, error) = home.fails(&["spawn", "a", "--backend", "claude", "--worktree", "bad..name"]);
    assert!(error.contains("bad..name"), "{error}");
    assert_eq!(home.json(&["status"])["members"], json!([]));
    assert_eq!(home.json(&["ps"]), json!([]));
    // The folder is there, with another branch in it.
    home.teams(&["spawn", "a", "--backend", "claude", "--worktree"]);
    home.teams(&["stop", "a"]);
    let (_, error) = home.fails(&["spawn", "a", "--backend", "claude", "--worktree", "other"]);
    assert!(error.contains("teams/crew/a") && error.contains("not `other`"), "{error}");
}

#[test]
#[ignore = "needs the real agent CLIs; run scripts/test"]
fn a_real_codex_commits_in_its_worktree_from_within_its_sandbox() {
    let agent = Agent { backend: "codex", real: true };
    let home = Home::real();
    // Not below /tmp, where the sandbox lets everybody write.
    let repo = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
    repository(repo.path());
    home.teams(&["create", "crew"]);
    let cwd = repo.path().display().to_string();
    let state = repo.path().join("state").display().to_string();
    let spawn = ["spawn", "x", "--backend", "codex", "--model", agent.model(), "--cwd", &cwd, "--worktree"];
    home.teams(&["daemon", "stop"]);
    let run = |args: &[&str]| {
        let output = home.command(args).env("TEAMS_STATE_DIR", &state).output().expect("teams runs");
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("UTF-8")
    };
    run(&[&spawn[..], &["--permission-mode", "acceptEdits"]].concat());
    // From within the sandbox: without asking to leave it, as a plain command does here.
    let commit = "git -c user.name=T -c user.email=t@example.invalid commit -qam from-the-sandbox";
    let call = json!({"cmd": format!("echo two > sub/file && {commit} && echo done"), "yield_time_ms": 30000});
    let said = run(&["ask", "x", &format!("please [[call exec_command {call}]]")]);
    let subject = git(repo.path(), &["log", "--format=%s", "-1", "teams/crew/x"]);
    run(&["daemon", "stop"]);
    assert_eq!(subject, "from-the-sandbox", "{said}");
}

/// Runs two members with worktrees that run these commands, and answers the exit code and the report.
fn merged(home: &Home, mode: &str, commands: [&str; 2]) -> (i32, serde_json::Value) {
    let mut text = "[team]\nname = \"crew\"\n[defaults]\nbackend = \"codex\"\nworktree = true\n\
        permission-mode = \"bypassPermissions\"\n"
        .to_owned();
    for (name, command) in ["a", "b"].iter().zip(commands) {
        let description = json!(format!("[[run {command}]]"));
        text += &format!("[[member]]\nname = \"{name}\"\n");
        text += &format!("[[task]]\nname = \"of-{name}\"\nowner = \"{name}\"\ndescription = {description}\n");
    }
    home.write("project/teams.toml", &format!("{text}[run]\nmerge = \"{mode}\"\n"));
    home.teams(&["trust"]);
    home.run_team_file(&[])
}

#[test]
fn what_members_of_a_run_have_done_comes_together() {
    for mode in ["branch", "squash"] {
        let home = Home::simulated().with_env("AGENT_SIMULATE_FINISH", "1");
        repository(&home.work());
        let commit = "git -c user.name=T -c user.email=t@example.invalid commit -q";
        let twice =
            format!("echo one > x && git add x && {commit} -m x1 && echo two > x && {commit} -am x2 && echo loose > y");
        let (code, report) = merged(&home, mode, [&twice, "echo of-b > z"]);
        assert_eq!((code, &report["state"]), (0, &json!("done")), "{report}");
        let fates: Vec<_> = report["branches"].as_array().unwrap().iter().map(|branch| &branch["fate"]).collect();
        assert_eq!(fates, ["merged", "merged"], "{report}");
        let branch = "teams-runs/crew-1";
        for (file, text) in [("x", "two"), ("y", "loose"), ("z", "of-b"), ("sub/file", "one")] {
            assert_eq!(git(&home.work(), &["show", &format!("{branch}:{file}")]), text, "{mode}");
        }
        let subjects = git(&home.work(), &["log", "--first-parent", "--format=%s", branch]);
        assert_eq!(subjects, "b of run crew-1\na of run crew-1\nfirst", "{mode}");
        let parents = git(&home.work(), &["log", "-1", "--format=%P", branch]).split(' ').count();
        assert_eq!(parents, if mode == "branch" { 2 } else { 1 });
        assert!(git(&home.work(), &["log", "-1", "--format=%b", branch]).contains("#2 of-b"));
        // Nobody else's is touched, and every commit is there still.
        assert_eq!(git(&home.work(), &["log", "--format=%s"]), "first");
        assert!(git(&home.work(), &["log", "--format=%s", "teams/crew/a"]).contains("x2\nx1"));
        assert_eq!(git(&home.work(), &["worktree", "list", "--porcelain"]).matches("worktree ").count(), 3);
    }
}

#[test]
fn a_conflict_stops_a_merge_and_loses_nothing() {
    let home = Home::simulated().with_env("AGENT_SIMULATE_FINISH", "1");
    repository(&home.work());
    let (code, report) = merged(&home, "branch", ["echo of-a > sub/file", "echo of-b > sub/file"]);
    assert_eq!((code, &report["state"]), (1, &json!("failed")), "{report}");
    let reason = report["reason"].as_str().expect("a reason");
    assert!(reason.contains("teams/crew/b of b is not merged: it conflicts in sub/file"), "{reason}");
    assert_eq!(report["summary"]["tasksCompleted"], 2);
    assert_eq!(git(&home.work(), &["show", "teams-runs/crew-1:sub/file"]), "of-a");
    assert_eq!(git(&home.work(), &["show", "teams/crew/b:sub/file"]), "of-b");
    assert_eq!(git(&home.work(), &["status", "--porcelain", "--", "sub"]), "");
    // A person does what is said, and the run can go on to its end.
    let place = home.path().join("by-hand");
    git(&home.work(), &["worktree", "add", "--quiet", &place.to_string_lossy(), "teams-runs/crew-1"]);
    git(&place, &["merge", "--quiet", "-X", "ours", "-m", "by hand", "teams/crew/b"]);
    git(&home.work(), &["worktree", "remove", &place.to_string_lossy()]);
    let output = home.output(&["run", "--resume", "--json"]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stdout));
    assert_eq!(git(&home.work(), &["show", "teams-runs/crew-1:sub/file"]), "of-a");
}
