//! The single entry point of the library, and what everything that it does shares.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, Weak};

use agent_backends::{AgentBackend, BackendType};

use crate::error::{Error, Result};
use crate::model::name::TeamName;
use crate::orchestrator::feed::changes::Changes;
use crate::orchestrator::feed::redact::Redactor;
use crate::orchestrator::feed::taken::TurnsTaken;
use crate::orchestrator::feed::{Feed, Rotation};
use crate::orchestrator::hooks::Hook;
use crate::orchestrator::hooks::approval::ApprovalHook;
use crate::orchestrator::limits::accounts::Accounts;
use crate::orchestrator::limits::ledger::Ledger;
use crate::orchestrator::recorder::Recorder;
use crate::orchestrator::runtime::active_runs::ActiveRuns;
use crate::orchestrator::runtime::checkpoints::Checkpoints;
use crate::orchestrator::runtime::damper::Damper;
use crate::orchestrator::runtime::open_asks::Asking;
use crate::orchestrator::runtime::open_requests::OpenRequests;
use crate::orchestrator::runtime::waiting_plans::WaitingPlans;
use crate::orchestrator::runtime::watched_tasks::WatchedTasks;
use crate::orchestrator::runtime::{TeamRuntime, Watching, policy_file};
use crate::orchestrator::tokens::Tokens;
use crate::routing::BackendRouter;
use crate::store::Store;
use crate::sync::lock;

/// Runs teams of agents. Clones share everything; the agents end with the last clone.
#[derive(Clone, Debug)]
pub struct TeamOrchestrator {
    pub(crate) inner: Arc<Inner>,
}

/// A handle of an orchestrator that does not keep its agents running, for what the orchestrator itself has: a tool, a hook.
#[derive(Clone, Debug)]
pub struct WeakOrchestrator(Weak<Inner>);

impl WeakOrchestrator {
    /// The orchestrator, unless it has ended.
    pub fn upgrade(&self) -> Option<TeamOrchestrator> {
        self.0.upgrade().map(|inner| TeamOrchestrator { inner })
    }
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) store: Arc<Store>,
    pub(crate) state_dir: PathBuf,
    pub(crate) approval_deadline: std::time::Duration,
    pub(crate) shim: Option<agent_backends::Command>,
    pub(crate) registry: agent_backends::process::Registry,
    pub(crate) accounts: Arc<Accounts>,
    pub(crate) redactor: Arc<Redactor>,
    pub(crate) changes: Arc<Changes>,
    pub(crate) recorder: Arc<Recorder>,
    pub(crate) team_tools: Option<agent_backends::Command>,
    pub(crate) approval_hook: Option<ApprovalHook>,
    pub(crate) hooks: Hooks,
    pub(crate) router: Router,
    pub(crate) turns_taken: TurnsTaken,
    pub(crate) tokens: Arc<Tokens>,
    pub(crate) backends: HashMap<BackendType, Backend>,
    pub(crate) teams: Mutex<HashMap<TeamName, Arc<TeamRuntime>>>,
    pub(crate) runs: ActiveRuns,
    /// Passes on what the system tells of changes in files.
    pub(crate) watching: Watching,
    /// Opens the teams of which something was left to be noted.
    pub(crate) resuming: Watching,
}

/// Who chooses backends.
pub(crate) struct Router(pub(crate) Box<dyn BackendRouter>);

impl std::fmt::Debug for Router {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0.name())
    }
}

/// The hooks of the program.
pub(crate) struct Hooks(pub(crate) Vec<Arc<dyn Hook>>);

impl std::fmt::Debug for Hooks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.0.iter().map(|hook| hook.name())).finish()
    }
}

#[derive(Clone)]
pub(crate) struct Backend(pub(crate) Arc<dyn AgentBackend>);

impl std::fmt::Debug for Backend {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.backend_type().fmt(f)
    }
}

impl Inner {
    /// Where our own files of a team are.
    pub(crate) fn team_dir(&self, team: &TeamName) -> PathBuf {
        self.state_dir.join("teams").join(team.as_str())
    }
}

