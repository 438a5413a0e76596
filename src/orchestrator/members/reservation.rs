//! Names that are being taken: nobody else starts a member of that name meanwhile.

use std::sync::Arc;

use agent_backends::BackendType;
use tokio::sync::watch;

use crate::error::{Error, Result};
use crate::model::name::AgentName;
use crate::orchestrator::runtime::{Slot, TeamRuntime};
use crate::orchestrator::teammate::Teammate;

/// A name that is taken, and free again when this is dropped; unless it was filled.
pub(crate) struct Reservation<'a> {
    /// Whoever waits for the name is woken when this is dropped.
    _wakes: watch::Sender<()>,
    runtime: &'a TeamRuntime,
    name: AgentName,
    before: Option<Slot>,
    filled: bool,
}

impl<'a> Reservation<'a> {
    /// Takes the name for a member that is being started.
    pub(crate) fn to_start(runtime: &'a TeamRuntime, name: &AgentName, backend: BackendType) -> Result<Self> {
        Self::take(runtime, name, |_, decided| Slot::Starting { backend, decided })
    }

    /// Keeps others from starting the member of this name.
    pub(crate) fn hold(runtime: &'a TeamRuntime, name: &AgentName) -> Result<Self> {
        Self::take(runtime, name, |before, freed| Slot::Held { before, freed })
    }

    fn take(
        runtime: &'a TeamRuntime,
        name: &AgentName,
        slot: impl FnOnce(Option<Arc<Teammate>>, watch::Receiver<()>) -> Slot,
    ) -> Result<Self> {
        let mut members = runtime.members();
        let before = members.get(name).cloned();
        if before.as_ref().is_some_and(|slot| slot.is_running() || matches!(slot, Slot::Held { .. })) {
            return Err(Error::Running { team: runtime.name.to_string(), member: name.to_string() });
        }
        let (wakes, woken) = watch::channel(());
        members.insert(name.clone(), slot(before.as_ref().and_then(Slot::teammate).cloned(), woken));
        drop(members);
        runtime.feed.note_member(name);
        Ok(Self { _wakes: wakes, runtime, name: name.clone(), before, filled: false })
    }

    /// The member has started.
    pub(crate) fn fill(mut self, teammate: Arc<Teammate>) {
        self.filled = true;
        self.runtime.members().insert(self.name.clone(), Slot::Started(teammate));
        self.runtime.feed.note_member(&self.name);
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
        drop(members);
        self.runtime.feed.note_member(&self.name);
    }
}
