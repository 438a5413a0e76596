//! Gemini CLI: one process for each turn, the conversation carried on by its session id.

mod events;
mod launch;
mod overlay;
mod session;

pub(crate) use events::provider_message;
pub(crate) use launch::{prepare, wait_until_loadable};
pub(crate) use overlay::OwnFiles;

use std::path::PathBuf;

use async_trait::async_trait;

use crate::backend::{AgentBackend, AgentSession};
use crate::capabilities::Capabilities;
use crate::command::Command;
use crate::config::SpawnConfig;
use crate::discover;
use crate::error::{BackendError, Result};
use crate::kind::BackendType;
use crate::session::Session;

/// The program, when nobody says otherwise.
pub(crate) const PROGRAM: &str = "gemini";
pub(crate) const PACKAGE: &str = "@google/gemini-cli";
pub(crate) const TESTED_VERSION: &str = "0.61.0";
/// How to log in.
pub(crate) const LOGIN: &str = "run `gemini` once and log in, or set GEMINI_API_KEY";
pub(crate) const ACCOUNT_VARIABLES: &[&str] = &["GEMINI_", "GOOGLE_"];
/// What marks a shell as Gemini CLI's.
pub(crate) const SHELL_MARKS: &[&str] = &["GEMINI_CLI"];

/// Runs Gemini CLI.
#[derive(Clone, Debug)]
pub struct GeminiCliBackend {
    command: Command,
}

impl GeminiCliBackend {
    /// Runs `gemini` from PATH.
    ///
    /// # Errors
    /// It is not there.
    pub fn new() -> Result<Self> {
        discover::find(BackendType::GeminiCli, PROGRAM, None, Some(PACKAGE))?;
        Ok(Self::with_command(Command::new(PROGRAM)))
    }

    /// Runs another command, which is looked for when a session is spawned.
    pub fn with_command(command: Command) -> Self {
        Self { command }
    }
}

#[async_trait]
impl AgentBackend for GeminiCliBackend {
    fn backend_type(&self) -> BackendType {
        BackendType::GeminiCli
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            one_shot: true,
            resumes: true,
            changes_mode: true,
            account_variables: ACCOUNT_VARIABLES,
            login: LOGIN,
            ..Capabilities::default()
        }
    }

    fn default_command(&self) -> Option<Command> {
        Some(Command::new(PROGRAM))
    }

    fn npm_package(&self) -> Option<&'static str> {
        Some(PACKAGE)
    }

    fn tested_version(&self) -> Option<&'static str> {
        Some(TESTED_VERSION)
    }

    fn oldest_version(&self) -> Option<&'static str> {
        Some("0.41.0")
    }

    async fn login_state(&self, _command: &Command) -> Option<bool> {
        Some(has_credentials())
    }

    /// Nothing is started yet: that Gemini CLI is not logged in shows in the first turn.
    async fn spawn(&self, config: SpawnConfig) -> Result<Box<dyn AgentSession>> {
        let mode = config.mode()?;
        let cwd = config.working_directory()?;
        let unsupported =
            |what: &str| BackendError::Unsupported { backend: BackendType::GeminiCli, what: what.to_owned() };
        if config.max_turns.is_some() {
            return Err(unsupported("limit the steps of a turn (--max-turns)"));
        }
        if config.effort.is_some() {
            return Err(unsupported("set the effort (--effort)"));
        }
        let path = config.env.get("PATH").or(config.inherit_env.as_ref().and_then(|env| env.get("PATH")));
        let command = config.command_or(&self.command);
        discover::find(BackendType::GeminiCli, command.program(), path.map(String::as_str), Some(PACKAGE))?;
        let name = config.name.clone();
        let files = OwnFiles::new(&config.mcp_servers)?;
        let driver = session::GeminiSession::new(command, config, launch::approval_mode(&mode), cwd, files);
        Ok(Session::start(name, driver))
    }
}

/// Whether Gemini CLI has something to log in with. It cannot be asked without starting a conversation.
pub(crate) fn has_credentials() -> bool {
    let keys = ["GEMINI_API_KEY", "GOOGLE_API_KEY", "GOOGLE_GENAI_USE_VERTEXAI"];
    let home = std::env::var_os("GEMINI_CLI_HOME").or_else(|| std::env::var_os("HOME")).map(PathBuf::from);
    let file = home.is_some_and(|home| home.join(".gemini/oauth_creds.json").exists());
    file || keys.iter().any(|name| std::env::var_os(name).is_some())
}
