//! What can go wrong between us and one agent. Every message says what was tried and what to do next.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use crate::kind::BackendType;
use crate::permission::PermissionMode;

/// What every call of this crate answers.
pub type Result<T, E = BackendError> = std::result::Result<T, E>;

/// An error of one agent's backend or session.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BackendError {
    /// The agent's program is not installed.
    #[error("{backend}: the program `{program}` was not found; {remedy}")]
    ProgramMissing {
        /// Whose program.
        backend: BackendType,
        /// What was looked for.
        program: String,
        /// How to get it.
        remedy: String,
    },
    /// The program is there but could not be started.
    #[error("cannot start `{program}`: {source}")]
    Start {
        /// What was started.
        program: String,
        /// Why it failed.
        source: io::Error,
    },
    /// The working directory is not a directory.
    #[error("the working directory {} does not exist or is not a directory; create it or pass another one", path.display())]
    WorkingDirectory {
        /// What was asked for.
        path: PathBuf,
    },
    /// The backend cannot do what the configuration asks for.
    #[error("{backend} cannot do this: {what}")]
    Unsupported {
        /// Which backend.
        backend: BackendType,
        /// What it cannot do, and what it can do instead.
        what: String,
    },
    /// The agent's permission mode cannot be changed while it runs.
    #[error(
        "the agent cannot change its permission mode to `{mode}` while it runs; stop it, and spawn it in that mode"
    )]
    FixedMode {
        /// The mode that was asked for.
        mode: PermissionMode,
    },
    /// A permission mode nobody knows.
    #[error("unknown permission mode `{mode}`; use one of {}", PermissionMode::known())]
    UnknownPermissionMode {
        /// The word that was given.
        mode: String,
    },
    /// The agent ended, or refused, before it was ready.
    #[error("{backend} did not become ready: {reason}{}", last_words(stderr))]
    NotReady {
        /// Which backend.
        backend: BackendType,
        /// Why, in the agent's words where it gave any.
        reason: String,
        /// The last lines it wrote on stderr.
        stderr: String,
    },
    /// The agent wants a login first.
    #[error("{backend} is not logged in ({reason}); {remedy}")]
    NotLoggedIn {
        /// Which backend.
        backend: BackendType,
        /// What the agent said.
        reason: String,
        /// The command that logs in.
        remedy: String,
    },
    /// The agent reports a setting that differs from what was asked for.
    #[error("{backend} reports {what} `{reported}` although `{asked}` was asked for; nothing was started")]
    Mismatch {
        /// Which backend.
        backend: BackendType,
        /// Which setting.
        what: &'static str,
        /// What was asked for.
        asked: String,
        /// What the agent reports.
        reported: String,
    },
    /// A call to the agent had no answer in time.
    #[error("{backend} did not answer `{call}` within {} s", after.as_secs_f32())]
    Timeout {
        /// Which backend.
        backend: BackendType,
        /// What was asked.
        call: String,
        /// How long we waited.
        after: Duration,
    },
    /// The agent answered a call with an error.
    #[error("{backend} refused `{call}`: {message}")]
    Refused {
        /// Which backend.
        backend: BackendType,
        /// What was asked.
        call: String,
        /// What it said.
        message: String,
    },
    /// The agent does not have the conversation that was to be continued.
    #[error("{backend} no longer has the conversation {id}: {reason}")]
    ConversationLost {
        /// Which backend.
        backend: BackendType,
        /// The conversation.
        id: String,
        /// What the agent said.
        reason: String,
    },
    /// Another process has the conversation open.
    #[error("{backend}'s conversation {id} is open in another process: {reason}; end that, and try again")]
    ConversationBusy {
        /// Which backend.
        backend: BackendType,
        /// The conversation.
        id: String,
        /// What the agent said.
        reason: String,
    },
    /// Input that would start no turn.
    #[error("the input is empty; give the agent something to do")]
    EmptyInput,
    /// Input the agent would cut off.
    #[error("the input has {bytes} bytes, and {backend} takes at most {limit}; put it into a file and name the file")]
    InputTooLarge {
        /// Which backend.
        backend: BackendType,
        /// What came.
        bytes: usize,
        /// What is possible.
        limit: usize,
    },
    /// Too much input waits already.
    #[error("{waiting} inputs wait for this agent already; wait for it, or interrupt it")]
    QueueFull {
        /// How many wait.
        waiting: usize,
    },
    /// Nobody waits for an answer under that id.
    #[error("no open question `{id}`; it was answered, withdrawn, or its turn has ended")]
    NoSuchApproval {
        /// The id that was given.
        id: String,
    },
    /// The session has ended.
    #[error("the session has ended{}", reason_suffix(reason))]
    Ended {
        /// Why, where known.
        reason: String,
    },
    /// The system failed us while we looked after processes.
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: String,
        /// Why it failed.
        source: io::Error,
    },
}

impl BackendError {
    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }

    pub(crate) fn ended() -> Self {
        Self::Ended { reason: String::new() }
    }
}

fn last_words(stderr: &str) -> String {
    if stderr.is_empty() { String::new() } else { format!(" (its last words: {stderr})") }
}

fn reason_suffix(reason: &str) -> String {
    if reason.is_empty() { String::new() } else { format!(": {reason}") }
}
