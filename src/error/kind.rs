//! What kind each error is, and its text in two parts: what went wrong, and what to do next.

use agent_backends::BackendError;

use super::Error;
use crate::model::failure::{ErrorKind, Failure};
use crate::model::name::{BadName, make_valid};
use crate::store::StoreError;

impl Error {
    /// What kind of error it is.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Store(error) => of_store(error),
            Self::Backend(error) => of_backend(error),
            Self::BadName(_) => ErrorKind::BadName,
            Self::BadTaskId(_) | Self::EmptyPlan | Self::OnlyForPrograms => ErrorKind::BadInput,
            Self::UnknownBackend(_) | Self::NoBackend { .. } | Self::NoRoute { .. } | Self::BadRoute { .. } => {
                ErrorKind::NoBackend
            }
            Self::WhoseConversation | Self::WhoseCommand => ErrorKind::BadInput,
            Self::AskLoop { .. } | Self::AskTooDeep { .. } | Self::LeadIsNotAsked => ErrorKind::NotAllowed,
            Self::AskTimedOut { .. } => ErrorKind::TimedOut,
            Self::AskerEnded { .. } => ErrorKind::TurnInterrupted,
            Self::AskedIsLimited { .. } => ErrorKind::Busy,
            Self::NotRunning { .. } => ErrorKind::NotRunning,
            Self::Dormant { .. } => ErrorKind::Dormant,
            Self::Git { .. } => ErrorKind::Git,
            Self::WorktreeInUse { .. } => ErrorKind::InUse,
            Self::NoWorktree { .. } => ErrorKind::NoWorktree,
            Self::OverBudget { .. } => ErrorKind::OverBudget,
            Self::BadTeamFile(_) | Self::BadRunId(_) | Self::NothingToDo | Self::BadCommand { .. } => {
                ErrorKind::BadInput
            }
            Self::Vetoed { .. } => ErrorKind::Vetoed,
            Self::RunGoesOn { .. } => ErrorKind::Running,
            Self::NoRun { .. } | Self::NothingToResume { .. } => ErrorKind::NoRun,
            Self::RunEnded { .. } => ErrorKind::NotRunning,
            Self::StartLimit { .. } => ErrorKind::StartLimit,
            Self::NotStarted { .. } => ErrorKind::NotStarted,
            Self::Running { .. } | Self::TeamBusy { .. } => ErrorKind::Running,
            Self::LongMessage { .. } => ErrorKind::TooLarge,
            Self::TooManyMessages { .. } => ErrorKind::TooOften,
            Self::NoMessage { .. } => ErrorKind::NoMessage,
            Self::NotTheLeads { .. } | Self::NoPlanNeeded { .. } => ErrorKind::NotAllowed,
            Self::PartlySent { .. } => ErrorKind::PartlySent,
            Self::AskedAlready { .. } => ErrorKind::Busy,
            Self::NoRequest { .. } => ErrorKind::NoRequest,
            Self::RecordedAlready { .. } => ErrorKind::Exists,
            Self::NotRecorded { .. } => ErrorKind::NoRecording,
            Self::UnknownToken => ErrorKind::UnknownCaller,
            Self::NotLed => ErrorKind::NoTeam,
            Self::NoApproval { .. } => ErrorKind::NoApproval,
            Self::WrongAnswers { .. } => ErrorKind::BadInput,
            Self::Elsewhere { .. } => ErrorKind::Elsewhere,
            Self::Io { .. } => ErrorKind::Io,
            Self::NoPath(_) => ErrorKind::Failed,
            Self::TurnFailed { .. } => ErrorKind::TurnFailed,
            Self::TurnInterrupted { .. } => ErrorKind::TurnInterrupted,
            Self::Daemon(failure) => failure.kind,
            Self::ShuttingDown => ErrorKind::ShuttingDown,
        }
    }

    /// The error's text without what to do next.
    pub fn message(&self) -> String {
        self.parts().0
    }

    /// What to do next, where the error's text says so.
    pub fn hint(&self) -> Option<String> {
        self.parts().1
    }

    /// The text, cut where its last part begins, if that part says what to do next.
    fn parts(&self) -> (String, Option<String>) {
        if let Self::Daemon(failure) = self {
            return (failure.message.clone(), failure.hint.clone());
        }
        let text = self.to_string();
        match text.rsplit_once("; ") {
            Some((message, hint)) if self.says_what_to_do() => (message.to_owned(), Some(hint.to_owned())),
            _ => (text, None),
        }
    }

    /// Whether the last part of the text, after a semicolon, says what to do next.
    fn says_what_to_do(&self) -> bool {
        match self {
            Self::Store(error) => store_says_what_to_do(error),
            Self::BadName(error) => name_says_what_to_do(error),
            Self::Backend(error) => matches!(
                error,
                BackendError::ProgramMissing { .. }
                    | BackendError::WorkingDirectory { .. }
                    | BackendError::UnknownPermissionMode { .. }
                    | BackendError::NotLoggedIn { .. }
                    | BackendError::ConversationBusy { .. }
                    | BackendError::EmptyInput
                    | BackendError::InputTooLarge { .. }
                    | BackendError::QueueFull { .. }
            ),
            Self::NoBackend { .. }
            | Self::NoRoute { .. }
            | Self::BadRoute { .. }
            | Self::WhoseConversation
            | Self::WhoseCommand
            | Self::AskLoop { .. }
            | Self::AskTooDeep { .. }
            | Self::AskTimedOut { .. }
            | Self::AskerEnded { .. }
            | Self::AskedIsLimited { .. }
            | Self::LeadIsNotAsked
            | Self::NotRunning { .. }
            | Self::Dormant { .. }
            | Self::WorktreeInUse { .. }
            | Self::NoWorktree { .. }
            | Self::OverBudget { .. }
            | Self::RunGoesOn { .. }
            | Self::NoRun { .. }
            | Self::NothingToResume { .. }
            | Self::NothingToDo
            | Self::BadCommand { .. }
            | Self::StartLimit { .. }
            | Self::Running { .. }
            | Self::TeamBusy { .. }
            | Self::LongMessage { .. }
            | Self::TooManyMessages { .. }
            | Self::NoMessage { .. }
            | Self::NotTheLeads { .. }
            | Self::EmptyPlan
            | Self::OnlyForPrograms
            | Self::PartlySent { .. }
            | Self::AskedAlready { .. }
            | Self::NoRequest { .. }
            | Self::RecordedAlready { .. }
            | Self::NotRecorded { .. }
            | Self::NoApproval { .. }
            | Self::WrongAnswers { .. }
            | Self::NoPath(_)
            | Self::NotLed
            | Self::TurnFailed { .. }
            | Self::TurnInterrupted { .. }
            | Self::Elsewhere { .. } => true,
            Self::BadTaskId(_)
            | Self::BadTeamFile(_)
            | Self::BadRunId(_)
            | Self::RunEnded { .. }
            | Self::Vetoed { .. }
            | Self::UnknownBackend(_)
            | Self::Git { .. }
            | Self::NotStarted { .. }
            | Self::NoPlanNeeded { .. }
            | Self::UnknownToken
            | Self::Io { .. }
            | Self::Daemon(_)
            | Self::ShuttingDown => false,
        }
    }
}

