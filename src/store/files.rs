//! Where the files are, and what is kept in memory of them.

use std::path::{Path, PathBuf};

use super::group::Groups;
use super::inbox_cache::InboxCache;
use super::jobs::{Append, Claim, Dates};
use super::lock::Locks;
use super::task_cache::TaskCache;
use super::watch::Watcher;
use crate::model::task::Task;

/// Claude Code's files below one pair of folders.
#[derive(Debug)]
pub struct Store {
    pub(super) teams: PathBuf,
    pub(super) tasks: PathBuf,
    pub(super) locks: Locks,
    pub(super) watcher: Watcher,
    pub(super) task_cache: TaskCache,
    pub(super) inbox_cache: InboxCache,
    /// What is to be appended to inboxes.
    pub(super) appends: Groups<Append, Dates>,
    /// Who wants tasks of which list.
    pub(super) claims: Groups<Claim, Option<Task>>,
}

impl Store {
    /// Teams below `teams`, task lists below `tasks`; `locks` is a private folder in which our own processes queue. Nothing
    /// is created yet.
    pub fn new(teams: impl Into<PathBuf>, tasks: impl Into<PathBuf>, locks: impl Into<PathBuf>) -> Self {
        Self {
            teams: teams.into(),
            tasks: tasks.into(),
            locks: Locks::new(locks.into()),
            watcher: Watcher::default(),
            task_cache: TaskCache::default(),
            inbox_cache: InboxCache::default(),
            appends: Groups::default(),
            claims: Groups::default(),
        }
    }

    /// Where teams are.
    pub fn teams_dir(&self) -> &Path {
        &self.teams
    }
}
