//! `teams list`

use super::{Context, Done};
use crate::daemon::ListTeamsParams;

pub(super) async fn run(context: &Context<'_>) -> anyhow::Result<Done> {
    let connection = context.connect().await?;
    let teams = connection.call(ListTeamsParams {}).await?;
    if context.output.json {
        context.output.json(&teams)?;
    } else if teams.is_empty() {
        context.output.note("no teams yet; create one with `teams create NAME`");
    } else {
        let rows: Vec<_> = teams
            .into_iter()
            .map(|team| {
                let tasks = team.tasks;
                let counts = [team.members, tasks.pending, tasks.in_progress, tasks.completed];
                std::iter::once(team.team).chain(counts.iter().map(ToString::to_string)).collect()
            })
            .collect();
        context.output.table(&["team", "members", "pending", "in progress", "completed"], &rows)?;
    }
    Ok(Done::Yes)
}