impl From<&Error> for Failure {
    fn from(error: &Error) -> Self {
        Self { kind: error.kind(), message: error.message(), hint: error.hint() }
    }
}

fn of_store(error: &StoreError) -> ErrorKind {
    match error {
        StoreError::NoTeam { .. } => ErrorKind::NoTeam,
        StoreError::NoMember { .. } => ErrorKind::NoMember,
        StoreError::NoTask { .. } => ErrorKind::NoTask,
        StoreError::NoMemory { .. } => ErrorKind::NoMemory,
        StoreError::TeamExists { .. } | StoreError::MemberExists { .. } => ErrorKind::Exists,
        StoreError::BadName(_) | StoreError::BadMemoryName(_) => ErrorKind::BadName,
        StoreError::NoSubject | StoreError::BadTaskId(_) | StoreError::EmptyMessage => ErrorKind::BadInput,
        StoreError::Cycle { .. } => ErrorKind::Cycle,
        StoreError::Blocked { .. } => ErrorKind::Blocked,
        StoreError::Claimed { .. } => ErrorKind::Claimed,
        StoreError::OldAttempt { .. } => ErrorKind::Changed,
        StoreError::Failed { .. } => ErrorKind::Blocked,
        StoreError::MemoryChanged { .. } => ErrorKind::Changed,
        StoreError::MemoryTooLarge { .. } => ErrorKind::TooLarge,
        StoreError::MemoryFull { .. } => ErrorKind::Full,
        StoreError::Locked { .. } => ErrorKind::Locked,
        StoreError::Unreadable(_) => ErrorKind::Unreadable,
        StoreError::Io { .. } => ErrorKind::Io,
    }
}

