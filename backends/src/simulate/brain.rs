//! What a simulated agent will do, and what it remembers of a conversation.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use super::script::{self, Script, Step};
use super::tools;

/// The variable that names a folder in which simulated agents keep their conversations; without it they forget them, and
/// cannot resume.
pub const DIR_VARIABLE: &str = "AGENT_SIMULATE_DIR";

/// The variable that, when it is set, makes simulated agents finish whatever they are asked to finish, for a run that only shows how it
/// goes.
pub const FINISH_VARIABLE: &str = "AGENT_SIMULATE_FINISH";

/// What an agent will do, and where it remembers.
#[derive(Clone, Debug)]
pub(super) struct Brain {
    pub(super) script: Script,
    pub(super) dir: Option<PathBuf>,
    /// It finishes what it is asked to finish.
    finishes: bool,
    /// Where it works, where that is not where its process does.
    pub(super) cwd: Option<PathBuf>,
    /// What it was given besides its own tools.
    pub(super) servers: Vec<tools::Server>,
}

impl Brain {
    pub(super) fn new(script: Option<&Path>) -> std::io::Result<Self> {
        let script = match script {
            Some(path) => serde_json::from_slice(&std::fs::read(path)?)?,
            None => Script::default(),
        };
        let finishes = std::env::var_os(FINISH_VARIABLE).is_some();
        Ok(Self {
            script,
            dir: std::env::var_os(DIR_VARIABLE).map(PathBuf::from),
            finishes,
            cwd: None,
            servers: Vec::new(),
        })
    }

    pub(super) fn with_servers(mut self, servers: Vec<tools::Server>) -> Self {
        self.servers = servers;
        self
    }

    pub(super) fn with_cwd(mut self, cwd: Option<&str>) -> Self {
        self.cwd = cwd.map(PathBuf::from);
        self
    }

    pub(super) fn new_memory(&self, session: &str) -> Memory {
        Memory { path: self.path(session), prompts: Vec::new() }
    }

    pub(super) fn path(&self, session: &str) -> Option<PathBuf> {
        let harmless = session.chars().all(|char| char.is_ascii_alphanumeric() || char == '-');
        Some(self.dir.as_ref().filter(|_| harmless)?.join(format!("{session}.jsonl")))
    }

    /// The conversation of that id, if there was one with a turn.
    pub(super) fn recall(&self, session: &str) -> Option<Memory> {
        let path = self.path(session)?;
        let bytes = std::fs::read(&path).ok()?;
        // A line that was cut off when the agent was killed is not remembered.
        let prompts = bytes.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect();
        Some(Memory { path: Some(path), prompts })
    }

    /// What to do with a prompt that is in memory already.
    pub(super) fn steps(&self, memory: &Memory) -> Vec<Step> {
        let prompt = memory.prompts.last().map(String::as_str).unwrap_or_default();
        match self.script.turns.get(memory.prompts.len().saturating_sub(1)) {
            Some(steps) => steps.clone(),
            None => {
                let finish = if self.finishes { script::finish_anything(prompt) } else { None };
                finish.unwrap_or_else(|| script::directives(prompt))
            }
        }
    }
}

/// What a turn begins with.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Prompt {
    /// What whoever gives it calls it.
    pub(super) id: Option<String>,
    pub(super) text: String,
}

impl Prompt {
    pub(super) fn new(text: impl Into<String>) -> Self {
        Self { id: None, text: text.into() }
    }
}

/// A conversation.
#[derive(Clone, Debug)]
pub(super) struct Memory {
    pub(super) path: Option<PathBuf>,
    pub(super) prompts: Vec<String>,
}

impl Memory {
    pub(super) fn add(&mut self, prompt: &Prompt) {
        self.prompts.push(prompt.text.clone());
        let Some(path) = &self.path else { return };
        let known = prompt.id.as_ref().map_or(Ok(()), |id| append(&path.with_extension("inputs"), id));
        if let Err(error) = append(path, &prompt.text).and(known) {
            eprintln!("cannot remember: {error}");
        }
    }

    /// The ids of the prompts, as far as they had one.
    pub(super) fn ids(&self) -> Vec<String> {
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
pub(super) fn flag<'a>(args: &'a [String], name: &str) -> Option<&'a str> {
    let at = args.iter().position(|arg| arg == name)?;
    args.get(at + 1).map(String::as_str)
}
