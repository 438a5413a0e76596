//! Agents of our own within this process, behind the same two traits as agents that are programs.

mod before_turn;
mod driver;
mod gate;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;

use super::agent_loop::AgentLoop;
use super::conversation::{Conversation, Conversations};
use super::error::Error;
use super::mcp;
use super::permission::PermissionGate;
use super::setup::AgentSetup;
use super::subagent::SubAgentRegistry;
use crate::backend::{AgentBackend, AgentSession};
use crate::capabilities::Capabilities;
use crate::config::SpawnConfig;
use crate::error::{BackendError, Result};
use crate::kind::BackendType;
use crate::session::Session;
pub use before_turn::BeforeTurn;
use driver::{InProcess, Parts};

/// Makes the agent of a session, in the folder that it works in.
type Maker = Arc<dyn Fn(&SpawnConfig, &Path) -> Result<AgentLoop, Error> + Send + Sync>;

/// Runs agents of our own within this process: fifty of them cost little more than one. What a crash of the process would cost them, `teams agent` keeps
/// (see [`AcpBackend::native`](crate::acp::AcpBackend::native)).
#[derive(Clone)]
pub struct InProcessBackend {
    maker: Maker,
    /// Where conversations are kept.
    conversations: Option<Conversations>,
    /// Whom the agents can call.
    subagents: Option<SubAgentRegistry>,
    /// Who decides besides the session's permission mode.
    gate: Option<Arc<dyn PermissionGate>>,
    /// Prepares them for each turn.
    before_turn: Option<Arc<dyn BeforeTurn>>,
}

impl InProcessBackend {
    /// The backend that its members have.
    pub const KIND: BackendType = BackendType::Native;

    /// Agents that are made of this. Each session's own model, instructions and limit of requests come before those.
    pub fn new(setup: AgentSetup) -> Self {
        Self::made_by(move |config, work_dir| {
            let mut setup = setup.clone();
            setup.llm.model = config.model.clone().or(setup.llm.model);
            setup.llm.effort = config.effort.clone().or(setup.llm.effort);
            if !config.prompt.is_empty() {
                setup.instructions = format!("{}\n\n{}", setup.instructions, config.prompt);
            }
            if let Some(most) = config.max_turns {
                setup.settings.max_turns = usize::try_from(most).unwrap_or(usize::MAX);
            }
            setup.agent(work_dir)
        })
        .with_subagents(SubAgentRegistry::builtin())
    }

    /// Agents that this function makes, of a session's settings and the folder that it works in: with any model and any tools.
    pub fn made_by(make: impl Fn(&SpawnConfig, &Path) -> Result<AgentLoop, Error> + Send + Sync + 'static) -> Self {
        Self { maker: Arc::new(make), conversations: None, subagents: None, gate: None, before_turn: None }
    }

    /// The same; the agents can call these subagents, which ask the model of their caller.
    pub fn with_subagents(self, subagents: SubAgentRegistry) -> Self {
        Self { subagents: Some(subagents), ..self }
    }

    /// The same; what the agents' permission mode allows is allowed only if this allows it, too.
    pub fn with_gate(self, gate: Arc<dyn PermissionGate>) -> Self {
        Self { gate: Some(gate), ..self }
    }

    /// The same; this prepares the agents for each of their turns.
    pub fn with_before_turn(self, before_turn: Arc<dyn BeforeTurn>) -> Self {
        Self { before_turn: Some(before_turn), ..self }
    }

    /// The same, with conversations that are kept in this folder, and can be continued.
    pub fn with_conversations(self, dir: impl Into<PathBuf>) -> Self {
        Self { conversations: Some(Conversations::new(dir)), ..self }
    }

    /// The conversation of a session, and its name.
    fn conversation(&self, config: &SpawnConfig) -> Result<(String, Conversation)> {
        let backend = Self::KIND;
        let lost = |id: &str, reason: String| BackendError::ConversationLost { backend, id: id.to_owned(), reason };
        match (&self.conversations, &config.resume) {
            (None, None) => Ok((uuid::Uuid::new_v4().to_string(), Conversation::new())),
            (None, Some(id)) => Err(lost(id, "its conversations were kept in memory only".to_owned())),
            (Some(kept), None) => kept.create().map_err(BackendError::io("a conversation cannot be begun")),
            (Some(kept), Some(id)) => match kept.open(id) {
                Ok(conversation) => Ok((id.clone(), conversation)),
                Err(error) => Err(lost(id, error.to_string())),
            },
        }
    }
}

#[async_trait]
impl AgentBackend for InProcessBackend {
    fn backend_type(&self) -> BackendType {
        Self::KIND
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            asks: true,
            resumes: self.conversations.is_some(),
            changes_mode: true,
            login: "give the agent's settings a key, or set the variable of its provider",
            ..Capabilities::default()
        }
    }

    async fn spawn(&self, config: SpawnConfig) -> Result<Box<dyn AgentSession>> {
        let backend = Self::KIND;
        let cwd = config.working_directory()?;
        let refused =
            |error: Error| BackendError::NotReady { backend, reason: error.to_string(), stderr: String::new() };
        let mut agent = (self.maker)(&config, &cwd).map_err(refused)?;
        let (id, conversation) = self.conversation(&config)?;
        agent.set_conversation(conversation);
        for server in &config.mcp_servers {
            let tools = mcp::tools_of(server, &cwd, &config.supervision).await.map_err(refused)?;
            tools.into_iter().for_each(|tool| agent.tools_mut().register(tool));
        }
        let given = config.mcp_servers.iter().map(|server| mcp::beginning_of(&server.name)).collect();
        let subagents = self.subagents.clone();
        let mode = config.permission_mode.clone().unwrap_or_default();
        let (outer, before_turn) = (self.gate.clone(), self.before_turn.clone());
        let parts = Parts { id, name: config.name.clone(), mode, given, outer, before_turn };
        let driver = InProcess::new(agent, parts, |agent| match subagents {
            Some(subagents) => agent.with_subagents(subagents, None),
            None => agent,
        });
        Ok(Session::start(config.name, driver))
    }
}

#[cfg(test)]
mod tests;
