//! `teams delete`

use serde_json::json;

use super::{Context, Done, stop};
use crate::daemon::DeleteTeamParams;

pub(super) async fn run(context: &Context<'_>, team: Option<String>, force: bool) -> anyhow::Result<Done> {
    let connection = context.connect().await?;
    let team = context.team_or(team, &connection).await?;
    let stopped = connection.call(DeleteTeamParams { team: team.clone(), force }).await?;
    if context.output.json {
        context.output.json(&json!({"deleted": team, "stopped": stopped}))?;
    } else {
        stop::report(context.output, &stopped)?;
        context.output.line(&format!("deleted team {team}"))?;
    }
    Ok(Done::Yes)
}
