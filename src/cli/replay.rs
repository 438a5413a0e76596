//! `teams replay`

use std::ffi::OsString;
use std::path::Path;
use std::process::Stdio;

use anyhow::Context as _;
#[cfg(target_os = "linux")]
use nix::sys::signal::Signal;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::output::Style;
use super::tail::Printer;
use super::throwaway::{Throwaway, any_agent, ended_with_us, told_to_end};
use super::view_args::{ReplayArgs, ReplayIn, Speed, WebArgs};
use super::{Context, Done, ui, web};
use crate::daemon::{Connection, ErrorKind, Failure, StopDaemonParams};
use crate::model::event::Event;
use crate::paths;
use crate::replay::{Conductor, Finished, Outcome, Recording, read};

/// How many events may wait to be printed.
const WAITING: usize = 1024;
/// What a replay has of the shell that starts it: nothing that could be a secret.
const KEPT: [&str; 6] = ["TERM", "COLORTERM", "NO_COLOR", "LANG", "LC_ALL", "TMPDIR"];

pub(super) async fn run(context: &Context<'_>, args: ReplayArgs) -> anyhow::Result<Done> {
    if let Some(socket) = std::env::var_os(paths::REPLAY_VARIABLE) {
        return inside(context, args, Path::new(&socket)).await;
    }
    // What is wrong with it is said before anything is started.
    let recording = read(&args.file)?;
    if recording.version != env!("CARGO_PKG_VERSION") {
        context.output.note(&format!(
            "version {} has written it; this is {}",
            recording.version,
            env!("CARGO_PKG_VERSION")
        ));
    }
    let home = Throwaway::new("teams-replay-")?;
    let own: Vec<_> = std::env::args_os().skip(1).collect();
    let command = |args: &[OsString]| {
        let mut command = tokio::process::Command::from(home.command_with_only(&KEPT, args));
        command.kill_on_drop(true).env(paths::REPLAY_VARIABLE, home.path().join("replay.sock"));
        // No program is found there: a recording may come from anybody, and this one is all that a replay runs.
        command.env("PATH", home.path().join("bin"));
        command
    };
    let ran = ended_with_us(command(&own)).await;
    // Whatever happened, nothing stays behind.
    let ended = command(&["daemon".into(), "stop".into()]).stdout(Stdio::null()).stderr(Stdio::null()).status().await;
    let status = ran.context("cannot run the program itself")?;
    ended.context("cannot end the daemon of the replay")?;
    home.close()?;
    Ok(status.into())
}

/// The replay itself, in a home of its own.
async fn inside(context: &Context<'_>, args: ReplayArgs, socket: &Path) -> anyhow::Result<Done> {
    let recording = read(&args.file)?;
    let is_cut = recording.is_cut;
    if args.view == Some(ReplayIn::Ui) {
        ui::check_terminal()?;
    }
    outlive_nobody();
    let connection = context.connect().await?;
    let shown = tokio::select! {
        shown = show(context, args, recording, &connection, socket) => shown,
        () = told_to_end()? => Ok(None),
    };
    // Its daemon ends with it, whoever is left to see to that.
    let stopped = connection.call(StopDaemonParams {}).await;
    let outcome = shown?;
    stopped?;
    if is_cut {
        context.output.note("its last line is cut off: whoever wrote it was ended");
    }
    // Whoever leaves before its end has seen enough.
    outcome.map_or(Ok(Done::Yes), |outcome| told_of(context, &outcome))
}

/// Plays it, and shows it until it is over, or whoever looks at it leaves; `None` where that was before its end.
async fn show(
    context: &Context<'_>,
    args: ReplayArgs,
    recording: Recording,
    connection: &Connection,
    socket: &Path,
) -> anyhow::Result<Option<Outcome>> {
    let team = recording.team.clone();
    let speed = match args.speed {
        Speed::Times(times) => Some(times),
        Speed::Max => None,
    };
    let (told, events) = mpsc::channel(WAITING);
    let conductor = Conductor::new(connection.clone(), recording, socket, speed, any_agent()?, told).await?;
    let shown = Context { team: Some(team), output: context.output };
    let Some(view) = args.view else { return printed(&shown, conductor, events).await.map(Some) };
    drop(events);
    let mut playing = JoinSet::new();
    playing.spawn(conductor.play());
    match view {
        ReplayIn::Ui => ui::run(&shown, false).await?,
        ReplayIn::Web => web::run(&shown, WebArgs::default()).await?,
    };
    let played = playing.try_join_next();
    let finished: Option<Finished> = played.transpose().context("the replay broke off")?;
    Ok(finished.map(|finished| finished.outcome))
}

/// Has the system end this process politely when the one that has started it is killed.
fn outlive_nobody() {
    #[cfg(target_os = "linux")]
    let _ = nix::sys::prctl::set_pdeathsig(Signal::SIGTERM);
}

/// Plays it, and prints its events as `teams tail` does.
async fn printed(
    context: &Context<'_>,
    conductor: Conductor,
    mut events: mpsc::Receiver<Event>,
) -> anyhow::Result<Outcome> {
    let mut printer = Printer::new(context, true);
    let playing = conductor.play();
    tokio::pin!(playing);
    let outcome = loop {
        tokio::select! {
            Some(event) = events.recv() => printer.print(&event)?,
            finished = &mut playing => break finished.outcome,
        }
    };
    while let Ok(event) = events.try_recv() {
        printer.print(&event)?;
    }
    printer.finish()?;
    Ok(outcome)
}

fn told_of(context: &Context<'_>, outcome: &Outcome) -> anyhow::Result<Done> {
    let output = context.output;
    for member in &outcome.left_out {
        output.note(&format!("{member} ran before the recording began: what it has of it is left out"));
    }
    if outcome.differences.is_empty() {
        output.note(&output.paint(Style::Green, &format!("{} events, as they were recorded", outcome.same)));
        return Ok(Done::Yes);
    }
    for difference in &outcome.differences {
        output.note(&output.paint(Style::Yellow, difference));
    }
    let what = format!("it is not as it was recorded; {} events are the same", outcome.same);
    Err(Failure::new(ErrorKind::Failed, what).hint("replay it with the version that has written it").into())
}
