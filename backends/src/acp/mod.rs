//! Any agent that speaks the Agent Client Protocol over stdio: one persistent process, one session in it. `gemini --acp` is
//! its first user.

mod handshake;
mod modes;
mod own;
mod protocol;
mod session;
mod tool_call;
mod turn_end;

use async_trait::async_trait;

use crate::backend::{AgentBackend, AgentSession};
use crate::capabilities::Capabilities;
use crate::command::Command;
use crate::config::SpawnConfig;
use crate::discover;
use crate::error::{BackendError, Result};
use crate::gemini::{self, OwnFiles};
use crate::kind::BackendType;
use crate::process::{AgentProcess, Grace};
use crate::session::Session;
use crate::wire::Wire;

/// Runs ACP agents.
#[derive(Clone, Debug)]
pub struct AcpBackend {
    backend: BackendType,
    /// `None`: the session's configuration names it.
    command: Option<Command>,
}

impl AcpBackend {
    /// Runs whatever [`SpawnConfig::command`] names.
    pub fn new() -> Self {
        Self { backend: BackendType::Acp, command: None }
    }

    /// Runs this agent unless [`SpawnConfig::command`] names another.
    pub fn with_command(command: Command) -> Self {
        Self { backend: BackendType::Acp, command: Some(command) }
    }

    /// Runs Gemini CLI as an ACP agent: `gemini --acp`.
    ///
    /// # Errors
    /// It is not on PATH.
    pub fn gemini() -> Result<Self> {
        discover::find(BackendType::GeminiAcp, gemini::PROGRAM, None, Some(gemini::PACKAGE))?;
        Ok(Self::gemini_with_command(Command::new(gemini::PROGRAM)))
    }

    /// Runs Gemini CLI, called like this, as an ACP agent; the command is looked for when a session is spawned.
    pub fn gemini_with_command(command: Command) -> Self {
        Self { backend: BackendType::GeminiAcp, command: Some(command) }
    }
}

impl AcpBackend {
    /// Runs the agent of our own, `teams agent`, where `teams` is on PATH.
    pub fn native() -> Self {
        Self::native_with_command(own::usual_command())
    }

    /// Runs the agent of our own, called like this; the command has to serve the protocol.
    pub fn native_with_command(command: Command) -> Self {
        Self { backend: BackendType::Native, command: Some(command) }
    }
}

/// An agent of which nothing is known may use any provider.
const ANY_ACCOUNT_VARIABLES: &[&str] =
    &["ANTHROPIC_", "CLAUDE_CO", "OPENAI_", "CODEX_", "GEMINI_", "GOOGLE_", "AZURE_", "AWS_"];

impl AcpBackend {
    fn is_gemini(&self) -> bool {
        self.backend == BackendType::GeminiAcp
    }

    fn is_own(&self) -> bool {
        self.backend == BackendType::Native
    }
}

impl Default for AcpBackend {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl AgentBackend for AcpBackend {
    fn backend_type(&self) -> BackendType {
        self.backend
    }

    fn capabilities(&self) -> Capabilities {
        let any = Capabilities { asks: true, resumes: true, changes_mode: true, ..Capabilities::default() };
        if self.is_gemini() {
            return Capabilities { account_variables: gemini::ACCOUNT_VARIABLES, login: gemini::LOGIN, ..any };
        }
        if self.is_own() {
            return Capabilities { account_variables: own::ACCOUNT_VARIABLES, login: own::LOGIN, ..any };
        }
        Capabilities { any_program: true, account_variables: ANY_ACCOUNT_VARIABLES, ..any }
    }

    fn family(&self) -> BackendType {
        if self.is_gemini() { BackendType::GeminiCli } else { self.backend }
    }

    fn default_command(&self) -> Option<Command> {
        self.command.clone()
    }

    fn npm_package(&self) -> Option<&'static str> {
        self.is_gemini().then_some(gemini::PACKAGE)
    }

