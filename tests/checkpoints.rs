//! Checkpoints: a git note for each completed task, with what it has cost.

mod faults;

use std::path::{Path, PathBuf};
use std::process::Command;

use agent_teams::TeamOrchestrator;
use agent_teams::prelude::*;
use serde_json::{Value, json};

use crate::support::{Home, daemon_pid, signal, wait_for};

const REF: &str = "agent-teams";
const IDENTITY: &str = "-c user.name=T -c user.email=t@example.invalid";

/// Git, whatever this process was started in.
fn git(dir: &Path, args: &[&str]) -> String {
    let identity = ["-c", "user.name=T", "-c", "user.email=t@example.invalid", "-c", "init.defaultBranch=main"];
    let output = Command::new("git").arg("-C").arg(dir).args(identity).args(args).output().expect("git runs");
    assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8").trim().to_owned()
}

fn repository(dir: &Path) {
    git(dir, &["init", "--quiet"]);
    // So that git asks for a name where it needs one.
    git(dir, &["config", "user.useConfigOnly", "true"]);
    std::fs::write(dir.join("file"), "one").expect("a file");
    git(dir, &["add", "."]);
    git(dir, &["commit", "--quiet", "-m", "first"]);
}

/// A home with a repository and a team in it whose tasks get checkpoints.
fn crew() -> Home {
    let home = Home::simulated();
    repository(&home.work());
    home.teams(&["create", "crew", "--checkpoints"]);
    home
}

fn done(home: &Home, subject: &str) -> u64 {
    let task = home.json(&["task", "add", subject]);
    let id = task["id"].as_str().expect("an id").to_owned();
    home.teams(&["task", "done", &id]);
    id.parse().expect("a number")
}

fn head(dir: &Path) -> String {
    git(dir, &["rev-parse", "HEAD"])
}

