//! What Claude Code asks for, and the answers.

use serde_json::value::RawValue;

use super::protocol::{ControlRequestNotice, PermissionParams, tool_summary};
use crate::approval::changed_lines;
use crate::lenient::MessageId;
use crate::output::{Approval, ApprovalId, ApprovalKind, Decision, UserQuestion, summarize};

/// The tool by which the model asks the user.
const ASKS_THE_USER: &str = "AskUserQuestion";

type Arguments = serde_json::Map<String, serde_json::Value>;

/// A question that waits for us.
pub(super) struct Question {
    /// Its id as the CLI wrote it.
    request: MessageId,
    input: Box<RawValue>,
    /// What it asks, where it wants answers.
    asks: Vec<UserQuestion>,
    pub(super) tool_use_id: Option<String>,
    suggestions: Vec<Arguments>,
}

impl Question {
    /// What a `can_use_tool` asks for.
    pub(super) fn of(request_id: MessageId, request: ControlRequestNotice<'_>) -> (Self, Approval) {
        let tool = request.tool_name.unwrap_or_else(|| "a tool".into());
        let input = request.input.map_or_else(|| RawValue::NULL.to_owned(), ToOwned::to_owned);
        let arguments: Arguments = serde_json::from_str(input.get()).unwrap_or_default();
        let mut asks = if tool == ASKS_THE_USER { questions(&arguments) } else { Vec::new() };
        if tool == ASKS_THE_USER && asks.is_empty() {
            // Unreadable, it is a question all the same.
            asks.push(UserQuestion { text: details(&arguments), ..UserQuestion::default() });
        }
        let kind = match tool.as_str() {
            "Bash" => ApprovalKind::Command,
            _ if !asks.is_empty() => ApprovalKind::Answer,
            "Edit" | "MultiEdit" | "Write" | "NotebookEdit" => ApprovalKind::Edit,
            "ExitPlanMode" => ApprovalKind::Plan,
            _ => ApprovalKind::Other,
        };
        let command = arguments.get("command").and_then(|command| command.as_str());
        let command = command.filter(|_| kind == ApprovalKind::Command).map(str::to_owned);
        let details = (kind != ApprovalKind::Command && asks.is_empty()).then(|| details(&arguments));
        let summary = asks.first().map_or_else(|| tool_summary(&arguments), |asked| summarize(&asked.text));
        let id = ApprovalId(request_id.text());
        let approval = Approval { id, tool, summary, kind, command, details, questions: asks.clone() };
        let (tool_use_id, suggestions) = (request.tool_use_id, request.permission_suggestions);
        (Self { request: request_id, input, asks, tool_use_id, suggestions }, approval)
    }

    /// The answer, and the id of what it answers.
    pub(super) fn answered(self, decision: Decision) -> (MessageId, PermissionParams) {
        let answer = match &decision {
            Decision::Answer { answers } if !self.asks.is_empty() => {
                PermissionParams::answered(&self.input, &self.asks, answers)
            }
            _ => PermissionParams::of(decision, self.input, &self.suggestions),
        };
        (self.request, answer)
    }
}

/// What a tool asks the user, as its argument `questions` has it.
fn questions(input: &Arguments) -> Vec<UserQuestion> {
    let text = |value: &serde_json::Value, key: &str| value.get(key).and_then(|text| text.as_str()).map(str::to_owned);
    let question = |asked: &serde_json::Value| {
        let options = asked.get("options").and_then(|options| options.as_array());
        Some(UserQuestion {
            text: text(asked, "question")?,
            choices: options.into_iter().flatten().filter_map(|option| text(option, "label")).collect(),
            several: asked.get("multiSelect").is_some_and(|several| several == true),
        })
    };
    let asked = input.get("questions").and_then(|questions| questions.as_array());
    asked.into_iter().flatten().filter_map(question).collect()
}

/// The whole of what a tool is to do: a change of files line by line, anything else as JSON.
fn details(input: &Arguments) -> String {
    let text = |part: &Arguments, key: &str| part.get(key).and_then(|text| text.as_str()).map(str::to_owned);
    let change = |part: &Arguments| {
        let new = text(part, "new_string").or_else(|| text(part, "content"))?;
        Some(changed_lines(&text(part, "old_string").unwrap_or_default(), &new))
    };
    let edits = input.get("edits").and_then(|edits| edits.as_array());
    let changes: Option<Vec<String>> = match edits {
        Some(edits) => edits.iter().map(|edit| change(edit.as_object()?)).collect(),
        None => change(input).map(|change| vec![change]),
    };
    match (text(input, "file_path"), changes) {
        (Some(path), Some(changes)) => format!("{path}\n{}", changes.concat()),
        _ => serde_json::to_string_pretty(input).unwrap_or_default(),
    }
}
