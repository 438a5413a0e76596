//! Tasks, as a program describes them and as hooks and prompts see them.

use std::path::PathBuf;
use std::sync::Arc;

use serde_json::{Map, Value};
use uuid::Uuid;

use crate::model::task as shared;

/// The id of a task.
pub type TaskId = Uuid;

/// The key in a task's context that names who is to do it.
pub(super) const ASSIGNED: &str = "assigned_teammate";
/// The key in a shared task's context where the kind stands.
const KIND: &str = "kind";
/// The key in a shared task's context where a context stands that is no JSON object.
const CONTEXT: &str = "context";

/// How far a task is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum TaskStatus {
    /// Nobody has it yet.
    #[default]
    Pending,
    /// Somebody has it, and has not begun.
    Claimed,
    /// Somebody works on it.
    InProgress,
    /// It is done.
    Completed,
    /// It has failed for good.
    Failed,
    /// It waits for others.
    Blocked,
}

/// What came of a task.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TaskResult {
    /// What whoever did it says of it.
    pub notes: String,
}

/// Something that a team is to do.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Task {
    /// Its id.
    pub id: TaskId,
    /// What sort of work it is, in a word of your own.
    pub kind: String,
    /// What is to be done, in a line.
    pub title: String,
    /// What is to be done, with all that whoever does it has to know: it sees nothing of your conversation.
    pub description: String,
    /// The file that it is about; empty for none.
    pub target_file: PathBuf,
    /// The tasks that have to be completed first.
    pub dependencies: Vec<TaskId>,
    /// Tasks with lower values are begun first.
    pub priority: i64,
    /// How often it is given out again when it failed; `None` for what the team's [`AgentConfig`](super::AgentConfig) says.
    pub max_retries: Option<u32>,
    /// What else whoever does it should know. `assigned_teammate` names who is to do it.
    pub context: Value,
    /// How far it is.
    pub status: TaskStatus,
    /// What came of it.
    pub result: Option<TaskResult>,
}

impl Task {
    /// A task of this kind, about this file.
    pub fn new(
        kind: impl Into<String>,
        title: impl Into<String>,
        description: impl Into<String>,
        target_file: impl Into<PathBuf>,
    ) -> Self {
        Self {
            id: Uuid::new_v4(),
            kind: kind.into(),
            title: title.into(),
            description: description.into(),
            target_file: target_file.into(),
            dependencies: Vec::new(),
            priority: 0,
            max_retries: None,
            context: Value::Null,
            status: TaskStatus::Pending,
            result: None,
        }
    }

    /// The same, begun before those with a higher value.
    #[must_use]
    pub fn with_priority(mut self, priority: i64) -> Self {
        self.priority = priority;
        self
    }

    /// The same, begun when these are completed.
    #[must_use]
    pub fn with_dependencies(mut self, dependencies: Vec<TaskId>) -> Self {
        self.dependencies = dependencies;
        self
    }

    /// The same; whoever does it is told this.
    #[must_use]
    pub fn with_context(mut self, context: Value) -> Self {
        self.context = context;
        self
    }

    /// The same, given out again so often when it failed.
    #[must_use]
    pub fn with_max_retries(mut self, retries: u32) -> Self {
        self.max_retries = Some(retries);
        self
    }

    /// Who is to do it.
    pub(super) fn assigned(&self) -> Option<&str> {
        self.context.get(ASSIGNED)?.as_str()
    }

    /// What the shared list keeps of its context.
    pub(super) fn shared_context(&self) -> Map<String, Value> {
        let mut context = match &self.context {
            Value::Null => Map::new(),
            Value::Object(context) => context.clone(),
            other => Map::from_iter([(CONTEXT.to_owned(), other.clone())]),
        };
        if !self.kind.is_empty() {
            context.insert(KIND.to_owned(), self.kind.clone().into());
        }
        context
    }
}

impl Task {
    /// A task of a shared list. One that was not given by a program has an id that is made of its number.
    pub(super) fn of_shared(task: &shared::Task, all: &[Arc<shared::Task>]) -> Self {
        let work = task.work();
        let mut context = work.plan.context.clone();
        let kind = context.shift_remove(KIND).and_then(|kind| kind.as_str().map(str::to_owned)).unwrap_or_default();
        let context = match context.len() {
            0 => Value::Null,
            1 if context.contains_key(CONTEXT) => context.shift_remove(CONTEXT).unwrap_or_default(),
            _ => Value::Object(context),
        };
        let status = match task.status {
            shared::TaskStatus::Completed => TaskStatus::Completed,
            _ if task.is_failed() => TaskStatus::Failed,
            shared::TaskStatus::InProgress => TaskStatus::InProgress,
            _ if !task.blocked_by.is_empty() => TaskStatus::Blocked,
            _ if task.owner.is_some() => TaskStatus::Claimed,
            _ => TaskStatus::Pending,
        };
        let before = |id: &shared::TaskId| all.iter().find(|other| other.id == *id).map(|other| id_of(other));
        Self {
            id: id_of(task),
            kind,
            title: task.subject.clone(),
            description: task.description.clone(),
            target_file: work.plan.target_file.clone().map(PathBuf::from).unwrap_or_default(),
            dependencies: task.blocked_by.iter().filter_map(before).collect(),
            priority: work.plan.priority,
            max_retries: work.plan.max_retries,
            context,
            status,
            result: work.result.map(|notes| TaskResult { notes }),
        }
    }
}

/// The id of a task of a shared list.
pub(super) fn id_of(task: &shared::Task) -> TaskId {
    let given = task.work().plan.name.and_then(|name| name.parse().ok());
    given.unwrap_or_else(|| Uuid::from_u128(u128::from(task.id.as_number().unwrap_or_default())))
}