fn of_backend(error: &BackendError) -> ErrorKind {
    match error {
        BackendError::ProgramMissing { .. } => ErrorKind::NoProgram,
        BackendError::WorkingDirectory { .. }
        | BackendError::UnknownPermissionMode { .. }
        | BackendError::EmptyInput => ErrorKind::BadInput,
        BackendError::Unsupported { .. } => ErrorKind::Unsupported,
        BackendError::Start { .. } | BackendError::NotReady { .. } | BackendError::Mismatch { .. } => {
            ErrorKind::NotStarted
        }
        BackendError::NotLoggedIn { .. } => ErrorKind::NotLoggedIn,
        BackendError::Timeout { .. } => ErrorKind::TimedOut,
        BackendError::Refused { .. } => ErrorKind::Refused,
        BackendError::ConversationLost { .. } => ErrorKind::ConversationLost,
        BackendError::ConversationBusy { .. } | BackendError::QueueFull { .. } => ErrorKind::Busy,
        BackendError::InputTooLarge { .. } => ErrorKind::TooLarge,
        BackendError::NoSuchApproval { .. } => ErrorKind::NoApproval,
        BackendError::Ended { .. } => ErrorKind::NotRunning,
        BackendError::Io { .. } => ErrorKind::Io,
        _ => ErrorKind::Failed,
    }
}

fn store_says_what_to_do(error: &StoreError) -> bool {
    match error {
        StoreError::BadName(error) => name_says_what_to_do(error),
        StoreError::NoTeam { .. }
        | StoreError::NoMember { .. }
        | StoreError::NoTask { .. }
        | StoreError::NoMemory { .. }
        | StoreError::TeamExists { .. }
        | StoreError::MemberExists { .. }
        | StoreError::Blocked { .. }
        | StoreError::OldAttempt { .. }
        | StoreError::Failed { .. }
        | StoreError::MemoryChanged { .. }
        | StoreError::MemoryTooLarge { .. }
        | StoreError::MemoryFull { .. }
        | StoreError::EmptyMessage
        | StoreError::Locked { .. }
        | StoreError::Unreadable(_) => true,
        StoreError::NoSubject
        | StoreError::Cycle { .. }
        | StoreError::Claimed { .. }
        | StoreError::BadTaskId(_)
        | StoreError::BadMemoryName(_)
        | StoreError::Io { .. } => false,
    }
}

fn name_says_what_to_do(error: &BadName) -> bool {
    match error {
        BadName::Malformed { name, .. } => make_valid(name).is_some(),
        BadName::Taken { .. } => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_its_message_and_its_hint() {
        let existing = vec!["crew".to_owned(), "two".to_owned()];
        let errors: Vec<(Error, ErrorKind, Option<&str>)> = vec![
            (
                StoreError::NoTeam { team: "crow".into(), existing }.into(),
                ErrorKind::NoTeam,
                Some("did you mean `crew`? teams: crew, two"),
            ),
            (StoreError::NoSubject.into(), ErrorKind::BadInput, None),
            (
                Error::PartlySent { to: vec!["a".into()], reason: "no room; none at all".into() },
                ErrorKind::PartlySent,
                Some("do not send it to them again"),
            ),
            (
                Error::TooManyMessages { to: "b".into(), most: 20, seconds: 5 },
                ErrorKind::TooOften,
                Some("wait 5 s, think whether it needs to be said, and say it in one message"),
            ),
            (
                "A b".parse::<crate::model::name::TeamName>().unwrap_err().into(),
                ErrorKind::BadName,
                Some("`a-b` would do"),
            ),
            ("; ;".parse::<crate::model::name::TeamName>().unwrap_err().into(), ErrorKind::BadName, None),
            (
                BackendError::ConversationBusy {
                    backend: agent_backends::BackendType::Codex,
                    id: "7".into(),
                    reason: "it is open; elsewhere".into(),
                }
                .into(),
                ErrorKind::Busy,
                Some("end that, and try again"),
            ),
            (
                BackendError::Refused {
                    backend: agent_backends::BackendType::Codex,
                    call: "x".into(),
                    message: "no; never".into(),
                }
                .into(),
                ErrorKind::Refused,
                None,
            ),
        ];
        for (error, kind, hint) in errors {
            assert_eq!((error.kind(), error.hint().as_deref()), (kind, hint), "{error}");
            let whole = [Some(error.message()), error.hint()].into_iter().flatten().collect::<Vec<_>>().join("; ");
            assert_eq!(whole, error.to_string());
        }
    }
}
