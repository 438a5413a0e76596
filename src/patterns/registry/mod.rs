//! Agents under ids, with limits that are obeyed when one is asked.

mod error;
mod metadata;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::agent::Agent;
use super::config::ExecutionConfig;
use super::context::ExecutionContext;
use super::run::Run;
use super::values::{AgentInput, AgentOutput};
use crate::sync::lock;

pub use error::RegistryError;
pub use metadata::{AgentFilter, AgentMetadata};

#[derive(Clone)]
struct Entry {
    agent: Arc<dyn Agent>,
    metadata: AgentMetadata,
}

/// Agents under ids. Clones are the same registry.
#[derive(Clone, Default)]
pub struct AgentRegistry {
    entries: Arc<Mutex<BTreeMap<String, Entry>>>,
}

impl AgentRegistry {
    /// An empty registry.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an agent under the id of its metadata.
    ///
    /// # Errors
    /// The id is in use or empty, the metadata name another agent, or the time limit is zero.
    pub async fn register(&self, agent: Box<dyn Agent>, metadata: AgentMetadata) -> Result<(), RegistryError> {
        let id = metadata.id.clone();
        let bad = |reason: &str| Err(RegistryError::BadMetadata { id: id.clone(), reason: reason.to_owned() });
        if id.is_empty() {
            return bad("the id is empty; give one");
        }
        if metadata.timeout_secs == 0 {
            return bad("a time limit of zero leaves no time; give a longer one");
        }
        if metadata.name != agent.name() {
            let (expected, actual) = (metadata.name, agent.name().to_owned());
            return Err(RegistryError::NameMismatch { id, expected, actual });
        }
        let mut entries = lock(&self.entries);
        if entries.contains_key(&id) {
            return Err(RegistryError::Exists { id });
        }
        entries.insert(id, Entry { agent: agent.into(), metadata });
        Ok(())
    }

    /// Removes an agent, and answers what was known of it. Whoever asks it meanwhile still gets its answer.
    ///
    /// # Errors
    /// No agent has that id.
    pub async fn unregister(&self, id: &str) -> Result<AgentMetadata, RegistryError> {
        let removed = lock(&self.entries).remove(id);
        removed.map(|entry| entry.metadata).ok_or_else(|| self.not_found(id))
    }

    /// Whether there is an agent of that id.
    pub async fn contains(&self, id: &str) -> bool {
        lock(&self.entries).contains_key(id)
    }

    /// The agent of that id, to be asked without its limits, or as a part of an orchestration.
    pub async fn agent(&self, id: &str) -> Option<Arc<dyn Agent>> {
        lock(&self.entries).get(id).map(|entry| Arc::clone(&entry.agent))
    }

    /// What is known of the agent of that id.
    pub async fn metadata(&self, id: &str) -> Option<AgentMetadata> {
        lock(&self.entries).get(id).map(|entry| entry.metadata.clone())
    }

    /// What is known of all agents, in the order of their ids.
    pub async fn list(&self) -> Vec<AgentMetadata> {
        self.find(&AgentFilter::new()).await
    }

    /// What is known of the agents that a filter finds, in the order of their ids.
    pub async fn find(&self, filter: &AgentFilter) -> Vec<AgentMetadata> {
        let entries = lock(&self.entries);
        let found = entries.values().map(|entry| &entry.metadata).filter(|metadata| filter.matches(metadata));
        found.cloned().collect()
    }

    /// Says whether an agent may be asked.
    ///
    /// # Errors
    /// No agent has that id.
    pub async fn set_enabled(&self, id: &str, enabled: bool) -> Result<(), RegistryError> {
        if let Some(entry) = lock(&self.entries).get_mut(id) {
            entry.metadata.enabled = enabled;
            return Ok(());
        }
        Err(self.not_found(id))
    }

    /// Asks an agent, within the limits of its metadata.
    ///
    /// # Errors
    /// No agent has that id, it is disabled, or it has failed.
    pub async fn execute_agent(&self, id: &str, input: AgentInput) -> Result<AgentOutput, RegistryError> {
        let entry = lock(&self.entries).get(id).cloned();
        let Entry { agent, metadata } = entry.ok_or_else(|| self.not_found(id))?;
        if !metadata.enabled {
            return Err(RegistryError::Disabled { id: metadata.id });
        }
        let config = ExecutionConfig::new()
            .with_max_retries(metadata.max_retries)
            .with_timeout(Duration::from_secs(metadata.timeout_secs))
            .with_tracing(false);
        let run = Run::begin(&ExecutionContext::new(config))?;
        let asker = run.asker();
        let answer = run.apart(async move { asker.ask(0, agent.as_ref(), &input).await }).await??;
        Ok(answer)
    }

    fn not_found(&self, id: &str) -> RegistryError {
        RegistryError::NotFound { id: id.to_owned(), known: lock(&self.entries).keys().cloned().collect() }
    }
}

impl fmt::Debug for AgentRegistry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(lock(&self.entries).keys()).finish()
    }
}

/// Describes a registry.
#[derive(Debug, Default)]
pub struct AgentRegistryBuilder {
    registry: AgentRegistry,
}

impl AgentRegistryBuilder {
    /// A registry without agents.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same with one more agent.
    ///
    /// # Errors
    /// As [`AgentRegistry::register`].
    pub async fn with_agent(self, agent: Box<dyn Agent>, metadata: AgentMetadata) -> Result<Self, RegistryError> {
        self.registry.register(agent, metadata).await?;
        Ok(self)
    }

    /// The registry.
    pub fn build(self) -> AgentRegistry {
        self.registry
    }
}

#[cfg(test)]
mod tests;
