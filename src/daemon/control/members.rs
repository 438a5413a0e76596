//! Calls about members: start, talk to, stop.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use agent_backends::process::Grace;
use agent_backends::{BackendType, Command, PermissionMode, SpawnConfig, StopReport};
use serde::{Deserialize, Serialize};

use crate::model::launch::{Adoption, Surroundings, WorktreeBranch};
use crate::model::team::{IfLost, OnLeadExit, RestartPolicy, TurnLimits};

/// Starts a member.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SpawnParams {
    /// The team.
    pub team: String,
    /// The member; `None` for the backend's short name, or the first like it that is free.
    pub name: Option<String>,
    /// The agent CLI; `auto` for whichever the router chooses.
    pub backend: BackendType,
    /// Standing instructions.
    pub prompt: String,
    /// The model.
    pub model: Option<String>,
    /// How hard it thinks.
    pub effort: Option<String>,
    /// Where it works, absolute.
    pub cwd: PathBuf,
    /// What it may do without asking.
    pub permission_mode: Option<PermissionMode>,
    /// The environment of the shell that asks. It is passed on and kept nowhere.
    pub environment: BTreeMap<String, String>,
    /// Variables on top of it.
    pub env: BTreeMap<String, String>,
    /// That shell's file mode creation mask.
    pub umask: Option<u32>,
    /// The most agentic steps in a turn.
    pub max_turns: Option<u32>,
    /// The conversation to continue.
    pub resume: Option<String>,
    /// How to call the agent.
    pub command: Option<Command>,
    /// How long it may take to become ready, in milliseconds.
    pub ready_timeout_ms: Option<u64>,
    /// How long each rung of the stop ladder may take, in milliseconds.
    pub stop_grace_ms: Option<u64>,
    /// A git worktree of its own.
    #[serde(default)]
    pub worktree: Option<WorktreeBranch>,
    /// It changes nothing until its plan is approved.
    #[serde(default)]
    pub plan_approval: bool,
    /// When it is started again.
    #[serde(default)]
    pub restart: RestartPolicy,
    /// What is done when its conversation is lost.
    #[serde(default)]
    pub if_lost: IfLost,
    /// How long its turns may take.
    #[serde(default)]
    pub limits: TurnLimits,
    /// It is given the team's tasks.
    #[serde(default)]
    pub work: bool,
    /// What it can do, in words that tasks may want.
    #[serde(default)]
    pub capabilities: Vec<String>,
    /// Arguments for the agent's program, after those of its backend.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub extra_args: Vec<String>,
    /// What becomes of it when its lead has ended.
    #[serde(default)]
    pub on_lead_exit: OnLeadExit,
    /// A live lead has started it, and wrote its entry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adopt: Option<Adoption>,
    /// How to call the agents, where that is not as the backends would; for backend `auto`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub commands: BTreeMap<BackendType, Command>,
    /// Why it has its backend, where that was chosen for it: a recording says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub routed: Option<String>,
}

/// Has a member end its turn, and stops it then; the answer does not wait for that. One that does not run is left alone.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LetGoParams {
    /// The team.
    pub team: String,
    /// The member.
    pub name: String,
}

impl std::fmt::Debug for SpawnParams {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The environment has secrets.
        f.debug_struct("SpawnParams").field("team", &self.team).field("name", &self.name).finish_non_exhaustive()
    }
}

impl SpawnParams {
    pub(in crate::daemon) fn into_config(self, name: String, own_umask: u32) -> SpawnConfig {
        SpawnConfig {
            name,
            prompt: self.prompt,
            model: self.model,
            effort: self.effort,
            cwd: Some(self.cwd),
            permission_mode: self.permission_mode,
            later_mode: None,
            inherit_env: Some(self.environment),
            env: self.env,
            mcp_servers: Vec::new(),
            writable_roots: Vec::new(),
            umask: self.umask.filter(|mask| *mask != own_umask),
            max_turns: self.max_turns,
            resume: self.resume,
            command: self.command,
            extra_args: self.extra_args,
            ready_timeout: self.ready_timeout_ms.map(Duration::from_millis),
            stop_grace: self.stop_grace_ms.map(Duration::from_millis).map(|rung| Grace { ask: rung, term: rung }),
            supervision: agent_backends::Supervision::default(),
        }
    }
}

/// From whom an input is that an agent of ours gives in its shell.
pub(crate) const AN_AGENT: &str = "an agent";

/// Gives a member an input.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SendParams {
    /// The team.
    pub team: String,
    /// The member.
    pub name: String,
    /// The input.
    pub text: String,
    /// Who gives it, for the transcript.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// The member's running turn is ended first.
    #[serde(default)]
    pub interrupt: bool,
    /// In which a member is started that does not run and that this daemon has not started. It is refused as `dormant`
    /// without them, so that no environment is passed on where it is not needed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub surroundings: Option<Surroundings>,
}

/// An input that was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SendReply {
    /// The turn it becomes.
    pub turn: u64,
    /// Its events come after this number.
    pub seq: u64,
}

/// Ends a member's running turn.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InterruptParams {
    /// The team.
    pub team: String,
    /// The member.
    pub name: String,
}

/// A member was told to end its turn.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct InterruptReply {
    /// The number of the team's last event before that: what becomes of the turn comes after it.
    pub seq: u64,
}

/// Stops a member if it runs, and starts it with its conversation.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RestartParams {
    /// The team.
    pub team: String,
    /// The member.
    pub name: String,
    /// In which it is started.
    pub surroundings: Surroundings,
    /// With a new conversation, whatever became of the one that it had.
    #[serde(default)]
    pub fresh: bool,
}

/// Stops members.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StopParams {
    /// The team.
    pub team: String,
    /// The members; all of the team when there are none.
    #[serde(default)]
    pub names: Vec<String>,
    /// They are killed.
    #[serde(default)]
    pub now: bool,
}

/// A member that was stopped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StopReply {
    /// The team.
    pub team: String,
    /// The member.
    pub name: String,
    /// What was verified.
    #[serde(flatten)]
    pub report: StopReport,
}

/// Asks a member to stop, and waits for its answer.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ShutdownParams {
    /// The team.
    pub team: String,
    /// The member.
    pub name: String,
    /// Why, in words for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// How long it may take to answer, in milliseconds; then it is stopped without.
    pub deadline_ms: u64,
}

/// Lists the worktrees of a team's members.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListWorktreesParams {
    /// The team.
    pub team: String,
}

/// Removes a member's worktree.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RemoveWorktreeParams {
    /// The team.
    pub team: String,
    /// The member.
    pub name: String,
    /// Also if something is lost with it.
    #[serde(default)]
    pub force: bool,
}
