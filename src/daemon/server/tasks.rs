//! Reads and writes what a team shares: its tasks, and its memory.

use serde_json::Value;

use super::Server;
use crate::daemon::control::{
    ClaimTaskParams, CompleteTaskParams, CreateTaskParams, DeleteMemoryParams, DeleteTaskParams, FailTaskParams,
    ListMemoryParams, ListTasksParams, ReadMemoryParams, RetryTaskParams, TaskFilesParams, TasksReply,
    UpdateTaskParams, UpdateTaskReply, WriteMemoryParams,
};
use crate::error::Result;
use crate::model::memory::MemoryEntry;
use crate::model::name::TEAM_LEAD;
use crate::model::task::Task;
use crate::orchestrator::Holds;
use crate::store::Expected;

impl Server {
    pub(super) async fn create_task(&self, CreateTaskParams { team, task }: CreateTaskParams) -> Result<Task> {
        self.orchestrator.create_task(&team, task).await
    }

    pub(super) async fn list_tasks(&self, params: ListTasksParams) -> Result<TasksReply> {
        let list = self.orchestrator.list_tasks(&params.team).await?;
        let tasks = list.tasks.iter().map(|task| Task::clone(task)).collect();
        Ok(TasksReply { tasks, problems: list.problems.clone() })
    }

    pub(super) async fn task_files(&self, params: TaskFilesParams) -> Result<Vec<Value>> {
        self.orchestrator.task_files(&params.team).await
    }

    pub(super) async fn update_task(&self, params: UpdateTaskParams) -> Result<UpdateTaskReply> {
        let UpdateTaskParams { team, id, update } = params;
        let (task, freed) = self.orchestrator.update_task_and_free(&team, &id, update, TEAM_LEAD).await?;
        Ok(UpdateTaskReply { task, freed })
    }

    pub(super) async fn claim_task(
        &self,
        ClaimTaskParams { team, id, owner }: ClaimTaskParams,
    ) -> Result<Option<Task>> {
        self.orchestrator.claim(&team, id.as_deref(), &owner, Holds::WithMember).await
    }

    pub(super) async fn complete_task(&self, params: CompleteTaskParams) -> Result<UpdateTaskReply> {
        let CompleteTaskParams { team, id, owner, attempt, result } = params;
        let (task, freed) = self.orchestrator.complete_task(&team, &id, Expected { owner, attempt }, result).await?;
        Ok(UpdateTaskReply { task, freed })
    }

    pub(super) async fn fail_task(&self, FailTaskParams { team, id, reason }: FailTaskParams) -> Result<Task> {
        self.orchestrator.fail_task(&team, &id, &reason).await
    }

    pub(super) async fn retry_task(&self, RetryTaskParams { team, id }: RetryTaskParams) -> Result<Task> {
        self.orchestrator.retry_task(&team, &id).await
    }

    pub(super) async fn delete_task(&self, DeleteTaskParams { team, id }: DeleteTaskParams) -> Result<()> {
        self.orchestrator.delete_task(&team, &id).await
    }

    pub(super) async fn list_memory(&self, params: ListMemoryParams) -> Result<Vec<MemoryEntry>> {
        self.orchestrator.memories(&params.team).await
    }

    pub(super) async fn read_memory(&self, params: ReadMemoryParams) -> Result<MemoryEntry> {
        self.orchestrator.recall(&params.team, &params.name).await
    }

    pub(super) async fn write_memory(&self, params: WriteMemoryParams) -> Result<MemoryEntry> {
        let WriteMemoryParams { team, name, value, expected, by } = params;
        self.orchestrator.remember(&team, &name, value, expected, &by).await
    }

    pub(super) async fn delete_memory(&self, params: DeleteMemoryParams) -> Result<()> {
        self.orchestrator.forget_memory(&params.team, &params.name, params.expected).await
    }
}
