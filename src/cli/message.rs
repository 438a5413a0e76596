//! `teams message`

use serde_json::json;

use super::{Context, Done};
use crate::daemon::SendMessageParams;
use crate::daemon::surroundings::surroundings;
use crate::model::launch::ResumeOutcome;

pub(super) struct MessageArgs {
    pub(super) to: String,
    pub(super) text: String,
    pub(super) from: String,
    pub(super) summary: Option<String>,
    pub(super) urgent: bool,
}

pub(super) async fn run(context: &Context<'_>, args: MessageArgs) -> anyhow::Result<Done> {
    let MessageArgs { to, text, from, summary, urgent } = args;
    let connection = context.connect().await?;
    let team = context.team(&connection).await?;
    // One that does not run shall be there when it is delivered; nobody is woken by what is written to all.
    let surroundings = if to == "*" { None } else { Some(surroundings(&connection)?) };
    let sent = connection.call(SendMessageParams { team, from, to, text, summary, urgent, surroundings }).await?;
    let reached: Vec<&str> = sent.written.iter().map(|written| written.to.as_str()).collect();
    let mut done = Done::Yes;
    if let Some(woken) = sent.woken {
        let reason = woken.reason.unwrap_or_default();
        if woken.outcome == ResumeOutcome::Failed {
            context.output.error(&format!("{} does not run, and could not be brought back: {reason}", woken.name));
            done = Done::No;
        } else {
            context.output.note(&format!("{} did not run, and was brought back", woken.name));
        }
    }
    if context.output.json {
        let ids: Vec<&str> = sent.written.iter().map(|written| written.id.as_str()).collect();
        context.output.json(&json!({"to": reached, "ids": ids}))?;
    } else if reached.is_empty() {
        context.output.note("nobody else is in the team");
    } else {
        for written in &sent.written {
            context.output.line(&format!("written to the inbox of {}: {}", written.to, written.id))?;
        }
    }
    Ok(done)
}
