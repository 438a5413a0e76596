//! What Codex asks for, and the answers.

use serde::{Deserialize, Serialize};

use super::protocol::{FileChange, NoParams};
use crate::lenient::{lenient, text};
use crate::output::{Approval, ApprovalId, ApprovalKind, Decision, summarize};

/// The questions that are approvals, by what their answers look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Question {
    /// A command, or input for one that runs.
    Command,
    /// A change of files.
    FileChange,
    /// The use of an MCP tool.
    Elicitation,
}

impl Question {
    pub(super) fn of(method: &str) -> Option<Self> {
        match method {
            "item/commandExecution/requestApproval" => Some(Self::Command),
            "item/fileChange/requestApproval" => Some(Self::FileChange),
            "mcpServer/elicitation/request" => Some(Self::Elicitation),
            _ => None,
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ApprovalNotice {
    #[serde(default, deserialize_with = "lenient")]
    pub(super) item_id: Option<String>,
    #[serde(default, deserialize_with = "text")]
    command: Option<String>,
    /// What a shell that it is wrapped in is to run.
    #[serde(default, deserialize_with = "lenient")]
    command_actions: Option<Vec<serde_json::Value>>,
    /// What is done with the terminal, where it is not the start of a command.
    #[serde(default, deserialize_with = "lenient")]
    kind: Option<String>,
    #[serde(default, deserialize_with = "text")]
    reason: Option<String>,
    #[serde(default, deserialize_with = "text")]
    message: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    server_name: Option<String>,
    #[serde(rename = "_meta", default, deserialize_with = "lenient")]
    meta: Option<serde_json::Value>,
}

impl ApprovalNotice {
    /// What is asked for; `change` is the change of files that the item is about.
    pub(super) fn approval(self, id: &str, question: Question, change: Option<&FileChange>) -> Approval {
        let id = ApprovalId(id.to_owned());
        let (kind, tool, detail) = match question {
            Question::Elicitation => {
                let tool = self.server_name.unwrap_or_else(|| "mcp".into());
                (ApprovalKind::Other, tool, self.message.unwrap_or_default())
            }
            Question::Command if self.kind.as_deref().is_some_and(|kind| kind.eq_ignore_ascii_case("writeStdin")) => {
                (ApprovalKind::TerminalInput, "write_stdin".into(), self.command.clone().unwrap_or_default())
            }
            Question::Command => {
                let unknown = || "a command that Codex does not tell".to_owned();
                (ApprovalKind::Command, "shell".into(), self.command.clone().unwrap_or_else(unknown))
            }
            Question::FileChange => {
                let paths = change.map(|change| change.paths.clone()).unwrap_or_default();
                (ApprovalKind::Edit, "apply_patch".into(), paths)
            }
        };
        // Of several actions nobody knows which one would be refused by itself.
        let command = match self.command_actions.as_deref() {
            Some([action]) => action["command"].as_str().map(str::to_owned),
            _ => None,
        };
        let details = match kind {
            ApprovalKind::Edit => change.map(|change| change.diff.clone()),
            ApprovalKind::Other => self.meta.map(|meta| meta["tool_params"].to_string()),
            _ if command.is_none() => self.command,
            _ => None,
        };
        let detail = match self.reason {
            Some(reason) => format!("{detail} ({reason})"),
            None => detail,
        };
        let command = command.filter(|_| kind == ApprovalKind::Command);
        Approval { id, tool, summary: summarize(&detail), kind, command, details, ..Approval::default() }
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
            (Question::Elicitation, Decision::Allow | Decision::AllowForSession) => {
                Self::Elicitation { action: "accept", content: Some(NoParams {}), _meta: None }
            }
            (Question::Elicitation, _) => Self::Elicitation { action: "decline", content: None, _meta: None },
            (_, Decision::Allow) => Self::Decision { decision: "accept" },
            (_, Decision::AllowForSession) => Self::Decision { decision: "acceptForSession" },
            (_, _) => Self::Decision { decision: "decline" },
        }
    }
}
