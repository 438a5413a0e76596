//! The Agent Client Protocol, version 1, as far as we use it. Everything else in a message is ignored.

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::tool_call::ToolCall;
use crate::config::McpServer;
use crate::lenient::{each, lenient};
use crate::output::{Decision, Usage};

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct InitializeParams {
    protocol_version: u32,
    client_capabilities: ClientCapabilities,
    client_info: ClientInfo,
}

/// We offer neither files nor terminals: the agent has its own.
#[derive(Debug, Serialize)]
struct ClientCapabilities {
    fs: FsCapabilities,
    terminal: bool,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct FsCapabilities {
    read_text_file: bool,
    write_text_file: bool,
}

#[derive(Debug, Serialize)]
struct ClientInfo {
    name: &'static str,
    version: &'static str,
}

impl InitializeParams {
    pub(super) fn new() -> Self {
        Self {
            protocol_version: 1,
            client_capabilities: ClientCapabilities {
                fs: FsCapabilities { read_text_file: false, write_text_file: false },
                terminal: false,
            },
            client_info: ClientInfo { name: "teams", version: env!("CARGO_PKG_VERSION") },
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct InitializeReply {
    pub(super) protocol_version: u32,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) agent_capabilities: AgentCapabilities,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) agent_info: AgentInfo,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct AgentInfo {
    #[serde(deserialize_with = "lenient")]
    name: String,
}

impl AgentInfo {
    /// Whether each turn of this agent that goes well says what it has used, so that one that does not has failed. Seen with GitHub
    /// Copilot 1.0.102, Hermes 0.19.0 and codex-acp 2.6.0, which give the words of an error for an answer.
    pub(super) fn always_tells_usage(&self) -> bool {
        matches!(self.name.as_str(), "Copilot" | "hermes-agent" | "@agentclientprotocol/codex-acp")
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct AgentCapabilities {
    #[serde(deserialize_with = "lenient")]
    pub(super) load_session: bool,
    #[serde(deserialize_with = "lenient")]
    pub(super) session_capabilities: SessionCapabilities,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct SessionCapabilities {
    pub(super) resume: Option<serde::de::IgnoredAny>,
}

/// `session/new`, and with an id `session/load` and `session/resume`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SessionParams<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) session_id: Option<&'a str>,
    pub(super) cwd: &'a Path,
    pub(super) mcp_servers: Vec<McpServerParams<'a>>,
}

#[derive(Debug, Serialize)]
pub(super) struct McpServerParams<'a> {
    name: &'a str,
    command: &'a str,
    args: &'a [String],
    env: Vec<VariableParams<'a>>,
}

#[derive(Debug, Serialize)]
struct VariableParams<'a> {
    name: &'a str,
    value: &'a str,
}

impl<'a> McpServerParams<'a> {
    pub(super) fn of(server: &'a McpServer) -> Self {
        Self {
            name: &server.name,
            command: server.command.program(),
            args: server.command.args(),
            env: server.env.iter().map(|(name, value)| VariableParams { name, value }).collect(),
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct SessionReply {
    #[serde(deserialize_with = "lenient")]
    pub(super) session_id: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub(super) modes: Option<ModesReply>,
    #[serde(deserialize_with = "lenient")]
    pub(super) models: Option<ModelsReply>,
    #[serde(deserialize_with = "each")]
    pub(super) config_options: Vec<ConfigOptionReply>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ModesReply {
    #[serde(default, deserialize_with = "each")]
    pub(super) available_modes: Vec<ModeReply>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) current_mode_id: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct ModeReply {
    pub(super) id: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ModelsReply {
    pub(super) current_model_id: String,
}

/// Something that can be set, with its choices.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ConfigOptionReply {
    pub(super) id: String,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) category: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) current_value: Option<String>,
    #[serde(default, deserialize_with = "each")]
    options: Vec<ChoiceReply>,
}

/// A choice, or a group of choices.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum ChoiceReply {
    One { value: String },
    Group { options: Vec<ChoiceReply> },
}

impl ConfigOptionReply {
    pub(super) fn values(&self) -> Vec<String> {
        fn all(choices: &[ChoiceReply], found: &mut Vec<String>) {
            for choice in choices {
                match choice {
                    ChoiceReply::One { value } => found.push(value.clone()),
                    ChoiceReply::Group { options } => all(options, found),
                }
            }
        }
        let mut found = Vec::new();
        all(&self.options, &mut found);
        found
    }

    /// Whether this sets how hard the model thinks: agents have two names of the category, and some have none.
    pub(super) fn is_effort(&self) -> bool {
        matches!(self.category.as_deref(), Some("thought_level" | "thinking"))
            || matches!(self.id.as_str(), "effort" | "reasoning_effort" | "thinking" | "thought_level")
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SetModeParams<'a> {
    pub(super) session_id: &'a str,
    pub(super) mode_id: &'a str,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SetModelParams<'a> {
    pub(super) session_id: &'a str,
    pub(super) model_id: &'a str,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SetConfigOptionParams<'a> {
    pub(super) session_id: &'a str,
    pub(super) config_id: &'a str,
    pub(super) value: &'a str,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PromptParams<'a> {
    pub(super) session_id: &'a str,
    pub(super) prompt: [ContentParams<'a>; 1],
}

#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum ContentParams<'a> {
    Text { text: &'a str },
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SessionIdParams<'a> {
    pub(super) session_id: &'a str,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PromptReply {
    #[serde(default, deserialize_with = "lenient")]
    pub(super) stop_reason: String,
    #[serde(default, deserialize_with = "lenient")]
    usage: Option<UsageReply>,
    #[serde(rename = "_meta", default, deserialize_with = "lenient")]
    all_meta: Option<serde_json::Value>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct UsageReply {
    #[serde(default, deserialize_with = "lenient")]
    input_tokens: Option<u64>,
    #[serde(default, deserialize_with = "lenient")]
    output_tokens: Option<u64>,
    #[serde(default, deserialize_with = "lenient")]
    cached_read_tokens: u64,
    #[serde(default, deserialize_with = "lenient")]
    cached_write_tokens: u64,
}

#[derive(Debug, Deserialize)]
struct MetaReply {
    #[serde(default, deserialize_with = "lenient")]
    quota: Option<QuotaReply>,
}

/// Gemini CLI's own.
#[derive(Debug, Deserialize)]
struct QuotaReply {
    #[serde(default, deserialize_with = "lenient")]
    token_count: Option<TokenCountReply>,
}

#[derive(Debug, Deserialize)]
struct TokenCountReply {
    #[serde(default, deserialize_with = "lenient")]
    input_tokens: Option<u64>,
    #[serde(default, deserialize_with = "lenient")]
    output_tokens: Option<u64>,
}

/// What an agent says of a failure although it ends its turn as if all were well.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct FailureNotice {
    #[serde(rename = "_meta", deserialize_with = "lenient")]
    meta: Option<serde_json::Value>,
    #[serde(rename = "threadStatus", deserialize_with = "lenient")]
    status: Option<serde_json::Value>,
}

impl FailureNotice {
    pub(super) fn reason(&self) -> Option<String> {
        let text = |value: &serde_json::Value| match value {
            serde_json::Value::Null | serde_json::Value::Bool(false) => None,
            serde_json::Value::String(text) => Some(text.clone()),
            value => Some(value["message"].as_str().map_or_else(|| value.to_string(), str::to_owned)),
        };
        let meta = self.meta.as_ref();
        let said = ["/error", "/codex/error"].iter().find_map(|path| text(meta?.pointer(path)?));
        let status = [self.status.as_ref(), meta.and_then(|meta| meta.pointer("/codex/threadStatus"))];
        let is_error = |status: &serde_json::Value| status["type"] == "systemError" || status == "systemError";
        let broken =
            || status.into_iter().flatten().any(is_error).then(|| "it reports an error of its system".to_owned());
        said.or_else(broken)
    }
}

/// What an update says of the tokens that were used; some agents say it nowhere else.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct UpdateUsage {
    #[serde(rename = "_meta", deserialize_with = "lenient")]
    meta: Option<UsageMeta>,
}

#[derive(Debug, Deserialize)]
struct UsageMeta {
    #[serde(default, deserialize_with = "lenient")]
    usage: Option<UsageReply>,
}

/// Whether an update says that the text so far counts for nothing, as the agent of our own does when its model's answer broke off.
pub(super) fn is_retraction(update: &RawValue) -> bool {
    #[derive(Deserialize)]
    struct Update {
        #[serde(rename = "_meta", default, deserialize_with = "lenient")]
        meta: Meta,
    }
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Meta {
        #[serde(deserialize_with = "lenient")]
        retracted: bool,
    }
    serde_json::from_str::<Update>(update.get()).is_ok_and(|update| update.meta.retracted)
}

impl UpdateUsage {
    pub(super) fn usage(&self) -> Option<Usage> {
        let usage = self.meta.as_ref()?.usage.as_ref()?;
        Some(Usage { input_tokens: usage.input_tokens?, output_tokens: usage.output_tokens?, cost_usd: None })
    }
}

impl PromptReply {
    /// That it failed, although it says that it ended as it should.
    pub(super) fn failure(&self) -> Option<String> {
        FailureNotice { meta: self.all_meta.clone(), status: None }.reason()
    }

    /// `None` where it is unknown.
    pub(super) fn usage(&self) -> Option<Usage> {
        if let Some(usage) = &self.usage {
            let cached = usage.cached_read_tokens.saturating_add(usage.cached_write_tokens);
            let input_tokens = usage.input_tokens?.saturating_add(cached);
            let cost = self.all_meta.as_ref().and_then(|meta| meta["costUsd"].as_f64());
            return Some(Usage { input_tokens, output_tokens: usage.output_tokens?, cost_usd: cost });
        }
        let meta: MetaReply = serde_json::from_value(self.all_meta.clone()?).ok()?;
        let count = meta.quota?.token_count?;
        Some(Usage { input_tokens: count.input_tokens?, output_tokens: count.output_tokens?, cost_usd: None })
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SessionNotice<'a> {
    pub(super) session_id: String,
    #[serde(borrow)]
    pub(super) update: &'a RawValue,
}

/// What a `session/update` tells of the turn.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct UpdateNotice<'a> {
    pub(super) session_update: String,
    #[serde(borrow)]
    content: Option<&'a RawValue>,
}

impl UpdateNotice<'_> {
    /// The text of a chunk. In a tool call the content is something else.
    pub(super) fn text(&self) -> Option<String> {
        #[derive(Deserialize)]
        struct Content {
            text: Option<String>,
        }
        serde_json::from_str::<Content>(self.content?.get()).ok()?.text
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PermissionNotice {
    pub(super) session_id: String,
    #[serde(default, deserialize_with = "each")]
    pub(super) options: Vec<PermissionOption>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) tool_call: ToolCall,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PermissionOption {
    option_id: String,
    kind: String,
}

#[derive(Debug, Serialize)]
pub(super) struct PermissionReply<'a> {
    outcome: OutcomeReply<'a>,
}

#[derive(Debug, Serialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
enum OutcomeReply<'a> {
    Selected {
        #[serde(rename = "optionId")]
        option_id: &'a str,
    },
    Cancelled,
}

impl<'a> PermissionReply<'a> {
    /// Chooses by kind, never by position: agents order and name their options as they like. Without a fitting option
    /// nothing is allowed.
    pub(super) fn of(decision: &Decision, options: &'a [PermissionOption]) -> Self {
        let kinds: &[&str] = match decision {
            Decision::Allow => &["allow_once"],
            // "Always" is for ever and for others, with some agents: what is allowed for the session, the caller keeps.
            Decision::AllowForSession => &["allow_once"],
            Decision::Deny { .. } | Decision::Answer { .. } => &["reject_once", "reject_always"],
        };
        let option = kinds.iter().find_map(|kind| options.iter().find(|option| option.kind == *kind));
        match option {
            Some(option) => Self { outcome: OutcomeReply::Selected { option_id: &option.option_id } },
            None => Self::cancelled(),
        }
    }

    pub(super) fn cancelled() -> Self {
        Self { outcome: OutcomeReply::Cancelled }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(options: &str, decision: &Decision, expected: &str) {
        let options: Vec<PermissionOption> = serde_json::from_str(options).unwrap();
        let reply = serde_json::to_value(PermissionReply::of(decision, &options)).unwrap();
        let chosen = reply["outcome"]["optionId"].as_str().unwrap_or("cancelled");
        assert_eq!(chosen, expected, "{decision:?}");
    }

    #[test]
    fn an_option_is_chosen_by_kind() {
        let gemini = r#"[{"optionId":"proceed_always","name":"Allow for this session","kind":"allow_always"},
            {"optionId":"proceed_once","name":"Allow","kind":"allow_once"},
            {"optionId":"cancel","name":"Reject","kind":"reject_once"}]"#;
        let deny = Decision::Deny { reason: String::new() };
        check(gemini, &Decision::Allow, "proceed_once");
        check(gemini, &Decision::AllowForSession, "proceed_once");
        check(gemini, &deny, "cancel");
        let only_always = r#"[{"optionId":"a","name":"","kind":"allow_always"}]"#;
        check(only_always, &Decision::Allow, "cancelled");
        check(only_always, &deny, "cancelled");
    }
}