impl TeamOrchestrator {
    /// A handle that does not keep the agents running.
    pub fn downgrade(&self) -> WeakOrchestrator {
        WeakOrchestrator(Arc::downgrade(&self.inner))
    }

    /// What changes in all teams, for whoever watches.
    pub fn changes(&self) -> &Changes {
        &self.inner.changes
    }

    pub(crate) fn teams(&self) -> MutexGuard<'_, HashMap<TeamName, Arc<TeamRuntime>>> {
        lock(&self.inner.teams)
    }

    /// Whether a member runs here.
    pub(crate) fn is_running(&self, team: &TeamName, member: &str) -> bool {
        let runtime = self.teams().get(team).cloned();
        runtime.and_then(|runtime| runtime.teammate(member)).is_some_and(|teammate| teammate.is_running())
    }

    /// What runs of a team that exists on disk.
    pub(crate) fn runtime(&self, team: &TeamName) -> Result<Arc<TeamRuntime>> {
        // Opened while nobody else looks: a second look at the transcript would take the first for another process.
        let mut teams = self.teams();
        if let Some(runtime) = teams.get(team) {
            return Ok(Arc::clone(runtime));
        }
        let dir = self.inner.team_dir(team);
        let (redactor, changes) = (Arc::clone(&self.inner.redactor), Arc::clone(&self.inner.changes));
        let feed = Feed::open(team, &dir, Rotation::default(), redactor, changes)?;
        let path = self.policy_path(team);
        let policy = policy_file::read(&path).map_err(Error::io("read", path))?;
        let spent = self.journals(team).map(|(name, contents)| (name, contents.record.spent()));
        let ledger = Arc::new(Ledger::new(policy, spent));
        let feed = Arc::new(feed);
        let checkpoints = Arc::new(Checkpoints::open(team, &feed, self.checkpoints_path(team)));
        let runtime = Arc::new(TeamRuntime {
            name: team.clone(),
            feed,
            ledger,
            members: Mutex::new(HashMap::new()),
            damper: Damper::default(),
            requests: OpenRequests::default(),
            asks: Arc::default(),
            asking: Asking::default(),
            own_letters: Arc::default(),
            plans: WaitingPlans::open(&self.plans_dir(team))?,
            tasks: WatchedTasks::new(&self.inner.store, team),
            checkpoints,
            noting: Watching::default(),
            watching: Watching::default(),
            following: Watching::default(),
            lead_hooks: Mutex::default(),
            lead: Mutex::default(),
            dispatching: Watching::default(),
            hook_environment: Mutex::default(),
        });
        teams.insert(team.clone(), Arc::clone(&runtime));
        self.watch(&runtime);
        self.write_checkpoints(&runtime);
        Ok(runtime)
    }

    /// Runs a call of the store where it may block.
    pub(crate) async fn with_store<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Store) -> crate::store::Result<T> + Send + 'static,
    ) -> Result<T> {
        let store = Arc::clone(&self.inner.store);
        match tokio::task::spawn_blocking(move || work(&store)).await {
            Ok(done) => Ok(done?),
            // The runtime goes down.
            Err(_) => Err(Error::ShuttingDown),
        }
    }

    /// Changes tasks of a team, and tells the team at once what became of them, unless it has been told already.
    pub(crate) async fn change_tasks<T: Send + 'static>(
        &self,
        team: TeamName,
        change: impl FnOnce(&Store) -> crate::store::Result<T> + Send + 'static,
    ) -> Result<T> {
        let orchestrator = self.clone();
        self.with_store(move |store| {
            // Whoever has the team's transcript sees the change in the files, as we see others'.
            let opened = || {
                orchestrator
                    .runtime(&team)
                    .inspect_err(|error| tracing::debug!(%team, %error, "changes of tasks are not told"))
            };
            let runtime = store.has_team(&team).then(opened).and_then(Result::ok);
            let tell = || {
                let told = runtime.as_ref().map_or(Ok(()), |runtime| runtime.record_tasks(store));
                if let Err(error) = told {
                    tracing::warn!(%team, %error, "changes of tasks are not told yet");
                }
            };
            // What there was before is known, or it would be taken for new.
            tell();
            let done = change(store);
            tell();
            done
        })
        .await
    }
}
