//! What changes, as those are told who watch teams.

use serde::{Deserialize, Serialize};

/// A thing that has changed, or is gone: which one, and not how.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Change {
    /// In which team.
    pub team: String,
    /// What it is.
    pub what: Changed,
    /// Its name: a member's, a task's number, an approval's id, the owner of an inbox; empty for the team itself.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
}

/// Kinds of things that change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Changed {
    /// The team itself: it was created or deleted, or its policy is another one.
    Team,
    /// A member: its state, its turns, or whether it is in the team.
    Member,
    /// A task.
    Task,
    /// A question that waits for a decision.
    Approval,
    /// A member's inbox, or the lead's.
    Inbox,
}

impl Change {
    /// A thing of a team.
    pub fn new(team: impl Into<String>, what: Changed, name: impl Into<String>) -> Self {
        Self { team: team.into(), what, name: name.into() }
    }

    /// The team itself.
    pub fn team(team: impl Into<String>) -> Self {
        Self::new(team, Changed::Team, "")
    }
}
