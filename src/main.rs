//! The `teams` command.

use std::process::ExitCode;

use agent_backends::claude::lead::TeammateCall;

fn main() -> ExitCode {
    // Before anything else is set up: one of these stays beside each agent.
    #[cfg(all(target_os = "linux", not(teams_portable)))]
    if std::env::args_os().nth(1).is_some_and(|verb| verb == agent_teams::daemon::SHIM_VERB) {
        return agent_backends::process::shim::run(std::env::args_os().skip(2));
    }
    // What the shell that needs the daemon has open is not the daemon's, nor its agents': a lock, for example.
    #[cfg(all(target_os = "linux", not(teams_portable)))]
    if std::env::args_os().skip(1).take(2).eq(["daemon", "run"]) {
        agent_backends::process::shim::close_beyond(2);
    }
    let mut arguments = std::env::args_os();
    let called = arguments.next().map(std::path::PathBuf::from);
    // A live lead calls it so.
    if called.is_some_and(|program| program.file_name().is_some_and(|name| name == "tmux")) {
        return agent_teams::cli::stand_in_for_tmux(arguments);
    }
    let mut arguments = arguments.peekable();
    if arguments.peek().is_some_and(|first| first == TeammateCall::BEGINS) {
        return agent_teams::cli::teammate(arguments);
    }
    agent_teams::cli::run()
}
