//! Speed and memory, each beside what it is measured against in the same run: `cargo bench`, or `cargo bench -- inbox` for
//! the parts whose name has that word. It asserts nothing; it prints.

#![allow(clippy::unwrap_used)]

#[path = "support/files.rs"]
mod files;
mod support;

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use agent_backends::claude::ClaudeCodeBackend;
use agent_backends::{AgentBackend, AgentOutput, SpawnConfig};
use agent_teams::model::graph::Graph;
use agent_teams::model::task::{CreateTaskRequest, TaskId};
use agent_teams::{BackendType, TeamName, TeamOrchestrator};
use files::{fill_inbox, fill_tasks, message, raw_write, side_by_side, store_at, team, timed};
use serde_json::{Value, json};
use support::{median, ms, row, run, run_parts, runtime};

fn main() {
    if let [_, role, dir, name] = std::env::args().collect::<Vec<_>>().as_slice()
        && role == "claimer"
    {
        return claim_all(Path::new(dir), name);
    }
    run_parts(&[("output", output), ("inbox", inbox), ("tasks", tasks), ("claim", claim), ("turns", turns)]);
}

// ---- lines of a child to the receiver ----

const LINES: usize = 100_000;

/// An agent that shakes hands like Claude Code and answers an input with a file.
fn replaying_agent(dir: &Path) -> agent_backends::Command {
    let mut file = std::io::BufWriter::new(fs::File::create(dir.join("answer")).unwrap());
    for number in 0..LINES {
        let line = json!({"type": "stream_event", "event": {"type": "content_block_delta", "index": 0,
            "delta": {"type": "text_delta", "text": format!("word {number} ")}}, "session_id": "s", "uuid": "u"});
        writeln!(file, "{line}").unwrap();
    }
    writeln!(file, "{}", json!({"type": "result", "subtype": "success", "is_error": false, "result": ""})).unwrap();
    drop(file);
    let hello = r#"echo '{"type":"control_response","response":{"subtype":"success","request_id":"initialize","response":{}}}'"#;
    let settings = r#"echo '{"type":"control_response","response":{"subtype":"success","request_id":"get_settings","response":{}}}'"#;
    let script =
        format!("read l; {hello}; read l; {settings}; while read l; do cat '{}'; done", dir.join("answer").display());
    agent_backends::Command::new("/bin/sh").arg("-c").arg(script)
}

fn plain_loop(dir: &Path) -> Duration {
    let began = Instant::now();
    let mut child = Command::new("cat").arg(dir.join("answer")).stdout(Stdio::piped()).spawn().unwrap();
    let mut text = 0;
    for line in BufReader::with_capacity(64 << 10, child.stdout.take().unwrap()).lines() {
        let value: Value = serde_json::from_str(&line.unwrap()).unwrap();
        text += value["event"]["delta"]["text"].as_str().map_or(0, str::len);
    }
    child.wait().unwrap();
    assert!(text > LINES);
    began.elapsed()
}

