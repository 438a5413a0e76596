//! What can go wrong with a team of agents within this process.

use agent_backends::native;
use agent_backends::native::llm::LlmError;

use super::task::TaskId;

/// What every call of this module answers.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error of a team of agents within this process.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An agent, its model or one of its tools.
    #[error(transparent)]
    Agent(#[from] native::Error),
    /// The team, its files or its run.
    #[error(transparent)]
    Team(#[from] crate::error::Error),
    /// Two tasks have the same id.
    #[error("two tasks have the id {0}; make each one with `Task::new`")]
    SameTask(TaskId),
    /// A task waits for one that was not added.
    #[error("the task `{task}` waits for {missing}, which is no task of this team; add it before the run")]
    UnknownDependency {
        /// The task's title.
        task: String,
        /// What it waits for.
        missing: TaskId,
    },
    /// Tasks wait for each other.
    #[error("these tasks wait for each other: {}; remove a dependency", .0.join(", "))]
    Cycle(Vec<String>),
    /// A task is to be done by somebody who is not in the team.
    #[error("the task `{task}` is for `{teammate}`, who is not in the team; there are {}", .known.join(", "))]
    UnknownTeammate {
        /// The task's title.
        task: String,
        /// For whom it is.
        teammate: String,
        /// Who is in the team.
        known: Vec<String>,
    },
    /// Two teammates have the same name.
    #[error("two teammates are called `{0}`; give one another name")]
    SameTeammate(String),
    /// A hook has refused all tasks.
    #[error("a hook has refused all tasks: {0}")]
    AllRefused(String),
    /// A teammate has the name of the agent that leads.
    #[error("`{0}` is the name of the agent that leads a team without tasks; give the teammate another name")]
    NameOfLead(String),
    /// The folder of the team's files cannot be made.
    #[error("no folder can be made for the team's files: {0}")]
    Folder(std::io::Error),
}

impl From<LlmError> for Error {
    fn from(error: LlmError) -> Self {
        Self::Agent(error.into())
    }
}
