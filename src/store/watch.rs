//! Tells which files of a folder changed, whoever changed them. The kernel queues an event with the change itself, so that
//! a look at the queue right before an answer makes a cache as fresh as the files.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::os::fd::{AsFd as _, AsRawFd, RawFd};
use std::path::{Path, PathBuf};

use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};

/// A folder that is looked at.
#[derive(Debug)]
pub(super) struct DirWatch {
    inotify: Inotify,
}

/// What changed since the last look.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Changes {
    /// The files of these names, perhaps none.
    Names(BTreeSet<OsString>),
    /// Too much to tell, or the folder itself.
    Everything,
}

impl DirWatch {
    /// Looks at `dir` from now on; `None` where the system cannot, or has no watch left.
    pub(super) fn new(dir: &Path) -> Option<Self> {
        let inotify = Inotify::init(InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC).ok()?;
        let flags = AddWatchFlags::IN_MODIFY
            | AddWatchFlags::IN_CREATE
            | AddWatchFlags::IN_DELETE
            | AddWatchFlags::IN_MOVE
            | AddWatchFlags::IN_DELETE_SELF
            | AddWatchFlags::IN_MOVE_SELF
            | AddWatchFlags::IN_ONLYDIR;
        inotify.add_watch(dir, flags).ok()?;
        Some(Self { inotify })
    }

    /// What changed since the last call.
    pub(super) fn changes(&self) -> Changes {
        let mut names = BTreeSet::new();
        loop {
            match self.inotify.read_events() {
                Err(nix::errno::Errno::EAGAIN) => return Changes::Names(names),
                Err(_) => return Changes::Everything,
                Ok(events) => {
                    for event in events {
                        match event.name {
                            Some(name) => {
                                names.insert(name);
                            }
                            None => return Changes::Everything,
                        }
                    }
                }
            }
        }
    }
}

/// A team's inboxes, which are looked at.
#[derive(Debug)]
pub struct InboxWatch {
    inotify: Inotify,
    dir: PathBuf,
}

impl InboxWatch {
    pub(super) fn new(dir: PathBuf) -> Option<Self> {
        let inotify = Inotify::init(InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC).ok()?;
        // A file is replaced, or, by old versions of Claude Code, written in place.
        let flags = AddWatchFlags::IN_MOVED_TO | AddWatchFlags::IN_CLOSE_WRITE | AddWatchFlags::IN_ONLYDIR;
        inotify.add_watch(&dir, flags).ok()?;
        Some(Self { inotify, dir })
    }

    /// Whose inboxes have changed since the last call; `None` when that cannot be told.
    pub fn changed(&self) -> Option<BTreeSet<String>> {
        let mut names = BTreeSet::new();
        loop {
            match self.inotify.read_events() {
                Err(nix::errno::Errno::EAGAIN) => return Some(names),
                Err(_) => return None,
                Ok(events) => {
                    for event in events {
                        let name = event.name?;
                        names.extend(name.to_str().and_then(|name| name.strip_suffix(".json")).map(str::to_owned));
                    }
                }
            }
        }
    }

    /// Whether the folder is gone, so that nothing will change any more.
    pub fn is_gone(&self) -> bool {
        !self.dir.is_dir()
    }
}

impl AsRawFd for InboxWatch {
    fn as_raw_fd(&self) -> RawFd {
        self.inotify.as_fd().as_raw_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_change_is_seen_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let watch = DirWatch::new(dir.path()).unwrap();
        assert_eq!(watch.changes(), Changes::Names(BTreeSet::new()));
        fs::write(dir.path().join("a"), "1").unwrap();
        fs::rename(dir.path().join("a"), dir.path().join("b")).unwrap();
        assert_eq!(watch.changes(), Changes::Names(BTreeSet::from(["a".into(), "b".into()])));
        assert_eq!(watch.changes(), Changes::Names(BTreeSet::new()));
        fs::remove_dir_all(dir.path()).unwrap();
        assert_eq!(watch.changes(), Changes::Everything);
    }
}
