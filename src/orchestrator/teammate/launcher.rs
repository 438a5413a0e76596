//! Starts a member's sessions: the first, and every one after it, with the conversation that the member has.

use std::sync::Arc;
use std::time::Duration;

use agent_backends::{AgentBackend, AgentSession, BackendError, SpawnConfig};
use tokio::time::{Instant, sleep};

use crate::error::Result;
use crate::model::event::Conversation;
use crate::orchestrator::teammate::journal::Record;

/// How long another process that has the conversation open may take to let go of it: one that is on its way out.
const BUSY_LIMIT: Duration = Duration::from_secs(5);

/// All that it takes to start a session. The environment is in here, and nowhere else.
#[derive(Clone)]
pub(crate) struct Launcher {
    pub(crate) backend: Arc<dyn AgentBackend>,
    pub(crate) config: SpawnConfig,
}

impl std::fmt::Debug for Launcher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.config.fmt(f)
    }
}

/// A session that was started, and what became of the conversation before it.
pub(crate) struct Launched {
    pub(crate) session: Box<dyn AgentSession>,
    pub(crate) conversation: Option<Conversation>,
    pub(crate) reason: Option<String>,
}

impl Launcher {
    /// Starts a session with the conversation that somebody asked for, or a new one.
    pub(crate) async fn first(&self) -> Result<Launched, BackendError> {
        let conversation = self.config.resume.as_ref().map(|_| Conversation::Resumed);
        Ok(Launched { session: self.spawn(self.config.resume.clone()).await?, conversation, reason: None })
    }

    /// Starts a session that goes on where the last one stopped. A conversation that has had a turn is never exchanged for
    /// another one: where the agent no longer has it, that is an error.
    pub(crate) async fn again(&self, record: &Record) -> Result<Launched, BackendError> {
        if let Some(id) = &record.session_id {
            let session = self.spawn(Some(id.clone())).await?;
            return Ok(Launched { session, conversation: Some(Conversation::Resumed), reason: None });
        }
        let mut reason = "no turn of its conversation had begun".to_owned();
        // Killed in its first turn, the agent may have kept the conversation before it could say so. One-shot agents find
        // out only with the next turn.
        let one_shot = self.backend.capabilities().one_shot;
        if let Some(id) = record.assigned_id.as_ref().filter(|_| record.first_turn_begun && !one_shot) {
            match self.spawn(Some(id.clone())).await {
                Ok(session) => {
                    return Ok(Launched { session, conversation: Some(Conversation::Resumed), reason: None });
                }
                Err(BackendError::ConversationLost { reason: why, .. }) => {
                    reason = format!("its first turn was cut off before the agent kept it: {why}");
                }
                Err(error) => return Err(error),
            }
        }
        let session = self.spawn(None).await?;
        Ok(Launched { session, conversation: Some(Conversation::Fresh), reason: Some(reason) })
    }

    async fn spawn(&self, resume: Option<String>) -> Result<Box<dyn AgentSession>, BackendError> {
        let begin = Instant::now();
        loop {
            let config = SpawnConfig { resume: resume.clone(), ..self.config.clone() };
            match self.backend.spawn(config).await {
                Err(BackendError::ConversationBusy { .. }) if begin.elapsed() < BUSY_LIMIT => {
                    sleep(Duration::from_millis(100)).await;
                }
                Err(BackendError::NotReady { backend, reason, stderr }) => {
                    let reason = format!("{reason}{}", self.version_note().await);
                    return Err(BackendError::NotReady { backend, reason, stderr });
                }
                spawned => return spawned,
            }
        }
    }

    /// Whether the agent that did not become ready is of another version than those that are tested.
    async fn version_note(&self) -> String {
        let command = self.config.command.clone().or_else(|| self.backend.default_command());
        let (Some(command), Some(tested)) = (command, self.backend.tested_version()) else { return String::new() };
        match self.backend.version(&command).await {
            Ok(found) if found != tested => format!(" (it is version {found}; {tested} is tested)"),
            _ => String::new(),
        }
    }
}
