//! The control protocol, whole. Params, Reply and Notice types are the wire's own; plain data of the model goes as it is.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use agent_backends::process::Grace;
use agent_backends::{BackendType, Command, Decision, PermissionMode, SpawnConfig, StopReport};
use jsonrpsee::core::RpcResult;
use jsonrpsee::proc_macros::rpc;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::model::approval::ApprovalPolicy;
use crate::model::event::Event;
use crate::model::launch::{BranchFate, Resumed, Surroundings, WorktreeBranch, WorktreeStatus};
use crate::model::mail_step::MailStep;
use crate::model::memory::MemoryEntry;
use crate::model::message::Message;
use crate::model::policy::{Budget, BudgetStatus, ResumeMode};
use crate::model::status::{MemberProcesses, MemberStatus, PendingApproval, ShutdownOutcome, TeamStatus, TeamSummary};
use crate::model::task::{CreateTaskRequest, Task, TaskId, TaskUpdate};
use crate::model::team::{RestartPolicy, TurnLimits};
use crate::model::tool::{ToolDescription, ToolOutcome};
use crate::store::UnreadableFile;

/// Changes when a client and a daemon of different builds no longer understand each other.
pub const PROTOCOL: u32 = 3;

/// The code of a call that failed: its text is for the person.
pub(super) const FAILED: i32 = 1;
/// The code of a call that ran into a time limit of the caller's.
pub(super) const TIMED_OUT: i32 = 124;
/// The code of a call for a member that does not run, and that `member.wake` can start in the caller's surroundings.
pub(super) const DORMANT: i32 = 2;

/// Who answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HelloReply {
    /// The daemon's version.
    pub version: String,
    /// Its [`PROTOCOL`].
    pub protocol: u32,
    /// Its process.
    pub pid: u32,
    /// When it was started.
    pub started_at: String,
    /// Where its files are.
    pub state_dir: PathBuf,
    /// Claude Code's teams.
    pub teams_dir: PathBuf,
    /// Members that run.
    pub running: Vec<String>,
}

/// A member to start.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SpawnParams {
    /// The team.
    pub team: String,
    /// The member; `None` for the backend's short name, or the first like it that is free.
    pub name: Option<String>,
    /// The agent CLI.
    pub backend: BackendType,
    /// Standing instructions.
    pub prompt: String,
    /// The model.
    pub model: Option<String>,
    /// How hard it thinks.
    pub effort: Option<String>,
    /// Where it works, absolute.
    pub cwd: PathBuf,
    /// What it may do without asking.
    pub permission_mode: Option<PermissionMode>,
    /// The environment of the shell that asks. It is passed on and kept nowhere.
    pub environment: BTreeMap<String, String>,
    /// Variables on top of it.
    pub env: BTreeMap<String, String>,
    /// That shell's file mode creation mask.
    pub umask: Option<u32>,
    /// The most agentic steps in a turn.
    pub max_turns: Option<u32>,
    /// The conversation to continue.
    pub resume: Option<String>,
    /// How to call the agent.
    pub command: Option<Command>,
    /// How long it may take to become ready, in milliseconds.
    pub ready_timeout_ms: Option<u64>,
    /// How long each rung of the stop ladder may take, in milliseconds.
    pub stop_grace_ms: Option<u64>,
    /// A git worktree of its own.
    #[serde(default)]
    pub worktree: Option<WorktreeBranch>,
    /// It changes nothing until its plan is approved.
    #[serde(default)]
    pub plan_approval: bool,
    /// When it is started again.
    #[serde(default)]
    pub restart: RestartPolicy,
    /// How long its turns may take.
    #[serde(default)]
    pub limits: TurnLimits,
}

impl std::fmt::Debug for SpawnParams {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The environment has secrets.
        f.debug_struct("SpawnParams").field("team", &self.team).field("name", &self.name).finish_non_exhaustive()
    }
}

impl SpawnParams {
    pub(super) fn into_config(self, name: String, own_umask: u32) -> SpawnConfig {
        SpawnConfig {
            name,
            prompt: self.prompt,
            model: self.model,
            effort: self.effort,
            cwd: Some(self.cwd),
            permission_mode: self.permission_mode,
            later_mode: None,
            inherit_env: Some(self.environment),
            env: self.env,
            mcp_servers: Vec::new(),
            writable_roots: Vec::new(),
            umask: self.umask.filter(|mask| *mask != own_umask),
            max_turns: self.max_turns,
            resume: self.resume,
            command: self.command,
            extra_args: Vec::new(),
            ready_timeout: self.ready_timeout_ms.map(Duration::from_millis),
            stop_grace: self.stop_grace_ms.map(Duration::from_millis).map(|rung| Grace { ask: rung, term: rung }),
            supervision: agent_backends::Supervision::default(),
        }
    }
}

