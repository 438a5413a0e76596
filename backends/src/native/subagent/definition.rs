//! What a subagent is.

use crate::native::tool::{ToolKind, ToolRegistry};

/// The requests to the model that a subagent may make when nobody says otherwise.
const MAX_TURNS: usize = 30;

/// What a subagent is: what it is told, which tools it has, and how long it may work.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SubAgentDef {
    /// Its name.
    pub name: String,
    /// What it is good for, for the agent that may call it.
    pub description: String,
    /// Its standing instructions.
    pub system_prompt: String,
    /// The only tools that it gets; empty for all that its caller has.
    pub allowed_tools: Vec<String>,
    /// Tools that it does not get.
    pub disallowed_tools: Vec<String>,
    /// It gets no tool that changes something or runs a program, whatever else is said.
    pub read_only: bool,
    /// The most requests to the model.
    pub max_turns: usize,
    /// Its model; `None` for that of its caller.
    pub model: Option<String>,
    /// It works in the background, also when the call does not ask for that.
    pub background: bool,
}

impl SubAgentDef {
    /// A subagent with all tools of its caller.
    pub fn new(name: impl Into<String>, description: impl Into<String>, system_prompt: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            description: description.into(),
            system_prompt: system_prompt.into(),
            allowed_tools: Vec::new(),
            disallowed_tools: Vec::new(),
            read_only: false,
            max_turns: MAX_TURNS,
            model: None,
            background: false,
        }
    }

    /// The same with these tools only.
    pub fn with_allowed_tools(mut self, tools: Vec<String>) -> Self {
        self.allowed_tools = tools;
        self
    }

    /// The same without these tools.
    pub fn with_disallowed_tools(mut self, tools: Vec<String>) -> Self {
        self.disallowed_tools = tools;
        self
    }

    /// The same, which can look, and change nothing.
    pub fn read_only(mut self) -> Self {
        self.read_only = true;
        self
    }

    /// The same with another limit of requests.
    pub fn with_max_turns(mut self, most: usize) -> Self {
        self.max_turns = most;
        self
    }

    /// The same with another model.
    pub fn with_model(mut self, model: impl Into<String>) -> Self {
        self.model = Some(model.into());
        self
    }

    /// The same, always in the background.
    pub fn in_background(mut self) -> Self {
        self.background = true;
        self
    }

    /// Its tools, of those that its caller has. A tool that starts agents is never one of them.
    pub(super) fn tools_of(&self, caller: &ToolRegistry) -> ToolRegistry {
        let mut tools = caller.clone();
        tools.retain(|name, tool| {
            let is_harmless = matches!(tool.kind(), ToolKind::Read);
            !tool.spawns_agents()
                && (self.allowed_tools.is_empty() || self.allowed_tools.iter().any(|allowed| allowed == name))
                && self.disallowed_tools.iter().all(|denied| denied != name)
                && (!self.read_only || is_harmless)
        });
        tools
    }
}
