//! The Agent Client Protocol, version 1, as the agent speaks it. What a client says and we have no use for is ignored.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::command::Command;
use crate::config::McpServer;
use crate::lenient::{each, lenient};
use crate::native::events::ToolOutcome;
use crate::native::llm::TokenUsage;
use crate::native::tool::{ToolKind, ToolUse};
use crate::permission::PermissionMode;

/// One line of a client.
#[derive(Debug, Deserialize)]
pub(super) struct Incoming {
    /// What an answer has to bear; absent in a notification.
    #[serde(default)]
    pub(super) id: Option<Value>,
    #[serde(default)]
    pub(super) method: Option<String>,
    #[serde(default)]
    pub(super) params: Option<Box<RawValue>>,
    /// The answer to a question of ours.
    #[serde(default)]
    pub(super) result: Value,
}

/// `session/new`, and with an id `session/load`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct OpenParams {
    #[serde(default)]
    pub(super) session_id: Option<String>,
    pub(super) cwd: PathBuf,
    #[serde(default, deserialize_with = "each")]
    mcp_servers: Vec<ServerParams>,
}

/// A server that is started; one without a command is reached over the network, which we do not.
#[derive(Debug, Deserialize)]
struct ServerParams {
    #[serde(default, deserialize_with = "lenient")]
    name: String,
    #[serde(default, deserialize_with = "lenient")]
    command: Option<String>,
    #[serde(default, deserialize_with = "each")]
    args: Vec<String>,
    #[serde(default, deserialize_with = "each")]
    env: Vec<VariableParams>,
}

#[derive(Debug, Deserialize)]
struct VariableParams {
    name: String,
    value: String,
}

impl OpenParams {
    /// The servers that can be started, and the names of those that cannot.
    pub(super) fn servers(self) -> (Vec<McpServer>, Vec<String>) {
        let (mut servers, mut others) = (Vec::new(), Vec::new());
        for ServerParams { name, command, args, env } in self.mcp_servers {
            let Some(command) = command else {
                others.push(name);
                continue;
            };
            let env = env.into_iter().map(|variable| (variable.name, variable.value)).collect::<BTreeMap<_, _>>();
            servers.push(McpServer { name, command: Command::new(command).with_args(args), env, tools: Vec::new() });
        }
        (servers, others)
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CancelParams {
    pub(super) session_id: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PromptParams {
    pub(super) session_id: String,
    #[serde(default)]
    prompt: Vec<Value>,
}

impl PromptParams {
    /// The whole prompt as text: what an editor embeds stands in it with its address.
    pub(super) fn text(&self) -> String {
        let part = |part: &Value| {
            let text = |path: &str| part.pointer(path).and_then(Value::as_str);
            match part["type"].as_str() {
                Some("text") => text("/text").unwrap_or_default().to_owned(),
                Some("resource") => {
                    format!(
                        "{}:\n{}",
                        text("/resource/uri").unwrap_or_default(),
                        text("/resource/text").unwrap_or("(not a text)")
                    )
                }
                Some("resource_link") => text("/uri").unwrap_or_default().to_owned(),
                Some(other) => format!("({other} that cannot be shown)"),
                None => String::new(),
            }
        };
        self.prompt.iter().map(part).collect::<Vec<_>>().join("\n")
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SetParams {
    pub(super) session_id: String,
    #[serde(default)]
    pub(super) mode_id: String,
    #[serde(default)]
    pub(super) model_id: String,
}

/// The permission modes, with what they are called for people.
pub(super) const MODES: [(PermissionMode, &str); 4] = [
    (PermissionMode::Default, "Ask before changes"),
    (PermissionMode::AcceptEdits, "Edit files, ask before commands"),
    (PermissionMode::Plan, "Plan, change nothing"),
    (PermissionMode::BypassPermissions, "Ask nothing"),
];

pub(super) fn initialized() -> Value {
    json!({
        "protocolVersion": 1,
        "agentInfo": {"name": "teams-agent", "title": "teams agent", "version": env!("CARGO_PKG_VERSION")},
        "agentCapabilities": {
            "loadSession": true,
            "promptCapabilities": {"embeddedContext": true},
            "mcpCapabilities": {"http": false, "sse": false},
        },
        "authMethods": [],
    })
}

/// What a client is told of a session that begins or goes on.
pub(super) fn opened(id: &str, mode: &PermissionMode, model: &str) -> Value {
    let modes: Vec<Value> = MODES.iter().map(|(mode, name)| json!({"id": mode.as_str(), "name": name})).collect();
    json!({
        "sessionId": id,
        "modes": {"availableModes": modes, "currentModeId": mode.as_str()},
        "models": {"availableModels": [{"modelId": model, "name": model}], "currentModelId": model},
    })
}

pub(super) fn text_update(kind: &str, text: &str) -> Value {
    json!({"sessionUpdate": kind, "content": {"type": "text", "text": text}})
}

/// That the text of the running answer so far counts for nothing; a client that does not know this hears an empty piece of text.
pub(super) fn retracted() -> Value {
    json!({"sessionUpdate": "agent_message_chunk", "content": {"type": "text", "text": ""}, "_meta": {"retracted": true}})
}

/// What a client is told of a call.
pub(super) fn tool_call(id: &str, name: &str, kind: ToolKind, what: &ToolUse, arguments: &Value) -> Value {
    let input = match (&what.shell, what.argv.is_empty()) {
        (Some(line), _) => json!({"command": line}),
        (None, false) => json!({"command": what.argv}),
        (None, true) => arguments.clone(),
    };
    let kind = match kind {
        ToolKind::Read => "read",
        ToolKind::Edit => "edit",
        ToolKind::Execute => "execute",
        ToolKind::Fetch => "fetch",
        ToolKind::Given | ToolKind::Server | ToolKind::Other => "other",
    };
    let change = what
        .change
        .as_ref()
        .map(|change| json!([{"type": "diff", "path": change.path, "oldText": change.old, "newText": change.new}]));
    json!({
        "toolCallId": id, "title": what.title, "kind": kind, "status": "in_progress", "rawInput": input,
        "content": change.unwrap_or_else(|| json!([])), "_meta": {"toolName": name},
    })
}

pub(super) fn tool_ended(id: &str, outcome: ToolOutcome, output: &str) -> Value {
    let status = if outcome == ToolOutcome::Completed { "completed" } else { "failed" };
    json!({
        "sessionUpdate": "tool_call_update", "toolCallId": id, "status": status,
        "content": [{"type": "content", "content": {"type": "text", "text": output}}],
    })
}

pub(super) fn usage(used: TokenUsage) -> Value {
    json!({
        "inputTokens": used.input.saturating_sub(used.cached), "cachedReadTokens": used.cached, "outputTokens": used.output,
        "totalTokens": used.total(),
    })
}
