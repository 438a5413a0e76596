//! A run: a team that works until its tasks are done. Its id, how it stands, and what is written down of it.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::name::TeamName;
use super::team_file::MergeMode;

/// The id of a run: its team's name, a hyphen, and a number that counts the team's runs.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RunId {
    /// The team.
    pub team: TeamName,
    /// The first is 1.
    pub number: u64,
}

/// A text that is no id of a run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is not the id of a run; `teams runs` shows them", .0.escape_debug())]
pub struct BadRunId(pub String);

impl FromStr for RunId {
    type Err = BadRunId;

    fn from_str(text: &str) -> Result<Self, BadRunId> {
        let bad = || BadRunId(text.to_owned());
        let (team, number) = text.rsplit_once('-').ok_or_else(bad)?;
        let (team, number) = (team.parse().map_err(|_| bad())?, number.parse().map_err(|_| bad())?);
        Ok(Self { team, number })
    }
}

impl TryFrom<String> for RunId {
    type Error = BadRunId;

    fn try_from(text: String) -> Result<Self, BadRunId> {
        text.parse()
    }
}

impl From<RunId> for String {
    fn from(id: RunId) -> Self {
        id.to_string()
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.team, self.number)
    }
}

/// What is written down of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RunRecord {
    /// Its id.
    pub run: RunId,
    /// The team file that it was started from, where it was a file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<PathBuf>,
    /// What the lead was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub goal: Option<String>,
    /// The member that leads it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lead: Option<String>,
    /// What becomes of its members' branches.
    #[serde(default)]
    pub merge: MergeMode,
    /// When its time is over, in milliseconds of Unix time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline_ms: Option<i64>,
    /// Whether somebody may answer what agents ask.
    #[serde(default)]
    pub attended: bool,
    /// When it began, in milliseconds of Unix time.
    pub began_ms: i64,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_ms: Option<i64>,
    /// The number of its first event.
    pub first_event: u64,
    /// The tasks of before: those up to this number that were completed then are not the run's.
    pub tasks_before: u64,
    /// The last task that was there when it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_task: Option<u64>,
    /// The numbers of the tasks of before that were open.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub open_before: Vec<String>,
    /// The members that ran before, and run on after it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub members_before: Vec<String>,
    /// Everything of the file has been set up.
    #[serde(default)]
    pub prepared: bool,
    /// How far it is, or how it ended.
    pub state: RunState,
    /// Why, or what the lead said at its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What became of its members' branches.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub branches: Vec<BranchReport>,
}

impl RunRecord {
    /// Whether a task is one of the run's.
    pub fn has_task(&self, id: &super::task::TaskId) -> bool {
        let is_new = |number| number > self.tasks_before && self.last_task.is_none_or(|last| number <= last);
        id.as_number().is_none_or(is_new) || self.open_before.iter().any(|open| **open == **id)
    }
}

/// How far a run is, or how it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum RunState {
    /// It goes on.
    Running,
    /// The daemon ended before it did; it can be resumed.
    Interrupted,
    /// Every task is completed.
    Done,
    /// A task failed, or nothing could go on.
    Failed,
    /// The budget was used up before every task was done.
    OverBudget,
    /// An agent asked a question that nobody could answer.
    Unanswered,
    /// The time was over before every task was done.
    TimedOut,
    /// A person stopped it.
    Cancelled,
}

impl RunState {
    /// As in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Interrupted => "interrupted",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::OverBudget => "over-budget",
            Self::Unanswered => "unanswered",
            Self::TimedOut => "timed-out",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether the run has ended for good. An interrupted one has not: it can be resumed.
    pub fn has_ended(self) -> bool {
        !matches!(self, Self::Running | Self::Interrupted)
    }
}

/// What became of a member's branch at the end of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BranchReport {
    /// The member.
    pub member: String,
    /// Its branch.
    pub branch: String,
    /// What became of it.
    pub fate: MergeFate,
    /// What there is to know: the files in conflict, or what to do next.
    pub note: Option<String>,
}

/// What became of a branch that was to be merged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MergeFate {
    /// All of its work is in the run's target.
    Merged,
    /// There was nothing in it.
    Empty,
    /// It is left as it is.
    Left,
    /// It conflicts with what was merged before it, and is left as it is.
    Conflict,
}

impl MergeFate {
    /// As in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Merged => "merged",
            Self::Empty => "empty",
            Self::Left => "left",
            Self::Conflict => "conflict",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_read_back() {
        let id: RunId = "my-team-12".parse().unwrap();
        assert_eq!((id.team.as_str(), id.number, id.to_string().as_str()), ("my-team", 12, "my-team-12"));
        for bad in ["", "team", "team-", "-1", "team-x", "../x-1"] {
            assert!(bad.parse::<RunId>().is_err(), "{bad}");
        }
    }
}
