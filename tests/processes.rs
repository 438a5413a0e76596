//! What agents leave behind, however they, their shims or the daemon end: nothing.

use std::path::Path;
use std::process::{Child, Command};

use serde_json::Value;

use crate::support::{Home, daemon_pid, signal, teams_binary, wait_for};

/// Starts so many processes that nobody's parent is: double-forked, in sessions of their own, with an empty environment, deaf
/// to every signal that can be ignored.
const LEAVE: &str = r#"
for i in $(seq $1); do
    (setsid env -i sh -c 'trap "" TERM HUP INT; echo $$ >> pids; exec sleep 1000' > /dev/null 2>&1 < /dev/null &)
done
while [ "$(wc -l < pids 2> /dev/null || echo 0)" -lt "$1" ]; do :; done
"#;

fn busy_member(home: &Home, sleepers: usize) -> Vec<u64> {
    home.write("project/leave.sh", LEAVE);
    home.teams(&["create", "crew"]);
    home.teams(&["spawn", "worker", "--backend", "claude", "--permission-mode", "bypassPermissions"]);
    home.ask("worker", &format!("[[run sh leave.sh {sleepers}]]"));
    let pids = std::fs::read_to_string(home.work().join("pids")).expect("sleepers");
    let pids: Vec<u64> = pids.lines().map(|pid| pid.parse().expect("a pid")).collect();
    assert_eq!(pids.iter().filter(|pid| runs(**pid)).count(), sleepers);
    pids
}

fn runs(pid: u64) -> bool {
    let stat = std::fs::read(format!("/proc/{pid}/stat")).unwrap_or_default();
    let stat = String::from_utf8_lossy(&stat);
    stat.rsplit(')').next().is_some_and(|rest| !rest.is_empty() && !rest.trim_start().starts_with('Z'))
}

fn all_gone(pids: &[u64]) {
    wait_for("the last sleeper to end", || pids.iter().all(|pid| !runs(*pid)).then_some(()));
}

/// The worker's process that is that to it.
fn process(home: &Home, role: &str) -> u64 {
    let agents = home.json(&["ps"]);
    let processes = agents[0]["processes"].as_array().expect("processes").clone();
    let of = |process: &Value| process["role"] == role;
    processes.iter().find(|process| of(process)).expect("a process")["pid"].as_u64().expect("a pid")
}

/// A process with the command line of a simulated agent, that is none of ours.
struct Decoy(Child);

impl Decoy {
    fn start() -> Self {
        let args = ["simulate", "claude-code", "--"];
        let stdin = std::process::Stdio::piped();
        Self(Command::new(teams_binary()).args(args).stdin(stdin).spawn().expect("a decoy"))
    }

    fn was_left_alone(mut self) {
        assert_eq!(self.0.try_wait().expect("it can be waited for"), None, "the decoy was touched");
        self.0.kill().expect("it runs");
        self.0.wait().expect("it ends");
    }
}

#[test]
fn stopping_a_member_ends_what_it_left_in_other_sessions() {
    let home = Home::simulated();
    let decoy = Decoy::start();
    let pids = busy_member(&home, 500);
    let stopped = home.json(&["stop", "worker"]);
    assert_eq!(stopped[0]["left"], 0, "{stopped}");
    assert!(stopped[0]["descendants"].as_u64().is_some_and(|count| count >= 500), "{stopped}");
    assert_eq!(pids.iter().filter(|pid| runs(**pid)).count(), 0);
    assert_eq!(home.json(&["ps"]), serde_json::json!([]));
    decoy.was_left_alone();
}

#[test]
fn a_daemon_that_is_killed_takes_every_process_with_it() {
    let home = Home::simulated();
    let decoy = Decoy::start();
    let pids = busy_member(&home, 20);
    signal("-9", daemon_pid(&home));
    all_gone(&pids);
    wait_for("its agents to end", || home.processes().is_empty().then_some(()));
    assert_eq!(home.json(&["ps", "--orphans"]), serde_json::json!([]));
    decoy.was_left_alone();
}

