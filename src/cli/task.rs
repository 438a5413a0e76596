//! `teams task …`

use std::collections::HashSet;

use agent_backends::BackendType;
use serde_json::{Value, json};

use super::options::{GraphFormat, TaskVerb};
use super::output::{Output, Style};
use super::{Context, Done, task_wait};
use crate::daemon::{
    CompleteTaskParams, CreateTaskParams, DeleteTaskParams, ErrorKind, FailTaskParams, Failure, ListTasksParams,
    RetryTaskParams, TaskFilesParams, TasksReply, UpdateTaskParams, UpdateTaskReply,
};
use crate::model::graph::Graph;
use crate::model::task::{BadTaskId, CreateTaskRequest, Task, TaskId, TaskStatus, TaskUpdate};
use crate::model::work::{TaskPlan, Wants};

pub(super) async fn run(context: &Context<'_>, verb: TaskVerb) -> anyhow::Result<Done> {
    let connection = context.connect().await?;
    let team = context.team(&connection).await?;
    let output = context.output;
    match verb {
        TaskVerb::Add {
            subject,
            description,
            active_form,
            owner,
            blocked_by,
            priority,
            max_retries,
            wants,
            target_file,
            context: known,
        } => {
            let context = known.into_iter().map(|(name, value)| (name, Value::from(value))).collect();
            let wants = wants_of(wants)?;
            let plan = TaskPlan { priority, max_retries, wants, target_file, context, ..TaskPlan::default() };
            let task = CreateTaskRequest { subject, description, active_form, owner, blocked_by, plan };
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
            told(output, &connection.call(UpdateTaskParams { team, id, update }).await?)?;
        }
        TaskVerb::Done { id } => {
            let params = CompleteTaskParams { team, id, owner: None, attempt: None, result: None };
            told(output, &connection.call(params).await?)?;
        }
        TaskVerb::Retry { id } => {
            let task = connection.call(RetryTaskParams { team, id }).await?;
            show(output, &task, |task| format!("#{} {} can be begun", task.id, task.subject))?;
        }
        TaskVerb::Fail { id, reason } => {
            let task = connection.call(FailTaskParams { team, id, reason }).await?;
            show(output, &task, |task| format!("#{} {} [{}]", task.id, task.subject, task.state()))?;
        }
        TaskVerb::Wait { ids, timeout } => return task_wait::run(context, &connection, team, &ids, timeout).await,
        TaskVerb::Next => {
            let list = connection.call(ListTasksParams { team }).await?.tasks;
            let graph = Graph::new(&list);
            let may_begin =
                |task: &&Task| task.status == TaskStatus::Pending && !task.is_failed() && !graph.is_blocked(&task.id);
            match list.iter().filter(may_begin).min_by_key(|task| task.priority()) {
                Some(task) => show(output, task, |task| format!("#{} {}", task.id, task.subject))?,
                None if output.json => output.json(&Value::Null)?,
                None => output.note("no task can be begun now; `teams task list` shows what each waits for"),
            }
        }
        TaskVerb::Delete { id } => {
            connection.call(DeleteTaskParams { team, id: id.clone() }).await?;
            if output.json {
                output.json(&json!({"deleted": id}))?;
            } else {
                output.line(&format!("deleted #{}", id.trim_start_matches('#')))?;
            }
        }
        TaskVerb::Tree => {
            let reply = connection.call(ListTasksParams { team }).await?;
            draw(output, &reply, "tree", |graph| graph.to_tree())?;
        }
        TaskVerb::Graph { format } => {
            let reply = connection.call(ListTasksParams { team }).await?;
            draw(output, &reply, "graph", |graph| match format {
                GraphFormat::Text => graph.to_text(),
                GraphFormat::Mermaid => graph.to_mermaid(),
                GraphFormat::Dot => graph.to_dot(),
                GraphFormat::Svg => graph.to_svg(),
            })?;
        }
    }
    Ok(Done::Yes)
}

