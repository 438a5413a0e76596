//! Members: spawn, talk to, look at, stop.

mod ask;
pub(crate) mod auto;
mod measured;
mod output;
pub(crate) mod processes;
pub(crate) mod reservation;
pub(crate) mod resume;
pub(crate) mod status;
mod stop;
pub(crate) mod turn;
pub(crate) mod worktrees;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use agent_backends::process::ProcessId;
use agent_backends::{
    AgentBackend, BackendError, BackendType, Capabilities, Group, PermissionMode, SpawnConfig, Supervision,
};

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::model::event::EventKind;
use crate::model::hook::HookCommand;
use crate::model::launch::{Resumed, Supervise, Surroundings, launch_of};
use crate::model::name::{AgentName, TeamName};
use crate::model::status::MemberStatus;
use crate::model::team::{IfLost, OnLeadExit, RestartPolicy, TurnLimits};
use crate::orchestrator::entry::TeamOrchestrator;
use crate::orchestrator::feed::redact::Origin;
use crate::orchestrator::members::auto::AutoSpawn;
use crate::orchestrator::members::reservation::Reservation;
use crate::orchestrator::runtime::{LeadHooks, TeamRuntime};
use crate::orchestrator::teammate::Teammate;
use crate::orchestrator::teammate::journal::{Contents, Journal};
use crate::orchestrator::teammate::launcher::Launcher;
use crate::orchestrator::teammate::native::Native;
use crate::orchestrator::teammate::parts::{MemberCommand, Profile, Services};
use crate::paths::own_environment;
use crate::routing::AUTO;
use crate::store::{NewMember, StoreError, write_private};
use crate::sync::lock;

/// What kind of member a launcher starts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MemberKind {
    pub(crate) backend: BackendType,
    pub(crate) if_lost: IfLost,
    /// It leads a run.
    pub(crate) leads: bool,
}

/// The hooks of a lead as they were when it started its first member, for a daemon that is started anew.
#[derive(Serialize, Deserialize)]
struct KeptHooks {
    lead: ProcessId,
    commands: Vec<HookCommand>,
}

impl TeamOrchestrator {
    /// Starts an agent as a member of a team, and waits until it is ready. No turn is started. Which one, the router says where the backend is
    /// [`auto`](crate::routing::AUTO). A member of that name that
    /// has ended is replaced; its numbers of turns go on.
    ///
    /// # Errors
    /// The team does not exist, the name is bad or in use, or the backend cannot start it as asked.
    pub async fn spawn_teammate(&self, team: &str, config: SpawnConfig, backend: BackendType) -> Result<MemberStatus> {
        self.spawn_teammate_with(team, config, backend, Supervise::default()).await
    }

