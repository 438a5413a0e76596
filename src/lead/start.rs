//! Starts a Claude Code as a lead whose teammates may be of any make. Nothing of its user's files is changed for that.

use std::ffi::{OsStr, OsString};
use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use agent_backends::claude::lead::LeadSetup;
use agent_backends::{discover, known};
use anyhow::Context as _;

use super::parts::Parts;
use super::{panes, plugin};
use crate::daemon::surroundings::command;
use crate::paths;

/// Where the panes of teammates are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Panes {
    /// Nowhere to be seen: `teams ui` and `teams tail` show what teammates do.
    Own,
    /// In the person's tmux.
    Tmux,
}

/// The command that runs the lead in place of this process: all of `arguments` is passed on.
///
/// # Errors
/// It is not installed, its arguments cannot be joined with ours, or the state directory cannot be written.
pub(crate) fn lead(state_dir: &Path, panes: Panes, arguments: Vec<OsString>) -> anyhow::Result<Command> {
    let backend = known::backends().find(|backend| backend.capabilities().agent_types);
    let backend = backend.context("no backend can lead")?;
    let call = command(backend.backend_type(), None)?.or_else(|| backend.default_command());
    let call = call.context("nobody says how the lead is called")?;
    let program = discover::find(backend.backend_type(), call.program(), None, backend.npm_package())?;
    let parts = Parts::of_this_program(Path::new("."))?;
    let plugin = plugin::write(state_dir, &parts)?;
    let Parts { own, agent_types, .. } = parts;
    // A pane of tmux has the environment of its server, and not the lead's.
    let caller = match panes {
        Panes::Own => own.clone(),
        Panes::Tmux => caller(state_dir, &own)?,
    };
    let setup = LeadSetup { teammate_command: &caller, agent_types: &agent_types, plugin: &plugin };
    let mut lead = Command::new(program);
    lead.args(call.args()).args(setup.arguments(arguments)?).envs(setup.environment());
    if panes == Panes::Own {
        let folder = stand_in(state_dir, &own)?;
        lead.env("PATH", first(&folder, std::env::var_os("PATH").as_deref())?);
    }
    Ok(lead)
}

/// A program that calls this one, and says which process leads: the one that this process becomes.
fn caller(state_dir: &Path, own: &Path) -> anyhow::Result<PathBuf> {
    let (folder, lead) = (state_dir.join("panes"), std::process::id());
    let path = panes::caller(state_dir, lead);
    panes::forget_the_dead(&folder, "");
    let write = || {
        std::fs::create_dir_all(&folder)?;
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o700).open(&path)?;
        let own = shell_words::quote(own.to_string_lossy().as_ref()).into_owned();
        writeln!(file, "#!/bin/sh\n{}={lead} exec {own} \"$@\"", paths::LEAD_VARIABLE)
    };
    write().with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path)
}

/// The folder in which this program is called `tmux`.
fn stand_in(state_dir: &Path, own: &Path) -> anyhow::Result<PathBuf> {
    let folder = panes::stand_in(state_dir);
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let link = folder.join("tmux");
    if std::fs::read_link(&link).ok().as_deref() != Some(own) {
        // Moved into place: a lead that runs may be looking for it.
        let fresh = folder.join(format!(".tmux.{}", std::process::id()));
        let _ = std::fs::remove_file(&fresh);
        std::os::unix::fs::symlink(own, &fresh)
            .and_then(|()| std::fs::rename(&fresh, &link))
            .with_context(|| format!("cannot make {}", link.display()))?;
    }
    Ok(folder)
}

/// A PATH with a folder in front.
fn first(folder: &Path, path: Option<&OsStr>) -> anyhow::Result<OsString> {
    let rest = path.map(|path| std::env::split_paths(path).collect::<Vec<_>>()).unwrap_or_default();
    let others = rest.into_iter().filter(|other| other != folder);
    std::env::join_paths(std::iter::once(folder.to_owned()).chain(others))
        .with_context(|| format!("{} cannot be in a PATH", folder.display()))
}
