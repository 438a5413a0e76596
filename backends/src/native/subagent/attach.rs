//! Gives an agent its subagents.

use std::sync::Arc;

use tokio::sync::mpsc;

use super::registry::SubAgentRegistry;
use super::runner::{ClientFactory, SubAgentRunner};
use super::tool::SpawnSubAgentTool;
use crate::lock::lock;
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
        self.tools.retain(|_, tool| !tool.spawns_agents());
        let mut runner = SubAgentRunner::new(Arc::clone(&self.client), self.tools.clone(), Arc::clone(&self.gate))
            .with_observer(Arc::clone(&self.observer))
            .with_settings(self.settings.clone());
        if let Some(clients) = clients {
            runner = runner.with_clients(clients);
        }
        let spent = self.spent_by_others.take().map(|before| std::mem::take(&mut *lock(&before)));
        *lock(&runner.spent()) += spent.unwrap_or_default();
        self.spent_by_others = Some(runner.spent());
        // As few as there are subagents.
        let (results, ended) = mpsc::unbounded_channel();
        self.set_background_rx(ended);
        self.tools.register(Arc::new(SpawnSubAgentTool::new(runner, registry, Some(results))));
    }
}
