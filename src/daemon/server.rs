//! Answers clients.

use std::collections::HashSet;
use std::path::PathBuf;
use std::time::Duration;

use agent_backends::pipes::LineReader;
use agent_backends::{Decision, PermissionMode};
use jsonrpsee::Methods;
use jsonrpsee::core::{RpcResult, async_trait};
use jsonrpsee::types::ErrorObjectOwned;
use serde_json::{Map, Value};
use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::control::{
    CallerParams, ControlServer, DORMANT, EventsReply, FAILED, HelloReply, MessageReply, PROTOCOL, ResumeReply,
    SendReply, SpawnParams, StopReply, TIMED_OUT, TasksReply, UpdateTaskReply,
};
use crate::error::{Error, Result};
use crate::model::approval::ApprovalPolicy;
use crate::model::launch::{BranchFate, Resumed, Supervise, Surroundings, WorktreeStatus};
use crate::model::mail_step::MailStep;
use crate::model::memory::MemoryEntry;
use crate::model::message::Message;
use crate::model::name::{AgentName, TEAM_LEAD, TeamName};
use crate::model::policy::{Budget, BudgetStatus, ResumeMode};
use crate::model::status::{MemberProcesses, MemberStatus, PendingApproval, ShutdownOutcome, TeamStatus, TeamSummary};
use crate::model::task::{CreateTaskRequest, Task, TaskUpdate};
use crate::model::time::iso;
use crate::model::tool::{ToolDescription, ToolOutcome};
use crate::orchestrator::{Identity, Letter, TeamOrchestrator};

/// Requests of one client that run at the same time.
const CONCURRENT: usize = 64;
/// Text in one piece of events, after which the next is left for another call.
const PAGE: usize = 4 << 20;
/// No client waits longer than this for an event without hearing that there is none.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

pub(super) struct Server {
    orchestrator: TeamOrchestrator,
    state_dir: PathBuf,
    teams_dir: PathBuf,
    started_at: String,
    umask: u32,
    stop: watch::Sender<bool>,
}

impl Server {
    pub(super) fn new(
        orchestrator: TeamOrchestrator,
        state_dir: PathBuf,
        teams_dir: PathBuf,
        umask: u32,
        stop: watch::Sender<bool>,
    ) -> Self {
        Self { orchestrator, state_dir, teams_dir, started_at: iso(jiff::Timestamp::now()), umask, stop }
    }

    /// The name for a member that has none: `gemini`, `gemini-2`, … .
    async fn free_name(&self, team: &str, short: &str) -> Result<String> {
        let status = self.orchestrator.status(team).await?;
        // Nobody is replaced without being named: an ended member's conversation could still be continued.
        let taken: HashSet<String> = status.members.into_iter().map(|member| member.name).collect();
        let numbered = (2..).map(|number| format!("{short}-{number}"));
        let names = std::iter::once(short.to_owned()).chain(numbered);
        Ok(names.into_iter().find(|name| !taken.contains(name)).unwrap_or_default())
    }

    /// The surroundings of a member, less what is as ours.
    fn fitted(&self, surroundings: Surroundings) -> Surroundings {
        Surroundings { umask: surroundings.umask.filter(|mask| *mask != self.umask), ..surroundings }
    }

    /// Whose tools a caller uses: those of the member whose token it has; without one it is the person at the shell, who
    /// leads.
    async fn identity(&self, caller: CallerParams) -> RpcResult<Identity> {
        match (caller.token, caller.team) {
            (Some(token), _) => self.orchestrator.identify(&token).map_err(failed),
            (None, Some(team)) => {
                self.orchestrator.team(&team).await.map_err(failed)?;
                Ok(Identity::lead(team.parse().map_err(Error::from).map_err(failed)?))
            }
            (None, None) => Err(failed(Error::UnknownToken)),
        }
    }

    /// Everybody of a team who is ours to stop.
    async fn ours(&self, team: &str) -> Result<Vec<String>> {
        let members = self.orchestrator.status(team).await?.members;
        Ok(members.into_iter().filter(|member| member.backend.is_some()).map(|member| member.name).collect())
    }

