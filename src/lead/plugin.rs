//! The folder of the plugin that a lead is given: in the state directory, and written anew for each lead.

use std::path::{Path, PathBuf};

use agent_backends::claude::plugin::Plugin;
use anyhow::Context as _;

use super::install::replace;
use super::parts::Parts;

/// How the monitor calls this program.
pub(crate) const ATTEND: &str = "attend";

/// Where it is.
pub(crate) fn folder(state_dir: &Path) -> PathBuf {
    state_dir.join("plugin")
}

/// Writes what is not there as it should be.
///
/// # Errors
/// The state directory cannot be written.
pub(crate) fn write(state_dir: &Path, parts: &Parts) -> anyhow::Result<PathBuf> {
    let own = parts.own.to_string_lossy();
    let places = parts.tools.env.iter().map(|(name, value)| format!("{name}={value}"));
    // The lead's monitors have its environment, and the places may be others by then.
    let words: Vec<String> =
        std::iter::once("env".to_owned()).chain(places).chain([own.into_owned(), ATTEND.to_owned()]).collect();
    let monitor = shell_words::join(&words);
    let folder = folder(state_dir);
    for (path, content) in (Plugin { tools: &parts.tools, monitor: &monitor }).files() {
        let path = folder.join(path);
        if std::fs::read_to_string(&path).is_ok_and(|there| there == content) {
            continue;
        }
        path.parent()
            .map_or(Ok(()), std::fs::create_dir_all)
            .and_then(|()| replace(&path, content.as_bytes(), 0o600))
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(folder)
}
