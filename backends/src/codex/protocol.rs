//! The `codex app-server` protocol, as far as we use it. Everything else in a message is ignored.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::config::{McpServer, PermissionMode, SpawnConfig};
use crate::output::{Decision, ToolStatus, Usage};

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

/// `thread/start`, and with an id `thread/resume`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ThreadParams<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) thread_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exclude_turns: Option<bool>,
    cwd: &'a Path,
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<&'a str>,
    pub(super) approval_policy: &'static str,
    sandbox: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    developer_instructions: Option<&'a str>,
    config: ConfigParams<'a>,
}

#[derive(Debug, Serialize)]
struct ConfigParams<'a> {
    /// Without this a turn retries for ever while the network is down.
    #[serde(rename = "features.unbounded_connection_retries")]
    unbounded_connection_retries: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    model_reasoning_effort: Option<&'a str>,
    #[serde(rename = "sandbox_workspace_write.writable_roots", skip_serializing_if = "<[_]>::is_empty")]
    writable_roots: &'a [std::path::PathBuf],
    /// Kept by no thread: they are given again with each resume.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    mcp_servers: BTreeMap<&'a str, McpServerParams<'a>>,
    /// Without this newer models see the tools only after a search.
    #[serde(rename = "features.code_mode.direct_only_tool_namespaces", skip_serializing_if = "Vec::is_empty")]
    direct_tools: Vec<String>,
    /// Its own agents, with tools of their own to talk to them.
    #[serde(rename = "agents.enabled", skip_serializing_if = "Option::is_none")]
    own_agents: Option<bool>,
}

#[derive(Debug, Serialize)]
struct McpServerParams<'a> {
    /// A server of this name in the user's own configuration is merged with ours.
    enabled: bool,
    command: &'a str,
    args: &'a [String],
    env: &'a BTreeMap<String, String>,
    /// Without this the first turn may run without the tools.
    required: bool,
    /// Without this a thread that never asks refuses every tool that changes something.
    default_tools_approval_mode: &'static str,
    startup_timeout_sec: u32,
    tool_timeout_sec: u32,
}

impl<'a> McpServerParams<'a> {
    fn of(server: &'a McpServer) -> Self {
        Self {
            enabled: true,
            command: server.command.program(),
            args: server.command.args(),
            env: &server.env,
            required: true,
            default_tools_approval_mode: "approve",
            startup_timeout_sec: 20,
            tool_timeout_sec: 600,
        }
    }
}

/// The approval policy and the sandbox, as `thread/start` spells them and as its reply does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Permissions {
    pub(super) approval_policy: &'static str,
    pub(super) sandbox: &'static str,
    pub(super) sandbox_reported: &'static str,
}

impl Permissions {
    pub(super) fn of(mode: &PermissionMode) -> Self {
        let (approval_policy, sandbox, sandbox_reported) = match mode {
            PermissionMode::AcceptEdits => ("on-request", "workspace-write", "workspaceWrite"),
            PermissionMode::Plan => ("never", "read-only", "readOnly"),
            PermissionMode::BypassPermissions => ("never", "danger-full-access", "dangerFullAccess"),
            PermissionMode::Default | PermissionMode::Other(_) => ("on-request", "read-only", "readOnly"),
        };
        Self { approval_policy, sandbox, sandbox_reported }
    }
}

impl<'a> ThreadParams<'a> {
    pub(super) fn of(config: &'a SpawnConfig, permissions: Permissions, cwd: &'a Path) -> Self {
        let resume = config.resume.as_deref();
        Self {
            thread_id: resume,
            exclude_turns: resume.map(|_| true),
            cwd,
            model: config.model.as_deref(),
            approval_policy: permissions.approval_policy,
            sandbox: permissions.sandbox,
            developer_instructions: Some(config.prompt.as_str()).filter(|prompt| !prompt.is_empty()),
            config: ConfigParams {
                unbounded_connection_retries: false,
                model_reasoning_effort: config.effort.as_deref(),
                writable_roots: &config.writable_roots,
                mcp_servers: config
                    .mcp_servers
                    .iter()
                    .map(|server| (server.name.as_str(), McpServerParams::of(server)))
                    .collect(),
                direct_tools: config.mcp_servers.iter().map(|server| format!("mcp__{}", server.name)).collect(),
                own_agents: Some(false).filter(|_| !config.mcp_servers.is_empty()),
            },
        }
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
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub(super) enum SandboxPolicyParams<'a> {
    ReadOnly {
        network_access: bool,
    },
    WorkspaceWrite {
        writable_roots: &'a [std::path::PathBuf],
        network_access: bool,
        exclude_tmpdir_env_var: bool,
        exclude_slash_tmp: bool,
    },
    DangerFullAccess,
}

impl<'a> SandboxPolicyParams<'a> {
    pub(super) fn of(permissions: Permissions, writable_roots: &'a [std::path::PathBuf]) -> Self {
        match permissions.sandbox {
            "workspace-write" => Self::WorkspaceWrite {
                writable_roots,
                network_access: false,
                exclude_tmpdir_env_var: false,
                exclude_slash_tmp: false,
            },
            "danger-full-access" => Self::DangerFullAccess,
            _ => Self::ReadOnly { network_access: false },
        }
    }
}

#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "camelCase")]
pub(super) enum InputParams<'a> {
    Text { text: &'a str },
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
    pub(super) command: Option<String>,
    /// What a shell that it is wrapped in is to run.
    #[serde(default)]
    command_actions: Vec<CommandActionNotice>,
    pub(super) reason: Option<String>,
    pub(super) message: Option<String>,
    pub(super) server_name: Option<String>,
}

#[derive(Debug, Deserialize)]
struct CommandActionNotice {
    command: Option<String>,
}

impl ApprovalNotice {
    /// The command, if it is one.
    pub(super) fn single_command(&self) -> Option<String> {
        match self.command_actions.as_slice() {
            [action] => action.command.clone(),
            _ => None,
        }
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