    async fn stop_members(&self, team: &str, names: Vec<String>, now: bool) -> Result<Vec<StopReply>> {
        let mut stops = JoinSet::new();
        for name in names {
            let (orchestrator, team) = (self.orchestrator.clone(), team.to_owned());
            stops.spawn(async move {
                let stopped = match now {
                    true => orchestrator.kill_teammate(&team, &name).await,
                    false => orchestrator.shutdown_teammate(&team, &name).await,
                };
                stopped.map(|report| StopReply { team, name, report })
            });
        }
        let mut replies = stops.join_all().await.into_iter().collect::<Result<Vec<_>>>()?;
        replies.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(replies)
    }
}

fn failed(error: impl Into<Error>) -> ErrorObjectOwned {
    let error = error.into();
    let timed_out = matches!(error, Error::Backend(agent_backends::BackendError::Timeout { .. }));
    ErrorObjectOwned::owned(if timed_out { TIMED_OUT } else { FAILED }, error.to_string(), None::<()>)
}

#[async_trait]
impl ControlServer for Server {
    async fn hello(&self) -> RpcResult<HelloReply> {
        Ok(HelloReply {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            protocol: PROTOCOL,
            pid: std::process::id(),
            started_at: self.started_at.clone(),
            state_dir: self.state_dir.clone(),
            teams_dir: self.teams_dir.clone(),
            running: self.orchestrator.running_everywhere(),
        })
    }

    async fn stop_daemon(&self) -> RpcResult<Vec<StopReply>> {
        let mut replies = Vec::new();
        let stopped = self.orchestrator.shutdown().await;
        // Whatever could not be verified, the order is obeyed.
        self.stop.send_replace(true);
        for (team, name, report) in stopped {
            replies.push(StopReply { team, name, report: report.map_err(failed)? });
        }
        Ok(replies)
    }

    async fn create_team(
        &self,
        team: String,
        description: Option<String>,
        cwd: PathBuf,
        resume: ResumeMode,
    ) -> RpcResult<()> {
        self.orchestrator.create_team_in(&team, description.as_deref(), cwd).await.map_err(failed)?;
        self.orchestrator.set_resume_mode(&team, resume).await.map_err(failed)
    }

    async fn list_teams(&self) -> RpcResult<Vec<TeamSummary>> {
        self.orchestrator.list_teams().await.map_err(failed)
    }

    async fn team_status(&self, team: String) -> RpcResult<TeamStatus> {
        self.orchestrator.status(&team).await.map_err(failed)
    }

    async fn delete_team(&self, team: String, force: bool) -> RpcResult<Vec<StopReply>> {
        let mut replies = Vec::new();
        if force {
            let names = self.ours(&team).await.map_err(failed)?;
            replies = self.stop_members(&team, names, false).await.map_err(failed)?;
        }
        self.orchestrator.delete_team(&team).await.map_err(failed)?;
        Ok(replies)
    }

    async fn events(
        &self,
        team: String,
        names: Vec<String>,
        from: u64,
        max: usize,
        wait_ms: u64,
    ) -> RpcResult<EventsReply> {
        if !names.is_empty() {
            let status = self.orchestrator.status(&team).await.map_err(failed)?;
            let existing: Vec<String> = status.members.into_iter().map(|member| member.name).collect();
            for name in names.iter().filter(|name| !existing.contains(name)) {
                // One that has left can be read about.
                if !self.orchestrator.tells_of(&team, name).await.map_err(failed)? {
                    return Err(failed(crate::store::StoreError::NoMember { team, member: name.clone(), existing }));
                }
            }
        }
        let wanted = |agent: &str| names.is_empty() || names.iter().any(|name| name == agent);
        let mut subscription = self.orchestrator.events(&team, from).await.map_err(failed)?;
        let mut events = Vec::new();
        let mut bytes = 0;
        let mut next = from.max(1);
        let deadline = tokio::time::Instant::now() + Duration::from_millis(wait_ms).min(LONGEST_WAIT);
        loop {
            while events.len() < max.clamp(1, 4096)
                && bytes < PAGE
                && let Some(event) = subscription.next_now()
            {
                next = event.seq + 1;
                if wanted(&event.agent) {
                    bytes += event.kind.text_len();
                    events.push((*event).clone());
                }
            }
            if !events.is_empty() || wait_ms == 0 {
                break;
            }
            match tokio::time::timeout_at(deadline, subscription.next()).await {
                Ok(Some(event)) => {
                    next = event.seq + 1;
                    if wanted(&event.agent) {
                        events.push((*event).clone());
                    }
                }
                Ok(None) | Err(_) => break,
            }
        }
        let last = self.orchestrator.last_seq(&team).await.map_err(failed)?;
        Ok(EventsReply { events, next, last })
    }

