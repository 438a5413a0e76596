//! `teams message`

use serde_json::json;

use super::{Context, Done, asked, spawn};
use crate::daemon::ControlClient;

pub(super) async fn run(context: &Context<'_>, to: String, text: String, from: String) -> anyhow::Result<Done> {
    let connection = context.connect().await?;
    let team = context.team(&connection).await?;
    let reached = asked(connection.client.send_message(team.clone(), from, to.clone(), text).await)?;
    // One that does not run shall be there when it is delivered; nobody is woken by what was written to all.
    if reached == [to.as_str()] {
        let surroundings = spawn::surroundings(&connection)?;
        if let Some(woken) = asked(connection.client.wake(team, to, surroundings).await)? {
            context.output.note(&format!("{} did not run, and was brought back", woken.name));
        }
    }
    if context.output.json {
        context.output.json(&json!({"to": reached}))?;
    } else if reached.is_empty() {
        context.output.note("nobody else is in the team");
    } else {
        context.output.line(&format!("written to the inbox of {}", reached.join(", ")))?;
    }
    Ok(Done::Yes)
}
