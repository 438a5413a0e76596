//! Finds an agent's program, and asks it which version it is.

use std::path::PathBuf;
use std::time::Duration;

use crate::config::{BackendType, Command};
use crate::error::BackendError;
use crate::{AgentBackend, Result};

/// The command that runs a backend when nobody says otherwise; `None` for [`BackendType::Acp`], which has no default.
pub fn default_command(backend: BackendType) -> Option<Command> {
    match backend {
        BackendType::ClaudeCode => Some(Command::new("claude")),
        BackendType::Codex => Some(Command::new("codex")),
        BackendType::GeminiCli | BackendType::GeminiAcp => Some(Command::new("gemini")),
        BackendType::Acp => None,
    }
}

/// The npm package that brings a backend's program.
pub fn npm_package(backend: BackendType) -> Option<&'static str> {
    match backend {
        BackendType::ClaudeCode => Some("@anthropic-ai/claude-code"),
        BackendType::Codex => Some("@openai/codex"),
        BackendType::GeminiCli | BackendType::GeminiAcp => Some("@google/gemini-cli"),
        BackendType::Acp => None,
    }
}

/// The command that logs in, for messages.
pub fn login_command(backend: BackendType) -> &'static str {
    match backend {
        BackendType::ClaudeCode => "run `claude` once and type /login, or set ANTHROPIC_API_KEY",
        BackendType::Codex => "run `codex login`, or configure a model provider in config.toml",
        BackendType::GeminiCli | BackendType::GeminiAcp => "run `gemini` once and log in, or set GEMINI_API_KEY",
        BackendType::Acp => "log in with the agent's own command",
    }
}

/// The version of each CLI that the tests run with; others may work.
pub fn tested_version(backend: BackendType) -> Option<&'static str> {
    match backend {
        BackendType::ClaudeCode => Some("2.1.329"),
        BackendType::Codex => Some("0.169.0"),
        BackendType::GeminiCli | BackendType::GeminiAcp => Some("0.61.0"),
        BackendType::Acp => None,
    }
}

/// Where a program is: `program` as a path, or found on `path` (`None`: our own PATH).
///
/// # Errors
/// It is not there.
pub fn find(backend: BackendType, program: &str, path: Option<&str>) -> Result<PathBuf> {
    let cwd = std::env::current_dir().unwrap_or_default();
    let found = match path {
        Some(path) => which::which_in(program, Some(path), cwd),
        None => which::which(program),
    };
    found.map_err(|_| BackendError::ProgramMissing {
        backend,
        program: program.to_owned(),
        remedy: match npm_package(backend) {
            Some(package) => format!("install it with `npm install -g {package}`, then run `teams doctor`"),
            None => "check the command and PATH".to_owned(),
        },
    })
}

/// Whether an agent can reach its model's provider, as far as it can tell; `None` when it cannot, or did not start.
/// Claude Code and Codex are asked; Gemini CLI would start a conversation, so its credentials are looked for.
pub async fn login_state(backend: BackendType, command: &Command) -> Option<bool> {
    let config = || {
        let mut config = crate::SpawnConfig::new("doctor", "");
        config.cwd = Some(std::env::temp_dir());
        config.ready_timeout = Some(Duration::from_secs(20));
        config
    };
    let spawned = match backend {
        BackendType::ClaudeCode => {
            crate::claude::ClaudeCodeBackend::with_command(command.clone()).spawn(config()).await
        }
        BackendType::Codex => crate::codex::CodexBackend::with_command(command.clone()).spawn(config()).await,
        BackendType::GeminiCli | BackendType::GeminiAcp => {
            let key = ["GEMINI_API_KEY", "GOOGLE_API_KEY", "GOOGLE_GENAI_USE_VERTEXAI"];
            let home = std::env::var_os("GEMINI_CLI_HOME").or_else(|| std::env::var_os("HOME")).map(PathBuf::from);
            let file = home.is_some_and(|home| home.join(".gemini/oauth_creds.json").exists());
            return Some(file || key.iter().any(|name| std::env::var_os(name).is_some()));
        }
        BackendType::Acp => return None,
    };
    match spawned {
        Ok(mut session) => {
            session.shutdown().await.ok();
            Some(true)
        }
        Err(BackendError::NotLoggedIn { .. }) => Some(false),
        Err(_) => None,
    }
}

/// Asks a program for its version.
///
/// # Errors
/// The program is missing, cannot be started, or does not answer within 20 seconds.
pub async fn version(backend: BackendType, command: &Command) -> Result<String> {
    const LIMIT: Duration = Duration::from_secs(20);
    let program = find(backend, command.program(), None)?;
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