    async fn spawn(&self, params: SpawnParams) -> RpcResult<MemberStatus> {
        let team = params.team.clone();
        if let Some(PermissionMode::Other(mode)) = &params.permission_mode {
            return Err(failed(agent_backends::BackendError::UnknownPermissionMode { mode: mode.clone() }));
        }
        let name = match &params.name {
            Some(name) => name.clone(),
            None => self.free_name(&team, params.backend.short_name()).await.map_err(failed)?,
        };
        let backend = params.backend;
        let supervise = Supervise {
            worktree: params.worktree.clone(),
            plan_approval: params.plan_approval,
            restart: params.restart,
            limits: params.limits,
        };
        let config = params.into_config(name, self.umask);
        self.orchestrator.spawn_teammate_with(&team, config, backend, supervise).await.map_err(failed)
    }

    async fn resume(&self, team: Option<String>, surroundings: Surroundings) -> RpcResult<Vec<ResumeReply>> {
        let teams = match team {
            Some(team) => vec![team],
            None => self.orchestrator.teams_that_resume().await.map_err(failed)?,
        };
        let surroundings = self.fitted(surroundings);
        let mut replies = Vec::new();
        let several = teams.len() > 1;
        for team in teams {
            let resumed = match self.orchestrator.resume_team(&team, &surroundings).await {
                Ok(resumed) => resumed,
                // The others come back all the same.
                Err(error) if several => {
                    tracing::error!(%team, %error, "a team could not be resumed");
                    continue;
                }
                Err(error) => return Err(failed(error)),
            };
            replies.extend(resumed.into_iter().map(|resumed| ResumeReply { team: team.clone(), resumed }));
        }
        Ok(replies)
    }

    async fn wake(&self, team: String, name: String, surroundings: Surroundings) -> RpcResult<Option<Resumed>> {
        let status = self.orchestrator.status(&team).await.map_err(failed)?;
        let member = status.members.iter().find(|member| member.name == name);
        if member.is_none_or(|member| member.backend.is_none() || member.state.is_running()) {
            return Ok(None);
        }
        match self.orchestrator.resume_member(&team, &name, &self.fitted(surroundings)).await {
            // Somebody else was faster.
            Err(Error::Running { .. }) => Ok(None),
            resumed => resumed.map(Some).map_err(failed),
        }
    }

    async fn restart(&self, team: String, name: String, surroundings: Surroundings) -> RpcResult<Resumed> {
        self.orchestrator.restart_member(&team, &name, &self.fitted(surroundings)).await.map_err(failed)
    }

    async fn send(
        &self,
        team: String,
        name: String,
        text: String,
        from: Option<String>,
        interrupt: bool,
    ) -> RpcResult<SendReply> {
        let seq = self.orchestrator.last_seq(&team).await.map_err(failed)?;
        if self.orchestrator.is_dormant(&team, &name).await.map_err(failed)? {
            return Err(ErrorObjectOwned::owned(DORMANT, format!("{name} does not run"), None::<()>));
        }
        if interrupt {
            match self.orchestrator.interrupt(&team, &name).await {
                // The input brings it back.
                Err(Error::NotRunning { .. }) => {}
                done => done.map_err(failed)?,
            }
        }
        let turn = self.orchestrator.send_input_from(&team, &name, &text, from).await.map_err(failed)?;
        Ok(SendReply { turn, seq })
    }

