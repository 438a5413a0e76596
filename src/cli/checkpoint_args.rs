//! The grammar of `teams checkpoint`.

use clap::{Subcommand, ValueEnum};

#[derive(Debug, Subcommand)]
pub(super) enum CheckpointVerb {
    /// List the checkpoints of the repository here, and completed tasks that have none; -t leaves out other teams
    List,
    /// Show all that is known of one
    Show {
        /// A commit, or a task: `3`, or `TEAM#3`
        #[arg(value_name = "COMMIT|TASK")]
        what: String,
    },
    /// Add up tokens and US dollars; what is unknown is not counted as nothing
    Cost {
        /// A sum for each of these
        #[arg(long, value_name = "WHAT")]
        by: Option<CostBy>,
    },
    /// From now on, note each task of the team that is completed
    On,
    /// From now on, note none; the notes that there are stay
    Off,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum CostBy {
    Member,
    Model,
    Task,
}

impl CostBy {
    pub(super) fn heading(self) -> &'static str {
        match self {
            Self::Member => "member",
            Self::Model => "model",
            Self::Task => "task",
        }
    }
}