fn output() {
    let dir = tempfile::tempdir().unwrap();
    let command = replaying_agent(dir.path());
    let expected: usize = (0..LINES).map(|number| format!("word {number} ").len()).sum();
    let through = |stall: Duration| {
        let command = command.clone();
        runtime().block_on(async move {
            let backend = ClaudeCodeBackend::with_command(command);
            let mut session = backend.spawn(SpawnConfig::new("bench", "")).await.unwrap();
            let mut receiver = session.output_receiver().unwrap();
            let began = Instant::now();
            session.send_input("go").await.unwrap();
            tokio::time::sleep(stall).await;
            let (mut text, mut lagged, mut control) = (0, 0, 0);
            loop {
                match receiver.recv().await.unwrap() {
                    AgentOutput::Delta(part) => text += part.len(),
                    AgentOutput::Lagged { bytes } => lagged += bytes as usize,
                    AgentOutput::Idle => break,
                    _ => control += 1,
                }
            }
            let time = began.elapsed();
            session.shutdown().await.unwrap();
            (time, text, lagged, control)
        })
    };
    let plain = median((0..5).map(|_| plain_loop(dir.path())).collect());
    let runs: Vec<_> = (0..5).map(|_| through(Duration::ZERO)).collect();
    let ours = median(runs.iter().map(|run| run.0).collect());
    let least = runs.iter().map(|run| run.1).min().unwrap_or(0);
    row("100,000 lines of a child, plain loop that parses the same", ms(plain), "");
    row("the same through a session to its receiver", ms(ours), "");
    row("speed of ours to the plain loop", format!("{:.2}", plain.as_secs_f64() / ours.as_secs_f64()), "at least 0.95");
    row("events a second", format!("{:.0}", LINES as f64 / ours.as_secs_f64()), "");
    row("text that arrived", format!("{:.1} %", 100.0 * least as f64 / expected as f64), "100 %");
    let (_, text, lagged, control) = through(Duration::from_secs(7));
    let kept = text as f64 / expected.min(1 << 20) as f64;
    row("reader stalled for 7 s: control events (turn start, input taken, turn end)", control, "3");
    row("reader stalled for 7 s: text kept, of the 1 MiB that is the bound", format!("{:.1} %", 100.0 * kept), "");
    row("reader stalled for 7 s: bytes neither delivered nor counted", expected - text - lagged, "0");
}

// ---- the store ----

/// Eight threads that take turns, as writers of one file or one list must; answers the time for each write.
fn raw_by_eight(each: u32, write: impl Fn(u32) + Sync) -> Duration {
    let turn = std::sync::Mutex::new(0);
    let began = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..each {
                    let mut number = turn.lock().unwrap();
                    *number += 1;
                    write(*number);
                }
            });
        }
    });
    began.elapsed() / (8 * each)
}

fn ratio(what: &str, (ours, raw): (Duration, Duration)) {
    let ratio = ours.as_secs_f64() / raw.as_secs_f64();
    row(what, format!("{ratio:.2}"), &format!("at most 1.5   ({} to {})", ms(ours), ms(raw)));
}

fn inbox() {
    for entries in [100, 1_000, 10_000] {
        let dir = tempfile::tempdir_in(".").unwrap();
        let store = store_at(dir.path());
        let team = team(&store);
        let name = "w".parse().unwrap();
        let path = dir.path().join("teams/bench/inboxes/w.json");
        fill_inbox(&path, entries);
        let append = || drop(store.append_message(&team, &name, message(), jiff::Timestamp::now()).unwrap());
        append();
        let other = dir.path().join("raw.json");
        let times = side_by_side(60, append, || fs::read(&path).unwrap(), |bytes| raw_write(&other, &bytes));
        ratio(&format!("append to an inbox of {entries}, by one writer, to the raw write"), times);
        // Of another process the file may have come from anybody: it is looked at whole.
        let cold =
            || drop(store_at(dir.path()).append_message(&team, &name, message(), jiff::Timestamp::now()).unwrap());
        ratio(
            &format!("append to an inbox of {entries}, by a new process each time"),
            side_by_side(40, cold, || fs::read(&path).unwrap(), |bytes| raw_write(&other, &bytes)),
        );
        let each = 20;
        let began = Instant::now();
        std::thread::scope(|scope| {
            for _ in 0..8 {
                let (store, team, name) = (&store, &team, &name);
                scope.spawn(move || {
                    (0..each).for_each(|_| {
                        drop(store.append_message(team, name, message(), jiff::Timestamp::now()).unwrap())
                    })
                });
            }
        });
        let eight = began.elapsed() / (8 * each);
        let bytes = fs::read(&path).unwrap();
        let raw = raw_by_eight(each, |_| raw_write(&other, &bytes));
        ratio(&format!("append to an inbox of {entries}, by 8 writers, to 8 raw writers in turns"), (eight, raw));
    }
}

