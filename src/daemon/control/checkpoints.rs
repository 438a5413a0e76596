//! Calls about checkpoints.

use serde::{Deserialize, Serialize};

/// Asks whether a team's tasks get checkpoints, and which completed ones have none.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CheckpointStatusParams {
    /// The team.
    pub team: String,
}

/// Says whether a team's tasks get checkpoints from now on.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetCheckpointsParams {
    /// The team.
    pub team: String,
    /// Whether they do.
    pub on: bool,
}
