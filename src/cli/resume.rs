//! `teams resume` and `teams restart`

use serde_json::json;

use super::context::resumed_line;
use super::{Context, Done};
use crate::daemon::surroundings::surroundings;
use crate::daemon::{RestartParams, ResumeTeamsParams};
use crate::model::launch::{ResumeOutcome, Resumed};

pub(super) async fn run(context: &Context<'_>, team: Option<String>) -> anyhow::Result<Done> {
    let connection = context.connect().await?;
    let team = context.team_or(team, &connection).await?;
    let surroundings = surroundings(&connection)?;
    let resumed = connection.call(ResumeTeamsParams { team: Some(team), surroundings }).await?;
    let resumed: Vec<Resumed> = resumed.into_iter().map(|reply| reply.resumed).collect();
    if context.output.json {
        context.output.json(&resumed)?;
    } else if resumed.is_empty() {
        context.output.note("nobody is to be brought back: everybody runs, or was stopped by somebody");
    } else {
        resumed.iter().try_for_each(|resumed| context.output.line(&resumed_line(context.output, resumed)))?;
    }
    let failed = resumed.iter().filter(|resumed| resumed.outcome == ResumeOutcome::Failed).count();
    if failed > 0 {
        context.output.error(&format!("{failed} of {} could not be brought back", resumed.len()));
        return Ok(Done::No);
    }
    Ok(Done::Yes)
}

pub(super) async fn restart(context: &Context<'_>, name: String, fresh: bool) -> anyhow::Result<Done> {
    let connection = context.connect().await?;
    let team = context.team(&connection).await?;
    let surroundings = surroundings(&connection)?;
    let resumed = connection.call(RestartParams { team, name, surroundings, fresh }).await?;
    if context.output.json {
        context.output.json(&json!(resumed))?;
    } else {
        context.output.line(&resumed_line(context.output, &resumed))?;
    }
    Ok(Done::Yes)
}
