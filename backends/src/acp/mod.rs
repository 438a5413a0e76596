//! Any agent that speaks the Agent Client Protocol over stdio: one persistent process, one session in it. `gemini --acp` is
//! its first user.

mod handshake;
mod protocol;
mod session;

use async_trait::async_trait;

use crate::config::{BackendType, Command, SpawnConfig};
use crate::discover;
use crate::gemini::OwnFiles;
use crate::process::{AgentProcess, Grace, ProcessSpec};
use crate::session::Session;
use crate::wire::Wire;
use crate::{AgentBackend, AgentSession, BackendError, Result};

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
        discover::find(BackendType::GeminiAcp, "gemini", None)?;
        Ok(Self::gemini_with_command(Command::new("gemini")))
    }

    /// Runs Gemini CLI, called like this, as an ACP agent; the command is looked for when a session is spawned.
    pub fn gemini_with_command(command: Command) -> Self {
        Self { backend: BackendType::GeminiAcp, command: Some(command) }
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

    async fn spawn(&self, config: SpawnConfig) -> Result<Box<dyn AgentSession>> {
        let backend = self.backend;
        let mode = config.mode()?;
        let cwd = config.working_directory()?;
        let unsupported = |what: &str| BackendError::Unsupported { backend, what: what.to_owned() };
        if config.max_turns.is_some() {
            return Err(unsupported("limit the steps of a turn (--max-turns)"));
        }
        if config.effort.is_some() {
            return Err(unsupported("set the effort (--effort)"));
        }
        let command = config.command.clone().or(self.command.clone());
        let command =
            command.ok_or_else(|| unsupported("guess which agent to run; name it with --command \"PROGRAM ARGS\""))?;
        let gemini = backend == BackendType::GeminiAcp;
        let mut args = Vec::new();
        let files = gemini.then(|| OwnFiles::new(&config.mcp_servers)).transpose()?;
        if let Some(files) = &files {
            args.extend(files.arguments());
            args.push("--acp".to_owned());
            if let Some(model) = &config.model {
                args.extend(["-m".to_owned(), model.clone()]);
            }
        }
        args.extend(config.extra_args.iter().cloned());
        let mut spec = ProcessSpec::of(backend, command, args, &config, cwd.clone());
        if let Some(files) = &files {
            crate::gemini::prepare(&mut spec);
            // Over ACP it is given its servers with the session.
            files.move_into(&mut spec, &config, &[])?;
            if let Some(id) = &config.resume {
                crate::gemini::wait_until_loadable(id, &config).await;
            }
        }
        let (mut process, stdin, stdout) = AgentProcess::spawn(spec)?;
        let (wire, mut incoming) = Wire::connect(backend, stdout, stdin.clone());
        let limit = config.ready_timeout();
        let hands = handshake::Ready::wait(&wire, &config, backend, &mode, &cwd, limit);
        let hands = handshake::shake_hands(&wire, &mut incoming, config.resume.is_some(), hands);
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
        let driver = session::AcpSession::new(backend, process, stdin, wire, incoming, ready, &config);
        Ok(Session::start(config.name, driver))
    }
}
