//! A simulated `codex app-server`: many threads, each a task.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::brain::{Brain, Memory, Prompt};
use super::tools;
use super::turn::{Ending, Heard, Permission, Speaker, Tokens, ToolEnd, converse, input, say};
use crate::lock::lock;

/// Ids of the server's own questions, and who waits for their answers.
#[derive(Clone, Default)]
struct Questions {
    next: Arc<AtomicU64>,
    open: Arc<Mutex<HashMap<u64, String>>>,
}

impl Questions {
    fn open(&self) -> std::sync::MutexGuard<'_, HashMap<u64, String>> {
        lock(&self.open)
    }
}

pub(super) async fn run(brain: Brain) -> std::io::Result<i32> {
    let mut lines = input();
    let mut threads: HashMap<String, mpsc::Sender<String>> = HashMap::new();
    let questions = Questions::default();
    while let Some(text) = lines.recv().await {
        let Ok(line) = serde_json::from_str::<Value>(&text) else {
            eprintln!("ERROR codex_app_server_transport: Failed to deserialize JSONRPCMessage");
            continue;
        };
        // No "jsonrpc": the real one leaves it out.
        let reply = |result: Value| say(&json!({"id": line["id"], "result": result}));
        let refuse = |message: String| say(&json!({"error": {"code": -32600, "message": message}, "id": line["id"]}));
        let params = &line["params"];
        match line["method"].as_str() {
            None => {
                let asked = line["id"].as_u64().and_then(|id| questions.open().remove(&id));
                if let Some(thread) = asked.and_then(|thread| threads.get(&thread)) {
                    let _ = thread.send(text).await;
                }
            }
            Some("initialize") => {
                reply(json!({"userAgent": "simulated/0.0.0", "codexHome": "", "platformFamily": "unix"}));
                notify("remoteControl/status/changed", json!({"status": "disabled"}));
            }
            Some("initialized") => {}
            Some("account/read") => reply(json!({"account": null, "requiresOpenaiAuth": false})),
            Some(method @ ("thread/start" | "thread/resume")) => {
                let resumed = method == "thread/resume";
                let id = match params["threadId"].as_str().filter(|_| resumed) {
                    Some(id) => id.to_owned(),
                    None => uuid::Uuid::new_v4().to_string(),
                };
                let memory = if resumed { brain.recall(&id) } else { Some(brain.new_memory(&id)) };
                let Some(memory) = memory else {
                    refuse(format!("no rollout found for thread id {id}"));
                    continue;
                };
                let sandbox = match params["sandbox"].as_str() {
                    Some("workspace-write") => "workspaceWrite",
                    Some("danger-full-access") => "dangerFullAccess",
                    _ => "readOnly",
                };
                let model = params["model"].as_str().unwrap_or("simulated");
                let policy = params["approvalPolicy"].as_str().unwrap_or("on-request").to_owned();
                reply(json!({"thread": {"id": id, "turns": []}, "model": model, "cwd": params["cwd"],
                    "approvalPolicy": policy, "sandbox": {"type": sandbox}}));
                let thread = Thread {
                    id: id.clone(),
                    policy,
                    full_access: sandbox == "dangerFullAccess",
                    turn: None,
                    items: 0,
                    question: None,
                    questions: questions.clone(),
                    total: Tokens::default(),
                    turns: Vec::new(),
                    inputs: memory.ids().iter().map(|id| json!({"type": "userMessage", "clientId": id})).collect(),
                    loses_end: false,
                };
                let (sender, receiver) = mpsc::channel(64);
                threads.insert(id, sender);
                let servers = tools::servers(&params["config"]["mcp_servers"]);
                let brain = brain.clone().with_servers(servers).with_cwd(params["cwd"].as_str());
                tokio::spawn(serve(thread, brain, memory, receiver));
            }
            Some("thread/unsubscribe") => reply(json!({"status": "unsubscribed"})),
            Some("thread/backgroundTerminals/clean") => reply(json!({})),
            Some(_) => {
                let id = params["threadId"].as_str().unwrap_or_default();
                match threads.get(id) {
                    Some(thread) => {
                        let _ = thread.send(text).await;
                    }
                    None if line["id"].is_null() => {}
                    None => refuse(format!("thread not found: {id}")),
                }
            }
        }
    }
    Ok(0)
}

