//! `teams interrupt`

use std::time::Duration;

use serde_json::json;

use super::{Context, Done};
use crate::daemon::{Follower, InterruptParams, InterruptReply};
use crate::model::event::EventKind;

/// How long an agent may take to end its turn before we say that it has not.
const END_LIMIT: Duration = Duration::from_secs(10);

pub(super) async fn run(context: &Context<'_>, name: String) -> anyhow::Result<Done> {
    let connection = context.connect().await?;
    let team = context.team(&connection).await?;
    let InterruptReply { seq } = connection.call(InterruptParams { team: team.clone(), name: name.clone() }).await?;
    let mut events = Follower::new(&connection, &team, vec![name.clone()], seq + 1);
    let end = async {
        loop {
            match events.next().await?.map(|event| event.kind.clone()) {
                Some(EventKind::TurnInterrupted { .. }) => return anyhow::Ok("interrupted"),
                Some(EventKind::TurnCompleted { .. }) => return Ok("its turn was completed before it heard of it"),
                Some(EventKind::Error { .. }) => return Ok("its turn has failed"),
                _ => {}
            }
        }
    };
    let outcome = match tokio::time::timeout(END_LIMIT, end).await {
        Ok(outcome) => outcome?,
        Err(_) => "it was told to, and its turn has not ended yet; `teams stop` ends it in any case",
    };
    if context.output.json {
        context.output.json(&json!({"interrupted": name, "outcome": outcome}))?;
    } else {
        context.output.line(&format!("{name}: {outcome}"))?;
    }
    Ok(Done::Yes)
}
