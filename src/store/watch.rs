//! Tells which files of a folder changed, whoever changed them.
//!
//! A store has one [`Watcher`], which is told by the kernel of every folder that somebody looks at. The kernel queues an event
//! with the change itself, so that a look at its queue right before an answer makes a cache as fresh as the files. Where the
//! system does not tell, or tells of no more folders, there is no [`FolderWatch`], and whoever wanted one reads the files.

#[cfg(all(target_os = "linux", not(teams_portable)))]
mod inotify;
#[cfg(not(all(target_os = "linux", not(teams_portable))))]
mod nothing;

use std::collections::BTreeSet;
use std::ffi::OsString;

#[cfg(all(target_os = "linux", not(teams_portable)))]
pub use inotify::Watcher;
#[cfg(not(all(target_os = "linux", not(teams_portable))))]
pub use nothing::Watcher;

#[cfg(all(target_os = "linux", not(teams_portable)))]
pub(super) use inotify::FolderWatch;
#[cfg(not(all(target_os = "linux", not(teams_portable))))]
pub(super) use nothing::FolderWatch;

/// What changed in a folder since the last look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Changes {
    /// The JSON files of these names, perhaps none.
    Names(BTreeSet<OsString>),
    /// Anything: the folder itself, or more than can be told.
    Everything,
}

impl Default for Changes {
    fn default() -> Self {
        Self::Names(BTreeSet::new())
    }
}

impl Changes {
    /// Whether nothing changed.
    pub fn is_empty(&self) -> bool {
        matches!(self, Self::Names(names) if names.is_empty())
    }

    /// Both these and others.
    pub fn add(&mut self, others: Self) {
        match (&mut *self, others) {
            (Self::Names(names), Self::Names(others)) => names.extend(others),
            _ => *self = Self::Everything,
        }
    }

    /// Whether `<stem>.json` may have changed.
    pub fn includes(&self, stem: &str) -> bool {
        match self {
            Self::Names(names) => names.contains(OsString::from(format!("{stem}.json")).as_os_str()),
            Self::Everything => true,
        }
    }
}

/// Which moments of a change somebody wants to be told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Interest {
    /// Each one: a file that is being written in place is half old already.
    Any,
    /// Only the end of it: a file that is being written in place is not worth a look yet.
    Finished,
}
