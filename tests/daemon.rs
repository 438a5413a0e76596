//! The daemon: one for each state directory, whoever starts it, and what its death does.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use agent_teams::daemon::Connection;
use serde_json::Value;

use crate::support::{Home, daemon_pid, signal, wait_for};

#[test]
fn many_starts_make_one_daemon() {
    let home = Home::simulated();
    let starts: Vec<_> = (0..8).map(|_| home.start(&["daemon", "start", "--json"])).collect();
    let pids: Vec<Value> = starts
        .into_iter()
        .map(|start| {
            let output = start.wait_with_output().expect("it ends");
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            serde_json::from_slice::<Value>(&output.stdout).expect("JSON")["pid"].clone()
        })
        .collect();
    assert!(pids.iter().all(|pid| *pid == pids[0]), "{pids:?}");
    let output = home.command(&["daemon", "run"]).output().expect("it runs");
    assert!(output.status.success() && String::from_utf8_lossy(&output.stderr).contains("already"));
}

#[test]
fn its_files_are_private() {
    let home = Home::simulated();
    home.teams(&["create", "crew"]);
    home.teams(&["spawn", "c", "--backend", "claude"]);
    let mode = |file: &str| {
        let meta = std::fs::metadata(home.state().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
        meta.permissions().mode() & 0o777
    };
    assert_eq!((mode(""), mode("daemon.sock"), mode("daemon.log")), (0o700, 0o600, 0o600));
    assert_eq!((mode("teams/crew"), mode("teams/crew/events.jsonl")), (0o700, 0o600));
}

#[test]
fn the_environment_of_the_shell_reaches_the_agent_and_nothing_else() {
    let (key, phrase) = ("canary-in-the-mine", "a canary of three-words");
    let home = Home::simulated().with_env("MY_KEY", key).with_env("TEAMS_LOG", "trace");
    home.teams(&["create", "crew"]);
    let give = format!("PHRASE={phrase}");
    for backend in ["claude", "codex", "gemini", "gemini-acp"] {
        home.teams(&["spawn", backend, "--backend", backend, "--permission-mode", "bypassPermissions", "--env", &give]);
        let report = home.ask(backend, "[[run echo ${#MY_KEY} ${#PHRASE}]]");
        assert!(report["text"].as_str().is_some_and(|text| text.contains("18 23")), "{report}");
        // What it says of them comes a word at a time, and as a whole; what it complains about comes on stderr.
        let report = home.ask(backend, "[[run echo $MY_KEY and $PHRASE; echo $MY_KEY >&2]]");
        let text = report["text"].as_str().expect("a text");
        assert!(text.contains("[MY_KEY redacted] and [PHRASE redacted]"), "{text}");
    }
    home.teams(&["status"]);
    for secret in [key, phrase] {
        let found = Command::new("grep").args(["-rlF", secret]).arg(home.path()).output().expect("grep runs");
        assert_eq!(String::from_utf8_lossy(&found.stdout), "", "files with a secret");
    }
    for entry in std::fs::read_dir("/proc").expect("/proc").flatten() {
        let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line);
        assert!(!line.contains(phrase) || line.contains("grep"), "{line}");
    }
}

#[test]
fn a_secret_is_one_after_a_resume_too_and_spoils_no_event() {
    let home = Home::simulated().with_env("PHRASE", "open-sesame-please");
    home.teams(&["create", "crew"]);
    let give = ["--env", "PHRASE=open-sesame-please", "--env", "ROLE=reviewer", "--env", "KIND=turn-completed"];
    let spawn = ["spawn", "reviewer", "--backend", "claude", "--permission-mode", "bypassPermissions"];
    home.teams(&[&spawn[..], &give[..]].concat());
    // The member, and a kind of event, are called what a variable has as its value.
    assert_eq!(home.ask("reviewer", "[[say hello]]")["text"], "hello");
    signal("-9", daemon_pid(&home));
    wait_for("its agents to end", || home.processes().is_empty().then_some(()));
    home.teams(&["resume"]);
    let report = home.ask("reviewer", "[[run echo $PHRASE]]");
    assert!(report["text"].as_str().is_some_and(|text| text.contains("[PHRASE redacted]")), "{report}");
    let found = Command::new("grep").args(["-rlF", "open-sesame-please"]).arg(home.path()).output().expect("grep runs");
    assert_eq!(String::from_utf8_lossy(&found.stdout), "");
}

