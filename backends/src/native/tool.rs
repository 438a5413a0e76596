//! What an agent of our own can be given to act with: the trait of its tools, and the set of those that it has.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::error::Result;

/// Something that a language model can call. Dropping the future of [`execute`](Tool::execute) cancels the call, with all that it has started.
#[async_trait]
pub trait Tool: Send + Sync {
    /// What the model is told of it.
    fn definition(&self) -> ToolDefinition;

    /// What it may do to the machine, by which the permission mode decides whether somebody is asked first.
    fn kind(&self) -> ToolKind {
        ToolKind::Other
    }

    /// What a call with these arguments comes to, for the person who is asked, and for the transcript.
    fn describe(&self, arguments: &Value) -> ToolUse {
        ToolUse { title: format!("{} {arguments}", self.definition().name), ..ToolUse::default() }
    }

    /// How long a call may take; `None` where the tool itself ends in time.
    fn time_limit(&self) -> Option<Duration> {
        Some(Duration::from_secs(600))
    }

    /// Whether its calls start other agents. Those do not get it themselves.
    fn spawns_agents(&self) -> bool {
        false
    }

    /// How much runs in the background that calls of this tool have begun, and whose end was not told yet.
    fn running_in_background(&self) -> usize {
        0
    }

    /// Ends what calls of this tool have begun in the background.
    fn stop_background(&self) {}

    /// Does what the call asks for. The answer goes to the model as JSON, or as plain text when it is a string.
    ///
    /// # Errors
    /// The arguments make no sense, or what was asked for cannot be done. The model is told the message.
    async fn execute(&self, arguments: Value) -> Result<Value>;
}

/// What a language model is told of a tool.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ToolDefinition {
    /// Its name, of letters, digits and underscores.
    pub name: String,
    /// What it does, for the model.
    pub description: String,
    /// Its arguments, as a JSON schema of type `object`.
    pub parameters: Value,
}

/// What a tool may do to the machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ToolKind {
    /// It reads or searches files.
    Read,
    /// It changes files.
    Edit,
    /// It runs a program.
    Execute,
    /// It fetches something over the network.
    Fetch,
    /// The program that embeds the agent has given it, and allowed it thereby.
    Given,
    /// An MCP server has it, which knows best what it does.
    Server,
    /// Nobody knows.
    #[default]
    Other,
}

/// What one call of a tool comes to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ToolUse {
    /// What it does, in one line for people.
    pub title: String,
    /// The command that it runs: its words, the program first. Empty when it runs none.
    pub argv: Vec<String>,
    /// The command line that a shell is given, where it runs a shell.
    pub shell: Option<String>,
    /// The change of a file that it makes.
    pub change: Option<FileChange>,
}

/// A change of one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileChange {
    /// The file, as the model has named it.
    pub path: String,
    /// What stood there; `None` for a new file.
    pub old: Option<String>,
    /// What is to stand there.
    pub new: String,
}

/// The tools that an agent has, by name.
#[derive(Clone, Default)]
pub struct ToolRegistry {
    tools: BTreeMap<String, Arc<dyn Tool>>,
}

impl ToolRegistry {
    /// A registry without tools.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a tool. One of the same name is replaced.
    pub fn register(&mut self, tool: Arc<dyn Tool>) {
        self.tools.insert(tool.definition().name, tool);
    }

    /// Takes a tool out; answers whether it was there.
    pub fn remove(&mut self, name: &str) -> bool {
        self.tools.remove(name).is_some()
    }

    /// Keeps the tools that this accepts, by their names and what they are.
    pub fn retain(&mut self, mut keep: impl FnMut(&str, &dyn Tool) -> bool) {
        self.tools.retain(|name, tool| keep(name, &**tool));
    }

    /// The tool with this name.
    pub fn get(&self, name: &str) -> Option<&Arc<dyn Tool>> {
        self.tools.get(name)
    }

    /// The names of all tools, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.tools.keys().map(String::as_str)
    }

    /// How much runs in the background that calls of these tools have begun.
    pub fn running_in_background(&self) -> usize {
        self.tools.values().map(|tool| tool.running_in_background()).sum()
    }

    /// Ends what calls of these tools have begun in the background.
    pub fn stop_background(&self) {
        self.tools.values().for_each(|tool| tool.stop_background());
    }

    /// What the model is told of all tools, in the order of their names.
    pub fn definitions(&self) -> Vec<ToolDefinition> {
        self.tools.values().map(|tool| tool.definition()).collect()
    }
}

impl fmt::Debug for ToolRegistry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.names()).finish()
    }
}
