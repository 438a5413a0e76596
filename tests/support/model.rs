//! A model endpoint of our own on loopback: Anthropic Messages, OpenAI Responses and chat completions, and the Gemini API, streaming, so that
//! the real CLIs run whole turns without network or key. What the model does is written into the prompt:
//!
//! | directive | the model |
//! |---|---|
//! | `[[say TEXT]]` | answers TEXT, a word at a time |
//! | `[[recall]]` | answers with every user text of the conversation so far |
//! | `[[run COMMAND]]` | calls the agent's shell tool, then answers `tool said: …` |
//! | `[[write FILE]]` | calls the agent's tool that writes a file, then answers |
//! | `[[call TOOL JSON]]` | calls that tool with that input, then answers; `<<` and `>>` in it become `[[` and `]]`, for another model |
//! | `[[then TOOL JSON]]` | calls that tool when the one before has answered; of several one after the other |
//! | `[[times N TOOL JSON]]` | calls that tool so many times, one after the other, with `#` in its input as the number |
//! | `[[stop yes]]`, `[[stop REASON]]` | answers the request to stop in whose reason it stands: it agrees, or refuses with that reason |
//! | `[[slow MS]]` | waits so long before each word |
//! | `[[hold FILE]]` | goes on after its first word when FILE is there |
//! | `[[limited N]]` | answers the first N requests with this prompt with HTTP status 429, the next with words |
//! | `[[fail STATUS]]` | answers with that HTTP status |
//! | `[[cut]]` | drops the connection in the middle of its answer |
//!
//! Without any it answers `echo: ` and the prompt.

use std::collections::HashSet;
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

#[path = "chat.rs"]
mod chat;

/// Path and body of every request.
type RequestLog = Arc<Mutex<Vec<(String, Value)>>>;

/// A running endpoint; it ends with the process or when dropped.
pub(crate) struct ModelEndpoint {
    address: SocketAddr,
    log: RequestLog,
    _stop: tokio::sync::oneshot::Sender<Infallible>,
}

impl ModelEndpoint {
    /// Starts one on a free port of loopback, on a thread of its own.
    pub(crate) fn start() -> Self {
        Self::start_on(0)
    }

    /// Starts one on this port.
    pub(crate) fn start_on(port: u16) -> Self {
        let log = Arc::new(Mutex::new(Vec::new()));
        let (stop, stopped) = tokio::sync::oneshot::channel::<Infallible>();
        let (address_tx, address) = std::sync::mpsc::channel();
        let state = Arc::clone(&log);
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async move {
                let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await.expect("a port of loopback");
                address_tx.send(listener.local_addr().expect("an address")).expect("somebody waits");
                let app = Router::new().fallback(answer).with_state(state);
                tokio::select! {
                    served = async { axum::serve(listener, app).await } => served.expect("the endpoint serves"),
                    _ = stopped => {}
                }
            });
        });
        Self { address: address.recv().expect("the endpoint starts"), log, _stop: stop }
    }

    /// `http://127.0.0.1:PORT`.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Every request so far: path and body.
    pub(crate) fn requests(&self) -> Vec<(String, Value)> {
        self.log.lock().expect("the log").clone()
    }
}

/// What the model does in one response.
pub(super) enum Act {
    Text(String),
    Run(String),
    Write(String),
    Call(String, Value),
}

pub(super) struct Plan {
    pub(super) act: Act,
    delay: Duration,
    hold: Option<PathBuf>,
    cut: bool,
}

impl Plan {
    fn say(text: impl Into<String>) -> Self {
        Self { act: Act::Text(text.into()), delay: Duration::ZERO, hold: None, cut: false }
    }
}

#[derive(Clone, Copy)]
enum Api {
    Anthropic,
    OpenAi,
    Chat,
    Gemini,
}

