//! Members: spawn, talk to, look at, stop.

pub(crate) mod processes;
pub(crate) mod reservation;
pub(crate) mod resume;
pub(crate) mod status;
pub(crate) mod turn;
pub(crate) mod worktrees;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use agent_backends::{
    AgentBackend, BackendError, BackendType, Capabilities, Decision, Group, PermissionMode, SpawnConfig, StopReport,
    Supervision,
};

use crate::error::{Error, Result};
use crate::model::launch::{Resumed, Supervise, Surroundings, launch_of};
use crate::model::name::{AgentName, TeamName};
use crate::model::status::MemberStatus;
use crate::model::team::{RestartPolicy, TurnLimits};
use crate::orchestrator::entry::TeamOrchestrator;
use crate::orchestrator::feed::receiver::{MemberReceiver, MemberStream};
use crate::orchestrator::feed::redact::Origin;
use crate::orchestrator::feed::{Feed, Subscription};
use crate::orchestrator::members::reservation::Reservation;
use crate::orchestrator::runtime::TeamRuntime;
use crate::orchestrator::teammate::Teammate;
use crate::orchestrator::teammate::journal::{Contents, Journal};
use crate::orchestrator::teammate::launcher::Launcher;
use crate::orchestrator::teammate::parts::{AfterStop, MemberCommand, Profile, Services};
use crate::paths::own_environment;
use crate::store::{NewMember, StoreError};

/// Who decides when nobody else is named.
const USER: &str = "user";

