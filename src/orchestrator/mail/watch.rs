//! Watches a team's inboxes and tasks, whoever writes into them: tells the members whose inbox has changed, and the team of its
//! tasks.

use std::path::Path;
use std::sync::{Arc, Weak};

use crate::error::Result;
use crate::model::change::{Change, Changed};
use crate::model::name::TEAM_LEAD;
use crate::orchestrator::entry::{Inner, TeamOrchestrator};
use crate::orchestrator::runtime::TeamRuntime;
use crate::store::{Bell, FolderChanges, Store, TeamWatch};

impl TeamOrchestrator {
    /// Begins to watch the inboxes and tasks of a team, unless they are watched.
    pub(crate) fn watch(&self, runtime: &Arc<TeamRuntime>) {
        let store = Arc::clone(&self.inner.store);
        let bell = runtime.tasks.bell().clone();
        let inboxes = store.watch_inboxes(&runtime.name, &bell);
        // Owned by the runtime, which it must not keep alive.
        let run = run(store, inboxes, bell, Arc::downgrade(&self.inner), Arc::downgrade(runtime));
        runtime.watching.ensure(run);
    }

    /// Sees to it that [`changes`](Self::changes) tells of a team also what other programs do to its inboxes and tasks.
    ///
    /// # Errors
    /// There is no such team.
    pub async fn watch_team(&self, team: &str) -> Result<()> {
        let name = self.roster(team).await?.name;
        self.watch(&self.runtime(&name)?);
        Ok(())
    }

    fn note_inboxes(&self, runtime: &TeamRuntime, inboxes: &FolderChanges) {
        let note = |owner: &str| self.changes().note(Change::new(runtime.name.as_str(), Changed::Inbox, owner));
        match inboxes {
            FolderChanges::Names(names) => {
                let owners = names.iter().filter_map(|name| Path::new(name).file_stem()?.to_str());
                owners.for_each(note);
            }
            FolderChanges::Everything => {
                note(TEAM_LEAD);
                runtime.teammates().iter().for_each(|teammate| note(teammate.name()));
            }
        }
    }

    /// Sees to what has changed in a team, whoever changed it. Everything that another program writes into the team's inboxes
    /// and tasks arrives here.
    async fn arrived(&self, runtime: &Arc<TeamRuntime>, inboxes: &FolderChanges) {
        self.note_inboxes(runtime, inboxes);
        for teammate in runtime.teammates() {
            let name = teammate.name();
            if inboxes.includes(name.as_str()) {
                let plan = self.apply_plan_answer(runtime, name).await;
                if let Err(error) = plan.and(self.apply_permission_answers(runtime, name).await) {
                    tracing::warn!(member = %name, %error, "an answer of the lead was not heeded");
                }
                teammate.inbox_changed();
            }
        }
    }
}

async fn run(store: Arc<Store>, mut inboxes: TeamWatch, bell: Bell, inner: Weak<Inner>, runtime: Weak<TeamRuntime>) {
    loop {
        let looked = tokio::task::spawn_blocking({
            let store = Arc::clone(&store);
            move || {
                let changes = store.look(&mut inboxes);
                (inboxes, changes)
            }
        });
        let Ok((watch, changes)) = looked.await else { return };
        inboxes = watch;
        {
            let (Some(inner), Some(runtime)) = (inner.upgrade(), runtime.upgrade()) else { return };
            let orchestrator = TeamOrchestrator { inner };
            orchestrator.arrived(&runtime, &changes).await;
            let watcher = store.watcher().clone();
            orchestrator.inner.watching.ensure(async move { watcher.pass_on().await });
        }
        // Nothing is kept alive while this waits: a program that drops its orchestrator has let go of the team's files.
        let told = tokio::task::spawn_blocking({
            let (store, runtime) = (Arc::clone(&store), Weak::clone(&runtime));
            move || runtime.upgrade().map(|runtime| (runtime.record_tasks(&store), runtime.tasks.is_told()))
        });
        let Ok(Some((told, tasks_are_told))) = told.await else { return };
        if let Err(error) = told {
            tracing::warn!(%error, "changes of tasks are not told yet");
        }
        let all_told = inboxes.is_told() && tasks_are_told;
        bell.rings(all_told).await;
    }
}
