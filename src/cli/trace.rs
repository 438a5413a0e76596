//! `teams trace`

use super::{Context, Done};
use crate::daemon::TraceParams;

pub(super) async fn run(context: &Context<'_>, id: String) -> anyhow::Result<Done> {
    let connection = context.connect().await?;
    let team = context.team(&connection).await?;
    let steps = connection.call(TraceParams { team, id }).await?;
    let output = context.output;
    if output.json {
        output.json(&steps)?;
        return Ok(Done::Yes);
    }
    for step in steps {
        let turn = step.turn.map(|turn| format!(" in turn {turn}")).unwrap_or_default();
        let reason = step.reason.map(|reason| format!(": {reason}")).unwrap_or_default();
        output.line(&format!("{}  {} -> {}  {}{turn}{reason}", step.time, step.from, step.to, step.state))?;
    }
    Ok(Done::Yes)
}