async fn answer(State(log): State<RequestLog>, request: Request) -> Response {
    let path = request.uri().path().to_owned();
    let bytes = axum::body::to_bytes(request.into_body(), usize::MAX).await.unwrap_or_default();
    let body: Value = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
    log.lock().expect("the log").push((path.clone(), body.clone()));
    let api = if path.ends_with("/v1/messages") {
        Api::Anthropic
    } else if path.ends_with("/responses") {
        Api::OpenAi
    } else if path.ends_with("/chat/completions") {
        Api::Chat
    } else if path.contains("enerateContent") {
        Api::Gemini
    } else if path.ends_with("/count_tokens") {
        return axum::Json(json!({"input_tokens": 10})).into_response();
    } else {
        return (StatusCode::NOT_FOUND, axum::Json(json!({"error": {"message": "no such path"}}))).into_response();
    };
    if let Api::Gemini = api
        && body["generationConfig"]["responseJsonSchema"].is_object()
    {
        // The router asks which model to take.
        let choice =
            r#"{"reasoning":"small","model_choice":"flash","complexity_reasoning":"small","complexity_score":1}"#;
        return axum::Json(gemini_chunk(json!([{"text": choice}]), true)).into_response();
    }
    let conversation = match api {
        Api::Anthropic => anthropic_conversation(&body),
        Api::OpenAi => openai_conversation(&body),
        Api::Chat => chat::conversation(&body),
        Api::Gemini => gemini_conversation(&body),
    };
    match plan(&conversation, &log) {
        Err(status) => failure(api, status),
        Ok(mut plan) => {
            let streams = match api {
                Api::Anthropic | Api::Chat => body["stream"] == true,
                Api::OpenAi => true,
                Api::Gemini => path.contains("stream"),
            };
            let model = body["model"].as_str().unwrap_or("test-model").to_owned();
            let tools = tool_names(&body);
            team_tool(api, &mut plan, &tools);
            let events = match api {
                Api::Anthropic => anthropic_events(&plan, &model, &tools),
                Api::OpenAi => openai_events(&plan, &tools, body.to_string().contains("danger-full-access")),
                Api::Chat => chat::events(&plan, &body),
                Api::Gemini => gemini_events(&plan, &tools),
            };
            match api {
                _ if streams => stream(events, plan),
                Api::Chat => axum::Json(chat::whole(&plan, &body)).into_response(),
                _ => whole(api, events, &plan, &model),
            }
        }
    }
}

/// What was said so far, without the agents' own additions.
#[derive(Default)]
pub(super) struct Conversation {
    user: Vec<String>,
    /// What the last tool answered since the last user text.
    pub(super) tool_output: Option<String>,
    /// How many have answered since then.
    pub(super) tools_used: usize,
}

impl Conversation {
    pub(super) fn tool_said(&mut self, output: String) {
        self.tool_output = Some(output);
        self.tools_used += 1;
    }

    pub(super) fn user_text(&mut self, text: &str) {
        let text = text.trim();
        // Claude Code, Codex and Gemini CLI put context of their own into user turns.
        // We put an end behind what others have written.
        let is_context = text.starts_with('<') || text.starts_with("# AGENTS") || text == "(That was all of it.)";
        if !text.is_empty() && !is_context {
            self.user.push(text.to_owned());
            (self.tool_output, self.tools_used) = (None, 0);
        }
    }
}

fn anthropic_conversation(body: &Value) -> Conversation {
    let mut conversation = Conversation::default();
    for message in array(&body["messages"]).iter().filter(|message| message["role"] == "user") {
        match &message["content"] {
            Value::String(text) => conversation.user_text(text),
            blocks => {
                for block in array(blocks) {
                    match block["type"].as_str() {
                        Some("text") => conversation.user_text(text_of(&block["text"])),
                        Some("tool_result") => {
                            let output = block["content"].to_string();
                            // Claude Code puts there what it was sent meanwhile.
                            let sent = output.split_once("The user sent a new message while you were working:");
                            conversation.user.extend(sent.map(|(_, text)| text.to_owned()));
                            conversation.tool_said(output);
                        }
                        _ => {}
                    }
                }
            }
        }
    }
    conversation
}

fn openai_conversation(body: &Value) -> Conversation {
    let mut conversation = Conversation::default();
    for item in array(&body["input"]) {
        match item["type"].as_str() {
            Some("message") | None if item["role"] == "user" => match &item["content"] {
                Value::String(text) => conversation.user_text(text),
                parts => array(parts).iter().for_each(|part| conversation.user_text(text_of(&part["text"]))),
            },
            Some("function_call_output" | "custom_tool_call_output") => {
                conversation.tool_said(item["output"].to_string());
            }
            _ => {}
        }
    }
    conversation
}

