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
    /// What the agent calls this question.
    pub id: ApprovalId,
    /// The tool that wants to run.
    pub tool: String,
    /// What it wants to do, in one line.
    pub summary: String,
    /// Of what kind that is.
    #[serde(default)]
    pub kind: ApprovalKind,
    /// The whole command that it wants to run, where it is one and is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    /// The whole of anything else that it wants to do: the change of files, or the tool's arguments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details: Option<String>,
    /// What it wants to know, where it asks for answers rather than for permission.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub questions: Vec<UserQuestion>,
}

/// A question that an agent asks its user, for an answer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserQuestion {
    /// What the user is asked.
    pub text: String,
    /// The answers that it proposes; others are taken, too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub choices: Vec<String>,
    /// Whether several of them may be chosen.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub several: bool,
}

impl UserQuestion {
    /// The same with every text exchanged.
    #[must_use]
    pub fn map_text(self, exchange: impl Fn(String) -> String) -> Self {
        Self {
            text: exchange(self.text),
            choices: self.choices.into_iter().map(&exchange).collect(),
            several: self.several,
        }
    }
}

/// A change of a text: the lines that go, each behind a `-`, and those that come, each behind a `+`.
pub(crate) fn changed_lines(old: &str, new: &str) -> String {
    let lines = |sign: char, text: &str| -> String { text.lines().map(|line| format!("{sign}{line}\n")).collect() };
    lines('-', old) + &lines('+', new)
}

/// What a question is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum ApprovalKind {
    /// A command that is to be run.
    Command,
    /// A change of files.
    Edit,
    /// Input for a program that runs in a terminal: it may be a command for a shell.
    TerminalInput,
    /// An answer of the user's, and no permission: see [`Approval::questions`].
    Answer,
    /// A plan: once it is approved, the agent may begin.
    Plan,
    /// Anything else that the agent names.
    #[default]
    Other,
    /// The agent does not say.
    Unknown,
}

/// The answer to an [`Approval`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Decision {
    /// Do it, this once.
    Allow,
    /// The answers to its questions, in their order; for [`ApprovalKind::Answer`].
    Answer {
        /// One for each question. Several choices stand in one text, with a comma and a space between them.
        answers: Vec<String>,
    },
    /// Do it, and do not ask again for the like in this session, where the agent can.
    AllowForSession,
    /// Do not; the turn goes on.
    Deny {
        /// What the agent is told, where it can be told.
        reason: String,
    },
}
