//! Tells which files of a folder changed, whoever changed them.
//!
//! A store has one [`Watcher`], which is told by the kernel of every folder that somebody looks at. The kernel queues an event
//! with the change itself, so that a look at its queue right before an answer makes a cache as fresh as the files. Where the
//! system does not tell, or tells of no more folders, there is no [`FolderWatch`], and whoever wanted one reads the files.

mod changes;
#[cfg(all(target_os = "linux", not(teams_portable)))]
mod inotify;
#[cfg(not(all(target_os = "linux", not(teams_portable))))]
mod nothing;

pub use changes::FolderChanges;
pub(super) use changes::Interest;
#[cfg(all(target_os = "linux", not(teams_portable)))]
pub use inotify::Watcher;
#[cfg(not(all(target_os = "linux", not(teams_portable))))]
pub use nothing::Watcher;

#[cfg(all(target_os = "linux", not(teams_portable)))]
pub(super) use inotify::FolderWatch;
#[cfg(not(all(target_os = "linux", not(teams_portable))))]
pub(super) use nothing::FolderWatch;
