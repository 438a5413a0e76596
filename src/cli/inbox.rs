//! `teams inbox`

use std::collections::HashSet;

use super::output::Style;
use super::{Context, Done};
use crate::daemon::{Connection, InboxParams, UndeliveredParams, Watcher};
use crate::model::change::Changed;
use crate::model::message::Message;
use crate::model::name::TEAM_LEAD;

pub(super) async fn run(context: &Context<'_>, name: Option<String>, follow: bool) -> anyhow::Result<Done> {
    let connection = context.connect().await?;
    let team = context.team(&connection).await?;
    let name = name.unwrap_or_else(|| TEAM_LEAD.to_owned());
    if follow {
        return follow_all(context, connection, team, name).await;
    }
    let messages = connection.call(InboxParams { team, name: name.clone() }).await?;
    if context.output.json {
        context.output.json(&messages)?;
    } else if messages.is_empty() {
        context.output.note(&format!("the inbox of {name} is empty"));
    } else {
        messages.iter().try_for_each(|message| show(context, message))?;
    }
    Ok(Done::Yes)
}

/// Shows what is in an inbox and what comes into it, until somebody ends us, or stops reading.
async fn follow_all(
    context: &Context<'_>,
    mut connection: Connection,
    team: String,
    name: String,
) -> anyhow::Result<Done> {
    let owner = if name == "lead" { TEAM_LEAD } else { &name };
    let mut watcher = Watcher::new(Some(team.clone()));
    let mut seen = HashSet::new();
    loop {
        let read = async {
            let watched = watcher.next(&connection).await?;
            let ours = watched.changes.iter().any(|change| change.what == Changed::Inbox && change.name == owner);
            if !watched.reset && !ours {
                return Ok(None);
            }
            connection.call(InboxParams { team: team.clone(), name: name.clone() }).await.map(Some)
        };
        let messages = match read.await {
            Err(_) if !connection.is_connected() => {
                connection = context.next_daemon().await?;
                continue;
            }
            messages => messages?,
        };
        let Some(messages) = messages else { continue };
        let mut now = HashSet::new();
        for message in &messages {
            let key = (message.from.clone(), message.timestamp.clone(), message.text.clone());
            if !seen.contains(&key) {
                show(context, message)?;
            }
            now.insert(key);
        }
        // What its owner has taken out is forgotten.
        seen = now;
    }
}

/// What waits for agents of ours.
pub(super) async fn undelivered(context: &Context<'_>) -> anyhow::Result<Done> {
    let connection = context.connect().await?;
    let team = context.team(&connection).await?;
    let waiting = connection.call(UndeliveredParams { team }).await?;
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
