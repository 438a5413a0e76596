//! The verbs of a team for a program that shares the daemon of `teams` instead of owning agents. They are named as on
//! [`TeamOrchestrator`](crate::TeamOrchestrator), take the same arguments, and fail with the same error.

mod verbs;

use std::collections::BTreeMap;
use std::path::Path;

use agent_backends::{BackendType, Decision, SpawnConfig, StopReport};

use crate::daemon::surroundings::{command, surroundings};
use crate::daemon::{
    AnswerParams, ApprovalPolicyParams, ClaimTaskParams, Connection, CreateTaskParams, CreateTeamParams,
    DeleteTaskParams, DeleteTeamParams, Failure, Follower, HelloReply, InboxParams, InterruptParams,
    ListApprovalsParams, ListTasksParams, ListTeamsParams, RestartParams, ResumeTeamsParams, SendMessageParams,
    SendParams, SendReply, SetApprovalPolicyParams, ShutdownParams, SpawnParams, StopParams, TasksReply,
    TeamStatusParams, UpdateTaskParams, error_of, start_program,
};
use crate::error::{Error, ErrorKind, Result};
use crate::model::approval::ApprovalPolicy;
use crate::model::launch::{Resumed, Supervise};
use crate::model::message::Message;
use crate::model::name::TeamName;
use crate::model::policy::ResumeMode;
use crate::model::status::{MemberStatus, PendingApproval, ShutdownOutcome, TeamStatus, TeamSummary};
use crate::model::task::{CreateTaskRequest, Task, TaskUpdate};
use crate::model::time::milliseconds;
use crate::orchestrator::TeamHandle;
use crate::paths;
use crate::routing::AUTO;
use crate::turn::TurnHandle;

/// A program's way to the daemon. Clones share one connection. Members outlive it.
#[derive(Clone, Debug)]
pub struct Client {
    connection: Connection,
}

impl Client {
    /// Connects to the daemon of the user's state directory, which the `teams` on the PATH starts if none runs.
    ///
    /// # Errors
    /// It cannot be started, or is of another version.
    pub async fn connect_or_start() -> Result<Self> {
        Self::connect_or_start_with(&paths::state_dir()?, Path::new("teams")).await
    }

    /// Connects to the daemon of this state directory, which this `teams` starts if none runs.
    ///
    /// # Errors
    /// It cannot be started, or is of another version.
    pub async fn connect_or_start_with(state_dir: &Path, teams: &Path) -> Result<Self> {
        if let Some(client) = Self::find(state_dir).await? {
            return Ok(client);
        }
        let connection = start_program(state_dir, teams).await.map_err(error_of)?;
        Ok(Self { connection })
    }

    /// Connects to the daemon of this state directory.
    ///
    /// # Errors
    /// None runs, or it is of another version.
    pub async fn connect(state_dir: &Path) -> Result<Self> {
        Self::find(state_dir).await?.ok_or_else(|| {
            let what = format!("no daemon runs for {}", state_dir.display());
            Failure::new(ErrorKind::NoDaemon, what).hint("start it with `teams daemon start`").into()
        })
    }

    async fn find(state_dir: &Path) -> Result<Option<Self>> {
        let Some(connection) = Connection::to_any(state_dir).await.map_err(error_of)? else { return Ok(None) };
        connection.daemon.check_version()?;
        Ok(Some(Self { connection }))
    }

    /// The verbs over a connection that is there.
    pub(crate) fn over(connection: Connection) -> Self {
        Self { connection }
    }

    /// Who answers.
    pub fn daemon(&self) -> &HelloReply {
        &self.connection.daemon
    }

    /// The connection itself, for the calls of the control protocol that have no verb here.
    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    /// A handle of a team. Whether there is such a team shows with its first use.
    ///
    /// # Errors
    /// The name is none.
    pub fn team<N: TryInto<TeamName>>(&self, name: N) -> Result<TeamHandle<Self>>
    where
        Error: From<N::Error>,
    {
        TeamHandle::new(self.clone(), name)
    }

    /// Creates a team, with its lead as the only member.
    ///
    /// # Errors
    /// The name is bad or in use, or the files cannot be written.
    pub async fn create_team(&self, team: &str, description: Option<&str>) -> Result<()> {
        let cwd = crate::paths::current_dir()?.unwrap_or_default();
        let (team, description) = (team.to_owned(), description.map(str::to_owned));
        Ok(self.connection.call(CreateTeamParams { team, description, cwd, resume: ResumeMode::default() }).await?)
    }

    /// Deletes a team: its roster, inboxes, tasks and transcript.
    ///
    /// # Errors
    /// There is no such team, or members of it run.
    pub async fn delete_team(&self, team: &str) -> Result<()> {
        self.connection.call(DeleteTeamParams { team: team.to_owned(), force: false }).await?;
        Ok(())
    }

