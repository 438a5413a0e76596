//! Describes an orchestrator: where its files are, which backends it has.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use agent_backends::acp::AcpBackend;
use agent_backends::claude::ClaudeCodeBackend;
use agent_backends::codex::CodexBackend;
use agent_backends::gemini::GeminiCliBackend;
use agent_backends::process::Registry;
use agent_backends::{AgentBackend, BackendType, Command, Decision};

use crate::error::Result;
use crate::model::name::TeamName;
use crate::model::status::PendingApproval;
use crate::orchestrator::entry::{Backend, Hooks, Inner, Router, TeamOrchestrator};
use crate::orchestrator::feed::redact::Redactor;
use crate::orchestrator::hooks::Hook;
use crate::orchestrator::hooks::approval::{ApprovalHook, DECIDES_WITHIN, Decider};
use crate::orchestrator::limits::accounts::{Accounts, FIRST_WAIT};
use crate::orchestrator::runtime::Watching;
use crate::orchestrator::runtime::active_runs::ActiveRuns;
use crate::paths;
use crate::routing::{BackendRouter, ChainRouter};
use crate::store::Store;

/// Builds a [`TeamOrchestrator`].
#[derive(Default)]
pub struct TeamOrchestratorBuilder {
    teams_base: Option<PathBuf>,
    tasks_base: Option<PathBuf>,
    state_dir: Option<PathBuf>,
    approval_deadline: Option<Duration>,
    shim: Option<Command>,
    team_tools: Option<Command>,
    approval_hook: Option<Arc<Decider>>,
    hooks: Vec<Arc<dyn Hook>>,
    router: Option<Box<dyn BackendRouter>>,
    approval_hook_limit: Option<Duration>,
    rate_limit_wait: Option<Duration>,
    redactor: Option<Arc<Redactor>>,
    backends: HashMap<BackendType, Backend>,
}

impl std::fmt::Debug for TeamOrchestratorBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TeamOrchestratorBuilder")
            .field("teams_base", &self.teams_base)
            .field("tasks_base", &self.tasks_base)
            .field("state_dir", &self.state_dir)
            .field("backends", &self.backends)
            .finish_non_exhaustive()
    }
}

impl TeamOrchestrator {
    /// Starts to describe an orchestrator.
    pub fn builder() -> TeamOrchestratorBuilder {
        TeamOrchestratorBuilder::default()
    }
}

impl TeamOrchestratorBuilder {
    /// Where teams are; the default is `teams` in Claude Code's directory.
    pub fn teams_base(mut self, path: impl Into<PathBuf>) -> Self {
        self.teams_base = Some(path.into());
        self
    }

    /// Where task lists are; the default is `tasks` in Claude Code's directory.
    pub fn tasks_base(mut self, path: impl Into<PathBuf>) -> Self {
        self.tasks_base = Some(path.into());
        self
    }

    /// Where transcripts and other files of our own are; the default is the state directory of `teams`.
    pub fn state_dir(mut self, path: impl Into<PathBuf>) -> Self {
        self.state_dir = Some(path.into());
        self
    }

    /// How long a question of an agent waits before it is denied; the default is five minutes.
    pub fn approval_deadline(mut self, deadline: Duration) -> Self {
        self.approval_deadline = Some(deadline);
        self
    }

    /// How long nothing is asked of a provider that has refused because of a rate limit without saying how long; it doubles
    /// with each refusal, up to a quarter of an hour. The default is a minute.
    pub fn rate_limit_wait(mut self, wait: Duration) -> Self {
        self.rate_limit_wait = Some(wait);
        self
    }

    /// Shares what is known of secrets with another sink, a log for example.
    pub fn redactor(mut self, redactor: Arc<Redactor>) -> Self {
        self.redactor = Some(redactor);
        self
    }

    /// Runs each agent under this program, which does nothing but call
    /// [`shim::run`](agent_backends::process::shim::run) with its arguments: `teams shim`, or your own. With it an agent
    /// leaves nothing behind, whatever ends this process. Without it, what is left is looked for in `/proc`, which misses what
    /// has cleared its environment and lost its parent, and a SIGKILL of this process leaves the agents to notice that their
    /// input has ended. Linux only; elsewhere it is not used.
    pub fn shim(mut self, command: Command) -> Self {
        self.shim = Some(command);
        self
    }

