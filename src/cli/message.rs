//! `teams message`

use serde_json::json;

use super::{Context, Done, asked};
use crate::daemon::ControlClient;

pub(super) async fn run(context: &Context<'_>, to: String, text: String, from: String) -> anyhow::Result<Done> {
    let connection = context.connect().await?;
    let team = context.team(&connection).await?;
    let reached = asked(connection.client.send_message(team, from, to, text).await)?;
    if context.output.json {
        context.output.json(&json!({"to": reached}))?;
    } else if reached.is_empty() {
        context.output.note("nobody else is in the team");
    } else {
        context.output.line(&format!("written to the inbox of {}", reached.join(", ")))?;
    }
    Ok(Done::Yes)
}
