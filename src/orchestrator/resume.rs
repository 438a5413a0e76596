//! Brings members back with their own conversations: after a crash, a reboot, or an end that somebody ordered.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use agent_backends::process::Grace;
use agent_backends::{BackendType, Command, SpawnConfig};
use serde::{Deserialize, Serialize};

use super::TeamOrchestrator;
use super::journal::Contents;
use super::members::own_environment;
use super::redact::Origin;
use super::reservation::Reservation;
use super::teammate::{Command as Order, Teammate};
use super::worktrees::Git;
use crate::error::{Error, Result};
use crate::model::event::Conversation;
use crate::model::name::{AgentName, TeamName};
use crate::model::team::{Launch, Member, PlanGate, RestartPolicy, TurnLimits, Worktree};
use crate::store::StoreError;

/// How a member is looked after.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Supervise {
    /// It gets a git worktree of its own, made from the checkout that its working directory is in.
    pub worktree: Option<WorktreeBranch>,
    /// It changes nothing until its plan is approved.
    pub plan_approval: bool,
    /// When it is started again.
    pub restart: RestartPolicy,
    /// How long its turns may take.
    pub limits: TurnLimits,
}

/// What is checked out in a member's worktree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WorktreeBranch {
    /// A branch named after the team and the member.
    Own,
    /// This branch, which is made if there is none.
    Named(String),
}

/// What a member gets from whoever starts it, and what is written down nowhere.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Surroundings {
    /// The environment; `None` for our own.
    pub environment: Option<BTreeMap<String, String>>,
    /// The file mode creation mask; `None` for our own.
    pub umask: Option<u32>,
    /// Its working directory.
    pub cwd: Option<PathBuf>,
    /// How to call the agents, where that is not as the backends would.
    pub commands: BTreeMap<BackendType, Command>,
}

impl std::fmt::Debug for Surroundings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The environment has secrets.
        f.debug_struct("Surroundings").field("commands", &self.commands).finish_non_exhaustive()
    }
}

/// What became of a member that was to come back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resumed {
    /// The member.
    pub name: String,
    /// What became of it.
    pub outcome: ResumeOutcome,
    /// Why, where it is not the conversation that it had.
    pub reason: Option<String>,
}

/// What became of a member's conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ResumeOutcome {
    /// It goes on.
    Resumed,
    /// There was none, and a new one began.
    Fresh,
    /// It could not be started.
    Failed,
}

impl From<Conversation> for ResumeOutcome {
    fn from(conversation: Conversation) -> Self {
        match conversation {
            Conversation::Resumed => Self::Resumed,
            Conversation::Fresh => Self::Fresh,
        }
    }
}

impl TeamOrchestrator {
    /// Brings back every member of a team that does not run and that nobody has stopped, each with its own conversation, and
    /// answers what became of each.
    ///
    /// # Errors
    /// There is no such team.
    pub async fn resume_team(&self, team: &str, surroundings: &Surroundings) -> Result<Vec<Resumed>> {
        let team = self.team(team).await?;
        let name = team.name;
        let mut resumes = tokio::task::JoinSet::new();
        for member in team.members.into_iter().filter(|member| member.launch.is_some()) {
            let Ok(agent) = member.name.parse::<AgentName>() else { continue };
            let running = self.teams().get(&name).is_some_and(|runtime| runtime.running().contains(&member.name));
            let wanted = Contents::read(&self.journal_path(&name, &agent)).is_ok_and(|journal| journal.record.wanted);
            if running || !wanted {
                continue;
            }
            let (this, name, surroundings) = (self.clone(), name.clone(), surroundings.clone());
            resumes.spawn(async move {
                let outcome = this.resume_known(&name, member, &surroundings).await;
                let (outcome, reason) = match outcome {
                    // Somebody else was faster.
                    Err(Error::Running { .. }) => return None,
                    Ok((conversation, reason)) => (conversation.into(), reason),
                    Err(error) => (ResumeOutcome::Failed, Some(error.to_string())),
                };
                Some(Resumed { name: agent.to_string(), outcome, reason })
            });
        }
        let mut resumed: Vec<Resumed> = resumes.join_all().await.into_iter().flatten().collect();
        resumed.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(resumed)
    }

    /// Brings back a member that does not run, whoever has stopped it, with its own conversation.
    ///
    /// # Errors
    /// There is no such member of ours, it runs, or it cannot be started.
    pub async fn resume_member(&self, team: &str, member: &str, surroundings: &Surroundings) -> Result<Resumed> {
        let team = self.team(team).await?;
        let found = team.member(member).filter(|member| member.launch.is_some()).cloned().ok_or_else(|| {
            let existing = team.teammates().map(|member| member.name.clone()).collect();
            StoreError::NoMember { team: team.name.to_string(), member: member.to_owned(), existing }
        })?;
        let (conversation, reason) = self.resume_known(&team.name, found, surroundings).await?;
        Ok(Resumed { name: member.to_owned(), outcome: conversation.into(), reason })
    }

