//! A tool call of an ACP agent, put together from what was said of it so far, and what it comes to.

use serde::Deserialize;
use serde_json::Value;

use crate::approval::changed_lines;
use crate::command::shell_line;
use crate::lenient::lenient;
use crate::output::{Approval, ApprovalId, ApprovalKind, ToolEvent, ToolStatus, summarize};

/// What an agent says of a tool call, in one message or in all so far.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct ToolCall {
    #[serde(deserialize_with = "lenient")]
    pub(super) tool_call_id: Option<String>,
    #[serde(deserialize_with = "lenient")]
    status: Option<String>,
    #[serde(deserialize_with = "lenient")]
    title: Option<String>,
    #[serde(deserialize_with = "lenient")]
    kind: Option<String>,
    #[serde(deserialize_with = "lenient")]
    raw_input: Option<Value>,
    #[serde(deserialize_with = "lenient")]
    content: Option<Value>,
    #[serde(rename = "_meta", deserialize_with = "lenient")]
    meta: Option<Value>,
    /// Whether the agent has asked for permission.
    #[serde(skip)]
    pub(super) was_asked_for: bool,
}

impl ToolCall {
    /// Adds what a later message says: each field that it has replaces the one before.
    pub(super) fn merge(&mut self, later: Self) {
        let Self { tool_call_id, status, title, kind, raw_input, content, meta, was_asked_for } = later;
        self.was_asked_for |= was_asked_for;
        self.tool_call_id = tool_call_id.or(self.tool_call_id.take());
        self.status = status.or(self.status.take());
        self.title = title.filter(|title| !title.is_empty()).or(self.title.take());
        self.kind = kind.or(self.kind.take());
        self.raw_input = raw_input.filter(|input| !input.is_null()).or(self.raw_input.take());
        let is_empty = |content: &Value| content.as_array().is_some_and(Vec::is_empty);
        self.content = content.filter(|content| !content.is_null() && !is_empty(content)).or(self.content.take());
        self.meta = meta.or(self.meta.take());
    }

    pub(super) fn status(&self) -> ToolStatus {
        match self.status.as_deref() {
            Some("completed") => ToolStatus::Completed,
            Some("failed") => ToolStatus::Failed,
            Some(_) | None => ToolStatus::Started,
        }
    }

    /// Whether it is of a kind that changes something.
    pub(super) fn acts(&self) -> bool {
        matches!(self.kind.as_deref(), Some("execute" | "edit" | "delete" | "move"))
    }

    /// What it does, for people.
    pub(super) fn what(&self) -> String {
        self.command().or_else(|| self.title.clone()).or_else(|| self.kind.clone()).unwrap_or_default()
    }

    /// The tool's name, where the agent says it: the protocol has none but its kind.
    pub(super) fn tool_name(&self) -> Option<&str> {
        let named = |path: &str| self.meta.as_ref()?.pointer(path)?.as_str();
        named("/claudeCode/toolName").or_else(|| named("/toolName")).or_else(|| named("/tool_name"))
    }

    /// Whether it calls a tool of one of these MCP servers, by what the agent says beside the title.
    pub(super) fn is_of_server(&self, servers: &[String]) -> bool {
        let server = self.meta.as_ref().and_then(|meta| meta.pointer("/claudeCode/mcpServer/name")?.as_str());
        servers.iter().any(|given| {
            let beginnings = [format!("mcp__{given}__"), format!("mcp_{given}.")];
            let is_named = |name: &str| beginnings.iter().any(|beginning| name.starts_with(beginning));
            server == Some(given) || self.tool_name().is_some_and(is_named)
        })
    }

    fn name(&self) -> Option<&str> {
        self.tool_name().or(self.kind.as_deref())
    }

    pub(super) fn event(&self, id: &str, status: ToolStatus) -> ToolEvent {
        let name = self.name().unwrap_or("tool").to_owned();
        ToolEvent { id: id.to_owned(), name, status, summary: summarize(self.title.as_deref().unwrap_or_default()) }
    }

    /// The command that it runs, by its input: a title is for people, and some agents let the model write it. Several commands are one
    /// that no rule knows, a line each.
    fn command(&self) -> Option<String> {
        let input = self.raw_input.as_ref()?;
        if let Some(commands) = input.get("commands") {
            let lines: Option<Vec<String>> = commands.as_array()?.iter().map(one_command).collect();
            return lines.map(|lines| lines.join("\n")).filter(|lines| !lines.is_empty());
        }
        let command = input.get("command").or_else(|| input.get("cmd"))?;
        match (command.as_str(), input.get("args")) {
            // Some agents give the program and its arguments apart.
            (Some(program), Some(args)) => Some(shell_line(std::iter::once(program).chain(words(args)?))),
            _ => one_command(command),
        }
    }

    /// The same of Gemini CLI, which tells no input: of a shell command its title is the command, letter for letter (0.61.0).
    pub(super) fn of_gemini(mut self) -> Self {
        if self.raw_input.is_none() && self.kind.as_deref() == Some("execute") {
            self.raw_input = self.title.as_ref().map(|title| serde_json::json!({"command": title}));
        }
        self
    }

    /// What the call comes to as a question.
    pub(super) fn approval(&self, id: ApprovalId) -> Approval {
        let command = self.command();
        let kind = match self.kind.as_deref() {
            Some("execute") => ApprovalKind::Command,
            Some("edit" | "delete" | "move") => ApprovalKind::Edit,
            Some("read" | "search" | "think" | "fetch" | "switch_mode") => ApprovalKind::Other,
            _ => ApprovalKind::Unknown,
        };
        let summary = match (&self.title, &command) {
            (Some(title), _) => summarize(title),
            (None, Some(command)) => summarize(command),
            (None, None) => summarize(&self.raw_input.as_ref().map(Value::to_string).unwrap_or_default()),
        };
        let said = self.content.as_ref().or(self.raw_input.as_ref());
        let details = said.filter(|_| command.is_none()).map(details);
        let tool = self.name().unwrap_or("a tool").to_owned();
        Approval { id, tool, summary, kind, command, details, ..Approval::default() }
    }
}

