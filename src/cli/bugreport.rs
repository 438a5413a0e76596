//! `teams bugreport`

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;
use std::process::Stdio;

use anyhow::Context as _;

use super::{Context, Done};
use crate::daemon::{Connection, ErrorKind, Failure, Follower};
use crate::model::recording::{FORMAT, Recorded, What};
use crate::model::time::iso;
use crate::paths;
use crate::replay::read;

/// How much of the daemon's log is in a report: its end, in bytes.
const LOG: usize = 64 << 10;
/// What is told of this machine and the team: each the output of a verb.
const NOTES: [&[&str]; 5] =
    [&["--version"], &["doctor", "--json"], &["daemon", "status", "--json"], &["list"], &["ps"]];

pub(super) async fn run(context: &Context<'_>, file: PathBuf, recording: Option<PathBuf>) -> anyhow::Result<Done> {
    let connection = context.connect().await?;
    let mut lines = Vec::new();
    for words in NOTES {
        lines.push(note(&words.join(" "), printed(words).await?));
    }
    let log = std::fs::read(paths::state_dir()?.join("daemon.log")).unwrap_or_default();
    lines.push(note(
        "the end of the daemon's log",
        String::from_utf8_lossy(&log[log.len().saturating_sub(LOG)..]).into_owned(),
    ));
    let has_recording = recording.is_some();
    match recording {
        Some(path) => lines.extend(read(&path)?.lines),
        None => lines.extend(events(context, &connection).await?),
    }
    let created = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&file);
    let mut out = created.map_err(|error| {
        let what = format!("{} cannot be made: {error}", file.display());
        Failure::new(ErrorKind::Io, what).hint("name a file that is not there yet")
    })?;
    for line in &lines {
        writeln!(out, "{}", serde_json::to_string(line)?).context("the report cannot be written")?;
    }
    let output = context.output;
    output.line(&format!("{}: {} lines; read it before you pass it on", file.display(), lines.len()))?;
    if !has_recording {
        output.note("No recording is in it. Record what goes wrong with `teams record TEAM FILE`, and name that with --recording.");
    }
    Ok(Done::Yes)
}

fn note(about: &str, text: String) -> Recorded {
    Recorded { ms: 0, seq: 0, what: What::Note { about: about.to_owned(), text } }
}

/// What a verb of this program prints, whatever comes of it.
async fn printed(words: &[&str]) -> anyhow::Result<String> {
    let program = std::env::current_exe().context("cannot find the program itself")?;
    let output = tokio::process::Command::new(program).args(words).stdin(Stdio::null()).output().await?;
    Ok(format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr)))
}

/// A recording that has a team's events, and nothing of its agents.
async fn events(context: &Context<'_>, connection: &Connection) -> anyhow::Result<Vec<Recorded>> {
    let team = context.team(connection).await?;
    let (format, version, at) = (FORMAT, env!("CARGO_PKG_VERSION").to_owned(), iso(jiff::Timestamp::now()));
    let mut lines = vec![Recorded { ms: 0, seq: 0, what: What::Begun { format, version, team: team.clone(), at } }];
    let mut follower = Follower::new(connection, &team, Vec::new(), 1);
    while let Some(event) = follower.next_known().await? {
        lines.push(Recorded { ms: 0, seq: event.seq, what: What::Event { event: Box::new(event) } });
    }
    Ok(lines)
}
