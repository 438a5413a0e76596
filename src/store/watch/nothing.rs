//! The watcher of a system that does not tell, in a way that we know, of changes at the moment of an answer. It has no watch
//! to give, so that caches are not used and folders are looked at from time to time.

use std::path::Path;
use std::sync::Arc;

use tokio::sync::Notify;

use super::{FolderChanges, Interest};

/// Tells nobody of anything.
#[derive(Clone, Debug, Default)]
pub struct Watcher;

/// A folder that is watched; there is none.
#[derive(Debug)]
pub(in crate::store) enum FolderWatch {}

impl Watcher {
    /// Would watch a folder.
    #[expect(clippy::unused_self, reason = "the other watcher needs it")]
    pub(in crate::store) fn folder(
        &self,
        _dir: &Path,
        _interest: Interest,
        _bell: Option<&Arc<Notify>>,
    ) -> Option<FolderWatch> {
        None
    }

    /// Would pass on what the system tells; returns at once.
    pub async fn pass_on(&self) {}

    /// Whether somebody passes on what the system tells.
    #[expect(clippy::unused_self, reason = "the other watcher needs it")]
    pub(in crate::store) fn is_passing_on(&self) -> bool {
        false
    }
}

impl FolderWatch {
    /// What changed since the last call.
    pub(in crate::store) fn changes(&self) -> FolderChanges {
        match *self {}
    }

    /// Whether this watch will tell of nothing more.
    pub(in crate::store) fn is_over(&self) -> bool {
        match *self {}
    }
}
