//! `teams inbox`

use std::collections::HashSet;

use super::output::Style;
use super::{Context, Done, LOOK_AGAIN, asked};
use crate::daemon::ControlClient;
use crate::model::message::Message;
use crate::model::name::TEAM_LEAD;

pub(super) async fn run(context: &Context<'_>, name: Option<String>, follow: bool) -> anyhow::Result<Done> {
    let mut connection = context.connect().await?;
    let team = context.team(&connection).await?;
    let name = name.unwrap_or_else(|| TEAM_LEAD.to_owned());
    let mut seen = HashSet::new();
    loop {
        let messages = match asked(connection.client.inbox(team.clone(), name.clone()).await) {
            Err(_) if follow && !connection.client.is_connected() => {
                connection = context.next_daemon().await?;
                continue;
            }
            messages => messages?,
        };
        if context.output.json && !follow {
            context.output.json(&messages)?;
            return Ok(Done::Yes);
        }
        let mut now = HashSet::new();
        for message in &messages {
            let key = (message.from.clone(), message.timestamp.clone(), message.text.clone());
            if !seen.contains(&key) {
                show(context, message)?;
            }
            now.insert(key);
        }
        if !follow {
            if messages.is_empty() {
                context.output.note(&format!("the inbox of {name} is empty"));
            }
            return Ok(Done::Yes);
        }
        // What its owner has taken out is forgotten.
        seen = now;
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

/// What waits for agents of ours.
pub(super) async fn undelivered(context: &Context<'_>) -> anyhow::Result<Done> {
    let connection = context.connect().await?;
    let team = context.team(&connection).await?;
    let waiting = asked(connection.client.undelivered(team).await)?;
    if context.output.json {
        context.output.json(&waiting)?;
    } else if waiting.is_empty() {
        context.output.note("every message was delivered");
    } else {
        waiting.iter().filter_map(|step| step.reason.as_ref()).for_each(|reason| context.output.note(reason));
        let rows: Vec<_> =
            waiting.into_iter().map(|step| vec![step.id, step.from, step.to, step.state, step.time]).collect();
        context.output.table(&["id", "from", "to", "state", "written"], &rows)?;
    }
    Ok(Done::Yes)
}

fn show(context: &Context<'_>, message: &Message) -> anyhow::Result<()> {
    let output = context.output;
    if output.json {
        return output.json(message);
    }
    let unread = if message.read { "" } else { " *" };
    let summary = message.summary.as_deref().map(|summary| format!(" ({summary})")).unwrap_or_default();
    let head = format!("{}  {}{summary}{unread}  {}", message.timestamp, message.from, message.key());
    output.line(&output.paint(Style::Bold, &head))?;
    output.line(&message.text)?;
    Ok(())
}