impl TeamOrchestrator {
    /// Starts an agent as a member of a team, and waits until it is ready. No turn is started. A member of that name that
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
        let foreign = existing.member(&name).is_some_and(|member| member.launch.is_none());
        if foreign {
            return Err(StoreError::MemberExists { team: team.to_string(), member: name.to_string() }.into());
        }
        let runtime = self.runtime(&team)?;
        let ours = existing.teammates().filter(|member| member.launch.is_some() && member.name != *name).count();
        runtime.ledger.check_member(ours as u64)?;
        let reservation = Reservation::to_start(&runtime, &name, backend)?;
        let (worktree, config) = self.in_worktree(&team, &name, config, supervise.worktree.as_ref()).await?;
        let launcher = self.launcher(&team, &name, backend, &config)?;
        let launched = launcher.first().await?;
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
        let profile = self.profile(name, backend, cwd, supervise.restart, supervise.limits);
        let teammate = Teammate::start(profile, launcher, launched, journal, contents, self.services(&runtime));
        let status = teammate.status();
        reservation.fill(teammate);
        self.watch(&runtime);
        Ok(status)
    }

    /// What a member shares with others.
    pub(crate) fn services(&self, runtime: &TeamRuntime) -> Services {
        Services {
            feed: Arc::clone(&runtime.feed),
            ledger: Arc::clone(&runtime.ledger),
            accounts: Arc::clone(&self.inner.accounts),
            redactor: Arc::clone(&self.inner.redactor),
            store: Arc::clone(&self.inner.store),
            approval_hook: self.inner.approval_hook.clone(),
            team: runtime.name.clone(),
        }
    }

    pub(crate) fn profile(
        &self,
        name: AgentName,
        backend: BackendType,
        cwd: PathBuf,
        restart: RestartPolicy,
        limits: TurnLimits,
    ) -> Profile {
        Profile { name, backend, cwd, restart, limits, approval_deadline: self.inner.approval_deadline }
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
        backend: BackendType,
        config: &SpawnConfig,
    ) -> Result<Launcher> {
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
            config.mcp_servers.push(self.team_tools_for(command, team, name, config.later_mode.is_some()));
        }
        config.supervision = Supervision {
            shim: self.inner.shim.clone(),
            registry: Some(self.inner.registry.clone()),
            label: format!("{name}@{team}"),
        };
        Ok(Launcher { backend: Arc::clone(backend), config })
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
        match teammate.ask(|reply| MemberCommand::Input { text, from, reply }).await {
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

    /// Answers a question of a member's agent, or a plan, as the user.
    ///
    /// # Errors
    /// There is no such question, or no longer.
    pub async fn answer_approval(&self, team: &str, id: &str, decision: Decision) -> Result<()> {
        self.answer_approval_as(team, id, decision, USER).await
    }

    /// As [`answer_approval`](Self::answer_approval), with a word about who decides, for the transcript.
    ///
    /// # Errors
    /// As [`answer_approval`](Self::answer_approval).
    pub async fn answer_approval_as(&self, team: &str, id: &str, decision: Decision, by: &str) -> Result<()> {
        if id.starts_with("plan_approval-") {
            return match decision {
                Decision::Deny { reason } => self.answer_plan(team, id, false, Some(&reason), by).await,
                _ => self.answer_plan(team, id, true, None, by).await,
            };
        }
        let name: TeamName = team.parse()?;
        let runtime = self.runtime(&name)?;
        let asks = |teammate: &Arc<Teammate>| teammate.status().approvals.iter().any(|open| open.id == id);
        let teammate =
            runtime.teammates().into_iter().find(asks).ok_or_else(|| Error::NoApproval { id: id.to_owned() })?;
        let (id, by) = (id.to_owned(), by.to_owned());
        teammate
            .ask(|reply| MemberCommand::Answer { id, decision, by, reply })
            .await
            .unwrap_or(Err(Error::ShuttingDown))
    }

    /// A member's output from the start of its session on, handed out once; `None` after that.
    ///
    /// # Errors
    /// There is no such member, or it was not started by this orchestrator.
    pub async fn take_output_receiver(&self, team: &str, member: &str) -> Result<Option<MemberReceiver>> {
        let (teammate, feed) = self.session_of(team, member).await?;
        if teammate.receiver_taken.swap(true, Ordering::Relaxed) {
            return Ok(None);
        }
        Ok(Some(MemberReceiver::new(&feed, member, teammate.first_seq)))
    }

    /// A member's output as a stream, from the start of its session on. There can be any number of them.
    ///
    /// # Errors
    /// As [`take_output_receiver`](Self::take_output_receiver).
    pub async fn output_stream(&self, team: &str, member: &str) -> Result<MemberStream> {
        let (teammate, feed) = self.session_of(team, member).await?;
        Ok(MemberStream::new(MemberReceiver::new(&feed, member, teammate.first_seq)))
    }

    /// A member that this orchestrator started, ended or not, and its team's events.
    async fn session_of(&self, team: &str, member: &str) -> Result<(Arc<Teammate>, Arc<Feed>)> {
        let name: TeamName = team.parse()?;
        let found =
            self.teams().get(&name).and_then(|runtime| Some((runtime.teammate(member)?, Arc::clone(&runtime.feed))));
        match found {
            Some(found) => Ok(found),
            None => Err(self.running_member(team, member).await.err().unwrap_or(Error::ShuttingDown)),
        }
    }

    /// A team's events from number `from` on.
    ///
    /// # Errors
    /// There is no such team.
    pub async fn events(&self, team: &str, from: u64) -> Result<Subscription> {
        let name: TeamName = team.parse()?;
        let known = self.teams().contains_key(&name);
        if !known {
            let name = name.clone();
            self.with_store(move |store| store.team(&name).map(|_| ())).await?;
        }
        Ok(self.runtime(&name)?.feed.subscribe(from))
    }

    /// Whether the events of all these can be read: they are members, or events tell of them. No inbox is read.
    ///
    /// # Errors
    /// There is no such team, or nothing is known of one of them.
    pub async fn check_readable(&self, team: &str, members: &[String]) -> Result<()> {
        let name: TeamName = team.parse()?;
        let runs = |member: &&String| {
            let known = member.parse::<AgentName>().ok();
            self.teams().get(&name).zip(known).is_some_and(|(runtime, known)| runtime.members().contains_key(&known))
        };
        // Those whose events are asked for most often cost no look at a file.
        let others: Vec<&String> = members.iter().filter(|member| !runs(member)).collect();
        if others.is_empty() {
            return Ok(());
        }
        let roster = self.roster(team).await?;
        for member in others {
            let listed = roster.teammates().any(|other| other.name == *member);
            // One that has left can be read about.
            if !listed && !self.tells_of(team, member).await? {
                let existing = roster.teammates().map(|member| member.name.clone()).collect();
                return Err(StoreError::NoMember { team: name.to_string(), member: member.clone(), existing }.into());
            }
        }
        Ok(())
    }

    /// The number of a team's last event.
    ///
    /// # Errors
    /// There is no such team.
    pub async fn last_seq(&self, team: &str) -> Result<u64> {
        self.events(team, 1).await?;
        Ok(self.runtime(&team.parse()?)?.feed.last_seq())
    }

    /// Stops a member's session, politely first, and answers what was verified. A member that does not run is no error. Its
    /// tasks that are not done are free again.
    ///
    /// # Errors
    /// There is no such member.
    pub async fn shutdown_teammate(&self, team: &str, member: &str) -> Result<StopReport> {
        self.stop(team, member, false, AfterStop::Stay).await
    }

    /// Kills a member's processes.
    ///
    /// # Errors
    /// There is no such member.
    pub async fn kill_teammate(&self, team: &str, member: &str) -> Result<StopReport> {
        self.stop(team, member, true, AfterStop::Stay).await
    }

    async fn stop(&self, team: &str, member: &str, now: bool, after: AfterStop) -> Result<StopReport> {
        let name: TeamName = team.parse()?;
        let runtime = self.teams().get(&name).cloned();
        let found = match &runtime {
            Some(runtime) => runtime.started(member).await,
            None => None,
        };
        let report = match found.filter(|teammate| !teammate.has_ended()) {
            Some(teammate) => match teammate.ask(|reply| MemberCommand::Stop { now, after, reply }).await {
                Some(report) => report?,
                None => teammate.report().unwrap_or_else(StopReport::nothing),
            },
            None => match self.running_member(team, member).await {
                Err(Error::NotRunning { .. }) => {
                    if after == AfterStop::Stay {
                        self.give_up(&name, member).await?;
                    }
                    StopReport::nothing()
                }
                Err(error) => return Err(error),
                Ok(_) => return Err(Error::ShuttingDown),
            },
        };
        if after == AfterStop::Return {
            return Ok(report);
        }
        let member = member.to_owned();
        // The agent is stopped, whatever became of the files of its team.
        if let Err(error) = self.change_tasks(name.clone(), move |store| store.release_tasks(&name, &member)).await {
            tracing::warn!(%team, %error, "the tasks of a stopped member were not released");
        }
        Ok(report)
    }

    /// Stops every member of every team. They are wanted still: [`resume_team`](Self::resume_team) brings them back.
    pub async fn shutdown(&self) -> Vec<(String, String, Result<StopReport>)> {
        let running: Vec<(TeamName, Arc<Teammate>)> = {
            let teams = self.teams();
            let of = |runtime: &Arc<TeamRuntime>| {
                let name = runtime.name.clone();
                runtime.teammates().into_iter().map(move |teammate| (name.clone(), teammate))
            };
            teams.values().flat_map(of).filter(|(_, teammate)| teammate.is_running()).collect()
        };
        let mut stops = tokio::task::JoinSet::new();
        for (team, teammate) in running {
            let this = self.clone();
            stops.spawn(async move {
                let report = this.stop(&team, teammate.name(), false, AfterStop::Return).await;
                (team.to_string(), teammate.name().to_string(), report)
            });
        }
        let mut reports = stops.join_all().await;
        reports.sort_by(|a, b| (&a.0, &a.1).cmp(&(&b.0, &b.1)));
        reports
    }

    /// Forgets what ran of a team that is being deleted.
    pub(crate) fn forget(&self, team: &TeamName) -> Result<()> {
        self.teams().remove(team);
        let dir = self.inner.team_dir(team);
        match std::fs::remove_dir_all(&dir) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::io("delete", dir)(error)),
            _ => Ok(()),
        }
    }

    /// The members of a team that run.
    pub(crate) fn running_members(&self, team: &TeamName) -> Vec<String> {
        self.teams().get(team).map(|runtime| runtime.running_names()).unwrap_or_default()
    }
}

/// What a member is told that plans.
const PLAN_FIRST: &str = "You plan before you act. Look at what there is, change nothing, and hand in your plan with the tool \
`submit_plan` of the server `teams`. The answer comes as a message: carry out an approved plan as it stands, revise a rejected one \
and hand it in again. For anything that is not in it, hand in a new plan first.";
