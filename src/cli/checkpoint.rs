//! `teams checkpoint`: reads the notes of the repository that the shell stands in, without a daemon. What has no note, the daemon knows.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::checkpoint_args::{CheckpointVerb, CostBy};
use super::{Context, Done};
use crate::daemon::{
    CheckpointStatusParams, Connection, ErrorKind, Failure, ListTeamsParams, SetCheckpointsParams, failure_of,
};
use crate::git::Git;
use crate::model::checkpoint::{Checkpoint, CheckpointNotes, CheckpointSum, MissingCheckpoint, NotedCheckpoint};
use crate::paths;
use crate::visible::cut;

/// How much of a subject is shown in a list.
const SUBJECT: usize = 40;
const HOW_TO_TURN_ON: &str = "turn them on with `teams checkpoint on`, with `teams create --checkpoints`, or with `checkpoints = true` in `[team]` of a team file";

pub(super) async fn run(context: &Context<'_>, verb: CheckpointVerb) -> anyhow::Result<Done> {
    match verb {
        CheckpointVerb::List => list(context).await,
        CheckpointVerb::Show { what } => show(context, &what),
        CheckpointVerb::Cost { by } => cost(context, by),
        CheckpointVerb::On => turn(context, true).await,
        CheckpointVerb::Off => turn(context, false).await,
    }
}

/// Turns them on or off.
async fn turn(context: &Context<'_>, on: bool) -> anyhow::Result<Done> {
    let connection = context.connect().await?;
    let team = context.team(&connection).await?;
    connection.call(SetCheckpointsParams { team: team.clone(), on }).await?;
    if context.output.json {
        context.output.json(&json!({"team": team, "checkpoints": on}))?;
    } else if on {
        context.output.line(&format!("{team}: tasks that are completed from now on get a checkpoint"))?;
    } else {
        context.output.line(&format!("{team}: no further task gets a checkpoint"))?;
    }
    Ok(Done::Yes)
}

async fn list(context: &Context<'_>) -> anyhow::Result<Done> {
    // Also outside of a repository: that may be why there are none.
    let (missing, elsewhere) = missing(context).await;
    let read = read(context);
    if context.output.json {
        let CheckpointNotes { checkpoints, unreadable } = read?;
        let missing: Vec<_> = missing.iter().map(|(team, missing)| with_team(team, missing)).collect();
        context.output.json(&json!({"checkpoints": checkpoints, "missing": missing, "unreadable": unreadable}))?;
        return Ok(Done::Yes);
    }
    for (team, MissingCheckpoint { task, reason, commit, .. }) in &missing {
        let yet = if commit.is_some() { " yet" } else { "" };
        context.output.note(&format!("{team}#{task} has no checkpoint{yet}: {reason}"));
    }
    if elsewhere > 0 {
        context.output.note(&format!(
            "{elsewhere} completed in other places {} no checkpoint; `teams checkpoint list -t TEAM` shows all of a team",
            if elsewhere == 1 { "has" } else { "have" }
        ));
    }
    let notes = read?;
    if notes.checkpoints.is_empty() {
        tell_none(context);
    } else {
        let headings = ["task", "member", "model", "tokens", "usd", "commit", "when", "subject"];
        let rows: Vec<Vec<String>> = notes.checkpoints.iter().map(row).collect();
        context.output.table(&headings, &rows)?;
        let partly = |noted: &NotedCheckpoint| !noted.checkpoint.has_all_tokens() || !noted.checkpoint.has_whole_cost();
        if notes.checkpoints.iter().any(partly) {
            context.output.note("+: at least; of some turns nobody knows");
        }
    }
    tell_unreadable(context, &notes);
    Ok(Done::Yes)
}

/// Completed tasks that have no note, as far as a daemon runs that knows, with their teams: of the team that was named, or else those
/// that would have it here. And how many more there are elsewhere.
async fn missing(context: &Context<'_>) -> (Vec<(String, MissingCheckpoint)>, usize) {
    let asked = async {
        let Some(connection) = Connection::to_running(&paths::state_dir()?).await? else { return Ok(Vec::new()) };
        let teams = match &context.team {
            Some(team) => vec![team.clone()],
            None => connection.call(ListTeamsParams {}).await?.into_iter().map(|team| team.team).collect(),
        };
        let mut missing = Vec::new();
        for team in teams {
            // A team that is gone has notes all the same.
            if let Ok(status) = connection.call(CheckpointStatusParams { team: team.clone() }).await {
                missing.extend(status.missing.into_iter().map(|missing| (team.clone(), missing)));
            }
        }
        anyhow::Ok(missing)
    };
    let mut all = asked.await.unwrap_or_else(|error| {
        context.output.note(&format!("what has no checkpoint is not known: {}", failure_of(&error)));
        Vec::new()
    });
    let count = all.len();
    if context.team.is_none() && count > 0 {
        let mut is_here = is_here();
        all.retain(|(_, missing)| missing.place.as_deref().is_none_or(&mut is_here));
    }
    let elsewhere = count - all.len();
    (all, elsewhere)
}

