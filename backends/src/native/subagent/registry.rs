//! The subagents that can be called by name.

use std::collections::BTreeMap;

use super::definition::SubAgentDef;

const EXPLORE: &str = "You explore a project for another agent, which sees nothing but your last answer. Search widely first, then read what matters. Say what you found with the \
                       names of files and the numbers of lines; say what you looked for and did not find. Change nothing.";
const PLAN: &str = "You plan a change for another agent, which sees nothing but your last answer. Read what the change touches, then give the steps in order: which files, what in them, \
                    what may break, and how it is checked. Change nothing.";
const GENERAL: &str = "You do a piece of work for another agent, which sees nothing but your last answer. Do what you are asked and no more, check it, and say what you did, what you found, \
                       and what is left.";

/// The subagents that can be called by name.
#[derive(Clone, Debug, Default)]
pub struct SubAgentRegistry {
    known: BTreeMap<String, SubAgentDef>,
}

impl SubAgentRegistry {
    /// Without any.
    pub fn new() -> Self {
        Self::default()
    }

    /// With those that every agent has: `explore` and `plan`, which change nothing, and `general-purpose`.
    pub fn builtin() -> Self {
        let mut registry = Self::new();
        let explore =
            SubAgentDef::new("explore", "searches and reads, and says what is where; changes nothing", EXPLORE);
        registry.register(explore.read_only());
        let plan = SubAgentDef::new("plan", "reads what a change touches, and plans it; changes nothing", PLAN);
        registry.register(plan.read_only());
        registry.register(SubAgentDef::new("general-purpose", "does any piece of work, with all tools", GENERAL));
        registry
    }

    /// Adds a subagent. One of the same name is replaced.
    pub fn register(&mut self, definition: SubAgentDef) {
        self.known.insert(definition.name.clone(), definition);
    }

    /// The subagent with this name.
    pub fn get(&self, name: &str) -> Option<&SubAgentDef> {
        self.known.get(name)
    }

    /// All of them, in the order of their names.
    pub fn list(&self) -> Vec<&SubAgentDef> {
        self.known.values().collect()
    }
}
