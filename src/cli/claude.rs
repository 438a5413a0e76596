//! `teams claude`, and the program as the lead that it starts calls it: for a teammate, and in the place of `tmux`.

use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io::{IsTerminal as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use agent_backends::claude::lead::TeammateCall;
use anyhow::Context as _;

use super::context::{by_an_agent, failed};
use super::options::{PanesIn, TailArgs};
use super::output::Output;
use super::throwaway::told_to_end;
use super::{Context, Done, tail};
use crate::daemon::{Connection, LetGoParams};
use crate::lead::panes::{self, Call, Deed, Occupant};
use crate::lead::start::{Panes, lead};
use crate::lead::teammate::adopt;
use crate::paths;

/// What a shell answers when there is no such program.
const NO_PROGRAM: u8 = 127;

/// Becomes the lead.
pub(super) fn run(panes: Option<PanesIn>, arguments: Vec<OsString>) -> anyhow::Result<Done> {
    let in_tmux = std::env::var_os("TMUX").is_some_and(|value| !value.is_empty());
    let panes = match panes {
        Some(PanesIn::Tmux) => Panes::Tmux,
        Some(PanesIn::Own) => Panes::Own,
        None if in_tmux => Panes::Tmux,
        None => Panes::Own,
    };
    let mut command = lead(&paths::state_dir()?, panes, arguments)?;
    if panes == Panes::Own {
        // In a terminal of tmux it would open its panes there.
        command.env_remove("TMUX").env_remove("TMUX_PANE");
    }
    let error = command.exec();
    Err(error).with_context(|| format!("cannot run {}", command.get_program().to_string_lossy()))
}

/// Answers a lead that calls for a teammate: the daemon adopts it. In a terminal what the member does is shown, until the pane is closed.
pub fn teammate(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let output = Output::new(false, false);
    let arguments = arguments.into_iter().map(|argument| argument.to_string_lossy().into_owned());
    let called = || -> anyhow::Result<Done> {
        let call = TeammateCall::parse(arguments).map_err(anyhow::Error::msg)?;
        anyhow::ensure!(!by_an_agent(), "an agent of ours leads no team");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("cannot start")?;
        runtime.block_on(join(&output, call))
    };
    match called() {
        Ok(_) => ExitCode::SUCCESS,
        Err(error) => failed(&output, &error),
    }
}

async fn join(output: &Output, call: TeammateCall) -> anyhow::Result<Done> {
    let (team, name) = (call.team.clone(), call.name.clone());
    let context = Context { team: Some(team.clone()), output };
    let connection = context.connect().await?;
    let member = adopt(&connection, call).await?;
    let backend = member.backend.map(|backend| format!("{backend} ")).unwrap_or_default();
    output.line(&format!("{name}: {backend}is ready"))?;
    if !std::io::stdout().is_terminal() {
        return Ok(Done::Yes);
    }
    let shown = TailArgs { names: vec![name.clone()], follow: true, last: None, since: None };
    tokio::select! {
        shown = tail::run(&context, shown) => shown?,
        () = told_to_end()? => Done::Yes,
    };
    connection.call(LetGoParams { team, name }).await?;
    Ok(Done::Yes)
}

/// Stands for `tmux` where a lead asks for panes; any other call is the real one's.
pub fn stand_in_for_tmux(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let answered = match Call::of(&arguments) {
        Call::Version => print(&panes::version()).map(|()| ExitCode::SUCCESS),
        Call::Ours { server, arguments } => answer(&server, &arguments),
        Call::Other => real(arguments),
    };
    answered.unwrap_or_else(|error| failed(&Output::new(false, false), &error))
}

fn answer(server: &str, arguments: &[String]) -> anyhow::Result<ExitCode> {
    let state_dir = paths::state_dir()?;
    let answer = panes::answer(&state_dir, server, arguments)
        .with_context(|| format!("cannot keep the panes in {}", state_dir.display()))?;
    match answer.deed {
        Some(Deed::Run { pane, command }) => run_in(&state_dir, server, &pane, &command)?,
        Some(Deed::LetGo(occupants)) => let_go(&state_dir, occupants)?,
        None => {}
    }
    print(&answer.text)?;
    Ok(if answer.failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn print(text: &str) -> anyhow::Result<()> {
    Ok(std::io::stdout().lock().write_all(text.as_bytes())?)
}

/// Runs a pane's command in a group of its own, so that the lead's terminal does not end it.
fn run_in(state_dir: &Path, server: &str, pane: &str, command: &str) -> anyhow::Result<()> {
    let path = state_dir.join("panes").join(format!("{server}.log"));
    let log = OpenOptions::new().append(true).create(true).mode(0o600).open(&path);
    let log = log.with_context(|| format!("cannot open {}", path.display()))?;
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", command]).env("TMUX_PANE", pane).process_group(0);
    shell.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
    shell.spawn().context("cannot run a shell")?;
    Ok(())
}

fn let_go(state_dir: &Path, occupants: Vec<Occupant>) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        // Where none runs, nobody works.
        let Some(connection) = Connection::to_running(state_dir).await? else { return Ok(()) };
        for Occupant { team, name } in occupants {
            connection.call(LetGoParams { team, name }).await?;
        }
        Ok(())
    })
}

/// Becomes the real one, if there is one.
fn real(arguments: Vec<OsString>) -> anyhow::Result<ExitCode> {
    let stand_in = panes::stand_in(&paths::state_dir()?);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).filter(|folder| *folder != stand_in);
    let path = std::env::join_paths(folders)?;
    let Ok(program) = which::which_in("tmux", Some(&path), ".") else {
        eprintln!("tmux: it is not installed");
        return Ok(ExitCode::from(NO_PROGRAM));
    };
    let error = Command::new(program).args(arguments).env("PATH", path).exec();
    Err(error).context("cannot run tmux")
}
