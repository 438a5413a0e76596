//! The only part that touches Claude Code's files: teams, tasks and inboxes, in its format and under its lock. It knows
//! nothing of agents. Every call blocks on files; callers in async code use a blocking thread.

mod atomic;
mod edits;
mod error;
mod inboxes;
mod lock;
mod memory;
mod tasks;
mod team_watch;
mod teams;
mod watch;

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

pub use atomic::write_private;
pub use error::{StoreError, UnreadableFile};
pub use inboxes::new_message;
pub use memory::Memory;
pub use tasks::TaskList;
pub use team_watch::{Bell, TeamWatch};
pub use teams::NewMember;
pub use watch::{Changes, Watcher};

/// What every call of the store answers.
pub type Result<T, E = StoreError> = std::result::Result<T, E>;

/// A JSON object as it is in a file: unknown fields and the order of all survive a rewrite.
type RawObject = Map<String, Value>;

/// Claude Code's files below one pair of folders.
#[derive(Debug)]
pub struct Store {
    teams: PathBuf,
    tasks: PathBuf,
    locks: lock::Locks,
    watcher: Watcher,
    task_cache: tasks::TaskCache,
    inbox_cache: inboxes::InboxCache,
}

impl Store {
    /// Teams below `teams`, task lists below `tasks`; `locks` is a private folder in which our own processes queue. Nothing
    /// is created yet.
    pub fn new(teams: impl Into<PathBuf>, tasks: impl Into<PathBuf>, locks: impl Into<PathBuf>) -> Self {
        Self {
            teams: teams.into(),
            tasks: tasks.into(),
            locks: lock::Locks::new(locks.into()),
            watcher: Watcher::default(),
            task_cache: tasks::TaskCache::default(),
            inbox_cache: inboxes::InboxCache::default(),
        }
    }

    /// Where teams are.
    pub fn teams_dir(&self) -> &Path {
        &self.teams
    }
}

/// Reads a JSON file. Claude Code writes some of its files in place, so one that does not parse is read again for a while.
fn read_json<T: serde::de::DeserializeOwned>(path: &Path) -> Result<Option<T>> {
    const ATTEMPTS: u32 = 10;
    let mut attempt = 0;
    loop {
        let bytes = match fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(StoreError::io("read", path, source)),
        };
        match serde_json::from_slice(&bytes) {
            Ok(value) => return Ok(Some(value)),
            Err(error) if attempt >= ATTEMPTS => {
                return Err(StoreError::Unreadable(UnreadableFile {
                    path: path.to_owned(),
                    reason: error.to_string(),
                }));
            }
            Err(_) => {
                attempt += 1;
                std::thread::sleep(std::time::Duration::from_millis(3));
            }
        }
    }
}

/// As Claude Code writes JSON: two spaces, no newline at the end.
fn pretty(value: &impl serde::Serialize) -> Vec<u8> {
    serde_json::to_vec_pretty(value).expect("maps with string keys always serialise")
}

/// Sets `key` where it stands, or appends it; `None` removes it.
fn set(raw: &mut RawObject, key: &str, value: Option<Value>) {
    match value {
        Some(value) => {
            raw.insert(key.to_owned(), value);
        }
        None => {
            raw.shift_remove(key);
        }
    }
}
