//! The command line: one verb, one file. It sees the daemon and never the disk, but for the notes of
//! the repository that the shell stands in, and decides nothing but how things look.

mod agent;
mod agent_args;
mod approvals;
mod args;
mod attend;
mod budget;
mod bugreport;
mod checkpoint;
mod checkpoint_args;
mod claude;
mod compose;
mod compose_args;
mod context;
mod create;
mod daemon;
mod delete;
mod demo;
mod doctor;
mod dry_run;
mod inbox;
mod install;
mod interrupt;
mod lead_args;
mod list;
mod mcp;
mod memory;
mod message;
mod options;
mod output;
mod policy;
mod ps;
mod record;
mod replay;
mod report;
mod resume;
mod run;
mod run_args;
mod run_view;
mod send;
mod shutdown;
mod simulate;
mod spawn;
mod status;
mod stop;
mod tail;
mod task;
mod task_wait;
mod team_file;
mod throwaway;
mod trace;
mod ui;
mod view_args;
mod web;
mod worktree;

use std::process::ExitCode;
use std::time::Duration;

use clap::{CommandFactory, Parser};

use crate::daemon::{ErrorKind, Failure};
use crate::paths;
pub use args::Args;
use args::Verb;
use checkpoint_args::CheckpointVerb;
pub use claude::{stand_in_for_tmux, teammate};
use context::{Context, Done, by_an_agent, failed};
use options::{ApprovalsVerb, TaskVerb};
use output::Output;

/// Runs the command line of this process.
pub fn run() -> ExitCode {
    let args = Args::parse();
    let output = Output::new(args.json, args.raw);
    let runtime = match runtime(&args.verb) {
        Ok(runtime) => runtime,
        Err(error) => {
            return failed(&output, &anyhow::Error::new(error).context("cannot start"));
        }
    };
    let done = runtime.block_on(dispatch(args, &output));
    // A read of standard input that was begun cannot be ended; nobody waits for it.
    runtime.shutdown_timeout(Duration::from_millis(100));
    match done {
        Ok(Done::Yes) => ExitCode::SUCCESS,
        Ok(Done::No) => ExitCode::FAILURE,
        Ok(Done::Code(code)) => ExitCode::from(code),
        // Whoever read our output has heard enough.
        Err(error) if output::is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => failed(&output, &error),
    }
}

fn runtime(verb: &Verb) -> std::io::Result<tokio::runtime::Runtime> {
    match verb {
        Verb::Daemon { .. } | Verb::Agent(_) => {
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()
        }
        _ => tokio::runtime::Builder::new_current_thread().enable_all().build(),
    }
}

