//! `teams list`

use super::{Context, Done};
use crate::daemon::{ListEndedTeamsParams, ListTeamsParams};
use crate::model::status::EndedTeam;

/// Lists the teams whose lead has ended.
pub(super) async fn ended(context: &Context<'_>) -> anyhow::Result<Done> {
    let connection = context.connect().await?;
    let teams = connection.call(ListEndedTeamsParams {}).await?;
    if context.output.json {
        context.output.json(&teams)?;
    } else if teams.is_empty() {
        context.output.note("no team's lead has ended");
    } else {
        let row = |team: EndedTeam| {
            vec![team.team, team.members.join(", "), team.ended_at, team.session.unwrap_or_default(), team.reason]
        };
        let rows: Vec<_> = teams.into_iter().map(row).collect();
        context.output.table(&["team", "members", "ended", "session", "why"], &rows)?;
        context.output.note("`teams claude --resume SESSION` brings a team back, with its members' conversations");
    }
    Ok(Done::Yes)
}

pub(super) async fn run(context: &Context<'_>) -> anyhow::Result<Done> {
    let connection = context.connect().await?;
    let teams = connection.call(ListTeamsParams {}).await?;
    if context.output.json {
        context.output.json(&teams)?;
    } else if teams.is_empty() {
        context.output.note("no teams yet; create one with `teams create NAME`");
    } else {
        let gone: Vec<String> = teams.iter().filter(|team| team.lead_gone).map(|team| team.team.clone()).collect();
        let rows: Vec<_> = teams
            .into_iter()
            .map(|team| {
                let tasks = team.tasks;
                let counts = [team.members, tasks.pending, tasks.in_progress, tasks.completed];
                std::iter::once(team.team).chain(counts.iter().map(ToString::to_string)).collect()
            })
            .collect();
        context.output.table(&["team", "members", "pending", "in progress", "completed"], &rows)?;
        for team in gone {
            context
                .output
                .note(&format!("{team}: the Claude Code that led it is gone; `teams status {team}` says what helps"));
        }
    }
    Ok(Done::Yes)
}