async fn serve(mut thread: Thread, brain: Brain, mut memory: Memory, mut lines: mpsc::Receiver<String>) {
    converse(&mut thread, &brain, &mut memory, &mut lines).await;
}

fn notify(method: &str, params: Value) {
    say(&json!({"method": method, "params": params, "emittedAtMs": 0}));
}

fn prompt(params: &Value) -> Prompt {
    let id = params["clientUserMessageId"].as_str().map(str::to_owned);
    Prompt { id, text: params["input"][0]["text"].as_str().unwrap_or_default().to_owned() }
}

struct Thread {
    id: String,
    policy: String,
    full_access: bool,
    turn: Option<String>,
    items: u64,
    question: Option<u64>,
    questions: Questions,
    total: Tokens,
    /// Those that have ended.
    turns: Vec<Value>,
    /// What was given to it so far.
    inputs: Vec<Value>,
    loses_end: bool,
}

impl Thread {
    fn notify(&self, method: &str, mut params: Value) {
        params["threadId"] = json!(self.id);
        notify(method, params);
    }

    fn item(&self, method: &str, item: Value) {
        self.notify(method, json!({"turnId": self.turn, "item": item}));
    }

    fn command_item(id: &str, command: &str, status: &str) -> Value {
        json!({"type": "commandExecution", "id": id, "command": command, "status": status})
    }
}

impl Speaker for Thread {
    fn heard(&mut self, line: &str) -> Heard {
        let Ok(line) = serde_json::from_str::<Value>(line) else { return Heard::Nothing };
        match line["method"].as_str() {
            Some("turn/start") => {
                if let Some(policy) = line["params"]["approvalPolicy"].as_str() {
                    self.policy = policy.to_owned();
                    self.full_access = line["params"]["sandboxPolicy"]["type"] == "dangerFullAccess";
                }
                let turn = uuid::Uuid::new_v4().to_string();
                say(&json!({"id": line["id"], "result": {"turn": {"id": turn, "status": "inProgress", "items": []}}}));
                self.turn = Some(turn);
                Heard::Prompt(prompt(&line["params"]))
            }
            Some("turn/steer") => {
                let expected = line["params"]["expectedTurnId"].as_str().map(str::to_owned);
                if self.turn.is_none() || self.turn != expected {
                    say(&json!({"id": line["id"], "error": {"code": -32600, "message": "no active turn to steer"}}));
                    return Heard::Nothing;
                }
                say(&json!({"id": line["id"], "result": {"turnId": expected}}));
                Heard::Steer(prompt(&line["params"]))
            }
            Some("turn/interrupt") => {
                say(&json!({"id": line["id"], "result": {}}));
                Heard::Interrupt
            }
            Some("thread/read") => {
                let mut turns = self.turns.clone();
                // Inputs of all of them stand in the last one: nobody asks in which they came.
                let id = self.turn.clone().unwrap_or_default();
                let status = if self.turn.is_some() { "inProgress" } else { "completed" };
                turns.push(json!({"id": id, "status": status, "items": self.inputs}));
                say(&json!({"id": line["id"], "result": {"thread": {"id": self.id, "turns": turns}}}));
                Heard::Nothing
            }
            Some(method) => {
                say(&json!({"id": line["id"],
                    "error": {"code": -32600, "message": format!("Invalid request: unknown variant `{method}`")}}));
                Heard::Nothing
            }
            None if self.question.is_some() && line["id"].as_u64() == self.question => {
                let id = self.question.take();
                self.notify("serverRequest/resolved", json!({"requestId": id}));
                let decision = line["result"]["decision"].as_str().unwrap_or_default();
                Heard::Answer { allow: decision.starts_with("accept") }
            }
            None => Heard::Nothing,
        }
    }

