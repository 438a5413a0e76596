//! `teams claude install` and `teams claude remove`

use std::io::{BufRead as _, IsTerminal as _, Write as _};

use agent_backends::claude::lead::LeadSetup;

use super::{Context, Done};
use crate::daemon::{ErrorKind, Failure};
use crate::lead::install::{self, Change};
use crate::lead::parts::Parts;
use crate::lead::plugin;
use crate::paths;

/// Where no team file is: what is installed is for every folder.
const NOWHERE: &str = "/dev/null";

/// Makes every Claude Code that the person starts a lead whose teammates may be of any make.
pub(super) fn run(context: &Context<'_>, yes: bool) -> anyhow::Result<Done> {
    let state_dir = paths::state_dir()?;
    let parts = Parts::of_this_program(NOWHERE.as_ref())?;
    let Parts { own, agent_types, .. } = &parts;
    let folder = plugin::folder(&state_dir);
    let setup = LeadSetup { teammate_command: own, agent_types, plugin: &folder };
    let changes = install::changes(&paths::claude_dir()?, &state_dir, &setup)?;
    if which::which("tmux").is_err() {
        context.output.note(
            "no tmux is installed: a lead that is started by `claude` has no panes without it; one that is started by `teams claude` has",
        );
    }
    if changes.is_empty() {
        plugin::write(&state_dir, &parts)?;
        context.output.note("all of it is there already");
        return Ok(Done::Yes);
    }
    if !agreed(context, &changes, yes)? {
        return Ok(Done::No);
    }
    plugin::write(&state_dir, &parts)?;
    install::install(&state_dir, &changes)?;
    context.output.note("installed: every `claude` that is started from now on leads so");
    Ok(Done::Yes)
}

/// Takes that back.
pub(super) fn remove(context: &Context<'_>, yes: bool) -> anyhow::Result<Done> {
    let state_dir = paths::state_dir()?;
    let changes = install::removal(&state_dir)?;
    if changes.is_empty() {
        context.output.note("nothing of it is there");
        return Ok(Done::Yes);
    }
    if !agreed(context, &changes, yes)? {
        return Ok(Done::No);
    }
    install::remove(&state_dir, &changes)?;
    context.output.note("removed");
    Ok(Done::Yes)
}

/// Shows what changes, and asks.
fn agreed(context: &Context<'_>, changes: &[Change], yes: bool) -> anyhow::Result<bool> {
    if context.output.json {
        context.output.json(&changes)?;
    } else {
        for change in changes {
            context.output.line(change.diff().trim_end())?;
        }
    }
    if yes {
        return Ok(true);
    }
    if !std::io::stdin().is_terminal() {
        let failure = Failure::new(ErrorKind::BadInput, "nobody is there who could agree to this");
        return Err(failure.hint("say --yes").into());
    }
    write!(std::io::stderr(), "Change this? [y/N] ")?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    Ok(["y", "yes"].contains(&answer.trim().to_ascii_lowercase().as_str()))
}
