//! One task owns one member's session: it passes on commands, turns the session's output into events, and keeps what is
//! known about the member.

use std::collections::{HashMap, VecDeque};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use agent_backends::{AgentOutput, AgentSession, ApprovalId, BackendType, Decision, Exit, OutputReceiver, StopReport};
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::feed::Feed;
use super::record::Record;
use super::status::{MemberStatus, PendingApproval};
use crate::error::{Error, Result};
use crate::model::event::EventKind;
use crate::model::name::AgentName;

/// How a member is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum MemberState {
    /// Its agent is not ready yet.
    Starting,
    /// It waits for input.
    Idle,
    /// A turn runs.
    Busy,
    /// A turn runs and waits for somebody's decision.
    WaitingApproval,
    /// It is being stopped.
    Stopping,
    /// Its session has ended, or was never started by this process.
    Exited,
    /// Its session ended by itself.
    Failed,
}

impl MemberState {
    /// As in `status --json`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Idle => "idle",
            Self::Busy => "busy",
            Self::WaitingApproval => "waiting-approval",
            Self::Stopping => "stopping",
            Self::Exited => "exited",
            Self::Failed => "failed",
        }
    }

    /// Whether its session lives.
    pub fn is_running(self) -> bool {
        !matches!(self, Self::Exited | Self::Failed)
    }
}

/// Who a member is, and what it did before this session.
#[derive(Debug, Clone)]
pub(super) struct Identity {
    pub(super) name: AgentName,
    pub(super) backend: BackendType,
    pub(super) cwd: PathBuf,
    pub(super) record: Record,
    pub(super) record_path: PathBuf,
}

pub(super) enum Command {
    Input { text: String, from: Option<String>, reply: oneshot::Sender<Result<u64>> },
    Interrupt(oneshot::Sender<Result<()>>),
    Answer { id: String, decision: Decision, reply: oneshot::Sender<Result<()>> },
    Stop { now: bool, reply: oneshot::Sender<Result<StopReport>> },
}

/// The handle of a member's task.
#[derive(Debug)]
pub(super) struct Teammate {
    identity: Identity,
    commands: mpsc::Sender<Command>,
    shared: Arc<Mutex<Shared>>,
    /// The event with which this session began.
    pub(super) first_seq: u64,
    pub(super) receiver_taken: std::sync::atomic::AtomicBool,
    task: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    state: MemberState,
    pid: Option<u32>,
    record: Record,
    approvals: Vec<PendingApproval>,
    exit: Option<Exit>,
    failure: Option<String>,
    report: Option<StopReport>,
}

impl Teammate {
    pub(super) fn start(
        identity: Identity,
        mut session: Box<dyn AgentSession>,
        feed: Arc<Feed>,
        approval_deadline: Duration,
    ) -> Arc<Self> {
        let output = session.output_receiver().expect("a new session has its output");
        let (commands, receiver) = mpsc::channel(64);
        let mut record = identity.record.clone();
        record.session_id = session.session_id().or(record.session_id);
        record.model = session.model();
        let shared = Arc::new(Mutex::new(Shared {
            state: MemberState::Idle,
            pid: session.pid(),
            record,
            approvals: Vec::new(),
            exit: None,
            failure: None,
            report: None,
        }));
        let first_seq = feed.append(&identity.name, None, EventKind::Spawned { backend: identity.backend.to_string() });
        let actor = Actor {
            identity: identity.clone(),
            session,
            output,
            commands: receiver,
            feed,
            shared: Arc::clone(&shared),
            approval_deadline,
            waiting: VecDeque::new(),
            turn: None,
            next_turn: identity.record.turns + 1,
            messages: Vec::new(),
            unfinished: String::new(),
            approvals: HashMap::new(),
            stopping: false,
            saving: None,
        };
        let task = tokio::spawn(actor.run());
        let receiver_taken = std::sync::atomic::AtomicBool::new(false);
        Arc::new(Self { identity, commands, shared, first_seq, receiver_taken, task })
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        lock(&self.shared)
    }

