//! A simulated Claude Code: stream-json.

use serde_json::{Value, json};

use super::brain::{Brain, Prompt, flag};
use super::tools;
use super::turn::{Ending, Heard, Permission, Speaker, Tokens, ToolEnd, converse, input, say};

struct Claude {
    session: String,
    model: String,
    mode: String,
    question: Option<String>,
    text: String,
    cost: f64,
    /// Inputs that it has not begun with.
    waiting: Vec<String>,
    /// Those of the running turn.
    begun: Vec<String>,
}

pub(super) async fn run(brain: Brain, args: &[String]) -> std::io::Result<i32> {
    let described: Value =
        flag(args, "--mcp-config").and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    let brain = brain.with_servers(tools::servers(&described["mcpServers"]));
    let (session, mut memory) = match (flag(args, "--resume"), flag(args, "--session-id")) {
        (Some(session), _) => match brain.recall(session) {
            Some(memory) => (session.to_owned(), memory),
            None => {
                eprintln!("No conversation found with session ID: {session}");
                return Ok(1);
            }
        },
        (None, Some(session)) if brain.recall(session).is_some() => {
            eprintln!("Error: Session ID {session} is already in use.");
            return Ok(1);
        }
        (None, session) => {
            let session = session.map_or_else(|| uuid::Uuid::new_v4().to_string(), str::to_owned);
            let memory = brain.new_memory(&session);
            (session, memory)
        }
    };
    let mut claude = Claude {
        session,
        model: flag(args, "--model").unwrap_or("simulated").to_owned(),
        mode: flag(args, "--permission-mode").unwrap_or("default").to_owned(),
        question: None,
        text: String::new(),
        cost: 0.0,
        waiting: Vec::new(),
        begun: Vec::new(),
    };
    match converse(&mut claude, &brain, &mut memory, &mut input()).await {
        Some(Ending::Complete) => Ok(0),
        Some(_) => Ok(1),
        None => {
            eprintln!("Error parsing streaming input line");
            Ok(1)
        }
    }
}

impl Claude {
    /// A line with what every line has.
    fn tell(&self, mut line: Value) {
        line["session_id"] = json!(self.session);
        line["uuid"] = json!(uuid::Uuid::new_v4().to_string());
        say(&line);
    }

    fn lifecycle(&self, id: &str, state: &str) {
        self.tell(json!({"type": "command_lifecycle", "command_uuid": id, "state": state}));
    }

    fn control(&mut self, line: &Value) -> Heard {
        let request = &line["request"];
        let reply = |response: Value| {
            say(&json!({"type": "control_response",
                "response": {"subtype": "success", "request_id": line["request_id"], "response": response}}));
        };
        match request["subtype"].as_str() {
            Some("initialize") => reply(json!({"commands": [], "agents": [], "pid": std::process::id(),
                "current_permission_mode": self.mode,
                "account": {"tokenSource": "none", "apiKeySource": "simulated", "apiProvider": "firstParty"}})),
            Some("get_settings") => reply(json!({"applied": {"model": self.model}})),
            Some("set_permission_mode") => {
                self.mode = request["mode"].as_str().unwrap_or_default().to_owned();
                reply(json!({"mode": self.mode}));
            }
            Some("interrupt") => {
                reply(json!({"still_queued": self.waiting}));
                return Heard::Interrupt;
            }
            other => say(&json!({"type": "control_response", "response": {"subtype": "error",
                "request_id": line["request_id"],
                "error": format!("Unsupported control request subtype: {}", other.unwrap_or_default())}})),
        }
        Heard::Nothing
    }
}