    /// Decides what agents ask for, before the team's policy does; what it answers `None` to is left to that. It may take its
    /// time, up to [`approval_hook_limit`](Self::approval_hook_limit): meanwhile the member waits for approval, everything
    /// else goes on, and a person may answer first. Where it panics or takes too long, the answer is no.
    pub fn on_approval<F>(mut self, hook: impl Fn(TeamName, PendingApproval) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Option<Decision>> + Send + 'static,
    {
        self.approval_hook = Some(Arc::new(move |team, question| Box::pin(hook(team, question))));
        self
    }

    /// How long [`on_approval`](Self::on_approval) may take for one question; the default is a minute.
    pub fn approval_hook_limit(mut self, limit: Duration) -> Self {
        self.approval_hook_limit = Some(limit);
        self
    }

    /// Gives a program a say in what happens in all teams; they are asked in their order, and the first veto counts.
    pub fn hook(mut self, hook: impl Hook) -> Self {
        self.hooks.push(Arc::new(hook));
        self
    }

    /// Chooses the backend of members that are started with backend [`auto`](crate::routing::AUTO). The default is
    /// [`ChainRouter::usual`].
    pub fn with_router(mut self, router: impl BackendRouter + 'static) -> Self {
        self.router = Some(Box::new(router));
        self
    }

    /// Gives every agent the team's tools: this program, `teams mcp`, serves them over MCP, and reaches this orchestrator
    /// through a daemon that listens for the same state directory. Without it agents have no tools for their team but those
    /// that Claude Code brings along.
    pub fn team_tools(mut self, command: Command) -> Self {
        self.team_tools = Some(command);
        self
    }

    /// Runs Claude Code.
    pub fn with_claude_code(self, backend: ClaudeCodeBackend) -> Self {
        self.with_backend(backend)
    }

    /// Runs Codex.
    pub fn with_codex(self, backend: CodexBackend) -> Self {
        self.with_backend(backend)
    }

    /// Runs Gemini CLI, one process for each turn.
    pub fn with_gemini_cli(self, backend: GeminiCliBackend) -> Self {
        self.with_backend(backend)
    }

    /// Runs ACP agents, or Gemini CLI as one.
    pub fn with_acp(self, backend: AcpBackend) -> Self {
        self.with_backend(backend)
    }

    /// Runs any backend, yours too; it replaces one of the same type.
    pub fn with_backend(mut self, backend: impl AgentBackend + 'static) -> Self {
        self.backends.insert(backend.backend_type(), Backend(Arc::new(backend)));
        self
    }

    /// Builds it. Nothing is created on disk yet.
    ///
    /// # Errors
    /// A directory was not given and cannot be guessed, because HOME is not set.
    pub fn build(self) -> Result<TeamOrchestrator> {
        let or_claude = |given: Option<PathBuf>, name: &str| match given {
            Some(path) => Ok(path),
            None => paths::claude_dir().map(|dir| dir.join(name)),
        };
        let teams = or_claude(self.teams_base, "teams")?;
        let tasks = or_claude(self.tasks_base, "tasks")?;
        let state_dir = self.state_dir.map_or_else(paths::state_dir, Ok)?;
        let limit = self.approval_hook_limit.unwrap_or(DECIDES_WITHIN);
        Ok(TeamOrchestrator {
            inner: Arc::new(Inner {
                store: Arc::new(Store::new(teams, tasks, state_dir.join("locks"))),
                registry: Registry::new(state_dir.join("children")),
                shim: self.shim,
                team_tools: self.team_tools,
                approval_hook: self.approval_hook.map(|hook| ApprovalHook { hook, limit }),
                hooks: Hooks(self.hooks),
                router: Router(self.router.unwrap_or_else(|| Box::new(ChainRouter::usual()))),
                turns_taken: Default::default(),
                tokens: Arc::default(),
                redactor: self.redactor.unwrap_or_default(),
                changes: Arc::default(),
                recorder: Arc::default(),
                accounts: Arc::new(Accounts::new(self.rate_limit_wait.unwrap_or(FIRST_WAIT))),
                state_dir,
                approval_deadline: self.approval_deadline.unwrap_or(Duration::from_secs(300)),
                backends: self.backends,
                teams: Mutex::new(HashMap::new()),
                runs: ActiveRuns::default(),
                watching: Watching::default(),
                resuming: Watching::default(),
            }),
        })
    }
}