/// The lines of a commit's note.
fn note(dir: &Path, commit: &str) -> Vec<Value> {
    let output = Command::new("git").arg("-C").arg(dir).args(["notes", "--ref", REF, "show", commit]).output();
    let output = output.expect("git runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

/// Waits until a commit has so many checkpoints.
fn noted(dir: &Path, commit: &str, count: usize) -> Vec<Value> {
    wait_for("checkpoints", || Some(note(dir, commit)).filter(|lines| lines.len() >= count))
}

fn listed(home: &Home) -> Value {
    home.json(&["checkpoint", "list"])
}

fn tasks(lines: &[Value]) -> Vec<u64> {
    let id = |line: &Value| line["task"].as_str().and_then(|id| id.parse().ok()).expect("an id");
    let mut tasks: Vec<u64> = lines.iter().map(id).collect();
    tasks.sort_unstable();
    tasks
}

fn kept(home: &Home) -> PathBuf {
    home.state().join("teams/crew/checkpoints.json")
}

fn unwritten(home: &Home) -> usize {
    let kept = std::fs::read(kept(home)).expect("a file");
    let kept: Value = serde_json::from_slice(&kept).expect("JSON");
    kept["unwritten"].as_array().map_or(0, Vec::len)
}

/// Makes the repository take no note, until this file is gone.
fn lock_notes(home: &Home) -> PathBuf {
    let lock = home.work().join(".git/refs/notes/agent-teams.lock");
    std::fs::create_dir_all(lock.parent().expect("a folder")).expect("a folder");
    std::fs::write(&lock, "").expect("a file");
    lock
}

fn kill_daemon(home: &Home) {
    signal("-9", daemon_pid(home));
    wait_for("its agents to end", || home.processes().is_empty().then_some(()));
}

#[test]
fn what_members_complete_is_noted_where_they_work() {
    let home = Home::simulated().with_env("AGENT_SIMULATE_FINISH", "1");
    repository(&home.work());
    // A hook that fails, and would be run by a change of any ref.
    let hooks = home.path().join("hooks");
    home.write("hooks/reference-transaction", "#!/bin/sh\ntouch \"$0.ran\"\nexit 1\n");
    home.teams(&["create", "crew", "--checkpoints"]);
    let free = ["--permission-mode", "bypassPermissions"];
    home.teams(
        &[&["spawn", "a", "--backend", "claude", "--model", "sonnet", "--work", "--worktree"], &free[..]].concat(),
    );
    home.teams(&[&["spawn", "b", "--backend", "codex", "--work"], &free[..]].concat());
    // As it is now; whoever makes a worktree is told by its own git.
    git(&home.work(), &["config", "core.hooksPath", &hooks.display().to_string()]);
    std::fs::set_permissions(hooks.join("reference-transaction"), std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .expect("a mode");
    // The simulated agent completes its task when it is asked for it, in a second turn.
    let commit = format!("git -c core.hooksPath=/dev/null {IDENTITY} commit -qam of-a");
    let run = format!("[[run echo two > file && {commit}]]");
    for (subject, text, owner) in [("Of a", run.as_str(), "a"), ("Of b", "[[finish done]]", "b")] {
        home.teams(&["task", "add", subject, "--description", text, "--wants", &format!("member={owner}")]);
    }
    home.teams(&["task", "wait", "--timeout", "60s"]);
    let worktree = home.state().join("worktrees/crew/a");
    wait_for("both notes", || (unwritten(&home) == 0).then_some(()));
    assert_ne!(head(&worktree), head(&home.work()));
    let of_a = noted(&home.work(), &head(&worktree), 1);
    let of_b = noted(&home.work(), &head(&home.work()), 1);
    assert_eq!((of_a.len(), of_b.len()), (1, 1), "{of_a:?} {of_b:?}");
    let (a, b) = (&of_a[0], &of_b[0]);
    let fields = ["version", "team", "task", "subject", "member", "backend", "turns", "turnsWithoutTokens"];
    assert_eq!(
        fields.map(|field| a[field].clone()),
        [json!(1), json!("crew"), json!("1"), json!("Of a"), json!("a"), json!("claude-code"), json!(2), json!(0)]
    );
    assert_eq!([&a["inputTokens"], &a["costUsd"]], [&json!(200), &json!(0.002)], "{a}");
    assert!(a["outputTokens"].as_u64() > Some(0) && a["model"].is_string(), "{a}");
    assert_eq!([&b["member"], &b["backend"], &b["costUsd"]], [&json!("b"), &json!("codex"), &Value::Null], "{b}");
    assert_eq!(b["turnsWithoutCost"], 1, "{b}");
    assert!(a["began"].as_str() < a["completed"].as_str() && a["key"] != b["key"], "{a} {b}");
    assert!(!hooks.join("reference-transaction.ran").exists(), "a hook was run");
    assert_eq!(
        git(&home.work(), &["log", "-1", "--format=%an <%ae>", "refs/notes/agent-teams"]),
        "agent-teams <agent-teams@localhost>"
    );
    // Any worktree shows all of them, with no daemon.
    home.teams(&["daemon", "stop"]);
    let shown = home.command(&["checkpoint", "list", "--json"]).current_dir(&worktree).output().expect("teams runs");
    let shown: Value = serde_json::from_slice(&shown.stdout).expect("JSON");
    assert_eq!(tasks(shown["checkpoints"].as_array().expect("a list")), [1, 2], "{shown}");
    assert!(home.processes().is_empty(), "a daemon was started");
    let text = home.teams(&["checkpoint", "show", &head(&worktree)[..8]]);
    assert!(text.contains("crew#1") && text.contains("0.0020") && !text.contains("crew#2"), "{text}");
    assert!(home.teams(&["checkpoint", "show", "2"]).contains("usd         unknown"));
    let (_, error) = home.fails(&["checkpoint", "show", "77"]);
    assert!(error.contains("`77`") && error.contains("checkpoint list"), "{error}");
    let costs = home.json(&["checkpoint", "cost", "--by", "member"]);
    let of = |name: &str| costs["rows"].as_array().unwrap().iter().find(|row| row["name"] == name).unwrap().clone();
    assert_eq!([&of("a")["costUsd"], &of("b")["costUsd"]], [&json!(0.002), &Value::Null], "{costs}");
    assert_eq!([&costs["total"]["inputTokens"], &costs["total"]["costUsd"]], [&json!(300), &json!(0.002)], "{costs}");
    assert_eq!(costs["total"]["withoutWholeCost"], 1);
    let table = home.teams(&["checkpoint", "cost", "--by", "model"]);
    assert!(table.contains("unknown") && table.contains("0.0020+"), "{table}");
    assert_eq!(home.json(&["checkpoint", "cost", "--by", "task"])["rows"][1]["name"], "crew#2");
}

#[test]
fn a_run_can_ask_for_checkpoints() {
    let home = Home::simulated();
    repository(&home.work());
    let text = "[team]\nname = \"crew\"\ncheckpoints = true\n[[member]]\nname = \"c\"\nbackend = \"codex\"\n\
        [[task]]\nname = \"one\"\ndescription = \"[[finish well]]\"\n\
        [[task]]\nname = \"two\"\ndescription = \"[[finish too]]\"\ndepends-on = [\"one\"]\n";
    home.write("project/teams.toml", text);
    // A try has no say in the project.
    home.teams(&["run", "--dry-run"]);
    assert_eq!(git(&home.work(), &["for-each-ref", "refs/notes"]), "");
    let (code, report) = home.run_team_file(&[]);
    assert_eq!(code, 0, "{report}");
    let lines = noted(&home.work(), &head(&home.work()), 2);
    assert_eq!(tasks(&lines), [1, 2], "two tasks on one commit");
    let used: u64 =
        lines.iter().map(|line| line["inputTokens"].as_u64().unwrap() + line["outputTokens"].as_u64().unwrap()).sum();
    assert_eq!(json!(used), report["summary"]["totalTokensUsed"], "what the turns have used is counted once");
    // A team that is deleted takes no note along.
    home.teams(&["delete", "crew", "--force"]);
    assert_eq!(listed(&home)["checkpoints"].as_array().map(Vec::len), Some(2));
    assert!(!kept(&home).exists());
}

#[test]
fn a_task_that_is_completed_again_gets_another_note() {
    let home = crew();
    let first = head(&home.work());
    assert_eq!(done(&home, "One"), 1);
    home.teams(&["task", "update", "1", "--status", "pending"]);
    std::fs::write(home.work().join("file"), "two").expect("a file");
    git(&home.work(), &["commit", "-qam", "second"]);
    home.teams(&["task", "done", "1"]);
    let second = head(&home.work());
    let (one, other) = (noted(&home.work(), &first, 1), noted(&home.work(), &second, 1));
    assert_eq!((one.len(), other.len()), (1, 1));
    assert_ne!(one[0]["key"], other[0]["key"]);
    assert_eq!([&one[0]["inputTokens"], &one[0]["turns"], &one[0]["member"]], [&Value::Null, &json!(0), &Value::Null]);
    // Saying so twice is one completion; and what is completed while they are off gets none.
    home.teams(&["task", "done", "1"]);
    home.teams(&["checkpoint", "off"]);
    done(&home, "Off");
    home.teams(&["checkpoint", "on"]);
    done(&home, "On");
    assert_eq!(tasks(&noted(&home.work(), &second, 2)), [1, 3]);
    // As a live Claude Code completes one: in the file.
    home.teams(&["task", "add", "By another"]);
    let file = home.claude("tasks/crew/4.json");
    let text = std::fs::read_to_string(&file).expect("a file");
    std::fs::write(&file, text.replace("\"pending\"", "\"completed\"")).expect("a file");
    assert_eq!(tasks(&noted(&home.work(), &second, 3)), [1, 3, 4]);
}

#[test]
fn a_killed_daemon_costs_no_note_and_makes_none_twice() {
    let home = crew();
    let hold = home.hold("go");
    home.teams(&["spawn", "w", "--backend", "claude", "--work"]);
    home.teams(&["task", "add", "One", "--description", &format!("{hold} [[say late]]")]);
    home.wait_for_event("its turn", |event| event["type"] == "turn-started");
    home.teams(&["task", "done", "1"]);
    // Completed, in a turn that goes on.
    wait_for("the completion", || (kept(&home).exists() && unwritten(&home) == 1).then_some(()));
    let before = std::fs::read(kept(&home)).expect("a file");
    let at = head(&home.work());
    assert_eq!(note(&home.work(), &at), [] as [Value; 0]);
    let missing = &listed(&home)["missing"];
    assert!(missing[0]["reason"].as_str().is_some_and(|reason| reason.contains("turn")), "{missing}");
    kill_daemon(&home);
    std::fs::write(home.work().join("file"), "two").expect("a file");
    git(&home.work(), &["commit", "-qam", "second"]);
    // Whoever starts it next, for whatever.
    home.teams(&["list"]);
    let lines = noted(&home.work(), &at, 1);
    assert_eq!(
        [&lines[0]["turns"], &lines[0]["turnsWithoutTokens"], &lines[0]["inputTokens"]],
        [&json!(1), &json!(1), &Value::Null]
    );
    assert!(lines[0]["model"].is_string(), "{lines:?}");
    // Killed after the note was written, and before that was written down.
    wait_for("its word", || (unwritten(&home) == 0).then_some(()));
    kill_daemon(&home);
    std::fs::write(kept(&home), before).expect("a file");
    // Meanwhile another program completes a task.
    let file = home.claude("tasks/crew/2.json");
    let task =
        json!({"id": "2", "subject": "Two", "description": "", "status": "completed", "blocks": [], "blockedBy": []});
    std::fs::write(file, task.to_string()).expect("a file");
    home.teams(&["list"]);
    assert_eq!(tasks(&noted(&home.work(), &head(&home.work()), 1)), [2]);
    wait_for("its word", || (unwritten(&home) == 0).then_some(()));
    assert_eq!(note(&home.work(), &at), lines);
    hold.release();
}

#[test]
fn kills_at_any_moment_leave_one_note_for_each_task() {
    let home = crew();
    let ids: Vec<String> =
        (0..8).map(|_| home.json(&["task", "add", "x"])["id"].as_str().expect("an id").to_owned()).collect();
    for (round, id) in ids.iter().enumerate() {
        let pid = daemon_pid(&home);
        let mut completing = home.start(&["task", "done", id]);
        // Each time a bit later: before the task is written, before its commit is known, before its note is there, after all of that.
        let file = home.claude(&format!("tasks/crew/{id}.json"));
        let is_done = || std::fs::read_to_string(&file).is_ok_and(|text| text.contains("completed"));
        let notes = || git(&home.work(), &["for-each-ref", "refs/notes"]);
        let before = notes();
        wait_for("its moment", || match round % 4 {
            0 => Some(()),
            1 => is_done().then_some(()),
            2 => (kept(&home).exists() && unwritten(&home) > 0 || notes() != before).then_some(()),
            _ => (notes() != before).then_some(()),
        });
        signal("-9", pid);
        let _ = completing.wait();
        wait_for("its end", || (!Path::new(&format!("/proc/{pid}")).exists()).then_some(()));
        home.teams(&["task", "done", id]);
    }
    wait_for("all notes", || (unwritten(&home) == 0).then_some(()));
    let lines = noted(&home.work(), &head(&home.work()), ids.len());
    assert_eq!(tasks(&lines), (1..=8).collect::<Vec<u64>>());
}

#[test]
fn daemons_that_share_a_repository_lose_no_note() {
    let shared = tempfile::tempdir().expect("a folder");
    repository(shared.path());
    let homes = [Home::simulated(), Home::simulated()];
    for home in &homes {
        let created = home.command(&["create", "crew", "--checkpoints"]).current_dir(shared.path()).output();
        assert!(created.expect("teams runs").status.success());
        for _ in 0..10 {
            home.teams(&["task", "add", "x"]);
        }
    }
    let completing: Vec<_> =
        (1..=10).flat_map(|id| homes.iter().map(move |home| home.start(&["task", "done", &id.to_string()]))).collect();
    completing.into_iter().for_each(|done| assert!(done.wait_with_output().expect("it ends").status.success()));
    let lines = noted(shared.path(), &head(shared.path()), 20);
    assert_eq!(tasks(&lines), (1..=10).flat_map(|id| [id, id]).collect::<Vec<u64>>());
}

#[test]
fn a_task_is_completed_also_where_there_is_nothing_to_note_it_on() {
    // No repository, then one without a commit.
    let home = Home::simulated();
    home.teams(&["create", "crew", "--checkpoints"]);
    done(&home, "One");
    done(&home, "Two");
    let told = |home: &Home, part: &str| {
        let is_it = |event: &&Value| event["type"] == "notice" && event["message"].to_string().contains(part);
        home.events().iter().filter(is_it).count()
    };
    home.wait_for_event("a word", |event| event["type"] == "notice");
    assert_eq!(told(&home, "#1 has no checkpoint: not a git repository"), 1);
    assert_eq!(told(&home, "not a git repository"), 1, "it is told once");
    let (_, error) = home.fails(&["checkpoint", "list"]);
    assert!(error.contains("crew#2 has no checkpoint: not a git repository"), "{error}");
    assert!(error.contains("is in no git repository") && error.contains("go to the repository"), "{error}");
    git(&home.work(), &["init", "--quiet"]);
    done(&home, "Three");
    assert!(wait_for("a word", || (told(&home, "there is no commit yet") == 1).then_some(true)));
    let list = home.output(&["checkpoint", "list"]);
    let said = String::from_utf8_lossy(&list.stderr);
    assert!(list.status.success() && said.contains("crew#3 has no checkpoint: there is no commit yet"), "{said}");
    assert!(said.contains("no checkpoints in this repository; turn them on with"), "{said}");
    assert_eq!(unwritten(&home), 0);
    // No git.
    let home = Home::simulated().with_env("PATH", "/nowhere");
    repository(&home.work());
    home.teams(&["create", "crew", "--checkpoints"]);
    done(&home, "One");
    home.wait_for_event("a word", |event| event["message"].to_string().contains("git cannot be run"));
    let (_, error) = home.fails(&["checkpoint", "list"]);
    assert!(error.contains("install it"), "{error}");
}

#[test]
fn what_cannot_be_written_is_written_later() {
    let home = crew();
    let lock = lock_notes(&home);
    done(&home, "One");
    home.wait_for_event("a word", |event| {
        let message = event["message"].as_str().unwrap_or_default();
        event["type"] == "notice" && message.contains("#1 has no checkpoint") && message.contains("tried again")
    });
    let list = home.output(&["checkpoint", "list"]);
    assert!(String::from_utf8_lossy(&list.stderr).contains("crew#1 has no checkpoint yet: "), "{list:?}");
    std::fs::remove_file(&lock).expect("a file");
    done(&home, "Two");
    assert_eq!(tasks(&noted(&home.work(), &head(&home.work()), 2)), [1, 2]);
    assert_eq!(listed(&home)["missing"], json!([]));
}

#[test]
fn surroundings_lead_git_nowhere_else_and_other_notes_stay() {
    let home = Home::simulated().with_env("GIT_DIR", "/nowhere").with_env("GIT_INDEX_FILE", "/nowhere/index");
    repository(&home.work());
    let commit = head(&home.work());
    // Somebody's own words, in a tree of notes with folders.
    git(&home.work(), &["notes", "--ref", REF, "add", "-m", "reviewed \u{1b}[31mby me"]);
    let blob = git(&home.work(), &["notes", "--ref", REF, "list", "HEAD"]);
    let tree = |line: String| {
        let mut making = Command::new("git");
        making.arg("-C").arg(home.work()).arg("mktree").stdin(std::process::Stdio::piped());
        let mut making = making.stdout(std::process::Stdio::piped()).spawn().expect("git runs");
        std::io::Write::write_all(&mut making.stdin.take().expect("stdin"), line.as_bytes()).expect("it reads");
        String::from_utf8(making.wait_with_output().expect("it ends").stdout).expect("UTF-8").trim().to_owned()
    };
    let inner = tree(format!("100644 blob {blob}\t{}\n", &commit[2..]));
    let outer = tree(format!("040000 tree {inner}\t{}\n", &commit[..2]));
    let folders = git(&home.work(), &["commit-tree", &outer, "-m", "folders"]);
    git(&home.work(), &["update-ref", "refs/notes/agent-teams", &folders]);
    home.teams(&["create", "crew", "--checkpoints"]);
    done(&home, "Clear \u{1b}[2K\nthe line");
    wait_for("the note", || (kept(&home).exists() && unwritten(&home) == 0).then_some(()));
    let text = git(&home.work(), &["notes", "--ref", REF, "show", &commit]);
    assert_eq!(text.lines().count(), 2, "{text}");
    assert!(text.starts_with("reviewed"), "{text}");
    let list = home.output(&["checkpoint", "list"]);
    let (shown, said) = (String::from_utf8_lossy(&list.stdout), String::from_utf8_lossy(&list.stderr));
    assert!(shown.contains("Clear ␛[2K the line") && !shown.contains('\u{1b}'), "{shown}");
    assert!(said.contains("1 line of the notes is no checkpoint"), "{said}");
    assert_eq!(listed(&home)["unreadable"], 1);
    // With git's own setting a note goes along with a commit that is rewritten, and is still one checkpoint.
    git(&home.work(), &["-c", "notes.rewriteRef=refs/notes/agent-teams", "commit", "-q", "--amend", "-m", "anew"]);
    assert_ne!(head(&home.work()), commit);
    let list = listed(&home);
    assert_eq!(list["checkpoints"].as_array().map(Vec::len), Some(1), "{list}");
    assert_eq!(list["checkpoints"][0]["commit"], head(&home.work()));
    assert_eq!(home.json(&["checkpoint", "cost"])["total"]["checkpoints"], 1);
    // Of another team there is nothing.
    assert_eq!(home.json(&["checkpoint", "list", "-t", "other"])["checkpoints"], json!([]));
}

#[tokio::test]
async fn a_program_reads_its_checkpoints() {
    let dir = tempfile::tempdir().expect("a folder");
    let work = dir.path().join("work");
    std::fs::create_dir(&work).expect("a folder");
    repository(&work);
    let build = || {
        let builder = TeamOrchestrator::builder().teams_base(dir.path().join("teams"));
        builder
            .tasks_base(dir.path().join("tasks"))
            .state_dir(dir.path().join("state"))
            .build()
            .expect("an orchestrator")
    };
    let orchestrator = build();
    orchestrator.create_team_in("crew", None, work.clone()).await.expect("a team");
    assert!(!orchestrator.checkpoint_status("crew").await.expect("a status").on);
    orchestrator.set_checkpoints("crew", true).await.expect("on");
    let request = CreateTaskRequest { subject: "One".into(), ..Default::default() };
    let task = orchestrator.create_task("crew", request).await.expect("a task");
    let completed = TaskUpdate { status: Some(TaskStatus::Completed), ..Default::default() };
    orchestrator.update_task("crew", &task.id, completed).await.expect("it is done");
    orchestrator.shutdown().await;
    let notes = orchestrator.checkpoints(&work).await.expect("notes");
    assert_eq!(notes.checkpoints.len(), 1, "what was completed is noted at the end");
    assert_eq!(
        (notes.checkpoints[0].commit.clone(), notes.checkpoints[0].checkpoint.task.as_str()),
        (head(&work), "1")
    );
    let error = orchestrator.checkpoints(dir.path()).await.expect_err("no repository");
    assert_eq!(error.kind(), ErrorKind::Git);
    drop(orchestrator);
    assert!(build().checkpoint_status("crew").await.expect("a status").on, "it is kept");
}
