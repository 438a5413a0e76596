//! A recording: all that was asked of a team, what passed between us and its agents, and its events, each with its time. It is a file with
//! a JSON object in each line, and has no secrets in it that we know of.

use std::path::PathBuf;

use agent_backends::Exit;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::event::Event;

/// Changes when recordings of before can no longer be read.
pub const FORMAT: u32 = 1;

/// Calls of the control protocol that change what a team does: they are recorded, and a replay asks them again. Nothing else is either.
#[cfg(feature = "daemon")]
pub(crate) const CHANGES: &[&str] = &[
    "daemon.stop",
    "team.up",
    "team.resume",
    "run.start",
    "run.stop",
    "budget.set",
    "member.spawn",
    "member.send",
    "member.interrupt",
    "member.restart",
    "member.stop",
    "member.shutdown",
    "approval.answer",
    "approval.set_policy",
    "task.create",
    "task.update",
    "task.claim",
    "task.complete",
    "task.fail",
    "task.retry",
    "task.delete",
    "message.send",
    "memory.write",
    "memory.delete",
    "tool.call",
];

/// A line of a recording.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Recorded {
    /// When, in milliseconds since the recording began.
    pub ms: u64,
    /// The number of the team's last event before it.
    pub seq: u64,
    /// What has happened.
    #[serde(flatten)]
    pub what: What,
}

/// What has happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum What {
    /// The recording begins; only notes stand before it.
    Begun {
        /// The [`FORMAT`].
        format: u32,
        /// The version that has written it.
        version: String,
        /// The team.
        team: String,
        /// When, as ISO 8601.
        at: String,
    },
    /// A note for whoever reads it.
    Note {
        /// What it is about.
        about: String,
        /// The note.
        text: String,
    },
    /// Something was asked of the daemon that may change the team.
    Call {
        /// The method.
        method: String,
        /// Its parameters, less environments.
        params: Value,
        /// The member that asked, by a tool of the team's.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        member: Option<String>,
    },
    /// A member could not be started as the last call would have it, and another backend was chosen: that call and what it has started are not played.
    LeftOut {
        /// The member.
        member: String,
    },
    /// An agent's process was started.
    Started {
        /// Its number within the recording.
        process: u64,
        /// For which member.
        member: String,
        /// Its arguments, after those of its command.
        args: Vec<String>,
    },
    /// Bytes were written to a process.
    Input {
        /// Which.
        process: u64,
        /// The bytes, as text.
        text: String,
    },
    /// A line of a process's output was read.
    Output {
        /// Which.
        process: u64,
        /// The line.
        line: String,
    },
    /// A line of a process's output was too long to be read.
    TooLong {
        /// Which.
        process: u64,
    },
    /// A process's output has ended.
    OutputEnded {
        /// Which.
        process: u64,
    },
    /// A line of a process's stderr was read.
    Stderr {
        /// Which.
        process: u64,
        /// The line.
        line: String,
    },
    /// A process has ended.
    Ended {
        /// Which.
        process: u64,
        /// How.
        exit: Exit,
    },
    /// An event of the team.
    Event {
        /// The event.
        event: Box<Event>,
    },
}

/// What a recording came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordingEnd {
    /// Its file.
    pub file: PathBuf,
    /// How many lines it has.
    pub lines: u64,
    /// How long it is, in bytes.
    pub bytes: u64,
    /// Why something is missing in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missing: Option<String>,
}