#[test]
fn a_shim_that_is_killed_leaves_its_work_to_the_daemon() {
    let home = Home::simulated();
    let pids = busy_member(&home, 20);
    signal("-9", process(&home, "shim"));
    all_gone(&pids);
    let member = home.wait_for_state("worker", "failed");
    assert!(member["pid"].is_null(), "{member}");
    home.wait_for_only_the_daemon();
    let zombies = Command::new("ps").args(["-o", "stat=", "--ppid", &daemon_pid(&home).to_string()]).output();
    let zombies = String::from_utf8(zombies.expect("ps runs").stdout).expect("UTF-8");
    assert!(!zombies.contains('Z'), "orphans that ended are reaped: {zombies}");
}

#[test]
fn a_shim_that_is_killed_while_its_agent_talks_is_missed_all_the_same() {
    let home = Home::simulated();
    let pids = busy_member(&home, 5);
    let words = "word ".repeat(5000);
    home.teams(&["send", "worker", &format!("[[say {words}]] [[slow 10]]")]);
    home.wait_for_event("its words", |event| event["type"] == "delta" && event["turn"] == 2);
    let begin = std::time::Instant::now();
    signal("-9", process(&home, "shim"));
    all_gone(&pids);
    home.wait_for_state("worker", "failed");
    assert!(begin.elapsed().as_secs() < 20, "it would have talked for longer");
    home.wait_for_only_the_daemon();
}

#[test]
fn a_shim_that_is_stopped_stops_nobody() {
    let home = Home::simulated();
    let pids = busy_member(&home, 5);
    let shim = process(&home, "shim");
    signal("-STOP", shim);
    let stopped = home.json(&["stop", "worker", "--now"]);
    assert_eq!(stopped[0]["left"], 0, "{stopped}");
    assert_eq!(pids.iter().filter(|pid| runs(**pid)).count(), 0);
    assert!(!runs(shim), "it goes too");
}

#[test]
fn a_process_may_call_itself_anything_and_end_its_first_thread() {
    let home = Home::simulated();
    home.write(
        "project/odd.py",
        "import ctypes, os, sys, threading, time\n\
         open('/proc/self/comm', 'wb').write(b'\\xff)\\xfe (')\n\
         print(os.getpid(), file=open('odd', 'w'))\n\
         threading.Thread(target=time.sleep, args=(1000,)).start()\n\
         ctypes.CDLL(None).pthread_exit(None)\n",
    );
    home.teams(&["create", "crew"]);
    home.teams(&["spawn", "worker", "--backend", "claude", "--permission-mode", "bypassPermissions"]);
    home.ask("worker", "[[run (setsid env -i python3 odd.py > /dev/null 2>&1 &); until [ -s odd ]; do :; done]]");
    let odd = std::fs::read_to_string(home.work().join("odd")).expect("a pid").trim().to_owned();
    let exists = || Path::new("/proc").join(&odd).exists();
    assert!(exists());
    let stopped = home.json(&["stop", "worker"]);
    assert_eq!((&stopped[0]["left"], exists()), (&Value::from(0), false), "{stopped}");
    home.wait_for_only_the_daemon();
}

#[test]
fn no_daemon_is_started_from_within_an_agent() {
    let home = Home::simulated();
    let output = home.command(&["list"]).env("AGENT_BACKENDS_PROCESS", "x").output().expect("it runs");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(1) && error.contains("teams daemon start"), "{error}");
}

#[test]
fn what_daemon_and_shim_together_left_behind_is_ended_by_the_next_daemon() {
    let home = Home::simulated();
    home.teams(&["create", "crew"]);
    home.teams(&["spawn", "worker", "--backend", "claude", "--permission-mode", "bypassPermissions"]);
    home.teams(&["send", "worker", "[[run trap '' TERM; echo $$ > deaf; while :; do sleep 1000; done]]"]);
    let deaf = wait_for("a deaf command", || {
        std::fs::read_to_string(home.work().join("deaf")).ok()?.trim().parse::<u64>().ok()
    });
    let (daemon, shim) = (daemon_pid(&home), process(&home, "shim"));
    signal("-STOP", daemon);
    signal("-9", shim);
    signal("-9", daemon);
    wait_for("the end of the daemon", || (!runs(daemon)).then_some(()));
    assert!(runs(deaf));
    home.teams(&["list"]);
    all_gone(&[deaf]);
    assert_eq!(home.json(&["ps", "--orphans"]), serde_json::json!([]));
    let log = std::fs::read_to_string(home.state().join("daemon.log")).expect("a log");
    assert!(log.contains("left this member behind") && log.contains("worker@crew"), "{log}");
}