    /// All teams.
    ///
    /// # Errors
    /// The folder of teams cannot be read.
    pub async fn list_teams(&self) -> Result<Vec<TeamSummary>> {
        Ok(self.connection.call(ListTeamsParams {}).await?)
    }

    /// How a team and its members are.
    ///
    /// # Errors
    /// There is no such team.
    pub async fn status(&self, team: &str) -> Result<TeamStatus> {
        Ok(self.connection.call(TeamStatusParams { team: team.to_owned() }).await?)
    }

    /// Starts an agent as a member of a team, and waits until it is ready.
    ///
    /// # Errors
    /// As [`spawn_teammate_with`](Self::spawn_teammate_with).
    pub async fn spawn_teammate(&self, team: &str, config: SpawnConfig, backend: BackendType) -> Result<MemberStatus> {
        self.spawn_teammate_with(team, config, backend, Supervise::default()).await
    }

    /// As [`spawn_teammate`](Self::spawn_teammate), with a say in when it is started again and how long its turns may take.
    /// What the configuration leaves open is as in a shell: this program's environment, and the user's command for the agent.
    ///
    /// # Errors
    /// The team does not exist, the name is bad or in use, the agent cannot be started as asked, or the configuration has
    /// arguments or servers of the program's own, which only an orchestrator can pass on.
    pub async fn spawn_teammate_with(
        &self,
        team: &str,
        config: SpawnConfig,
        backend: BackendType,
        supervise: Supervise,
    ) -> Result<MemberStatus> {
        let own = [
            ("later_mode", config.later_mode.is_none()),
            ("stop_grace", config.stop_grace.is_none_or(|grace| grace.ask == grace.term)),
            ("extra_args", config.extra_args.is_empty()),
            ("mcp_servers", config.mcp_servers.is_empty()),
            ("writable_roots", config.writable_roots.is_empty()),
        ];
        if let Some((field, _)) = own.iter().find(|(_, passes)| !passes) {
            let what = format!("the daemon does not take `{field}` of a member's configuration");
            let hint = match *field {
                "later_mode" => "leave it empty; `Supervise::plan_approval` makes a member plan first",
                "stop_grace" => {
                    "give both of its rungs the same time, or run the member in an orchestrator of your own"
                }
                _ => "leave it empty, or run the member in an orchestrator of your own",
            };
            return Err(Failure::new(ErrorKind::BadInput, what).hint(hint).into());
        }
        let shell = surroundings(&self.connection).map_err(error_of)?;
        let command = match config.command {
            Some(command) => Some(command),
            None => command(backend, None).map_err(error_of)?,
        };
        let cwd = config.cwd.or(shell.cwd).unwrap_or_default();
        let params = SpawnParams {
            team: team.to_owned(),
            name: Some(config.name).filter(|name| !name.is_empty()),
            backend,
            prompt: config.prompt,
            model: config.model,
            effort: config.effort,
            cwd: std::path::absolute(&cwd).unwrap_or(cwd),
            permission_mode: config.permission_mode,
            environment: config.inherit_env.or(shell.environment).unwrap_or_default(),
            env: config.env,
            umask: config.umask.or(shell.umask),
            max_turns: config.max_turns,
            resume: config.resume,
            command,
            ready_timeout_ms: config.ready_timeout.map(milliseconds),
            stop_grace_ms: config.stop_grace.map(|grace| milliseconds(grace.ask)),
            worktree: supervise.worktree,
            plan_approval: supervise.plan_approval,
            restart: supervise.restart,
            if_lost: supervise.if_lost,
            limits: supervise.limits,
            work: supervise.work,
            capabilities: supervise.capabilities,
            extra_args: Vec::new(),
            adopt: None,
            on_lead_exit: supervise.on_lead_exit,
            commands: if backend == AUTO { shell.commands } else { BTreeMap::new() },
            routed: None,
        };
        Ok(self.connection.call(params).await?)
    }

    /// Gives a member an input, and answers the number of the turn that it becomes. A member that does not run is started.
    ///
    /// # Errors
    /// There is no such member, or it does not take this input.
    pub async fn send_input(&self, team: &str, member: &str, input: &str) -> Result<u64> {
        Ok(self.send(team, member, input).await?.turn)
    }

