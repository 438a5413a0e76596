//! The command line: one verb, one file. It sees the daemon and never the disk, and decides nothing but how things look.

mod approvals;
mod args;
mod budget;
mod create;
mod daemon;
mod delete;
mod demo;
mod doctor;
mod inbox;
mod interrupt;
mod list;
mod mcp;
mod memory;
mod message;
mod options;
mod output;
mod policy;
mod ps;
mod resume;
mod send;
mod shutdown;
mod simulate;
mod spawn;
mod status;
mod stop;
mod tail;
mod task;
mod trace;
mod worktree;

use std::process::ExitCode;
use std::time::Duration;

use agent_backends::process::MARK_VARIABLE;
use clap::{CommandFactory, Parser};

use crate::daemon::{Connection, ControlClient};
use crate::paths;
pub use args::Args;
use args::Verb;
use output::Output;

/// What a verb ended with, when it did not fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Done {
    /// It did what it was asked to.
    Yes,
    /// The agent's turn failed; the reason was told.
    TurnFailed,
    /// A `--timeout` ran out.
    TimedOut,
}

/// Runs the command line of this process.
pub fn run() -> ExitCode {
    let args = Args::parse();
    let output = Output::new(args.json);
    let runtime = match runtime(&args.verb) {
        Ok(runtime) => runtime,
        Err(error) => {
            output.error(&format!("cannot start: {error}"));
            return ExitCode::FAILURE;
        }
    };
    let done = runtime.block_on(dispatch(args, &output));
    // A read of standard input that was begun cannot be ended; nobody waits for it.
    runtime.shutdown_timeout(Duration::from_millis(100));
    match done {
        Ok(Done::Yes) => ExitCode::SUCCESS,
        Ok(Done::TurnFailed) => ExitCode::FAILURE,
        Ok(Done::TimedOut) => ExitCode::from(124),
        Err(error) if error.is::<crate::daemon::TimedOut>() => {
            output.error(&format!("{error:#}"));
            ExitCode::from(124)
        }
        // Whoever read our output has heard enough.
        Err(error) if output::is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            output.error(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn runtime(verb: &Verb) -> std::io::Result<tokio::runtime::Runtime> {
    match verb {
        Verb::Daemon { .. } => tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build(),
        _ => tokio::runtime::Builder::new_current_thread().enable_all().build(),
    }
}

async fn dispatch(args: Args, output: &Output) -> anyhow::Result<Done> {
    let named = std::env::var(paths::TEAM_VARIABLE).ok().filter(|team| !team.is_empty());
    let context = Context { team: args.in_team.or(named), output };
    if by_an_agent() && is_a_person_s(&args.verb) {
        anyhow::bail!(
            "an agent runs this, and only a person decides that or speaks as the lead; use the team's tools, send_message for one"
        );
    }
    match args.verb {
        Verb::Create { team, description, resume } => create::run(&context, team, description, resume).await,
        Verb::List => list::run(&context).await,
        Verb::Status { team } => status::run(&context, team).await,
        Verb::Delete { team, force } => delete::run(&context, team, force).await,
        Verb::Spawn(spawn) => spawn::run(&context, *spawn).await,
        Verb::Send(send) => send::run(&context, send).await,
        Verb::Ask(ask) => send::run(&context, ask.into()).await,
        Verb::Tail(tail) => tail::run(&context, tail).await,
        Verb::Interrupt { name } => interrupt::run(&context, name).await,
        Verb::Resume { team } => resume::run(&context, team).await,
        Verb::Restart { name } => resume::restart(&context, name).await,
        Verb::Stop(stop) => stop::run(&context, stop).await,
        Verb::Budget(budget) => budget::run(&context, budget).await,
        Verb::Worktree { verb } => worktree::run(&context, verb).await,
        Verb::Ps { orphans } => ps::run(&context, orphans).await,
        Verb::Task { verb } => task::run(&context, verb).await,
        Verb::Message { to, text, from, summary, urgent } => {
            message::run(&context, message::Letter { to, text, from, summary, urgent }).await
        }
        Verb::Shutdown { name, reason, deadline } => shutdown::run(&context, name, reason, deadline).await,
        Verb::Trace { id } => trace::run(&context, id).await,
        Verb::Memory { verb } => memory::run(&context, verb).await,
        Verb::Mcp { who } => mcp::run(&context, who).await,
        Verb::Inbox { undelivered: true, .. } => inbox::undelivered(&context).await,
        Verb::Inbox { name, follow, .. } => inbox::run(&context, name, follow).await,
        Verb::Approvals { follow } => approvals::list(&context, follow).await,
        Verb::Policy(policy) => policy::run(&context, policy).await,
        Verb::Approve { id, for_session } => approvals::approve(&context, id, for_session).await,
        Verb::Deny { id, reason } => approvals::deny(&context, id, reason).await,
        Verb::Doctor => doctor::run(&context).await,
        Verb::Daemon { verb } => daemon::run(&context, verb).await,
        Verb::Demo => demo::run(&context).await,
        Verb::Completions { shell } => {
            let mut text = Vec::new();
            clap_complete::generate(shell, &mut Args::command(), "teams", &mut text);
            output.raw(&text)?;
            Ok(Done::Yes)
        }
        Verb::Simulate { agent, script, rest } => simulate::run(agent, script, rest).await,
    }
}

/// Who an agent at its shell is.
const AN_AGENT: &str = "an agent";

/// Whether this was started by an agent of ours: what it says is not the user's.
fn by_an_agent() -> bool {
    std::env::var_os(MARK_VARIABLE).is_some()
}

/// What an agent must not do for itself, nor in the lead's name.
fn is_a_person_s(verb: &Verb) -> bool {
    use Verb::{Approve, Budget, Daemon, Delete, Deny, Message, Policy, Restart, Shutdown, Spawn, Stop};
    let ends_daemon = matches!(verb, Daemon { verb: options::DaemonVerb::Stop });
    let decides = matches!(verb, Approve { .. } | Deny { .. } | Policy(_) | Budget(_));
    let commands = matches!(verb, Spawn(_) | Stop(_) | Restart { .. } | Delete { .. } | Shutdown { .. });
    ends_daemon || decides || commands || matches!(verb, Message { .. })
}

/// How often what is followed is looked at: as often as a live Claude Code looks at its inbox.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// What every verb needs.
struct Context<'a> {
    team: Option<String>,
    output: &'a Output,
}

impl Context<'_> {
    /// The daemon, started if none runs.
    async fn connect(&self) -> anyhow::Result<Connection> {
        let connection = Connection::open(&paths::state_dir()?).await?;
        if connection.started {
            resume::by_themselves(self, &connection).await;
        }
        Ok(connection)
    }

    /// The daemon that follows one that has ended, for whoever looks on. Nobody starts it for that.
    async fn next_daemon(&self) -> anyhow::Result<Connection> {
        self.output.note("the daemon has ended; what comes is shown when it runs again");
        loop {
            if let Some(connection) = Connection::to_running(&paths::state_dir()?).await? {
                return Ok(connection);
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// The team: the one that an option or `$TEAMS_TEAM` names, else the only one there is.
    async fn team(&self, connection: &Connection) -> anyhow::Result<String> {
        self.team_or(None, connection).await
    }

    async fn team_or(&self, positional: Option<String>, connection: &Connection) -> anyhow::Result<String> {
        if let Some(team) = positional.or_else(|| self.team.clone()) {
            return Ok(team);
        }
        let mut teams = asked(connection.client.list_teams().await)?;
        match teams.len() {
            0 => anyhow::bail!("there is no team yet; create one with `teams create NAME`"),
            1 => Ok(teams.remove(0).team),
            _ => {
                let names: Vec<_> = teams.into_iter().map(|team| team.team).collect();
                anyhow::bail!("which team? Name it with -t or TEAMS_TEAM: {}", names.join(", "))
            }
        }
    }
}

/// The answer to a call, or its error in the words for a person.
fn asked<T>(answer: Result<T, jsonrpsee::core::client::Error>) -> anyhow::Result<T> {
    answer.map_err(|error| crate::daemon::explain(&error))
}

/// `30s`, `5m`, `1h 30m`, or a number of seconds.
fn duration(text: &str) -> Result<Duration, String> {
    let bad = || format!("`{text}` is not a duration; write 30s, 5m or 1h30m");
    if let Ok(seconds) = text.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).map_err(|_| bad());
    }
    let parsed: jiff::SignedDuration = text.parse().map_err(|_| bad())?;
    Duration::try_from(parsed).map_err(|_| bad())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_grammar_is_sound() {
        Args::command().debug_assert();
    }

    #[test]
    fn durations_are_read() {
        for (text, ms) in [("30s", 30_000), ("5m", 300_000), ("1h30m", 5_400_000), ("2", 2_000), ("0.5", 500)] {
            assert_eq!(duration(text), Ok(Duration::from_millis(ms)), "{text}");
        }
        for text in ["", "soon", "-5", "-5s", "NaN"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }
}
