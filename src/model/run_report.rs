//! What came of a run: its tasks, its members and their turns.

use agent_backends::Usage;
use serde::{Deserialize, Serialize};

use super::run::{BranchReport, RunState};
use super::turn::TurnStatus;

/// What came of a run, in figures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RunSummary {
    /// The tasks of the run, those that agents added too.
    pub total_tasks: usize,
    /// Those that are completed.
    pub tasks_completed: usize,
    /// Those that have failed, and those that wait for one that has.
    pub tasks_failed: usize,
    /// The tokens that all members read and wrote.
    pub total_tokens_used: u64,
    /// The US dollars that all members cost, as far as their agents say so.
    pub total_cost_usd: Option<f64>,
    /// The members that were started for the run, those that agents started too.
    pub agents_spawned: usize,
    /// How long it took, in milliseconds.
    pub elapsed_ms: u64,
}

/// A run, and all that is known of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RunReport {
    /// The run's id: the team's name and a number.
    pub run: String,
    /// The team.
    pub team: String,
    /// What the lead was asked for.
    pub goal: Option<String>,
    /// How far it is, or how it ended.
    pub state: RunState,
    /// Why it ended so, or what the lead said at its end.
    pub reason: Option<String>,
    /// When it began, in milliseconds of Unix time.
    pub began_ms: i64,
    /// When it ended.
    pub ended_ms: Option<i64>,
    /// In figures.
    pub summary: RunSummary,
    /// Its tasks, in the order of their numbers.
    pub tasks: Vec<TaskReport>,
    /// Its members, in the order in which they were started.
    pub members: Vec<MemberReport>,
    /// The turns of its members, in the order in which they began.
    pub turns: Vec<TurnReport>,
    /// What became of its members' branches.
    pub branches: Vec<BranchReport>,
}

/// A task of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TaskReport {
    /// Its number.
    pub id: String,
    /// What was to be done, in a line.
    pub subject: String,
    /// `pending`, `in_progress`, `completed`, `failed`, or `blocked` when it waits for one that has failed.
    pub state: String,
    /// Who had it last.
    pub owner: Option<String>,
    /// How often it was begun.
    pub attempts: u64,
    /// The numbers of the tasks that it waits for.
    pub blocked_by: Vec<String>,
    /// What came of it.
    pub result: Option<String>,
    /// Why it has failed, or why its last attempt has.
    pub reason: Option<String>,
    /// When it was begun first, in milliseconds of Unix time.
    pub began_ms: Option<i64>,
    /// When it was completed or failed.
    pub ended_ms: Option<i64>,
}

/// A member in a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MemberReport {
    /// Its name.
    pub name: String,
    /// Its backend.
    pub backend: String,
    /// Its model, where that is known.
    pub model: Option<String>,
    /// How many turns it had.
    pub turns: u64,
    /// What it used.
    pub usage: Usage,
    /// How long its turns took, in milliseconds.
    pub busy_ms: u64,
}

/// A turn of a member in a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TurnReport {
    /// The member.
    pub member: String,
    /// Its number.
    pub turn: u64,
    /// The task that it was about, where it was about one.
    pub task: Option<String>,
    /// When it began, in milliseconds of Unix time.
    pub began_ms: i64,
    /// When it ended; `None` as long as it runs.
    pub ended_ms: Option<i64>,
    /// How it ended.
    pub status: Option<TurnStatus>,
    /// What it used.
    #[serde(default)]
    pub usage: Usage,
}
