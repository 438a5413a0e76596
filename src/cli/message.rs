//! `teams message`

use serde_json::json;

use super::{Context, Done, asked};
use crate::daemon::ControlClient;
use crate::daemon::surroundings::surroundings;

pub(super) struct Letter {
    pub(super) to: String,
    pub(super) text: String,
    pub(super) from: String,
    pub(super) summary: Option<String>,
    pub(super) urgent: bool,
}

pub(super) async fn run(context: &Context<'_>, letter: Letter) -> anyhow::Result<Done> {
    let Letter { to, text, from, summary, urgent } = letter;
    let connection = context.connect().await?;
    let team = context.team(&connection).await?;
    let sent =
        asked(connection.client.send_message(team.clone(), from, to.clone(), text, summary, Some(urgent)).await)?;
    let reached: Vec<&str> = sent.iter().map(|sent| sent.to.as_str()).collect();
    // One that does not run shall be there when it is delivered; nobody is woken by what was written to all.
    if reached == [to.as_str()] {
        let surroundings = surroundings(&connection)?;
        if let Some(woken) = asked(connection.client.wake(team, to, surroundings).await)? {
            context.output.note(&format!("{} did not run, and was brought back", woken.name));
        }
    }
    if context.output.json {
        let ids: Vec<&str> = sent.iter().map(|sent| sent.id.as_str()).collect();
        context.output.json(&json!({"to": reached, "ids": ids}))?;
    } else if reached.is_empty() {
        context.output.note("nobody else is in the team");
    } else {
        for sent in &sent {
            context.output.line(&format!("written to the inbox of {}: {}", sent.to, sent.id))?;
        }
    }
    Ok(Done::Yes)
}
