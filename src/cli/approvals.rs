//! `teams approvals`, `teams approve`, `teams deny`

use agent_backends::Decision;
use serde_json::json;

use super::{Context, Done, asked};
use crate::daemon::ControlClient;

pub(super) async fn list(context: &Context<'_>) -> anyhow::Result<Done> {
    let connection = context.connect().await?;
    let team = context.team(&connection).await?;
    let open = asked(connection.client.approvals(team).await)?;
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
    asked(connection.client.answer(team, id.clone(), decision).await)?;
    if context.output.json {
        context.output.json(&json!({"id": id, "outcome": outcome}))?;
    } else {
        context.output.line(&format!("{id}: {outcome}"))?;
    }
    Ok(Done::Yes)
}
