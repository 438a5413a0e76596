//! A session of Claude Code whose lines are made up by a fuzzer.

use std::cell::RefCell;
use std::path::PathBuf;
use std::sync::LazyLock;

use tokio::runtime::{Builder, Runtime};

use super::handshake::{Asked, Ready};
use super::session::{ClaudeSession, Event};
use crate::command::Command;
use crate::config::SpawnConfig;
use crate::driver::{Driver, TurnInput};
use crate::kind::BackendType;
use crate::outbox::Outbox;
use crate::output::{AgentOutput, ApprovalId, Decision, Exit};
use crate::permission::PermissionMode;
use crate::process::{AgentProcess, LineEvent};

static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("threads can be had"));

thread_local! {
    /// The last session, whose process the next one takes: starting one for each input would take most of the time.
    static LAST: RefCell<Option<ClaudeSession>> = const { RefCell::new(None) };
}

fn asked() -> Asked {
    let mode = PermissionMode::Default;
    Asked { session_id: "s".into(), resumed: false, cwd: PathBuf::from("/"), mode, model: None }
}

/// A session that hears what it is given instead of its agent, which is a `cat` that nobody listens to.
pub struct ClaudeLines {
    session: Option<ClaudeSession>,
    out: Outbox,
    inputs: u64,
}

impl ClaudeLines {
    /// A session that knows nothing yet.
    #[expect(clippy::new_without_default, reason = "it starts a process")]
    pub fn new() -> Self {
        let session = LAST.take().map_or_else(start, |last| last.renewed(asked()));
        Self { session: Some(session), out: Outbox::default(), inputs: 0 }
    }

    fn with(&mut self, act: impl FnOnce(&mut ClaudeSession, &mut Outbox)) {
        if let Some(session) = &mut self.session {
            act(session, &mut self.out);
        }
    }

    fn input(&mut self) -> TurnInput {
        self.inputs += 1;
        TurnInput { id: self.inputs.to_string(), text: "x".into(), quoted: false }
    }

    /// Gives it an input, unless a turn runs.
    pub fn start_turn(&mut self) {
        if !self.out.busy {
            let input = self.input();
            self.out.begin(Some(self.inputs));
            self.with(|session, out| drop(session.start_turn(&input, out)));
        }
    }

    /// Gives the running turn a further input.
    pub fn steer(&mut self) {
        if self.out.busy {
            let input = self.input();
            self.with(|session, out| {
                if let Ok(true) = RUNTIME.block_on(session.steer(input)) {
                    out.offer_more();
                }
            });
        }
    }

    /// Interrupts the running turn.
    pub fn interrupt(&mut self) {
        if self.out.busy {
            self.with(|session, out| drop(session.interrupt(out)));
        }
    }

    /// Answers a question that is open.
    pub fn answer(&mut self, approval: &ApprovalId, decision: Decision) {
        if self.out.is_open(approval) {
            self.with(|session, out| drop(session.answer(approval, decision, out)));
        }
    }

    /// Its agent writes a line.
    pub fn line(&mut self, line: &str) {
        self.with(|session, out| session.handle(Event::Line(LineEvent::Line(line.to_owned())), out));
    }

    /// Its agent ends.
    pub fn end(&mut self) {
        self.with(|session, out| session.handle(Event::Line(LineEvent::Ended(Exit::Code(0))), out));
    }

    /// What it has said since the last time.
    pub fn heard(&mut self) -> Vec<AgentOutput> {
        self.out.events.drain(..).collect()
    }
}

impl Drop for ClaudeLines {
    fn drop(&mut self) {
        LAST.set(self.session.take());
    }
}

fn start() -> ClaudeSession {
    let _inside = RUNTIME.enter();
    let cat = Command::new("/bin/sh").arg("-c").arg("exec cat >/dev/null");
    let spec = SpawnConfig::default().process(BackendType::ClaudeCode, cat, Vec::new(), PathBuf::from("/"));
    let (process, stdin, stdout) = AgentProcess::spawn(spec).expect("a shell can be started");
    let ready = Ready { stdout, model: None, mode_reported: false };
    ClaudeSession::new(process, stdin, ready, asked(), None, vec!["mcp__teams__".into()])
}
