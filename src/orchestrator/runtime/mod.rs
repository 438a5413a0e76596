//! What runs of one team: its members, its transcript, and the state that its verbs share. It knows the states below it
//! and no verb.

pub(crate) mod active_runs;
pub(crate) mod checkpoints;
pub(crate) mod damper;
pub(crate) mod open_asks;
pub(crate) mod open_requests;
pub(crate) mod policy_file;
pub(crate) mod told_tasks;
pub(crate) mod waiting_plans;
pub(crate) mod watched_tasks;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard};

use agent_backends::BackendType;
use agent_backends::process::ProcessId;
use tokio::task::JoinHandle;

use crate::model::hook::HookCommand;
use crate::model::name::{AgentName, TeamName};
use crate::model::status::{MemberState, MemberStatus};
use crate::orchestrator::feed::Feed;
use crate::orchestrator::limits::ledger::Ledger;
use crate::orchestrator::runtime::checkpoints::Checkpoints;
use crate::orchestrator::runtime::damper::Damper;
use crate::orchestrator::runtime::open_asks::{Asking, OpenAsks};
use crate::orchestrator::runtime::open_requests::OpenRequests;
use crate::orchestrator::runtime::waiting_plans::WaitingPlans;
use crate::orchestrator::runtime::watched_tasks::WatchedTasks;
use crate::orchestrator::teammate::Teammate;
use crate::orchestrator::teammate::native::OwnLetters;
use crate::store::{self, Store};
use crate::sync::lock;

/// What runs of a team.
#[derive(Debug)]
pub(crate) struct TeamRuntime {
    pub(crate) name: TeamName,
    pub(crate) feed: Arc<Feed>,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) members: Mutex<HashMap<AgentName, Slot>>,
    pub(crate) damper: Damper,
    pub(crate) requests: OpenRequests,
    pub(crate) asks: Arc<OpenAsks>,
    pub(crate) asking: Asking,
    /// What we have written in the lead's name.
    pub(crate) own_letters: Arc<OwnLetters>,
    pub(crate) plans: WaitingPlans,
    pub(crate) tasks: WatchedTasks,
    pub(crate) checkpoints: Arc<Checkpoints>,
    /// Writes the notes of completed tasks.
    pub(crate) noting: Watching,
    /// Watches the inboxes and the tasks.
    pub(crate) watching: Watching,
    /// The hooks of the live lead that has started members, as they were when it did so first, and its environment.
    pub(crate) lead_hooks: Mutex<Option<LeadHooks>>,
    /// The process of the live lead that has started members.
    pub(crate) lead: Mutex<Option<ProcessId>>,
    /// Looks whether the lead is still there.
    pub(crate) following: Watching,
    /// Gives out the tasks.
    pub(crate) dispatching: Watching,
    /// The environment of whoever named the team's hooks; `None` for our own. It is kept nowhere else.
    pub(crate) hook_environment: Mutex<Option<BTreeMap<String, String>>>,
}

/// What a live lead has run when something happens in its team.
#[derive(Debug, Clone)]
pub(crate) struct LeadHooks {
    pub(crate) commands: Vec<HookCommand>,
    pub(crate) environment: Option<BTreeMap<String, String>>,
}

#[derive(Debug, Clone)]
pub(crate) enum Slot {
    /// Somebody is starting it; the sender is gone when that is decided.
    Starting { backend: BackendType, decided: tokio::sync::watch::Receiver<()> },
    /// It does not run, and nobody may start it while its record is changed; the sender is gone when that is over.
    Held { before: Option<Arc<Teammate>>, freed: tokio::sync::watch::Receiver<()> },
    /// It was started; it may have ended since.
    Started(Arc<Teammate>),
}

impl Slot {
    /// The member's status, as far as it is known without a look at files.
    pub(crate) fn status(&self, name: &str) -> Option<MemberStatus> {
        match self {
            Self::Starting { backend, .. } => Some(MemberStatus::named(name, Some(*backend), MemberState::Starting)),
            _ => self.teammate().map(|teammate| teammate.status()),
        }
    }

    pub(crate) fn teammate(&self) -> Option<&Arc<Teammate>> {
        match self {
            Self::Started(teammate) => Some(teammate),
            Self::Held { before, .. } => before.as_ref(),
            Self::Starting { .. } => None,
        }
    }

    /// Whether it runs, or is being started.
    pub(crate) fn is_running(&self) -> bool {
        match self {
            Self::Starting { .. } => true,
            Self::Held { .. } => false,
            Self::Started(teammate) => teammate.is_running(),
        }
    }
}

impl Drop for TeamRuntime {
    fn drop(&mut self) {
        // The tasks of its members are being ended, and may keep the feed for a moment.
        self.feed.let_go();
    }
}

impl TeamRuntime {
    /// Tells the team what became of its tasks since it was told last.
    pub(crate) fn record_tasks(&self, store: &Store) -> store::Result<()> {
        self.tasks.record(store, &self.name, &self.feed)?;
        let model_of = |member: &str| self.teammate(member)?.status().model;
        self.checkpoints.note_completions(store, &self.tasks, &model_of)
    }

    pub(crate) fn members(&self) -> MutexGuard<'_, HashMap<AgentName, Slot>> {
        lock(&self.members)
    }

    pub(crate) fn teammate(&self, name: &str) -> Option<Arc<Teammate>> {
        self.members().get(&name.parse::<AgentName>().ok()?)?.teammate().cloned()
    }

    /// The member of that name; one that is being started is waited for.
    pub(crate) async fn started(&self, name: &str) -> Option<Arc<Teammate>> {
        let slot = self.members().get(&name.parse::<AgentName>().ok()?).cloned();
        if let Some(Slot::Starting { mut decided, .. } | Slot::Held { freed: mut decided, .. }) = slot {
            let _ = decided.changed().await;
        }
        self.teammate(name)
    }

    /// The names of those that run or are being started.
    pub(crate) fn running_names(&self) -> Vec<String> {
        let members = self.members();
        let running = members.iter().filter(|(_, slot)| slot.is_running());
        let mut names: Vec<String> = running.map(|(name, _)| name.to_string()).collect();
        names.sort();
        names
    }

    pub(crate) fn teammates(&self) -> Vec<Arc<Teammate>> {
        self.members().values().filter_map(|slot| slot.teammate().cloned()).collect()
    }
}

/// A task that runs as long as this handle is kept.
#[derive(Debug, Default)]
pub(crate) struct Watching(Mutex<Option<JoinHandle<()>>>);

impl Watching {
    /// Starts the task, unless it runs.
    pub(crate) fn ensure(&self, run: impl Future<Output = ()> + Send + 'static) {
        // Who is called outside of a runtime cannot start anything; who starts a member is inside of one, and calls again.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let mut task = lock(&self.0);
        if task.as_ref().is_none_or(JoinHandle::is_finished) {
            *task = Some(runtime.spawn(run));
        }
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        if let Some(task) = lock(&self.0).take() {
            task.abort();
        }
    }
}