    /// As [`spawn_teammate`](Self::spawn_teammate), with a say in when it is started again and how long its turns may take.
    ///
    /// # Errors
    /// As [`spawn_teammate`](Self::spawn_teammate).
    pub async fn spawn_teammate_with(
        &self,
        team: &str,
        mut config: SpawnConfig,
        backend: BackendType,
        supervise: Supervise,
    ) -> Result<MemberStatus> {
        if backend == AUTO {
            let (commands, work) = (BTreeMap::new(), String::new());
            let spawn = AutoSpawn { config, supervise, commands, work, only: None };
            // Which ends here again, with the backend that was chosen.
            return Box::pin(self.spawn_auto(team, spawn)).await;
        }
        if supervise.plan_approval {
            let then = config.permission_mode.replace(PermissionMode::Plan).unwrap_or_default();
            config.later_mode = Some(if then == PermissionMode::Plan { PermissionMode::Default } else { then });
        }
        let capabilities = self.capabilities(backend)?;
        if supervise.plan_approval && !capabilities.changes_mode {
            let what = "get another permission mode when its plan is approved".to_owned();
            return Err(BackendError::Unsupported { backend, what }.into());
        }
        let team: TeamName = team.parse()?;
        let name = AgentName::for_member(&config.name)?;
        let existing = self.roster(&team).await?;
        let native = match (existing.member(&name), &supervise.adopt) {
            (Some(entry), Some(adoption)) => Some(Native {
                lead_key: adoption.lead_key.clone(),
                pane: entry.pane.clone(),
                pane_kind: entry.pane_kind.clone(),
            }),
            (None, Some(_)) => {
                let existing = existing.members.iter().map(|member| member.name.clone()).collect();
                return Err(StoreError::NoMember { team: team.to_string(), member: name.to_string(), existing }.into());
            }
            (Some(member), None) if member.launch.is_none() => {
                return Err(StoreError::MemberExists { team: team.to_string(), member: name.to_string() }.into());
            }
            (_, None) => None,
        };
        let runtime = self.runtime(&team)?;
        let ours = existing.teammates().filter(|member| member.launch.is_some() && member.name != *name).count();
        runtime.ledger.check_member(ours as u64)?;
        if native.is_some() {
            self.heed_lead(&runtime, config.inherit_env.as_ref()).await?;
        }
        let lead = self.lead_of(&team).await;
        let reservation = Reservation::to_start(&runtime, &name, backend)?;
        let (worktree, config, unused) = self.in_worktree(&team, &name, config, supervise.worktree.as_ref()).await?;
        let kind = MemberKind { backend, if_lost: supervise.if_lost, leads: supervise.leads };
        let launcher = self.launcher(&team, &name, kind, &config)?;
        let launched = match (launcher.first().await, unused) {
            (Ok(launched), _) => launched,
            (Err(error), unused) => {
                // Another one may want the branch.
                if let Some(unused) = unused {
                    unused.discard().await;
                }
                return Err(error.into());
            }
        };
        if let Some(reason) = supervise.routed.clone() {
            runtime.feed.append(&name, None, EventKind::Routed { backend: backend.to_string(), reason });
        }
        let cwd = config.cwd.clone().unwrap_or_else(|| PathBuf::from("."));
        let cwd = cwd.canonicalize().unwrap_or(cwd);
        let member = NewMember {
            name: name.clone(),
            model: config.model.clone().or_else(|| launched.session.model()),
            prompt: config.prompt.clone(),
            cwd: cwd.clone(),
            launch: launch_of(&config, backend, &capabilities, &supervise, worktree),
        };
        let written = {
            let team = team.clone();
            let now = jiff::Timestamp::now().as_millisecond();
            self.with_store(move |store| store.add_member(&team, &member, now)).await
        };
        let journal = written.and_then(|()| self.journal(&team, &name));
        let (journal, mut contents) = match journal {
            Ok(journal) => journal,
            Err(error) => {
                let mut session = launched.session;
                session.force_kill().await?;
                return Err(error);
            }
        };
        // What it was before is another conversation, unless this one is asked for.
        contents.record.session_id = config.resume.clone();
        contents.record.first_turn_begun = config.resume.is_some();
        let dropped = std::mem::take(&mut contents.queued);
        contents.cut.extend(dropped);
        let dropped = std::mem::take(&mut contents.unsure);
        contents.cut.extend(dropped);
        contents.record.native = native.clone();
        let profile =
            self.profile(name, backend, cwd, (supervise.restart, supervise.limits, supervise.on_lead_exit), native);
        let teammate = Teammate::start(profile, launcher, launched, journal, contents, self.services(&runtime));
        let status = MemberStatus { routed: supervise.routed.clone(), ..teammate.status() };
        reservation.fill(teammate);
        self.watch(&runtime);
        self.follow_lead(&runtime, lead);
        self.dispatch_tasks(&runtime);
        Ok(status)
    }

    /// The process of the live lead of a team; none where it is not known.
    pub(super) async fn lead_of(&self, team: &TeamName) -> Option<ProcessId> {
        let team = team.clone();
        self.with_store(move |store| store.lead_process(&team)).await.ok().flatten()
    }

    /// Takes note of the live lead that starts a member: of its process, and of its hooks, which hear of what its members do, too. They are those
    /// that it had when it started the first of them, because members may write into its project's settings.
    ///
    /// # Errors
    /// It has ended meanwhile.
    pub(super) async fn heed_lead(
        &self,
        runtime: &TeamRuntime,
        environment: Option<&BTreeMap<String, String>>,
    ) -> Result<()> {
        let team = runtime.name.clone();
        let known = self.with_store(move |store| Ok((store.lead_process(&team)?, store.is_claimed(&team)?)));
        let lead = match known.await? {
            (Some(lead), _) => lead,
            // An older version does not say which process leads a conversation that goes on.
            (None, false) => return Ok(()),
            (None, true) => return Err(Error::NotLed),
        };
        if lead.is_gone() {
            return Err(Error::NotLed);
        }
        if lock(&runtime.lead).replace(lead) == Some(lead) && lock(&runtime.lead_hooks).is_some() {
            return Ok(());
        }
        let path = self.inner.team_dir(&runtime.name).join("lead-hooks.json");
        let kept = std::fs::read(&path).ok().and_then(|text| serde_json::from_slice::<KeptHooks>(&text).ok());
        let commands = match kept.filter(|kept| kept.lead == lead) {
            Some(kept) => kept.commands,
            None => {
                let team = runtime.name.clone();
                let commands = self.with_store(move |store| store.lead_hooks(&team)).await?;
                let text = serde_json::to_vec(&KeptHooks { lead, commands: commands.clone() }).unwrap_or_default();
                write_private(&path, &text).map_err(Error::io("write", &path))?;
                commands
            }
        };
        *lock(&runtime.lead_hooks) = Some(LeadHooks { commands, environment: environment.cloned() });
        Ok(())
    }

