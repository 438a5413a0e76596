//! A simulated Gemini CLI: one turn, stream-json.

use std::collections::HashMap;
use std::path::PathBuf;

use serde_json::{Value, json};
use tokio::io::AsyncReadExt;
use tokio::sync::mpsc;

use super::brain::{Brain, Prompt, flag};
use super::tools;
use super::turn::{Ending, Heard, Permission, Speaker, Tokens, ToolEnd, converse, say};

struct Gemini {
    session: String,
    model: String,
    mode: String,
    tools: HashMap<String, String>,
}

pub(super) async fn run(brain: Brain, args: &[String]) -> std::io::Result<i32> {
    let mut prompt = Vec::new();
    tokio::io::stdin().read_to_end(&mut prompt).await?;
    let prompt = String::from_utf8_lossy(&prompt).into_owned();
    let brain = brain.with_servers(tools::servers(&settings()["mcpServers"]));
    let resume = flag(args, "-r");
    let known = flag(args, "--session-id").is_some_and(|session| brain.recall(session).is_some());
    let lost = resume.is_some_and(|session| brain.recall(session).is_none());
    if prompt.trim().is_empty() || known || lost {
        eprintln!("Error resuming session: no input, or no such session");
        return Ok(42);
    }
    let session = resume.or(flag(args, "--session-id")).unwrap_or("simulated").to_owned();
    let mut memory = brain.recall(&session).unwrap_or_else(|| brain.new_memory(&session));
    let mut gemini = Gemini {
        session,
        model: flag(args, "-m").unwrap_or("simulated").to_owned(),
        mode: flag(args, "--approval-mode").unwrap_or("default").to_owned(),
        tools: HashMap::new(),
    };
    let (sender, mut lines) = mpsc::channel(1);
    let _ = sender.try_send(prompt);
    drop(sender);
    match converse(&mut gemini, &brain, &mut memory, &mut lines).await {
        // The lower eight bits of the HTTP status.
        Some(Ending::Failed { status }) => Ok(i32::from(status % 256)),
        _ => Ok(0),
    }
}

fn settings() -> Value {
    let home = std::env::var_os("GEMINI_CLI_HOME").map(PathBuf::from);
    let text = home.and_then(|home| std::fs::read(home.join(".gemini/settings.json")).ok());
    text.and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default()
}

fn tell(mut line: Value) {
    line["timestamp"] = json!("1970-01-01T00:00:00.000Z");
    say(&line);
}

impl Speaker for Gemini {
    fn heard(&mut self, line: &str) -> Heard {
        Heard::Prompt(Prompt::new(line))
    }

    fn permission(&self) -> Permission {
        if self.mode == "yolo" { Permission::Given } else { Permission::Refused }
    }

    fn turn_begins(&mut self, prompt: &Prompt) {
        tell(json!({"type": "init", "session_id": self.session, "model": self.model}));
        tell(json!({"type": "message", "role": "user", "content": prompt.text}));
    }

    fn delta(&mut self, text: &str) {
        tell(json!({"type": "message", "role": "assistant", "content": text, "delta": true}));
    }

    fn message(&mut self, _text: &str) {}

    fn tool_begins(&mut self, id: &str, command: &str) {
        self.tools.insert(id.to_owned(), command.to_owned());
        tell(json!({"type": "tool_use", "tool_name": "run_shell_command", "tool_id": id,
            "parameters": {"command": command}}));
    }

    fn asks(&mut self, _id: &str, _command: &str) {}

    fn tool_ends(&mut self, id: &str, _command: &str, output: &str, end: ToolEnd) {
        let error = |kind: &str| {
            json!({"type": "tool_result", "tool_id": id, "status": "error", "output": output,
                "error": {"type": kind, "message": output}})
        };
        tell(match end {
            ToolEnd::Done => json!({"type": "tool_result", "tool_id": id, "status": "success", "output": output}),
            ToolEnd::Failed => error("shell_execute_error"),
            ToolEnd::Denied => error("tool_not_registered"),
        });
    }

    fn turn_ends(&mut self, ending: &Ending, tokens: Tokens) {
        let stats = json!({"total_tokens": tokens.input + tokens.output, "input_tokens": tokens.input,
            "output_tokens": tokens.output});
        tell(match ending {
            Ending::Failed { status } => json!({"type": "result", "status": "error", "stats": stats,
                "error": {"type": "unknown", "message": format!("[API Error: simulated {status}]")}}),
            _ => json!({"type": "result", "status": "success", "stats": stats}),
        });
    }
}
