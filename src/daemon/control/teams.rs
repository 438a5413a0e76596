//! Calls about teams as a whole.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::members::StopReply;
use super::tools::BelowParams;
use crate::model::checkpoint::MissingCheckpoint;
use crate::model::event::Event;
use crate::model::launch::{Resumed, Surroundings};
use crate::model::policy::{Budget, ResumeMode};

/// Creates a team.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CreateTeamParams {
    /// Its name.
    pub team: String,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Where its lead works, absolute.
    pub cwd: PathBuf,
    /// Who brings its members back after a crash.
    #[serde(default)]
    pub resume: ResumeMode,
}

/// Lists all teams.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct ListTeamsParams {}

/// Lists the teams whose lead has ended.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct ListEndedTeamsParams {}

/// Brings back the members of a team whose lead goes on with its conversation. Nothing comes back where no such team was known.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RejoinParams {
    /// The lead, or a process that it has started.
    pub below: BelowParams,
    /// In which they are started.
    pub surroundings: Surroundings,
}

/// Fetches what a live lead that does not read its inbox is to be told.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeadMailParams {
    /// A process that the lead has started.
    pub below: BelowParams,
}

/// Asks how a team and its members are.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TeamStatusParams {
    /// The team.
    pub team: String,
}

/// Deletes a team.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeleteTeamParams {
    /// The team.
    pub team: String,
    /// Its members are stopped first.
    #[serde(default)]
    pub force: bool,
}

/// A team was deleted.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeleteReply {
    /// The members that were stopped.
    pub stopped: Vec<StopReply>,
    /// Completed tasks whose notes could not be written before it, and will not be.
    pub without_checkpoint: Vec<MissingCheckpoint>,
}

/// Asks for a team's events. When there is none yet, it waits up to `wait_ms` for one. The client pulls: a slow one is
/// behind, and loses nothing.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EventsParams {
    /// The team.
    pub team: String,
    /// The members whose events are wanted; all when there are none.
    #[serde(default)]
    pub names: Vec<String>,
    /// The number of the first event that is wanted.
    pub from: u64,
    /// The most events in one answer.
    pub max: usize,
    /// How long to wait for an event, in milliseconds; at most 30 seconds.
    #[serde(default)]
    pub wait_ms: u64,
}

/// A piece of a team's events.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EventsReply {
    /// Those that were asked for.
    pub events: Vec<Event>,
    /// Where to go on.
    pub next: u64,
    /// The number of the team's last event.
    pub last: u64,
}

/// Brings back the members that do not run and that nobody has stopped.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResumeTeamsParams {
    /// Those of this team; when left out, those of all teams that are to come back by themselves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub team: Option<String>,
    /// In which they are started.
    pub surroundings: Surroundings,
}

/// A member that was to come back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResumeReply {
    /// Its team.
    pub team: String,
    /// What became of it.
    #[serde(flatten)]
    pub resumed: Resumed,
}

/// Lists a team's budgets, with what was used.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListBudgetsParams {
    /// The team.
    pub team: String,
}

/// Sets the budget of a team, or of one of its members.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetBudgetParams {
    /// The team.
    pub team: String,
    /// The member; the whole team when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub member: Option<String>,
    /// Its budget from now on.
    pub budget: Budget,
}

/// Begins to record all that is asked of a team, that passes between us and its agents, and that becomes of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StartRecordingParams {
    /// The team.
    pub team: String,
    /// A file that is not there yet, absolute.
    pub file: PathBuf,
}

/// A recording that was begun.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StartRecordingReply {
    /// Members that run already: their agents are in it from their next start on.
    pub later: Vec<String>,
}

/// Ends the recording of a team.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EndRecordingParams {
    /// The team.
    pub team: String,
}
