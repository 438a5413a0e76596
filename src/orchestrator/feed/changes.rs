//! What has changed in all teams of an orchestrator, for those who watch: each thing with the number of its last change, so
//! that it takes no more room than there are things, and a slow reader loses nothing.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use crate::model::change::{Change, Changed};
use crate::model::event::EventKind;

/// So many things are remembered. A reader for whom one matters that was forgotten is told to read everything anew.
const MOST: usize = 1 << 16;

/// What has changed, and in which order.
#[derive(Debug)]
pub struct Changes {
    epoch: String,
    known: Mutex<Known>,
    last: watch::Sender<u64>,
    most: usize,
}

#[derive(Debug, Default)]
struct Known {
    /// The number of the last change.
    last: u64,
    numbers: HashMap<Change, u64>,
    in_order: BTreeMap<u64, Change>,
    /// The number of the last change that was forgotten.
    forgotten: u64,
}

/// What has changed since a number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Since {
    /// Each thing once, in the order of its last change.
    pub changes: Vec<Change>,
    /// The number from which to go on.
    pub next: u64,
    /// Nobody can tell what has changed since; everything is to be read anew.
    pub reset: bool,
}

impl Default for Changes {
    fn default() -> Self {
        Self::with_room(MOST)
    }
}

impl Changes {
    fn with_room(most: usize) -> Self {
        let epoch = uuid::Uuid::new_v4().simple().to_string();
        Self { epoch, known: Mutex::default(), last: watch::Sender::new(0), most }
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Names this count of changes: numbers of another one mean nothing here.
    pub fn epoch(&self) -> &str {
        &self.epoch
    }

    /// Notes that a thing is another than before, or gone. Whoever is told so and reads it must find it changed: note it
    /// afterwards.
    pub(crate) fn note(&self, change: Change) {
        let number = {
            let mut known = self.lock();
            known.last += 1;
            let number = known.last;
            if let Some(before) = known.numbers.insert(change.clone(), number) {
                known.in_order.remove(&before);
            }
            known.in_order.insert(number, change);
            if known.in_order.len() > self.most
                && let Some((oldest, change)) = known.in_order.pop_first()
            {
                known.numbers.remove(&change);
                known.forgotten = oldest;
            }
            number
        };
        // Another one may have been faster.
        self.last.send_if_modified(|last| std::mem::replace(last, number.max(*last)) < number);
    }

    /// Notes what an event of a team changes.
    pub(crate) fn note_event(&self, team: &str, agent: &str, kind: &EventKind) {
        match kind {
            EventKind::Task { id, .. } => self.note(Change::new(team, Changed::Task, id)),
            EventKind::Mail { .. } => self.note(Change::new(team, Changed::Inbox, agent)),
            EventKind::Approval { id, .. } | EventKind::ApprovalClosed { id, .. } => {
                self.note(Change::new(team, Changed::Approval, id));
                self.note(Change::new(team, Changed::Member, agent));
            }
            EventKind::Spawned { .. }
            | EventKind::State { .. }
            | EventKind::TurnStarted { .. }
            | EventKind::TurnCompleted { .. }
            | EventKind::TurnInterrupted { .. }
            | EventKind::Usage { .. }
            | EventKind::Idle
            | EventKind::Error { .. }
            | EventKind::Exited { .. } => self.note(Change::new(team, Changed::Member, agent)),
            EventKind::RunStarted { .. } | EventKind::RunEnded { .. } | EventKind::LeadEnded { .. } => {
                self.note(Change::team(team))
            }
            // Who creates a team notes it.
            EventKind::TeamCreated { .. }
            | EventKind::Routed { .. }
            | EventKind::ShutdownRequested { .. }
            | EventKind::Delta { .. }
            | EventKind::HookRejected { .. }
            | EventKind::Retracted
            | EventKind::Message { .. }
            | EventKind::Tool { .. }
            | EventKind::Notice { .. }
            | EventKind::Lagged { .. } => {}
        }
    }

    /// The beginning, for a reader who knows nothing yet.
    pub fn start(&self) -> Since {
        Since { changes: Vec::new(), next: self.lock().last + 1, reset: true }
    }

    /// What has changed of a team, or of all, since `from`, which an earlier answer named as its `next`. When nothing has,
    /// waits for a change, at most this long.
    pub async fn since(&self, team: Option<&str>, mut from: u64, wait: Duration) -> Since {
        let deadline = Instant::now() + wait;
        let mut last = self.last.subscribe();
        loop {
            let next = {
                let known = self.lock();
                let next = known.last + 1;
                if from <= known.forgotten || from > next {
                    return Since { changes: Vec::new(), next, reset: true };
                }
                let since = known.in_order.range((Bound::Included(from), Bound::Unbounded));
                let wanted = since.filter(|(_, change)| team.is_none_or(|team| change.team == team));
                let changes: Vec<Change> = wanted.map(|(_, change)| change.clone()).collect();
                if !changes.is_empty() {
                    return Since { changes, next, reset: false };
                }
                next
            };
            // What is behind us is nothing of ours.
            from = next;
            if !matches!(timeout_at(deadline, last.wait_for(|last| *last >= next)).await, Ok(Ok(_))) {
                return Since { changes: Vec::new(), next, reset: false };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    const AT_ONCE: Duration = Duration::ZERO;

    fn member(team: &str, name: &str) -> Change {
        Change::new(team, Changed::Member, name)
    }

    #[tokio::test]
    async fn a_slow_reader_hears_of_each_thing_once_and_of_all() {
        let changes = Changes::default();
        let start = changes.start();
        assert!(start.reset && start.changes.is_empty());
        for _ in 0..1000 {
            changes.note(member("a", "x"));
            changes.note(member("b", "x"));
        }
        changes.note(Change::new("a", Changed::Task, "1"));
        let since = changes.since(Some("a"), start.next, AT_ONCE).await;
        assert_eq!(since.changes, [member("a", "x"), Change::new("a", Changed::Task, "1")]);
        let all = changes.since(None, start.next, AT_ONCE).await;
        assert_eq!(all.changes.len(), 3);
        assert_eq!(changes.since(None, all.next, AT_ONCE).await, Since { changes: Vec::new(), ..all });
        assert_eq!(changes.lock().in_order.len(), 3, "it is bounded by the things that there are");
    }

    #[tokio::test]
    async fn who_cannot_be_told_reads_anew() {
        let changes = Changes::with_room(2);
        let start = changes.start().next;
        assert!(changes.since(None, start + 1, AT_ONCE).await.reset, "a number from the future");
        ["x", "y", "z"].into_iter().for_each(|name| changes.note(member("a", name)));
        let since = changes.since(None, start, AT_ONCE).await;
        assert!(since.reset && since.next == 4, "x was forgotten: {since:?}");
        let since = changes.since(None, 2, AT_ONCE).await;
        assert_eq!((since.reset, since.changes), (false, vec![member("a", "y"), member("a", "z")]));
    }

    #[tokio::test(start_paused = true)]
    async fn a_change_of_the_team_ends_the_wait_and_no_other_does() {
        let changes = Arc::new(Changes::default());
        let from = changes.start().next;
        let waits = tokio::spawn({
            let changes = Arc::clone(&changes);
            async move { changes.since(Some("a"), from, Duration::from_secs(60)).await }
        });
        tokio::task::yield_now().await;
        changes.note(member("b", "x"));
        tokio::task::yield_now().await;
        assert!(!waits.is_finished());
        changes.note(member("a", "x"));
        assert_eq!(waits.await.unwrap().changes, [member("a", "x")]);
        let nothing = changes.since(Some("a"), changes.start().next, Duration::from_secs(60)).await;
        assert_eq!(nothing, Since { changes: Vec::new(), next: 3, reset: false });
    }
}