async fn dispatch(args: Args, output: &Output) -> anyhow::Result<Done> {
    let named = std::env::var(paths::TEAM_VARIABLE).ok().filter(|team| !team.is_empty());
    let context = Context { team: args.in_team.or(named), output };
    if by_an_agent() && !is_for_agents(&args.verb) {
        let what = "an agent runs this, and only a person decides that or speaks as the lead";
        let hint = "use the team's tools, send_message for one";
        return Err(Failure::new(ErrorKind::NotAllowed, what).hint(hint).into());
    }
    match args.verb {
        Verb::Create { team, description, resume, checkpoints } => {
            create::run(&context, create::CreateArgs { team, description, resume, checkpoints }).await
        }
        Verb::List { ended: false } => list::run(&context).await,
        Verb::List { ended: true } => list::ended(&context).await,
        Verb::Status { team } => status::run(&context, team).await,
        Verb::Delete { team, force } => delete::run(&context, team, force).await,
        Verb::Spawn(spawn) => spawn::run(&context, *spawn).await,
        Verb::Send(send) => send::run(&context, send).await,
        Verb::Ask(ask) => send::run(&context, ask.into()).await,
        Verb::Tail(tail) => tail::run(&context, tail).await,
        Verb::Interrupt { name } => interrupt::run(&context, name).await,
        Verb::Resume { team } => resume::run(&context, team).await,
        Verb::Restart { name, fresh } => resume::restart(&context, name, fresh).await,
        Verb::Stop(stop) => stop::run(&context, stop).await,
        Verb::Budget(budget) => budget::run(&context, budget).await,
        Verb::Checkpoint { verb } => checkpoint::run(&context, verb).await,
        Verb::Worktree { verb } => worktree::run(&context, verb).await,
        Verb::Ps { orphans } => ps::run(&context, orphans).await,
        Verb::Task { verb } => task::run(&context, verb).await,
        Verb::Message { to, text, from, summary, urgent } => {
            message::run(&context, message::MessageArgs { to, text, from, summary, urgent }).await
        }
        Verb::Shutdown { name, reason, deadline } => shutdown::run(&context, name, reason, deadline).await,
        Verb::Trace { id } => trace::run(&context, id).await,
        Verb::Memory { verb } => memory::run(&context, verb).await,
        Verb::Mcp { who } => mcp::run(&context, who).await,
        Verb::Inbox { undelivered: true, .. } => inbox::undelivered(&context).await,
        Verb::Inbox { name, follow, .. } => inbox::run(&context, name, follow).await,
        Verb::Approvals { verb: Some(ApprovalsVerb::Show { id }), .. } => approvals::show(&context, id).await,
        Verb::Approvals { follow, .. } => approvals::list(&context, follow).await,
        Verb::Policy(policy) => policy::run(&context, policy).await,
        Verb::Approve { id, for_session, answers } => approvals::approve(&context, id, for_session, answers).await,
        Verb::Deny { id, reason } => approvals::deny(&context, id, reason).await,
        Verb::Init { template, file } => team_file::init(&context, template, file).await,
        Verb::Check { file, schema } => team_file::check(&context, file, schema),
        Verb::Trust { file } => team_file::trust(&context, file).await,
        Verb::Up { file } => team_file::up(&context, file).await,
        Verb::Down { file } => run::down(&context, file).await,
        Verb::Run(args) => run::run(&context, *args).await,
        Verb::Runs => run::list(&context).await,
        Verb::Attach { what } => run::attach(&context, what).await,
        Verb::Report { what, html } => run::report(&context, what, html).await,
        Verb::Record { team, file, stop: false } => record::begin(&context, team, file.unwrap_or_default()).await,
        Verb::Record { team, stop: true, .. } => record::end(&context, team).await,
        Verb::Bugreport { file, recording } => bugreport::run(&context, file, recording).await,
        Verb::Replay(replay) => replay::run(&context, replay).await,
        Verb::Ui { plain } => ui::run(&context, plain).await,
        Verb::Web(web) => web::run(&context, web).await,
        Verb::Claude { panes, on_lead_exit, arguments } => claude::run(&context, panes, on_lead_exit, arguments),
        Verb::Attend => attend::run(&context).await,
        Verb::Pipe(args) => compose::pipe(&context, args).await,
        Verb::Fan(args) => compose::fan(&context, args).await,
        Verb::Agent(agent) => agent::run(&context, *agent).await,
        Verb::Doctor => doctor::run(&context).await,
        Verb::Daemon { verb } => daemon::run(&context, verb).await,
        Verb::Demo { view: None } => demo::run(&context).await,
        Verb::Demo { view: Some(view) } => demo::replay(&context, view).await,
        Verb::Completions { shell } => {
            let mut text = Vec::new();
            clap_complete::generate(shell, &mut Args::command(), "teams", &mut text);
            output.raw(&text)?;
            Ok(Done::Yes)
        }
        Verb::Simulate { agent, script, rest } => simulate::run(agent, script, rest).await,
    }
}

/// What an agent may do in its shell; anything else is a person's to decide, or to say as the lead. The daemon, which knows an agent by its
/// ancestry, looks once more.
fn is_for_agents(verb: &Verb) -> bool {
    match verb {
        Verb::List { .. }
        | Verb::Status { .. }
        | Verb::Tail(_)
        | Verb::Ps { .. }
        | Verb::Inbox { .. }
        | Verb::Trace { .. }
        | Verb::Memory { .. }
        | Verb::Mcp { .. }
        | Verb::Approvals { .. }
        | Verb::Check { .. }
        | Verb::Runs
        | Verb::Attach { .. }
        | Verb::Report { html: None, .. }
        | Verb::Ui { plain: true }
        | Verb::Replay(_)
        | Verb::Attend
        | Verb::Agent(_)
        | Verb::Doctor
        | Verb::Demo { .. }
        | Verb::Completions { .. }
        | Verb::Simulate { .. } => true,
        Verb::Send(send) => !send.ask.interrupt,
        Verb::Ask(ask) => !ask.interrupt,
        Verb::Task { verb } => match verb {
            TaskVerb::Delete { .. } | TaskVerb::Retry { .. } | TaskVerb::Fail { .. } => false,
            TaskVerb::Add { owner, .. } | TaskVerb::Update { owner, .. } => owner.is_none(),
            _ => true,
        },
        Verb::Checkpoint { verb } => !matches!(verb, CheckpointVerb::On | CheckpointVerb::Off),
        Verb::Worktree { verb } => matches!(verb, options::WorktreeVerb::List),
        Verb::Daemon { verb } => !matches!(verb, options::DaemonVerb::Stop),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_grammar_is_sound() {
        Args::command().debug_assert();
    }
}
