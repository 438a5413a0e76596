//! `teams record`

use std::path::PathBuf;

use anyhow::Context as _;
use serde_json::json;

use super::{Context, Done};
use crate::daemon::{EndRecordingParams, StartRecordingParams};

pub(super) async fn begin(context: &Context<'_>, team: String, file: PathBuf) -> anyhow::Result<Done> {
    let file = std::path::absolute(file).context("the file's path cannot be understood")?;
    let connection = context.connect().await?;
    let reply = connection.call(StartRecordingParams { team: team.clone(), file: file.clone() }).await?;
    let output = context.output;
    if output.json {
        output.json(&json!({ "team": team, "file": file, "later": reply.later }))?;
        return Ok(Done::Yes);
    }
    output.line(&format!("{team} is recorded in {}; `teams record {team} --stop` ends that", file.display()))?;
    for name in reply.later {
        output
            .note(&format!("{name} runs already: its agent is in it from its next start on (`teams restart {name}`)"));
    }
    Ok(Done::Yes)
}

pub(super) async fn end(context: &Context<'_>, team: String) -> anyhow::Result<Done> {
    let connection = context.connect().await?;
    let end = connection.call(EndRecordingParams { team }).await?;
    let output = context.output;
    if output.json {
        output.json(&end)?;
    } else {
        output.line(&format!("{}: {} lines, {} kB", end.file.display(), end.lines, end.bytes.div_ceil(1000)))?;
    }
    if let Some(missing) = &end.missing {
        output.note(&format!("something is missing in it: {missing}"));
        return Ok(Done::No);
    }
    Ok(Done::Yes)
}
