//! `teams interrupt`

use serde_json::json;

use super::{Context, Done};
use crate::daemon::InterruptParams;

pub(super) async fn run(context: &Context<'_>, name: String) -> anyhow::Result<Done> {
    let connection = context.connect().await?;
    let team = context.team(&connection).await?;
    connection.call(InterruptParams { team, name: name.clone() }).await?;
    if context.output.json {
        context.output.json(&json!({"interrupted": name}))?;
    } else {
        context.output.line(&format!("{name}: interrupted"))?;
    }
    Ok(Done::Yes)
}
