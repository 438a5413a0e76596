//! The `codex app-server` protocol, as far as we use it. Everything else in a message is ignored.

use serde::{Deserialize, Serialize};

pub(super) use super::settings::{Permissions, SandboxPolicyParams, ThreadParams};

use crate::output::{Approval, ApprovalId, ApprovalKind, Decision, ToolStatus, Usage, summarize};

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct InitializeParams {
    client_info: ClientInfo,
    capabilities: Capabilities,
}

#[derive(Debug, Serialize)]
struct ClientInfo {
    name: &'static str,
    title: &'static str,
    version: &'static str,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Capabilities {
    /// For `thread/backgroundTerminals/clean`.
    experimental_api: bool,
    opt_out_notification_methods: &'static [&'static str],
}

impl InitializeParams {
    pub(super) fn new() -> Self {
        Self {
            client_info: ClientInfo { name: "teams", title: "teams", version: env!("CARGO_PKG_VERSION") },
            capabilities: Capabilities {
                experimental_api: true,
                // The first comes character by character from some commands.
                opt_out_notification_methods: &[
                    "item/commandExecution/outputDelta",
                    "thread/readState/changed",
                    "remoteControl/status/changed",
                    "turn/diff/updated",
                ],
            },
        }
    }
}

/// For calls without parameters, which must have some all the same.
#[derive(Debug, Serialize)]
pub(super) struct NoParams {}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct AccountReply {
    account: Option<serde::de::IgnoredAny>,
    #[serde(default)]
    requires_openai_auth: bool,
}

