//! What a caller asks a backend for. Plain data; no I/O.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::process::{Grace, Registry};

/// Which agent CLI a backend runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum BackendType {
    /// Claude Code, one long-lived stream-json process.
    ClaudeCode,
    /// Codex, threads of one `codex app-server`.
    Codex,
    /// Gemini CLI, one process for each turn.
    #[serde(rename = "gemini")]
    GeminiCli,
    /// Gemini CLI as an ACP agent, one long-lived process.
    GeminiAcp,
    /// Any agent that speaks the Agent Client Protocol.
    Acp,
}

impl BackendType {
    /// Every backend, in the order in which lists show them.
    pub const ALL: [Self; 5] = [Self::ClaudeCode, Self::Codex, Self::GeminiCli, Self::GeminiAcp, Self::Acp];

    /// The name used on the command line and on disk.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ClaudeCode => "claude-code",
            Self::Codex => "codex",
            Self::GeminiCli => "gemini",
            Self::GeminiAcp => "gemini-acp",
            Self::Acp => "acp",
        }
    }

    /// What a member is called when nobody names it.
    pub fn short_name(self) -> &'static str {
        match self {
            Self::ClaudeCode => "claude",
            other => other.as_str(),
        }
    }
}

impl fmt::Display for BackendType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text names no backend.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown backend `{0}`; use claude-code, codex, gemini, gemini-acp or acp")]
pub struct UnknownBackend(pub String);

impl FromStr for BackendType {
    type Err = UnknownBackend;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "claude-code" | "claude" => Ok(Self::ClaudeCode),
            "codex" => Ok(Self::Codex),
            "gemini" | "gemini-cli" => Ok(Self::GeminiCli),
            "gemini-acp" => Ok(Self::GeminiAcp),
            "acp" => Ok(Self::Acp),
            other => Err(UnknownBackend(other.to_owned())),
        }
    }
}

/// What an agent may do without asking. The names are Claude Code's; each backend maps them to its own settings.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
#[non_exhaustive]
pub enum PermissionMode {
    /// Ask before anything that changes something.
    #[default]
    Default,
    /// Edit files without asking; ask before the rest.
    AcceptEdits,
    /// Look, and plan; change nothing.
    Plan,
    /// Ask nothing.
    BypassPermissions,
    /// A word that is none of the above; spawning with it is an error.
    Other(String),
}

impl PermissionMode {
    /// The name used on the command line and in Claude Code's files.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Default => "default",
            Self::AcceptEdits => "acceptEdits",
            Self::Plan => "plan",
            Self::BypassPermissions => "bypassPermissions",
            Self::Other(word) => word,
        }
    }

    pub(crate) fn known() -> &'static str {
        "default, acceptEdits, plan, bypassPermissions"
    }
}

impl From<&str> for PermissionMode {
    fn from(text: &str) -> Self {
        match text {
            "default" => Self::Default,
            "acceptEdits" => Self::AcceptEdits,
            "plan" => Self::Plan,
            "bypassPermissions" => Self::BypassPermissions,
            other => Self::Other(other.to_owned()),
        }
    }
}

impl From<String> for PermissionMode {
    fn from(text: String) -> Self {
        Self::from(text.as_str())
    }
}

impl From<PermissionMode> for String {
    fn from(mode: PermissionMode) -> Self {
        mode.as_str().to_owned()
    }
}

impl fmt::Display for PermissionMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A program and its first arguments: how an agent CLI is called on this machine.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Vec<String>", into = "Vec<String>")]
pub struct Command {
    program: String,
    args: Vec<String>,
}

impl Command {
    /// A program without arguments: a name that PATH is searched for, or a path.
    pub fn new(program: impl Into<String>) -> Self {
        Self { program: program.into(), args: Vec::new() }
    }

    /// The same with one more argument.
    pub fn arg(mut self, arg: impl Into<String>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// The program, as given.
    pub fn program(&self) -> &str {
        &self.program
    }

    /// The arguments that come before those of the backend.
    pub fn args(&self) -> &[String] {
        &self.args
    }
}

impl TryFrom<Vec<String>> for Command {
    type Error = EmptyCommand;

    fn try_from(words: Vec<String>) -> Result<Self, EmptyCommand> {
        let mut words = words.into_iter();
        let program = words.next().filter(|word| !word.is_empty()).ok_or(EmptyCommand)?;
        Ok(Self { program, args: words.collect() })
    }
}

impl From<Command> for Vec<String> {
    fn from(command: Command) -> Self {
        std::iter::once(command.program).chain(command.args).collect()
    }
}

/// A command without a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the command is empty; it needs at least a program")]
pub struct EmptyCommand;

/// Who looks after an agent's processes, besides its session. The default is nobody: then an agent is found out only by
/// those who started it, and what it leaves behind when they are killed is not.
#[derive(Clone, Debug, Default)]
pub struct Supervision {
    /// A program that does nothing but call [`shim::run`](crate::process::shim::run) with its arguments. Linux only.
    pub shim: Option<Command>,
    /// Where processes are written down before they can act.
    pub registry: Option<Registry>,
    /// Whom the processes work for, in the registry.
    pub label: String,
}

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
    /// How to call the agent, instead of as the backend would. [`BackendType::Acp`] has no other way to know.
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

    /// A variable of the agent's environment, unless it is empty.
    pub(crate) fn variable(&self, name: &str) -> Option<String> {
        let inherited = || match &self.inherit_env {
            Some(environment) => environment.get(name).cloned(),
            None => std::env::var(name).ok(),
        };
        self.env.get(name).cloned().or_else(inherited).filter(|value| !value.is_empty())
    }

    pub(crate) fn mode(&self) -> Result<PermissionMode, crate::BackendError> {
        match self.permission_mode.clone().unwrap_or_default() {
            PermissionMode::Other(mode) => Err(crate::BackendError::UnknownPermissionMode { mode }),
            known => Ok(known),
        }
    }

    pub(crate) fn command_or(&self, command: &Command) -> Command {
        self.command.clone().unwrap_or_else(|| command.clone())
    }

    pub(crate) fn ready_timeout(&self) -> Duration {
        self.ready_timeout.unwrap_or(Duration::from_secs(30))
    }

    /// The working directory, absolute and existing.
    pub(crate) fn working_directory(&self) -> Result<PathBuf, crate::BackendError> {
        let asked = self.cwd.clone().unwrap_or_else(|| PathBuf::from("."));
        match asked.canonicalize() {
            Ok(path) if path.is_dir() => Ok(path),
            _ => Err(crate::BackendError::WorkingDirectory { path: asked }),
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
    fn every_backend_is_read_back_from_its_name() {
        for backend in BackendType::ALL {
            assert_eq!(backend.as_str().parse(), Ok(backend));
            assert_eq!(serde_json::to_value(backend).unwrap(), backend.as_str());
        }
        assert_eq!("claude".parse(), Ok(BackendType::ClaudeCode));
        assert!("cursor".parse::<BackendType>().is_err());
    }

    #[test]
    fn an_unknown_permission_mode_is_kept_and_refused() {
        let config = SpawnConfig { permission_mode: Some("yolo".into()), ..SpawnConfig::default() };
        let error = config.mode().unwrap_err().to_string();
        assert!(error.contains("`yolo`") && error.contains("acceptEdits"), "{error}");
    }
}