    /// What a member shares with others.
    pub(crate) fn services(&self, runtime: &TeamRuntime) -> Services {
        Services {
            feed: Arc::clone(&runtime.feed),
            ledger: Arc::clone(&runtime.ledger),
            accounts: Arc::clone(&self.inner.accounts),
            redactor: Arc::clone(&self.inner.redactor),
            store: Arc::clone(&self.inner.store),
            asks: self.asks(runtime.name.clone()),
            tokens: Arc::clone(&self.inner.tokens),
            own_letters: Arc::clone(&runtime.own_letters),
            team: runtime.name.clone(),
        }
    }

    pub(crate) fn profile(
        &self,
        name: AgentName,
        backend: BackendType,
        cwd: PathBuf,
        (restart, limits, on_lead_exit): (RestartPolicy, TurnLimits, OnLeadExit),
        native: Option<Native>,
    ) -> Profile {
        let approval_deadline = self.inner.approval_deadline;
        Profile { name, backend, cwd, restart, limits, approval_deadline, on_lead_exit, native }
    }

    /// What the agents of a backend can do.
    ///
    /// # Errors
    /// It is not set up.
    pub fn capabilities(&self, backend: BackendType) -> Result<Capabilities> {
        Ok(self.backend(backend)?.capabilities())
    }

    fn backend(&self, backend: BackendType) -> Result<&Arc<dyn AgentBackend>> {
        let found = self.inner.backends.get(&backend).map(|backend| &backend.0);
        found.ok_or_else(|| {
            let mut available: Vec<String> = self.inner.backends.keys().map(BackendType::to_string).collect();
            available.sort();
            Error::NoBackend { backend: backend.to_string(), available }
        })
    }

    /// What starts this member's sessions.
    pub(crate) fn launcher(
        &self,
        team: &TeamName,
        name: &AgentName,
        kind: MemberKind,
        config: &SpawnConfig,
    ) -> Result<Launcher> {
        let MemberKind { backend, if_lost, leads } = kind;
        let backend = self.backend(backend)?;
        let mut config = config.clone();
        if config.later_mode.is_some() {
            config.prompt = format!("{}\n\n{PLAN_FIRST}", config.prompt).trim_start().to_owned();
        }
        let has_tools = self.inner.team_tools.is_some();
        backend.join(&mut config, &Group { name: team, member: name, has_tools });
        let redactor = &self.inner.redactor;
        redactor.learn(config.env.iter(), Origin::Given);
        match &config.inherit_env {
            Some(environment) => redactor.learn(environment.iter(), Origin::Shell),
            None => redactor.learn(own_environment().iter(), Origin::Shell),
        }
        if let Some(command) = &self.inner.team_tools {
            config.mcp_servers.push(self.team_tools_for(command, team, name, config.later_mode.is_some(), leads));
        }
        config.supervision = Supervision {
            shim: self.inner.shim.clone(),
            registry: Some(self.inner.registry.clone()),
            label: format!("{name}@{team}"),
            tap: None,
        };
        let recorder = Some(Arc::clone(&self.inner.recorder));
        Ok(Launcher { backend: Arc::clone(backend), config, if_lost, recorder })
    }