fn gemini_conversation(body: &Value) -> Conversation {
    let mut conversation = Conversation::default();
    for content in array(&body["contents"]).iter().filter(|content| content["role"] == "user") {
        for part in array(&content["parts"]) {
            if part["functionResponse"].is_object() {
                conversation.tool_said(part["functionResponse"]["response"].to_string());
            } else {
                conversation.user_text(text_of(&part["text"]));
            }
        }
    }
    conversation
}

fn plan(conversation: &Conversation, log: &RequestLog) -> Result<Plan, u16> {
    let prompt = conversation.user.last().map(String::as_str).unwrap_or("");
    // A live lead is told what its teammates say: that asks it for nothing.
    if prompt.starts_with("Another Claude session sent") {
        return Ok(Plan::say("heard"));
    }
    if let Some(times) = directive(prompt, "limited").and_then(|times| times.parse::<usize>().ok()) {
        // Each of them was logged, this one too; auxiliary requests do not ask for a stream.
        let mark = format!("[[limited {times}]]");
        let log = log.lock().expect("the log");
        if log.iter().filter(|(_, body)| body.to_string().contains(&mark)).count() <= times {
            return Err(429);
        }
        return Ok(Plan::say("the limit is lifted"));
    }
    if let Some(status) = directive(prompt, "fail").and_then(|status| status.parse().ok()) {
        return Err(status);
    }
    let delay = directive(prompt, "slow").and_then(|ms| ms.parse().ok()).map_or(Duration::ZERO, Duration::from_millis);
    let again = directive(prompt, "times").and_then(|call| times(call, conversation.tools_used));
    let act = match &conversation.tool_output {
        _ if again.is_some() => again.expect("it is there"),
        Some(output) => match then(prompt, conversation.tools_used) {
            Some((tool, input)) => Act::Call(tool, input),
            None => Act::Text(format!("tool said: {output}")),
        },
        None => {
            if let Some(command) = directive(prompt, "run") {
                Act::Run(command.to_owned())
            } else if let Some(file) = directive(prompt, "write") {
                Act::Write(file.to_owned())
            } else if let Some((tool, input)) = directive(prompt, "call").and_then(|call| call.split_once(' ')) {
                Act::Call(tool.to_owned(), input_of(input))
            } else if directive(prompt, "recall").is_some() {
                Act::Text(format!("recalled: {}", conversation.user.join(" | ")))
            } else if let Some(text) = directive(prompt, "say") {
                Act::Text(text.to_owned())
            } else if let Some(input) = directive(prompt, "stop").and_then(|answer| stop(prompt, answer)) {
                Act::Call("answer_shutdown".to_owned(), input)
            } else if let Some((tool, input)) = finish(prompt) {
                Act::Call(tool, input)
            } else {
                Act::Text(format!("echo: {prompt}"))
            }
        }
    };
    let hold = directive(prompt, "hold").map(PathBuf::from);
    Ok(Plan { act, delay, hold, cut: directive(prompt, "cut").is_some() })
}

/// The next of several uses of a tool, while there is one.
fn times(call: &str, used: usize) -> Option<Act> {
    let (count, call) = call.split_once(' ')?;
    let (tool, input) = call.split_once(' ')?;
    (used < count.parse().ok()?)
        .then(|| Act::Call(tool.to_owned(), input_of(&input.replace('#', &(used + 1).to_string()))))
}

/// The tool that is used when `used` have answered.
fn then(prompt: &str, used: usize) -> Option<(String, Value)> {
    // What stands before the first belongs to none.
    let call = prompt.split("[[then ").skip(1).nth(used.checked_sub(1)?)?.split_once("]]")?.0;
    let (tool, input) = call.split_once(' ')?;
    Some((tool.to_owned(), input_of(input)))
}

fn input_of(text: &str) -> Value {
    serde_json::from_str(&text.replace("<<", "[[").replace(">>", "]]")).unwrap_or(Value::Null)
}

/// The answer to the last request to stop in a prompt.
fn stop(prompt: &str, answer: &str) -> Option<Value> {
    let (_, id) = prompt.rsplit_once("\"requestId\":\"")?;
    let id = id.split_once('"')?.0;
    let reason = (answer != "yes").then_some(answer);
    Some(json!({"requestId": id, "approve": reason.is_none(), "reason": reason}))
}

