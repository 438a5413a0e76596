//! Gives an agent its subagents.

use std::sync::Arc;

use super::registry::SubAgentRegistry;
use super::runner::{ClientFactory, SubAgentRunner};
use super::tool::{NAME, SpawnSubAgentTool};
use crate::native::agent_loop::AgentLoop;

impl AgentLoop {
    /// The same agent, which can call these subagents. They ask the same model, have those of its tools that they may have, and its permission: so this comes
    /// after everything else is set.
    pub fn with_subagents(mut self, registry: SubAgentRegistry, clients: Option<ClientFactory>) -> Self {
        self.set_subagents(registry, clients);
        self
    }

    /// As [`with_subagents`](Self::with_subagents), instead of those that it had: after a change of its model, for instance.
    pub fn set_subagents(&mut self, registry: SubAgentRegistry, clients: Option<ClientFactory>) {
        // The tool that it has had keeps its subagents alive.
        self.tools.remove(NAME);
        let mut tools = self.tools.clone();
        tools.retain(|_, tool| !tool.spawns_agents());
        let mut runner = SubAgentRunner::new(Arc::clone(&self.client), tools, Arc::clone(&self.gate))
            .with_observer(Arc::clone(&self.observer))
            .with_settings(self.settings.clone());
        if let Some(clients) = clients {
            runner = runner.with_clients(clients);
        }
        let runner = runner.with_spent(self.spent_by_others());
        let results = self.background_tx();
        self.tools.register(Arc::new(SpawnSubAgentTool::new(runner, registry, Some(results))));
    }
}