    async fn send(&self, team: &str, member: &str, input: &str) -> Result<SendReply> {
        let mut params = SendParams {
            team: team.to_owned(),
            name: member.to_owned(),
            text: input.to_owned(),
            from: None,
            interrupt: false,
            surroundings: None,
        };
        match self.connection.call(params.clone()).await {
            // The environment is passed on only where it is needed.
            Err(failure) if failure.kind == ErrorKind::Dormant => {
                params.surroundings = Some(surroundings(&self.connection).map_err(error_of)?);
                Ok(self.connection.call(params).await?)
            }
            sent => Ok(sent?),
        }
    }

    /// As [`send_input`](Self::send_input), and answers a handle of the turn that the input becomes.
    ///
    /// # Errors
    /// As [`send_input`](Self::send_input).
    pub async fn begin_turn(&self, team: &str, member: &str, input: &str) -> Result<TurnHandle> {
        let sent = self.send(team, member, input).await?;
        let events = Follower::new(&self.connection, team, vec![member.to_owned()], sent.seq + 1);
        Ok(TurnHandle::new(member, sent.turn, events))
    }

    /// Gives a member an input, waits for the end of the turn that it becomes, and answers the whole text of the agent.
    ///
    /// # Errors
    /// As [`send_input`](Self::send_input); the turn failed, or was interrupted.
    pub async fn ask(&self, team: &str, member: &str, input: &str) -> Result<String> {
        self.begin_turn(team, member, input).await?.text().await
    }

    /// Ends a member's running turn. What waits behind it stays.
    ///
    /// # Errors
    /// There is no such member, or it does not run.
    pub async fn interrupt(&self, team: &str, member: &str) -> Result<()> {
        self.connection.call(InterruptParams { team: team.to_owned(), name: member.to_owned() }).await?;
        Ok(())
    }

    /// Stops a member, politely first, and answers what was verified.
    ///
    /// # Errors
    /// There is no such member.
    pub async fn shutdown_teammate(&self, team: &str, member: &str) -> Result<StopReport> {
        self.stop(team, member, false).await
    }

    /// Kills a member's processes.
    ///
    /// # Errors
    /// There is no such member.
    pub async fn kill_teammate(&self, team: &str, member: &str) -> Result<StopReport> {
        self.stop(team, member, true).await
    }

    async fn stop(&self, team: &str, member: &str, now: bool) -> Result<StopReport> {
        let params = StopParams { team: team.to_owned(), names: vec![member.to_owned()], now };
        let stopped = self.connection.call(params).await?;
        Ok(stopped.into_iter().next().map_or_else(StopReport::nothing, |reply| reply.report))
    }

    /// Asks a member to stop, and waits for its answer; then it is stopped in any case, unless it refused.
    ///
    /// # Errors
    /// There is no such member, or it does not run.
    pub async fn request_shutdown(
        &self,
        team: &str,
        member: &str,
        reason: Option<&str>,
        deadline: std::time::Duration,
    ) -> Result<ShutdownOutcome> {
        let deadline_ms = milliseconds(deadline);
        let (team, name, reason) = (team.to_owned(), member.to_owned(), reason.map(str::to_owned));
        Ok(self.connection.call(ShutdownParams { team, name, reason, deadline_ms }).await?)
    }

    /// Brings back the members of a team that do not run and that nobody has stopped, in this program's surroundings.
    ///
    /// # Errors
    /// There is no such team.
    pub async fn resume_team(&self, team: &str) -> Result<Vec<Resumed>> {
        let surroundings = surroundings(&self.connection).map_err(error_of)?;
        let replies = self.connection.call(ResumeTeamsParams { team: Some(team.to_owned()), surroundings }).await?;
        Ok(replies.into_iter().map(|reply| reply.resumed).collect())
    }

    /// Stops a member if it runs, and starts it with its conversation, in this program's surroundings.
    ///
    /// # Errors
    /// There is no such member, or it cannot be started.
    pub async fn restart_member(&self, team: &str, member: &str) -> Result<Resumed> {
        self.restart(team, member, false).await
    }

    /// As [`restart_member`](Self::restart_member), with a new conversation.
    ///
    /// # Errors
    /// As [`restart_member`](Self::restart_member).
    pub async fn restart_member_fresh(&self, team: &str, member: &str) -> Result<Resumed> {
        self.restart(team, member, true).await
    }

    async fn restart(&self, team: &str, member: &str, fresh: bool) -> Result<Resumed> {
        let surroundings = surroundings(&self.connection).map_err(error_of)?;
        let (team, name) = (team.to_owned(), member.to_owned());
        Ok(self.connection.call(RestartParams { team, name, surroundings, fresh }).await?)
    }

    /// Everything in a team that waits for somebody's decision.
    ///
    /// # Errors
    /// There is no such team.
    pub async fn approvals(&self, team: &str) -> Result<Vec<PendingApproval>> {
        Ok(self.connection.call(ListApprovalsParams { team: team.to_owned() }).await?)
    }

