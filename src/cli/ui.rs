//! `teams ui`

use std::io::IsTerminal;

use super::{Context, Done};
use crate::daemon::{ErrorKind, Failure, TeamStatusParams};
use crate::paths;
use crate::tui::{self, Options};

pub(super) async fn run(context: &Context<'_>, plain: bool) -> anyhow::Result<Done> {
    let is_shown = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
    if !plain && !is_shown {
        let hint = "use `teams ui --plain`, or `teams tail -f --json`";
        return Err(Failure::new(ErrorKind::BadInput, "this is no terminal").hint(hint).into());
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