    async fn interrupt(&self, team: String, name: String) -> RpcResult<()> {
        self.orchestrator.interrupt(&team, &name).await.map_err(failed)
    }

    async fn stop(&self, team: String, names: Vec<String>, now: bool) -> RpcResult<Vec<StopReply>> {
        let names = if names.is_empty() { self.ours(&team).await.map_err(failed)? } else { names };
        self.stop_members(&team, names, now).await.map_err(failed)
    }

    async fn request_shutdown(
        &self,
        team: String,
        name: String,
        reason: Option<String>,
        deadline_ms: u64,
    ) -> RpcResult<ShutdownOutcome> {
        let deadline = Duration::from_millis(deadline_ms);
        self.orchestrator.request_shutdown(&team, &name, reason.as_deref(), deadline).await.map_err(failed)
    }

    async fn processes(&self) -> RpcResult<Vec<MemberProcesses>> {
        self.orchestrator.processes().await.map_err(failed)
    }

    async fn budgets(&self, team: String) -> RpcResult<Vec<BudgetStatus>> {
        self.orchestrator.budgets(&team).await.map_err(failed)
    }

    async fn set_budget(&self, team: String, member: Option<String>, budget: Budget) -> RpcResult<()> {
        self.orchestrator.set_budget(&team, member.as_deref(), budget).await.map_err(failed)
    }

    async fn worktrees(&self, team: String) -> RpcResult<Vec<WorktreeStatus>> {
        self.orchestrator.worktrees(&team).await.map_err(failed)
    }

    async fn remove_worktree(&self, team: String, name: String, force: bool) -> RpcResult<BranchFate> {
        self.orchestrator.remove_worktree(&team, &name, force).await.map_err(failed)
    }

    async fn approvals(&self, team: String) -> RpcResult<Vec<PendingApproval>> {
        self.orchestrator.approvals(&team).await.map_err(failed)
    }

    async fn approval_policy(&self, team: String) -> RpcResult<ApprovalPolicy> {
        self.orchestrator.approval_policy(&team).await.map_err(failed)
    }

    async fn set_approval_policy(&self, team: String, policy: ApprovalPolicy) -> RpcResult<()> {
        self.orchestrator.set_approval_policy(&team, policy).await.map_err(failed)
    }

    async fn answer(&self, team: String, id: String, decision: Decision) -> RpcResult<()> {
        self.orchestrator.answer_approval(&team, &id, decision).await.map_err(failed)
    }

    async fn create_task(&self, team: String, request: CreateTaskRequest) -> RpcResult<Task> {
        self.orchestrator.create_task(&team, request).await.map_err(failed)
    }

    async fn list_tasks(&self, team: String) -> RpcResult<TasksReply> {
        let list = self.orchestrator.list_tasks(&team).await.map_err(failed)?;
        Ok(TasksReply { tasks: list.tasks.clone(), problems: list.problems.clone() })
    }

    async fn task_files(&self, team: String) -> RpcResult<Vec<serde_json::Value>> {
        self.orchestrator.task_files(&team).await.map_err(failed)
    }

    async fn update_task(&self, team: String, id: String, update: TaskUpdate) -> RpcResult<UpdateTaskReply> {
        let (task, freed) =
            self.orchestrator.update_task_and_free(&team, &id, update, TEAM_LEAD).await.map_err(failed)?;
        Ok(UpdateTaskReply { task, freed })
    }

    async fn delete_task(&self, team: String, id: String) -> RpcResult<()> {
        self.orchestrator.delete_task(&team, &id).await.map_err(failed)
    }

