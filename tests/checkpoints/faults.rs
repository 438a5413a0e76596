//! Checkpoints where the repository, git or the daemon does not do what it should.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use super::{crew, done, git, head, kill_daemon, listed, lock_notes, note, noted, repository, unwritten};
use crate::support::{Home, daemon_pid, wait_for};

/// A commit of a repository that only the remote has, which would be fetched by a command that leaves a trace.
fn set_trap(dir: &Path, trace: &Path) {
    let command = format!("sh -c 'touch {}; exit 1' --", trace.display());
    let elsewhere = "1234567890123456789012345678901234567890";
    for (name, value) in [
        ("core.repositoryFormatVersion", "1"),
        ("extensions.partialClone", "origin"),
        ("remote.origin.promisor", "true"),
        ("remote.origin.url", "ssh://nowhere.invalid/y"),
        ("core.sshCommand", &command),
        ("protocol.ssh.allow", "always"),
        ("protocol.allow", "always"),
    ] {
        git(dir, &["config", name, value]);
    }
    std::fs::write(dir.join(".git/refs/heads/main"), format!("{elsewhere}\n")).expect("a file");
    std::fs::create_dir_all(dir.join(".git/refs/notes")).expect("a folder");
    std::fs::write(dir.join(".git/refs/notes/agent-teams"), format!("{elsewhere}\n")).expect("a file");
}

#[test]
fn nothing_that_a_repository_names_is_run_to_fetch_what_is_missing() {
    let home = crew();
    let trace = home.path().join("trap.ran");
    git(&home.work(), &["checkout", "--quiet", "-B", "main"]);
    set_trap(&home.work(), &trace);
    // The trap is one: git that is not kept from it goes there.
    let _ = Command::new("git").arg("-C").arg(home.work()).args(["rev-parse", "HEAD^{commit}"]).output();
    assert!(trace.exists(), "git fetches nothing here");
    std::fs::remove_file(&trace).expect("it is there");
    done(&home, "One");
    home.wait_for_event("a word", |event| event["message"].to_string().contains("#1 has no checkpoint"));
    for args in [&["checkpoint", "list"][..], &["checkpoint", "show", "HEAD"], &["checkpoint", "cost"]] {
        assert!(!home.output(args).status.success());
    }
    home.teams(&["worktree", "list"]);
    assert!(!trace.exists(), "a command of the repository was run");
}

#[test]
fn what_can_no_longer_be_noted_is_told() {
    // The repository takes no note when its team is deleted.
    let home = crew();
    let lock = lock_notes(&home);
    done(&home, "One");
    home.wait_for_event("a word", |event| event["message"].to_string().contains("#1 has no checkpoint"));
    let deleted = home.json(&["delete", "crew"]);
    let lost = &deleted["withoutCheckpoint"][0];
    assert_eq!([&lost["task"], &lost["commit"]], [&json!("1"), &json!(head(&home.work()))], "{deleted}");
    // What can be written by then is.
    home.teams(&["create", "crew", "--checkpoints"]);
    done(&home, "Two");
    wait_for("the refusal", || {
        listed(&home)["missing"][0]["reason"].as_str().map(|why| why.contains("lock")).filter(|is| *is)
    });
    std::fs::remove_file(&lock).expect("a file");
    assert_eq!(home.json(&["delete", "crew"])["withoutCheckpoint"], json!([]));
    assert_eq!(note(&home.work(), &head(&home.work()))[0]["subject"], "Two");
}

#[test]
fn a_repository_that_is_gone_is_not_tried_again() {
    let home = crew();
    lock_notes(&home);
    done(&home, "One");
    home.wait_for_event("a word", |event| event["message"].to_string().contains("#1 has no checkpoint"));
    kill_daemon(&home);
    std::fs::remove_dir_all(home.work().join(".git")).expect("it is there");
    // The next daemon, whoever starts it.
    home.teams(&["list"]);
    wait_for("its word", || (unwritten(&home) == 0).then_some(()));
    git(&home.work(), &["init", "--quiet"]);
    let missing = &home.json(&["checkpoint", "list", "-t", "crew"])["missing"];
    assert_eq!(missing[0]["commit"], Value::Null, "{missing}");
    assert!(missing[0]["reason"].as_str().is_some_and(|why| why.contains("its repository is gone")), "{missing}");
}

#[test]
fn a_list_opens_no_team_and_shows_what_belongs_here() {
    let home = Home::simulated();
    home.teams(&["create", "crew", "--checkpoints"]);
    done(&home, "One");
    home.wait_for_event("a word", |event| event["message"].to_string().contains("#1 has no checkpoint"));
    kill_daemon(&home);
    home.teams(&["list"]);
    let transcript = home.state().join("teams/crew/events.jsonl");
    let is_open = || {
        let pid = daemon_pid(&home);
        let files = std::fs::read_dir(format!("/proc/{pid}/fd")).expect("its files");
        files.flatten().filter_map(|file| std::fs::read_link(file.path()).ok()).any(|file| file == transcript)
    };
    let (_, error) = home.fails(&["checkpoint", "list"]);
    assert!(error.contains("crew#1 has no checkpoint"), "{error}");
    assert!(!is_open(), "nothing is to be written of it");
    let other = tempfile::tempdir().expect("a folder");
    repository(other.path());
    let list = home.command(&["checkpoint", "list"]).current_dir(other.path()).output().expect("teams runs");
    let said = String::from_utf8_lossy(&list.stderr);
    assert!(!said.contains("crew#1") && said.contains("1 completed in other places has no checkpoint"), "{said}");
    let named = home.command(&["checkpoint", "list", "-t", "crew"]).current_dir(other.path()).output();
    let named = named.expect("teams runs");
    assert!(String::from_utf8_lossy(&named.stderr).contains("crew#1 has no checkpoint"), "{named:?}");
    done(&home, "Two");
    assert!(is_open(), "that is how it is told");
}

#[test]
fn turned_off_and_on_at_once_they_are_written() {
    let home = crew();
    done(&home, "First");
    for round in 0..10 {
        home.teams(&["checkpoint", "off"]);
        home.teams(&["checkpoint", "on"]);
        done(&home, &format!("Round {round}"));
    }
    noted(&home.work(), &head(&home.work()), 11);
}

#[test]
fn a_git_that_hangs_keeps_nobody_from_changing_a_task() {
    let home = Home::simulated();
    repository(&home.work());
    home.write("bin/git", "#!/bin/sh\nsleep 600 &\nwait\n");
    let bin = home.path().join("bin");
    std::fs::set_permissions(bin.join("git"), std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("a mode");
    let path = std::env::var("PATH").expect("a path");
    let home = home.with_env("PATH", &format!("{}:{path}", bin.display()));
    home.teams(&["create", "crew", "--checkpoints"]);
    done(&home, "One");
    home.wait_for_event("a word", |event| {
        let message = event["message"].as_str().unwrap_or_default();
        message.contains("#1 has no checkpoint") && message.contains("did not end within 5 seconds")
    });
    let began = std::time::Instant::now();
    (2..6).for_each(|id| assert_eq!(done(&home, "More"), id));
    home.wait_for_event("a word", |event| event["message"].to_string().contains("did not answer just now"));
    assert!(began.elapsed() < std::time::Duration::from_secs(15), "each of them has waited for git");
}
