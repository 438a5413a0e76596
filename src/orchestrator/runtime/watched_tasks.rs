//! A team's tasks, watched: what the team was told of them, and what has changed since. It knows no verb.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::model::name::{TEAM_LEAD, TeamName};
use crate::orchestrator::feed::Feed;
use crate::orchestrator::runtime::told_tasks::ToldTasks;
use crate::store::{self, Bell, Store, StoreError, TeamWatch};
use crate::sync::lock;

/// A team's tasks, which are watched.
#[derive(Debug)]
pub(crate) struct WatchedTasks {
    bell: Bell,
    seen: Mutex<Seen>,
    /// They may have changed since [`Self::take_changed`] was asked.
    changed: AtomicBool,
}

#[derive(Debug)]
struct Seen {
    told: ToldTasks,
    watch: TeamWatch,
}

impl WatchedTasks {
    pub(crate) fn new(store: &Store, team: &TeamName) -> Self {
        let bell = Bell::default();
        let watch = store.watch_tasks(team, &bell);
        Self { bell, seen: Mutex::new(Seen { told: ToldTasks::default(), watch }), changed: AtomicBool::new(true) }
    }

    /// Rings when a task may have changed, if somebody told the bell's other listeners to ring it: see [`Bell`].
    pub(crate) fn bell(&self) -> &Bell {
        &self.bell
    }

    /// Whether the bell rings by itself.
    pub(crate) fn is_told(&self) -> bool {
        lock(&self.seen).watch.is_told()
    }

    /// Whether they may have changed since this was asked last.
    pub(crate) fn take_changed(&self) -> bool {
        self.changed.swap(false, Ordering::SeqCst)
    }

    /// They could not be looked at.
    pub(crate) fn look_again(&self) {
        self.changed.store(true, Ordering::SeqCst);
    }

    /// Tells the team what became of its tasks since it was told last; the first time, it gets to know them.
    pub(crate) fn record(&self, store: &Store, team: &TeamName, feed: &Feed) -> store::Result<()> {
        // One after the other, so that each change is told once and in its order.
        let mut seen = lock(&self.seen);
        let Seen { told, watch } = &mut *seen;
        told.may_have_changed(store.look(watch));
        if told.is_up_to_date() {
            return Ok(());
        }
        // Before the next change can be told, which waits for us.
        self.changed.store(true, Ordering::SeqCst);
        match store.tasks(team) {
            Ok(list) => {
                for event in told.compare(&list) {
                    feed.append(TEAM_LEAD, None, event);
                }
                Ok(())
            }
            // They were not deleted one by one.
            Err(StoreError::NoTeam { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }
}
