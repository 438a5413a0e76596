//! What is known of inboxes as long as nobody changes them.

use std::collections::HashMap;
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, SystemTime};

use crate::sync::lock;

/// What we know of inboxes as long as nobody changes them.
#[derive(Debug, Default)]
pub(super) struct InboxCache {
    known: Mutex<HashMap<PathBuf, Known>>,
    /// How long inboxes were when they were looked through for what can go.
    looked_through: Mutex<HashMap<PathBuf, u64>>,
}

/// An inbox is looked through again when it has grown by so much, in bytes.
const GROWTH: u64 = 64 << 10;

#[derive(Debug, Clone, Copy)]
pub(super) struct Known {
    pub(super) stamp: Stamp,
    /// We wrote it, so that it need not be checked again.
    pub(super) ours: bool,
    /// How many of its messages nobody has read.
    pub(super) unread: Option<usize>,
}

/// What tells one content of a file from another: every writer but old versions of Claude Code replaces the file, so the inode
/// changes too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    inode: u64,
    bytes: u64,
    changed: (i64, i64),
}

/// A change within this time of another may leave the time of change as it is, which has the steps of the system's clock.
const CLOCK_STEP: Duration = Duration::from_millis(50);

impl Stamp {
    pub(super) fn of(meta: &Metadata) -> Self {
        Self { inode: meta.ino(), bytes: meta.size(), changed: (meta.ctime(), meta.ctime_nsec()) }
    }

    /// Whether the next change will have another stamp, whoever makes it.
    pub(super) fn is_settled(&self) -> bool {
        let (Ok(seconds), Ok(nanos)) = (u64::try_from(self.changed.0), u32::try_from(self.changed.1)) else {
            return false;
        };
        let changed = SystemTime::UNIX_EPOCH + Duration::new(seconds, nanos);
        // A clock that was put back says nothing.
        SystemTime::now().duration_since(changed).is_ok_and(|age| age > CLOCK_STEP)
    }
}

impl InboxCache {
    /// Whether an inbox of this size is longer by a good deal, or shorter, than when this was asked and so last.
    pub(super) fn has_grown(&self, path: &Path, size: u64) -> bool {
        let mut looked = lock(&self.looked_through);
        let before = looked.get(path).copied();
        let has_grown = before.is_none_or(|before| size < before || size >= before + GROWTH);
        if has_grown {
            looked.insert(path.to_owned(), size);
        }
        has_grown
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, HashMap<PathBuf, Known>> {
        lock(&self.known)
    }

    /// What we know of the file with this stamp.
    pub(super) fn get(&self, path: &Path, stamp: Stamp) -> Option<Known> {
        self.lock().get(path).filter(|known| known.stamp == stamp).copied()
    }

    /// Notes what we have written, and still have the lock of.
    pub(super) fn wrote(&self, path: &Path, unread: Option<usize>) {
        let Ok(meta) = fs::metadata(path) else { return self.forget(path) };
        self.lock().insert(path.to_owned(), Known { stamp: Stamp::of(&meta), ours: true, unread });
    }

    pub(super) fn counted(&self, path: &Path, stamp: Stamp, unread: usize) {
        let mut cache = self.lock();
        let ours = cache.get(path).is_some_and(|known| known.stamp == stamp && known.ours);
        cache.insert(path.to_owned(), Known { stamp, ours, unread: Some(unread) });
    }

    pub(super) fn forget(&self, path: &Path) {
        self.lock().remove(path);
        lock(&self.looked_through).remove(path);
    }

    /// Forgets the inboxes in a folder that is gone.
    pub(super) fn forget_all(&self, dir: &Path) {
        self.lock().retain(|path, _| !path.starts_with(dir));
        lock(&self.looked_through).retain(|path, _| !path.starts_with(dir));
    }
}