impl AccountReply {
    pub(super) fn is_logged_out(&self) -> bool {
        self.requires_openai_auth && self.account.is_none()
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ThreadReply {
    pub(super) thread: ThreadNotice,
    pub(super) model: String,
    pub(super) cwd: String,
    /// A word, or an object for a granular policy.
    pub(super) approval_policy: serde_json::Value,
    pub(super) sandbox: SandboxReply,
}

#[derive(Debug, Deserialize)]
pub(super) struct ThreadNotice {
    pub(super) id: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct SandboxReply {
    #[serde(rename = "type")]
    pub(super) kind: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TurnStartParams<'a> {
    pub(super) thread_id: &'a str,
    /// The thread remembers it, and tells it when it is read.
    pub(super) client_user_message_id: &'a str,
    /// Both hold for the turns after it, too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) approval_policy: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) sandbox_policy: Option<SandboxPolicyParams<'a>>,
    pub(super) input: [InputParams<'a>; 1],
}

#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "camelCase")]
pub(super) enum InputParams<'a> {
    Text { text: &'a str },
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TurnSteerParams<'a> {
    pub(super) thread_id: &'a str,
    pub(super) expected_turn_id: &'a str,
    pub(super) client_user_message_id: &'a str,
    pub(super) input: [InputParams<'a>; 1],
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TurnInterruptParams<'a> {
    pub(super) thread_id: &'a str,
    pub(super) turn_id: &'a str,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ThreadIdParams<'a> {
    pub(super) thread_id: &'a str,
}

/// The account's windows; what is absent has not changed.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RateLimitsNotice {
    rate_limits: WindowsNotice,
}

#[derive(Debug, Default, Deserialize)]
struct WindowsNotice {
    primary: Option<WindowNotice>,
    secondary: Option<WindowNotice>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WindowNotice {
    used_percent: Option<f64>,
    resets_at: Option<i64>,
}

impl RateLimitsNotice {
    pub(super) fn merge(&mut self, newer: Self) {
        let (known, newer) = (&mut self.rate_limits, newer.rate_limits);
        known.primary = newer.primary.or(known.primary.take());
        known.secondary = newer.secondary.or(known.secondary.take());
    }

    /// When the windows that are used up begin anew: the last of them.
    pub(super) fn reset(&self) -> Option<i64> {
        let windows = [&self.rate_limits.primary, &self.rate_limits.secondary].into_iter().flatten();
        windows.filter(|window| window.used_percent.is_some_and(|used| used >= 100.0)).filter_map(|w| w.resets_at).max()
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ThreadReadParams<'a> {
    pub(super) thread_id: &'a str,
    pub(super) include_turns: bool,
}

#[derive(Debug, Deserialize)]
pub(super) struct ThreadReadReply {
    pub(super) thread: TurnsNotice,
}

#[derive(Debug, Deserialize)]
pub(super) struct TurnsNotice {
    pub(super) turns: Vec<TurnNotice>,
}

#[derive(Debug, Deserialize)]
pub(super) struct ThreadStatusNotice {
    status: StatusNotice,
}

impl ThreadStatusNotice {
    pub(super) fn is_idle(&self) -> bool {
        self.status.kind == "idle"
    }
}

#[derive(Debug, Deserialize)]
struct StatusNotice {
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct TurnReply {
    pub(super) turn: TurnNotice,
}

/// What every message about a thread has; some have none.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Addressed {
    pub(super) thread_id: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TurnNotice {
    pub(super) id: String,
    #[serde(default)]
    pub(super) status: String,
    pub(super) error: Option<TurnError>,
    /// What `thread/read` tells of it.
    #[serde(default)]
    items: Vec<InputItemNotice>,
}

impl TurnNotice {
    pub(super) fn has_input(&self, id: &str) -> bool {
        self.items.iter().any(|item| item.client_id.as_deref() == Some(id))
    }
}

/// An item of a turn, as far as it is an input.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct InputItemNotice {
    client_id: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TurnError {
    #[serde(default)]
    message: String,
    codex_error_info: Option<serde_json::Value>,
}

impl TurnError {
    /// Whether a rate limit, or the end of an allowance, is what it is about.
    pub(super) fn is_rate_limit(&self) -> bool {
        match &self.codex_error_info {
            Some(serde_json::Value::String(word)) => word == "usageLimitExceeded",
            Some(serde_json::Value::Object(object)) => {
                object.values().any(|details| details["httpStatusCode"].as_u64() == Some(429))
            }
            _ => false,
        }
    }

    /// The message, and what kind of error Codex takes it for: a word, or an object with one key.
    pub(super) fn text(&self) -> String {
        let status = |details: &serde_json::Value| details["httpStatusCode"].as_u64();
        let info = match &self.codex_error_info {
            Some(serde_json::Value::String(word)) if word != "other" => Some(word.clone()),
            Some(serde_json::Value::Object(object)) => {
                object.iter().next().map(|(word, details)| match status(details) {
                    Some(status) => format!("{word}, HTTP {status}"),
                    None => word.clone(),
                })
            }
            _ => None,
        };
        match info {
            Some(info) => format!("{} ({info})", self.message),
            None => self.message.clone(),
        }
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct DeltaNotice {
    pub(super) delta: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct ItemEventNotice {
    pub(super) item: ItemNotice,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ItemNotice {
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) id: String,
    pub(super) status: Option<String>,
    text: Option<String>,
    command: Option<String>,
    #[serde(default)]
    changes: Vec<ChangeNotice>,
    server: Option<String>,
    tool: Option<String>,
    query: Option<String>,
}

#[derive(Debug, Deserialize)]
struct ChangeNotice {
    path: String,
}

impl ItemNotice {
    /// A finished message of the agent.
    pub(super) fn message(&self) -> Option<&str> {
        self.text.as_deref().filter(|text| self.kind == "agentMessage" && !text.is_empty())
    }

    /// The tool's name and what it does, for items that are uses of a tool.
    pub(super) fn tool(&self) -> Option<(String, String)> {
        let tool = self.tool.clone().unwrap_or_default();
        match self.kind.as_str() {
            "commandExecution" => Some(("shell".into(), self.command.clone().unwrap_or_default())),
            "fileChange" => {
                let paths: Vec<_> = self.changes.iter().map(|change| change.path.as_str()).collect();
                Some(("apply_patch".into(), paths.join(", ")))
            }
            "mcpToolCall" => Some((format!("{}.{tool}", self.server.clone().unwrap_or_default()), String::new())),
            "dynamicToolCall" | "collabAgentToolCall" => Some((tool, String::new())),
            "webSearch" => Some(("web_search".into(), self.query.clone().unwrap_or_default())),
            _ => None,
        }
    }

    pub(super) fn tool_status(&self) -> ToolStatus {
        match self.status.as_deref() {
            Some("failed") => ToolStatus::Failed,
            Some("declined") => ToolStatus::Denied,
            _ => ToolStatus::Completed,
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TokenUsageNotice {
    pub(super) token_usage: TokenUsage,
}

#[derive(Debug, Deserialize)]
pub(super) struct TokenUsage {
    pub(super) total: Tokens,
    pub(super) last: Tokens,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Tokens {
    total_tokens: u64,
    input_tokens: u64,
    output_tokens: u64,
}

impl Tokens {
    pub(super) fn usage(self) -> Usage {
        Usage { input_tokens: self.input_tokens, output_tokens: self.output_tokens, cost_usd: None }
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ErrorNotice {
    pub(super) error: TurnError,
    #[serde(default)]
    pub(super) will_retry: bool,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ResolvedNotice {
    pub(super) request_id: serde_json::Value,
}

/// The questions that are approvals, by what their answers look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Question {
    /// A command or a file change.
    Decision,
    /// The use of an MCP tool.
    Elicitation,
}

impl Question {
    pub(super) fn of(method: &str) -> Option<Self> {
        match method {
            "item/commandExecution/requestApproval" | "item/fileChange/requestApproval" => Some(Self::Decision),
            "mcpServer/elicitation/request" => Some(Self::Elicitation),
            _ => None,
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ApprovalNotice {
    pub(super) item_id: Option<String>,
    command: Option<String>,
    /// What a shell that it is wrapped in is to run.
    #[serde(default)]
    command_actions: Vec<CommandActionNotice>,
    reason: Option<String>,
    message: Option<String>,
    server_name: Option<String>,
}

#[derive(Debug, Deserialize)]
struct CommandActionNotice {
    command: Option<String>,
}

impl ApprovalNotice {
    /// What is asked for; `paths` are those that a change of files names.
    pub(super) fn approval(self, id: &str, question: Question, paths: String) -> Approval {
        let command = match self.command_actions.as_slice() {
            [action] => action.command.clone(),
            _ => None,
        };
        let (kind, tool, detail) = match (question, self.command) {
            (Question::Elicitation, _) => {
                let tool = self.server_name.unwrap_or_else(|| "mcp".into());
                (ApprovalKind::Other, tool, self.message.unwrap_or_default())
            }
            (Question::Decision, Some(command)) => (ApprovalKind::Command, "shell".into(), command),
            (Question::Decision, None) => (ApprovalKind::Edit, "apply_patch".into(), paths),
        };
        let detail = match self.reason {
            Some(reason) => format!("{detail} ({reason})"),
            None => detail,
        };
        Approval { id: ApprovalId(id.to_owned()), tool, summary: summarize(&detail), kind, command }
    }
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum ApprovalReply {
    Decision { decision: &'static str },
    Elicitation { action: &'static str, content: Option<NoParams>, _meta: Option<NoParams> },
}

impl ApprovalReply {
    pub(super) fn of(question: Question, decision: &Decision) -> Self {
        match (question, decision) {
            (Question::Decision, Decision::Allow) => Self::Decision { decision: "accept" },
            (Question::Decision, Decision::AllowForSession) => Self::Decision { decision: "acceptForSession" },
            (Question::Decision, Decision::Deny { .. }) => Self::Decision { decision: "decline" },
            (Question::Elicitation, Decision::Deny { .. }) => {
                Self::Elicitation { action: "decline", content: None, _meta: None }
            }
            (Question::Elicitation, _) => {
                Self::Elicitation { action: "accept", content: Some(NoParams {}), _meta: None }
            }
        }
    }
}
