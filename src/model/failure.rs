//! An error as programs and people see it from outside: what kind it is, what went wrong, and what to do next.

use serde::{Deserialize, Serialize};

/// What kind of error it is: one for each way in which a caller would act differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum ErrorKind {
    /// There is no such team.
    NoTeam,
    /// Several teams exist, and none was named.
    WhichTeam,
    /// The team has no such member.
    NoMember,
    /// The team has no such task.
    NoTask,
    /// A team file names programs or gives permissions, and nobody has trusted it as it is.
    NotTrusted,
    /// A hook says no.
    Vetoed,
    /// There is no such run, or none to go on with.
    NoRun,
    /// Nothing is known of such a message.
    NoMessage,
    /// No such question is open; it may have been answered meanwhile.
    NoApproval,
    /// No such request is open.
    NoRequest,
    /// The team is not recorded.
    NoRecording,
    /// Nothing is remembered under that name.
    NoMemory,
    /// The member has no worktree.
    NoWorktree,
    /// A team or a member of that name exists already.
    Exists,
    /// The text is not a valid name.
    BadName,
    /// A parameter has a value that is not allowed, or is empty and must not be.
    BadInput,
    /// The input, message or value is too long.
    TooLarge,
    /// No such backend is set up.
    NoBackend,
    /// The backend cannot do that.
    Unsupported,
    /// The agent's program is not installed.
    NoProgram,
    /// The agent wants a login first.
    NotLoggedIn,
    /// The agent could not be started.
    NotStarted,
    /// The agent no longer has the conversation that was to go on.
    ConversationLost,
    /// It runs, and would have to be stopped first.
    Running,
    /// It is occupied; the same call may succeed later.
    Busy,
    /// The member does not run.
    NotRunning,
    /// The member does not run, and the same call with surroundings starts it.
    Dormant,
    /// The member was started too often within a short time; a person restarts it.
    StartLimit,
    /// The budget is used up.
    OverBudget,
    /// The member has written too many messages in a short time.
    TooOften,
    /// There is no room for another one.
    Full,
    /// The task waits for others.
    Blocked,
    /// The dependency would close a circle.
    Cycle,
    /// Somebody else has the task.
    Claimed,
    /// Somebody else has changed it meanwhile; read it again.
    Changed,
    /// Another program holds the lock of a file.
    Locked,
    /// Another process drives the team.
    Elsewhere,
    /// Something would be lost with it.
    InUse,
    /// The caller may not do that.
    NotAllowed,
    /// The caller's token is unknown, or has expired.
    UnknownCaller,
    /// Some have the message, and the others do not.
    PartlySent,
    /// The agent refused.
    Refused,
    /// The turn ended in an error.
    TurnFailed,
    /// Somebody ended the turn.
    TurnInterrupted,
    /// A time limit ran out.
    TimedOut,
    /// A file is not what it should be.
    Unreadable,
    /// The system failed.
    Io,
    /// Git refused.
    Git,
    /// The daemon is about to end.
    ShuttingDown,
    /// No daemon runs, or it ended during the call.
    NoDaemon,
    /// The daemon is of another version, or works on other files.
    OtherDaemon,
    /// The daemon does not understand the call.
    BadRequest,
    /// Any other.
    #[serde(other)]
    Failed,
}

/// An error for whoever is not in the daemon's process. Its text is the message, and after a semicolon the hint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// What kind of error it is.
    pub kind: ErrorKind,
    /// What went wrong, and why.
    pub message: String,
    /// What to do next.
    pub hint: Option<String>,
}

impl Failure {
    /// A failure without a hint.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), hint: None }
    }

    /// The same with what to do next.
    #[must_use]
    pub fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)?;
        self.hint.iter().try_for_each(|hint| write!(f, "; {hint}"))
    }
}

impl std::error::Error for Failure {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_words_with_hyphens() {
        let word = |kind| serde_json::to_value(kind).unwrap();
        assert_eq!(word(ErrorKind::NotLoggedIn), "not-logged-in");
        assert_eq!(word(ErrorKind::Failed), "failed");
        let unknown: ErrorKind = serde_json::from_str("\"from-the-future\"").unwrap();
        assert_eq!(unknown, ErrorKind::Failed);
    }
}
