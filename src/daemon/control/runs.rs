//! Calls about team files and runs.

use std::path::PathBuf;

use agent_backends::BackendType;
use serde::{Deserialize, Serialize};

use crate::model::launch::Surroundings;
use crate::model::run::RunId;

/// A team file, as whoever uses it has read it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TeamFileParams {
    /// Its text.
    pub text: String,
    /// Its path, absolute; `None` for a text that is in no file, which is its user's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<PathBuf>,
    /// The folder that paths in it are seen from, absolute.
    pub folder: PathBuf,
    /// In which its members are started, and whose variables it names.
    pub surroundings: Surroundings,
}

/// Trusts a team file, as it is now, to name programs and to give permissions.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrustParams {
    /// Its path, absolute.
    pub file: PathBuf,
    /// Its text.
    pub text: String,
}

/// Starts the members of a team file that do not run.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpParams {
    /// The file.
    pub file: TeamFileParams,
}

/// Begins a run of a team file, or goes on with the last one.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StartRunParams {
    /// The file.
    pub file: TeamFileParams,
    /// What a lead is asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub goal: Option<String>,
    /// The lead's backend, where the file names none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lead: Option<BackendType>,
    /// How long it may take, in milliseconds, instead of what the file says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
    /// Somebody may answer what agents ask.
    #[serde(default)]
    pub attended: bool,
    /// The team's last run goes on.
    #[serde(default)]
    pub resume: bool,
}

/// A run that was begun.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StartRunReply {
    /// Its id.
    pub run: RunId,
    /// The number of its first event among those of its team.
    pub first_event: u64,
}

/// Lists the runs of all teams.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct ListRunsParams {}

/// Asks for all that is known of a run.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunReportParams {
    /// Its id.
    pub run: String,
}

/// Asks for all that a team has done, in the form of a run's report.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TeamReportParams {
    /// The team.
    pub team: String,
}

/// Ends a run that goes on, and its members with it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StopRunParams {
    /// Its id.
    pub run: String,
    /// Its members are killed.
    #[serde(default)]
    pub now: bool,
}