#[test]
fn what_marks_a_shell_as_an_agents_own_is_not_passed_on() {
    let home = Home::simulated().with_env("CLAUDECODE", "1").with_env("MINE_ONE", "x").with_env("MINE_TWO", "x");
    home.write(".config/agent-teams/config.toml", "[environment]\ndeny = [\"MINE_*\"]\n");
    home.teams(&["create", "crew"]);
    let mode = ["--permission-mode", "bypassPermissions"];
    home.teams(&["spawn", "c", "--backend", "claude", mode[0], mode[1], "--env", "MINE_TWO=given"]);
    let report = home.ask("c", "[[run echo .$CLAUDECODE.$MINE_ONE.$MINE_TWO.]]");
    assert!(report["text"].as_str().is_some_and(|text| text.contains("...given.")), "{report}");
}

#[test]
fn a_daemon_on_other_files_is_not_used_by_mistake() {
    let home = Home::simulated();
    home.teams(&["create", "crew"]);
    let other = home.path().join("other");
    let output = home.command(&["list"]).env("CLAUDE_CONFIG_DIR", &other).output().expect("it runs");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.code() == Some(1) && error.contains("other/teams") && error.contains("TEAMS_STATE_DIR"),
        "{error}"
    );
}

#[test]
fn it_survives_the_one_who_started_it_and_its_hangup() {
    let home = Home::simulated();
    home.teams(&["create", "crew"]);
    let pid = daemon_pid(&home);
    signal("-HUP", pid);
    assert_eq!(daemon_pid(&home), pid);
    let session = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("it runs");
    let session: u64 =
        session.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(3)?.parse().ok()).expect("a session");
    assert_eq!(session, pid, "it has a session of its own");
}

#[test]
fn after_its_murder_the_next_command_says_what_is_and_works() {
    let home = Home::simulated();
    home.teams(&["create", "crew"]);
    home.teams(&["spawn", "c", "--backend", "claude"]);
    home.ask("c", "the word is plum [[say noted]]");
    let session = home.member("c")["sessionId"].as_str().expect("a session").to_owned();
    let last = home.events().len();
    let pid = daemon_pid(&home);
    signal("-9", pid);
    // Its agents read the end of their input, and end.
    wait_for("its agents to end", || home.processes().is_empty().then_some(()));
    let member = home.member("c");
    assert_eq!((&member["state"], &member["turns"]), (&"lost".into(), &1.into()));
    assert_eq!(member["sessionId"], session.as_str());
    assert_ne!(daemon_pid(&home), pid);
    let resumed = home.json(&["resume"]);
    assert_eq!(resumed, serde_json::json!([{"name": "c", "outcome": "resumed", "reason": null}]));
    let report = home.ask("c", "[[recall]]");
    assert!(report["text"].as_str().is_some_and(|text| text.contains("plum")), "{report}");
    assert_eq!(report["turn"], 2);
    let numbers: Vec<u64> = home.events().iter().filter_map(|event| event["seq"].as_u64()).collect();
    assert!(numbers.len() > last && numbers == (1..=numbers.len() as u64).collect::<Vec<_>>(), "{numbers:?}");
}

#[test]
fn sigterm_stops_it_and_every_member() {
    let home = Home::simulated();
    home.teams(&["create", "crew"]);
    for backend in ["claude", "codex", "gemini-acp"] {
        home.teams(&["spawn", "--backend", backend]);
    }
    signal("-TERM", daemon_pid(&home));
    home.wait_for_no_process();
    assert!(!home.state().join("daemon.sock").exists());
}

#[test]
fn who_stops_it_comes_back_when_it_is_gone() {
    let home = Home::simulated();
    home.teams(&["create", "crew"]);
    for backend in ["claude", "codex", "gemini-acp"] {
        home.teams(&["spawn", "--backend", backend]);
        home.teams(&["send", backend, "[[say done]]"]);
    }
    home.teams(&["daemon", "stop"]);
    assert_eq!(home.processes(), Vec::<String>::new());
}

