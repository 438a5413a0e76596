//! `teams approvals`, `teams approve`, `teams deny`

use std::collections::HashSet;

use agent_backends::Decision;
use serde_json::json;

use super::{Context, Done};
use crate::daemon::{AnswerParams, Connection, ListApprovalsParams, Watcher};
use crate::model::change::Changed;

pub(super) async fn list(context: &Context<'_>, follow: bool) -> anyhow::Result<Done> {
    let connection = context.connect().await?;
    let team = context.team(&connection).await?;
    if follow {
        return follow_all(context, connection, team).await;
    }
    let open = connection.call(ListApprovalsParams { team }).await?;
    if context.output.json {
        context.output.json(&open)?;
    } else if open.is_empty() {
        context.output.note("nobody asks for anything");
    } else {
        let rows: Vec<_> = open
            .into_iter()
            .map(|approval| vec![approval.id, approval.member, approval.tool, approval.summary])
            .collect();
        context.output.table(&["id", "member", "tool", "wants to"], &rows)?;
    }
    Ok(Done::Yes)
}

/// Until somebody ends us, or stops reading.
async fn follow_all(context: &Context<'_>, mut connection: Connection, team: String) -> anyhow::Result<Done> {
    let mut watcher = Watcher::new(Some(team.clone()));
    let mut seen = HashSet::new();
    loop {
        let read = async {
            let watched = watcher.next(&connection).await?;
            if !watched.reset && !watched.changes.iter().any(|change| change.what == Changed::Approval) {
                return Ok(None);
            }
            connection.call(ListApprovalsParams { team: team.clone() }).await.map(Some)
        };
        let open = match read.await {
            Err(_) if !connection.is_connected() => {
                connection = context.next_daemon().await?;
                continue;
            }
            open => open?,
        };
        let Some(open) = open else { continue };
        // Another daemon may give a number once more.
        seen.retain(|id| open.iter().any(|approval| approval.id == *id));
        for approval in open {
            if !seen.insert(approval.id.clone()) {
                continue;
            }
            let row = [&approval.id, &approval.member, &approval.tool, &approval.summary].map(String::as_str);
            match context.output.json {
                true => context.output.json(&approval)?,
                false => context.output.line(&row.join("  "))?,
            }
        }
    }
}

pub(super) async fn approve(context: &Context<'_>, id: String, for_session: bool) -> anyhow::Result<Done> {
    let decision = if for_session { Decision::AllowForSession } else { Decision::Allow };
    answer(context, id, decision, "allowed").await
}

pub(super) async fn deny(context: &Context<'_>, id: String, reason: String) -> anyhow::Result<Done> {
    answer(context, id, Decision::Deny { reason }, "denied").await
}

async fn answer(context: &Context<'_>, id: String, decision: Decision, outcome: &str) -> anyhow::Result<Done> {
    let connection = context.connect().await?;
    let team = context.team(&connection).await?;
    connection.call(AnswerParams { team, id: id.clone(), decision }).await?;
    if context.output.json {
        context.output.json(&json!({"id": id, "outcome": outcome}))?;
    } else {
        context.output.line(&format!("{id}: {outcome}"))?;
    }
    Ok(Done::Yes)
}
