//! Questions of an agent, and their answers.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The name of a question of an agent, unique within its session.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ApprovalId(pub String);

impl fmt::Display for ApprovalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A question of an agent that waits for a [`Decision`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    /// Its name.
    pub id: ApprovalId,
    /// The tool that wants to run.
    pub tool: String,
    /// What it wants to do, in one line.
    pub summary: String,
    /// Of what kind that is.
    #[serde(default)]
    pub kind: ApprovalKind,
    /// The whole command that it wants to run, where it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
}

/// What a question is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum ApprovalKind {
    /// A command.
    Command,
    /// A change of files.
    Edit,
    /// Anything else.
    #[default]
    Other,
}

/// The answer to an [`Approval`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Decision {
    /// Do it, this once.
    Allow,
    /// Do it, and do not ask again for the like in this session, where the agent can.
    AllowForSession,
    /// Do not; the turn goes on.
    Deny {
        /// What the agent is told, where it can be told.
        reason: String,
    },
}