/// What finishes what a prompt is about, where it says how and asks for nothing else: a task, or a run. The tool is named as the team
/// calls it.
fn finish(prompt: &str) -> Option<(String, Value)> {
    const NOTE: &str = "done by the model";
    if prompt.contains("[[") {
        return None;
    }
    if let Some((_, after)) = prompt.rsplit_once("taskId \"") {
        let (id, after) = after.split_once('"')?;
        let attempt: String = after.strip_prefix(", attempt ")?.chars().take_while(char::is_ascii_digit).collect();
        let attempt: u64 = attempt.parse().ok()?;
        return Some(("task_complete".to_owned(), json!({"taskId": id, "attempt": attempt, "note": NOTE})));
    }
    prompt.contains("`finish_run`").then(|| ("finish_run".to_owned(), json!({"summary": NOTE})))
}

/// A tool of the team as the agents of an API know it.
fn team_tool(api: Api, plan: &mut Plan, tools: &HashSet<String>) {
    let prefix = match api {
        Api::Gemini => "mcp_teams_",
        Api::Anthropic | Api::OpenAi => "mcp__teams__",
        // Each of them has a way of its own.
        Api::Chat => return,
    };
    if let Act::Call(tool, _) = &mut plan.act
        && !tools.contains(tool)
        && ["answer_shutdown", "finish_run", "spawn_teammate", "submit_plan", "task_complete", "task_create"]
            .contains(&tool.as_str())
    {
        tool.insert_str(0, prefix);
    }
}

fn directive<'a>(prompt: &'a str, name: &str) -> Option<&'a str> {
    let start = prompt.find(&format!("[[{name}"))? + 2 + name.len();
    let end = start + prompt[start..].find("]]")?;
    Some(prompt[start..end].trim())
}

pub(super) fn words(text: &str) -> Vec<&str> {
    text.split_inclusive(' ').collect()
}

fn tool_names(body: &Value) -> HashSet<String> {
    let named = |tool: &Value| tool["name"].as_str().map(str::to_owned);
    let tools = array(&body["tools"]).iter();
    let within = tools.clone().flat_map(|tool| array(&tool["functionDeclarations"])).chain(tools.clone());
    within.chain(tools.map(|tool| &tool["function"])).filter_map(named).collect()
}

fn anthropic_events(plan: &Plan, model: &str, tools: &HashSet<String>) -> Vec<(String, Value)> {
    let mut events = vec![json!({"type": "message_start", "message": {
        "id": id("msg"), "type": "message", "role": "assistant", "model": model, "content": [], "stop_reason": null,
        "stop_sequence": null,
        "usage": {"input_tokens": 100, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 10, "output_tokens": 1}}})];
    let stop = match &plan.act {
        Act::Text(text) => {
            events.push(
                json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
            );
            for word in words(text) {
                events.push(json!({"type": "content_block_delta", "index": 0,
                    "delta": {"type": "text_delta", "text": word}}));
            }
            "end_turn"
        }
        Act::Run(_) | Act::Write(_) | Act::Call(..) => {
            let (name, input) = anthropic_tool(&plan.act, tools);
            events.push(json!({"type": "content_block_start", "index": 0,
                "content_block": {"type": "tool_use", "id": id("toolu"), "name": name, "input": {}}}));
            events.push(json!({"type": "content_block_delta", "index": 0,
                "delta": {"type": "input_json_delta", "partial_json": input.to_string()}}));
            "tool_use"
        }
    };
    events.push(json!({"type": "content_block_stop", "index": 0}));
    events.push(json!({"type": "message_delta", "delta": {"stop_reason": stop, "stop_sequence": null},
        "usage": {"output_tokens": 20}}));
    events.push(json!({"type": "message_stop"}));
    events.into_iter().map(|event| (text_of(&event["type"]).to_owned(), event)).collect()
}

/// What the agent of our own is called for: its tools have the same names, whoever's model asks for them.
fn own_tool(act: &Act, tools: &HashSet<String>) -> Option<(&'static str, Value)> {
    match act {
        Act::Run(command) if tools.contains("run_command") => {
            Some(("run_command", json!({"argv": ["sh", "-c", command]})))
        }
        Act::Write(file) if tools.contains("edit_file") && tools.contains("search_files") => {
            Some(("write_file", json!({"path": file, "content": "written\n"})))
        }
        _ => None,
    }
}

