//! Scripted agents that speak the four protocols over standard input and output, for the demo, for dry runs and for tests.
//! They think nothing: what they do stands in a script, or in directives in each prompt (see [`script`]). They are never
//! passed off as real ones: the model they report is `simulated`.

mod acp;
mod claude;
mod codex;
mod gemini;
pub mod script;
mod tools;
mod turn;

use std::io::Write as _;
use std::path::{Path, PathBuf};

use script::{Script, Step};

use crate::kind::BackendType;

/// The variable that names a folder in which simulated agents keep their conversations; without it they forget them, and
/// cannot resume.
pub const DIR_VARIABLE: &str = "AGENT_SIMULATE_DIR";

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

/// What an agent will do, and where it remembers.
#[derive(Clone, Debug)]
struct Brain {
    script: Script,
    dir: Option<PathBuf>,
    /// What it was given besides its own tools.
    servers: Vec<tools::Server>,
}

impl Brain {
    fn new(script: Option<&Path>) -> std::io::Result<Self> {
        let script = match script {
            Some(path) => serde_json::from_slice(&std::fs::read(path)?)?,
            None => Script::default(),
        };
        Ok(Self { script, dir: std::env::var_os(DIR_VARIABLE).map(PathBuf::from), servers: Vec::new() })
    }

    fn with_servers(mut self, servers: Vec<tools::Server>) -> Self {
        self.servers = servers;
        self
    }

    fn new_memory(&self, session: &str) -> Memory {
        Memory { path: self.path(session), prompts: Vec::new() }
    }

    fn path(&self, session: &str) -> Option<PathBuf> {
        let harmless = session.chars().all(|char| char.is_ascii_alphanumeric() || char == '-');
        Some(self.dir.as_ref().filter(|_| harmless)?.join(format!("{session}.jsonl")))
    }

    /// The conversation of that id, if there was one with a turn.
    fn recall(&self, session: &str) -> Option<Memory> {
        let path = self.path(session)?;
        let bytes = std::fs::read(&path).ok()?;
        // A line that was cut off when the agent was killed is not remembered.
        let prompts = bytes.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect();
        Some(Memory { path: Some(path), prompts })
    }

    /// What to do with a prompt that is in memory already.
    fn steps(&self, memory: &Memory) -> Vec<Step> {
        let prompt = memory.prompts.last().map(String::as_str).unwrap_or_default();
        match self.script.turns.get(memory.prompts.len().saturating_sub(1)) {
            Some(steps) => steps.clone(),
            None => script::directives(prompt),
        }
    }
}

/// What a turn begins with.
#[derive(Clone, Debug, PartialEq)]
struct Prompt {
    /// What whoever gives it calls it.
    id: Option<String>,
    text: String,
}

impl Prompt {
    fn new(text: impl Into<String>) -> Self {
        Self { id: None, text: text.into() }
    }
}

/// A conversation.
#[derive(Clone, Debug)]
struct Memory {
    path: Option<PathBuf>,
    prompts: Vec<String>,
}

impl Memory {
    fn add(&mut self, prompt: &Prompt) {
        self.prompts.push(prompt.text.clone());
        let Some(path) = &self.path else { return };
        let known = prompt.id.as_ref().map_or(Ok(()), |id| append(&path.with_extension("inputs"), id));
        if let Err(error) = append(path, &prompt.text).and(known) {
            eprintln!("cannot remember: {error}");
        }
    }

    /// The ids of the prompts, as far as they had one.
    fn ids(&self) -> Vec<String> {
        let bytes =
            self.path.as_ref().and_then(|path| std::fs::read(path.with_extension("inputs")).ok()).unwrap_or_default();
        bytes.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect()
    }
}

fn append(path: &Path, prompt: &str) -> std::io::Result<()> {
    std::fs::create_dir_all(path.parent().unwrap_or(Path::new(".")))?;
    let mut file = std::fs::OpenOptions::new().append(true).create(true).open(path)?;
    // Of a line that was cut off only its end is missing.
    file.write_all(format!("\n{}\n", serde_json::to_string(prompt)?).as_bytes())
}

/// The value after a flag.
fn flag<'a>(args: &'a [String], name: &str) -> Option<&'a str> {
    let at = args.iter().position(|arg| arg == name)?;
    args.get(at + 1).map(String::as_str)
}
