//! Scripted agents that speak the four protocols over standard input and output, for the demo, for dry runs and for tests.
//! They think nothing: what they do stands in a script, or in directives in each prompt (see [`script`]). They are never
//! passed off as real ones: the model they report is `simulated`.

mod acp;
mod brain;
mod claude;
mod codex;
mod gemini;
pub mod script;
mod tools;
mod turn;

use std::path::Path;

use brain::Brain;
pub use brain::{DIR_VARIABLE, FINISH_VARIABLE};

use crate::command::Command;
use crate::kind::BackendType;

/// The verb by which a program becomes a simulated agent.
const VERB: &str = "simulate";

/// Whether a command is a simulated agent, which needs neither another program nor a login.
pub fn is_simulated(command: &Command) -> bool {
    command.args().first().is_some_and(|word| word == VERB)
}

/// Whose protocol is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SimulatedAgent {
    /// Claude Code's stream-json.
    ClaudeCode,
    /// `codex app-server`.
    Codex,
    /// Gemini CLI, one turn.
    Gemini,
    /// An ACP agent.
    Acp,
}

impl SimulatedAgent {
    /// The one that speaks this backend's protocol.
    pub fn of(backend: BackendType) -> Self {
        match backend {
            BackendType::ClaudeCode => Self::ClaudeCode,
            BackendType::Codex => Self::Codex,
            BackendType::GeminiCli => Self::Gemini,
            _ => Self::Acp,
        }
    }

    /// How `program` is called to be this agent: by a verb of this name.
    pub fn command(self, program: impl Into<String>) -> Command {
        Command::new(program).arg(VERB).arg(self.as_str()).arg("--")
    }

    /// Its name on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ClaudeCode => "claude-code",
            Self::Codex => "codex",
            Self::Gemini => "gemini",
            Self::Acp => "acp",
        }
    }
}

/// Is such an agent until its input ends, and answers the exit code. `args` are those that the real one would be given.
///
/// # Errors
/// The script cannot be read, or standard output is gone.
pub async fn run(agent: SimulatedAgent, script: Option<&Path>, args: &[String]) -> std::io::Result<i32> {
    let brain = Brain::new(script)?;
    match agent {
        SimulatedAgent::ClaudeCode => claude::run(brain, args).await,
        SimulatedAgent::Codex => codex::run(brain).await,
        SimulatedAgent::Gemini => gemini::run(brain, args).await,
        SimulatedAgent::Acp => acp::run(brain).await,
    }
}
