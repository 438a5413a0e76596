//! `teams claude`, and the program as the lead that it starts calls it: for a teammate, and in the place of `tmux`.

use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io::{IsTerminal as _, Write as _};
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use agent_backends::claude::lead::TeammateCall;
use anyhow::Context as _;
use clap::ValueEnum as _;

use super::context::{by_an_agent, failed};
use super::lead_args::{AtLeadExit, PanesIn};
use super::options::TailArgs;
use super::output::Output;
use super::throwaway::told_to_end;
use super::{Context, Done, install, tail};
use crate::daemon::{Connection, LetGoParams};
use crate::lead::panes::{self, Call, Deed, Occupant};
use crate::lead::start::{Panes, lead};
use crate::lead::teammate::adopt;
use crate::paths;

/// The variables that say in which terminal this runs.
const OF_TERMINAL: [&str; 3] = ["TERM", "TMUX", "TMUX_PANE"];
/// What a shell answers when there is no such program.
const NO_PROGRAM: u8 = 127;

/// What is done where these are the first words.
const INSTALL: &str = "install";
const REMOVE: &str = "remove";

/// Becomes the lead, or changes what every lead is started with.
pub(super) fn run(
    context: &Context<'_>,
    panes: Option<PanesIn>,
    on_lead_exit: Option<AtLeadExit>,
    arguments: Vec<OsString>,
) -> anyhow::Result<Done> {
    let words: Vec<_> = arguments.iter().take(3).filter_map(|word| word.to_str()).collect();
    match words.as_slice() {
        [INSTALL] => return install::run(context, false),
        [INSTALL, "--yes"] => return install::run(context, true),
        [REMOVE] => return install::remove(context, false),
        [REMOVE, "--yes"] => return install::remove(context, true),
        [word @ (INSTALL | REMOVE), ..] => anyhow::bail!("`teams claude {word}` takes --yes and nothing else"),
        _ => {}
    }
    let in_tmux = std::env::var_os("TMUX").is_some_and(|value| !value.is_empty());
    let panes = panes.map_or(if in_tmux { Panes::Tmux } else { Panes::Own }, Panes::from);
    let mut command = lead(&paths::state_dir()?, panes, arguments)?;
    if let Some(what) = on_lead_exit.and_then(|what| what.to_possible_value()) {
        command.env(paths::LEAD_EXIT_VARIABLE, what.get_name());
    }
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
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    if let Some(environment) = std::env::var(paths::LEAD_VARIABLE).ok().and_then(|lead| environment_of(&lead)) {
        return failed(&output, &again_in(environment, &arguments));
    }
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

/// The environment of a lead, where the system tells it.
fn environment_of(lead: &str) -> Option<Vec<(OsString, OsString)>> {
    let text = std::fs::read(Path::new("/proc").join(lead).join("environ")).ok()?;
    let variables = text.split(|byte| *byte == 0).filter_map(|variable| {
        let at = variable.iter().position(|byte| *byte == b'=')?;
        let word = |bytes: &[u8]| OsString::from_vec(bytes.to_vec());
        Some((word(&variable[..at]), word(&variable[at + 1..])))
    });
    Some(variables.collect())
}

/// Becomes the same in the lead's environment; what is of the terminal stays.
fn again_in(environment: Vec<(OsString, OsString)>, arguments: &[OsString]) -> anyhow::Error {
    let Ok(own) = std::env::current_exe() else { return anyhow::anyhow!("cannot find the program itself") };
    let kept = OF_TERMINAL.iter().filter_map(|name| Some((*name, std::env::var_os(name)?)));
    let mut command = Command::new(own);
    command.args(arguments).env_clear().envs(environment).env_remove(paths::LEAD_VARIABLE).envs(kept);
    command.exec().into()
}

async fn join(output: &Output, call: TeammateCall) -> anyhow::Result<Done> {
    let (team, name) = (call.team.clone(), call.name.clone());
    let context = Context { team: Some(team.clone()), output };
    let ended = told_to_end()?;
    let connection = context.connect().await?;
    tokio::pin!(ended);
    let adopted = tokio::select! {
        adopted = adopt(&connection, call) => Some(adopted?),
        () = &mut ended => None,
    };
    // The pane was closed before the member was there; it is waited for, and let go.
    let Some(member) = adopted else { return let_go_of(&connection, team, name).await };
    let backend = member.backend.map(|backend| format!("{backend} ")).unwrap_or_default();
    output.line(&format!("{name}: {backend}is ready"))?;
    if !std::io::stdout().is_terminal() {
        return Ok(Done::Yes);
    }
    let shown = TailArgs { names: vec![name.clone()], follow: true, last: None, since: None };
    let shown = tokio::select! {
        shown = tail::run(&context, shown) => shown,
        () = &mut ended => Ok(Done::Yes),
    };
    let_go_of(&connection, team, name).await?;
    shown
}

async fn let_go_of(connection: &Connection, team: String, name: String) -> anyhow::Result<Done> {
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