fn words(list: &Value) -> Option<Vec<&str>> {
    list.as_array()?.iter().map(Value::as_str).collect()
}

/// A command that is a text, or a program with its arguments; of a shell that is given a command, that one.
fn one_command(value: &Value) -> Option<String> {
    if let Some(text) = value.as_str() {
        return Some(text.to_owned());
    }
    let words = words(value).filter(|words| !words.is_empty())?;
    match words[..] {
        [shell, "-c" | "-lc" | "-ic" | "-cl", command] if is_shell(shell) => Some(command.to_owned()),
        _ => Some(shell_line(words.into_iter())),
    }
}

fn is_shell(program: &str) -> bool {
    let name = program.rsplit('/').next().unwrap_or(program);
    matches!(name, "sh" | "bash" | "zsh" | "dash" | "ksh")
}

/// What a person has to see of it: a change of files as such, anything else as JSON.
fn details(said: &Value) -> String {
    let diff = |part: &Value| -> Option<String> {
        let path = part.get("path")?.as_str()?;
        let text = |key: &str| part.get(key).and_then(Value::as_str).unwrap_or_default();
        Some(format!("{path}\n{}", changed_lines(text("oldText"), text("newText"))))
    };
    let part = |part: &Value| {
        let text = part.pointer("/content/text").and_then(Value::as_str).map(str::to_owned);
        text.or_else(|| diff(part).filter(|_| part["type"] == "diff")).unwrap_or_else(|| part.to_string())
    };
    match said.as_array() {
        Some(parts) => parts.iter().map(part).collect::<Vec<_>>().join("\n"),
        None => part(said),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(json: &str) -> ToolCall {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn the_command_is_what_the_input_says() {
        for (json, expected) in [
            (r#"{"title":"ls","kind":"execute"}"#, None),
            (r#"{"title":"cargo test","rawInput":{"command":"curl x | sh"}}"#, Some("curl x | sh")),
            (r#"{"rawInput":{"command":["/bin/bash","-lc","touch x"]}}"#, Some("touch x")),
            (r#"{"rawInput":{"command":["rm","-rf","a b"]}}"#, Some("rm -rf 'a b'")),
            (r#"{"rawInput":{"command":"rm","args":["-rf","it's"]}}"#, Some(r"rm -rf 'it'\''s'")),
            (r#"{"rawInput":{"command":"rm","args":[7]}}"#, None),
            (r#"{"rawInput":{"commands":["ls","rm x"]}}"#, Some("ls\nrm x")),
            (r#"{"rawInput":{"commands":["ls",7]}}"#, None),
            (r#"{"rawInput":{"commands":[]}}"#, None),
            (r#"{"rawInput":{"command":7}}"#, None),
            (r#"{"rawInput":"ls"}"#, None),
        ] {
            assert_eq!(call(json).command().as_deref(), expected, "{json}");
        }
    }

    #[test]
    fn the_server_of_a_tool_is_known_by_what_the_agent_says_of_it() {
        for (json, expected) in [
            (r#"{"_meta":{"claudeCode":{"mcpServer":{"name":"teams"}}}}"#, true),
            (r#"{"_meta":{"claudeCode":{"toolName":"mcp__teams__send_message"}}}"#, true),
            (r#"{"_meta":{"toolName":"mcp__teams__task_list"}}"#, true),
            (r#"{"_meta":{"tool_name":"mcp_teams.send_message"}}"#, true),
            (r#"{"_meta":{"tool_name":"mcp_teams2.send_message"}}"#, false),
            (r#"{"_meta":{"toolName":"mcp__other__teams"}}"#, false),
            (r#"{"_meta":{"toolName":"send_message"}}"#, false),
            (r#"{"title":"mcp__teams__send_message","kind":"other"}"#, false),
        ] {
            assert_eq!(call(json).is_of_server(&["teams".to_owned()]), expected, "{json}");
        }
    }

    #[test]
    fn what_was_said_before_stays() {
        let mut known = call(
            r#"{"toolCallId":"t","title":"Run","kind":"execute","rawInput":{"command":"rm x"},"status":"pending"}"#,
        );
        known.merge(call(r#"{"toolCallId":"t","title":"","content":[],"rawInput":null,"status":7}"#));
        let approval = known.approval(ApprovalId("1".into()));
        assert_eq!((approval.kind, approval.command.as_deref()), (ApprovalKind::Command, Some("rm x")));
        assert_eq!(approval.summary, "Run");
        known.merge(call(r#"{"rawInput":{"command":"ls"},"title":"List"}"#));
        assert_eq!(known.command().as_deref(), Some("ls"));
    }

    #[test]
    fn a_change_of_files_is_shown_whole() {
        let edit = call(r#"{"kind":"edit","content":[{"type":"diff","path":"/a","oldText":"x\ny","newText":"z"}]}"#);
        let approval = edit.approval(ApprovalId("1".into()));
        assert_eq!((approval.kind, approval.details.as_deref()), (ApprovalKind::Edit, Some("/a\n-x\n-y\n+z\n")));
        let unknown = call(r#"{"title":"Shell: rm x"}"#).approval(ApprovalId("1".into()));
        assert_eq!((unknown.kind, unknown.command), (ApprovalKind::Unknown, None));
    }
}
