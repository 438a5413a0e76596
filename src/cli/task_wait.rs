//! `teams task wait`

use std::time::Duration;

use serde_json::json;

use super::{Context, Done};
use crate::daemon::{Connection, ErrorKind, Failure, ListTasksParams, WatchParams};
use crate::model::graph::Graph;
use crate::model::task::{Task, TaskId, TaskStatus};

/// How long the daemon may keep us waiting for a change.
const WAIT_MS: u64 = 20_000;

/// Waits until these tasks, or all, are done.
pub(super) async fn run(
    context: &Context<'_>,
    connection: &Connection,
    team: String,
    ids: &[String],
    limit: Option<Duration>,
) -> anyhow::Result<Done> {
    let waiting = wait(connection, team, ids);
    let failed = match limit {
        None => waiting.await?,
        Some(limit) => tokio::time::timeout(limit, waiting).await.map_err(|_| {
            Failure::new(ErrorKind::TimedOut, format!("not all of them are done within {limit:?}"))
                .hint("`teams task list` shows how they stand")
        })??,
    };
    if context.output.json {
        context.output.json(&json!({"failed": failed}))?;
    } else if !failed.is_empty() {
        let ids: Vec<String> = failed.iter().map(|id| format!("#{id}")).collect();
        context.output.note(&format!("failed, or waiting for what has: {}", ids.join(" ")));
    }
    Ok(if failed.is_empty() { Done::Yes } else { Done::No })
}

/// Waits until nothing more can be done of these tasks, and answers which have failed or wait for one that has.
async fn wait(connection: &Connection, team: String, ids: &[String]) -> anyhow::Result<Vec<TaskId>> {
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
        if let Some(failed) = all_settled(&tasks, &ids) {
            return Ok(failed);
        }
        seen = connection.call(watch(Some(seen.epoch), seen.next)).await?;
    }
}

/// Those of these tasks (none named: all) that have failed or wait for one that has; `None` while another one is open.
fn all_settled(tasks: &[Task], ids: &[TaskId]) -> Option<Vec<TaskId>> {
    let graph = Graph::new(tasks);
    let wanted = tasks.iter().filter(|task| ids.is_empty() || ids.contains(&task.id));
    let mut open = wanted.filter(|task| task.status != TaskStatus::Completed);
    let has_failed = |task: &Task| task.is_failed() || !graph.failed_blockers(&task.id).is_empty();
    open.try_fold(Vec::new(), |mut failed, task| {
        failed.push(has_failed(task).then(|| task.id.clone())?);
        Some(failed)
    })
}
