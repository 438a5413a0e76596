//! Names that are being taken: nobody else starts a member of that name meanwhile.

use std::sync::Arc;

use agent_backends::BackendType;

use crate::error::{Error, Result};
use crate::model::name::AgentName;
use crate::orchestrator::runtime::{Slot, TeamRuntime};
use crate::orchestrator::teammate::Teammate;

/// A name that is taken while its agent starts, and free again if it does not.
pub(crate) struct Reservation<'a> {
    /// Whoever waits for the start is woken when this is dropped.
    _starting: tokio::sync::watch::Sender<()>,
    runtime: &'a TeamRuntime,
    name: AgentName,
    before: Option<Slot>,
    filled: bool,
}

impl<'a> Reservation<'a> {
    pub(crate) fn make(runtime: &'a TeamRuntime, name: &AgentName, backend: BackendType) -> Result<Self> {
        let mut members = runtime.members();
        let before = match members.get(name) {
            Some(Slot::Starting { .. }) => true,
            Some(Slot::Started(teammate)) => teammate.is_running(),
            None => false,
        };
        if before {
            return Err(Error::Running { team: runtime.name.to_string(), member: name.to_string() });
        }
        let (starting, decided) = tokio::sync::watch::channel(());
        let before = members.insert(name.clone(), Slot::Starting { backend, decided });
        Ok(Self { _starting: starting, runtime, name: name.clone(), before, filled: false })
    }

    pub(crate) fn fill(mut self, teammate: Arc<Teammate>) {
        self.filled = true;
        self.runtime.members().insert(self.name.clone(), Slot::Started(teammate));
    }
}

impl Drop for Reservation<'_> {
    fn drop(&mut self) {
        if self.filled {
            return;
        }
        let mut members = self.runtime.members();
        match self.before.take() {
            Some(before) => members.insert(self.name.clone(), before),
            None => members.remove(&self.name),
        };
    }
}
