//! `teams approvals`, `teams approve`, `teams deny`

use std::collections::HashSet;

use agent_backends::{Decision, UserQuestion};
use serde_json::json;

use super::{Context, Done};
use crate::daemon::{AnswerParams, Connection, ErrorKind, Failure, ListApprovalsParams, Watcher};
use crate::model::change::Changed;
use crate::model::status::PendingApproval;

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
        let is_cut = open.iter().any(|approval| approval.summary.ends_with('…') || is_more_than_its_summary(approval));
        let rows: Vec<_> = open
            .into_iter()
            .map(|approval| vec![approval.id, approval.member, approval.tool, approval.summary])
            .collect();
        context.output.table(&["id", "member", "tool", "wants to"], &rows)?;
        if is_cut {
            context.output.note("not all of it is shown; `teams approvals show ID` shows the whole");
        }
    }
    Ok(Done::Yes)
}

fn is_more_than_its_summary(approval: &PendingApproval) -> bool {
    approval.details.is_some() || approval.command.as_ref().is_some_and(|command| *command != approval.summary)
}

/// How a person answers a question.
pub(super) fn how_to_answer(id: &str, wants_answers: bool) -> String {
    match wants_answers {
        true => format!("`teams approve {id} --answer TEXT` or `teams deny {id}`"),
        false => format!("`teams approve {id}` or `teams deny {id}`"),
    }
}

/// One question, whole.
pub(super) async fn show(context: &Context<'_>, id: String) -> anyhow::Result<Done> {
    let connection = context.connect().await?;
    let team = context.team(&connection).await?;
    let open = connection.call(ListApprovalsParams { team }).await?;
    let Some(approval) = open.into_iter().find(|approval| approval.id == id) else {
        let what = format!("nobody asks under the id `{id}`, or no longer");
        return Err(Failure::new(ErrorKind::NoApproval, what).hint("`teams approvals` lists what is open").into());
    };
    let output = context.output;
    if output.json {
        output.json(&approval)?;
        return Ok(Done::Yes);
    }
    let PendingApproval { member, tool, summary, command, details, questions, .. } = approval;
    output.line(&format!("{member} asks for {tool}: {summary}"))?;
    for whole in [command, details].into_iter().flatten() {
        output.line(&format!("\n{}", whole.trim_end()))?;
    }
    for UserQuestion { text, choices, several } in &questions {
        let how = if *several { " (several may be chosen)" } else { "" };
        output.line(&format!("\n{text}{how}"))?;
        choices.iter().try_for_each(|choice| output.line(&format!("  - {choice}")))?;
    }
    output.note(&format!("\n{}", how_to_answer(&id, !questions.is_empty())));
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

pub(super) async fn approve(
    context: &Context<'_>,
    id: String,
    for_session: bool,
    answers: Vec<String>,
) -> anyhow::Result<Done> {
    let (decision, outcome) = match (answers.is_empty(), for_session) {
        (false, _) => (Decision::Answer { answers }, "answered"),
        (true, true) => (Decision::AllowForSession, "allowed"),
        (true, false) => (Decision::Allow, "allowed"),
    };
    answer(context, id, decision, outcome).await
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
