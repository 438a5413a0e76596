//! The `codex app-server` protocol, as far as we use it. Everything else in a message is ignored.

use serde::{Deserialize, Serialize};

pub(super) use super::settings::{Permissions, SandboxPolicyParams, ThreadParams};

use crate::lenient::{each, failure, lenient};
use crate::output::{ToolStatus, Usage};

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
    #[serde(default, deserialize_with = "lenient")]
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
    #[serde(default, deserialize_with = "lenient")]
    primary: Option<WindowNotice>,
    #[serde(default, deserialize_with = "lenient")]
    secondary: Option<WindowNotice>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WindowNotice {
    #[serde(default, deserialize_with = "lenient")]
    used_percent: Option<f64>,
    #[serde(default, deserialize_with = "lenient")]
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
    #[serde(default, deserialize_with = "each")]
    pub(super) turns: Vec<TurnNotice>,
}

#[derive(Debug, Deserialize)]
pub(super) struct ThreadStatusNotice {
    status: StatusNotice,
}

impl ThreadStatusNotice {
    /// Whether no turn runs any more.
    pub(super) fn is_over(&self) -> bool {
        self.is_error() || self.status.kind == "idle"
    }

    pub(super) fn is_error(&self) -> bool {
        self.status.kind == "systemError"
    }
}

#[derive(Debug, Deserialize)]
struct StatusNotice {
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct TurnReply {
    #[serde(deserialize_with = "lenient")]
    pub(super) turn: TurnNotice,
}

/// What every message about a thread has; some have none.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Addressed {
    #[serde(default, deserialize_with = "lenient")]
    pub(super) thread_id: Option<String>,
}

/// A turn. It tells how one ended, so that nothing that may stand in it makes it unreadable.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct TurnNotice {
    #[serde(deserialize_with = "lenient")]
    pub(super) id: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub(super) status: String,
    #[serde(deserialize_with = "TurnError::read")]
    pub(super) error: Option<TurnError>,
    /// What `thread/read` tells of it.
    #[serde(deserialize_with = "each")]
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
    #[serde(default, deserialize_with = "lenient")]
    client_id: Option<String>,
}

#[derive(Debug)]
pub(super) struct TurnError {
    message: String,
    codex_error_info: Option<serde_json::Value>,
}

impl TurnError {
    /// An error of which Codex has said no more.
    pub(super) fn unexplained(message: &str) -> Self {
        Self { message: message.to_owned(), codex_error_info: None }
    }

    pub(super) fn read<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Self>, D::Error> {
        Ok(failure(deserializer)?.map(|(message, object)| {
            let info = object.get("codexErrorInfo").filter(|info| !info.is_null());
            Self { message, codex_error_info: info.cloned() }
        }))
    }

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

impl ItemNotice {
    /// Whether it is a message of the agent, finished or not.
    pub(super) fn is_message(&self) -> bool {
        self.kind == "agentMessage"
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ItemNotice {
    #[serde(rename = "type")]
    pub(super) kind: String,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) id: String,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) status: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    text: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    command: Option<String>,
    #[serde(default, deserialize_with = "each")]
    changes: Vec<ChangeNotice>,
    #[serde(default, deserialize_with = "lenient")]
    server: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    tool: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    query: Option<String>,
}

#[derive(Debug, Deserialize)]
struct ChangeNotice {
    path: String,
    #[serde(default, deserialize_with = "lenient")]
    kind: Option<ChangeKind>,
    #[serde(default, deserialize_with = "lenient")]
    diff: String,
}

#[derive(Debug, Deserialize)]
struct ChangeKind {
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default)]
    move_path: Option<String>,
}

impl ChangeNotice {
    /// The file, what becomes of it as a whole, and its lines, each with a sign: of a file that comes or goes Codex gives the lines alone.
    fn shown(&self) -> String {
        let Self { path, kind, diff } = self;
        let signed = |sign: char| diff.lines().map(|line| format!("{sign}{line}\n")).collect::<String>();
        let (kind, moved) = kind.as_ref().map_or(("", None), |kind| (kind.kind.as_str(), kind.move_path.as_ref()));
        match (kind, moved) {
            ("add", _) => format!("{path}\n{}", signed('+')),
            ("delete", _) => format!("{path} (deleted)\n{}", signed('-')),
            (_, Some(to)) => format!("{path} (moved to {to})\n{diff}\n"),
            _ => format!("{path}\n{diff}\n"),
        }
    }
}

/// A change of files that an item of the turn is.
#[derive(Debug, Clone)]
pub(super) struct FileChange {
    pub(super) paths: String,
    pub(super) diff: String,
}

impl ItemNotice {
    /// A finished message of the agent.
    pub(super) fn message(&self) -> Option<&str> {
        self.text.as_deref().filter(|text| self.is_message() && !text.is_empty())
    }

    /// The change of files that it is, if it is one.
    pub(super) fn file_change(&self) -> Option<FileChange> {
        let paths: Vec<_> = self.changes.iter().map(|change| change.path.as_str()).collect();
        let diffs = self.changes.iter().map(ChangeNotice::shown);
        (self.kind == "fileChange").then(|| FileChange { paths: paths.join(", "), diff: diffs.collect() })
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
    #[serde(default)]
    pub(super) turn_id: Option<String>,
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
    #[serde(deserialize_with = "lenient")]
    total_tokens: Option<u64>,
    #[serde(deserialize_with = "lenient")]
    input_tokens: Option<u64>,
    #[serde(deserialize_with = "lenient")]
    output_tokens: Option<u64>,
}

impl Tokens {
    /// `None` where it is unknown.
    pub(super) fn usage(self) -> Option<Usage> {
        Some(Usage { input_tokens: self.input_tokens?, output_tokens: self.output_tokens?, cost_usd: None })
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ErrorNotice {
    #[serde(default, deserialize_with = "TurnError::read")]
    pub(super) error: Option<TurnError>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) will_retry: bool,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ResolvedNotice {
    pub(super) request_id: serde_json::Value,
}
