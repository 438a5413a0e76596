//! What a caller asks a backend for. Plain data; no I/O.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use crate::command::Command;
use crate::error::{BackendError, Result};
use crate::kind::BackendType;
use crate::permission::PermissionMode;
use crate::process::{Grace, ProcessSpec, Supervision};

/// An MCP server on standard input and output that an agent gets besides its own, without a change to anybody's files. Its
/// tools are used without asking, in every permission mode. `Debug` hides the values of its environment.
#[derive(Clone, PartialEq, Eq)]
pub struct McpServer {
    /// Its name, of letters, digits and hyphens.
    pub name: String,
    /// How it is started.
    pub command: Command,
    /// Its variables. An agent passes on hardly more than these.
    pub env: BTreeMap<String, String>,
    /// The names of its tools, for agents that are told of each one that it is allowed.
    pub tools: Vec<String>,
}

impl fmt::Debug for McpServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let env: Vec<&String> = self.env.keys().collect();
        f.debug_struct("McpServer")
            .field("name", &self.name)
            .field("command", &self.command)
            .field("env", &env)
            .field("tools", &self.tools)
            .finish()
    }
}

/// What a session is started with. `Debug` hides the values of the environment.
#[derive(Clone, Default)]
pub struct SpawnConfig {
    /// What the caller calls the session.
    pub name: String,
    /// Standing instructions, given in addition to the agent's own; empty for none. They start no turn.
    pub prompt: String,
    /// The model; `None` leaves the choice to the agent.
    pub model: Option<String>,
    /// How hard the model thinks, in the agent's own words.
    pub effort: Option<String>,
    /// Where the agent works; `None` for the caller's own directory.
    pub cwd: Option<PathBuf>,
    /// Folders outside `cwd` that the agent's tools may write to, where the agent keeps them in a sandbox.
    pub writable_roots: Vec<PathBuf>,
    /// What the agent may do without asking; `None` means [`PermissionMode::Default`].
    pub permission_mode: Option<PermissionMode>,
    /// What it may be allowed later, by [`set_permission_mode`](crate::AgentSession::set_permission_mode), where the agent has to
    /// know that from the start.
    pub later_mode: Option<PermissionMode>,
    /// The agent's whole environment; `None` inherits the caller's.
    pub inherit_env: Option<BTreeMap<String, String>>,
    /// Variables on top of it.
    pub env: BTreeMap<String, String>,
    /// Servers whose tools the agent gets. An agent that has tools of its own for talking to other agents loses these.
    pub mcp_servers: Vec<McpServer>,
    /// The file mode creation mask; `None` inherits the caller's.
    pub umask: Option<u32>,
    /// The most agentic steps in one turn, where the agent can limit them.
    pub max_turns: Option<u32>,
    /// The conversation to continue, as [`session_id`](crate::AgentSession::session_id) named it.
    pub resume: Option<String>,
    /// How to call the agent, instead of as the backend would. [`BackendType::Acp`](crate::BackendType::Acp) has no other way to know.
    pub command: Option<Command>,
    /// Arguments passed on to the agent's program as they are, after those of the backend.
    pub extra_args: Vec<String>,
    /// How long the agent may take to become ready; `None` means 30 seconds.
    pub ready_timeout: Option<Duration>,
    /// How long each rung of the stop ladder may take; `None` leaves it to the backend.
    pub stop_grace: Option<Grace>,
    /// Who looks after its processes.
    pub supervision: Supervision,
}

impl SpawnConfig {
    /// A session called `name` with standing instructions `prompt`, everything else left to the agent.
    pub fn new(name: impl Into<String>, prompt: impl Into<String>) -> Self {
        Self { name: name.into(), prompt: prompt.into(), ..Self::default() }
    }

