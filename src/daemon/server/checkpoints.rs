//! Answers about checkpoints.

use super::Server;
use crate::daemon::control::{CheckpointStatusParams, SetCheckpointsParams};
use crate::error::Result;
use crate::model::checkpoint::CheckpointStatus;

impl Server {
    pub(super) async fn checkpoint_status(&self, params: CheckpointStatusParams) -> Result<CheckpointStatus> {
        self.orchestrator.checkpoint_status(&params.team).await
    }

    pub(super) async fn set_checkpoints(&self, params: SetCheckpointsParams) -> Result<()> {
        self.orchestrator.set_checkpoints(&params.team, params.on).await
    }
}
