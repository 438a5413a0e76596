//! Watches a team's inboxes, whoever writes into them, and knocks at the members whose inbox has changed.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::error::Result;
use crate::model::change::{Change, Changed};
use crate::model::name::TEAM_LEAD;
use crate::orchestrator::entry::{Inner, TeamOrchestrator};
use crate::orchestrator::runtime::TeamRuntime;
use crate::store::InboxWatch;
use crate::sync::lock;

/// How often inboxes are looked at where the system does not tell of changes: as often as Claude Code looks at its own.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

impl TeamOrchestrator {
    /// Begins to watch the inboxes of a team, unless they are watched.
    pub(crate) fn watch_inboxes(&self, runtime: &Arc<TeamRuntime>) {
        let mut watcher = lock(&runtime.watcher);
        if watcher.0.as_ref().is_some_and(|task| !task.is_finished()) {
            return;
        }
        let watch = self.inner.store.watch_inboxes(&runtime.name);
        // Owned by the runtime, which it must not keep alive.
        watcher.0 = Some(tokio::spawn(run(watch, Arc::downgrade(&self.inner), Arc::downgrade(runtime))));
    }

    /// Sees to it that [`changes`](Self::changes) tells of a team also what other programs do to its inboxes.
    ///
    /// # Errors
    /// There is no such team.
    pub async fn watch_team(&self, team: &str) -> Result<()> {
        let name = self.team(team).await?.name;
        self.watch_inboxes(&self.runtime(&name)?);
        Ok(())
    }

    fn note_inbox(&self, runtime: &TeamRuntime, owner: &str) {
        self.changes().note(Change::new(runtime.name.as_str(), Changed::Inbox, owner));
    }
}

#[expect(
    deprecated,
    reason = "its successor is unsafe to call; the watch owns its descriptor, and nobody else closes it"
)]
async fn run(watch: Option<InboxWatch>, inner: Weak<Inner>, runtime: Weak<TeamRuntime>) {
    let watch = watch.and_then(|watch| AsyncFd::with_interest(watch, Interest::READABLE).ok());
    loop {
        let changed = match &watch {
            Some(watch) => {
                let Ok(mut ready) = watch.readable().await else { return };
                let changed = watch.get_ref().changed();
                ready.clear_ready();
                changed
            }
            None => {
                tokio::time::sleep(LOOK_AGAIN).await;
                None
            }
        };
        let (Some(inner), Some(runtime)) = (inner.upgrade(), runtime.upgrade()) else { return };
        let orchestrator = TeamOrchestrator { inner };
        match &changed {
            Some(names) => names.iter().for_each(|name| orchestrator.note_inbox(&runtime, name)),
            None => {
                orchestrator.note_inbox(&runtime, TEAM_LEAD);
                runtime.teammates().iter().for_each(|teammate| orchestrator.note_inbox(&runtime, teammate.name()));
            }
        }
        for teammate in runtime.teammates() {
            if changed.as_ref().is_none_or(|names| names.contains(teammate.name().as_str())) {
                let name = teammate.name();
                let plan = orchestrator.apply_plan_answer(&runtime, name).await;
                if let Err(error) = plan.and(orchestrator.apply_permission_answers(&runtime, name).await) {
                    tracing::warn!(member = %name, %error, "an answer of the lead was not heeded");
                }
                teammate.inbox_changed();
            }
        }
        let gone = watch.as_ref().is_some_and(|watch| watch.get_ref().is_gone());
        if gone {
            // A live Claude Code deletes its team when it ends.
            return;
        }
    }
}