fn tasks() {
    for entries in [100, 1_000, 10_000] {
        let dir = tempfile::tempdir_in(".").unwrap();
        let store = store_at(dir.path());
        let team = team(&store);
        fill_tasks(&store, &dir.path().join("tasks/bench"), &team, entries);
        let request = CreateTaskRequest { subject: "One more".into(), ..Default::default() };
        let create = || drop(store.create_task(&team, &request).unwrap());
        create();
        let bytes = fs::read(dir.path().join(format!("tasks/bench/{}.json", entries + 1))).unwrap();
        let raw_dir = dir.path().join("raw");
        fs::create_dir(&raw_dir).unwrap();
        let mut number = 0;
        let raw = |()| {
            number += 1;
            raw_write(&raw_dir.join(format!("{number}.json")), &bytes);
        };
        let times = side_by_side(100, create, || (), raw);
        ratio(&format!("create a task beside {entries}, by one writer, to the raw write"), times);
        let each = 20;
        let began = Instant::now();
        std::thread::scope(|scope| {
            for _ in 0..8 {
                let (store, team, request) = (&store, &team, &request);
                scope.spawn(move || (0..each).for_each(|_| drop(store.create_task(team, request).unwrap())));
            }
        });
        let eight = began.elapsed() / (8 * each);
        let raw = raw_by_eight(each, |number| raw_write(&raw_dir.join(format!("e{number}.json")), &bytes));
        ratio(&format!("create a task beside {entries}, by 8 writers, to 8 raw writers in turns"), (eight, raw));
    }
    let dir = tempfile::tempdir_in(".").unwrap();
    let store = store_at(dir.path());
    let team = team(&store);
    fill_tasks(&store, &dir.path().join("tasks/bench"), &team, 10_000);
    let folder = dir.path().join("tasks/bench");
    let read_only = || {
        let mut bytes = 0;
        for entry in fs::read_dir(&folder).unwrap().flatten() {
            bytes += fs::read(entry.path()).unwrap().len();
        }
        assert!(bytes > 0);
    };
    let cold = || assert_eq!(store_at(dir.path()).tasks(&team).unwrap().tasks.len(), 10_000);
    ratio("list 10,000 tasks, to reading the same files", side_by_side(7, cold, || (), |()| read_only()));
    let warm = median(
        (0..50)
            .map(|_| {
                let began = Instant::now();
                store.tasks(&team).unwrap();
                began.elapsed()
            })
            .collect(),
    );
    row("list 10,000 tasks again, nothing changed", ms(warm), "under 10 ms");
    let list = store.tasks(&team).unwrap();
    let check = median(
        (0..20)
            .map(|_| {
                let began = Instant::now();
                assert!(Graph::new(&list.tasks).cycle_with(&TaskId::number(10_000), &TaskId::number(1)).is_some());
                began.elapsed()
            })
            .collect(),
    );
    row("cycle check on a chain of 10,000, the graph made anew", ms(check), "under 1 ms");
}

fn claim() {
    let dir = tempfile::tempdir_in(".").unwrap();
    let store = store_at(dir.path());
    let team = team(&store);
    for number in 0..200 {
        let request = CreateTaskRequest { subject: format!("Task {number}"), ..Default::default() };
        store.create_task(&team, &request).unwrap();
    }
    // Four processes: this program again, as a claimer.
    let began = Instant::now();
    let workers: Vec<Child> = (0..4)
        .map(|worker| {
            Command::new(std::env::current_exe().unwrap())
                .arg("claimer")
                .arg(dir.path())
                .arg(format!("w{worker}"))
                .stdout(Stdio::piped())
                .spawn()
                .unwrap()
        })
        .collect();
    let mut ids: Vec<String> = Vec::new();
    for worker in workers {
        let output = worker.wait_with_output().unwrap();
        assert!(output.status.success(), "a claim was answered with an error");
        ids.extend(String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned));
    }
    let time = began.elapsed();
    let count = ids.len();
    ids.sort();
    ids.dedup();
    row("tasks of 200 claimed by 4 processes, none of them told of a lock", count, "200");
    row("claimed twice", count - ids.len(), "0");
    row("time for each claim", ms(time / 200), "");
}

