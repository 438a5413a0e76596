//! The tools of the lead.

use std::path::PathBuf;

use agent_backends::{BackendType, PermissionMode, SpawnConfig};

use super::params::{SpawnTeammateParams, StopTeammateParams};
use super::{Answer, Identity, refuse};
use crate::orchestrator::TeamOrchestrator;
use crate::orchestrator::resume::{Supervise, Surroundings};

impl TeamOrchestrator {
    pub(super) async fn tool_spawn_teammate(
        &self,
        who: &Identity,
        params: SpawnTeammateParams,
        surroundings: Surroundings,
    ) -> Answer {
        let backend: BackendType = params.backend.parse()?;
        if backend == BackendType::Acp {
            return refuse("which program an ACP agent is, a person says: `teams spawn --backend acp --command …`");
        }
        let mode = params.permission_mode.as_deref().map(PermissionMode::from);
        if mode == Some(PermissionMode::BypassPermissions) {
            return refuse("only a person may start a teammate that asks nothing");
        }
        let mut config = SpawnConfig::new(params.name, params.prompt);
        config.model = params.model;
        config.cwd = params.cwd.map(PathBuf::from);
        config.permission_mode = mode;
        config.command = surroundings.commands.get(&backend).cloned();
        config.inherit_env = surroundings.environment;
        config.umask = surroundings.umask;
        let status = self.spawn_teammate_with(&who.team, config, backend, Supervise::default()).await?;
        Ok(format!("{} is ready.", status.name))
    }

    pub(super) async fn tool_stop_teammate(&self, who: &Identity, params: StopTeammateParams) -> Answer {
        let report = self.shutdown_teammate(&who.team, &params.name).await?;
        Ok(format!("{} has stopped; {} of its processes are left.", params.name, report.left))
    }
}