/// Tells whether a place is in the repository that the shell stands in; where there is none, whether one of the two folders is in the other.
fn is_here() -> impl FnMut(&Path) -> bool {
    let git = Git::new(None);
    let real = |path: PathBuf| path.canonicalize().unwrap_or(path);
    let here = real(here().unwrap_or_default());
    let ours = git.repository(&here).ok().map(real);
    let mut known: BTreeMap<PathBuf, bool> = BTreeMap::new();
    move |place| {
        *known.entry(place.to_owned()).or_insert_with(|| {
            let place = real(place.to_owned());
            match (git.repository(&place).ok().map(real), &ours) {
                (Some(theirs), Some(ours)) => theirs == *ours,
                (Some(_), None) | (None, Some(_)) => false,
                (None, None) => here.starts_with(&place) || place.starts_with(&here),
            }
        })
    }
}

fn with_team(team: &str, missing: &MissingCheckpoint) -> serde_json::Value {
    let mut value = serde_json::to_value(missing).unwrap_or_default();
    value["team"] = team.into();
    value
}

fn here() -> anyhow::Result<PathBuf> {
    Ok(paths::current_dir()?.unwrap_or_default())
}

/// The checkpoints of the repository here, of the team that was named.
fn read(context: &Context<'_>) -> anyhow::Result<CheckpointNotes> {
    let dir = here()?;
    let mut notes = Git::new(None).checkpoints(&dir).map_err(|error| {
        let failure = Failure::from(&error);
        match failure.message.contains("not a git repository") {
            true => Failure::new(ErrorKind::Git, format!("{} is in no git repository", dir.display()))
                .hint("checkpoints are notes on commits; go to the repository that the team works in"),
            false => failure,
        }
    })?;
    if let Some(team) = &context.team {
        notes.checkpoints.retain(|noted| noted.checkpoint.team == *team);
    }
    Ok(notes)
}

fn tell_none(context: &Context<'_>) {
    let whose = context.team.as_ref().map(|team| format!(" of team `{team}`")).unwrap_or_default();
    context.output.note(&format!("no checkpoints{whose} in this repository; {HOW_TO_TURN_ON}"));
}

fn tell_unreadable(context: &Context<'_>, notes: &CheckpointNotes) {
    if notes.unreadable > 0 {
        let lines = if notes.unreadable == 1 { "line of the notes is" } else { "lines of the notes are" };
        context.output.note(&format!("{} {lines} no checkpoint of ours", notes.unreadable));
    }
}

fn or_unknown(text: Option<String>) -> String {
    text.unwrap_or_else(|| "unknown".to_owned())
}

/// A figure, and whether there is more of it that nobody knows.
fn figure(known: Option<String>, is_part: bool) -> String {
    or_unknown(known.map(|known| if is_part { format!("{known}+") } else { known }))
}

fn tokens(read: Option<u64>, written: Option<u64>) -> Option<String> {
    Some(read?.saturating_add(written?).to_string())
}

fn dollars(cost: Option<f64>) -> Option<String> {
    cost.map(|cost| format!("{cost:.4}"))
}

fn tokens_of(checkpoint: &Checkpoint) -> String {
    let known = tokens(checkpoint.input_tokens, checkpoint.output_tokens);
    figure(known, !checkpoint.has_all_tokens())
}

fn dollars_of(checkpoint: &Checkpoint) -> String {
    figure(dollars(checkpoint.cost_usd), !checkpoint.has_whole_cost())
}

fn task_of(checkpoint: &Checkpoint) -> String {
    format!("{}#{}", checkpoint.team, checkpoint.task)
}

fn short(commit: &str) -> String {
    commit.chars().take(10).collect()
}

/// A point in time, to the second.
fn when(time: &str) -> String {
    time.parse::<jiff::Timestamp>()
        .map_or_else(|_| time.to_owned(), |time| time.strftime("%Y-%m-%d %H:%M:%SZ").to_string())
}

fn row(NotedCheckpoint { commit, checkpoint }: &NotedCheckpoint) -> Vec<String> {
    vec![
        task_of(checkpoint),
        checkpoint.member.clone().unwrap_or_else(|| "-".to_owned()),
        or_unknown(checkpoint.model.clone()),
        tokens_of(checkpoint),
        dollars_of(checkpoint),
        short(commit),
        when(&checkpoint.completed),
        cut(&checkpoint.subject, SUBJECT),
    ]
}