    fn tested_version(&self) -> Option<&'static str> {
        self.is_gemini().then_some(gemini::TESTED_VERSION)
    }

    async fn login_state(&self, _command: &Command) -> Option<bool> {
        let variable = |name: &str| std::env::var(name).ok();
        if self.is_own() {
            return Some(own::has_credentials(variable));
        }
        self.is_gemini().then(|| gemini::has_credentials(variable))
    }

    fn refuses(&self, config: &SpawnConfig) -> Option<String> {
        let bounds = config.max_turns.is_some() && !self.is_own();
        bounds.then(|| "limit the steps of a turn (--max-turns)".to_owned())
    }

    fn runs_model(&self, model: &str) -> Option<bool> {
        if self.is_own() {
            return own::runs_model(model);
        }
        self.is_gemini().then(|| gemini::runs_model(model)).flatten()
    }

    fn lacks_login(&self, config: &SpawnConfig) -> Option<String> {
        if self.is_own() {
            return own::lacks_login(config);
        }
        self.is_gemini().then(|| gemini::lacks_login(config)).flatten()
    }

    async fn spawn(&self, mut config: SpawnConfig) -> Result<Box<dyn AgentSession>> {
        let backend = self.backend;
        // Its own modes have any names.
        let mode = config.permission_mode.clone().unwrap_or_default();
        let cwd = config.working_directory()?;
        let unsupported = |what: &str| BackendError::Unsupported { backend, what: what.to_owned() };
        if let Some(what) = self.refuses(&config) {
            return Err(unsupported(&what));
        }
        let own = if self.is_own() { own::arguments(&mut config) } else { Vec::new() };
        let command = config.command.clone().or(self.command.clone());
        let command =
            command.ok_or_else(|| unsupported("guess which agent to run; name it with --command \"PROGRAM ARGS\""))?;
        let mut args = own;
        let files = self.is_gemini().then(|| OwnFiles::new(&config.mcp_servers)).transpose()?;
        if let Some(files) = &files {
            args.extend(files.arguments());
            args.push("--acp".to_owned());
            if let Some(model) = &config.model {
                args.extend(["-m".to_owned(), model.clone()]);
            }
        }
        args.extend(config.extra_args.iter().cloned());
        let mut spec = config.process(backend, command, args, cwd.clone());
        if let Some(files) = &files {
            spec.package = Some(gemini::PACKAGE);
            gemini::prepare(&mut spec);
            // Over ACP it is given its servers with the session.
            files.move_into(&mut spec, &config, &[])?;
            if let Some(id) = &config.resume {
                gemini::wait_until_loadable(id, &config).await;
            }
        }
        let (mut process, stdin, stdout) = AgentProcess::spawn(spec)?;
        let (wire, mut incoming) = Wire::connect(backend, stdout, stdin.clone());
        let limit = config.ready_limit();
        let hands = handshake::Ready::wait(&wire, &config, backend, self.capabilities().login, &mode, &cwd, limit);
        let hands = handshake::shake_hands(backend, &wire, &mut incoming, config.resume.as_deref(), hands);
        let ready = tokio::time::timeout(limit, hands);
        let ready = match ready.await {
            Ok(Ok(ready)) => handshake::Ready { files, ..ready },
            Err(_) => {
                process.stop(None, Grace::NONE).await?;
                return Err(BackendError::Timeout { backend, call: "the handshake".into(), after: limit });
            }
            Ok(Err(BackendError::Ended { reason })) => {
                // Its last words come with its end.
                process.stop(None, Grace { ask: std::time::Duration::from_millis(500), ..Grace::NONE }).await?;
                return Err(BackendError::NotReady { backend, reason, stderr: process.last_words() });
            }
            Ok(Err(error)) => {
                process.stop(None, Grace::NONE).await?;
                return Err(error);
            }
        };
        // It has answered; that its process is known may come a moment later.
        process.begun().await;
        let driver = session::AcpSession::new(backend, process, stdin, wire, incoming, ready, &config);
        Ok(Session::start(config.name, driver))
    }
}
