//! Runs a hook that is a command: JSON on its standard input, exit code 2 for a veto, the feedback on its standard error.

use std::collections::BTreeMap;
use std::time::Duration;

use agent_backends::process::{AgentProcess, Grace, ProcessSpec};
use agent_backends::{BackendType, Command, Exit, Supervision};
use serde::Deserialize;
use tokio::sync::mpsc;

use crate::model::hook::{HookCommand, HookInput, HookVerdict};

/// What a hook is in the list of processes.
const HOOK: BackendType = BackendType::named("hook");
/// The exit code of a veto.
const VETO: i32 = 2;
/// The most lines of feedback, and the most bytes.
const MOST_LINES: usize = 400;
const MOST_BYTES: usize = 16 << 10;
/// How long what a hook wrote last may take to be read.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// What a hook may say on its standard output instead of by its exit code.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Said {
    decision: Option<String>,
    reason: Option<String>,
}

/// Runs a hook, and answers what it says; nothing of it is left when it has answered.
///
/// # Errors
/// Why it has no say: it cannot be started, took too long, or failed.
pub(crate) async fn run(
    hook: &HookCommand,
    input: &HookInput,
    environment: Option<BTreeMap<String, String>>,
    supervision: Supervision,
) -> Result<HookVerdict, String> {
    let (lines, mut feedback) = mpsc::channel(MOST_LINES);
    let spec = ProcessSpec {
        backend: HOOK,
        command: Command::new("/bin/sh").arg("-c").arg(hook.command.clone()),
        args: Vec::new(),
        cwd: hook.cwd.clone(),
        package: None,
        inherit_env: environment,
        env: BTreeMap::new(),
        umask: None,
        stop_grace: None,
        supervision,
        stderr: Some(lines),
    };
    let (mut process, stdin, mut stdout) = AgentProcess::spawn(spec).map_err(|error| error.to_string())?;
    let said = serde_json::to_string(input).map_err(|error| error.to_string())?;
    // One that does not read what it is told may have a say all the same.
    let _ = stdin.write_line(&said);
    stdin.close();
    let talk = async {
        let mut printed = String::new();
        // What floods is read to its end, and not kept.
        while let Ok(Some(line)) = stdout.next().await {
            if printed.len() < MOST_BYTES {
                printed.push_str(&line);
                printed.push('\n');
            }
        }
        printed
    };
    let ended = async { tokio::join!(process.wait(), talk) };
    let limit = Duration::from_millis(hook.timeout_ms);
    let ended = tokio::time::timeout(limit, ended).await;
    let grace = Grace { ask: Duration::from_millis(200), term: Duration::from_millis(500) };
    // What it has started and left running ends with it.
    let stopped = process.stop(None, grace).await;
    if let Err(error) = stopped {
        tracing::error!(hook = %hook.command, %error, "what is left of a hook is not known");
    }
    let (exit, printed) = ended.map_err(|_| format!("it took longer than {limit:?}, and was ended"))?;
    let mut text = String::new();
    let read = async {
        while let Some(line) = feedback.recv().await {
            if text.len() < MOST_BYTES {
                text.push_str(&line);
                text.push('\n');
            }
        }
    };
    let _ = tokio::time::timeout(LAST_WORDS, read).await;
    let text = text.trim().to_owned();
    match exit {
        Exit::Code(0) => {
            // Most say nothing there, or nothing that is JSON.
            let said: Said = serde_json::from_str(printed.trim()).unwrap_or_default();
            match said.decision.as_deref() {
                Some("block") => Ok(HookVerdict::Veto(said.reason.unwrap_or_else(|| NO_REASON.to_owned()))),
                _ => Ok(HookVerdict::Pass),
            }
        }
        Exit::Code(VETO) => Ok(HookVerdict::Veto(if text.is_empty() { NO_REASON.to_owned() } else { text })),
        exit => Err(format!("it ended with {exit}: {text}").trim_end_matches([':', ' ']).to_owned()),
    }
}

/// What an agent is told where a hook says no and not why.
const NO_REASON: &str = "the hook says no, and not why";
