//! Claude Code's stream-json, as far as we use it. Everything else in a line is ignored.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};

use crate::config::McpServer;
use crate::lenient::{MessageId, each, lenient, text, texts};
use crate::output::{Decision, Usage, UserQuestion, summarize};

/// One line of its output. The types share one struct, because a tagged enum would copy every line first.
#[derive(Debug, Deserialize)]
pub(super) struct LineNotice<'a> {
    #[serde(rename = "type", borrow)]
    pub(super) kind: Cow<'a, str>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) subtype: Option<String>,
    pub(super) parent_tool_use_id: Option<serde::de::IgnoredAny>,
    #[serde(borrow)]
    pub(super) event: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) message: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) request: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) response: Option<&'a RawValue>,
    pub(super) request_id: Option<MessageId>,
    #[serde(rename = "permissionMode", default, deserialize_with = "lenient")]
    pub(super) permission_mode: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) model: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) cwd: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) session_id: Option<String>,
    /// In an `init`: which inputs of ours the turn answers; older versions do not say.
    #[serde(default, deserialize_with = "lenient")]
    pub(super) user_message_uuids: Option<Vec<String>>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) command_uuid: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) state: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) rate_limit_info: Option<RateLimitNotice>,
    error: Option<serde::de::IgnoredAny>,
    #[serde(default, deserialize_with = "lenient")]
    is_api_error_message: bool,
}

impl LineNotice<'_> {
    /// Whether an `assistant`'s message is the CLI's own, about a failure.
    pub(super) fn is_failure(&self) -> bool {
        self.error.is_some() || self.is_api_error_message
    }
}

/// How the account's allowance stands.
#[derive(Debug, Deserialize)]
pub(super) struct RateLimitNotice {
    #[serde(default, deserialize_with = "lenient")]
    status: Option<String>,
    /// In seconds since 1970.
    #[serde(rename = "resetsAt", default, deserialize_with = "lenient")]
    resets_at: Option<i64>,
}

impl RateLimitNotice {
    /// That requests are refused, and until when, if it says so.
    pub(super) fn refuses(&self) -> Option<Option<i64>> {
        (self.status.as_deref() == Some("rejected")).then_some(self.resets_at)
    }
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
    #[serde(default, deserialize_with = "lenient")]
    pub(super) model: Option<String>,
    #[serde(default, deserialize_with = "each")]
    pub(super) content: Vec<BlockNotice>,
}

#[derive(Debug, Deserialize)]
pub(super) struct BlockNotice {
    #[serde(rename = "type")]
    pub(super) kind: String,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) text: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) id: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) name: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) input: serde_json::Map<String, serde_json::Value>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) tool_use_id: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) is_error: bool,
}

/// `result`. It ends a turn, so that nothing that may stand in it makes it unreadable.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ResultNotice {
    #[serde(deserialize_with = "lenient")]
    pub(super) subtype: Option<String>,
    #[serde(deserialize_with = "lenient")]
    is_error: bool,
    #[serde(deserialize_with = "text")]
    pub(super) result: Option<String>,
    #[serde(deserialize_with = "texts")]
    errors: Vec<String>,
    #[serde(deserialize_with = "lenient")]
    pub(super) terminal_reason: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub(super) api_error_status: Option<u16>,
    #[serde(deserialize_with = "lenient")]
    pub(super) total_cost_usd: Option<f64>,
    #[serde(deserialize_with = "lenient")]
    pub(super) usage: Option<UsageNotice>,
    #[serde(deserialize_with = "lenient")]
    pub(super) origin: Option<OriginNotice>,
    #[serde(deserialize_with = "lenient")]
    pub(super) session_id: Option<String>,
    /// Which inputs it answers; it does not always say.
    #[serde(deserialize_with = "each")]
    pub(super) user_message_uuids: Vec<String>,
}

