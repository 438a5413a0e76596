//! Runs git: with the environment of whoever asks, and on no other repository than that of its folder. It knows no team.

pub(crate) mod notes;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
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
/// Keeps git from running what the repository or the user has set up to be run: no hook, no file system monitor, no housekeeping.
const QUIET: [&str; 8] =
    ["-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false", "-c", "gc.auto=0", "-c", "maintenance.auto=false"];
/// How long a call may take for which somebody waits.
const LIMIT: Duration = Duration::from_secs(10);

/// Runs git with the environment of whoever asks.
#[derive(Clone, Debug)]
pub(crate) struct Git {
    environment: Option<BTreeMap<String, String>>,
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
        Self { environment }
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

    /// Runs git in a folder, and answers what it prints.
    pub(crate) fn run(&self, dir: &Path, args: &[&str]) -> Result<String> {
        let failed = |reason: String| failed(dir, args, reason);
        let output = self.command(dir, &[], args).stdin(Stdio::null()).output();
        let output = output.map_err(|error| failed(missing(&error)))?;
        if !output.status.success() {
            return Err(failed(String::from_utf8_lossy(&output.stderr).trim().to_owned()));
        }
        Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
    }

    /// Runs git in a folder with an input and further variables, and answers what it prints, byte by byte. Nothing that is set up to be run
    /// beside git is, and a git that does not come to an end is killed.
    fn run_quietly(&self, dir: &Path, args: &[&str], stdin: &[u8], env: &[(&str, &OsStr)]) -> Result<Vec<u8>> {
        let failed = |reason: String| failed(dir, args, reason);
        let mut command = self.command(dir, &QUIET, args);
        command.envs(env.iter().copied()).env("LC_ALL", "C");
        let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = piped.spawn().map_err(|error| failed(missing(&error)))?;
        let (input, output, errors) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (is_read, read) = mpsc::sync_channel::<()>(1);
        let (status, in_time, output, errors) = thread::scope(|scope| {
            // Git may end without having read all of it.
            scope.spawn(move || input.map(|mut input| input.write_all(stdin)));
            let errors = scope.spawn(move || all_of(errors));
            let output = scope.spawn(move || {
                let _ends_with_it = is_read;
                all_of(output)
            });
            let in_time = read.recv_timeout(LIMIT) != Err(mpsc::RecvTimeoutError::Timeout);
            if !in_time {
                let _ = child.kill();
            }
            (child.wait(), in_time, output.join().unwrap_or_default(), errors.join().unwrap_or_default())
        });
        let status = status.map_err(|error| failed(error.to_string()))?;
        match (in_time, status.success()) {
            (false, _) => Err(failed(format!("it did not end within {} seconds", LIMIT.as_secs()))),
            (true, false) => Err(failed(String::from_utf8_lossy(&errors).trim().to_owned())),
            (true, true) => Ok(output),
        }
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

fn all_of(pipe: Option<impl Read>) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Some(mut pipe) = pipe {
        let _ = pipe.read_to_end(&mut bytes);
    }
    bytes
}

fn failed(dir: &Path, args: &[&str], reason: String) -> Error {
    Error::Git { command: args.join(" "), dir: dir.to_owned(), reason }
}

fn missing(error: &std::io::Error) -> String {
    format!("git cannot be run ({error}); install it")
}
