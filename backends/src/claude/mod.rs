//! Claude Code: one long-lived process, stream-json both ways.

#[cfg(fuzzing)]
pub(crate) mod fuzz;
mod handshake;
pub mod lead;
pub mod plugin;
mod protocol;
mod questions;
mod session;
mod steering;
mod transcript;

use async_trait::async_trait;

use crate::backend::{AgentBackend, AgentSession};
use crate::capabilities::{Capabilities, Group};
use crate::command::Command;
use crate::config::SpawnConfig;
use crate::error::{BackendError, Result};
use crate::kind::BackendType;
use crate::login;
use crate::permission::PermissionMode;
use crate::process::AgentProcess;
use crate::session::Session;
use crate::usual::Maker;

/// The program, when nobody says otherwise.
const PROGRAM: &str = "claude";
const PACKAGE: &str = "@anthropic-ai/claude-code";
/// What marks a shell as Claude Code's.
pub(crate) const SHELL_MARKS: &[&str] = &[
    "CLAUDECODE",
    "CLAUDE_CODE_ENTRYPOINT",
    "CLAUDE_CODE_SESSION_ID",
    "CLAUDE_CODE_SSE_PORT",
    // Of one that leads.
    "AI_AGENT",
    "CLAUDE_PID",
    "CLAUDE_CODE_LAUNCHED_BY_SESSION_IDS",
    "CLAUDE_CODE_MESSAGING_SOCKET",
    "CLAUDE_CODE_MESSAGING_TOKEN",
    "CLAUDE_CODE_TEAMMATE_COMMAND",
];

/// Runs Claude Code as `claude -p` with stream-json input and output.
#[derive(Clone, Debug)]
pub struct ClaudeCodeBackend {
    command: Command,
}

impl ClaudeCodeBackend {
    /// Runs `claude`, which is looked for when a session is spawned.
    pub fn new() -> Self {
        Self::with_command(Command::new(PROGRAM))
    }

    /// Runs another command.
    pub fn with_command(command: Command) -> Self {
        Self { command }
    }
}

impl Default for ClaudeCodeBackend {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl AgentBackend for ClaudeCodeBackend {
    fn backend_type(&self) -> BackendType {
        BackendType::ClaudeCode
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            steers: true,
            steered_as_user: true,
            keeps_order: true,
            asks: true,
            keeps_grants: true,
            resumes: true,
            changes_mode: true,
            agent_types: true,
            // The last three are those of the clouds that it can reach its models in.
            account_variables: &["ANTHROPIC_", "CLAUDE_CO", "AWS_", "GOOGLE_", "AZURE_"],
            login: handshake::LOGIN,
            ..Capabilities::default()
        }
    }

    /// With its flags Claude Code is a teammate, which leads no team of its own. Without our tools, its own work on the team's
    /// files; with both it would be told of two ways to talk to the same teammates.
    fn join(&self, config: &mut SpawnConfig, group: &Group<'_>) {
        let id = format!("{}@{}", group.member, group.name);
        let flags = [("--agent-id", id.as_str()), ("--agent-name", group.member), ("--team-name", group.name)];
        config.extra_args.extend(flags.iter().flat_map(|(flag, value)| [(*flag).to_owned(), (*value).to_owned()]));
        let own_tools = ["CLAUDE_CODE_EXPERIMENTAL_AGENT_TEAMS", "CLAUDE_CODE_ENABLE_TODO_TOOLS"];
        for variable in own_tools.into_iter().filter(|_| !group.has_tools) {
            config.env.entry(variable.to_owned()).or_insert_with(|| "1".to_owned());
        }
    }

    fn default_command(&self) -> Option<Command> {
        Some(self.command.clone())
    }

