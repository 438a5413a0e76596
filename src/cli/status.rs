//! `teams status`

use super::{Context, Done};
use crate::daemon::TeamStatusParams;
use crate::model::status::MemberStatus;

pub(super) async fn run(context: &Context<'_>, team: Option<String>) -> anyhow::Result<Done> {
    let connection = context.connect().await?;
    let team = context.team_or(team, &connection).await?;
    let status = connection.call(TeamStatusParams { team }).await?;
    if context.output.json {
        context.output.json(&status)?;
        return Ok(Done::Yes);
    }
    let description = status.description.as_deref().map(|text| format!(": {text}")).unwrap_or_default();
    context.output.line(&format!("{}{description}", status.team))?;
    if status.lead_unread > 0 {
        context.output.note(&format!("{} unread in the lead's inbox; see `teams inbox`", status.lead_unread));
    }
    status.notes.iter().for_each(|note| context.output.note(note));
    if status.members.is_empty() {
        context.output.note("no members yet; start one with `teams spawn --backend BACKEND`");
        return Ok(Done::Yes);
    }
    let headings = ["name", "backend", "state", "pid", "model", "turns", "in", "out", "unread", "session"];
    let rows: Vec<_> = status.members.iter().map(row).collect();
    context.output.table(&headings, &rows)?;
    for member in &status.members {
        if let Some((backend, reason)) = member.backend.zip(member.routed.as_ref()) {
            context.output.note(&format!("{}: {backend} was chosen: {reason}", member.name));
        }
        if let Some(failure) = &member.failure {
            context.output.note(&format!("{}: {failure}", member.name));
        }
        for warning in &member.warnings {
            context.output.note(&format!("{}: {warning}", member.name));
        }
        if let Some(until) = &member.rate_limited_until {
            context.output.note(&format!("{}: its provider takes no requests until {until}", member.name));
        }
        if member.in_doubt > 0 {
            let times = member.in_doubt;
            context.output.note(&format!("{}: {times} deliveries in doubt: it may have had them before", member.name));
        }
        for approval in &member.approvals {
            let what = format!("{} {}", approval.tool, approval.summary);
            context.output.note(&format!("{} waits: {}; teams approve {}", member.name, what.trim(), approval.id));
        }
    }
    Ok(Done::Yes)
}

fn row(member: &MemberStatus) -> Vec<String> {
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    vec![
        member.name.clone(),
        or_dash(member.backend.map(|backend| backend.to_string())),
        member.state.as_str().to_owned(),
        or_dash(member.pid.map(|pid| pid.to_string())),
        or_dash(member.model.clone()),
        member.turns.to_string(),
        member.usage.input_tokens.to_string(),
        member.usage.output_tokens.to_string(),
        member.unread.to_string(),
        or_dash(member.session_id.clone()),
    ]
}
