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
use crate::usual::Maker;

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
        Some(self.command.clone())
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

    fn refuses(&self, config: &SpawnConfig) -> Option<String> {
        match (config.max_turns, &config.effort) {
            (Some(_), _) => Some("limit the steps of a turn (--max-turns)".to_owned()),
            (_, Some(_)) => Some("set the effort (--effort)".to_owned()),
            (None, None) => None,
        }
    }

    fn runs_model(&self, model: &str) -> Option<bool> {
        runs_model(model)
    }

    fn lacks_login(&self, config: &SpawnConfig) -> Option<String> {
        lacks_login(config)
    }

    async fn login_state(&self, _command: &Command) -> Option<bool> {
        Some(has_credentials(|name| std::env::var(name).ok()))
    }

    /// Nothing is started yet: that Gemini CLI is not logged in shows in the first turn.
    async fn spawn(&self, config: SpawnConfig) -> Result<Box<dyn AgentSession>> {
        let mode = config.mode()?;
        let cwd = config.working_directory()?;
        if let Some(what) = self.refuses(&config) {
            return Err(BackendError::Unsupported { backend: BackendType::GeminiCli, what });
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

/// Whether Gemini CLI has something to log in with, in this environment. It cannot be asked without starting a conversation.
pub(crate) fn has_credentials(variable: impl Fn(&str) -> Option<String>) -> bool {
    let keys = ["GEMINI_API_KEY", "GOOGLE_API_KEY", "GOOGLE_GENAI_USE_VERTEXAI"];
    let home = variable("GEMINI_CLI_HOME").or_else(|| variable("HOME")).map(PathBuf::from);
    let file = home.is_some_and(|home| home.join(".gemini/oauth_creds.json").exists());
    file || keys.iter().any(|name| variable(name).is_some())
}

/// Whether Gemini CLI, in whichever way it is run, can be asked for a model of this name.
pub(crate) fn runs_model(model: &str) -> Option<bool> {
    Maker::of(model).map(|maker| maker == Maker::Google)
}

/// Why Gemini CLI, in whichever way it is run, would not reach its provider.
pub(crate) fn lacks_login(config: &SpawnConfig) -> Option<String> {
    (!has_credentials(|name| config.variable(name))).then(|| format!("it is not logged in: {LOGIN}"))
}