fn show(context: &Context<'_>, what: &str) -> anyhow::Result<Done> {
    let notes = read(context)?;
    let (team, task) = match what.split_once('#') {
        Some((team, task)) => (Some(team).filter(|team| !team.is_empty()), task),
        None => (None, what),
    };
    let is_it = |noted: &&NotedCheckpoint| {
        noted.checkpoint.task == task && team.is_none_or(|team| noted.checkpoint.team == team)
    };
    let mut found: Vec<&NotedCheckpoint> = notes.checkpoints.iter().filter(is_it).collect();
    if found.is_empty()
        && let Ok(commit) = Git::new(None).commit_named(&here()?, what)
    {
        found = notes.checkpoints.iter().filter(|noted| noted.commit == commit).collect();
    }
    if found.is_empty() {
        let failure = Failure::new(ErrorKind::NoTask, format!("no commit or task `{what}` has a checkpoint here"));
        return Err(failure.hint("`teams checkpoint list` shows those that there are").into());
    }
    if context.output.json {
        context.output.json(&found)?;
        return Ok(Done::Yes);
    }
    for (number, NotedCheckpoint { commit, checkpoint }) in found.into_iter().enumerate() {
        if number > 0 {
            context.output.line("")?;
        }
        let part = |known: Option<u64>| figure(known.map(|known| known.to_string()), !checkpoint.has_all_tokens());
        let without =
            |turns: u64| if turns > 0 { format!(" (unknown of {turns} of the turns)") } else { String::new() };
        for (name, value) in [
            ("task", task_of(checkpoint)),
            ("subject", checkpoint.subject.clone()),
            ("commit", commit.clone()),
            ("member", checkpoint.member.clone().unwrap_or_else(|| "-".to_owned())),
            ("backend", or_unknown(checkpoint.backend.clone())),
            ("model", or_unknown(checkpoint.model.clone())),
            ("turns", figure(Some(checkpoint.turns.to_string()), checkpoint.cut)),
            ("tokens in", part(checkpoint.input_tokens) + &without(checkpoint.turns_without_tokens)),
            ("tokens out", part(checkpoint.output_tokens) + &without(checkpoint.turns_without_tokens)),
            ("usd", dollars_of(checkpoint) + &without(checkpoint.turns_without_cost)),
            ("began", or_unknown(checkpoint.began.as_deref().map(when))),
            ("completed", when(&checkpoint.completed)),
            ("key", checkpoint.key.clone()),
            ("version", checkpoint.version.to_string()),
        ] {
            context.output.line(&format!("{name:<11} {}", value.replace(['\n', '\r'], " ")))?;
        }
    }
    Ok(Done::Yes)
}

fn cost(context: &Context<'_>, by: Option<CostBy>) -> anyhow::Result<Done> {
    let notes = read(context)?;
    let mut sums: BTreeMap<Option<String>, CheckpointSum> = BTreeMap::new();
    let mut total = CheckpointSum::default();
    for NotedCheckpoint { checkpoint, .. } in &notes.checkpoints {
        total.add(checkpoint);
        let name = match by {
            None => continue,
            Some(CostBy::Member) => checkpoint.member.clone(),
            Some(CostBy::Model) => checkpoint.model.clone(),
            Some(CostBy::Task) => Some(task_of(checkpoint)),
        };
        sums.entry(name).or_default().add(checkpoint);
    }
    if context.output.json {
        let rows: Vec<_> = sums
            .iter()
            .map(|(name, sum)| {
                let mut row = serde_json::to_value(sum).unwrap_or_default();
                row["name"] = json!(name);
                row
            })
            .collect();
        context.output.json(&json!({"by": by.map(CostBy::heading), "rows": rows, "total": total}))?;
        return Ok(Done::Yes);
    }
    if notes.checkpoints.is_empty() {
        tell_none(context);
        tell_unreadable(context, &notes);
        return Ok(Done::Yes);
    }
    let figures = |name: String, sum: &CheckpointSum| {
        let tokens = tokens(sum.input_tokens, sum.output_tokens);
        let (tokens, dollars) =
            (figure(tokens, sum.without_all_tokens > 0), figure(dollars(sum.cost_usd), sum.without_whole_cost > 0));
        vec![name, sum.checkpoints.to_string(), sum.turns.to_string(), tokens, dollars]
    };
    // What nobody owned has no member; a model that is not told is not known.
    let nobody = if by == Some(CostBy::Member) { "-" } else { "unknown" };
    let name_of = |name: &Option<String>| name.clone().unwrap_or_else(|| nobody.to_owned());
    let mut rows: Vec<Vec<String>> = sums.iter().map(|(name, sum)| figures(name_of(name), sum)).collect();
    rows.push(figures("(all)".to_owned(), &total));
    let heading = by.map_or("", CostBy::heading);
    context.output.table(&[heading, "checkpoints", "turns", "tokens", "usd"], &rows)?;
    let parts = [(total.without_all_tokens, "tokens"), (total.without_whole_cost, "US dollars")];
    for (count, what) in parts.into_iter().filter(|(count, _)| *count > 0) {
        context.output.note(&format!("of {count} of {} checkpoints not all {what} are known", total.checkpoints));
    }
    tell_unreadable(context, &notes);
    Ok(Done::Yes)
}
