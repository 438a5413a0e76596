//! Inputs whose turns are followed to their end.

use std::sync::Arc;

use async_trait::async_trait;

use crate::error::Result;
use crate::model::event::Event;
use crate::orchestrator::entry::TeamOrchestrator;
use crate::orchestrator::feed::Subscription;
use crate::turn::{EventSource, TurnHandle};

#[async_trait]
impl EventSource for Subscription {
    async fn next_event(&mut self) -> Result<Option<Arc<Event>>> {
        Ok(self.next().await)
    }
}

impl TeamOrchestrator {
    /// Gives a member an input, as [`send_input`](Self::send_input) does, and answers a handle of the turn that it becomes.
    ///
    /// # Errors
    /// As [`send_input`](Self::send_input).
    pub async fn begin_turn(&self, team: &str, member: &str, input: &str) -> Result<TurnHandle> {
        // The turn may be over before its number is known.
        let events = self.events(team, self.last_seq(team).await? + 1).await?;
        let turn = self.send_input(team, member, input).await?;
        Ok(TurnHandle::new(member, turn, events))
    }

    /// Gives a member an input, waits for the end of the turn that it becomes, and answers the whole text of the agent.
    ///
    /// # Errors
    /// As [`send_input`](Self::send_input); the turn failed, or was interrupted.
    pub async fn ask(&self, team: &str, member: &str, input: &str) -> Result<String> {
        self.begin_turn(team, member, input).await?.text().await
    }
}