    /// Answers a question of a member's agent, or a plan, as the user.
    ///
    /// # Errors
    /// There is no such question, or no longer.
    pub async fn answer_approval(&self, team: &str, id: &str, decision: Decision) -> Result<()> {
        Ok(self.connection.call(AnswerParams { team: team.to_owned(), id: id.to_owned(), decision }).await?)
    }

    /// Who decides what a team's agents ask for.
    ///
    /// # Errors
    /// There is no such team.
    pub async fn approval_policy(&self, team: &str) -> Result<ApprovalPolicy> {
        Ok(self.connection.call(ApprovalPolicyParams { team: team.to_owned() }).await?)
    }

    /// Says who decides what a team's agents ask for.
    ///
    /// # Errors
    /// There is no such team, or its file cannot be written.
    pub async fn set_approval_policy(&self, team: &str, policy: ApprovalPolicy) -> Result<()> {
        Ok(self.connection.call(SetApprovalPolicyParams { team: team.to_owned(), policy }).await?)
    }

    /// Adds a task; with an owner, the owner is told.
    ///
    /// # Errors
    /// There is no such team, owner or blocker, or the subject is empty.
    pub async fn create_task(&self, team: &str, request: CreateTaskRequest) -> Result<Task> {
        Ok(self.connection.call(CreateTaskParams { team: team.to_owned(), task: request }).await?)
    }

    /// All tasks of a team, and the files that are none.
    ///
    /// # Errors
    /// There is no such team.
    pub async fn list_tasks(&self, team: &str) -> Result<TasksReply> {
        Ok(self.connection.call(ListTasksParams { team: team.to_owned() }).await?)
    }

    /// Changes a task; a new owner is told.
    ///
    /// # Errors
    /// There is no such task, the change would close a circle, or the task waits for others and is to begin.
    pub async fn update_task(&self, team: &str, id: &str, update: TaskUpdate) -> Result<Task> {
        let params = UpdateTaskParams { team: team.to_owned(), id: id.to_owned(), update };
        Ok(self.connection.call(params).await?.task)
    }

    /// Makes a member the owner of a task, and tells it so in its inbox.
    ///
    /// # Errors
    /// There is no such task or member.
    pub async fn assign_task(&self, team: &str, id: &str, owner: &str) -> Result<Task> {
        self.update_task(team, id, TaskUpdate { owner: Some(owner.to_owned()), ..Default::default() }).await
    }

    /// Gives a member a task that nobody works on and that waits for nothing: this one, or the first there is. No task is
    /// given to two.
    ///
    /// # Errors
    /// There is no such task or member, or somebody else has the task.
    pub async fn claim_task(&self, team: &str, id: Option<&str>, owner: &str) -> Result<Option<Task>> {
        let (team, id, owner) = (team.to_owned(), id.map(str::to_owned), owner.to_owned());
        Ok(self.connection.call(ClaimTaskParams { team, id, owner }).await?)
    }

    /// Deletes a task. Nothing waits for it any more, and its id is never used again.
    ///
    /// # Errors
    /// There is no such task.
    pub async fn delete_task(&self, team: &str, id: &str) -> Result<()> {
        Ok(self.connection.call(DeleteTaskParams { team: team.to_owned(), id: id.to_owned() }).await?)
    }

    /// Writes a message into a member's inbox, and answers its id. An agent of ours gets it as its next turn.
    ///
    /// # Errors
    /// There is no such member, or the message is empty, too long, or for programs.
    pub async fn send_message(&self, team: &str, from: &str, to: &str, text: &str) -> Result<String> {
        let params = SendMessageParams {
            team: team.to_owned(),
            from: from.to_owned(),
            to: to.to_owned(),
            text: text.to_owned(),
            summary: None,
            urgent: false,
            surroundings: None,
        };
        let written = self.connection.call(params).await?.written;
        Ok(written.into_iter().next().map(|reply| reply.id).unwrap_or_default())
    }

    /// What is in a member's inbox. Nothing is marked or removed.
    ///
    /// # Errors
    /// There is no such team or member, or the inbox cannot be read.
    pub async fn read_inbox(&self, team: &str, member: &str) -> Result<Vec<Message>> {
        Ok(self.connection.call(InboxParams { team: team.to_owned(), name: member.to_owned() }).await?)
    }

    /// A team's events from number `from` on.
    ///
    /// # Errors
    /// There is no such team.
    pub async fn events(&self, team: &str, from: u64) -> Result<Follower> {
        // So that a team that does not exist is told of here, as by an orchestrator.
        self.status(team).await?;
        Ok(Follower::new(&self.connection, team, Vec::new(), from))
    }
}
