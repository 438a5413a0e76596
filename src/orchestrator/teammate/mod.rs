//! One task owns one member for as long as it is known: it starts its sessions, passes on commands, turns output into
//! events, and keeps what is known about the member.

mod actor;
mod approvals;
mod limits;
mod mail;
mod report;
mod sessions;
mod turns;
mod urgent;
mod watchdog;

use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use agent_backends::{BackendType, Decision, Exit, PermissionMode, StopReport};
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::ApprovalHook;
use super::accounts::Accounts;
use super::budget;
use super::feed::Feed;
use super::journal::{Contents, Journal, Record};
use super::launcher::{Launched, Launcher};
use super::redact::Redactor;
use super::status::{MemberStatus, PendingApproval};
use crate::error::Result;
use crate::model::event::Conversation;
use crate::model::name::{AgentName, TeamName};
use crate::model::team::{RestartPolicy, TurnLimits};
use crate::store::Store;
use actor::Actor;
pub(super) use report::Deeds;

/// How a member is: what its process and its protocol say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum MemberState {
    /// Its agent is not ready yet, or waits to be started again.
    Starting,
    /// It waits for input.
    Idle,
    /// A turn runs, or waits to be begun.
    Busy,
    /// A turn runs and waits for somebody's decision.
    WaitingApproval,
    /// Its provider takes no requests for the time being.
    RateLimited,
    /// A turn runs and its agent gives no sign of life.
    Stuck,
    /// It is being stopped.
    Stopping,
    /// Its session has ended, or was never started by this process.
    Exited,
    /// Its session ended by itself, or could not be started.
    Failed,
    /// Whoever ran it was killed. It can be resumed.
    Lost,
}

impl MemberState {
    /// As in `status --json`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Idle => "idle",
            Self::Busy => "busy",
            Self::WaitingApproval => "waiting-approval",
            Self::RateLimited => "rate-limited",
            Self::Stuck => "stuck",
            Self::Stopping => "stopping",
            Self::Exited => "exited",
            Self::Failed => "failed",
            Self::Lost => "lost",
        }
    }

    /// Whether its session lives, or is about to.
    pub fn is_running(self) -> bool {
        !matches!(self, Self::Exited | Self::Failed | Self::Lost)
    }
}

/// Who a member is, and how it is to be treated.
#[derive(Debug, Clone)]
pub(super) struct Identity {
    pub(super) name: AgentName,
    pub(super) backend: BackendType,
    pub(super) cwd: PathBuf,
    pub(super) restart: RestartPolicy,
    pub(super) limits: TurnLimits,
    pub(super) approval_deadline: Duration,
}

/// What a member shares with others.
#[derive(Debug, Clone)]
pub(super) struct Shelf {
    pub(super) feed: Arc<Feed>,
    pub(super) budget: Arc<budget::Account>,
    pub(super) accounts: Arc<Accounts>,
    pub(super) redactor: Arc<Redactor>,
    pub(super) store: Arc<Store>,
    pub(super) approval_hook: Option<ApprovalHook>,
    pub(super) team: TeamName,
}

/// Whether a member that is stopped is to come back by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// Somebody stopped it, and it stays away.
    ForGood,
    /// We go down, and it comes back with us.
    WithUs,
}

type Reply<T> = oneshot::Sender<Result<T>>;

pub(super) enum Command {
    Input {
        text: String,
        from: Option<String>,
        reply: Reply<u64>,
    },
    /// Its inbox has changed.
    Knock,
    Interrupt(Reply<()>),
    Answer {
        id: String,
        decision: Decision,
        by: String,
        reply: Reply<()>,
    },
    /// What it may do without asking.
    SetMode(PermissionMode, Reply<()>),
    Stop {
        now: bool,
        stop: Stop,
        reply: Reply<StopReport>,
    },
    /// Begin nothing any more; the answer comes when the turn that runs has ended.
    Retire(Reply<()>),
    /// Stop it if it runs, and start it with its conversation.
    Restart(Reply<Conversation>),
}

/// The handle of a member's task.
#[derive(Debug)]
pub(super) struct Teammate {
    identity: Identity,
    commands: mpsc::Sender<Command>,
    shared: Arc<Mutex<Shared>>,
    /// The event with which it was taken up.
    pub(super) first_seq: u64,
    pub(super) receiver_taken: AtomicBool,
    task: JoinHandle<()>,
}

/// What others may look at.
#[derive(Debug)]
struct Shared {
    state: MemberState,
    reason: String,
    pid: Option<u32>,
    record: Record,
    queued: usize,
    approvals: Vec<PendingApproval>,
    rate_limited_until: Option<i64>,
    exit: Option<Exit>,
    report: Option<StopReport>,
    deeds: Deeds,
}

impl Teammate {
    /// Takes up a member whose first session was started. `contents` is what its journal said before.
    pub(super) fn start(
        identity: Identity,
        launcher: Launcher,
        launched: Launched,
        journal: Journal,
        contents: Contents,
        shelf: Shelf,
    ) -> Arc<Self> {
        let (commands, receiver) = mpsc::channel(64);
        let shared = Arc::new(Mutex::new(Shared {
            state: MemberState::Starting,
            reason: String::new(),
            pid: None,
            record: journal.record().clone(),
            queued: 0,
            approvals: Vec::new(),
            rate_limited_until: None,
            exit: None,
            report: None,
            deeds: Deeds::default(),
        }));
        let first_seq = shelf.feed.last_seq() + 1;
        let mut actor = Actor::new(identity.clone(), launcher, journal, shelf, Arc::clone(&shared), receiver);
        actor.take_up(contents);
        actor.restarts.starts(Instant::now());
        actor.session_started(launched);
        let task = tokio::spawn(actor.run());
        Arc::new(Self { identity, commands, shared, first_seq, receiver_taken: AtomicBool::new(false), task })
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
            reason: Some(shared.reason.clone()).filter(|reason| !reason.is_empty()),
            pid: shared.pid,
            session_id: shared.record.session_id.clone(),
            model: shared.record.model.clone(),
            cwd: Some(self.identity.cwd.clone()),
            turns: shared.record.turns,
            usage: shared.record.usage,
            unread: 0,
            in_doubt: shared.record.in_doubt,
            queued: shared.queued,
            approvals: shared.approvals.clone(),
            rate_limited_until: shared
                .rate_limited_until
                .filter(|_| shared.state == MemberState::RateLimited)
                .map(iso_seconds),
            exit: shared.exit.clone(),
            failure: Some(shared.reason.clone()).filter(|_| shared.state == MemberState::Failed),
        }
    }

    /// Asks the task; `None` when it has ended.
    pub(super) async fn ask<T>(&self, command: impl FnOnce(Reply<T>) -> Command) -> Option<Result<T>> {
        let (reply, answer) = oneshot::channel();
        self.commands.send(command(reply)).await.ok()?;
        answer.await.ok()
    }

    /// Notes what it does in its turn.
    pub(super) fn note_deed(&self, note: impl FnOnce(&mut Deeds)) {
        note(&mut self.shared().deeds);
    }

    /// Its inbox has changed.
    pub(super) fn knock(&self) {
        // One that waits already stands for this one.
        let _ = self.commands.try_send(Command::Knock);
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

/// Seconds since 1970, as every time is written.
fn iso_seconds(seconds: i64) -> String {
    jiff::Timestamp::from_second(seconds).map_or_else(|_| seconds.to_string(), crate::model::time::iso)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}