    pub(super) fn name(&self) -> &AgentName {
        &self.identity.name
    }

    pub(super) fn is_running(&self) -> bool {
        self.shared().state.is_running()
    }

    pub(super) fn status(&self) -> MemberStatus {
        let shared = self.shared();
        MemberStatus {
            name: self.identity.name.to_string(),
            backend: Some(self.identity.backend),
            state: shared.state,
            pid: shared.pid,
            session_id: shared.record.session_id.clone(),
            model: shared.record.model.clone(),
            cwd: Some(self.identity.cwd.clone()),
            turns: shared.record.turns,
            usage: shared.record.usage,
            unread: 0,
            approvals: shared.approvals.clone(),
            exit: shared.exit.clone(),
            failure: shared.failure.clone(),
        }
    }

    /// Asks the task; `None` when it has ended.
    pub(super) async fn ask<T>(
        &self,
        command: impl FnOnce(oneshot::Sender<Result<T>>) -> Command,
    ) -> Option<Result<T>> {
        let (reply, answer) = oneshot::channel();
        self.commands.send(command(reply)).await.ok()?;
        answer.await.ok()
    }

    /// What was found when the session was stopped, or ended by itself.
    pub(super) fn report(&self) -> Option<StopReport> {
        self.shared().report.clone()
    }
}

impl Drop for Teammate {
    fn drop(&mut self) {
        // The session is dropped with the task, and its processes are killed with the session.
        self.task.abort();
    }
}

struct Question {
    session_id: ApprovalId,
    expires: Instant,
    outcome: Option<&'static str>,
}

struct Actor {
    identity: Identity,
    session: Box<dyn AgentSession>,
    output: OutputReceiver,
    commands: mpsc::Receiver<Command>,
    feed: Arc<Feed>,
    shared: Arc<Mutex<Shared>>,
    approval_deadline: Duration,
    /// Inputs that the session took and that have not begun: their turns, texts and senders.
    waiting: VecDeque<(u64, String, Option<String>)>,
    turn: Option<u64>,
    next_turn: u64,
    /// The running turn's whole messages, and the deltas since the last of them.
    messages: Vec<String>,
    unfinished: String,
    approvals: HashMap<String, Question>,
    stopping: bool,
    /// The record is being written, beside the loop.
    saving: Option<JoinHandle<()>>,
}

impl Actor {
    async fn run(mut self) {
        loop {
            let expires = self.approvals.values().filter(|open| open.outcome.is_none()).map(|open| open.expires).min();
            tokio::select! {
                // What the agent said comes before what is asked of it now.
                biased;
                event = self.output.recv() => match event {
                    Some(event) => self.event(event),
                    None => break,
                },
                command = self.commands.recv() => match command {
                    Some(command) => self.command(command).await,
                    None => break,
                },
                () = tokio::time::sleep_until(expires.unwrap_or_else(Instant::now)), if expires.is_some() => {
                    self.expire().await;
                }
            }
        }
        // The session has ended; what it left is known, and whoever waits for the end hears it.
        let report = self.session.shutdown().await.ok();
        lock(&self.shared).report = report;
        self.settle().await;
    }

    fn emit(&self, kind: EventKind) {
        self.feed.append(&self.identity.name, self.turn, kind);
    }

