//! `teams create`

use anyhow::Context as _;
use serde_json::json;

use super::options::ResumeWhen;
use super::{Context, Done};
use crate::daemon::{CreateTeamParams, SetCheckpointsParams};
use crate::model::name::make_valid;
use crate::model::policy::ResumeMode;
use crate::paths;

pub(super) struct CreateArgs {
    pub(super) team: Option<String>,
    pub(super) description: Option<String>,
    pub(super) resume: ResumeWhen,
    pub(super) checkpoints: bool,
}

pub(super) async fn run(context: &Context<'_>, args: CreateArgs) -> anyhow::Result<Done> {
    let CreateArgs { team, description, resume, checkpoints } = args;
    let team = match team.or_else(|| context.team.clone()) {
        Some(team) => team,
        None => folder_name()?,
    };
    let connection = context.connect().await?;
    let resume = match resume {
        ResumeWhen::Manual => ResumeMode::Manual,
        ResumeWhen::Auto => ResumeMode::Auto,
    };
    let cwd = paths::current_dir()?.unwrap_or_default();
    connection.call(CreateTeamParams { team: team.clone(), description, cwd, resume }).await?;
    if checkpoints {
        connection.call(SetCheckpointsParams { team: team.clone(), on: true }).await?;
    }
    let file = connection.daemon.teams_dir.join(&team).join("config.json");
    if context.output.json {
        context.output.json(&json!({"team": team, "config": file}))?;
    } else {
        context.output.line(&format!("created team {team}: {}", file.display()))?;
    }
    Ok(Done::Yes)
}

fn folder_name() -> anyhow::Result<String> {
    let cwd = std::env::current_dir().context("cannot tell the current folder; name the team")?;
    let name = cwd.file_name().unwrap_or_default().to_string_lossy();
    make_valid(&name).with_context(|| format!("the folder's name `{name}` makes no team name; give one"))
}