impl Speaker for Claude {
    fn heard(&mut self, line: &str) -> Heard {
        if line.trim().is_empty() {
            return Heard::Nothing;
        }
        let Ok(line) = serde_json::from_str::<Value>(line) else { return Heard::Fatal };
        match line["type"].as_str() {
            Some("user") if line["message"]["role"] != "user" => Heard::Fatal,
            Some("user") => {
                let id = line["uuid"].as_str().map(str::to_owned);
                id.iter().for_each(|id| self.lifecycle(id, "queued"));
                self.waiting.extend(id.clone());
                Heard::Join(Prompt { id, text: text_of(&line["message"]["content"]) })
            }
            Some("control_request") => self.control(&line),
            Some("control_response") if line["response"]["request_id"].as_str() == self.question.as_deref() => {
                self.question = None;
                Heard::Answer { allow: line["response"]["response"]["behavior"] == "allow" }
            }
            _ => Heard::Nothing,
        }
    }

    fn permission(&self) -> Permission {
        match self.mode.as_str() {
            "bypassPermissions" => Permission::Given,
            "plan" => Permission::Refused,
            _ => Permission::Ask,
        }
    }

    fn turn_begins(&mut self, prompt: &Prompt) {
        self.begun.clear();
        self.steered(prompt);
        let cwd = std::env::current_dir().unwrap_or_default();
        self.tell(json!({"type": "system", "subtype": "init", "cwd": cwd, "model": self.model,
            "permissionMode": self.mode, "tools": ["Bash"], "user_message_uuids": self.begun}));
        self.text.clear();
    }

    fn steered(&mut self, prompt: &Prompt) {
        let Some(id) = &prompt.id else { return };
        self.waiting.retain(|waiting| waiting != id);
        self.begun.push(id.clone());
        self.lifecycle(id, "started");
    }

    fn delta(&mut self, text: &str) {
        self.tell(json!({"type": "stream_event", "parent_tool_use_id": null,
            "event": {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}}}));
    }

    fn message(&mut self, text: &str) {
        self.text = text.to_owned();
        self.tell(json!({"type": "assistant", "parent_tool_use_id": null, "message": {"role": "assistant",
            "model": self.model, "content": [{"type": "text", "text": text}]}}));
    }

    fn tool_begins(&mut self, id: &str, command: &str) {
        self.tell(json!({"type": "assistant", "parent_tool_use_id": null, "message": {"role": "assistant",
            "model": self.model,
            "content": [{"type": "tool_use", "id": id, "name": "Bash", "input": {"command": command}}]}}));
    }

    fn asks(&mut self, id: &str, command: &str) {
        let question = uuid::Uuid::new_v4().to_string();
        say(&json!({"type": "control_request", "request_id": question, "request": {"subtype": "can_use_tool",
            "tool_name": "Bash", "input": {"command": command}, "tool_use_id": id, "permission_suggestions": []}}));
        self.question = Some(question);
    }

    fn tool_ends(&mut self, id: &str, _command: &str, output: &str, end: ToolEnd) {
        self.tell(json!({"type": "user", "parent_tool_use_id": null, "message": {"role": "user",
            "content": [{"type": "tool_result", "tool_use_id": id, "content": output, "is_error": end != ToolEnd::Done}]}}));
    }

    fn turn_ends(&mut self, ending: &Ending, tokens: Tokens) {
        self.cost += 0.001;
        self.question = None;
        let (subtype, is_error, result, status, reason) = match ending {
            Ending::Complete => ("success", false, json!(self.text), Value::Null, "completed"),
            Ending::Interrupted => ("error_during_execution", true, Value::Null, Value::Null, "aborted_streaming"),
            // A failure of the API is called a success, and marked as an error.
            Ending::Failed { status } => {
                ("success", true, json!(format!("simulated API error {status}")), json!(status), "api_error")
            }
        };
        self.tell(json!({"type": "result", "subtype": subtype, "is_error": is_error, "result": result, "errors": [],
            "api_error_status": status, "terminal_reason": reason, "num_turns": 1, "total_cost_usd": self.cost,
            "user_message_uuids": self.begun,
            "usage": {"input_tokens": tokens.input, "output_tokens": tokens.output}}));
    }
}

/// The text of a message, or of its first block: what stands behind that says what kind of text it is.
fn text_of(content: &Value) -> String {
    content.as_str().or_else(|| content[0]["text"].as_str()).unwrap_or_default().to_owned()
}