    async fn resume_known(
        &self,
        team: &TeamName,
        member: Member,
        surroundings: &Surroundings,
    ) -> Result<(Conversation, Option<String>)> {
        let name = AgentName::for_member(&member.name)?;
        let runtime = self.runtime(team)?;
        let Some(launch) = member.launch.clone() else {
            return Err(StoreError::MemberExists { team: team.to_string(), member: name.to_string() }.into());
        };
        let reservation = Reservation::make(&runtime, &name, launch.backend)?;
        let mut config = config_of(&member, surroundings);
        if let Some(worktree) = launch.worktree.clone() {
            let git = Git::new(surroundings.environment.clone());
            let roots = tokio::task::spawn_blocking(move || git.verify(&worktree).and_then(|()| git.roots(&worktree)));
            config.writable_roots = roots.await.map_err(|_| Error::ShuttingDown)??;
        }
        // What was given at the spawn is a secret still, wherever it comes from now.
        let environment = surroundings.environment.clone().unwrap_or_else(own_environment);
        let given = environment.iter().filter(|(name, _)| launch.env_names.contains(name));
        self.inner.redactor.learn(given, Origin::Given);
        let launcher = self.launcher(team, &name, launch.backend, &config)?;
        // Opened anew only when the session is there: until then whoever had the member before may still write.
        let path = self.journal_path(team, &name);
        let before = Contents::read(&path).map_err(Error::io("read", &path))?;
        let mut launched = launcher.again(&before.record).await?;
        let (journal, contents) = match self.journal(team, &name) {
            Ok(journal) => journal,
            Err(error) => {
                launched.session.force_kill().await?;
                return Err(error);
            }
        };
        let missing: Vec<&str> =
            launch.env_names.iter().filter(|name| !environment.contains_key(*name)).map(String::as_str).collect();
        let conversation = launched.conversation.unwrap_or(Conversation::Fresh);
        let mut reasons: Vec<String> = launched.reason.clone().into_iter().collect();
        if !missing.is_empty() {
            let names = missing.join(", ");
            reasons.push(format!(
                "{names}, which it was given with --env, is not set in this shell, and was kept nowhere"
            ));
        }
        let cwd = config.cwd.unwrap_or_else(|| PathBuf::from("."));
        let identity = self.identity(name, launch.backend, cwd, launch.restart, launch.limits);
        let teammate = Teammate::start(identity, launcher, launched, journal, contents, self.shelf(&runtime));
        reservation.fill(teammate);
        self.watch_inboxes(&runtime);
        Ok((conversation, Some(reasons.join("; ")).filter(|reason| !reason.is_empty())))
    }

    /// Stops a member if it runs, and starts it with its conversation; what was held against it is forgotten.
    ///
    /// # Errors
    /// There is no such member of ours, or it cannot be started.
    pub async fn restart_member(&self, team: &str, member: &str, surroundings: &Surroundings) -> Result<Resumed> {
        let Some(teammate) = self.known(team, member).await? else {
            return self.resume_member(team, member, surroundings).await;
        };
        let conversation = teammate.ask(Order::Restart).await.unwrap_or(Err(Error::ShuttingDown))?;
        Ok(Resumed { name: member.to_owned(), outcome: conversation.into(), reason: None })
    }

    /// A member that does not run is not wanted any more.
    pub(super) async fn give_up(&self, team: &TeamName, member: &str) -> Result<()> {
        let path = self.journal_path(team, &member.parse()?);
        if !path.exists() {
            return Ok(());
        }
        let name: AgentName = member.parse()?;
        let runtime = self.runtime(team)?;
        // Nobody resumes it meanwhile.
        let _reservation = Reservation::make(&runtime, &name, BackendType::Acp)?;
        let (mut journal, contents) = self.journal(team, &name)?;
        let record = super::journal::Record { wanted: false, alive: false, ..contents.record };
        journal.save(&record).map_err(Error::io("write", path))
    }
}

/// What a member is started with again.
fn config_of(member: &Member, surroundings: &Surroundings) -> SpawnConfig {
    let mut config = SpawnConfig::new(member.name.clone(), member.prompt.clone().unwrap_or_default());
    config.model = member.model.clone();
    config.cwd = member.cwd.clone();
    config.inherit_env = surroundings.environment.clone();
    config.umask = surroundings.umask;
    if let Some(launch) = &member.launch {
        config.effort = launch.effort.clone();
        config.permission_mode = Some(launch.permission_mode.clone());
        config.later_mode = launch.plan.as_ref().map(|gate| gate.then.clone());
        config.max_turns = launch.max_turns;
        config.extra_args = launch.extra_args.clone();
        config.command = launch.command.clone().or_else(|| surroundings.commands.get(&launch.backend).cloned());
        let rung = launch.stop_grace_ms.map(Duration::from_millis);
        config.stop_grace = rung.map(|rung| Grace { ask: rung, term: rung });
    }
    config
}

/// How a member is to be run, for its team's file. No value of its environment is in there.
pub(super) fn launch_of(
    config: &SpawnConfig,
    backend: BackendType,
    supervise: &Supervise,
    worktree: Option<Worktree>,
) -> Launch {
    Launch {
        backend,
        permission_mode: config.permission_mode.clone().unwrap_or_default(),
        effort: config.effort.clone(),
        max_turns: config.max_turns,
        command: config.command.clone().filter(|_| backend == BackendType::Acp),
        extra_args: config.extra_args.clone(),
        env_names: config.env.keys().cloned().collect(),
        worktree,
        restart: supervise.restart,
        limits: supervise.limits,
        plan: config.later_mode.clone().map(|then| PlanGate { then, approved: None }),
        stop_grace_ms: config.stop_grace.map(|grace| u64::try_from(grace.term.as_millis()).unwrap_or(u64::MAX)),
    }
}