fn anthropic_tool<'a>(act: &'a Act, tools: &HashSet<String>) -> (&'a str, Value) {
    if let Some(own) = own_tool(act, tools) {
        return own;
    }
    match act {
        Act::Call(tool, input) => (tool, input.clone()),
        Act::Write(file) => ("Write", json!({"file_path": file, "content": "written\n"})),
        Act::Run(command) | Act::Text(command) => ("Bash", json!({"command": command, "description": "run it"})),
    }
}

fn openai_events(plan: &Plan, tools: &HashSet<String>, unconfined: bool) -> Vec<(String, Value)> {
    let response = id("resp");
    let mut events = vec![json!({"type": "response.created", "response": {"id": response}})];
    match &plan.act {
        act if own_tool(act, tools).is_some() => {
            let (name, arguments) = own_tool(act, tools).expect("it is one");
            let item = json!({"type": "function_call", "id": id("fc"), "call_id": id("call"), "name": name,
                "arguments": arguments.to_string()});
            events.push(json!({"type": "response.output_item.done", "output_index": 0, "item": item}));
        }
        Act::Text(text) => {
            let item = id("msg");
            events.push(json!({"type": "response.output_item.added", "output_index": 0,
                "item": {"type": "message", "role": "assistant", "id": item, "content": []}}));
            for word in words(text) {
                events.push(json!({"type": "response.output_text.delta", "item_id": item, "output_index": 0,
                    "content_index": 0, "delta": word}));
            }
            events.push(json!({"type": "response.output_item.done", "output_index": 0, "item": {"type": "message",
                "role": "assistant", "id": item, "content": [{"type": "output_text", "text": text}]}}));
        }
        Act::Run(command) => {
            let (name, arguments) = if tools.contains("exec_command") {
                let mut call = json!({"cmd": command, "yield_time_ms": 30000});
                if !unconfined {
                    // A model that knows its sandbox asks to leave it.
                    call["sandbox_permissions"] = json!("require_escalated");
                    call["justification"] = json!("it writes");
                }
                ("exec_command", call)
            } else {
                ("shell", json!({"command": ["bash", "-lc", command]}))
            };
            events
                .push(json!({"type": "response.output_item.done", "output_index": 0, "item": {"type": "function_call",
                "id": id("fc"), "call_id": id("call"), "name": name, "arguments": arguments.to_string()}}));
        }
        Act::Call(tool, input) => {
            let mut item = json!({"type": "function_call", "id": id("fc"), "call_id": id("call"), "name": tool,
                "arguments": input.to_string()});
            // Tools of an MCP server have a namespace beside their name.
            if let Some((server, name)) = tool.strip_prefix("mcp__").and_then(|rest| rest.split_once("__")) {
                item["namespace"] = json!(format!("mcp__{server}"));
                item["name"] = json!(name);
            }
            events.push(json!({"type": "response.output_item.done", "output_index": 0, "item": item}));
        }
        Act::Write(file) => {
            let patch = format!("*** Begin Patch\n*** Add File: {file}\n+written\n*** End Patch\n");
            let command = format!("apply_patch <<'EOF'\n{patch}EOF");
            let item = if tools.contains("apply_patch") {
                json!({"type": "custom_tool_call", "id": id("ctc"), "call_id": id("call"), "name": "apply_patch",
                    "input": patch})
            } else {
                json!({"type": "function_call", "id": id("fc"), "call_id": id("call"), "name": "exec_command",
                    "arguments": json!({"cmd": command}).to_string()})
            };
            events.push(json!({"type": "response.output_item.done", "output_index": 0, "item": item}));
        }
    }
    events.push(
        json!({"type": "response.completed", "response": {"id": response, "object": "response", "created_at": 1,
        "status": "completed", "model": "test-model", "output": [], "usage": {"input_tokens": 100,
        "input_tokens_details": {"cached_tokens": 10}, "output_tokens": 20,
        "output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": 120}}}),
    );
    events.into_iter().map(|event| (text_of(&event["type"]).to_owned(), event)).collect()
}

