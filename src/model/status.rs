//! How a team, its members and their processes are at a moment: what `status`, `ps` and `list` show.

use std::path::PathBuf;

use agent_backends::process::ProcessInfo;
use agent_backends::{ApprovalKind, BackendType, Exit, StopReport, Usage, UserQuestion};
use serde::{Deserialize, Serialize};

use super::approval::Verdict;

/// How a member is: what its process and its protocol say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum MemberState {
    /// Its agent is not ready yet, or waits to be started again.
    Starting,
    /// It waits for input.
    Idle,
    /// A turn runs, or waits to be begun.
    Busy,
    /// A turn runs and waits for somebody's decision.
    WaitingApproval,
    /// Its provider takes no requests for the time being.
    RateLimited,
    /// A turn runs and its agent gives no sign of life.
    Stuck,
    /// It is being stopped.
    Stopping,
    /// Its session has ended, or was never started by this process.
    Exited,
    /// Its session ended by itself, or could not be started.
    Failed,
    /// Whoever ran it was killed. It can be resumed.
    Lost,
    /// It is a live Claude Code's own, which runs it.
    Native,
}

impl MemberState {
    /// As in `status --json`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Idle => "idle",
            Self::Busy => "busy",
            Self::WaitingApproval => "waiting-approval",
            Self::RateLimited => "rate-limited",
            Self::Stuck => "stuck",
            Self::Stopping => "stopping",
            Self::Exited => "exited",
            Self::Failed => "failed",
            Self::Lost => "lost",
            Self::Native => "native",
        }
    }

    /// Whether its session lives, or is about to.
    pub fn is_running(self) -> bool {
        !matches!(self, Self::Exited | Self::Failed | Self::Lost)
    }
}

/// A member, as it is now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MemberStatus {
    /// Its name.
    pub name: String,
    /// Its backend; `None` for a member that is not ours.
    pub backend: Option<BackendType>,
    /// Why it has its backend, where that was chosen for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub routed: Option<String>,
    /// How it is.
    pub state: MemberState,
    /// Why it is in that state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The process that serves it; `None` when none runs.
    pub pid: Option<u32>,
    /// The agent's name for the conversation.
    pub session_id: Option<String>,
    /// The model it uses.
    pub model: Option<String>,
    /// Where it works.
    pub cwd: Option<PathBuf>,
    /// Turns so far.
    pub turns: u64,
    /// What they used.
    pub usage: Usage,
    /// Messages in its inbox that it has not read.
    pub unread: usize,
    /// Messages that it was given once more because nobody could tell whether it had them; which ones, their ways tell
    /// ([`TeamOrchestrator::trace`](crate::TeamOrchestrator::trace)).
    #[serde(default)]
    pub in_doubt: u64,
    /// Inputs that wait for it.
    #[serde(default)]
    pub queued: usize,
    /// What it asks for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub approvals: Vec<PendingApproval>,
    /// When its provider will take requests again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate_limited_until: Option<String>,
    /// How its session ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit: Option<Exit>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    /// What has to be known of its agent: that it does not ask before it acts, for instance, although it was told to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// A question of a member's agent that waits for somebody's decision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingApproval {
    /// Its id within the team.
    pub id: String,
    /// Who asks.
    pub member: String,
    /// For which tool.
    pub tool: String,
    /// To do what.
    pub summary: String,
    /// Of what kind that is.
    #[serde(default)]
    pub kind: ApprovalKind,
    /// The whole command that the agent wants to run, where it is one and is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    /// The whole of anything else that it wants to do: the change of files, or the tool's arguments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details: Option<String>,
    /// What it wants to know, where it asks for answers rather than for permission.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub questions: Vec<UserQuestion>,
    /// Who decides.
    #[serde(default)]
    pub decides: Verdict,
}

/// A team, as it is now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TeamStatus {
    /// Its name.
    pub team: String,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Its members, without the lead.
    pub members: Vec<MemberStatus>,
    /// Messages in the lead's inbox that nobody has read.
    #[serde(rename = "leadUnread")]
    pub lead_unread: usize,
    /// What has to be known of the team: that its lead does not hear of what its members say, for instance.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

impl MemberStatus {
    /// A member of which nothing is known but its name.
    pub(crate) fn named(name: &str, backend: Option<BackendType>, state: MemberState) -> Self {
        Self {
            name: name.to_owned(),
            backend,
            routed: None,
            state,
            reason: None,
            pid: None,
            session_id: None,
            model: None,
            cwd: None,
            turns: 0,
            usage: Usage::default(),
            unread: 0,
            in_doubt: 0,
            queued: 0,
            approvals: Vec::new(),
            rate_limited_until: None,
            exit: None,
            failure: None,
            warnings: Vec::new(),
        }
    }
}

/// How a member answered a request to stop.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum ShutdownOutcome {
    /// It agreed, has stopped, and is in the team no more.
    Approved {
        /// What was verified.
        report: StopReport,
    },
    /// It goes on.
    Rejected {
        /// Why.
        reason: String,
    },
    /// It did not answer in time, and was stopped. It is still in the team.
    Mute {
        /// What was verified.
        report: StopReport,
    },
}

/// An agent's processes, and whose they are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberProcesses {
    /// `member@team`; several when they share an agent's process.
    pub members: Vec<String>,
    /// The agent.
    pub backend: String,
    /// Their supervisor is gone.
    pub orphan: bool,
    /// The agent's shim, the agent, and what it started.
    pub processes: Vec<ProcessInfo>,
}

/// A team in a line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TeamSummary {
    /// Its name.
    pub team: String,
    /// How many members it has, without the lead.
    pub members: usize,
    /// How its tasks stand.
    pub tasks: TaskCounts,
    /// The Claude Code that led it is gone, and has left its files.
    #[serde(rename = "leadGone", default, skip_serializing_if = "std::ops::Not::not")]
    pub lead_gone: bool,
}

/// How many tasks there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TaskCounts {
    /// That nobody works on.
    pub pending: usize,
    /// That somebody works on.
    pub in_progress: usize,
    /// That are done.
    pub completed: usize,
}

/// A team whose lead, a live Claude Code, has ended: its members are stopped, and come back when the lead's conversation goes on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EndedTeam {
    /// Its name.
    pub team: String,
    /// The lead's conversation.
    pub session: Option<String>,
    /// When it ended.
    pub ended_at: String,
    /// Why.
    pub reason: String,
    /// Its members that were ours.
    pub members: Vec<String>,
}