#[test]
fn one_that_ends_in_the_moment_it_is_called_is_none() {
    let state = tempfile::tempdir().expect("a folder");
    let path = state.path().join("daemon.sock");
    let over = AtomicBool::new(false);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                drop(std::os::unix::net::UnixListener::bind(&path));
                let _ = std::fs::remove_file(&path);
            }
        });
        let errors: Vec<String> = (0..5000)
            .filter_map(|_| match runtime.block_on(Connection::to_any(state.path())) {
                Ok(None) => None,
                Ok(Some(_)) => Some("an answer".to_owned()),
                Err(error) => Some(error.to_string()),
            })
            .collect();
        over.store(true, Ordering::Relaxed);
        assert_eq!(errors, Vec::<String>::new());
    });
}

#[test]
fn a_stale_socket_is_no_obstacle() {
    let home = Home::simulated();
    std::fs::create_dir_all(home.state()).expect("a folder");
    drop(std::os::unix::net::UnixListener::bind(home.state().join("daemon.sock")).expect("a socket"));
    std::fs::write(home.state().join("daemon.lock"), "1").expect("a stale pid");
    home.teams(&["create", "crew"]);
    // One that is a plain file, too.
    home.teams(&["daemon", "stop"]);
    std::fs::write(home.state().join("daemon.sock"), "").expect("a file");
    assert_eq!(home.json(&["list"])[0]["team"], "crew");
}

#[test]
fn a_state_directory_with_a_long_path_works() {
    let home = Home::simulated();
    let deep = home.path().join("d".repeat(120)).join("state");
    let run = |args: &[&str]| {
        let mut command = home.command(args);
        let output =
            command.env("TEAMS_STATE_DIR", &deep).env("XDG_RUNTIME_DIR", home.path()).output().expect("it runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    run(&["create", "crew"]);
    run(&["status"]);
    run(&["daemon", "stop"]);
}

#[test]
fn a_state_directory_that_cannot_be_made_is_named() {
    let home = Home::simulated();
    home.write("file", "");
    let output =
        home.command(&["list"]).env("TEAMS_STATE_DIR", home.path().join("file/state")).output().expect("it runs");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(1) && error.contains("TEAMS_STATE_DIR"), "{error}");
}

#[test]
fn a_torn_task_file_is_named_and_the_rest_works() {
    let home = Home::simulated();
    home.teams(&["create", "crew"]);
    home.teams(&["task", "add", "one"]);
    std::fs::write(home.claude("tasks/crew/2.json"), "{\"id\": \"2\", \"sub").expect("written");
    let output = home.command(&["task", "list", "--json"]).output().expect("it runs");
    assert!(output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("2.json"));
    assert_eq!(serde_json::from_slice::<Value>(&output.stdout).expect("JSON").as_array().map(Vec::len), Some(1));
    assert_eq!(home.json(&["task", "add", "next"])["id"], "3");
}

#[test]
fn a_daemon_of_another_version_is_named_and_can_be_stopped() {
    use std::io::{BufRead, BufReader, Write};
    let home = Home::simulated();
    std::fs::create_dir_all(home.state()).expect("a folder");
    let socket = home.state().join("daemon.sock");
    let listener = std::os::unix::net::UnixListener::bind(&socket).expect("a socket");
    let path = socket.clone();
    let other = std::thread::spawn(move || {
        // Answers what every version answers, for two clients: its own name, and the order to stop.
        let hello = serde_json::json!({"version": "9.9.9", "protocol": 99, "pid": 1, "startedAt": "", "stateDir": "/",
            "teamsDir": "/", "running": []});
        for _ in 0..2 {
            let (stream, _) = listener.accept().expect("a client");
            let mut writer = stream.try_clone().expect("a stream");
            for line in BufReader::new(stream).lines().map_while(Result::ok) {
                let call: Value = serde_json::from_str(&line).expect("JSON");
                let result = if call["method"] == "hello" { hello.clone() } else { serde_json::json!([]) };
                let reply = serde_json::json!({"jsonrpc": "2.0", "id": call["id"], "result": result});
                writeln!(writer, "{reply}").expect("it listens");
            }
        }
        std::fs::remove_file(path).expect("its socket");
    });
    let (code, error) = home.fails(&["list"]);
    assert!(code == 1 && error.contains("version 9.9.9") && error.contains("teams daemon stop"), "{error}");
    assert!(home.teams(&["daemon", "stop"]).contains("has ended"));
    other.join().expect("it ended");
    assert_eq!(home.json(&["list"]), serde_json::json!([]));
}
