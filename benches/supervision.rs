//! What supervision costs, each beside what it is measured against in the same run: `cargo bench --bench supervision`. It asserts
//! nothing; it prints.

#![allow(clippy::unwrap_used)]

mod support;

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use agent_backends::claude::ClaudeCodeBackend;
use agent_backends::{AgentBackend, SpawnConfig, Supervision};
use serde_json::Value;
use support::{median, ms, row, run, run_parts, runtime};

const TEAMS: &str = env!("CARGO_BIN_EXE_teams");

fn main() {
    run_parts(&[("shim", shim), ("resume", resume), ("fork bomb", bomb), ("daemon", daemon)]);
}

fn json(home: &Path, args: &[&str]) -> Value {
    serde_json::from_str(&run(home, &[args, &["--json"]].concat())).unwrap()
}

fn kilobytes(pid: &str, file: &str, field: &str) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap();
    let line = text.lines().find(|line| line.starts_with(field)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

fn wakeups(pids: &[String]) -> u64 {
    let of = |pid: &String| -> u64 {
        let tasks = fs::read_dir(format!("/proc/{pid}/task")).unwrap().flatten();
        tasks
            .map(|task| {
                kilobytes(pid, &format!("task/{}/status", task.file_name().display()), "voluntary_ctxt_switches:")
            })
            .sum()
    };
    pids.iter().map(of).sum()
}

/// The same agent, started and stopped with a shim and without one, in turns.
fn shim() {
    let runtime = runtime();
    let agent = agent_backends::Command::new(TEAMS).arg("simulate").arg("claude-code").arg("--");
    let backend = ClaudeCodeBackend::with_command(agent);
    let start = |shim: Option<agent_backends::Command>| {
        runtime.block_on(async {
            let supervision = Supervision { shim, ..Supervision::default() };
            let begin = Instant::now();
            let config = SpawnConfig { supervision, ..SpawnConfig::new("a", "") };
            let mut session = backend.spawn(config).await.unwrap();
            let ready = begin.elapsed();
            session.shutdown().await.unwrap();
            ready
        })
    };
    let (mut with, mut without) = (Vec::new(), Vec::new());
    for _ in 0..40 {
        with.push(start(Some(agent_backends::Command::new(TEAMS).arg("shim"))));
        without.push(start(None));
    }
    let (with, without) = (median(with), median(without));
    row("from nothing to a ready agent, without a shim", ms(without), "");
    row("what a shim adds", ms(with.saturating_sub(without)), "under 10 ms");
}

/// Twenty members come back after the daemon was killed.
fn resume() {
    let home = tempfile::tempdir().unwrap();
    run(home.path(), &["create", "t"]);
    for number in 0..20 {
        let (name, backend) = (format!("m{number}"), ["claude", "codex", "gemini", "gemini-acp"][number % 4]);
        run(home.path(), &["spawn", &name, "--backend", backend]);
        run(home.path(), &["ask", &name, "[[say hi]]"]);
    }
    let daemon = json(home.path(), &["daemon", "status"])["daemon"]["pid"].to_string();
    let agents = json(home.path(), &["ps"]);
    let mut shims = Vec::new();
    for agent in agents.as_array().unwrap() {
        let all = agent["processes"].as_array().unwrap().iter();
        shims.extend(all.filter(|process| process["role"] == "shim").map(|process| process["pid"].to_string()));
    }
    let private = shims.iter().map(|pid| kilobytes(pid, "smaps_rollup", "Private_Dirty:")).max().unwrap();
    let resident = shims.iter().map(|pid| kilobytes(pid, "status", "VmRSS:")).max().unwrap();
    let share = shims.iter().map(|pid| kilobytes(pid, "smaps_rollup", "Pss:")).max().unwrap();
    row("memory of a shim: pages of its own", format!("{private} kB"), "");
    row("with its share of those that all of them have (PSS)", format!("{share} kB"), "under 3 MB");
    row("with all of those (RSS)", format!("{resident} kB"), "");
    let all = [std::slice::from_ref(&daemon), &shims[..]].concat();
    let before = wakeups(&all);
    std::thread::sleep(Duration::from_secs(5));
    row(&format!("wakeups of the daemon and {} shims in 5 s", shims.len()), wakeups(&all) - before, "0");
    Command::new("kill").args(["-9", &daemon]).status().unwrap();
    let begin = Instant::now();
    let resumed = json(home.path(), &["resume"]);
    let time = begin.elapsed();
    let back = resumed.as_array().unwrap().iter().filter(|one| one["outcome"] == "resumed").count();
    row(&format!("{back} of 20 members back after SIGKILL of the daemon, in all"), ms(time), "under 3 s");
    run(home.path(), &["daemon", "stop"]);
}

/// Five hundred orphans in sessions of their own.
fn bomb() {
    let home = tempfile::tempdir().unwrap();
    let script = "for i in $(seq 500); do (setsid env -i sh -c 'trap \"\" TERM; echo $$ >> up; exec sleep 1000' >/dev/null 2>&1 &) ; done
                  while [ $(wc -l < up) -lt 500 ]; do :; done";
    fs::write(home.path().join("bomb.sh"), script).unwrap();
    run(home.path(), &["create", "t"]);
    run(home.path(), &["spawn", "c", "--backend", "claude", "--permission-mode", "bypassPermissions"]);
    run(home.path(), &["ask", "c", "[[run sh bomb.sh]]"]);
    let begin = Instant::now();
    let stopped = json(home.path(), &["stop", "c"]);
    let time = begin.elapsed();
    row(
        &format!("`teams stop`: {} descendants ended, {} left", stopped[0]["descendants"], stopped[0]["left"]),
        ms(time),
        "under 2 s",
    );
    run(home.path(), &["daemon", "stop"]);
}

fn cpu_ticks(pid: &str) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

/// Fifty members that do nothing.
fn daemon() {
    let home = tempfile::tempdir().unwrap();
    run(home.path(), &["create", "t"]);
    for number in 0..50 {
        let backend = ["claude", "codex", "gemini", "gemini-acp"][number % 4];
        run(home.path(), &["spawn", &format!("m{number}"), "--backend", backend]);
    }
    let status = json(home.path(), &["daemon", "status"]);
    let pid = status["daemon"]["pid"].to_string();
    row(
        "memory of the daemon with 50 idle members",
        format!("{:.1} MB", kilobytes(&pid, "status", "VmRSS:") as f64 / 1024.0),
        "under 30 MB",
    );
    let (ticks, woken) = (cpu_ticks(&pid), wakeups(std::slice::from_ref(&pid)));
    std::thread::sleep(Duration::from_secs(5));
    row("its CPU in 5 s in which nothing happens", format!("{} ticks", cpu_ticks(&pid) - ticks), "0");
    row("its wakeups in these 5 s", wakeups(std::slice::from_ref(&pid)) - woken, "0");
    run(home.path(), &["daemon", "stop"]);
}
