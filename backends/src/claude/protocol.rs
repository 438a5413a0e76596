//! Claude Code's stream-json, as far as we use it. Everything else in a line is ignored.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::config::McpServer;
use crate::output::{Decision, Usage, summarize};

/// One line of its output. The types share one struct, because a tagged enum would copy every line first.
#[derive(Debug, Deserialize)]
pub(super) struct LineNotice<'a> {
    #[serde(rename = "type", borrow)]
    pub(super) kind: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) subtype: Option<Cow<'a, str>>,
    pub(super) parent_tool_use_id: Option<String>,
    #[serde(borrow)]
    pub(super) event: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) message: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) request: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) response: Option<&'a RawValue>,
    pub(super) request_id: Option<String>,
    #[serde(rename = "permissionMode")]
    pub(super) permission_mode: Option<String>,
    pub(super) model: Option<String>,
    pub(super) cwd: Option<String>,
    pub(super) session_id: Option<String>,
    /// In an `init`: which inputs of ours the turn answers; older versions do not say.
    pub(super) user_message_uuids: Option<Vec<String>>,
    pub(super) command_uuid: Option<String>,
    #[serde(borrow)]
    pub(super) state: Option<Cow<'a, str>>,
}

/// `stream_event`'s event.
#[derive(Debug, Deserialize)]
pub(super) struct StreamEventNotice {
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) delta: Option<DeltaNotice>,
}

#[derive(Debug, Deserialize)]
pub(super) struct DeltaNotice {
    pub(super) text: Option<String>,
}

