//! The only part that touches Claude Code's files: teams, tasks and inboxes, in its format and under its lock. It knows
//! nothing of agents. Every call blocks on files; callers in async code use a blocking thread.

mod append;
mod atomic;
mod claims;
mod edits;
mod error;
mod files;
mod group;
mod halves;
mod inbox_cache;
mod inboxes;
mod jobs;
mod json;
mod lead_settings;
mod lock;
mod memory;
mod outcomes;
mod task_cache;
mod tasks;
mod team_watch;
mod teams;
mod watch;

pub use atomic::write_private;
pub use error::{Result, StoreError, UnreadableFile};
pub use files::Store;
pub use inboxes::new_message;
use json::{RawObject, pretty, read_json, read_raw, read_with, set, typed};
pub use memory::Memory;
pub use outcomes::{Expected, Outcome};
pub use task_cache::TaskList;
pub use team_watch::{Bell, TeamWatch};
pub use teams::NewMember;
pub use watch::{FolderChanges, Watcher};
