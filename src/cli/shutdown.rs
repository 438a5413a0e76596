//! `teams shutdown`

use std::time::Duration;

use super::{Context, Done};
use crate::daemon::{ShutdownParams, TeamStatusParams};
use crate::model::status::ShutdownOutcome;
use crate::model::time::milliseconds;

pub(super) async fn run(
    context: &Context<'_>,
    name: String,
    reason: Option<String>,
    deadline: Duration,
) -> anyhow::Result<Done> {
    let connection = context.connect().await?;
    let team = context.team(&connection).await?;
    let deadline_ms = milliseconds(deadline);
    let status = connection.call(TeamStatusParams { team: team.clone() }).await?;
    if status.members.iter().any(|member| member.name == name && member.state.is_running()) {
        context.output.note(&format!("{name} is asked to stop"));
    }
    let outcome = connection.call(ShutdownParams { team, name: name.clone(), reason, deadline_ms }).await?;
    if context.output.json {
        context.output.json(&outcome)?;
    } else {
        context.output.line(&match &outcome {
            ShutdownOutcome::Approved { report } => {
                format!("{name}: agreed, has stopped, {}; it is in the team no more", report.remains())
            }
            ShutdownOutcome::Rejected { reason } => format!("{name}: goes on: {reason}"),
            ShutdownOutcome::Mute { report } => {
                format!("{name}: did not answer, and was stopped, {}", report.remains())
            }
        })?;
    }
    Ok(match outcome {
        ShutdownOutcome::Rejected { .. } => Done::No,
        _ => Done::Yes,
    })
}
