//! What changed in a folder, and who wants to be told of what.

use std::collections::BTreeSet;
use std::ffi::OsString;

/// What changed in a folder since the last look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FolderChanges {
    /// The JSON files of these names, perhaps none.
    Names(BTreeSet<OsString>),
    /// Anything: the folder itself, or more than can be told.
    Everything,
}

impl Default for FolderChanges {
    fn default() -> Self {
        Self::Names(BTreeSet::new())
    }
}

impl FolderChanges {
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
pub(in crate::store) enum Interest {
    /// Each one: a file that is being written in place is half old already.
    Any,
    /// Only the end of it: a file that is being written in place is not worth a look yet.
    Finished,
}
