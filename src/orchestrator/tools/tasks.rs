//! The tools for tasks. A teammate changes what is its own or nobody's; who gets what is the lead's to say.

use std::sync::Arc;

use serde_json::{Value, json};

use super::params::{
    AssignTaskParams, FinishRunParams, NewStatus, Status, TaskClaimParams, TaskCompleteParams, TaskCreateParams,
    TaskGetParams, TaskListParams, TaskUpdateParams,
};
use super::{Identity, ToolAnswer, refuse};
use crate::model::graph::Graph;
use crate::model::task::{CreateTaskRequest, Task, TaskStatus, TaskUpdate};
use crate::model::work::TaskPlan;
use crate::orchestrator::entry::TeamOrchestrator;
use crate::orchestrator::work::claims::Holds;
use crate::store::{Expected, Outcome, StoreError};

impl TeamOrchestrator {
    pub(super) async fn tool_task_list(&self, who: &Identity, params: TaskListParams) -> ToolAnswer {
        let list = self.list_tasks(&who.team).await?;
        let graph = Graph::new(&list.tasks);
        let status = params.status.map(|status| match status {
            Status::Pending => TaskStatus::Pending,
            Status::InProgress => TaskStatus::InProgress,
            Status::Completed => TaskStatus::Completed,
        });
        let wanted = |task: &&Arc<Task>| {
            status.is_none_or(|status| task.status == status)
                && params.owner.as_ref().is_none_or(|owner| task.owner.as_ref() == Some(owner))
        };
        let rows: Vec<Value> = list
            .tasks
            .iter()
            .filter(wanted)
            .map(|task| {
                let mut row = json!({"id": task.id, "subject": task.subject, "status": task.status, "owner": task.owner,
                    "waitsFor": graph.open_blockers(&task.id)});
                if let Some(reason) = task.work().failed {
                    row["failed"] = Value::from(reason);
                }
                row
            })
            .collect();
        Ok(if rows.is_empty() { "There are no such tasks.".to_owned() } else { Value::from(rows).to_string() })
    }

    pub(super) async fn tool_task_get(&self, who: &Identity, params: TaskGetParams) -> ToolAnswer {
        Ok(json!(self.task_of(who, &params.task_id).await?).to_string())
    }

    pub(super) async fn tool_task_create(&self, who: &Identity, params: TaskCreateParams) -> ToolAnswer {
        let request = CreateTaskRequest {
            subject: params.subject,
            description: Some(params.description),
            active_form: params.active_form,
            owner: None,
            blocked_by: params.add_blocked_by,
            plan: TaskPlan { priority: params.priority, ..TaskPlan::default() },
        };
        let task = self.create_task_as(&who.team, request, Some(&who.name)).await?;
        if params.metadata.is_some() {
            let update = TaskUpdate { metadata: params.metadata, ..TaskUpdate::default() };
            self.update_task(&who.team, &task.id, update).await?;
        }
        Ok(format!("Task #{} was added.", task.id))
    }

    pub(super) async fn tool_task_update(&self, who: &Identity, params: TaskUpdateParams) -> ToolAnswer {
        let task = self.task_of(who, &params.task_id).await?;
        check_owner(who, &task)?;
        if params.status == Some(NewStatus::Deleted) {
            self.delete_task(&who.team, &task.id).await?;
            return Ok(format!("Task #{} was deleted.", task.id));
        }
        let owner = params.owner.as_deref().filter(|owner| !owner.is_empty() && *owner != who.name.as_str());
        if let Some(owner) = owner.filter(|_| !who.may_lead()) {
            return refuse(format!(
                "you cannot make {owner} the owner; ask {owner} with send_message to claim it, or the lead to assign it"
            ));
        }
        let status = params.status.and_then(|status| match status {
            NewStatus::Pending => Some(TaskStatus::Pending),
            NewStatus::InProgress => Some(TaskStatus::InProgress),
            NewStatus::Completed => Some(TaskStatus::Completed),
            NewStatus::Deleted => None,
        });
        let update = TaskUpdate {
            subject: params.subject,
            description: params.description,
            active_form: params.active_form,
            owner: params.owner,
            status,
            add_blocked_by: params.add_blocked_by,
            add_blocks: params.add_blocks,
            metadata: params.metadata,
        };
        let (task, freed) = self.update_task_and_free(&who.team, &task.id, update, &who.name).await?;
        if status == Some(TaskStatus::Completed) {
            self.note_activity(who, |activity| activity.completed.push((task.id.to_string(), "resolved")));
        }
        Ok(format!("Task #{} is {}{}.", task.id, task.status, free_now(&freed)))
    }

