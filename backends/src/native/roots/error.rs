//! Why a path cannot be used, in words that tell a model what to do instead.

use std::io;
use std::path::{Path, PathBuf};

use crate::native::tools::shown::shown;

/// A path that cannot be used.
#[derive(Debug, thiserror::Error)]
pub(in crate::native) enum PathError {
    #[error("the path is empty; name a file or a folder, or `.`")]
    Empty,
    #[error("the path has a NUL character in it, which no path can have")]
    Nul,
    #[error("`{}` lies outside of {roots}; only what is in there can be used", shown(path))]
    Outside { path: String, roots: String },
    #[error("`{}` leads out of {}, through a link or `..`; only what is in there can be used", shown(path), root.display())]
    LinkOut { path: String, root: PathBuf },
    #[error("there is no `{}` in {roots}; look with list_directory or search_files", shown(path))]
    Missing { path: String, roots: String },
    #[error("`{}` is a link to something that is not there", shown(path))]
    LinkToNothing { path: String },
    #[error("a part of `{}` that would have to be a folder is none", shown(path))]
    NotAFolder { path: String },
    #[error("`{}` is a folder, not a file; list it with list_directory", shown(path))]
    IsAFolder { path: String },
    #[error("`{}` is {what}, not a file with text; it cannot be used", shown(path))]
    Special { path: String, what: &'static str },
    #[error("`{}` is write-protected; change its mode first if it is really meant", shown(path))]
    WriteProtected { path: String },
    #[error("`{}` lies on the side that is only read; files are written below {}", shown(path), work_dir.display())]
    ReadOnlySide { path: String, work_dir: PathBuf },
    #[error("`{}` was changed by somebody else meanwhile; nothing was written, read it again", shown(path))]
    Changed { path: String },
    #[error("the call was cancelled; nothing was written")]
    Cancelled,
    #[error("`{}` cannot {what}: {source}", shown(path))]
    Io { path: String, what: &'static str, source: io::Error },
}

impl PathError {
    pub(super) fn of(named: &str, root: &Path, what: &'static str, error: io::Error) -> Self {
        let path = named.to_owned();
        if is_escape(&error) {
            return Self::LinkOut { path, root: root.to_owned() };
        }
        match error.kind() {
            io::ErrorKind::NotFound => Self::Missing { path, roots: root.display().to_string() },
            io::ErrorKind::NotADirectory => Self::NotAFolder { path },
            _ => Self::Io { path, what, source: error },
        }
    }
}

/// Whether cap-std has refused a path because it leads out: its own error, which no system call answers.
pub(super) fn is_escape(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::PermissionDenied && error.raw_os_error().is_none()
}