fn claim_all(dir: &Path, name: &str) {
    let store = store_at(dir);
    let team: TeamName = "bench".parse().unwrap();
    while let Some(task) = store.claim_task(&team, None, name).unwrap() {
        println!("{}", task.id);
    }
}

// ---- turns ----

fn simulated_claude() -> Child {
    Command::new(env!("CARGO_BIN_EXE_teams"))
        .args(["simulate", "claude-code"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// A turn through the library, and one of the bare agent, in turns.
fn through_library(runtime: &tokio::runtime::Runtime, mut bare: impl FnMut()) -> (Duration, Duration) {
    const ROUNDS: usize = 400;
    let dir = tempfile::tempdir().unwrap();
    let command =
        agent_backends::Command::new(env!("CARGO_BIN_EXE_teams")).arg("simulate").arg("claude-code").arg("--");
    let orchestrator = TeamOrchestrator::builder()
        .teams_base(dir.path().join("teams"))
        .tasks_base(dir.path().join("tasks"))
        .state_dir(dir.path().join("state"))
        .with_claude_code(ClaudeCodeBackend::with_command(command))
        .build()
        .unwrap();
    let mut receiver = runtime.block_on(async {
        orchestrator.create_team("t", None).await.unwrap();
        orchestrator.spawn_teammate("t", SpawnConfig::new("c", ""), BackendType::ClaudeCode).await.unwrap();
        orchestrator.take_output_receiver("t", "c").await.unwrap().unwrap()
    });
    let turn = || {
        runtime.block_on(async {
            orchestrator.send_input("t", "c", "[[say hi]]").await.unwrap();
            while receiver.recv().await.unwrap() != AgentOutput::TurnComplete {}
        });
    };
    let times = side_by_side(ROUNDS, turn, || (), |()| bare());
    let stopping = timed(|| assert_eq!(runtime.block_on(orchestrator.shutdown_teammate("t", "c")).unwrap().left, 0));
    row("stopping an agent that obeys", ms(stopping), "under 500 ms");
    times
}

fn turns() {
    let mut child = simulated_claude();
    let mut stdin = child.stdin.take().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let user = json!({"type": "user", "message": {"role": "user", "content": "[[say hi]]"}}).to_string() + "\n";
    let mut bare = || {
        stdin.write_all(user.as_bytes()).unwrap();
        while !lines.next().unwrap().unwrap().contains(r#""type":"result""#) {}
    };
    let one = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut turn_of_bare = Duration::MAX;
    for (what, runtime) in [("one thread", one), ("two worker threads", runtime())] {
        let (library, bare) = through_library(&runtime, &mut bare);
        turn_of_bare = turn_of_bare.min(bare);
        let added = (library.as_secs_f64() - bare.as_secs_f64()) * 1000.0;
        let turns = format!("at most 0.05 ms   ({} to {})", ms(library), ms(bare));
        row(&format!("what the library adds to a turn, on {what}"), format!("{added:.3} ms"), &turns);
    }
    drop(stdin);
    child.wait().unwrap();
    let bare = turn_of_bare;
    let home = tempfile::tempdir().unwrap();
    run(home.path(), &["create", "t"]);
    run(home.path(), &["spawn", "c", "--backend", "claude"]);
    let verb = |args: &[&str]| {
        median(
            (0..60)
                .map(|_| {
                    let began = Instant::now();
                    run(home.path(), args);
                    began.elapsed()
                })
                .collect(),
        )
    };
    let ask = verb(&["ask", "c", "[[say hi]]"]);
    row("what `teams ask` with a warm daemon adds", ms(ask.saturating_sub(bare)), "at most 10 ms");
    row("`teams list` with a warm daemon", ms(verb(&["list"])), "under 15 ms");
    run(home.path(), &["daemon", "stop"]);
}
