//! What an agent of our own costs beside its model, which answers at once here: `cargo bench --bench agents`. It asserts nothing; it prints.

#![allow(clippy::unwrap_used)]

mod support;

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Instant;

use agent_backends::native::llm::{LlmClient, LlmError, LlmReply, LlmRequest, TextSink};
use agent_backends::native::tools::{CommandLimits, builtin};
use agent_backends::native::{AgentLoop, Conversation, InProcessBackend, Roots};
use agent_backends::{AgentBackend, SpawnConfig};
use async_trait::async_trait;
use support::{median, ms, row, run_parts, runtime};

fn main() {
    run_parts(&[("request", request), ("fifty", fifty), ("process", process)]);
}

/// A model that answers at once.
struct Instantly;

#[async_trait]
impl LlmClient for Instantly {
    fn model(&self) -> &str {
        "instantly"
    }

    async fn complete(&self, _: LlmRequest<'_>, text: &mut TextSink<'_>) -> Result<LlmReply, LlmError> {
        text("done");
        Ok(LlmReply { text: "done".into(), ..LlmReply::default() })
    }
}

fn agent() -> AgentLoop {
    let here = std::env::current_dir().unwrap();
    let tools = builtin(&Roots::new(&here, &here).unwrap(), CommandLimits::default());
    AgentLoop::new(Arc::new(Instantly), tools, "be good")
}

/// The loop around one request, with the tools that every agent has and a conversation that goes on, which is on disk or not.
fn request() {
    let runtime = runtime();
    let dir = tempfile::tempdir().unwrap();
    for (what, conversation) in [
        ("the loop around a request, in memory", Conversation::new()),
        ("the loop around a request, written down", Conversation::create(&dir.path().join("c")).unwrap()),
    ] {
        let mut agent = agent().with_conversation(conversation);
        let once = |_| {
            let began = Instant::now();
            runtime.block_on(agent.run("go on")).unwrap();
            began.elapsed()
        };
        row(what, ms(median((0..300).map(once).collect())), "under 0.2 ms");
    }
}

fn kilobytes(pid: u32, field: &str) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = text.lines().find(|line| line.starts_with(field)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Sessions within this process, each after a turn.
fn fifty() {
    let runtime = runtime();
    let backend = InProcessBackend::made_by(|_, _| Ok(agent()));
    let sessions = runtime.block_on(async {
        let mut sessions = Vec::new();
        for number in 0..50 {
            let mut session = backend.spawn(SpawnConfig::new(format!("a{number}"), "")).await.unwrap();
            let mut output = session.output_receiver().unwrap();
            session.send_input(&"word ".repeat(2000)).await.unwrap();
            while !output.recv().await.unwrap().ends_turn() {}
            sessions.push((session, output));
        }
        sessions
    });
    let used = kilobytes(std::process::id(), "VmRSS:");
    row("a program with fifty agents in it", format!("{:.1} MB", used as f64 / 1024.0), "under 60 MB");
    drop(sessions);
}

/// `teams agent` with a session, before its first prompt.
fn process() {
    let home = tempfile::tempdir().unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_teams"))
        .arg("agent")
        .env_clear()
        .env("HOME", home.path())
        .env("ANTHROPIC_API_KEY", "none")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let call = serde_json::json!({"jsonrpc": "2.0", "id": 1, "method": "session/new",
        "params": {"cwd": home.path(), "mcpServers": []}});
    writeln!(input, "{call}").unwrap();
    let mut reply = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut reply).unwrap();
    assert!(reply.contains("sessionId"), "{reply}");
    let of = |field| format!("{:.1} MB", kilobytes(child.id(), field) as f64 / 1024.0);
    row("`teams agent` with a session, idle", of("VmRSS:"), "under 15 MB");
    row("  of that its own, not the program's file", of("RssAnon:"), "");
    drop(input);
    child.wait().unwrap();
}