    /// The journals of all members of a team, also of those that are not in its file any more.
    pub(crate) fn journals(&self, team: &TeamName) -> impl Iterator<Item = (String, Contents)> {
        let dir = self.inner.team_dir(team).join("members");
        let files = std::fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path());
        files.filter(|path| path.extension().is_some_and(|extension| extension == "jsonl")).filter_map(|path| {
            let name = path.file_stem()?.to_str()?.to_owned();
            Some((name, Contents::read(&path).ok()?))
        })
    }

    pub(crate) fn journal(&self, team: &TeamName, name: &AgentName) -> Result<(Journal, Contents)> {
        let path = self.journal_path(team, name);
        Journal::open(&path).map_err(Error::io("open", &path))
    }

    pub(crate) fn journal_path(&self, team: &TeamName, name: &AgentName) -> PathBuf {
        self.inner.team_dir(team).join("members").join(format!("{name}.jsonl"))
    }

    /// The running member of that name.
    pub(crate) async fn running_member(&self, team: &str, member: &str) -> Result<Arc<Teammate>> {
        let name: TeamName = team.parse()?;
        let teammate = self.teams().get(&name).and_then(|runtime| runtime.teammate(member));
        match teammate {
            Some(teammate) if teammate.is_running() => Ok(teammate),
            known => {
                let listed = self.status(team).await?;
                let status = listed.members.iter().find(|other| other.name == member).ok_or_else(|| {
                    let existing = listed.members.iter().map(|other| other.name.clone()).collect();
                    StoreError::NoMember { team: team.to_owned(), member: member.to_owned(), existing }
                })?;
                let state = known.and_then(|teammate| teammate.status().failure);
                Err(self.not_running(team, status, state))
            }
        }
    }

    fn not_running(&self, team: &str, status: &MemberStatus, failure: Option<String>) -> Error {
        let remedy = match status.backend {
            None => "it is not one of ours, so write to its inbox with `teams message`".to_owned(),
            Some(_) => format!("`teams resume {team}`, or an input for it, starts it with its conversation"),
        };
        Error::NotRunning {
            team: team.to_owned(),
            member: status.name.clone(),
            state: failure.unwrap_or_else(|| status.state.as_str().to_owned()),
            remedy,
        }
    }

    /// Gives a member an input, and answers the number of the turn that it becomes. A busy member takes it after its turn.
    ///
    /// # Errors
    /// There is no such member, it does not run, or it does not take this input.
    pub async fn send_input(&self, team: &str, member: &str, input: &str) -> Result<u64> {
        self.send_input_from(team, member, input, None).await
    }

    /// As [`send_input`](Self::send_input), with the sender's name for the transcript.
    ///
    /// # Errors
    /// As [`send_input`](Self::send_input).
    pub async fn send_input_from(&self, team: &str, member: &str, input: &str, from: Option<String>) -> Result<u64> {
        let teammate = match self.known(team, member).await? {
            Some(teammate) => teammate,
            // Known from its files only.
            None => {
                self.resume_member(team, member, &Surroundings::default()).await?;
                self.running_member(team, member).await?
            }
        };
        let text = input.to_owned();
        match teammate.ask(|reply| MemberCommand::Input { text, from, asked: false, reply }).await {
            Some(sent) => sent,
            None => Err(self.running_member(team, member).await.err().unwrap_or(Error::ShuttingDown)),
        }
    }

    /// Whether a member of ours does not run and was not started by this orchestrator: an input would have to resume it in
    /// the surroundings of whoever sends it.
    ///
    /// # Errors
    /// There is no such member, or it is not ours.
    pub async fn is_dormant(&self, team: &str, member: &str) -> Result<bool> {
        Ok(self.known(team, member).await?.is_none())
    }

    /// The member, running or ended, when it was started by this orchestrator; `None` when it is known from its files only.
    pub(crate) async fn known(&self, team: &str, member: &str) -> Result<Option<Arc<Teammate>>> {
        let name: TeamName = team.parse()?;
        let runtime = self.teams().get(&name).cloned();
        if let Some(runtime) = runtime
            && let Some(teammate) = runtime.started(member).await
            && !teammate.has_ended()
        {
            return Ok(Some(teammate));
        }
        match self.running_member(team, member).await {
            Ok(teammate) => Ok(Some(teammate)),
            Err(error) if self.is_ours(&name, member).await => match error {
                Error::NotRunning { .. } => Ok(None),
                error => Err(error),
            },
            Err(error) => Err(error),
        }
    }

    /// Brings back a member of ours that does not run; one that runs, or is not ours, is left alone.
    ///
    /// # Errors
    /// There is no such team, or the member cannot be started.
    pub async fn wake(&self, team: &str, member: &str, surroundings: &Surroundings) -> Result<Option<Resumed>> {
        let name: TeamName = team.parse()?;
        let runtime = self.teams().get(&name).cloned();
        if let Some(runtime) = runtime
            && runtime.started(member).await.is_some_and(|teammate| teammate.is_running())
        {
            return Ok(None);
        }
        if !self.is_ours(&name, member).await {
            return Ok(None);
        }
        match self.resume_member(team, member, surroundings).await {
            // Somebody else was faster.
            Err(Error::Running { .. }) => Ok(None),
            resumed => resumed.map(Some),
        }
    }

    async fn is_ours(&self, team: &TeamName, member: &str) -> bool {
        let (team, member) = (team.clone(), member.to_owned());
        let read = self.with_store(move |store| store.team(&team)).await;
        read.is_ok_and(|team| team.member(&member).is_some_and(|member| member.launch.is_some()))
    }

    /// Ends a member's running turn. What waits behind it stays.
    ///
    /// # Errors
    /// There is no such member, or it does not run.
    pub async fn interrupt(&self, team: &str, member: &str) -> Result<()> {
        let teammate = self.running_member(team, member).await?;
        teammate.ask(MemberCommand::Interrupt).await.unwrap_or(Err(Error::ShuttingDown))
    }
}

/// What a member is told that plans.
const PLAN_FIRST: &str = "You plan before you act. Look at what there is, change nothing, and hand in your plan with the tool \
`submit_plan` of the server `teams`. The answer comes as a message: carry out an approved plan as it stands, revise a rejected one \
and hand it in again. For anything that is not in it, hand in a new plan first.";