fn gemini_events(plan: &Plan, tools: &HashSet<String>) -> Vec<(String, Value)> {
    let mut chunks = Vec::new();
    match &plan.act {
        act if own_tool(act, tools).is_some() => {
            let (name, args) = own_tool(act, tools).expect("it is one");
            chunks.push(gemini_chunk(json!([{"functionCall": {"name": name, "args": args}}]), true));
        }
        Act::Text(text) => {
            let words = words(text);
            for (index, word) in words.iter().enumerate() {
                chunks.push(gemini_chunk(json!([{"text": word}]), index + 1 == words.len()));
            }
        }
        Act::Call(tool, input) => {
            let call = json!({"name": tool, "args": input});
            chunks.push(gemini_chunk(json!([{"functionCall": call}]), true));
        }
        Act::Run(command) => {
            let call = json!({"name": "run_shell_command", "args": {"command": command, "description": "run it"}});
            chunks.push(gemini_chunk(json!([{"functionCall": call}]), true));
        }
        Act::Write(file) => {
            let call = json!({"name": "write_file", "args": {"file_path": file, "content": "written\n"}});
            chunks.push(gemini_chunk(json!([{"functionCall": call}]), true));
        }
    }
    chunks.into_iter().map(|chunk| (String::new(), chunk)).collect()
}

fn gemini_chunk(parts: Value, last: bool) -> Value {
    let mut candidate = json!({"content": {"role": "model", "parts": parts}, "index": 0});
    if last {
        candidate["finishReason"] = json!("STOP");
    }
    json!({"candidates": [candidate], "modelVersion": "test-model",
        "usageMetadata": {"promptTokenCount": 100, "candidatesTokenCount": 20, "totalTokenCount": 120}})
}

fn stream(events: Vec<(String, Value)>, mut plan: Plan) -> Response {
    let (sender, receiver) = mpsc::channel::<io::Result<Bytes>>(1);
    let stop_after = if plan.cut { events.len().min(3) } else { events.len() };
    tokio::spawn(async move {
        for (name, event) in events.into_iter().take(stop_after) {
            tokio::time::sleep(plan.delay).await;
            // Gemini's events have no name, and each is a word.
            let is_word = name.is_empty() || name.ends_with("delta");
            let name = if name.is_empty() { name } else { format!("event: {name}\n") };
            let event = if event == json!(chat::DONE) { chat::DONE.to_owned() } else { event.to_string() };
            if sender.send(Ok(Bytes::from(format!("{name}data: {event}\n\n")))).await.is_err() {
                return;
            }
            if is_word && let Some(file) = plan.hold.take() {
                while !file.exists() && !sender.is_closed() {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            }
        }
        if plan.cut {
            // What was sent has to be on its way before the connection breaks.
            tokio::time::sleep(Duration::from_millis(100)).await;
            let _ = sender.send(Err(io::Error::other("cut"))).await;
        }
    });
    ([(header::CONTENT_TYPE, "text/event-stream")], Body::from_stream(ReceiverStream::new(receiver))).into_response()
}

fn whole(api: Api, events: Vec<(String, Value)>, plan: &Plan, model: &str) -> Response {
    if plan.cut {
        return stream(Vec::new(), Plan { cut: true, ..Plan::say("") });
    }
    let body = match (api, &plan.act) {
        (Api::Gemini, _) => events.into_iter().next_back().map(|(_, event)| event).unwrap_or_default(),
        (_, act) => {
            let (content, stop) = match act {
                Act::Text(text) => (json!([{"type": "text", "text": text}]), "end_turn"),
                call => {
                    let (name, input) = anthropic_tool(call, &HashSet::new());
                    (json!([{"type": "tool_use", "id": id("toolu"), "name": name, "input": input}]), "tool_use")
                }
            };
            json!({"id": id("msg"), "type": "message", "role": "assistant", "model": model, "content": content,
                "stop_reason": stop, "stop_sequence": null, "usage": {"input_tokens": 100, "output_tokens": 20}})
        }
    };
    axum::Json(body).into_response()
}

fn failure(api: Api, status: u16) -> Response {
    let kind = match status {
        401 => "authentication_error",
        429 => "rate_limit_error",
        _ => "api_error",
    };
    let message = format!("scripted failure {status}");
    let body = match api {
        Api::Anthropic => json!({"type": "error", "error": {"type": kind, "message": message}}),
        Api::OpenAi | Api::Chat => json!({"error": {"type": kind, "code": null, "message": message}}),
        Api::Gemini => json!({"error": {"code": status, "message": message, "status": kind}}),
    };
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, axum::Json(body)).into_response()
}

pub(super) fn id(prefix: &str) -> String {
    format!("{prefix}_{}", uuid::Uuid::new_v4().simple())
}

pub(super) fn array(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

pub(super) fn text_of(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