/// A member that was to come back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResumeReply {
    /// Its team.
    pub team: String,
    /// What became of it.
    #[serde(flatten)]
    pub resumed: Resumed,
}

/// An input that was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SendReply {
    /// The turn it becomes.
    pub turn: u64,
    /// Its events come after this number.
    pub seq: u64,
}

/// A piece of a team's events.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EventsReply {
    /// Those that were asked for.
    pub events: Vec<Event>,
    /// Where to go on.
    pub next: u64,
    /// The number of the team's last event.
    pub last: u64,
}

/// A member that was stopped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StopReply {
    /// The team.
    pub team: String,
    /// The member.
    pub name: String,
    /// What was verified.
    #[serde(flatten)]
    pub report: StopReport,
}

/// A list of tasks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TasksReply {
    /// The tasks in the order of their numbers.
    pub tasks: Vec<Task>,
    /// Files that are no tasks.
    pub problems: Vec<UnreadableFile>,
}

/// A task that was changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpdateTaskReply {
    /// As it is now.
    pub task: Task,
    /// Tasks that no longer wait because of it.
    pub freed: Vec<TaskId>,
}

/// Who uses a tool.
#[derive(Clone, Serialize, Deserialize)]
pub struct CallerParams {
    /// What a member's agent was given.
    pub token: Option<String>,
    /// Without a token: whose lead it is.
    pub team: Option<String>,
}

impl std::fmt::Debug for CallerParams {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CallerParams").field("team", &self.team).finish_non_exhaustive()
    }
}

/// A message that was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageReply {
    /// Into whose inbox.
    pub to: String,
    /// Under this id.
    pub id: String,
}

/// What the daemon does for a client.
#[rpc(server, client)]
pub trait Control {
    /// Who answers.
    #[method(name = "hello")]
    async fn hello(&self) -> RpcResult<HelloReply>;

    /// Stops every member, then the daemon.
    #[method(name = "daemon.stop")]
    async fn stop_daemon(&self) -> RpcResult<Vec<StopReply>>;

    /// Creates a team whose lead works in `cwd`.
    #[method(name = "team.create")]
    async fn create_team(
        &self,
        team: String,
        description: Option<String>,
        cwd: PathBuf,
        resume: ResumeMode,
    ) -> RpcResult<()>;

    /// All teams.
    #[method(name = "team.list")]
    async fn list_teams(&self) -> RpcResult<Vec<TeamSummary>>;

    /// A team and its members.
    #[method(name = "team.status")]
    async fn team_status(&self, team: String) -> RpcResult<TeamStatus>;

    /// Deletes a team; with `force` its members are stopped first.
    #[method(name = "team.delete")]
    async fn delete_team(&self, team: String, force: bool) -> RpcResult<Vec<StopReply>>;

    /// A team's events from `from` on, of these members (none: all), at most `max`. When there is none yet, waits up to
    /// `wait_ms` for one. The client pulls: a slow one is behind, and loses nothing.
    #[method(name = "team.events")]
    async fn events(
        &self,
        team: String,
        names: Vec<String>,
        from: u64,
        max: usize,
        wait_ms: u64,
    ) -> RpcResult<EventsReply>;

    /// Starts a member.
    #[method(name = "member.spawn")]
    async fn spawn(&self, params: SpawnParams) -> RpcResult<MemberStatus>;

    /// Gives a member an input; with `interrupt` its running turn is ended first.
    #[method(name = "member.send")]
    async fn send(
        &self,
        team: String,
        name: String,
        text: String,
        from: Option<String>,
        interrupt: bool,
    ) -> RpcResult<SendReply>;

    /// Ends a member's running turn.
    #[method(name = "member.interrupt")]
    async fn interrupt(&self, team: String, name: String) -> RpcResult<()>;

    /// Brings back the members of a team that do not run and that nobody has stopped; without a team, those of all teams
    /// that are to come back by themselves.
    #[method(name = "team.resume")]
    async fn resume(&self, team: Option<String>, surroundings: Surroundings) -> RpcResult<Vec<ResumeReply>>;

    /// Brings back a member that does not run. One that runs, or is not ours, is left alone.
    #[method(name = "member.wake")]
    async fn wake(&self, team: String, name: String, surroundings: Surroundings) -> RpcResult<Option<Resumed>>;

    /// Stops a member if it runs, and starts it with its conversation.
    #[method(name = "member.restart")]
    async fn restart(&self, team: String, name: String, surroundings: Surroundings) -> RpcResult<Resumed>;

    /// Stops members (none: all of the team); with `now` they are killed.
    #[method(name = "member.stop")]
    async fn stop(&self, team: String, names: Vec<String>, now: bool) -> RpcResult<Vec<StopReply>>;

