//! A home that is thrown away, in which this very program runs simulated agents.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

use anyhow::Context as _;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;
use tokio::signal::unix::{SignalKind, signal};

use crate::paths;

/// A home for a daemon and agents of its own.
pub(super) struct Throwaway {
    home: TempDir,
    program: PathBuf,
}

impl Throwaway {
    /// Makes one, in a folder whose name begins so.
    pub(super) fn new(prefix: &str) -> anyhow::Result<Self> {
        let home = tempfile::Builder::new().prefix(prefix).tempdir().context("cannot make a temporary home")?;
        Ok(Self { home, program: std::env::current_exe().context("cannot find the program itself")? })
    }

    pub(super) fn path(&self) -> &Path {
        self.home.path()
    }

    /// This program, with these arguments, in that home.
    pub(super) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(args);
        self.at_home(command)
    }

    /// The same with nothing of this process's environment but these variables.
    pub(super) fn command_with_only(&self, kept: &[&str], args: &[impl AsRef<OsStr>]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(args).env_clear();
        command.envs(std::env::vars_os().filter(|(name, _)| kept.iter().any(|kept| name == kept)));
        self.at_home(command)
    }

    fn at_home(&self, mut command: Command) -> Command {
        command
            .env("HOME", self.path())
            .env("CLAUDE_CONFIG_DIR", self.path().join("claude"))
            .env("TEAMS_STATE_DIR", self.path().join("state"))
            .env("XDG_CONFIG_HOME", self.path().join("config"))
            .env(paths::SIMULATE_VARIABLE, "1")
            .env_remove(paths::TEAM_VARIABLE);
        command
    }

    /// Removes it.
    pub(super) fn close(self) -> anyhow::Result<()> {
        self.home.close().context("cannot remove the temporary home")
    }
}

/// The command of a simulated agent that stands for any that somebody names.
pub(super) fn any_agent() -> anyhow::Result<String> {
    let program = std::env::current_exe().context("cannot find the program itself")?;
    Ok(format!("{} simulate acp --", shell_words::quote(&program.to_string_lossy())))
}

/// Runs a command in a home that is thrown away, and passes on to it what ends this process, which has to tidy up after it.
pub(super) async fn ended_with_us(mut command: tokio::process::Command) -> anyhow::Result<ExitStatus> {
    let mut child = command.spawn()?;
    loop {
        tokio::select! {
            status = child.wait() => return Ok(status?),
            () = told_to_end()? => {
                let pid = child.id().and_then(|pid| i32::try_from(pid).ok());
                if let Some(pid) = pid {
                    let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
                }
            }
        }
    }
}

/// Waits until somebody ends this process.
pub(super) fn told_to_end() -> std::io::Result<impl Future<Output = ()>> {
    let (mut interrupt, mut terminate, mut hang_up) =
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?, signal(SignalKind::hangup())?);
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hang_up.recv() => {}
        }
    })
}
