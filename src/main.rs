//! The `teams` command.

use std::process::ExitCode;

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
    agent_teams::cli::run()
}
