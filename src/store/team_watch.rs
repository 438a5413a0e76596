//! What is watched of a team: its inboxes or its tasks, whoever changes them, and wherever they are.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;

use super::Store;
use super::watch::{FolderChanges, FolderWatch, Interest, Watcher};
use crate::model::name::TeamName;

/// How often folders are looked at where the system does not tell of changes: as often as Claude Code looks at its own.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// Rings when something that one waits for may have changed. Clones are the same bell.
#[derive(Clone, Debug, Default)]
pub struct Bell(Arc<Notify>);

impl Bell {
    /// Waits until it rings; or for a while, when the system does not tell of `all` that is waited for.
    pub async fn rings(&self, all: bool) {
        if all {
            self.0.notified().await;
        } else {
            let _ = tokio::time::timeout(LOOK_AGAIN, self.0.notified()).await;
        }
    }
}

/// A team's inboxes, or its tasks, as one who follows them has seen them.
#[derive(Debug)]
pub struct TeamWatch {
    team: TeamName,
    what: What,
    watcher: Watcher,
    bell: Bell,
    folder: Option<FolderWatch>,
}

#[derive(Clone, Copy, Debug)]
enum What {
    Inboxes,
    Tasks,
}

impl TeamWatch {
    /// Whether its bell rings by itself: the system tells of changes, and somebody drives [`Watcher::pass_on`].
    pub fn is_told(&self) -> bool {
        self.folder.is_some() && self.watcher.is_passing_on()
    }
}

impl Store {
    /// Tells everybody who watches a team of this store of changes.
    pub fn watcher(&self) -> &Watcher {
        &self.watcher
    }

    /// Begins to watch a team's inboxes; the files are named for members. The first [look](Self::look) says that everything
    /// may have changed. Neither the team nor the folder need exist.
    pub fn watch_inboxes(&self, team: &TeamName, bell: &Bell) -> TeamWatch {
        self.watch(team, What::Inboxes, bell)
    }

    /// Begins to watch a team's tasks, as [`watch_inboxes`](Self::watch_inboxes) does its inboxes; the files are named for
    /// their ids.
    pub fn watch_tasks(&self, team: &TeamName, bell: &Bell) -> TeamWatch {
        self.watch(team, What::Tasks, bell)
    }

    fn watch(&self, team: &TeamName, what: What, bell: &Bell) -> TeamWatch {
        TeamWatch { team: team.clone(), what, watcher: self.watcher.clone(), bell: bell.clone(), folder: None }
    }

    /// What changed since the last look, up to this moment. It is noticed when a folder comes, goes, or is another one.
    pub fn look(&self, watch: &mut TeamWatch) -> FolderChanges {
        if let Some(folder) = watch.folder.as_ref().filter(|folder| !folder.is_over()) {
            return folder.changes();
        }
        let dir = match watch.what {
            What::Inboxes => self.inbox_dir(&watch.team),
            What::Tasks => self.task_dir(&watch.team).unwrap_or_else(|_| self.tasks.join(watch.team.as_str())),
        };
        // Whoever is told begins to work on it, so half a file is not worth it.
        watch.folder = self.watcher.folder(&dir, Interest::Finished, Some(&watch.bell.0));
        FolderChanges::Everything
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::name::AgentName;
    use crate::model::task::CreateTaskRequest;
    use crate::store::new_message;
    use std::path::Path;

    #[test]
    fn a_team_is_watched_before_it_exists_while_it_does_and_when_it_is_another_one() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::new(dir.path().join("teams"), dir.path().join("tasks"), dir.path().join("locks"));
        let team: TeamName = "t".parse().unwrap();
        let bell = Bell::default();
        let (mut inboxes, mut tasks) = (store.watch_inboxes(&team, &bell), store.watch_tasks(&team, &bell));
        for _ in 0..2 {
            assert_eq!(store.look(&mut inboxes), FolderChanges::Everything);
            assert_eq!(store.look(&mut tasks), FolderChanges::Everything);
            store.create_team(&team, None, Path::new("/"), 1).unwrap();
            // Each folder above that is made is a step, at which the one below is looked for.
            for _ in 0..3 {
                store.look(&mut inboxes);
                store.look(&mut tasks);
            }
            store.create_task(&team, &CreateTaskRequest { subject: "s".into(), ..Default::default() }).unwrap();
            let mut message = [new_message("w", "x", None, None)];
            store.append_messages(&team, &AgentName::lead(), &mut message, jiff::Timestamp::now()).unwrap();
            assert!(store.look(&mut inboxes).includes("team-lead"));
            assert!(store.look(&mut tasks).includes("1"));
            store.delete_team(&team).unwrap();
        }
    }

    #[cfg(all(target_os = "linux", not(teams_portable)))]
    #[test]
    fn nothing_is_told_twice_and_nothing_that_is_not_so() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::new(dir.path().join("teams"), dir.path().join("tasks"), dir.path().join("locks"));
        let team: TeamName = "t".parse().unwrap();
        store.create_team(&team, None, Path::new("/"), 1).unwrap();
        let bell = Bell::default();
        let (mut inboxes, mut tasks) = (store.watch_inboxes(&team, &bell), store.watch_tasks(&team, &bell));
        store.create_task(&team, &CreateTaskRequest { subject: "s".into(), ..Default::default() }).unwrap();
        store.look(&mut inboxes);
        store.look(&mut tasks);
        store.create_task(&team, &CreateTaskRequest { subject: "s".into(), ..Default::default() }).unwrap();
        assert!(store.look(&mut inboxes).is_empty());
        assert_eq!(store.look(&mut tasks), FolderChanges::Names(["2.json".into()].into()));
        assert!(store.look(&mut tasks).is_empty());
    }
}
