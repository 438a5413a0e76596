//! Calls about what a team shares: its tasks, and its memory.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::model::task::{CreateTaskRequest, Task, TaskId, TaskUpdate};
use crate::store::UnreadableFile;

/// Adds a task.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreateTaskParams {
    /// The team.
    pub team: String,
    /// The task.
    pub task: CreateTaskRequest,
}

/// Lists all tasks of a team.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListTasksParams {
    /// The team.
    pub team: String,
}

/// A list of tasks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TasksReply {
    /// The tasks in the order of their numbers.
    pub tasks: Vec<Task>,
    /// Files that are no tasks.
    pub problems: Vec<UnreadableFile>,
}

/// Asks for all tasks of a team as they are on disk, with what we do not know in them.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaskFilesParams {
    /// The team.
    pub team: String,
}

/// Changes a task.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpdateTaskParams {
    /// The team.
    pub team: String,
    /// The task's number, with or without `#`.
    pub id: String,
    /// What changes.
    pub update: TaskUpdate,
}

/// A task that was changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpdateTaskReply {
    /// As it is now.
    pub task: Task,
    /// Tasks that no longer wait because of it.
    pub freed: Vec<TaskId>,
}

/// Gives a member a task that nobody works on and that waits for nothing; `None` when there is none. No task is given to two.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClaimTaskParams {
    /// The team.
    pub team: String,
    /// The task's number, with or without `#`; the first that is free when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The member.
    pub owner: String,
}

/// Says that a task is done. With an owner or an attempt it counts only while that owner has it, and only for that attempt.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CompleteTaskParams {
    /// The team.
    pub team: String,
    /// The task's number, with or without `#`.
    pub id: String,
    /// Who has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// Which attempt this is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u64>,
    /// What came of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<String>,
}

/// Says that a task has failed for good: nobody is given it, and what waits for it does not begin.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FailTaskParams {
    /// The team.
    pub team: String,
    /// The task's number, with or without `#`.
    pub id: String,
    /// Why.
    pub reason: String,
}

/// Makes a task that has failed, or that is done, one that can be begun.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RetryTaskParams {
    /// The team.
    pub team: String,
    /// The task's number, with or without `#`.
    pub id: String,
}

/// Deletes a task.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeleteTaskParams {
    /// The team.
    pub team: String,
    /// The task's number, with or without `#`.
    pub id: String,
}

/// Lists all values that a team remembers.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListMemoryParams {
    /// The team.
    pub team: String,
}

/// Reads one value that a team remembers.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReadMemoryParams {
    /// The team.
    pub team: String,
    /// The value's name.
    pub name: String,
}

/// Remembers a value, if the version is the one that is expected.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WriteMemoryParams {
    /// The team.
    pub team: String,
    /// The value's name.
    pub name: String,
    /// The value.
    pub value: Value,
    /// The version that it must be at, 0 for none; any when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected: Option<u64>,
    /// Who writes it.
    pub by: String,
}

/// Forgets a value, if the version is the one that is expected.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeleteMemoryParams {
    /// The team.
    pub team: String,
    /// The value's name.
    pub name: String,
    /// The version that it must be at; any when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected: Option<u64>,
}
