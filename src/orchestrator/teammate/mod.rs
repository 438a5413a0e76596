//! One task owns one member for as long as it is known: it starts its sessions, passes on commands, turns output into
//! events, and keeps what is known about the member.

mod actor;
mod dialog;
pub(crate) mod journal;
pub(crate) mod launcher;
mod mailbox;
pub(crate) mod native;
pub(crate) mod parts;
mod question;
mod restart;
#[cfg(test)]
mod tests;
mod tools_watch;
mod turn;
mod watchdog;

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard};

use agent_backends::{Exit, StopReport};
use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinHandle, JoinSet};

use crate::error::Result;
use crate::model::event::EventKind;
use crate::model::message::Message;
use crate::model::name::AgentName;
use crate::model::status::{MemberState, MemberStatus};
use crate::model::team::OnLeadExit;
use crate::orchestrator::feed::Feed;
use crate::orchestrator::teammate::actor::Actor;
use crate::orchestrator::teammate::journal::{Contents, Journal};
use crate::orchestrator::teammate::launcher::{Launched, Launcher};
use crate::orchestrator::teammate::native::{Letters, Native};
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
    letters: Letters,
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
            turn: None,
            approvals: Vec::new(),
            warnings: Vec::new(),
            rate_limited_until: None,
            exit: None,
            report: None,
            activity: TurnActivity::default(),
        }));
        let feed = Arc::clone(&services.feed);
        let letters = Letters::new(&profile.name, profile.native.as_ref(), &services.own_letters);
        let first_seq = feed.last_seq() + 1;
        let mut actor = Actor::new(profile.clone(), launcher, journal, services, Arc::clone(&shared), receiver);
        actor.begin(contents, launched);
        let task = tokio::spawn(outlive(actor, profile.name.clone(), feed, Arc::clone(&shared)));
        Arc::new(Self { profile, commands, shared, first_seq, receiver_taken: AtomicBool::new(false), task, letters })
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        lock(&self.shared)
    }

    pub(crate) fn name(&self) -> &AgentName {
        &self.profile.name
    }

    /// What ties it to the live lead that has started it.
    pub(crate) fn native(&self) -> Option<&Native> {
        self.profile.native.as_ref()
    }

    /// What becomes of it when its lead has ended.
    pub(crate) fn on_lead_exit(&self) -> OnLeadExit {
        self.profile.on_lead_exit
    }

    /// Whether a message says that it is the lead's, and nothing proves it.
    pub(crate) fn is_forged(&self, message: &Message) -> bool {
        self.letters.is_forged(message)
    }

    pub(crate) fn is_running(&self) -> bool {
        self.shared().state.is_running()
    }

    pub(crate) fn status(&self) -> MemberStatus {
        let shared = self.shared();
        MemberStatus {
            name: self.profile.name.to_string(),
            backend: Some(self.profile.backend),
            // That is in its team's file.
            routed: None,
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
            warnings: shared.warnings.clone(),
        }
    }

    /// The turn that it is in, or was given.
    pub(crate) fn turn(&self) -> Option<u64> {
        self.shared().turn
    }

    /// Whether its actor has ended, so that nobody answers any more.
    pub(crate) fn has_ended(&self) -> bool {
        self.task.is_finished()
    }

    /// Asks the task; `None` when it has ended.
    pub(crate) async fn ask<T>(&self, command: impl FnOnce(Reply<T>) -> MemberCommand) -> Option<Result<T>> {
        let (reply, answer) = oneshot::channel();
        self.commands.send(command(reply)).await.ok()?;
        answer.await.ok()
    }

    /// Has it begin nothing any more when its turn has ended.
    pub(crate) async fn begin_nothing_more(&self) {
        let (reply, _) = oneshot::channel();
        let _ = self.commands.send(MemberCommand::FinishTurn(reply)).await;
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

/// Runs a member's actor. One that panics is logged, and its member has failed; its session ends with it.
async fn outlive(actor: Actor, name: AgentName, feed: Arc<Feed>, shared: Arc<Mutex<Shared>>) {
    let mut task = JoinSet::new();
    task.spawn(actor.run());
    let Some(Err(error)) = task.join_next().await else { return };
    let Ok(panic) = error.try_into_panic() else { return };
    let said = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let said = said.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "without a word".to_owned());
    tracing::error!(member = %name, %said, "the task of a member panicked");
    let reason =
        format!("a fault in this program ended its supervision: {said}; `teams restart {name}` starts it again");
    {
        let mut shared = lock(&shared);
        (shared.state, shared.pid) = (MemberState::Failed, None);
        shared.reason.clone_from(&reason);
        shared.approvals.clear();
    }
    feed.append(&name, None, EventKind::State { state: MemberState::Failed.as_str().to_owned(), reason });
    // Whoever waits for the end of its turn hears that none will come.
    feed.append(&name, None, EventKind::exited(&Exit::Unknown, false));
}

impl Drop for Teammate {
    fn drop(&mut self) {
        // The session is dropped with the task, and its processes are killed with the session.
        self.task.abort();
    }
}
