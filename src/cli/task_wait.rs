//! `teams task wait`

use std::time::Duration;

use serde_json::json;

use super::{Context, Done};
use crate::daemon::{Connection, ErrorKind, Failure, ListTasksParams, WatchParams};
use crate::model::graph::Graph;
use crate::model::task::{Task, TaskId, TaskStatus};

/// How long the daemon may keep us waiting for a change.
const WAIT_MS: u64 = 20_000;

/// How tasks stand that somebody waits for.
enum Standing {
    Open,
    Done,
    /// These have failed, or wait for one that has.
    Failed(Vec<TaskId>),
}

/// Waits until these tasks, or all, are done.
pub(super) async fn run(
    context: &Context<'_>,
    connection: &Connection,
    team: String,
    ids: &[String],
    limit: Option<Duration>,
) -> anyhow::Result<Done> {
    let waiting = wait(connection, team, ids);
    let standing = match limit {
        None => waiting.await?,
        Some(limit) => tokio::time::timeout(limit, waiting).await.map_err(|_| {
            Failure::new(ErrorKind::TimedOut, format!("not all of them are done within {limit:?}"))
                .hint("`teams task list` shows how they stand")
        })??,
    };
    let Standing::Failed(failed) = standing else {
        if context.output.json {
            context.output.json(&json!({"failed": []}))?;
        }
        return Ok(Done::Yes);
    };
    if context.output.json {
        context.output.json(&json!({"failed": failed}))?;
    } else {
        let ids: Vec<String> = failed.iter().map(|id| format!("#{id}")).collect();
        context.output.note(&format!("failed, or waiting for what has: {}", ids.join(" ")));
    }
    Ok(Done::No)
}

async fn wait(connection: &Connection, team: String, ids: &[String]) -> anyhow::Result<Standing> {
    let ids: Vec<TaskId> = ids.iter().map(|id| id.parse()).collect::<Result<_, _>>()?;
    let watch = |epoch, from| WatchParams { team: Some(team.clone()), epoch, from, wait_ms: WAIT_MS };
    let mut seen = connection.call(WatchParams { wait_ms: 0, ..watch(None, 0) }).await?;
    loop {
        let tasks = connection.call(ListTasksParams { team: team.clone() }).await?.tasks;
        if let Some(missing) = ids.iter().find(|id| !tasks.iter().any(|task| task.id == **id)) {
            return Err(Failure::new(ErrorKind::NoTask, format!("team `{team}` has no task #{missing}"))
                .hint("`teams task list` shows them")
                .into());
        }
        match standing(&tasks, &ids) {
            Standing::Open => seen = connection.call(watch(Some(seen.epoch), seen.next)).await?,
            standing => return Ok(standing),
        }
    }
}

fn standing(tasks: &[Task], ids: &[TaskId]) -> Standing {
    let graph = Graph::new(tasks);
    let wanted = tasks.iter().filter(|task| ids.is_empty() || ids.contains(&task.id));
    let open: Vec<&Task> = wanted.filter(|task| task.status != TaskStatus::Completed).collect();
    let has_failed = |task: &&&Task| task.is_failed() || !graph.failed_blockers(&task.id).is_empty();
    let failed: Vec<TaskId> = open.iter().filter(has_failed).map(|task| task.id.clone()).collect();
    match (open.len(), failed.len()) {
        (0, _) => Standing::Done,
        // The others may still be done.
        (open, failed) if failed < open => Standing::Open,
        _ => Standing::Failed(failed),
    }
}
