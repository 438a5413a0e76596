//! What was read of each task list.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use super::error::UnreadableFile;
use super::watch::FolderWatch;
use crate::model::graph::Graph;
use crate::model::task::{Task, TaskId, TaskStatus};
use crate::sync::lock;

/// A list as it is on disk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TaskList {
    /// The tasks, in the order of their numbers.
    pub tasks: Vec<Arc<Task>>,
    /// Files that are no tasks, or broken ones. They are left alone.
    pub problems: Vec<UnreadableFile>,
}

impl TaskList {
    /// The task with this id.
    pub fn get(&self, id: &str) -> Option<&Arc<Task>> {
        self.place(id).map(|place| &self.tasks[place])
    }

    /// The highest number of a task; 0 when there is none.
    pub fn last_number(&self) -> u64 {
        // They are in order; ids that are no numbers come last.
        self.tasks.iter().rev().find_map(|task| task.id.as_number()).unwrap_or(0)
    }

    /// The tasks that this one still waits for, where nothing else of the list's graph is asked for.
    pub(super) fn open_blockers(&self, id: &TaskId) -> Vec<TaskId> {
        let own = self.get(id).into_iter().flat_map(|task| &task.blocked_by).filter_map(|blocker| self.get(blocker));
        // An edge counts when either of its ends has it.
        let others = self.tasks.iter().filter(|task| task.blocks.contains(id));
        let open = own.chain(others).filter(|task| task.status != TaskStatus::Completed);
        let mut ids: Vec<TaskId> = open.map(|task| task.id.clone()).collect();
        ids.sort_by(|a, b| a.order().cmp(&b.order()));
        ids.dedup();
        ids
    }

    /// The tasks that no longer wait when this one is completed.
    pub(super) fn freed_by(&self, id: &TaskId) -> Vec<TaskId> {
        let blocks_some = self.get(id).is_some_and(|task| !task.blocks.is_empty());
        match blocks_some || self.tasks.iter().any(|task| task.blocked_by.contains(id)) {
            true => Graph::new(&self.tasks).freed_by(id),
            false => Vec::new(),
        }
    }

    /// Where the task with this id stands.
    pub(super) fn place(&self, id: &str) -> Option<usize> {
        let order = (id.parse().unwrap_or(u64::MAX), id);
        self.tasks.binary_search_by(|task| task.id.order().cmp(&order)).ok()
    }
}

/// What was read of each list, kept fresh by a watch on its folder.
#[derive(Debug, Default)]
pub(super) struct TaskCache(Mutex<HashMap<PathBuf, CachedList>>);

#[derive(Debug)]
pub(super) struct CachedList {
    pub(super) watch: FolderWatch,
    /// Which folder is watched: another one may have its name now, when a folder above it was moved.
    pub(super) folder: (u64, u64),
    pub(super) list: Arc<TaskList>,
}

impl TaskCache {
    pub(super) fn lock(&self) -> MutexGuard<'_, HashMap<PathBuf, CachedList>> {
        lock(&self.0)
    }

    /// Gives back what is kept of a list that is gone.
    pub(super) fn forget(&self, dir: &Path) {
        self.lock().remove(dir);
    }
}