    fn event(&mut self, event: AgentOutput) {
        match event {
            AgentOutput::TurnStarted { input } => {
                let (turn, input, from) = match input.and_then(|_| self.waiting.pop_front()) {
                    Some((turn, input, from)) => (turn, Some(input), from),
                    None => (self.take_turn_number(), None, None),
                };
                self.turn = Some(turn);
                self.messages.clear();
                self.unfinished.clear();
                self.set_state(MemberState::Busy);
                self.emit(EventKind::TurnStarted { input, from });
            }
            AgentOutput::Delta(text) => {
                self.unfinished.push_str(&text);
                self.emit(EventKind::Delta { text });
            }
            AgentOutput::Message(text) => {
                self.unfinished.clear();
                self.messages.push(text.clone());
                self.emit(EventKind::Message { text });
            }
            AgentOutput::Tool(tool) => {
                self.emit(EventKind::Tool { id: tool.id, name: tool.name, status: tool.status, summary: tool.summary });
            }
            AgentOutput::Usage(usage) => {
                lock(&self.shared).record.usage += usage;
                self.emit(EventKind::Usage { usage });
            }
            AgentOutput::Approval(approval) => self.ask_for_approval(approval),
            AgentOutput::ApprovalClosed(id) => self.approval_closed(&id),
            AgentOutput::TurnComplete => {
                let text = self.answer();
                self.end_turn(EventKind::TurnCompleted { text });
            }
            AgentOutput::TurnInterrupted => {
                let text = self.answer();
                self.end_turn(EventKind::TurnInterrupted { text });
            }
            AgentOutput::Error(message) => self.end_turn(EventKind::Error { message }),
            AgentOutput::Idle => {
                self.set_state(MemberState::Idle);
                self.emit(EventKind::Idle);
            }
            AgentOutput::ProcessChanged => lock(&self.shared).pid = self.session.pid(),
            AgentOutput::Notice(message) => self.emit(EventKind::Notice { message }),
            AgentOutput::Lagged { bytes } => self.emit(EventKind::Lagged { bytes }),
            AgentOutput::Exited(exit) => self.exited(exit),
            other => tracing::warn!(?other, "an event of a session that nobody knows"),
        }
    }

    fn take_turn_number(&mut self) -> u64 {
        let turn = self.next_turn;
        self.next_turn += 1;
        turn
    }

    fn answer(&mut self) -> String {
        let unfinished = std::mem::take(&mut self.unfinished);
        self.messages.extend(Some(unfinished).filter(|text| !text.is_empty()));
        std::mem::take(&mut self.messages).join("\n\n")
    }

    fn end_turn(&mut self, end: EventKind) {
        if let Some(turn) = self.turn {
            let mut shared = lock(&self.shared);
            shared.record.turns = shared.record.turns.max(turn);
        }
        // Before the end is told, so that whoever hears of it finds the conversation.
        self.refresh();
        self.emit(end);
        self.turn = None;
    }

    /// Brings what is known up to date, and writes down what a later session needs.
    fn refresh(&mut self) {
        let record = {
            let mut shared = lock(&self.shared);
            shared.pid = self.session.pid();
            shared.record.session_id = self.session.session_id().or(shared.record.session_id.take());
            shared.record.model = self.session.model().or(shared.record.model.take());
            shared.record.clone()
        };
        // A session's id must not be lost; for the rest, a turn does not wait for a file.
        let urgent = record.session_id != self.identity.record.session_id;
        if record != self.identity.record && (urgent || self.saving.as_ref().is_none_or(JoinHandle::is_finished)) {
            self.identity.record = record.clone();
            let path = self.identity.record_path.clone();
            if urgent {
                record.save(&path);
            } else {
                self.saving = Some(tokio::task::spawn_blocking(move || record.save(&path)));
            }
        }
    }

    /// Writes down what was left for later.
    async fn settle(&mut self) {
        if let Some(saving) = self.saving.take() {
            let _ = saving.await;
        }
        self.refresh();
        if let Some(saving) = self.saving.take() {
            let _ = saving.await;
        }
    }

    fn set_state(&mut self, state: MemberState) {
        let mut shared = lock(&self.shared);
        shared.pid = self.session.pid();
        if !self.stopping && shared.state.is_running() {
            shared.state = state;
        }
    }

    fn exited(&mut self, exit: Exit) {
        self.turn = None;
        for (turn, ..) in self.waiting.drain(..) {
            let message = "the session ended before this input was begun; send it again".to_owned();
            self.feed.append(&self.identity.name, Some(turn), EventKind::Error { message });
        }
        {
            let mut shared = lock(&self.shared);
            shared.pid = None;
            shared.state = if self.stopping { MemberState::Exited } else { MemberState::Failed };
            shared.failure = (!self.stopping).then(|| format!("its session ended by itself ({exit})"));
            shared.exit = Some(exit.clone());
            shared.approvals.clear();
        }
        self.refresh();
        self.emit(EventKind::exited(&exit));
    }

