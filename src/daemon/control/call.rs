//! What a call is, and the list of all calls.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::checkpoints::*;
use super::decisions::*;
use super::mail::*;
use super::members::*;
use super::runs::*;
use super::service::*;
use super::tasks::*;
use super::teams::*;
use super::tools::*;
use crate::model::approval::ApprovalPolicy;
use crate::model::checkpoint::CheckpointStatus;
use crate::model::launch::{BranchFate, Resumed, WorktreeStatus};
use crate::model::lead_mail::LeadMail;
use crate::model::mail_step::MailStep;
use crate::model::memory::MemoryEntry;
use crate::model::message::Message;
use crate::model::policy::BudgetStatus;
use crate::model::recording::RecordingEnd;
use crate::model::run::RunRecord;
use crate::model::run_report::RunReport;
use crate::model::status::{
    EndedTeam, MemberProcesses, MemberStatus, PendingApproval, ShutdownOutcome, TeamStatus, TeamSummary,
};
use crate::model::task::Task;
use crate::model::tool::{ToolDescription, ToolOutcome};

/// A call of the control protocol: its parameters.
pub trait Call: Serialize + DeserializeOwned + Send + 'static {
    /// The method's name on the wire.
    const METHOD: &'static str;
    /// What it answers.
    type Reply: Serialize + DeserializeOwned + Clone + Send + 'static;
}

/// Passes the list of all calls to a macro: method, parameters, answer, and the server's function for it.
macro_rules! calls {
    ($then:ident) => {
        $then! {
            "hello" HelloParams => HelloReply, hello;
            "daemon.stop" StopDaemonParams => Vec<StopReply>, stop_daemon;
            "process.list" ListProcessesParams => Vec<MemberProcesses>, list_processes;
            "watch" WatchParams => WatchReply, watch;
            "team.create" CreateTeamParams => (), create_team;
            "team.list" ListTeamsParams => Vec<TeamSummary>, list_teams;
            "team.list_ended" ListEndedTeamsParams => Vec<EndedTeam>, list_ended_teams;
            "team.rejoin" RejoinParams => Vec<Resumed>, rejoin;
            "team.lead_mail" LeadMailParams => LeadMail, lead_mail;
            "team.status" TeamStatusParams => TeamStatus, team_status;
            "team.delete" DeleteTeamParams => DeleteReply, delete_team;
            "team.events" EventsParams => EventsReply, events;
            "team.resume" ResumeTeamsParams => Vec<ResumeReply>, resume_teams;
            "team.trust_file" TrustParams => (), trust;
            "team.up" UpParams => Vec<MemberStatus>, up;
            "team.record" StartRecordingParams => StartRecordingReply, start_recording;
            "team.end_recording" EndRecordingParams => RecordingEnd, end_recording;
            "run.start" StartRunParams => StartRunReply, start_run;
            "run.list" ListRunsParams => Vec<RunRecord>, list_runs;
            "run.report" RunReportParams => RunReport, run_report;
            "team.report" TeamReportParams => RunReport, team_report;
            "run.stop" StopRunParams => (), stop_run;
            "budget.list" ListBudgetsParams => Vec<BudgetStatus>, list_budgets;
            "budget.set" SetBudgetParams => (), set_budget;
            "checkpoint.status" CheckpointStatusParams => CheckpointStatus, checkpoint_status;
            "checkpoint.set" SetCheckpointsParams => (), set_checkpoints;
            "member.spawn" SpawnParams => MemberStatus, spawn;
            "member.send" SendParams => SendReply, send;
            "member.interrupt" InterruptParams => InterruptReply, interrupt;
            "member.restart" RestartParams => Resumed, restart;
            "member.stop" StopParams => Vec<StopReply>, stop_members;
            "member.let_go" LetGoParams => (), let_go;
            "member.shutdown" ShutdownParams => ShutdownOutcome, request_shutdown;
            "worktree.list" ListWorktreesParams => Vec<WorktreeStatus>, list_worktrees;
            "worktree.remove" RemoveWorktreeParams => BranchFate, remove_worktree;
            "approval.list" ListApprovalsParams => Vec<PendingApproval>, list_approvals;
            "approval.answer" AnswerParams => (), answer;
            "approval.policy" ApprovalPolicyParams => ApprovalPolicy, approval_policy;
            "approval.set_policy" SetApprovalPolicyParams => (), set_approval_policy;
            "task.create" CreateTaskParams => Task, create_task;
            "task.list" ListTasksParams => TasksReply, list_tasks;
            "task.files" TaskFilesParams => Vec<Value>, task_files;
            "task.update" UpdateTaskParams => UpdateTaskReply, update_task;
            "task.claim" ClaimTaskParams => Option<Task>, claim_task;
            "task.complete" CompleteTaskParams => UpdateTaskReply, complete_task;
            "task.fail" FailTaskParams => Task, fail_task;
            "task.retry" RetryTaskParams => Task, retry_task;
            "task.delete" DeleteTaskParams => (), delete_task;
            "message.send" SendMessageParams => SendMessageReply, send_message;
            "message.list" InboxParams => Vec<Message>, inbox;
            "message.trace" TraceParams => Vec<MailStep>, trace;
            "message.undelivered" UndeliveredParams => Vec<MailStep>, undelivered;
            "memory.list" ListMemoryParams => Vec<MemoryEntry>, list_memory;
            "memory.read" ReadMemoryParams => MemoryEntry, read_memory;
            "memory.write" WriteMemoryParams => MemoryEntry, write_memory;
            "memory.delete" DeleteMemoryParams => (), delete_memory;
            "tool.list" ListToolsParams => Vec<ToolDescription>, list_tools;
            "tool.call" CallToolParams => ToolOutcome, call_tool;
        }
    };
}
pub(in crate::daemon) use calls;

macro_rules! describe {
    ($($method:literal $params:ident => $reply:ty, $function:ident;)*) => {
        $(impl Call for $params {
            const METHOD: &'static str = $method;
            type Reply = $reply;
        })*
    };
}
calls!(describe);

macro_rules! list {
    ($($method:literal $params:ident => $reply:ty, $function:ident;)*) => {
        /// Every call: its method, and the type of its parameters.
        pub const CALLS: &[(&str, &str)] = &[$(($method, stringify!($params)),)*];
    };
}
calls!(list);
