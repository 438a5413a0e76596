//! Teams and their members.

use std::path::PathBuf;

use agent_backends::{BackendType, Command, PermissionMode};
use serde::{Deserialize, Serialize};

use super::name::TeamName;

/// A team as its file describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Team {
    /// Its name.
    pub name: TeamName,
    /// What it is for.
    pub description: Option<String>,
    /// Milliseconds since 1970.
    pub created_at: i64,
    /// Everybody in the file, the lead first.
    pub members: Vec<Member>,
}

impl Team {
    /// The member of that name.
    pub fn member(&self, name: &str) -> Option<&Member> {
        self.members.iter().find(|member| member.name == name)
    }

    /// Everybody but the lead.
    pub fn teammates(&self) -> impl Iterator<Item = &Member> {
        self.members.iter().filter(|member| member.name != super::name::TEAM_LEAD)
    }
}

/// A member of a team.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its name, as the file has it: Claude Code allows more than we do.
    pub name: String,
    /// Its colour in Claude Code.
    pub color: Option<String>,
    /// The model that was asked for.
    pub model: Option<String>,
    /// Its standing instructions.
    pub prompt: Option<String>,
    /// Where it works.
    pub cwd: Option<PathBuf>,
    /// The pane that a live Claude Code has opened for it, or a word for where it runs.
    pub pane: Option<String>,
    /// Claude Code's word for what kind of pane that is.
    pub pane_kind: Option<String>,
    /// Whether it works, as its own process says.
    pub is_active: Option<bool>,
    /// How we run it; `None` for a member that is not ours.
    pub launch: Option<Launch>,
}

/// When a member whose session has ended by itself is started again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RestartPolicy {
    /// Never; an input still continues its conversation.
    #[default]
    Never,
    /// When its agent was killed, ended with another code than 0, or could not be started.
    OnFailure,
    /// Whenever nobody has stopped it.
    Always,
}

/// What is done when an agent no longer has its member's conversation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum IfLost {
    /// The member cannot be started, until somebody decides.
    #[default]
    Fail,
    /// A new conversation begins, and the member is told so with its next turn.
    Fresh,
}

/// How we run a member: kept in the team's file, in a field of our own. No secret belongs here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Launch {
    /// The agent CLI.
    pub backend: BackendType,
    /// What it may do without asking.
    #[serde(default)]
    pub permission_mode: PermissionMode,
    /// How hard the model thinks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effort: Option<String>,
    /// The most agentic steps in a turn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_turns: Option<u32>,
    /// Which ACP agent it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<Command>,
    /// Arguments of the caller's for the agent's program.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub extra_args: Vec<String>,
    /// The names of the variables that it was given on top of the shell's. Their values are kept nowhere.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub env_names: Vec<String>,
    /// The git worktree that it has of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worktree: Option<Worktree>,
    /// When it is started again.
    #[serde(default, skip_serializing_if = "is_default")]
    pub restart: RestartPolicy,
    /// What is done when its conversation is lost.
    #[serde(default, skip_serializing_if = "is_default")]
    pub if_lost: IfLost,
    /// How long its turns may take.
    #[serde(default, skip_serializing_if = "is_default")]
    pub limits: TurnLimits,
    /// How long each rung of the stop ladder may take, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_grace_ms: Option<u64>,
    /// It changes nothing until its plan is approved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<PlanGate>,
    /// It is given the team's tasks.
    #[serde(default, skip_serializing_if = "is_default")]
    pub work: bool,
    /// What it can do, in words that tasks may want.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub capabilities: Vec<String>,
    /// It leads a run, and has the lead's tools.
    #[serde(default, skip_serializing_if = "is_default")]
    pub leads: bool,
    /// A live Claude Code that leads has started it, and wrote its entry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adopted: Option<Adopted>,
    /// What becomes of it when its lead has ended.
    #[serde(default, skip_serializing_if = "is_default")]
    pub on_lead_exit: OnLeadExit,
    /// Why it has its backend, where that was chosen for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub routed: Option<String>,
}

/// What becomes of a member when the live Claude Code that leads its team has ended, or the team's files are gone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OnLeadExit {
    /// It is stopped.
    Stop,
    /// It ends its turn, within a minute, and is stopped.
    #[default]
    Finish,
    /// It goes on.
    Keep,
}

/// How a member is started whose entry a live Claude Code has written: what stands there of it is the lead's.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Adopted {
    /// The model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Its standing instructions.
    #[serde(default, skip_serializing_if = "is_default")]
    pub prompt: String,
}

/// What lets a member that plans do what it has planned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PlanGate {
    /// What it may do then.
    pub then: PermissionMode,
    /// The plan that was approved: its SHA-256, in hexadecimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approved: Option<String>,
    /// The number of the task that it was handed in for; for another one it counts no more. `None` for a plan that was about no task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<String>,
}

impl PlanGate {
    /// The same, closed.
    pub(crate) fn without_approval(self) -> Self {
        Self { approved: None, task: None, ..self }
    }
}

/// A git worktree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Worktree {
    /// Where it is.
    pub path: PathBuf,
    /// What is checked out there.
    pub branch: String,
    /// The checkout that it was made from.
    pub repository: PathBuf,
    /// The folder in it where its member works.
    #[serde(default, skip_serializing_if = "is_default")]
    pub below: PathBuf,
}

impl Worktree {
    /// Where its member works.
    pub fn cwd(&self) -> PathBuf {
        self.path.join(&self.below)
    }
}

pub(super) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// How long a turn of a member may take, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TurnLimits {
    /// From its beginning to its end, not counting the time in which it waits for somebody's decision.
    pub turn_ms: u64,
    /// Without a sign of life of the agent.
    pub silence_ms: u64,
}

impl Default for TurnLimits {
    /// Six hours, and half an hour.
    fn default() -> Self {
        Self { turn_ms: 6 * 3_600_000, silence_ms: 30 * 60_000 }
    }
}

/// The colours that Claude Code hands out to teammates, in its order.
pub const COLORS: [&str; 7] = ["blue", "green", "yellow", "purple", "orange", "pink", "cyan"];