/// Says how a task stands that was changed, and what waits for it no longer.
fn told(output: &Output, reply: &UpdateTaskReply) -> anyhow::Result<()> {
    let UpdateTaskReply { task, freed } = reply;
    show(output, task, |task| format!("#{} {} [{}]", task.id, task.subject, task.state()))?;
    if !output.json {
        for id in freed {
            output.line(&format!("#{id} waits no longer"))?;
        }
    }
    Ok(())
}

/// Prints a drawing of all tasks.
fn draw(output: &Output, reply: &TasksReply, key: &str, drawing: impl Fn(&Graph<'_>) -> String) -> anyhow::Result<()> {
    warn(output, reply);
    let text = drawing(&Graph::new(&reply.tasks));
    if output.json { output.json(&json!({key: text})) } else { Ok(output.text(&text)?) }
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
                state(task, &graph),
                task.owner.clone().unwrap_or_else(|| "-".into()),
                task.subject.clone(),
                numbers(&waits),
            ]
        })
        .collect();
    Ok(output.table(&["id", "status", "owner", "subject", "waits for"], &rows)?)
}

/// A task's state in a word or a few: its status, or that it has failed, or waits for one that has.
fn state(task: &Task, graph: &Graph<'_>) -> String {
    let failed = graph.failed_blockers(&task.id);
    match failed.is_empty() || task.is_failed() || task.status == TaskStatus::Completed {
        true => task.state().to_owned(),
        false => format!("{}, waits for a failure ({})", task.status, numbers(&failed)),
    }
}

fn wants_of(pairs: Vec<(String, String)>) -> anyhow::Result<Wants> {
    let mut wants = Wants::default();
    for (key, value) in pairs {
        match key.as_str() {
            "member" => wants.member = Some(value),
            "backend" => {
                let backend: BackendType = value.parse()?;
                wants.backend = Some(backend.to_string());
            }
            "capability" => wants.capability = Some(value),
            other => {
                let what = format!("a task wants a member, a backend or a capability, not `{other}`");
                let hint = "say --wants backend=codex, for instance";
                return Err(Failure::new(ErrorKind::BadInput, what).hint(hint).into());
            }
        }
    }
    Ok(wants)
}

fn numbers(ids: &[TaskId]) -> String {
    ids.iter().map(|id| format!("#{id}")).collect::<Vec<_>>().join(" ")
}

fn details(task: &Task, waits: &[TaskId]) -> String {
    let mut lines = vec![format!("#{} {}", task.id, task.subject), format!("status: {}", task.state())];
    let owner = task.owner.as_ref().map(|owner| format!("owner: {owner}"));
    lines.extend(owner);
    for (what, ids) in [("blocks", &task.blocks), ("blocked by", &task.blocked_by)] {
        lines.extend((!ids.is_empty()).then(|| format!("{what}: {}", numbers(ids))));
    }
    lines.extend((!waits.is_empty()).then(|| format!("waits for: {}", numbers(waits))));
    let work = task.work();
    let attempts = || format!("attempt: {} of at most {}", work.attempt, work.most_attempts());
    lines.extend((work.attempt > 0).then(attempts));
    lines.extend((work.plan.priority != 0).then(|| format!("priority: {}", work.plan.priority)));
    let Wants { member, backend, capability } = &work.plan.wants;
    for (what, value) in [
        ("for the member", member),
        ("for the backend", backend),
        ("for whoever can", capability),
        ("file", &work.plan.target_file),
        ("failed", &work.failed),
        ("last failure", &work.feedback.clone().filter(|_| work.failed.is_none())),
        ("result", &work.result),
    ] {
        lines.extend(value.as_ref().map(|value| format!("{what}: {value}")));
    }
    lines.extend((!task.description.is_empty()).then(|| format!("\n{}", task.description)));
    lines.join("\n")
}
