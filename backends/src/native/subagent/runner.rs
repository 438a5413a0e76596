//! Runs a subagent to its end.

use std::sync::{Arc, Mutex};

use uuid::Uuid;

use super::definition::SubAgentDef;
use crate::lock::lock;
use crate::native::agent_loop::{AgentLoop, LoopSettings};
use crate::native::error::{Error, Result};
use crate::native::events::{LoopEvent, Observer};
use crate::native::llm::{LlmClient, LlmError, TokenUsage};
use crate::native::permission::PermissionGate;
use crate::native::tool::ToolRegistry;

/// Makes a client for another model.
pub type ClientFactory = Arc<dyn Fn(&str) -> Result<Arc<dyn LlmClient>, LlmError> + Send + Sync>;

/// What came of a subagent.
#[derive(Clone, Debug, PartialEq)]
pub struct SubAgentResult {
    /// Its id.
    pub agent_id: Uuid,
    /// Its name.
    pub name: String,
    /// The last thing that it has said.
    pub final_content: String,
    /// The tokens that it has used.
    pub total_tokens: u64,
    /// Its requests to the model.
    pub iterations: usize,
    /// Its calls of tools.
    pub tool_calls_count: usize,
}

/// Runs subagents of one agent: with its model, of its tools, and with its permission.
#[derive(Clone)]
pub struct SubAgentRunner {
    client: Arc<dyn LlmClient>,
    /// Makes a client for another model.
    clients: Option<ClientFactory>,
    tools: ToolRegistry,
    gate: Arc<dyn PermissionGate>,
    observer: Observer,
    settings: LoopSettings,
    spent: Arc<Mutex<TokenUsage>>,
}

impl SubAgentRunner {
    /// A runner whose subagents ask this model, and have of these tools what their definitions allow.
    pub fn new(client: Arc<dyn LlmClient>, tools: ToolRegistry, gate: Arc<dyn PermissionGate>) -> Self {
        let settings = LoopSettings::default();
        Self { client, clients: None, tools, gate, observer: Arc::new(|_| {}), settings, spent: Arc::default() }
    }

    /// The same; subagents that name a model of their own get it from there.
    pub fn with_clients(mut self, clients: ClientFactory) -> Self {
        self.clients = Some(clients);
        self
    }

    /// The same, to which somebody listens: to what tools do, and to what goes wrong on the way to the model.
    pub fn with_observer(mut self, observer: Observer) -> Self {
        self.observer = observer;
        self
    }

    /// The same with other settings than usual; the limit of requests is each subagent's own.
    pub fn with_settings(mut self, settings: LoopSettings) -> Self {
        self.settings = settings;
        self
    }

    /// The most requests that a subagent may be given by a call: as many as its caller has.
    pub(super) fn most_turns(&self) -> usize {
        self.settings.max_turns
    }

    /// The same; what its subagents use is added here, until somebody counts it.
    pub(in crate::native) fn with_spent(mut self, spent: Arc<Mutex<TokenUsage>>) -> Self {
        self.spent = spent;
        self
    }

    /// What all subagents have used and nobody has counted yet.
    pub(in crate::native) fn spent(&self) -> Arc<Mutex<TokenUsage>> {
        Arc::clone(&self.spent)
    }

    /// Runs a subagent to its end.
    ///
    /// # Errors
    /// It has a model of its own that cannot be asked, or did not come to a good end.
    pub async fn run(&self, definition: &SubAgentDef, prompt: &str) -> Result<SubAgentResult> {
        let client = match (&definition.model, &self.clients) {
            (None, _) => Arc::clone(&self.client),
            (Some(model), Some(clients)) => clients(model)?,
            (Some(model), None) => {
                let what = format!(
                    "the subagent `{}` wants the model {model}, and there is no way to ask another than {}",
                    definition.name,
                    self.client.model()
                );
                return Err(Error::Config(what));
            }
        };
        let settings = LoopSettings { max_turns: definition.max_turns, ..self.settings.clone() };
        let (observer, spent) = (Arc::clone(&self.observer), self.spent());
        let counted = Mutex::new(TokenUsage::default());
        let heard = move |event: LoopEvent| match event {
            // What the whole turn has used so far.
            LoopEvent::Usage { used, .. } => {
                let mut before = lock(&counted);
                *lock(&spent) += used.less(*before);
                *before = used;
            }
            LoopEvent::ToolStarted { .. } | LoopEvent::ToolEnded { .. } | LoopEvent::Retrying { .. } => observer(event),
            _ => {}
        };
        let mut agent = AgentLoop::new(client, definition.tools_of(&self.tools), definition.system_prompt.clone())
            .with_settings(settings)
            .with_gate(Arc::clone(&self.gate))
            .with_observer(Arc::new(heard));
        let done = agent.run(prompt).await?;
        Ok(SubAgentResult {
            agent_id: done.agent_id,
            name: definition.name.clone(),
            final_content: done.final_content,
            total_tokens: done.total_tokens,
            iterations: done.iterations,
            tool_calls_count: done.tool_calls_count,
        })
    }
}
