//! How a member is started, now and again: what is asked for, what it gets from whoever starts it, and what became of it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use agent_backends::process::Grace;
use agent_backends::{BackendType, Capabilities, Command, SpawnConfig};
use serde::{Deserialize, Serialize};

use super::event::Conversation;
use super::team::{Adopted, IfLost, Launch, Member, OnLeadExit, PlanGate, RestartPolicy, TurnLimits, Worktree};
use super::time::milliseconds;

/// How a member is looked after.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Supervise {
    /// It gets a git worktree of its own, made from the checkout that its working directory is in.
    pub worktree: Option<WorktreeBranch>,
    /// It changes nothing until its plan is approved.
    pub plan_approval: bool,
    /// When it is started again.
    pub restart: RestartPolicy,
    /// What is done when its conversation is lost.
    pub if_lost: IfLost,
    /// How long its turns may take.
    pub limits: TurnLimits,
    /// It is given the team's tasks, one after the other.
    pub work: bool,
    /// What it can do, in words that tasks may want.
    pub capabilities: Vec<String>,
    /// It leads a run, and has the lead's tools.
    pub leads: bool,
    /// A live lead has started it, and wrote its entry.
    pub adopt: Option<Adoption>,
    /// What becomes of it when its lead has ended.
    pub on_lead_exit: OnLeadExit,
    /// Why it has its backend, where that was chosen for it.
    pub routed: Option<String>,
}

/// What a live Claude Code says of a member that it starts itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Adoption {
    /// The key by which its messages are known, as it says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lead_key: Option<String>,
}

/// What is checked out in a member's worktree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WorktreeBranch {
    /// A branch named after the team and the member.
    Own,
    /// This branch, which is made if there is none.
    Named(String),
}

/// What a member gets from whoever starts it, and what is written down nowhere.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Surroundings {
    /// The environment; `None` for our own.
    pub environment: Option<BTreeMap<String, String>>,
    /// The file mode creation mask; `None` for our own.
    pub umask: Option<u32>,
    /// Its working directory.
    pub cwd: Option<PathBuf>,
    /// How to call the agents, where that is not as the backends would.
    pub commands: BTreeMap<BackendType, Command>,
}

impl std::fmt::Debug for Surroundings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The environment has secrets.
        f.debug_struct("Surroundings").field("commands", &self.commands).finish_non_exhaustive()
    }
}

/// What became of a member that was to come back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resumed {
    /// The member.
    pub name: String,
    /// What became of it.
    pub outcome: ResumeOutcome,
    /// Why, where it is not the conversation that it had.
    pub reason: Option<String>,
}

/// What became of a member's conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ResumeOutcome {
    /// It goes on.
    Resumed,
    /// There was none, and a new one began.
    Fresh,
    /// It could not be started.
    Failed,
}

impl From<Conversation> for ResumeOutcome {
    fn from(conversation: Conversation) -> Self {
        match conversation {
            Conversation::Resumed => Self::Resumed,
            Conversation::Fresh => Self::Fresh,
        }
    }
}

/// A member's worktree, as it is now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorktreeStatus {
    /// Whose it is.
    pub member: String,
    /// Where it is, and what is checked out there.
    #[serde(flatten)]
    pub worktree: Worktree,
    /// There are changes that are not committed; `None` when that cannot be told.
    pub dirty: Option<bool>,
    /// There are commits that the repository's own checkout does not have; `None` when that cannot be told.
    pub unmerged: Option<bool>,
}

/// What became of a worktree that was removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BranchFate {
    /// The branch is gone too: everything in it is merged.
    Deleted,
    /// The branch is still there.
    Kept,
}

/// What a member is started with again.
pub(crate) fn config_of(member: &Member, surroundings: &Surroundings) -> SpawnConfig {
    let mut config = SpawnConfig::new(member.name.clone(), member.prompt.clone().unwrap_or_default());
    config.model = member.model.clone();
    config.cwd = member.cwd.clone();
    config.inherit_env = surroundings.environment.clone();
    config.umask = surroundings.umask;
    if let Some(launch) = &member.launch {
        if let Some(adopted) = &launch.adopted {
            // Those of its entry are the lead's own model, and its first message.
            (config.model, config.prompt) = (adopted.model.clone(), adopted.prompt.clone());
        }
        config.effort = launch.effort.clone();
        config.permission_mode = Some(launch.permission_mode.clone());
        config.later_mode = launch.plan.as_ref().map(|gate| gate.then.clone());
        config.max_turns = launch.max_turns;
        config.extra_args = launch.extra_args.clone();
        config.command = launch.command.clone().or_else(|| surroundings.commands.get(&launch.backend).cloned());
        let rung = launch.stop_grace_ms.map(Duration::from_millis);
        config.stop_grace = rung.map(|rung| Grace { ask: rung, term: rung });
    }
    config
}

/// How a member is to be run, for its team's file. No value of its environment is in there.
pub(crate) fn launch_of(
    config: &SpawnConfig,
    backend: BackendType,
    capabilities: &Capabilities,
    supervise: &Supervise,
    worktree: Option<Worktree>,
) -> Launch {
    Launch {
        backend,
        permission_mode: config.permission_mode.clone().unwrap_or_default(),
        effort: config.effort.clone(),
        max_turns: config.max_turns,
        command: config.command.clone().filter(|_| capabilities.any_program),
        extra_args: config.extra_args.clone(),
        env_names: config.env.keys().cloned().collect(),
        worktree,
        restart: supervise.restart,
        if_lost: supervise.if_lost,
        limits: supervise.limits,
        work: supervise.work,
        capabilities: supervise.capabilities.clone(),
        leads: supervise.leads,
        on_lead_exit: supervise.on_lead_exit,
        routed: supervise.routed.clone(),
        adopted: supervise
            .adopt
            .as_ref()
            .map(|_| Adopted { model: config.model.clone(), prompt: config.prompt.clone() }),
        plan: config.later_mode.clone().map(|then| PlanGate { then, approved: None, task: None }),
        stop_grace_ms: config.stop_grace.map(|grace| milliseconds(grace.term)),
    }
}
