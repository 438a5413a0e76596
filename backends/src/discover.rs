//! Finds an agent's program, and asks it which version it is.

use std::path::PathBuf;
use std::time::Duration;

use crate::command::Command;
use crate::error::{BackendError, Result};
use crate::kind::BackendType;

/// Where a program is: `program` as a path, or found on `path` (`None`: our own PATH). `package` is the npm package that
/// brings it, for the advice to whoever does not have it.
///
/// # Errors
/// It is not there.
pub fn find(backend: BackendType, program: &str, path: Option<&str>, package: Option<&str>) -> Result<PathBuf> {
    let cwd = std::env::current_dir().unwrap_or_default();
    let found = match path {
        Some(path) => which::which_in(program, Some(path), cwd),
        None => which::which(program),
    };
    found.map_err(|_| BackendError::ProgramMissing {
        backend,
        program: program.to_owned(),
        remedy: match package {
            Some(package) => format!("install it with `npm install -g {package}`, then run `teams doctor`"),
            None => "check the command and PATH".to_owned(),
        },
    })
}

/// Asks a program for its version.
///
/// # Errors
/// The program is missing, cannot be started, or does not answer within 20 seconds.
pub async fn version(backend: BackendType, command: &Command, package: Option<&str>) -> Result<String> {
    const LIMIT: Duration = Duration::from_secs(20);
    let program = find(backend, command.program(), None, package)?;
    let output = tokio::process::Command::new(&program)
        .args(command.args())
        .arg("--version")
        .env("GEMINI_CLI_NO_RELAUNCH", "true")
        .stdin(std::process::Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(LIMIT, output)
        .await
        .map_err(|_| BackendError::Timeout { backend, call: "--version".into(), after: LIMIT })?
        .map_err(|source| BackendError::Start { program: program.display().to_string(), source })?;
    let text = String::from_utf8_lossy(&output.stdout);
    // "2.1.329 (Claude Code)", "codex-cli 0.169.0", "0.61.0"
    text.split_whitespace()
        .find(|word| word.starts_with(|first: char| first.is_ascii_digit()))
        .map(str::to_owned)
        .ok_or_else(|| BackendError::NotReady {
            backend,
            reason: format!("`{} --version` printed no version", command.program()),
            stderr: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        })
}

/// Whether a version is older than another one, by the numbers in it.
pub fn is_older(version: &str, than: &str) -> bool {
    let numbers = |version: &str| -> Vec<u64> {
        let release = version.split(['-', '+', ' ']).next().unwrap_or(version);
        release.split('.').map_while(|part| part.parse().ok()).collect()
    };
    let (version, than) = (numbers(version), numbers(than));
    // What is no version is not known to be older.
    !version.is_empty() && version < than
}