    fn npm_package(&self) -> Option<&'static str> {
        Some(PACKAGE)
    }

    fn tested_version(&self) -> Option<&'static str> {
        Some("2.1.329")
    }

    fn oldest_version(&self) -> Option<&'static str> {
        Some("2.1.150")
    }

    fn runs_model(&self, model: &str) -> Option<bool> {
        const SHORT: [&str; 5] = ["default", "opus", "opusplan", "sonnet", "haiku"];
        let name = model.split('[').next().unwrap_or(model);
        if SHORT.contains(&name) { Some(true) } else { Maker::of(model).map(|maker| maker == Maker::Anthropic) }
    }

    async fn login_state(&self, command: &Command) -> Option<bool> {
        login::by_start(self, command).await
    }

    async fn spawn(&self, mut config: SpawnConfig) -> Result<Box<dyn AgentSession>> {
        let mode = config.mode()?;
        let cwd = config.working_directory()?;
        let session_id = config.resume.clone().unwrap_or_else(|| uuid::Uuid::new_v4().to_string());
        let args = arguments(&config, &mode, &session_id);
        // What the servers' variables refer to.
        let variables = config.mcp_servers.iter().flat_map(|server| server.env.clone());
        config.env.extend(variables.collect::<Vec<_>>());
        let command = config.command_or(&self.command);
        let mut spec = config.process(BackendType::ClaudeCode, command, args, cwd.clone());
        spec.package = Some(PACKAGE);
        let (mut process, stdin, stdout) = AgentProcess::spawn(spec)?;
        let asked =
            handshake::Asked { session_id, resumed: config.resume.is_some(), cwd, mode, model: config.model.clone() };
        let limit = config.ready_limit();
        let ready = handshake::Ready::wait(&process, stdout, &stdin, &config.prompt, &asked);
        let ready = match tokio::time::timeout(limit, ready).await {
            Ok(Ok(ready)) => ready,
            Ok(Err(error)) => {
                process.stop(Some(&stdin), crate::process::Grace::NONE).await?;
                return Err(match (error, config.resume) {
                    (BackendError::NotReady { backend, stderr, .. }, Some(id))
                        if stderr.contains("No conversation found") =>
                    {
                        BackendError::ConversationLost { backend, id, reason: stderr }
                    }
                    (error, _) => error,
                });
            }
            Err(_) => {
                process.stop(Some(&stdin), crate::process::Grace::NONE).await?;
                return Err(BackendError::Timeout {
                    backend: BackendType::ClaudeCode,
                    call: "initialize".into(),
                    after: limit,
                });
            }
        };
        let given = config.mcp_servers.iter().map(|server| format!("mcp__{}__", server.name)).collect();
        // It has answered; that its process is known may come a moment later.
        process.begun().await;
        let driver = session::ClaudeSession::new(process, stdin, ready, asked, transcript::folder(&config), given);
        Ok(Session::start(config.name, driver))
    }
}

fn arguments(config: &SpawnConfig, mode: &PermissionMode, session_id: &str) -> Vec<String> {
    let mut args: Vec<String> = [
        "-p",
        "--input-format",
        "stream-json",
        "--output-format",
        "stream-json",
        "--verbose",
        "--include-partial-messages",
        "--permission-prompt-tool",
        "stdio",
        "--permission-mode",
        mode.as_str(),
        if config.resume.is_some() { "--resume" } else { "--session-id" },
        session_id,
    ]
    .map(str::to_owned)
    .into();
    let options = [
        ("--model", config.model.clone()),
        ("--effort", config.effort.clone()),
        ("--max-turns", config.max_turns.map(|turns| turns.to_string())),
    ];
    for (flag, value) in options {
        if let Some(value) = value {
            args.extend([flag.to_owned(), value]);
        }
    }
    if config.later_mode == Some(PermissionMode::BypassPermissions) {
        args.push("--allow-dangerously-skip-permissions".to_owned());
    }
    if !config.mcp_servers.is_empty() {
        let names: Vec<String> = config.mcp_servers.iter().map(|server| format!("mcp__{}", server.name)).collect();
        args.extend(["--mcp-config".to_owned(), protocol::mcp_config(&config.mcp_servers)]);
        args.extend(["--allowedTools".to_owned(), names.join(",")]);
        args.extend(["--disallowedTools".to_owned(), OWN_TEAM_TOOLS.to_owned()]);
    }
    args.extend(config.extra_args.iter().cloned());
    args
}

/// Tools of Claude Code's own for talking to other agents, and for a task list.
const OWN_TEAM_TOOLS: &str = "SendMessage,ListAgents,TaskCreate,TaskGet,TaskList,TaskUpdate";
