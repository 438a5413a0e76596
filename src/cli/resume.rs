//! `teams resume` and `teams restart`

use serde_json::json;

use super::output::Style;
use super::{Context, Done, asked};
use crate::daemon::surroundings::surroundings;
use crate::daemon::{Connection, ControlClient};
use crate::orchestrator::{ResumeOutcome, Resumed};

pub(super) async fn run(context: &Context<'_>, team: Option<String>) -> anyhow::Result<Done> {
    let connection = context.connect().await?;
    let team = context.team_or(team, &connection).await?;
    let surroundings = surroundings(&connection)?;
    let resumed = asked(connection.client.resume(Some(team), surroundings).await)?;
    let resumed: Vec<Resumed> = resumed.into_iter().map(|reply| reply.resumed).collect();
    if context.output.json {
        context.output.json(&resumed)?;
    } else if resumed.is_empty() {
        context.output.note("nobody is to be brought back: everybody runs, or was stopped by somebody");
    } else {
        resumed.iter().try_for_each(|resumed| context.output.line(&line(context, resumed)))?;
    }
    let failed = resumed.iter().filter(|resumed| resumed.outcome == ResumeOutcome::Failed).count();
    anyhow::ensure!(failed == 0, "{failed} of {} could not be brought back", resumed.len());
    Ok(Done::Yes)
}

pub(super) async fn restart(context: &Context<'_>, name: String) -> anyhow::Result<Done> {
    let connection = context.connect().await?;
    let team = context.team(&connection).await?;
    let surroundings = surroundings(&connection)?;
    let resumed = asked(connection.client.restart(team, name, surroundings).await)?;
    if context.output.json {
        context.output.json(&json!(resumed))?;
    } else {
        context.output.line(&line(context, &resumed))?;
    }
    Ok(Done::Yes)
}

/// A daemon was started: teams that come back by themselves do. The verb that started it goes on in any case.
pub(super) async fn by_themselves(context: &Context<'_>, connection: &Connection) {
    let resumed = async { asked(connection.client.resume(None, surroundings(connection)?).await) };
    match resumed.await {
        Ok(replies) => {
            for reply in replies {
                context.output.note(&format!("team {}: {}", reply.team, line(context, &reply.resumed)));
            }
        }
        Err(error) => context.output.note(&format!("members that come back by themselves did not: {error:#}")),
    }
}

fn line(context: &Context<'_>, resumed: &Resumed) -> String {
    let (style, what) = match resumed.outcome {
        ResumeOutcome::Resumed => (Style::Green, "resumed"),
        ResumeOutcome::Fresh => (Style::Yellow, "fresh"),
        ResumeOutcome::Failed => (Style::Red, "failed"),
    };
    let reason = resumed.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
    format!("{}: {}{reason}", resumed.name, context.output.paint(style, what))
}
