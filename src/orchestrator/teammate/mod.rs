//! One task owns one member for as long as it is known: it starts its sessions, passes on commands, turns output into
//! events, and keeps what is known about the member.

mod actor;
pub(crate) mod journal;
pub(crate) mod launcher;
mod mailbox;
pub(crate) mod parts;
mod question;
mod restart;
mod watchdog;

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard};

use agent_backends::StopReport;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::error::Result;
use crate::model::name::AgentName;
use crate::model::status::{MemberState, MemberStatus};
use crate::orchestrator::teammate::actor::Actor;
use crate::orchestrator::teammate::journal::{Contents, Journal};
use crate::orchestrator::teammate::launcher::{Launched, Launcher};
use crate::orchestrator::teammate::parts::{
    MemberCommand, Profile, Reply, Services, Shared, TurnActivity, iso_seconds,
};
use crate::sync::lock;

/// The handle of a member's task.
#[derive(Debug)]
pub(crate) struct Teammate {
    profile: Profile,
    commands: mpsc::Sender<MemberCommand>,
    shared: Arc<Mutex<Shared>>,
    /// The event with which it was taken up.
    pub(crate) first_seq: u64,
    pub(crate) receiver_taken: AtomicBool,
    task: JoinHandle<()>,
}

impl Teammate {
    /// Takes up a member whose first session was started. `contents` is what its journal said before.
    pub(crate) fn start(
        profile: Profile,
        launcher: Launcher,
        launched: Launched,
        journal: Journal,
        contents: Contents,
        services: Services,
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
            activity: TurnActivity::default(),
        }));
        let first_seq = services.feed.last_seq() + 1;
        let mut actor = Actor::new(profile.clone(), launcher, journal, services, Arc::clone(&shared), receiver);
        actor.take_up(contents);
        actor.restarts.starts(Instant::now());
        actor.session_started(launched);
        let task = tokio::spawn(actor.run());
        Arc::new(Self { profile, commands, shared, first_seq, receiver_taken: AtomicBool::new(false), task })
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        lock(&self.shared)
    }

    pub(crate) fn name(&self) -> &AgentName {
        &self.profile.name
    }

    pub(crate) fn is_running(&self) -> bool {
        self.shared().state.is_running()
    }

    pub(crate) fn status(&self) -> MemberStatus {
        let shared = self.shared();
        MemberStatus {
            name: self.profile.name.to_string(),
            backend: Some(self.profile.backend),
            state: shared.state,
            reason: Some(shared.reason.clone()).filter(|reason| !reason.is_empty()),
            pid: shared.pid,
            session_id: shared.record.session_id.clone(),
            model: shared.record.model.clone(),
            cwd: Some(self.profile.cwd.clone()),
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
    pub(crate) async fn ask<T>(&self, command: impl FnOnce(Reply<T>) -> MemberCommand) -> Option<Result<T>> {
        let (reply, answer) = oneshot::channel();
        self.commands.send(command(reply)).await.ok()?;
        answer.await.ok()
    }

    /// Notes what it does in its turn.
    pub(crate) fn note_activity(&self, note: impl FnOnce(&mut TurnActivity)) {
        note(&mut self.shared().activity);
    }

    /// Its inbox has changed.
    pub(crate) fn inbox_changed(&self) {
        // One that waits already stands for this one.
        let _ = self.commands.try_send(MemberCommand::InboxChanged);
    }

    /// What was found when the session was stopped, or ended by itself.
    pub(crate) fn report(&self) -> Option<StopReport> {
        self.shared().report.clone()
    }
}

impl Drop for Teammate {
    fn drop(&mut self) {
        // The session is dropped with the task, and its processes are killed with the session.
        self.task.abort();
    }
}