    /// Asks a member to stop, and waits for its answer.
    #[method(name = "member.shutdown")]
    async fn request_shutdown(
        &self,
        team: String,
        name: String,
        reason: Option<String>,
        deadline_ms: u64,
    ) -> RpcResult<ShutdownOutcome>;

    /// The processes of everybody who runs, and of whom an earlier daemon left behind.
    #[method(name = "process.list")]
    async fn processes(&self) -> RpcResult<Vec<MemberProcesses>>;

    /// A team's budgets, with what was used.
    #[method(name = "budget.list")]
    async fn budgets(&self, team: String) -> RpcResult<Vec<BudgetStatus>>;

    /// Sets the budget of a team, or of one of its members.
    #[method(name = "budget.set")]
    async fn set_budget(&self, team: String, member: Option<String>, budget: Budget) -> RpcResult<()>;

    /// The worktrees of a team's members.
    #[method(name = "worktree.list")]
    async fn worktrees(&self, team: String) -> RpcResult<Vec<WorktreeStatus>>;

    /// Removes a member's worktree; without `force`, only if nothing is lost with it.
    #[method(name = "worktree.remove")]
    async fn remove_worktree(&self, team: String, name: String, force: bool) -> RpcResult<BranchFate>;

    /// Questions that wait for a decision.
    #[method(name = "approval.list")]
    async fn approvals(&self, team: String) -> RpcResult<Vec<PendingApproval>>;

    /// Who decides what agents ask for.
    #[method(name = "approval.policy")]
    async fn approval_policy(&self, team: String) -> RpcResult<ApprovalPolicy>;

    /// Says who does.
    #[method(name = "approval.set_policy")]
    async fn set_approval_policy(&self, team: String, policy: ApprovalPolicy) -> RpcResult<()>;

    /// Decides one.
    #[method(name = "approval.answer")]
    async fn answer(&self, team: String, id: String, decision: Decision) -> RpcResult<()>;

    /// Adds a task.
    #[method(name = "task.create")]
    async fn create_task(&self, team: String, request: CreateTaskRequest) -> RpcResult<Task>;

    /// All tasks.
    #[method(name = "task.list")]
    async fn list_tasks(&self, team: String) -> RpcResult<TasksReply>;

    /// All tasks as they are on disk, whole.
    #[method(name = "task.files")]
    async fn task_files(&self, team: String) -> RpcResult<Vec<serde_json::Value>>;

    /// Changes a task.
    #[method(name = "task.update")]
    async fn update_task(&self, team: String, id: String, update: TaskUpdate) -> RpcResult<UpdateTaskReply>;

    /// Deletes a task.
    #[method(name = "task.delete")]
    async fn delete_task(&self, team: String, id: String) -> RpcResult<()>;

    /// Writes a message into an inbox, or with `*` into all but the sender's; answers who got it.
    #[method(name = "message.send")]
    async fn send_message(
        &self,
        team: String,
        from: String,
        to: String,
        text: String,
        summary: Option<String>,
        urgent: Option<bool>,
    ) -> RpcResult<Vec<MessageReply>>;

    /// What became of a message.
    #[method(name = "message.trace")]
    async fn trace(&self, team: String, id: String) -> RpcResult<Vec<MailStep>>;

    /// Messages that no agent has yet.
    #[method(name = "message.undelivered")]
    async fn undelivered(&self, team: String) -> RpcResult<Vec<MailStep>>;

    /// All values that a team remembers.
    #[method(name = "memory.list")]
    async fn memories(&self, team: String) -> RpcResult<Vec<MemoryEntry>>;

    /// One of them.
    #[method(name = "memory.read")]
    async fn recall(&self, team: String, name: String) -> RpcResult<MemoryEntry>;

    /// Remembers a value, if the version is the one that is expected.
    #[method(name = "memory.write")]
    async fn remember(
        &self,
        team: String,
        name: String,
        value: Value,
        expected: Option<u64>,
        by: String,
    ) -> RpcResult<MemoryEntry>;

    /// Forgets a value, under the same condition.
    #[method(name = "memory.delete")]
    async fn forget(&self, team: String, name: String, expected: Option<u64>) -> RpcResult<()>;

    /// The team's tools that somebody has.
    #[method(name = "tool.list")]
    async fn tools(&self, caller: CallerParams) -> RpcResult<Vec<ToolDescription>>;

    /// Uses one of them.
    #[method(name = "tool.call")]
    async fn use_tool(
        &self,
        caller: CallerParams,
        tool: String,
        arguments: Map<String, Value>,
        surroundings: Option<Surroundings>,
    ) -> RpcResult<ToolOutcome>;

    /// What is in an inbox.
    #[method(name = "message.list")]
    async fn inbox(&self, team: String, name: String) -> RpcResult<Vec<Message>>;
}
