//! Answers about the daemon itself, and tells what changes.

use std::time::Duration;

use super::{LONGEST_WAIT, Server};
use crate::daemon::control::{
    HelloParams, HelloReply, ListProcessesParams, PROTOCOL, StopDaemonParams, StopReply, WatchParams, WatchReply,
};
use crate::error::Result;
use crate::model::status::MemberProcesses;

impl Server {
    pub(super) async fn hello(&self, _: HelloParams) -> Result<HelloReply> {
        Ok(HelloReply {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            protocol: PROTOCOL,
            pid: std::process::id(),
            started_at: self.started_at.clone(),
            state_dir: self.state_dir.clone(),
            teams_dir: self.teams_dir.clone(),
            running: self.orchestrator.running_everywhere(),
        })
    }

    pub(super) async fn stop_daemon(&self, _: StopDaemonParams) -> Result<Vec<StopReply>> {
        let stopped = self.orchestrator.shutdown().await;
        // Whatever could not be verified, the order is obeyed.
        self.stop.send_replace(true);
        let reply = |(team, name, report): (_, _, Result<_>)| Ok(StopReply { team, name, report: report? });
        stopped.into_iter().map(reply).collect()
    }

    pub(super) async fn list_processes(&self, _: ListProcessesParams) -> Result<Vec<MemberProcesses>> {
        self.orchestrator.processes().await
    }

    pub(super) async fn watch(&self, params: WatchParams) -> Result<WatchReply> {
        let WatchParams { team, epoch, from, wait_ms } = params;
        let changes = self.orchestrator.changes();
        let known = epoch.as_deref() == Some(changes.epoch());
        if let Some(team) = team.as_deref().filter(|_| !known) {
            self.orchestrator.watch_team(team).await?;
        }
        let wait = Duration::from_millis(wait_ms).min(LONGEST_WAIT);
        let since = match known {
            true => changes.since(team.as_deref(), from, wait).await,
            false => changes.start(),
        };
        Ok(WatchReply {
            epoch: changes.epoch().to_owned(),
            next: since.next,
            reset: since.reset,
            changes: since.changes,
        })
    }
}
