//! What a registry knows of an agent, and filters over that: plain values.

use serde::{Deserialize, Serialize};

/// What a registry knows of an agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentMetadata {
    /// Its id, which no other agent of the registry has.
    pub id: String,
    /// Its name, as the agent itself says it.
    pub name: String,
    /// What it does.
    pub description: String,
    /// Its field: `research`, `analysis`.
    pub category: String,
    /// Its version: `1.0.0`, unless somebody says another.
    pub version: String,
    /// The tools that it can use.
    pub tools: Vec<String>,
    /// What it is good at.
    pub skills: Vec<String>,
    /// Words to find it by.
    pub tags: Vec<String>,
    /// How often it is asked again after a failure that may not come again: 3 times, unless somebody says otherwise.
    pub max_retries: usize,
    /// How many seconds it may take, retries included: 300, unless somebody says otherwise.
    pub timeout_secs: u64,
    /// Whether it may be asked: yes, unless somebody says otherwise.
    pub enabled: bool,
}

impl AgentMetadata {
    /// Metadata with the default limits.
    pub fn new(
        id: impl Into<String>,
        name: impl Into<String>,
        description: impl Into<String>,
        category: impl Into<String>,
    ) -> Self {
        Self {
            id: id.into(),
            name: name.into(),
            description: description.into(),
            category: category.into(),
            version: "1.0.0".to_owned(),
            tools: Vec::new(),
            skills: Vec::new(),
            tags: Vec::new(),
            max_retries: 3,
            timeout_secs: 300,
            enabled: true,
        }
    }

    /// The same with one more tool.
    #[must_use]
    pub fn with_tool(mut self, tool: impl Into<String>) -> Self {
        self.tools.push(tool.into());
        self
    }

    /// The same with one more skill.
    #[must_use]
    pub fn with_skill(mut self, skill: impl Into<String>) -> Self {
        self.skills.push(skill.into());
        self
    }

    /// The same with one more tag.
    #[must_use]
    pub fn with_tag(mut self, tag: impl Into<String>) -> Self {
        self.tags.push(tag.into());
        self
    }

    /// The same with this version.
    #[must_use]
    pub fn with_version(self, version: impl Into<String>) -> Self {
        Self { version: version.into(), ..self }
    }

    /// The same with so many retries.
    #[must_use]
    pub fn with_max_retries(self, max_retries: usize) -> Self {
        Self { max_retries, ..self }
    }

    /// The same with so many seconds.
    #[must_use]
    pub fn with_timeout(self, timeout_secs: u64) -> Self {
        Self { timeout_secs, ..self }
    }

    /// The same, enabled or not.
    #[must_use]
    pub fn with_enabled(self, enabled: bool) -> Self {
        Self { enabled, ..self }
    }
}

/// What agents have to have to be found. Without any condition it finds all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AgentFilter {
    category: Option<String>,
    tools: Vec<String>,
    skills: Vec<String>,
    tags: Vec<String>,
    enabled_only: bool,
}

impl AgentFilter {
    /// A filter that finds all agents.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same, of this category only.
    #[must_use]
    pub fn with_category(self, category: impl Into<String>) -> Self {
        Self { category: Some(category.into()), ..self }
    }

    /// The same, with this tool, too.
    #[must_use]
    pub fn with_tool(mut self, tool: impl Into<String>) -> Self {
        self.tools.push(tool.into());
        self
    }

    /// The same, with this skill, too.
    #[must_use]
    pub fn with_skill(mut self, skill: impl Into<String>) -> Self {
        self.skills.push(skill.into());
        self
    }

    /// The same, with this tag, too.
    #[must_use]
    pub fn with_tag(mut self, tag: impl Into<String>) -> Self {
        self.tags.push(tag.into());
        self
    }

    /// The same, without those that may not be asked.
    #[must_use]
    pub fn enabled_only(self) -> Self {
        Self { enabled_only: true, ..self }
    }

    /// Whether an agent has all that it has to have.
    pub fn matches(&self, agent: &AgentMetadata) -> bool {
        let all_in = |wanted: &[String], has: &[String]| wanted.iter().all(|word| has.contains(word));
        self.category.as_ref().is_none_or(|category| *category == agent.category)
            && all_in(&self.tools, &agent.tools)
            && all_in(&self.skills, &agent.skills)
            && all_in(&self.tags, &agent.tags)
            && (agent.enabled || !self.enabled_only)
    }
}
