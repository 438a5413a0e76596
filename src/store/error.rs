//! What can go wrong with the files. Every message says what is the matter and what to do next.

use std::io;
use std::path::{Path, PathBuf};

use crate::model::memory::BadMemoryName;
use crate::model::name::BadName;
use crate::model::task::BadTaskId;

/// What every call of the store answers.
pub type Result<T, E = StoreError> = std::result::Result<T, E>;

/// A file that is there and cannot be understood. It is never overwritten.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, serde::Serialize, serde::Deserialize)]
#[error("{} cannot be read as what it should be ({reason}); repair it or move it away", path.display())]
pub struct UnreadableFile {
    /// Which.
    pub path: PathBuf,
    /// What is wrong with it.
    pub reason: String,
}

/// An error of the store.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// No team of that name.
    #[error("there is no team `{team}`; {}", those(existing, "teams", team))]
    NoTeam {
        /// What was asked for.
        team: String,
        /// Those that there are.
        existing: Vec<String>,
    },
    /// A team of that name is there already.
    #[error("a team `{team}` exists already; choose another name, or delete it with `teams delete {team}`")]
    TeamExists {
        /// Its name.
        team: String,
    },
    /// No member of that name.
    #[error("team `{team}` has no member `{member}`; {}", those(existing, "members", member))]
    NoMember {
        /// The team.
        team: String,
        /// What was asked for.
        member: String,
        /// Those that there are.
        existing: Vec<String>,
    },
    /// A member of that name is there already.
    #[error("team `{team}` has a member `{member}` already; choose another name, or stop that one first")]
    MemberExists {
        /// The team.
        team: String,
        /// Its name.
        member: String,
    },
    /// No task with that id.
    #[error("team `{team}` has no task #{id}; `teams task list` shows them")]
    NoTask {
        /// The team.
        team: String,
        /// What was asked for.
        id: String,
    },
    /// A new task without a subject.
    #[error("a task needs a subject")]
    NoSubject,
    /// The dependency would close a circle.
    #[error("#{blocked} cannot wait for #{blocker}: that would be a circle, {}", circle(path))]
    Cycle {
        /// What would be waited for.
        blocker: String,
        /// What would wait.
        blocked: String,
        /// The circle.
        path: Vec<String>,
    },
    /// The task waits for others.
    #[error("#{id} waits for {}; complete {} first", circle(blockers), if blockers.len() == 1 { "it" } else { "them" })]
    Blocked {
        /// The task.
        id: String,
        /// What it waits for.
        blockers: Vec<String>,
    },
    /// Somebody else has the task.
    #[error("#{id} belongs to {owner} and is {status}")]
    Claimed {
        /// The task.
        id: String,
        /// Its owner, or `nobody`.
        owner: String,
        /// Its status.
        status: String,
    },
    /// A word about an attempt at a task that is over.
    #[error(
        "#{id} was given out again since: attempt {attempt} is over, and attempt {now} counts; drop what you have of it"
    )]
    OldAttempt {
        /// The task.
        id: String,
        /// The attempt that the word is about.
        attempt: u64,
        /// The one that counts.
        now: u64,
    },
    /// The task has failed for good.
    #[error("#{id} has failed ({reason}); `teams task retry {id}` makes it one that can be begun")]
    Failed {
        /// The task.
        id: String,
        /// Why it has.
        reason: String,
    },
    /// The text is no name.
    #[error(transparent)]
    BadName(#[from] BadName),
    /// The text is no task id.
    #[error(transparent)]
    BadTaskId(#[from] BadTaskId),
    /// The text cannot name a value.
    #[error(transparent)]
    BadMemoryName(#[from] BadMemoryName),
    /// Nothing is remembered under that name.
    #[error("nothing is remembered as `{name}`; {}", those(existing, "values", name))]
    NoMemory {
        /// What was asked for.
        name: String,
        /// Those that there are.
        existing: Vec<String>,
    },
    /// Somebody else was faster.
    #[error(
        "`{name}` is at version {version}, not {expected}, and nothing was changed; read it, and write again with that version"
    )]
    MemoryChanged {
        /// The value.
        name: String,
        /// The version that was expected; 0 for nothing.
        expected: u64,
        /// The version that is there; 0 for nothing.
        version: u64,
    },
    /// A value is too long.
    #[error(
        "`{name}` would have {bytes} bytes, and a value has at most {limit}; put it into a file, and remember its path"
    )]
    MemoryTooLarge {
        /// The value.
        name: String,
        /// Its length as JSON.
        bytes: usize,
        /// The longest.
        limit: usize,
    },
    /// There are too many values.
    #[error("the team remembers {limit} values already; delete one first")]
    MemoryFull {
        /// The most.
        limit: usize,
    },
    /// A message without a text.
    #[error("the message is empty; say something")]
    EmptyMessage,
    /// The lock was held all the time.
    #[error("{} has been locked by another program for {seconds} s, and nothing was written; if no program uses it, remove {}", path.display(), lock.display())]
    Locked {
        /// What was to be written.
        path: PathBuf,
        /// The lock.
        lock: PathBuf,
        /// How long we waited.
        seconds: u64,
    },
    /// A file that is no JSON, or not the right one.
    #[error(transparent)]
    Unreadable(UnreadableFile),
    /// The system failed.
    #[error("cannot {what} {}: {source}; nothing was lost", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// On what.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
}

impl StoreError {
    pub(super) fn io(what: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io { what, path: path.to_owned(), source }
    }
}

/// Names that are as near to each other as this, of 1, are taken for slips of the pen.
const NEAR: f64 = 0.8;

fn those(existing: &[String], what: &str, asked: &str) -> String {
    if existing.is_empty() {
        return format!("there are no {what} yet");
    }
    let asked = asked.to_lowercase();
    let near: Vec<String> = existing
        .iter()
        .filter(|name| strsim::jaro_winkler(&asked, &name.to_lowercase()) >= NEAR)
        .map(|name| format!("`{name}`"))
        .collect();
    let hint = if near.is_empty() { String::new() } else { format!("did you mean {}? ", near.join(" or ")) };
    format!("{hint}{what}: {}", existing.join(", "))
}

fn circle(path: &[String]) -> String {
    path.iter().map(|id| format!("#{id}")).collect::<Vec<_>>().join(if path.len() > 2 { " <- " } else { ", " })
}
