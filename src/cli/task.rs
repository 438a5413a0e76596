//! `teams task …`

use std::collections::HashSet;

use serde_json::json;

use super::options::{GraphFormat, TaskVerb};
use super::output::{Output, Style};
use super::{Context, Done};
use crate::daemon::{
    Connection, CreateTaskParams, DeleteTaskParams, ErrorKind, Failure, ListTasksParams, TaskFilesParams, TasksReply,
    UpdateTaskParams,
};
use crate::model::graph::Graph;
use crate::model::task::{BadTaskId, CreateTaskRequest, Task, TaskId, TaskStatus, TaskUpdate};

pub(super) async fn run(context: &Context<'_>, verb: TaskVerb) -> anyhow::Result<Done> {
    let connection = context.connect().await?;
    let team = context.team(&connection).await?;
    let output = context.output;
    match verb {
        TaskVerb::Add { subject, description, active_form, owner, blocked_by } => {
            let task = CreateTaskRequest { subject, description, active_form, owner, blocked_by };
            let task = connection.call(CreateTaskParams { team, task }).await?;
            show(output, &task, |task| format!("added #{} {}", task.id, task.subject))?;
        }
        TaskVerb::List { status, owner } => {
            let mut reply = connection.call(ListTasksParams { team: team.clone() }).await?;
            let all = reply.tasks.clone();
            reply.tasks.retain(|task| {
                status.is_none_or(|status| task.status == status)
                    && owner.as_ref().is_none_or(|owner| task.owner.as_ref() == Some(owner))
            });
            if output.json {
                warn(output, &reply);
                let wanted: HashSet<&str> = reply.tasks.iter().map(|task| &*task.id).collect();
                let mut files = connection.call(TaskFilesParams { team }).await?;
                files.retain(|file| file["id"].as_str().is_some_and(|id| wanted.contains(id)));
                output.json(&files)?;
            } else {
                list(output, &reply, &all)?;
            }
        }
        TaskVerb::Show { id } => {
            let reply = connection.call(ListTasksParams { team: team.clone() }).await?;
            let wanted: TaskId =
                id.parse().map_err(|bad: BadTaskId| Failure::new(ErrorKind::BadInput, bad.to_string()))?;
            let task = reply.tasks.iter().find(|task| task.id == wanted);
            let task = task.ok_or_else(|| {
                Failure::new(ErrorKind::NoTask, format!("team `{team}` has no task #{wanted}"))
                    .hint("`teams task list` shows them")
            })?;
            let waits = Graph::new(&reply.tasks).open_blockers(&task.id);
            show(output, task, |task| details(task, &waits))?;
        }
        TaskVerb::Update { id, status, owner, subject, description, add_blocked_by, add_blocks } => {
            let some = |ids: Vec<String>| Some(ids).filter(|ids| !ids.is_empty());
            let update = TaskUpdate {
                subject,
                description,
                active_form: None,
                owner,
                status,
                add_blocked_by: some(add_blocked_by),
                add_blocks: some(add_blocks),
                metadata: None,
            };
            if update == TaskUpdate::default() {
                return Err(Failure::new(ErrorKind::BadInput, "nothing to change")
                    .hint("see `teams task update --help`")
                    .into());
            }
            update_task(context, &connection, team, id, update).await?;
        }
        TaskVerb::Done { id } => {
            let update = TaskUpdate { status: Some(TaskStatus::Completed), ..TaskUpdate::default() };
            update_task(context, &connection, team, id, update).await?;
        }
        TaskVerb::Delete { id } => {
            connection.call(DeleteTaskParams { team, id: id.clone() }).await?;
            if output.json {
                output.json(&json!({"deleted": id}))?;
            } else {
                output.line(&format!("deleted #{}", id.trim_start_matches('#')))?;
            }
        }
        TaskVerb::Graph { format } => {
            let reply = connection.call(ListTasksParams { team }).await?;
            warn(output, &reply);
            let graph = Graph::new(&reply.tasks);
            let text = match format {
                GraphFormat::Text => graph.to_text(),
                GraphFormat::Mermaid => graph.to_mermaid(),
                GraphFormat::Dot => graph.to_dot(),
            };
            if output.json {
                output.json(&json!({"graph": text}))?;
            } else {
                output.text(&text)?;
            }
        }
    }
    Ok(Done::Yes)
}

async fn update_task(
    context: &Context<'_>,
    connection: &Connection,
    team: String,
    id: String,
    update: TaskUpdate,
) -> anyhow::Result<()> {
    let reply = connection.call(UpdateTaskParams { team, id, update }).await?;
    if context.output.json {
        return context.output.json(&reply.task);
    }
    context.output.line(&format!("#{} {} [{}]", reply.task.id, reply.task.subject, reply.task.status))?;
    for id in reply.freed {
        context.output.line(&format!("#{id} waits no longer"))?;
    }
    Ok(())
}

fn show(output: &Output, task: &Task, text: impl FnOnce(&Task) -> String) -> anyhow::Result<()> {
    if output.json { output.json(task) } else { Ok(output.line(&text(task))?) }
}

fn warn(output: &Output, reply: &TasksReply) {
    for problem in &reply.problems {
        output.note(&output.paint(Style::Yellow, &format!("{problem}")));
    }
}

fn list(output: &Output, reply: &TasksReply, all: &[Task]) -> anyhow::Result<()> {
    warn(output, reply);
    if reply.tasks.is_empty() {
        output.note("no tasks; add one with `teams task add SUBJECT`");
        return Ok(());
    }
    let graph = Graph::new(all);
    let rows: Vec<_> = reply
        .tasks
        .iter()
        .map(|task| {
            let waits = graph.open_blockers(&task.id);
            vec![
                format!("#{}", task.id),
                task.status.to_string(),
                task.owner.clone().unwrap_or_else(|| "-".into()),
                task.subject.clone(),
                numbers(&waits),
            ]
        })
        .collect();
    Ok(output.table(&["id", "status", "owner", "subject", "waits for"], &rows)?)
}

fn numbers(ids: &[TaskId]) -> String {
    ids.iter().map(|id| format!("#{id}")).collect::<Vec<_>>().join(" ")
}

fn details(task: &Task, waits: &[TaskId]) -> String {
    let mut lines = vec![format!("#{} {}", task.id, task.subject), format!("status: {}", task.status)];
    let owner = task.owner.as_ref().map(|owner| format!("owner: {owner}"));
    lines.extend(owner);
    for (what, ids) in [("blocks", &task.blocks), ("blocked by", &task.blocked_by)] {
        lines.extend((!ids.is_empty()).then(|| format!("{what}: {}", numbers(ids))));
    }
    lines.extend((!waits.is_empty()).then(|| format!("waits for: {}", numbers(waits))));
    lines.extend((!task.description.is_empty()).then(|| format!("\n{}", task.description)));
    lines.join("\n")
}