    async fn send_message(
        &self,
        team: String,
        from: String,
        to: String,
        text: String,
        summary: Option<String>,
        urgent: Option<bool>,
    ) -> RpcResult<Vec<MessageReply>> {
        // Before the name of the recipient is looked at, so that the error names the right one.
        team.parse::<TeamName>().map_err(Error::from).map_err(failed)?;
        from.parse::<AgentName>().map_err(Error::from).map_err(failed)?;
        let via = (from != TEAM_LEAD).then(|| "somebody at the shell".to_owned());
        let letter = Letter { text, summary, via, urgent: urgent.unwrap_or_default() };
        let posted = self.orchestrator.post(&team, &from, &[to], letter).await.map_err(failed)?;
        Ok(posted.into_iter().map(|(to, message)| MessageReply { to, id: message.key() }).collect())
    }

    async fn trace(&self, team: String, id: String) -> RpcResult<Vec<MailStep>> {
        self.orchestrator.trace(&team, &id).await.map_err(failed)
    }

    async fn undelivered(&self, team: String) -> RpcResult<Vec<MailStep>> {
        self.orchestrator.undelivered(&team).await.map_err(failed)
    }

    async fn memories(&self, team: String) -> RpcResult<Vec<MemoryEntry>> {
        self.orchestrator.memories(&team).await.map_err(failed)
    }

    async fn recall(&self, team: String, name: String) -> RpcResult<MemoryEntry> {
        self.orchestrator.recall(&team, &name).await.map_err(failed)
    }

    async fn remember(
        &self,
        team: String,
        name: String,
        value: Value,
        expected: Option<u64>,
        by: String,
    ) -> RpcResult<MemoryEntry> {
        self.orchestrator.remember(&team, &name, value, expected, &by).await.map_err(failed)
    }

    async fn forget(&self, team: String, name: String, expected: Option<u64>) -> RpcResult<()> {
        self.orchestrator.forget_memory(&team, &name, expected).await.map_err(failed)
    }

    async fn tools(&self, caller: CallerParams) -> RpcResult<Vec<ToolDescription>> {
        Ok(self.orchestrator.tools_of(&self.identity(caller).await?))
    }

    async fn use_tool(
        &self,
        caller: CallerParams,
        tool: String,
        arguments: Map<String, Value>,
        surroundings: Option<Surroundings>,
    ) -> RpcResult<ToolOutcome> {
        let who = self.identity(caller).await?;
        let surroundings = self.fitted(surroundings.unwrap_or_default());
        Ok(self.orchestrator.use_tool(&who, &tool, arguments, surroundings).await)
    }

    async fn inbox(&self, team: String, name: String) -> RpcResult<Vec<Message>> {
        self.orchestrator.read_inbox(&team, &name).await.map_err(failed)
    }
}

/// Serves one client until it hangs up.
pub(super) async fn serve(stream: UnixStream, methods: Methods) {
    let (read, mut write) = stream.into_split();
    let mut lines = LineReader::new(read);
    let (replies, mut outgoing) = mpsc::channel::<String>(CONCURRENT);
    let writer = async move {
        while let Some(mut reply) = outgoing.recv().await {
            reply.push('\n');
            if write.write_all(reply.as_bytes()).await.is_err() {
                break;
            }
        }
    };
    let reader = async move {
        let mut running = JoinSet::new();
        loop {
            tokio::select! {
                line = lines.next() => {
                    let Ok(Some(line)) = line else { break };
                    let (methods, replies) = (methods.clone(), replies.clone());
                    running.spawn(async move {
                        let reply = match methods.raw_json_request(&line, 1).await {
                            Ok((reply, _)) => reply.get().to_owned(),
                            Err(error) => format!(
                                r#"{{"jsonrpc":"2.0","id":null,"error":{{"code":-32700,"message":{}}}}}"#,
                                serde_json::Value::from(format!("that is not JSON-RPC: {error}"))
                            ),
                        };
                        let _ = replies.send(reply).await;
                    });
                    while running.len() >= CONCURRENT {
                        running.join_next().await;
                    }
                }
                Some(_) = running.join_next() => {}
            }
        }
        // Who hung up waits for no event any more; what was begun for it is finished.
        let _ = timeout(LONGEST_WAIT, async { while running.join_next().await.is_some() {} }).await;
    };
    tokio::join!(writer, reader);
}