    pub(super) async fn tool_task_claim(&self, who: &Identity, params: TaskClaimParams) -> ToolAnswer {
        match self.claim(&who.team, params.task_id.as_deref(), &who.name, Holds::WithMember).await? {
            Some(task) => Ok(format!("Task #{} is yours: {}\n\n{}", task.id, task.subject, task.description)),
            None => refuse("there is no task that nobody works on and that waits for nothing"),
        }
    }

    pub(super) async fn tool_task_complete(&self, who: &Identity, params: TaskCompleteParams) -> ToolAnswer {
        let task = self.task_of(who, &params.task_id).await?;
        check_owner(who, &task)?;
        // One that nobody has may be said to be done by anybody; what was given to somebody else meanwhile is that one's.
        let expected = Expected { owner: task.owner.clone(), attempt: params.attempt };
        let (how, outcome) = match (params.failed, params.note) {
            (true, None) => return refuse("say in the note why it cannot be done"),
            (true, Some(feedback)) => ("failed", Outcome::Failed { feedback, for_good: false }),
            (false, result) => ("resolved", Outcome::Completed { result }),
        };
        let (task, freed) = self.settle(&who.team, &task.id, expected, outcome).await?;
        self.note_activity(who, |activity| activity.completed.push((task.id.to_string(), how)));
        Ok(match how {
            "resolved" => format!("Task #{} is completed{}.", task.id, free_now(&freed)),
            _ if task.is_failed() => format!("Task #{} has failed: that was the last attempt.", task.id),
            _ => format!("Task #{} is free again, for another attempt.", task.id),
        })
    }

    pub(super) async fn tool_assign_task(&self, who: &Identity, params: AssignTaskParams) -> ToolAnswer {
        let task = self.assign_task(&who.team, &params.task_id, &params.owner).await?;
        Ok(format!("Task #{} is {}'s, who is told so.", task.id, params.owner))
    }

    pub(super) async fn tool_finish_run(&self, who: &Identity, params: FinishRunParams) -> ToolAnswer {
        let Some(run) = self.inner.runs.of(&who.team) else { return refuse("no run of this team goes on") };
        if params.summary.trim().is_empty() {
            return refuse("say in summary what came of it");
        }
        let list = self.list_tasks(&who.team).await?;
        let graph = Graph::new(&list.tasks);
        let is_open = |task: &&Arc<Task>| {
            task.status != TaskStatus::Completed && !task.is_failed() && graph.failed_blockers(&task.id).is_empty()
        };
        let open: Vec<String> = list.tasks.iter().filter(is_open).map(|task| format!("#{}", task.id)).collect();
        if !open.is_empty() {
            return refuse(format!(
                "tasks are open: {}; end your turn to wait for them, or delete those that are not needed with `task_update`",
                open.join(", ")
            ));
        }
        run.finish(params.summary);
        Ok("The run ends when everybody has ended their turn; end yours.".to_owned())
    }

    async fn task_of(&self, who: &Identity, id: &str) -> ToolAnswer<Task> {
        let list = self.list_tasks(&who.team).await?;
        let id = id.strip_prefix('#').unwrap_or(id);
        match list.get(id) {
            Some(task) => Ok(Task::clone(task)),
            None => Err(StoreError::NoTask { team: who.team.to_string(), id: id.to_owned() }.into()),
        }
    }
}

fn check_owner(who: &Identity, task: &Task) -> ToolAnswer<()> {
    match &task.owner {
        Some(owner) if *owner != who.name.as_str() && !who.may_lead() => {
            refuse(format!("task #{} is {owner}'s; write to {owner} with send_message", task.id))
        }
        _ => Ok(()),
    }
}

fn free_now(freed: &[crate::model::task::TaskId]) -> String {
    if freed.is_empty() {
        return String::new();
    }
    let ids: Vec<String> = freed.iter().map(|id| format!("#{id}")).collect();
    format!("; free to begin now: {}", ids.join(", "))
}
