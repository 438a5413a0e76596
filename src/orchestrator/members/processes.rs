//! The processes of members, and those that an earlier supervisor left behind.

use std::collections::BTreeSet;

use agent_backends::process::Reaped;

use crate::error::{Error, Result};
use crate::model::status::MemberProcesses;
use crate::orchestrator::entry::TeamOrchestrator;

impl TeamOrchestrator {
    /// The processes of everybody whom this orchestrator runs, and of whom another one has left behind.
    ///
    /// # Errors
    /// The registry of children, or `/proc`, cannot be read.
    pub async fn processes(&self) -> Result<Vec<MemberProcesses>> {
        let registry = self.inner.registry.clone();
        let children = tokio::task::spawn_blocking(move || registry.children()).await;
        let children = children.map_err(|_| Error::ShuttingDown)?;
        let children = children.map_err(Error::io("read", self.inner.state_dir.join("children")))?;
        let mut serves = Vec::new();
        for runtime in self.teams().values() {
            for teammate in runtime.teammates() {
                let pid = teammate.status().pid.and_then(|pid| i32::try_from(pid).ok());
                serves.extend(pid.map(|pid| (pid, format!("{}@{}", teammate.name(), runtime.name))));
            }
        }
        let of = |child: agent_backends::process::RegisteredChild| {
            let agent = child.record.agent.map(|agent| agent.pid);
            let served = serves.iter().filter(|(pid, _)| !child.orphan && Some(*pid) == agent);
            let mut members: BTreeSet<String> = served.map(|(_, member)| member.clone()).collect();
            if members.is_empty() {
                members.insert(child.record.label);
            }
            MemberProcesses {
                members: members.into_iter().collect(),
                backend: child.record.what,
                orphan: child.orphan,
                processes: child.processes,
            }
        };
        Ok(children.into_iter().map(of).collect())
    }

    /// Ends what is left of orchestrators that used this state directory and are gone. Nothing but what they wrote down is
    /// signalled.
    ///
    /// # Errors
    /// As [`processes`](Self::processes).
    pub async fn reap_orphans(&self) -> Result<Vec<Reaped>> {
        self.inner.registry.reap().await.map_err(Error::io("read", self.inner.state_dir.join("children")))
    }
}
