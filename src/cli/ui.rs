//! `teams ui`

use std::io::IsTerminal;

use super::{Context, Done};
use crate::daemon::{ErrorKind, Failure, TeamStatusParams};
use crate::paths;
use crate::tui::{self, Options};

pub(super) async fn run(context: &Context<'_>, plain: bool) -> anyhow::Result<Done> {
    if !plain {
        check_terminal()?;
    }
    let connection = context.connect().await?;
    if let Some(team) = &context.team {
        connection.call(TeamStatusParams { team: team.clone() }).await?;
    }
    let options =
        Options { state_dir: paths::state_dir()?, team: context.team.clone(), colour: context.output.is_coloured() };
    match plain {
        true => tui::lines(&options, connection).await?,
        false => tui::run(&options, connection).await?,
    }
    Ok(Done::Yes)
}

/// Sees that there is a terminal that the view can be in.
pub(super) fn check_terminal() -> Result<(), Failure> {
    if std::io::stdin().is_terminal() && std::io::stdout().is_terminal() {
        return Ok(());
    }
    let hint = "use `teams ui --plain`, or `teams tail -f --json`";
    Err(Failure::new(ErrorKind::BadInput, "this is no terminal").hint(hint))
}
