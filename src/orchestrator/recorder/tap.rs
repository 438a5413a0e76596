//! What hears a member's processes.

use std::sync::Arc;

use agent_backends::tap::{Passed, Tap};

use super::recording::Recording;
use crate::model::recording::What;

/// Writes down what passes between us and a member's processes.
#[derive(Debug)]
pub(crate) struct MemberTap {
    recording: Arc<Recording>,
    member: String,
}

impl MemberTap {
    pub(super) fn new(recording: Arc<Recording>, member: &str) -> Self {
        Self { recording, member: member.to_owned() }
    }
}

impl Tap for MemberTap {
    fn group(&self) -> u64 {
        self.recording.id()
    }

    fn next_process(&self) -> u64 {
        self.recording.next_process()
    }

    fn hear(&self, process: u64, passed: Passed<'_>) {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        self.recording.note(match passed {
            Passed::Started(args) => What::Started { process, member: self.member.clone(), args: args.to_vec() },
            Passed::Input(bytes) => What::Input { process, text: text(bytes) },
            Passed::Output(line) => What::Output { process, line: text(line) },
            Passed::TooLong => What::TooLong { process },
            Passed::OutputEnded => What::OutputEnded { process },
            Passed::Stderr(line) => What::Stderr { process, line: text(line) },
            Passed::Ended(exit) => What::Ended { process, exit: exit.clone() },
        });
    }
}
