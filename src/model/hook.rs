//! Hooks: commands and programs that are told what happens in a team, and that may veto some of it.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a hook is told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub enum HookEvent {
    /// A member has nothing to do. A veto gives it the feedback as its next input.
    TeammateIdle,
    /// A task is about to be added. A veto adds none.
    TaskCreated,
    /// A task is about to be completed. A veto sends its owner back to work, and counts as a failure.
    TaskCompleted,
    /// A turn of a member succeeded. A veto gives it the feedback as its next input.
    TurnCompleted,
    /// An agent asks for permission. A veto denies it.
    ApprovalRequested,
    /// A member's session has ended. It cannot be vetoed.
    MemberExited,
    /// The budget is used up. It cannot be vetoed.
    BudgetExceeded,
}

impl HookEvent {
    /// As in JSON and in team files.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TeammateIdle => "TeammateIdle",
            Self::TaskCreated => "TaskCreated",
            Self::TaskCompleted => "TaskCompleted",
            Self::TurnCompleted => "TurnCompleted",
            Self::ApprovalRequested => "ApprovalRequested",
            Self::MemberExited => "MemberExited",
            Self::BudgetExceeded => "BudgetExceeded",
        }
    }
}

/// A command that is run when something happens in a team.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HookCommand {
    /// What it is told of.
    pub event: HookEvent,
    /// A command for `/bin/sh`.
    pub command: String,
    /// How long it may take, in milliseconds; then it is ended, and vetoes nothing.
    pub timeout_ms: u64,
    /// Where it is run.
    pub cwd: PathBuf,
}

/// How long a hook may take when nothing else is said, in milliseconds: as in Claude Code.
pub const HOOK_TIMEOUT_MS: u64 = 60_000;

/// What a hook is told, in the field names that Claude Code gives its own hooks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct HookInput {
    /// What happens.
    pub hook_event_name: HookEvent,
    /// The team.
    pub team_name: String,
    /// The member that it is about; `None` for what is the team's.
    pub teammate_name: Option<String>,
    /// Where the member works, or the hook runs.
    pub cwd: PathBuf,
    /// The conversation of the member's agent, where it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_id: Option<String>,
    /// The task's number. One that is about to be added has the number that it gets unless another one is added meanwhile.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task_id: Option<String>,
    /// What the task is, in a line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task_subject: Option<String>,
    /// What the task is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task_description: Option<String>,
    /// What its owner says came of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task_result: Option<String>,
    /// The answer of the turn that succeeded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_assistant_message: Option<String>,
    /// The tool that the agent asks permission for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_name: Option<String>,
    /// What it would do: the whole command, or the whole of anything else.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_input: Option<serde_json::Value>,
    /// Why the member's session ended, or which budget is used up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl HookInput {
    /// What a hook is told at least.
    pub fn new(event: HookEvent, team: impl Into<String>, teammate: Option<String>, cwd: PathBuf) -> Self {
        Self {
            hook_event_name: event,
            team_name: team.into(),
            teammate_name: teammate,
            cwd,
            session_id: None,
            task_id: None,
            task_subject: None,
            task_description: None,
            task_result: None,
            last_assistant_message: None,
            tool_name: None,
            tool_input: None,
            reason: None,
        }
    }
}

/// What a hook says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum HookVerdict {
    /// Go on.
    #[default]
    Pass,
    /// No, and why, in words for the agent.
    Veto(String),
}
