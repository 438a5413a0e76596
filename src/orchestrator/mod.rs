//! The single entry point of the library: teams, their members, their tasks and messages.
//!
//! One task owns each member's session (`teammate`); everything it does becomes a numbered event of its team (`feed`);
//! what is on disk in Claude Code's format is the store's. The orchestrator knows no agent's protocol.

mod accounts;
mod approvals;
mod budget;
mod builder;
mod feed;
mod handle;
mod journal;
mod launcher;
mod mail;
mod mailroom;
mod members;
mod memory;
mod plans;
mod policy;
mod processes;
mod receiver;
mod redact;
mod reservation;
mod restart;
mod resume;
mod segments;
mod shutdown;
mod status;
mod teammate;
mod tools;
mod trace;
mod work;
mod worktrees;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};

use agent_backends::{AgentBackend, BackendType};

pub use budget::{Budget, BudgetStatus, Spent};
pub use builder::TeamOrchestratorBuilder;
pub use feed::{Feed, Subscription};
pub use handle::MessageHandle;
pub use mail::{Letter, MailLimits};
pub use policy::ResumeMode;
pub use processes::MemberProcesses;
pub use receiver::{MemberReceiver, MemberStream};
pub use redact::Redactor;
pub use resume::{ResumeOutcome, Resumed, Supervise, Surroundings, WorktreeBranch};
pub use shutdown::ShutdownOutcome;
pub use status::{MemberStatus, PendingApproval, TeamStatus};
pub use teammate::MemberState;
pub use tools::{Identity, ToolDescription, ToolOutcome};
pub use trace::MailStep;
pub use work::{TaskCounts, TeamSummary};
pub use worktrees::{BranchFate, WorktreeStatus};

use crate::error::{Error, Result};
use crate::model::name::{AgentName, TeamName};
use crate::store::Store;
use feed::Rotation;
use teammate::Teammate;

/// Runs teams of agents. Clones share everything; the agents end with the last clone.
#[derive(Clone, Debug)]
pub struct TeamOrchestrator {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    store: Arc<Store>,
    state_dir: PathBuf,
    approval_deadline: std::time::Duration,
    shim: Option<agent_backends::Command>,
    registry: agent_backends::process::Registry,
    accounts: Arc<accounts::Accounts>,
    redactor: Arc<Redactor>,
    team_tools: Option<agent_backends::Command>,
    approval_hook: Option<ApprovalHook>,
    tokens: tools::Tokens,
    backends: HashMap<BackendType, Backend>,
    teams: Mutex<HashMap<TeamName, Arc<TeamRuntime>>>,
}

/// What a program that embeds us says to a question of an agent; `None` leaves it to the team's policy.
type Hook = dyn Fn(&TeamName, &PendingApproval) -> Option<agent_backends::Decision> + Send + Sync;

#[derive(Clone)]
struct ApprovalHook(Arc<Hook>);

impl std::fmt::Debug for ApprovalHook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ApprovalHook")
    }
}

#[derive(Clone)]
struct Backend(Arc<dyn AgentBackend>);

impl std::fmt::Debug for Backend {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.backend_type().fmt(f)
    }
}

/// What runs of a team.
#[derive(Debug)]
struct TeamRuntime {
    name: TeamName,
    feed: Arc<Feed>,
    account: Arc<budget::Account>,
    members: Mutex<HashMap<AgentName, Slot>>,
    damper: mail::Damper,
    shutdowns: shutdown::Shutdowns,
    plans: plans::Plans,
    /// Watches the inboxes.
    mailroom: Mutex<mailroom::Mailroom>,
}

#[derive(Debug, Clone)]
enum Slot {
    /// Somebody is starting it; the sender is gone when that is decided.
    Starting { backend: BackendType, decided: tokio::sync::watch::Receiver<()> },
    /// It was started; it may have ended since.
    Started(Arc<Teammate>),
}

impl TeamRuntime {
    fn members(&self) -> MutexGuard<'_, HashMap<AgentName, Slot>> {
        self.members.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn teammate(&self, name: &str) -> Option<Arc<Teammate>> {
        match self.members().get(&name.parse::<AgentName>().ok()?)? {
            Slot::Started(teammate) => Some(Arc::clone(teammate)),
            Slot::Starting { .. } => None,
        }
    }

    /// The member of that name; one that is being started is waited for.
    async fn started(&self, name: &str) -> Option<Arc<Teammate>> {
        let slot = self.members().get(&name.parse::<AgentName>().ok()?).cloned();
        if let Some(Slot::Starting { mut decided, .. }) = slot {
            let _ = decided.changed().await;
        }
        self.teammate(name)
    }

    /// The names of those that run or are being started.
    fn running(&self) -> Vec<String> {
        let runs = |slot: &Slot| match slot {
            Slot::Starting { .. } => true,
            Slot::Started(teammate) => teammate.is_running(),
        };
        let mut names: Vec<String> =
            self.members().iter().filter(|(_, slot)| runs(slot)).map(|(name, _)| name.to_string()).collect();
        names.sort();
        names
    }

    fn teammates(&self) -> Vec<Arc<Teammate>> {
        let members = self.members();
        members
            .values()
            .filter_map(|slot| match slot {
                Slot::Started(teammate) => Some(Arc::clone(teammate)),
                Slot::Starting { .. } => None,
            })
            .collect()
    }
}

impl TeamOrchestrator {
    /// Starts to describe an orchestrator.
    pub fn builder() -> TeamOrchestratorBuilder {
        TeamOrchestratorBuilder::default()
    }

    fn teams(&self) -> MutexGuard<'_, HashMap<TeamName, Arc<TeamRuntime>>> {
        self.inner.teams.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// What runs of a team that exists on disk.
    fn runtime(&self, team: &TeamName) -> Result<Arc<TeamRuntime>> {
        // Opened while nobody else looks: a second look at the transcript would take the first for another process.
        let mut teams = self.teams();
        if let Some(runtime) = teams.get(team) {
            return Ok(Arc::clone(runtime));
        }
        let dir = self.inner.state_dir.join("teams").join(team.as_str());
        let feed = Feed::open(team, &dir, Rotation::default(), Arc::clone(&self.inner.redactor))?;
        let path = self.policy_path(team);
        let policy = policy::Policy::read(&path).map_err(Error::io("read", path))?;
        let account = Arc::new(budget::Account::new(policy, self.journals(team)));
        let runtime = Arc::new(TeamRuntime {
            name: team.clone(),
            feed: Arc::new(feed),
            account,
            members: Mutex::new(HashMap::new()),
            damper: mail::Damper::default(),
            shutdowns: shutdown::Shutdowns::default(),
            plans: plans::Plans::open(&self.plans_dir(team))?,
            mailroom: Mutex::default(),
        });
        teams.insert(team.clone(), Arc::clone(&runtime));
        Ok(runtime)
    }

    /// Runs a call of the store where it may block.
    async fn with_store<T: Send + 'static>(
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
}
