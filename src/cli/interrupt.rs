//! `teams interrupt`

use serde_json::json;

use super::{Context, Done, asked};
use crate::daemon::ControlClient;

pub(super) async fn run(context: &Context<'_>, name: String) -> anyhow::Result<Done> {
    let connection = context.connect().await?;
    let team = context.team(&connection).await?;
    asked(connection.client.interrupt(team, name.clone()).await)?;
    if context.output.json {
        context.output.json(&json!({"interrupted": name}))?;
    } else {
        context.output.line(&format!("{name}: interrupted"))?;
    }
    Ok(Done::Yes)
}
