//! What is around a team: folders, pipes, sockets and variables that are not as one would like them to be.

use std::ffi::OsStr;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::{Agent, Home, daemon_pid, signal, wait_for};

const SIMULATED: Agent = Agent { backend: "claude", real: false };

/// With that variable the CLI takes another configuration than its user's, even where it names the usual place.
#[test]
fn claude_code_keeps_its_users_configuration() {
    let turn = "def turn(text):\n    agent.say(json.dumps({k: v for k, v in os.environ.items() if 'CLAUDE' in k}))\n    agent.end()\nagent.run(turn)";
    let home = Home::made_up("claude", turn);
    let text = home.ask("worker", "go on")["text"].as_str().expect("a text").to_owned();
    assert!(!text.contains("CLAUDE_CONFIG_DIR") && text.contains("TEAMS_CLAUDE_DIR"), "{text}");
}

fn git(home: &Home, dir: &str, args: &[&str]) -> String {
    let mut git = Command::new("git");
    git.args(["-c", "user.name=x", "-c", "user.email=x@example.com"]).args(args).current_dir(home.path().join(dir));
    git.env_clear().env("PATH", std::env::var_os("PATH").expect("a PATH")).env("HOME", home.path());
    let output = git.output().expect("git runs");
    assert!(output.status.success(), "{args:?} {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// In a hook git has exported where its repository is.
#[test]
fn a_member_with_a_worktree_commits_in_it() {
    let home = Home::simulated();
    std::fs::create_dir(home.path().join("other")).expect("a folder");
    for dir in ["project", "other"] {
        home.write(&format!("{dir}/file"), dir);
        git(&home, dir, &["init", "-q", "-b", "main"]);
        git(&home, dir, &["add", "."]);
        git(&home, dir, &["commit", "-qm", dir]);
    }
    let other = home.path().join("other/.git");
    home.teams(&["create", "crew"]);
    let hooked = |args: &[&str]| {
        let mut command = home.command(args);
        command
            .env("GIT_DIR", &other)
            .env("GIT_INDEX_FILE", other.join("index"))
            .env("GIT_OBJECT_DIRECTORY", other.join("objects"));
        command.env("GIT_WORK_TREE", home.path().join("other"));
        let output = command.output().expect("teams runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    let run = "git -c user.name=x -c user.email=x@example.com commit -q --allow-empty -m by-the-member";
    hooked(&["spawn", "anna", "--backend", "claude", "--worktree", "--permission-mode", "bypassPermissions"]);
    home.ask("anna", &format!("[[run {run}]]"));
    // And when it comes back.
    home.teams(&["stop", "anna"]);
    hooked(&["restart", "anna"]);
    home.ask("anna", &format!("[[run {run}]]"));
    assert_eq!(git(&home, "project", &["log", "--oneline", "--all"]).matches("by-the-member").count(), 2);
    assert!(!git(&home, "other", &["log", "--oneline", "--all"]).contains("by-the-member"));
    assert_eq!(git(&home, "other", &["status", "--short"]), "");
}

#[test]
fn a_daemon_that_has_lost_its_socket_is_found() {
    let home = Home::simulated();
    home.team_of(SIMULATED, &[]);
    let pid = daemon_pid(&home);
    let socket = home.state().join("daemon.sock");
    for verb in [&["ask", "worker", "[[say ready]]"][..], &["daemon", "status"], &["status"]] {
        std::fs::remove_file(&socket).expect("it was there");
        home.teams(verb);
        assert_eq!(daemon_pid(&home), pid, "{verb:?}");
    }
    // One that cannot answer is named.
    std::fs::remove_file(&socket).expect("it was there");
    signal("-STOP", pid);
    for verb in [&["daemon", "status"][..], &["daemon", "stop"], &["--json", "daemon", "status"]] {
        let output = home.output(verb);
        assert!(!output.status.success(), "{verb:?}");
        // With `--json` the error is the document on standard output.
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert!(said.contains(&format!("process {pid}")) && said.contains(&format!("kill {pid}")), "{said}");
    }
    signal("-CONT", pid);
    std::fs::remove_file(&socket).ok();
    home.teams(&["daemon", "stop"]);
    home.wait_for_no_process();
}

#[test]
fn a_long_state_directory_has_the_same_socket_for_everybody() {
    let home = Home::simulated();
    let state = home.path().join("x".repeat(120));
    let with = |runtime: Option<&str>, args: &[&str]| {
        let mut command = home.command(args);
        command.env("TEAMS_STATE_DIR", &state);
        if let Some(runtime) = runtime {
            command.env("XDG_RUNTIME_DIR", home.path().join(runtime));
        }
        let output = command.output().expect("teams runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("UTF-8")
    };
    with(Some("run"), &["create", "crew"]);
    assert!(with(None, &["daemon", "status"]).contains("running: process"));
    with(None, &["daemon", "stop"]);
}

#[test]
fn a_folder_that_is_not_text_is_refused_with_words_or_works() {
    let home = Home::simulated();
    let odd = home.path().join(OsStr::from_bytes(b"odd-\xff"));
    std::fs::create_dir(&odd).expect("a folder");
    let run = |args: &[&str]| {
        let output = home.command(args).current_dir(&odd).output().expect("teams runs");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!said.contains("panicked"), "{args:?}: {said}");
        (output.status.success(), said)
    };
    home.team_of(SIMULATED, &[]);
    for args in [
        &["create", "other"][..],
        &["spawn", "worker", "--backend", "claude"],
        &["ask", "worker", "[[say x]]"],
        &["status"],
    ] {
        let (done, said) = run(args);
        assert!(done || (said.contains("UTF-8") && said.contains("`cd`")), "{args:?}: {said}");
    }
    let cwd = odd.to_string_lossy().into_owned();
    let (done, said) = run(&["spawn", "other", "--backend", "claude", "--cwd", &cwd]);
    assert!(!done && !said.is_empty(), "there is no such folder");
}

#[test]
fn a_text_does_not_wait_for_a_silent_pipe() {
    let home = Home::simulated();
    home.team_of(SIMULATED, &[]);
    let ask = |args: &[&str], input: Option<&[u8]>| {
        let mut command = home.command(args);
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("teams runs");
        // The pipe stays open as long as this.
        let mut stdin = child.stdin.take().expect("stdin");
        if let Some(input) = input {
            stdin.write_all(input).expect("it reads");
            drop(stdin);
            return child.wait_with_output().expect("it ends");
        }
        let output = child.wait_with_output().expect("it ends");
        drop(stdin);
        output
    };
    let begun = Instant::now();
    let silent = ask(&["ask", "worker", "[[say fine]]"], None);
    assert_eq!(String::from_utf8_lossy(&silent.stdout), "fine\n");
    assert!(String::from_utf8_lossy(&silent.stderr).contains("--no-stdin"));
    let waited = begun.elapsed();
    let begun = Instant::now();
    assert_eq!(String::from_utf8_lossy(&ask(&["ask", "worker", "[[say fine]]", "-n"], None).stdout), "fine\n");
    assert!(begun.elapsed() < waited.max(Duration::from_secs(3)), "it does not wait");
    // Both, as before; and with -n the pipe is left for whoever else reads it.
    ask(&["ask", "worker", "Review this"], Some(b"a diff\n"));
    ask(&["ask", "worker", "Alone", "--no-stdin"], Some(b"not this"));
    let inputs: Vec<String> =
        home.events().iter().filter_map(|event| event["input"].as_str().map(str::to_owned)).collect();
    assert_eq!(inputs[2..], ["Review this\n\na diff", "Alone"]);
    let mut looped = home.shell("printf 'one\\ntwo\\n' | while read l; do $TEAMS send -n worker \"[[say $l]]\"; done");
    assert!(looped.wait().expect("it ends").success());
    wait_for("both", || {
        let events = home.events();
        ["one", "two"]
            .iter()
            .all(|word| events.iter().any(|event| event["type"] == "turn-completed" && event["text"] == *word))
            .then_some(())
    });
}
