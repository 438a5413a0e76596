//! What every verb needs: the daemon, the team that is meant, and how a verb ends.

use std::process::{ExitCode, ExitStatus};
use std::time::Duration;

use agent_backends::process::MARK_VARIABLE;

use super::output::{Output, Style};
use crate::daemon::surroundings::surroundings;
use crate::daemon::{Connection, ErrorKind, Failure, ListTeamsParams, ResumeTeamsParams, failure_of};
use crate::model::launch::{ResumeOutcome, Resumed};
use crate::paths;

/// What a verb ended with, when it did not fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Done {
    /// It did what it was asked to.
    Yes,
    /// It did not, and has told why.
    No,
    /// It ended in a way that has an exit code of its own.
    Code(u8),
}

impl From<ExitStatus> for Done {
    /// As a command has ended that did all of it; one that was killed has failed.
    fn from(status: ExitStatus) -> Self {
        Self::Code(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1))
    }
}

/// How often a daemon is looked for when the one that was followed has ended.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// Whether this was started by an agent of ours: what it says is not the user's.
pub(super) fn by_an_agent() -> bool {
    std::env::var_os(MARK_VARIABLE).is_some()
}

/// Says why a verb failed: in a line for a person, or in a document for a program.
pub(super) fn failed(output: &Output, error: &anyhow::Error) -> ExitCode {
    let failure = failure_of(error);
    // Nobody is left to be told that nobody reads.
    let _ = output.failure(&failure);
    match failure.kind {
        ErrorKind::TimedOut => ExitCode::from(124),
        _ => ExitCode::FAILURE,
    }
}

/// What every verb needs.
pub(super) struct Context<'a> {
    pub(super) team: Option<String>,
    pub(super) output: &'a Output,
}

impl Context<'_> {
    /// The daemon, started if none runs.
    pub(super) async fn connect(&self) -> anyhow::Result<Connection> {
        let connection = Connection::open(&paths::state_dir()?).await?;
        if connection.started {
            resume_by_themselves(self, &connection).await;
        }
        Ok(connection)
    }

    /// The daemon that follows one that has ended, for whoever looks on. Nobody starts it for that.
    pub(super) async fn next_daemon(&self) -> anyhow::Result<Connection> {
        self.output.note("the daemon has ended; what comes is shown when it runs again");
        loop {
            if let Some(connection) = Connection::to_running(&paths::state_dir()?).await? {
                return Ok(connection);
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// The team: the one that an option or `$TEAMS_TEAM` names, else the only one there is.
    pub(super) async fn team(&self, connection: &Connection) -> anyhow::Result<String> {
        self.team_or(None, connection).await
    }

    pub(super) async fn team_or(&self, positional: Option<String>, connection: &Connection) -> anyhow::Result<String> {
        if let Some(team) = positional.or_else(|| self.team.clone()) {
            return Ok(team);
        }
        let mut teams = connection.call(ListTeamsParams {}).await?;
        let failure = match teams.len() {
            0 => Failure::new(ErrorKind::NoTeam, "there is no team yet").hint("create one with `teams create NAME`"),
            1 => return Ok(teams.remove(0).team),
            _ => {
                let names: Vec<_> = teams.into_iter().map(|team| team.team).collect();
                Failure::new(ErrorKind::WhichTeam, "which team? There are several")
                    .hint(format!("name it with -t or TEAMS_TEAM: {}", names.join(", ")))
            }
        };
        Err(failure.into())
    }
}

/// A daemon was started: teams that come back by themselves do. The verb that started it goes on in any case.
async fn resume_by_themselves(context: &Context<'_>, connection: &Connection) {
    let resumed = async {
        let surroundings = surroundings(connection)?;
        anyhow::Ok(connection.call(ResumeTeamsParams { team: None, surroundings }).await?)
    };
    match resumed.await {
        Ok(replies) => {
            for reply in replies {
                context.output.note(&format!("team {}: {}", reply.team, resumed_line(context.output, &reply.resumed)));
            }
        }
        Err(error) => context.output.note(&format!("members that come back by themselves did not: {error:#}")),
    }
}

/// What became of a member that was to come back, in a line.
pub(super) fn resumed_line(output: &Output, resumed: &Resumed) -> String {
    let (style, what) = match resumed.outcome {
        ResumeOutcome::Resumed => (Style::Green, "resumed"),
        ResumeOutcome::Fresh => (Style::Yellow, "fresh"),
        ResumeOutcome::Failed => (Style::Red, "failed"),
    };
    let reason = resumed.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
    format!("{}: {}{reason}", resumed.name, output.paint(style, what))
}
