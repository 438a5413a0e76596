//! What whoever begins a run says besides the team file.

use std::path::PathBuf;
use std::time::Duration;

use agent_backends::BackendType;

use crate::model::launch::Surroundings;

/// How a run goes, beside what its team file says.
#[derive(Clone, Debug, Default)]
pub struct RunOptions {
    /// The folder that paths of the file are seen from: where it is.
    pub folder: PathBuf,
    /// The file, if it is one.
    pub file: Option<PathBuf>,
    /// The file's text, for a recording.
    pub text: Option<String>,
    /// What the lead is asked for.
    pub goal: Option<String>,
    /// The lead's backend, where the file names none.
    pub lead: Option<BackendType>,
    /// How long it may take, instead of what the file says.
    pub timeout: Option<Duration>,
    /// Whether somebody may answer what agents ask. Without, a question that only a person could answer ends the run.
    pub attended: bool,
    /// What its members get of whoever starts them.
    pub surroundings: Surroundings,
}
