//! Whatever Claude Code writes, its session does not panic, a turn has one end, and a question is closed once.
//!
//! Lines that begin with `!` are what we do meanwhile: `!t` starts a turn, `!s` gives it a further input, `!i` interrupts it, `!a` and
//! `!d` answer the question that waits longest. Inputs are called 1, 2 and so on.
#![no_main]

use std::collections::VecDeque;

use agent_backends::fuzz::ClaudeLines;
use agent_backends::{AgentOutput, ApprovalId, Decision};
use libfuzzer_sys::fuzz_target;

/// What a reader of the session knows.
#[derive(Default)]
struct Reader {
    in_turn: bool,
    open: VecDeque<ApprovalId>,
    exited: bool,
}

impl Reader {
    fn hear(&mut self, event: AgentOutput) {
        assert!(!self.exited, "{event:?} after the end");
        match event {
            AgentOutput::TurnStarted { .. } => {
                assert!(!std::mem::replace(&mut self.in_turn, true), "two turns at once")
            }
            AgentOutput::TurnComplete | AgentOutput::TurnInterrupted => {
                assert!(std::mem::take(&mut self.in_turn), "{event:?} without a turn");
            }
            // A failure without a turn is reported, too.
            AgentOutput::Error(_) => self.in_turn = false,
            AgentOutput::Approval(approval) => {
                assert!(!self.open.contains(&approval.id), "asked twice");
                self.open.push_back(approval.id);
            }
            AgentOutput::ApprovalClosed(id) => {
                let at = self.open.iter().position(|open| *open == id);
                self.open.remove(at.expect("only an open question is closed"));
            }
            AgentOutput::Exited(_) => self.exited = true,
            _ => {}
        }
    }
}

fuzz_target!(|bytes: &[u8]| {
    let mut agent = ClaudeLines::new();
    let mut reader = Reader::default();
    for line in String::from_utf8_lossy(bytes).split('\n') {
        match line {
            "!t" => agent.start_turn(),
            "!s" => agent.steer(),
            "!i" => agent.interrupt(),
            "!a" | "!d" => {
                let decision = if line == "!a" { Decision::Allow } else { Decision::Deny { reason: "no".into() } };
                if let Some(id) = reader.open.front() {
                    agent.answer(id, decision);
                }
            }
            line => agent.line(line),
        }
        agent.heard().into_iter().for_each(|event| reader.hear(event));
    }
    agent.end();
    agent.heard().into_iter().for_each(|event| reader.hear(event));
    assert!(reader.exited && !reader.in_turn);
});