#[test]
fn ps_shows_what_runs_for_whom() {
    let home = Home::simulated();
    home.teams(&["create", "crew"]);
    home.teams(&["spawn", "c", "--backend", "claude"]);
    home.teams(&["spawn", "x", "--backend", "codex"]);
    home.teams(&["spawn", "y", "--backend", "codex"]);
    let agents = home.json(&["ps"]);
    let members: Vec<&Value> = agents.as_array().expect("agents").iter().map(|agent| &agent["members"]).collect();
    assert_eq!(members, [&serde_json::json!(["c@crew"]), &serde_json::json!(["x@crew", "y@crew"])]);
    for agent in agents.as_array().expect("agents") {
        let roles: Vec<&str> = agent["processes"]
            .as_array()
            .expect("some")
            .iter()
            .filter_map(|process| process["role"].as_str())
            .collect();
        assert_eq!(roles, ["shim", "agent"], "{agent}");
    }
    let text = home.teams(&["ps"]);
    assert!(text.contains("shim of codex") && text.contains("x@crew,y@crew") && text.contains(" MB"), "{text}");
}

#[test]
fn how_long_an_agent_may_take_to_stop_can_be_set() {
    let home = Home::simulated();
    home.teams(&["create", "crew"]);
    home.write("deaf.sh", "trap '' TERM; while :; do sleep 0.1; done");
    let begin = std::time::Instant::now();
    let command = format!("sh {}", home.path().join("deaf.sh").display());
    let mut spawn = home.command(&["spawn", "a", "--backend", "acp", "--command", &command, "--timeout", "0.2"]);
    assert!(!spawn.env_remove("TEAMS_SIMULATE").status().expect("it runs").success());
    assert!(begin.elapsed().as_secs() < 3, "an agent that never got ready has no claim to patience");
    // Asked to end, this agent waits to be released: it has the time for that, or it has not.
    let handshake = r#"read l; echo '{"jsonrpc":"2.0","id":0,"result":{"protocolVersion":1}}'
read l; echo '{"jsonrpc":"2.0","id":1,"result":{"sessionId":"s"}}'"#;
    let at_the_end = "touch $1-asked; until [ -e release ]; do sleep 0.05; done; touch $1-ended";
    home.write("slow.sh", &format!("{handshake}\nwhile read l; do :; done\n{at_the_end}"));
    let home = home.with_env("TEAMS_SIMULATE", "0");
    let file = |name: &str| home.work().join(name);
    let stop = |name: &str, grace: &str| {
        let command = format!("sh {} {name}", home.path().join("slow.sh").display());
        home.teams(&["spawn", name, "--backend", "acp", "--command", &command, "--stop-grace", grace]);
        home.start(&["stop", name, "--json"])
    };
    let report = |stopped: std::process::Child| -> Value {
        let output = stopped.wait_with_output().expect("it ends");
        serde_json::from_slice(&output.stdout).expect("a report")
    };
    let hurried = report(stop("hurried", "0.1"));
    assert_eq!((&hurried[0]["left"], &hurried[0]["step"]), (&Value::from(0), &Value::from("terminated")), "{hurried}");
    assert!(!file("hurried-ended").exists());
    let stopped = stop("patient", "60");
    wait_for("the agent to be asked", || file("patient-asked").exists().then_some(()));
    std::fs::write(file("release"), "").expect("a file");
    let patient = report(stopped);
    assert_eq!((&patient[0]["left"], &patient[0]["step"]), (&Value::from(0), &Value::from("asked")), "{patient}");
    assert!(file("patient-ended").exists());
}