    /// The agent's whole environment, as far as it is text.
    pub fn environment(&self) -> BTreeMap<String, String> {
        let own = || {
            let text =
                |(name, value): (OsString, OsString)| Some((name.into_string().ok()?, value.into_string().ok()?));
            std::env::vars_os().filter_map(text).collect()
        };
        let mut environment = self.inherit_env.clone().unwrap_or_else(own);
        environment.extend(self.env.clone());
        environment
    }

    /// A variable of the agent's environment, unless it is empty.
    pub fn variable(&self, name: &str) -> Option<String> {
        let inherited = || match &self.inherit_env {
            Some(environment) => environment.get(name).cloned(),
            None => std::env::var(name).ok(),
        };
        self.env.get(name).cloned().or_else(inherited).filter(|value| !value.is_empty())
    }

    /// What the agent may do without asking.
    ///
    /// # Errors
    /// Nobody knows the mode.
    pub fn mode(&self) -> Result<PermissionMode> {
        match self.permission_mode.clone().unwrap_or_default() {
            PermissionMode::Other(mode) => Err(BackendError::UnknownPermissionMode { mode }),
            known => Ok(known),
        }
    }

    /// How to call the agent: as the configuration says, else as `command` does.
    pub fn command_or(&self, command: &Command) -> Command {
        self.command.clone().unwrap_or_else(|| command.clone())
    }

    /// How long the agent may take to become ready.
    pub fn ready_limit(&self) -> Duration {
        self.ready_timeout.unwrap_or(Duration::from_secs(30))
    }

    /// The working directory, absolute and existing.
    ///
    /// # Errors
    /// There is no such directory.
    pub fn working_directory(&self) -> Result<PathBuf> {
        let asked = self.cwd.clone().unwrap_or_else(|| PathBuf::from("."));
        match asked.canonicalize() {
            Ok(path) if path.is_dir() => Ok(path),
            _ => Err(BackendError::WorkingDirectory { path: asked }),
        }
    }

    /// What to start for this session: the command with the backend's arguments, and what the configuration says about the
    /// process.
    pub fn process(&self, backend: BackendType, command: Command, args: Vec<String>, cwd: PathBuf) -> ProcessSpec {
        ProcessSpec {
            backend,
            command,
            args,
            cwd,
            package: None,
            inherit_env: self.inherit_env.clone(),
            env: self.env.clone(),
            umask: self.umask,
            stop_grace: self.stop_grace,
            supervision: self.supervision.clone(),
            stderr: None,
        }
    }
}

impl fmt::Debug for SpawnConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SpawnConfig")
            .field("name", &self.name)
            .field("prompt", &self.prompt)
            .field("model", &self.model)
            .field("effort", &self.effort)
            .field("cwd", &self.cwd)
            .field("writable_roots", &self.writable_roots)
            .field("permission_mode", &self.permission_mode)
            .field("later_mode", &self.later_mode)
            .field("inherit_env", &self.inherit_env.as_ref().map(|env| env.len()))
            .field("env", &self.env.keys())
            .field("mcp_servers", &self.mcp_servers)
            .field("umask", &self.umask)
            .field("max_turns", &self.max_turns)
            .field("resume", &self.resume)
            .field("command", &self.command)
            .field("extra_args", &self.extra_args)
            .field("ready_timeout", &self.ready_timeout)
            .field("stop_grace", &self.stop_grace)
            .field("supervision", &self.supervision)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_no_environment_value() {
        let mut config = SpawnConfig::new("a", "b");
        config.env.insert("API_KEY".into(), "canary-1".into());
        config.inherit_env = Some(BTreeMap::from([("OTHER".into(), "canary-2".into())]));
        let text = format!("{config:?}");
        assert!(text.contains("API_KEY"), "{text}");
        assert!(!text.contains("canary"), "{text}");
    }

    #[test]
    fn an_unknown_permission_mode_is_kept_and_refused() {
        let config = SpawnConfig { permission_mode: Some("yolo".into()), ..SpawnConfig::default() };
        let error = config.mode().unwrap_err().to_string();
        assert!(error.contains("`yolo`") && error.contains("acceptEdits"), "{error}");
    }
}