    fn ask_for_approval(&mut self, approval: agent_backends::Approval) {
        // The number of the event that tells of it, or a little less: it never comes again, in no later session either.
        let id = format!("{}-{}", self.identity.name, self.feed.last_seq() + 1);
        let expires = Instant::now() + self.approval_deadline;
        self.approvals.insert(id.clone(), Question { session_id: approval.id, expires, outcome: None });
        lock(&self.shared).approvals.push(PendingApproval {
            id: id.clone(),
            member: self.identity.name.to_string(),
            tool: approval.tool.clone(),
            summary: approval.summary.clone(),
        });
        self.set_state(MemberState::WaitingApproval);
        self.emit(EventKind::Approval { id, tool: approval.tool, summary: approval.summary });
    }

    fn approval_closed(&mut self, session_id: &ApprovalId) {
        let Some(id) = self.approvals.iter().find(|(_, open)| open.session_id == *session_id).map(|(id, _)| id.clone())
        else {
            return;
        };
        let outcome = self.approvals.remove(&id).and_then(|closed| closed.outcome).unwrap_or("withdrawn").to_owned();
        lock(&self.shared).approvals.retain(|open| open.id != id);
        if self.approvals.is_empty() && self.turn.is_some() {
            self.set_state(MemberState::Busy);
        }
        self.emit(EventKind::ApprovalClosed { id, outcome });
    }

    async fn expire(&mut self) {
        let now = Instant::now();
        let expired: Vec<String> = self
            .approvals
            .iter()
            .filter(|(_, open)| open.outcome.is_none() && open.expires <= now)
            .map(|(id, _)| id.clone())
            .collect();
        for id in expired {
            let minutes = self.approval_deadline.as_secs_f32() / 60.0;
            let reason = format!("nobody answered within {minutes:.1} minutes");
            if let Err(error) = self.decide(&id, Decision::Deny { reason }, "expired").await {
                tracing::info!(%id, %error, "an approval expired that was closed already");
                self.approvals.remove(&id);
            }
        }
    }

    async fn decide(&mut self, id: &str, decision: Decision, outcome: &'static str) -> Result<()> {
        let open = self.approvals.get_mut(id).filter(|open| open.outcome.is_none());
        let Some(open) = open else { return Err(Error::NoApproval { id: id.to_owned() }) };
        self.session.answer(&open.session_id, decision).await?;
        open.outcome = Some(outcome);
        Ok(())
    }

    async fn command(&mut self, command: Command) {
        match command {
            Command::Input { text, from, reply } => {
                let sent = match self.session.send_input(&text).await {
                    Ok(()) => {
                        let turn = self.take_turn_number();
                        self.waiting.push_back((turn, text, from));
                        self.set_state(MemberState::Busy);
                        Ok(turn)
                    }
                    Err(error) => Err(error.into()),
                };
                let _ = reply.send(sent);
            }
            Command::Interrupt(reply) => {
                let _ = reply.send(self.session.interrupt().await.map_err(Error::from));
            }
            Command::Answer { id, decision, reply } => {
                let outcome = if matches!(decision, Decision::Deny { .. }) { "denied" } else { "allowed" };
                let _ = reply.send(self.decide(&id, decision, outcome).await);
            }
            Command::Stop { now, reply } => {
                self.set_state(MemberState::Stopping);
                self.stopping = true;
                let report = if now { self.session.force_kill().await } else { self.session.shutdown().await };
                if report.is_err() {
                    // Nothing is known, so it may still be there, and may be stopped again.
                    self.stopping = false;
                    self.set_state(MemberState::Idle);
                    let _ = reply.send(report.map_err(Error::from));
                    return;
                }
                // What it said until its end comes first, so that the stop is seen whole.
                while let Some(event) = self.output.recv().await {
                    self.event(event);
                }
                self.settle().await;
                if let Ok(report) = &report {
                    lock(&self.shared).report = Some(report.clone());
                }
                let _ = reply.send(report.map_err(Error::from));
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}
