//! Every path and environment variable that we read, in one place.

use std::path::PathBuf;
#[cfg(feature = "daemon")]
use std::{
    collections::hash_map::DefaultHasher,
    hash::{Hash, Hasher},
    os::unix::ffi::OsStrExt,
    path::Path,
};

use crate::error::{Error, Result};

/// The team, when no option names it.
#[cfg(feature = "cli")]
pub(crate) const TEAM_VARIABLE: &str = "TEAMS_TEAM";
/// The filter of the daemon's log.
#[cfg(feature = "daemon")]
pub(crate) const LOG_VARIABLE: &str = "TEAMS_LOG";
/// `1`: every backend runs its simulated agent.
#[cfg(feature = "daemon")]
pub(crate) const SIMULATE_VARIABLE: &str = "TEAMS_SIMULATE";

/// The socket of a replay, for those who take part in it.
#[cfg(feature = "cli")]
pub(crate) const REPLAY_VARIABLE: &str = "TEAMS_REPLAY";

/// The process of the lead that has a program of ours called for a teammate.
#[cfg(feature = "cli")]
pub(crate) const LEAD_VARIABLE: &str = "TEAMS_LEAD_PID";
/// What becomes of a lead's teammates when it has ended: stop, finish or keep.
#[cfg(feature = "cli")]
pub(crate) const LEAD_EXIT_VARIABLE: &str = "TEAMS_ON_LEAD_EXIT";

/// Where everything of our own is.
const STATE_DIR_VARIABLE: &str = "TEAMS_STATE_DIR";
/// Where Claude Code keeps its files, teams and tasks among them.
const CLAUDE_DIR_VARIABLE: &str = "CLAUDE_CONFIG_DIR";
/// The same for what an agent starts of ours. Not in Claude Code's own variable: where that is set, even to the usual place, Claude Code
/// looks for its user's servers, login and trusted folders elsewhere.
pub(crate) const OWN_CLAUDE_DIR_VARIABLE: &str = "TEAMS_CLAUDE_DIR";

/// What a member's agent is known by to its team's tools.
pub(crate) const TOKEN_VARIABLE: &str = "TEAMS_MEMBER_TOKEN";

/// How long a question of an agent waits, in seconds, before it is denied.
#[cfg(feature = "daemon")]
pub(crate) const APPROVAL_VARIABLE: &str = "TEAMS_APPROVAL_TIMEOUT";
/// How long nothing is asked of a provider that has refused without saying how long, in seconds.
#[cfg(feature = "daemon")]
pub(crate) const RATE_LIMIT_VARIABLE: &str = "TEAMS_RATE_LIMIT_WAIT";

/// Our own environment, as far as it is text.
pub(crate) fn own_environment() -> std::collections::BTreeMap<String, String> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

/// The variables that say where files are, as this process has them: for what a live Claude Code starts of ours, which may give it no others.
#[cfg(feature = "cli")]
pub(crate) fn places() -> std::collections::BTreeMap<String, String> {
    let set = |name: &str| Some((name.to_owned(), std::env::var(name).ok().filter(|value| !value.is_empty())?));
    [STATE_DIR_VARIABLE, "XDG_STATE_HOME", CLAUDE_DIR_VARIABLE].into_iter().filter_map(set).collect()
}

fn var(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}

/// Where this process works; `None` where that folder is gone.
///
/// # Errors
/// Its name is no text, which JSON, and so Claude Code's files, cannot hold.
pub(crate) fn current_dir() -> Result<Option<PathBuf>> {
    match std::env::current_dir() {
        Ok(dir) if dir.to_str().is_some() => Ok(Some(dir)),
        Ok(_) => Err(Error::NoPath("the current folder's name is not UTF-8; use `cd` to work in another one")),
        Err(_) => Ok(None),
    }
}

/// A place that the environment names.
fn named(path: PathBuf) -> Result<PathBuf> {
    let path = absolute(path);
    let wrong = "HOME, CLAUDE_CONFIG_DIR, XDG_STATE_HOME or TEAMS_STATE_DIR names a folder that is not UTF-8; set it to another one";
    if path.to_str().is_some() { Ok(path) } else { Err(Error::NoPath(wrong)) }
}

/// The daemon works in another directory than the shell that starts it.
fn absolute(path: PathBuf) -> PathBuf {
    std::path::absolute(&path).unwrap_or(path)
}

fn home() -> Result<PathBuf> {
    var("HOME").ok_or(Error::NoPath("HOME is not set; set it, or CLAUDE_CONFIG_DIR and TEAMS_STATE_DIR"))
}

/// Claude Code's directory: what the daemon says to those that an agent starts, else `$CLAUDE_CONFIG_DIR`, else `~/.claude`.
///
/// # Errors
/// Neither that variable nor HOME is set.
pub(crate) fn claude_dir() -> Result<PathBuf> {
    match var(OWN_CLAUDE_DIR_VARIABLE).or_else(|| var(CLAUDE_DIR_VARIABLE)) {
        Some(dir) => named(dir),
        None => named(home()?.join(".claude")),
    }
}

/// Where everything of our own is: `$TEAMS_STATE_DIR`, else `$XDG_STATE_HOME/agent-teams`, else
/// `~/.local/state/agent-teams`.
///
/// # Errors
/// None of the variables is set, HOME neither.
pub(crate) fn state_dir() -> Result<PathBuf> {
    if let Some(dir) = var(STATE_DIR_VARIABLE) {
        return named(dir);
    }
    match var("XDG_STATE_HOME") {
        Some(dir) => named(dir.join("agent-teams")),
        None => named(home()?.join(".local/state/agent-teams")),
    }
}

/// The user's configuration: `$XDG_CONFIG_HOME/agent-teams/config.toml`, else below `~/.config`.
///
/// # Errors
/// Neither XDG_CONFIG_HOME nor HOME is set.
#[cfg(feature = "daemon")]
pub(crate) fn config_file() -> Result<PathBuf> {
    let base = var("XDG_CONFIG_HOME").map_or_else(|| Ok::<_, Error>(home()?.join(".config")), Ok)?;
    Ok(base.join("agent-teams/config.toml"))
}

/// The daemon's socket: in the state directory, or, where that path is too long for a socket, under a short name in `/tmp`, which is the
/// same for a login and for cron.
#[cfg(feature = "daemon")]
pub(crate) fn socket(state_dir: &Path) -> PathBuf {
    /// `sun_path` has 108 bytes on Linux and 104 on macOS, one of them a zero.
    const LONGEST: usize = 100;
    let path = state_dir.join("daemon.sock");
    if path.as_os_str().as_bytes().len() <= LONGEST {
        return path;
    }
    let mut hasher = DefaultHasher::new();
    state_dir.hash(&mut hasher);
    let uid = nix::unistd::getuid();
    PathBuf::from(format!("/tmp/agent-teams-{uid}/teams-{:016x}/daemon.sock", hasher.finish()))
}

#[cfg(test)]
#[cfg(feature = "daemon")]
mod tests {
    use super::*;

    #[test]
    fn a_socket_path_is_never_too_long() {
        let short = Path::new("/home/u/.local/state/agent-teams");
        assert_eq!(socket(short), short.join("daemon.sock"));
        let long = Path::new("/").join("x".repeat(200));
        assert!(socket(&long).as_os_str().len() <= 100, "{}", socket(&long).display());
        assert_ne!(socket(&long), socket(&long.join("y")));
    }
}