    fn permission(&self) -> Permission {
        match (self.full_access, self.policy.as_str()) {
            (true, _) => Permission::Given,
            (false, "never") => Permission::Refused,
            (false, _) => Permission::Ask,
        }
    }

    fn turn_begins(&mut self, prompt: &Prompt) {
        self.notify("thread/status/changed", json!({"status": {"type": "active", "activeFlags": []}}));
        self.notify("turn/started", json!({"turn": {"id": self.turn, "status": "inProgress"}}));
        self.steered(prompt);
    }

    fn steered(&mut self, prompt: &Prompt) {
        let content = json!([{"type": "text", "text": prompt.text}]);
        let item = json!({"type": "userMessage", "id": "user", "clientId": prompt.id, "content": content});
        self.inputs.push(item.clone());
        self.item("item/completed", item);
        self.items += 1;
    }

    fn delta(&mut self, text: &str) {
        let item = format!("msg_{}", self.items);
        self.notify("item/agentMessage/delta", json!({"turnId": self.turn, "itemId": item, "delta": text}));
    }

    fn message(&mut self, text: &str) {
        let item = format!("msg_{}", self.items);
        self.items += 1;
        self.item("item/completed", json!({"type": "agentMessage", "id": item, "text": text}));
    }

    fn tool_begins(&mut self, id: &str, command: &str) {
        self.item("item/started", Self::command_item(id, command, "inProgress"));
    }

    fn asks(&mut self, id: &str, command: &str) {
        let question = self.questions.next.fetch_add(1, Ordering::Relaxed);
        self.questions.open().insert(question, self.id.clone());
        self.question = Some(question);
        say(&json!({"method": "item/commandExecution/requestApproval", "id": question, "params": {
            "threadId": self.id, "turnId": self.turn, "itemId": id, "command": command,
            "commandActions": [{"type": "unknown", "command": command}],
            "availableDecisions": ["accept", "cancel"]}}));
    }

    fn tool_ends(&mut self, id: &str, command: &str, _output: &str, end: ToolEnd) {
        let status = match end {
            ToolEnd::Done => "completed",
            ToolEnd::Failed => "failed",
            ToolEnd::Denied => "declined",
        };
        self.item("item/completed", Self::command_item(id, command, status));
    }

    fn turn_ends(&mut self, ending: &Ending, tokens: Tokens) {
        self.question = None;
        self.total.input += tokens.input;
        self.total.output += tokens.output;
        let count = |tokens: Tokens| {
            json!({"totalTokens": tokens.input + tokens.output, "inputTokens": tokens.input,
                "outputTokens": tokens.output})
        };
        self.notify(
            "thread/tokenUsage/updated",
            json!({"turnId": self.turn, "tokenUsage": {"total": count(self.total), "last": count(tokens)}}),
        );
        let (status, error) = match ending {
            Ending::Complete => ("completed", Value::Null),
            Ending::Interrupted => ("interrupted", Value::Null),
            Ending::Failed { status } => (
                "failed",
                json!({"message": "simulated failure",
                "codexErrorInfo": {"httpConnectionFailed": {"httpStatusCode": status}}}),
            ),
        };
        self.notify("thread/status/changed", json!({"status": {"type": "idle"}}));
        let turn = self.turn.take();
        let turn = json!({"id": turn, "status": status, "error": error, "items": []});
        self.turns.push(turn.clone());
        if !std::mem::take(&mut self.loses_end) {
            self.notify("turn/completed", json!({"turn": turn}));
        }
    }

    fn end_is_lost(&mut self) {
        self.loses_end = true;
    }
}