impl ResultNotice {
    pub(super) fn is_failure(&self) -> bool {
        self.is_error || self.subtype.as_ref().is_some_and(|subtype| subtype != "success")
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct UsageNotice {
    #[serde(deserialize_with = "lenient")]
    input_tokens: Option<u64>,
    #[serde(deserialize_with = "lenient")]
    cache_creation_input_tokens: u64,
    #[serde(deserialize_with = "lenient")]
    cache_read_input_tokens: u64,
    #[serde(deserialize_with = "lenient")]
    output_tokens: Option<u64>,
}

impl UsageNotice {
    /// `None` where it is unknown.
    pub(super) fn with_cost(&self, cost_usd: Option<f64>) -> Option<Usage> {
        Some(Usage {
            input_tokens: [self.cache_creation_input_tokens, self.cache_read_input_tokens]
                .into_iter()
                .fold(self.input_tokens?, u64::saturating_add),
            output_tokens: self.output_tokens?,
            cost_usd,
        })
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
    #[serde(default, deserialize_with = "lenient")]
    pub(super) tool_name: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) tool_use_id: Option<String>,
    #[serde(borrow)]
    pub(super) input: Option<&'a RawValue>,
    #[serde(default, deserialize_with = "each")]
    pub(super) permission_suggestions: Vec<serde_json::Map<String, serde_json::Value>>,
}

/// `control_response`'s response: the CLI answers us.
#[derive(Debug, Deserialize)]
pub(super) struct ControlReply<'a> {
    #[serde(default, deserialize_with = "lenient")]
    pub(super) subtype: String,
    pub(super) request_id: String,
    #[serde(borrow)]
    pub(super) response: Option<&'a RawValue>,
    #[serde(default, deserialize_with = "text")]
    pub(super) error: Option<String>,
}

/// The answer to `initialize`.
#[derive(Debug, Deserialize)]
pub(super) struct InitializeReply {
    #[serde(default, deserialize_with = "lenient")]
    pub(super) account: Option<AccountReply>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) current_permission_mode: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct AccountReply {
    #[serde(default, deserialize_with = "lenient")]
    token_source: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    api_key_source: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
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
    #[serde(default, deserialize_with = "lenient")]
    pub(super) applied: Option<AppliedReply>,
}

#[derive(Debug, Deserialize)]
pub(super) struct AppliedReply {
    #[serde(default, deserialize_with = "lenient")]
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
    role: &'static str,
    content: ContentParams<'a>,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum ContentParams<'a> {
    Text(&'a str),
    Blocks([TextParams<'a>; 2]),
}

#[derive(Debug, Serialize)]
struct TextParams<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    text: &'a str,
}

impl<'a> UserParams<'a> {
    /// Only in the last block does Claude Code look for mentions of files (2.1.329): what is quoted is never the last.
    pub(super) fn new(text: &'a str, quoted: bool) -> Self {
        let block = |text| TextParams { kind: "text", text };
        let content = match quoted {
            true => ContentParams::Blocks([block(text), block(END_OF_QUOTE)]),
            false => ContentParams::Text(text),
        };
        Self { role: "user", content }
    }
}

/// Stands behind what others have written.
const END_OF_QUOTE: &str = "(That was all of it.)";

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
    Success { request_id: &'a MessageId, response: PermissionParams },
    Error { request_id: &'a MessageId, error: &'a str },
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
    /// With the input as it was, and the answers to its questions in it.
    pub(super) fn answered(input: &RawValue, questions: &[UserQuestion], answers: &[String]) -> Self {
        let mut input: serde_json::Map<String, serde_json::Value> =
            serde_json::from_str(input.get()).unwrap_or_default();
        let answers =
            questions.iter().zip(answers).map(|(question, answer)| (question.text.clone(), answer.as_str().into()));
        input.insert("answers".into(), serde_json::Value::Object(answers.collect()));
        let updated_input = to_raw_value(&input).expect("a map with string keys always serialises");
        Self::Allow { updated_input, updated_permissions: Vec::new() }
    }

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
            Decision::Answer { .. } => Self::Deny { message: "it was answered like a question, and is none".into() },
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
        _ => result.subtype.clone().unwrap_or_else(|| "it gave no reason".into()),
    };
    match result.api_error_status {
        Some(status) if !text.contains(&status.to_string()) => format!("{text} (HTTP {status})"),
        _ => text,
    }
}

pub(super) fn read_message(message: Option<&RawValue>) -> Option<MessageNotice> {
    serde_json::from_str(message?.get())
        .inspect_err(|error| tracing::warn!(%error, "skipped a message of Claude Code that cannot be read"))
        .ok()
}

/// The one argument that says most.
pub(super) fn tool_summary(input: &serde_json::Map<String, serde_json::Value>) -> String {
    let telling = ["command", "file_path", "path", "pattern", "url", "query", "to", "subject", "description"];
    let text = telling.iter().find_map(|key| input.get(*key)?.as_str());
    summarize(text.map_or_else(|| serde_json::to_string(input).unwrap_or_default(), str::to_owned).as_str())
}