/// `assistant`'s and `user`'s message. `content` is a string in some user messages, which hold nothing for us.
#[derive(Debug, Deserialize)]
pub(super) struct MessageNotice {
    pub(super) model: Option<String>,
    #[serde(default)]
    pub(super) content: ContentNotice,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum ContentNotice {
    Blocks(Vec<BlockNotice>),
    Other(serde::de::IgnoredAny),
}

impl Default for ContentNotice {
    fn default() -> Self {
        Self::Blocks(Vec::new())
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct BlockNotice {
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) text: Option<String>,
    pub(super) id: Option<String>,
    pub(super) name: Option<String>,
    pub(super) input: Option<serde_json::Map<String, serde_json::Value>>,
    pub(super) tool_use_id: Option<String>,
    pub(super) is_error: Option<bool>,
}

/// `result`.
#[derive(Debug, Deserialize)]
pub(super) struct ResultNotice {
    pub(super) subtype: String,
    #[serde(default)]
    pub(super) is_error: bool,
    pub(super) result: Option<String>,
    #[serde(default)]
    pub(super) errors: Vec<String>,
    pub(super) terminal_reason: Option<String>,
    pub(super) api_error_status: Option<u16>,
    pub(super) total_cost_usd: Option<f64>,
    pub(super) usage: Option<UsageNotice>,
    pub(super) origin: Option<OriginNotice>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct UsageNotice {
    input_tokens: u64,
    cache_creation_input_tokens: u64,
    cache_read_input_tokens: u64,
    output_tokens: u64,
}

impl UsageNotice {
    pub(super) fn with_cost(&self, cost_usd: Option<f64>) -> Usage {
        Usage {
            input_tokens: [self.cache_creation_input_tokens, self.cache_read_input_tokens]
                .into_iter()
                .fold(self.input_tokens, u64::saturating_add),
            output_tokens: self.output_tokens,
            cost_usd,
        }
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct OriginNotice {
    pub(super) kind: String,
}

/// `control_request`'s request: the CLI asks us.
#[derive(Debug, Deserialize)]
pub(super) struct ControlRequestNotice<'a> {
    pub(super) subtype: String,
    pub(super) tool_name: Option<String>,
    pub(super) tool_use_id: Option<String>,
    #[serde(borrow)]
    pub(super) input: Option<&'a RawValue>,
    #[serde(default)]
    pub(super) permission_suggestions: Vec<serde_json::Map<String, serde_json::Value>>,
}

/// `control_response`'s response: the CLI answers us.
#[derive(Debug, Deserialize)]
pub(super) struct ControlReply<'a> {
    pub(super) subtype: String,
    pub(super) request_id: String,
    #[serde(borrow)]
    pub(super) response: Option<&'a RawValue>,
    pub(super) error: Option<String>,
}

/// The answer to `initialize`.
#[derive(Debug, Deserialize)]
pub(super) struct InitializeReply {
    pub(super) account: Option<AccountReply>,
    pub(super) current_permission_mode: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct AccountReply {
    token_source: Option<String>,
    api_key_source: Option<String>,
    api_provider: Option<String>,
}

impl AccountReply {
    /// Whether the CLI has nothing to show to its model's provider.
    pub(super) fn is_logged_out(&self) -> bool {
        let none = |source: &Option<String>| source.as_deref().is_none_or(|source| source == "none");
        self.api_provider.as_deref() == Some("firstParty") && none(&self.token_source) && none(&self.api_key_source)
    }
}

/// The answer to `get_settings`.
#[derive(Debug, Deserialize)]
pub(super) struct SettingsReply {
    pub(super) applied: Option<AppliedReply>,
}

#[derive(Debug, Deserialize)]
pub(super) struct AppliedReply {
    pub(super) model: Option<String>,
}

/// The answer to `interrupt`.
#[derive(Debug, Default, Deserialize)]
pub(super) struct InterruptReply {
    #[serde(default)]
    pub(super) still_queued: Vec<serde::de::IgnoredAny>,
}

/// What we write.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Input<'a> {
    User { message: UserParams<'a>, uuid: String },
    ControlRequest { request_id: &'a str, request: ControlParams<'a> },
    ControlResponse { response: ControlResponseParams<'a> },
}

#[derive(Debug, Serialize)]
pub(super) struct UserParams<'a> {
    pub(super) role: &'static str,
    pub(super) content: &'a str,
}

#[derive(Debug, Serialize)]
#[serde(tag = "subtype", rename_all = "snake_case")]
pub(super) enum ControlParams<'a> {
    Initialize {
        #[serde(rename = "appendSystemPrompt", skip_serializing_if = "str::is_empty")]
        append_system_prompt: &'a str,
    },
    GetSettings,
    Interrupt,
    SetPermissionMode {
        mode: &'a str,
    },
}

#[derive(Debug, Serialize)]
#[serde(tag = "subtype", rename_all = "snake_case")]
pub(super) enum ControlResponseParams<'a> {
    Success { request_id: &'a str, response: PermissionParams },
    Error { request_id: &'a str, error: &'a str },
}

#[derive(Debug, Serialize)]
#[serde(tag = "behavior", rename_all = "snake_case")]
pub(super) enum PermissionParams {
    Allow {
        #[serde(rename = "updatedInput")]
        updated_input: Box<RawValue>,
        #[serde(rename = "updatedPermissions", skip_serializing_if = "Vec::is_empty")]
        updated_permissions: Vec<serde_json::Map<String, serde_json::Value>>,
    },
    Deny {
        message: String,
    },
}

impl PermissionParams {
    /// The rules that the CLI suggested are kept for this session only: as they come they would be written into the
    /// project's settings.
    pub(super) fn of(
        decision: Decision,
        input: Box<RawValue>,
        suggestions: &[serde_json::Map<String, serde_json::Value>],
    ) -> Self {
        match decision {
            Decision::Allow => Self::Allow { updated_input: input, updated_permissions: Vec::new() },
            Decision::AllowForSession => Self::Allow {
                updated_input: input,
                updated_permissions: suggestions
                    .iter()
                    .filter(|rule| rule.get("type").is_some_and(|kind| kind == "addRules"))
                    .map(|rule| {
                        let mut rule = rule.clone();
                        rule.insert("destination".into(), "session".into());
                        rule
                    })
                    .collect(),
            },
            Decision::Deny { reason } => Self::Deny { message: reason },
        }
    }
}

impl Input<'_> {
    pub(super) fn line(&self) -> String {
        serde_json::to_string(self).expect("strings, maps and raw JSON always serialise")
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct McpConfigParams<'a> {
    mcp_servers: BTreeMap<&'a str, McpServerParams<'a>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct McpServerParams<'a> {
    command: &'a str,
    args: &'a [String],
    env: BTreeMap<&'a str, String>,
    /// Without this the tools are found by a search only.
    always_load: bool,
}

/// The value of `--mcp-config`. It stands on the command line, which everybody can read: the values of variables are taken
/// from the environment.
pub(super) fn mcp_config(servers: &[McpServer]) -> String {
    let mcp_servers = servers.iter().map(|server| {
        let params = McpServerParams {
            command: server.command.program(),
            args: server.command.args(),
            env: server.env.keys().map(|name| (name.as_str(), format!("${{{name}}}"))).collect(),
            always_load: true,
        };
        (server.name.as_str(), params)
    });
    let mcp_servers = mcp_servers.collect();
    serde_json::to_string(&McpConfigParams { mcp_servers }).expect("maps with string keys always serialise")
}

/// What a result says of its failure.
pub(super) fn failure_text(result: &ResultNotice) -> String {
    let text = match (&result.result, result.errors.is_empty()) {
        (Some(text), _) if !text.is_empty() => text.clone(),
        (_, false) => result.errors.join("; "),
        _ => result.subtype.clone(),
    };
    match result.api_error_status {
        Some(status) if !text.contains(&status.to_string()) => format!("{text} (HTTP {status})"),
        _ => text,
    }
}

pub(super) fn read_message(message: Option<&RawValue>) -> Option<MessageNotice> {
    serde_json::from_str(message?.get()).ok()
}

/// The one argument that says most.
pub(super) fn tool_summary(input: &serde_json::Map<String, serde_json::Value>) -> String {
    let telling = ["command", "file_path", "path", "pattern", "url", "query", "to", "subject", "description"];
    let text = telling.iter().find_map(|key| input.get(*key)?.as_str());
    summarize(text.map_or_else(|| serde_json::to_string(input).unwrap_or_default(), str::to_owned).as_str())
}
