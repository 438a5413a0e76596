//! `teams delete`

use serde_json::json;

use super::{Context, Done, stop};
use crate::daemon::{DeleteReply, DeleteTeamParams};
use crate::model::checkpoint::MissingCheckpoint;

pub(super) async fn run(context: &Context<'_>, team: Option<String>, force: bool) -> anyhow::Result<Done> {
    let connection = context.connect().await?;
    let team = context.team_or(team, &connection).await?;
    let DeleteReply { stopped, without_checkpoint } =
        connection.call(DeleteTeamParams { team: team.clone(), force }).await?;
    for MissingCheckpoint { task, subject, commit, reason, .. } in &without_checkpoint {
        let commit = commit.as_deref().unwrap_or("its commit");
        context
            .output
            .note(&format!("task #{task} ({subject}) has no checkpoint on {commit}, and gets none: {reason}"));
    }
    if context.output.json {
        let answer = json!({"deleted": team, "stopped": stopped, "withoutCheckpoint": without_checkpoint});
        context.output.json(&answer)?;
    } else {
        stop::report(context.output, &stopped)?;
        context.output.line(&format!("deleted team {team}"))?;
    }
    Ok(Done::Yes)
}
