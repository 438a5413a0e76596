//! The `teams` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    agent_teams::cli::run()
}
