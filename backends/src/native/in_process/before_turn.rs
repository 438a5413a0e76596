//! The trait of what prepares an agent for its turns.

use async_trait::async_trait;

use crate::native::agent_loop::AgentLoop;

/// Prepares an agent for each of its turns.
#[async_trait]
pub trait BeforeTurn: Send + Sync + 'static {
    /// Changes what has to be changed in the agent of this session before a turn, and answers the input that the turn begins with.
    async fn before_turn(&self, session: &str, agent: &mut AgentLoop, input: String) -> String;
}
