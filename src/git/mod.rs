//! Runs git: with the environment of whoever asks, and on no other repository than that of its folder. It knows no team.

pub(crate) mod notes;
mod quiet;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use agent_backends::process::MARK_VARIABLE;

use crate::error::{Error, Result};

/// What makes git work on another repository than that of its folder; a hook's shell has some of these.
pub(crate) const ELSEWHERE: &[&str] = &[
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_CONFIG_PARAMETERS",
    "GIT_DIR",
    "GIT_GRAFT_FILE",
    "GIT_IMPLICIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_NAMESPACE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_PREFIX",
    "GIT_QUARANTINE_PATH",
    "GIT_SHALLOW_FILE",
    "GIT_WORK_TREE",
];
/// How long a quiet call may take for which somebody waits.
const LIMIT: Duration = Duration::from_secs(10);

/// What is said of a quiet call that was given up.
const TOO_SLOW: &str = "it did not end within";

/// Runs git with the environment of whoever asks.
#[derive(Clone, Debug)]
pub(crate) struct Git {
    environment: Option<BTreeMap<String, String>>,
    /// How long a quiet call may take.
    limit: Duration,
}

/// The commit that a folder's checkout is at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    /// The git directory that all worktrees of the repository share.
    pub(crate) repository: PathBuf,
    /// The commit, whole.
    pub(crate) commit: String,
}

impl Git {
    pub(crate) fn new(environment: Option<BTreeMap<String, String>>) -> Self {
        Self { environment, limit: LIMIT }
    }

    /// The same, where nobody can wait for longer than `limit`.
    pub(crate) fn within(self, limit: Duration) -> Self {
        Self { limit, ..self }
    }

    fn command(&self, dir: &Path, before: &[&str], args: &[&str]) -> Command {
        let mut command = Command::new("git");
        if let Some(environment) = &self.environment {
            command.env_clear().envs(environment);
        }
        for variable in ELSEWHERE.iter().chain([&MARK_VARIABLE]) {
            command.env_remove(variable);
        }
        command.env("GIT_TERMINAL_PROMPT", "0").arg("-C").arg(dir).args(before).args(args);
        command
    }

    /// Runs git in a folder as its user would, with hooks and all, and answers what it prints.
    pub(crate) fn run(&self, dir: &Path, args: &[&str]) -> Result<String> {
        self.printed(self.command(dir, &[], args), dir, args)
    }

    /// Asks git about a folder, and answers what it prints; nothing is run or fetched that the repository names. It takes its time.
    pub(crate) fn ask(&self, dir: &Path, args: &[&str]) -> Result<String> {
        self.printed(self.quiet(dir, args), dir, args)
    }

    fn printed(&self, mut command: Command, dir: &Path, args: &[&str]) -> Result<String> {
        let failed = |reason: String| failed(dir, args, reason);
        let output = command.stdin(Stdio::null()).output();
        let output = output.map_err(|error| failed(missing(&error)))?;
        if !output.status.success() {
            return Err(failed(String::from_utf8_lossy(&output.stderr).trim().to_owned()));
        }
        Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
    }

    /// The git directory of a folder that all worktrees of its repository share.
    ///
    /// # Errors
    /// The folder is in no repository, or git cannot be run.
    #[cfg(feature = "cli")]
    pub(crate) fn repository(&self, dir: &Path) -> Result<PathBuf> {
        let found = self.run_quietly(dir, &["rev-parse", "--path-format=absolute", "--git-common-dir"], &[], &[])?;
        Ok(PathBuf::from(String::from_utf8_lossy(&found).trim_end()))
    }

    /// The commit that a folder's checkout is at.
    ///
    /// # Errors
    /// The folder is in no repository, there is no commit yet, or git cannot be run.
    pub(crate) fn head(&self, dir: &Path) -> Result<Head> {
        let args = ["rev-parse", "--path-format=absolute", "--git-common-dir", "HEAD^{commit}"];
        let read = self.run_quietly(dir, &args, &[], &[]);
        let text = match read {
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(error) if is_too_slow(&error) => return Err(error),
            Err(error) => {
                let is_repository = self.run_quietly(dir, &["rev-parse", "--git-dir"], &[], &[]);
                return Err(match is_repository {
                    Ok(_) => failed(dir, &args, "there is no commit yet".to_owned()),
                    Err(_) => error,
                });
            }
        };
        match text.trim_end().rsplit_once('\n') {
            Some((repository, commit)) => Ok(Head { repository: repository.into(), commit: commit.to_owned() }),
            None => Err(failed(dir, &args, format!("its answer cannot be read: {text}"))),
        }
    }
}

/// Whether a quiet call was given up.
pub(crate) fn is_too_slow(error: &Error) -> bool {
    matches!(error, Error::Git { reason, .. } if reason.starts_with(TOO_SLOW))
}

fn failed(dir: &Path, args: &[&str], reason: String) -> Error {
    Error::Git { command: args.join(" "), dir: dir.to_owned(), reason }
}

fn missing(error: &std::io::Error) -> String {
    format!("git cannot be run ({error}); install it")
}
