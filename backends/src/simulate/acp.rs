//! A simulated ACP agent, with one session.

use serde_json::{Value, json};

use super::brain::{Brain, Memory, Prompt};
use super::tools;
use super::turn::{Ending, Heard, Permission, Speaker, Tokens, ToolEnd, converse, input, say};

struct Acp {
    brain: Brain,
    session: String,
    /// A session that was loaded, until its first turn.
    loaded: Option<Memory>,
    mode: String,
    model: String,
    prompt: Option<Value>,
    question: Option<u64>,
    questions: u64,
}

pub(super) async fn run(brain: Brain) -> std::io::Result<i32> {
    let session = uuid::Uuid::new_v4().to_string();
    let mut acp = Acp {
        brain: brain.clone(),
        session: session.clone(),
        loaded: None,
        mode: "default".into(),
        model: "simulated".into(),
        prompt: None,
        question: None,
        questions: 0,
    };
    let mut lines = input();
    // The session is known before the first prompt; what memory it has is decided by then.
    let mut first = None;
    while first.is_none() {
        let Some(line) = lines.recv().await else { return Ok(0) };
        if let Heard::Prompt(_) = acp.heard(&line) {
            first = Some(line);
        }
    }
    let mut memory = acp.loaded.take().unwrap_or_else(|| brain.new_memory(&session));
    let (sender, mut all) = tokio::sync::mpsc::channel(64);
    tokio::spawn(async move {
        if let Some(line) = first {
            let _ = sender.send(line).await;
        }
        while let Some(line) = lines.recv().await {
            if sender.send(line).await.is_err() {
                break;
            }
        }
    });
    let brain = acp.brain.clone();
    let servers = brain.servers.clone();
    tokio::spawn(async move { tools::list(&servers).await });
    converse(&mut acp, &brain, &mut memory, &mut all).await;
    Ok(0)
}

impl Acp {
    fn update(&self, update: Value) {
        say(&json!({"jsonrpc": "2.0", "method": "session/update",
            "params": {"sessionId": self.session, "update": update}}));
    }

    fn request(&mut self, line: &Value) -> Heard {
        let params = &line["params"];
        let reply = |result: Value| say(&json!({"jsonrpc": "2.0", "id": line["id"], "result": result}));
        let refuse = |code: i32, message: &str| {
            say(&json!({"jsonrpc": "2.0", "id": line["id"], "error": {"code": code, "message": message}}));
        };
        let state = |acp: &Self| {
            let modes: Vec<Value> =
                ["default", "autoEdit", "yolo", "plan"].iter().map(|id| json!({"id": id, "name": id})).collect();
            json!({"modes": {"availableModes": modes, "currentModeId": acp.mode},
                "models": {"availableModels": [], "currentModelId": acp.model}})
        };
        if params["mcpServers"].is_array() {
            self.brain.servers = tools::listed(&params["mcpServers"]);
        }
        match line["method"].as_str().unwrap_or_default() {
            "initialize" => reply(json!({"protocolVersion": 1, "authMethods": [],
                "agentCapabilities": {"loadSession": self.brain.dir.is_some()}})),
            "session/new" => {
                let mut result = state(self);
                result["sessionId"] = json!(self.session);
                reply(result);
            }
            "session/load" => match params["sessionId"].as_str().and_then(|id| Some((id, self.brain.recall(id)?))) {
                Some((id, memory)) => {
                    self.session = id.to_owned();
                    self.loaded = Some(memory);
                    reply(state(self));
                }
                None => refuse(-32603, "Invalid session identifier"),
            },
            "session/set_mode" => {
                self.mode = params["modeId"].as_str().unwrap_or_default().to_owned();
                reply(json!({}));
                self.chunk(&format!("[MODE_UPDATE] {}", self.mode));
            }
            "session/set_model" => {
                self.model = params["modelId"].as_str().unwrap_or_default().to_owned();
                reply(json!({}));
            }
            "session/prompt" => {
                self.prompt = Some(line["id"].clone());
                let text = params["prompt"][0]["text"].as_str().unwrap_or_default();
                return Heard::Prompt(Prompt::new(text));
            }
            "session/cancel" => return Heard::Interrupt,
            method => refuse(-32601, &format!("\"Method not found\": {method}")),
        }
        Heard::Nothing
    }

    fn chunk(&self, text: &str) {
        self.update(json!({"sessionUpdate": "agent_message_chunk", "content": {"type": "text", "text": text}}));
    }
}

impl Speaker for Acp {
    fn heard(&mut self, line: &str) -> Heard {
        let Ok(line) = serde_json::from_str::<Value>(line) else { return Heard::Nothing };
        if line["method"].is_string() {
            return self.request(&line);
        }
        if self.question.is_some() && line["id"].as_u64() == self.question {
            self.question = None;
            return Heard::Answer { allow: line["result"]["outcome"]["optionId"] == "proceed_once" };
        }
        Heard::Nothing
    }

    fn permission(&self) -> Permission {
        match self.mode.as_str() {
            "yolo" => Permission::Given,
            "plan" => Permission::Refused,
            _ => Permission::Ask,
        }
    }

    fn turn_begins(&mut self, _prompt: &Prompt) {}

    fn delta(&mut self, text: &str) {
        self.chunk(text);
    }

    fn message(&mut self, _text: &str) {}

    fn tool_begins(&mut self, id: &str, command: &str) {
        if self.permission() != Permission::Ask {
            self.update(json!({"sessionUpdate": "tool_call", "toolCallId": id, "status": "in_progress",
                "title": command, "kind": "execute", "content": []}));
        }
    }

    fn asks(&mut self, id: &str, command: &str) {
        let question = self.questions;
        self.questions += 1;
        self.question = Some(question);
        say(&json!({"jsonrpc": "2.0", "id": question, "method": "session/request_permission", "params": {
            "sessionId": self.session,
            "options": [{"optionId": "proceed_always", "name": "Allow for this session", "kind": "allow_always"},
                {"optionId": "proceed_once", "name": "Allow", "kind": "allow_once"},
                {"optionId": "cancel", "name": "Reject", "kind": "reject_once"}],
            "toolCall": {"toolCallId": id, "status": "pending", "title": command, "kind": "execute", "content": []}}}));
    }

    fn tool_ends(&mut self, id: &str, command: &str, _output: &str, end: ToolEnd) {
        // Of one that was refused nothing more is said.
        if end != ToolEnd::Denied {
            let status = if end == ToolEnd::Done { "completed" } else { "failed" };
            self.update(json!({"sessionUpdate": "tool_call_update", "toolCallId": id, "status": status,
                "title": command, "kind": "execute", "content": []}));
        }
    }

    fn turn_ends(&mut self, ending: &Ending, tokens: Tokens) {
        let Some(id) = self.prompt.take() else { return };
        self.question = None;
        say(&match ending {
            Ending::Failed { status } => json!({"jsonrpc": "2.0", "id": id, "error": {"code": status,
                "message": format!("{{\"error\":{{\"code\":{status},\"message\":\"simulated\"}}}}")}}),
            ending => {
                let reason = if *ending == Ending::Complete { "end_turn" } else { "cancelled" };
                json!({"jsonrpc": "2.0", "id": id, "result": {"stopReason": reason, "_meta": {"quota": {"token_count":
                    {"input_tokens": tokens.input, "output_tokens": tokens.output}}}}})
            }
        });
    }
}
