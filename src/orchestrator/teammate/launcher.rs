//! Starts a member's sessions: the first, and every one after it, with the conversation that the member has.

use std::sync::Arc;
use std::time::Duration;

use agent_backends::discover::is_older;
use agent_backends::{AgentBackend, AgentSession, BackendError, SpawnConfig};
use tokio::time::{Instant, sleep};

use crate::error::Result;
use crate::model::event::Conversation;
use crate::model::team::IfLost;
use crate::orchestrator::recorder::Recorder;
use crate::orchestrator::teammate::journal::Record;

/// How long another process that has the conversation open may take to let go of it: one that is on its way out.
const BUSY_LIMIT: Duration = Duration::from_secs(5);

/// All that it takes to start a session. The environment is in here, and nowhere else.
#[derive(Clone)]
pub(crate) struct Launcher {
    pub(crate) backend: Arc<dyn AgentBackend>,
    pub(crate) config: SpawnConfig,
    /// What is done when the agent no longer has the conversation.
    pub(crate) if_lost: IfLost,
    /// Knows whether the team is recorded.
    pub(crate) recorder: Option<Arc<Recorder>>,
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

    /// Starts a session that goes on where the last one stopped, or a fresh one if that is asked for. A conversation that has had a turn is
    /// never silently exchanged for another one: where the agent no longer has it, that is an error, unless it was said before that a fresh
    /// one is to begin then.
    pub(crate) async fn again(&self, record: &Record, fresh: bool) -> Result<Launched, BackendError> {
        if fresh {
            return self.fresh("a fresh one was asked for".to_owned()).await;
        }
        if let Some(id) = &record.session_id {
            return match self.spawn(Some(id.clone())).await {
                Ok(session) => Ok(Launched { session, conversation: Some(Conversation::Resumed), reason: None }),
                Err(lost @ BackendError::ConversationLost { .. }) if self.if_lost == IfLost::Fresh => {
                    self.fresh(lost.to_string()).await
                }
                Err(BackendError::ConversationLost { backend, id, reason }) => {
                    let name = &self.config.name;
                    let reason = format!("{reason}; `teams restart {name} --fresh` begins a fresh one");
                    Err(BackendError::ConversationLost { backend, id, reason })
                }
                Err(error) => Err(error),
            };
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
        self.fresh(reason).await
    }

    async fn fresh(&self, reason: String) -> Result<Launched, BackendError> {
        let session = self.spawn(None).await?;
        Ok(Launched { session, conversation: Some(Conversation::Fresh), reason: Some(reason) })
    }

    async fn spawn(&self, resume: Option<String>) -> Result<Box<dyn AgentSession>, BackendError> {
        let begin = Instant::now();
        loop {
            let mut config = SpawnConfig { resume: resume.clone(), ..self.config.clone() };
            config.supervision.tap =
                self.recorder.as_ref().and_then(|recorder| recorder.tap(&config.supervision.label));
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
            Ok(found) if self.backend.oldest_version().is_some_and(|oldest| is_older(&found, oldest)) => {
                let oldest = self.backend.oldest_version().unwrap_or_default();
                format!(" (it is version {found}, and {oldest} is the oldest that works; install a newer one)")
            }
            Ok(found) if found != tested => format!(" (it is version {found}; {tested} is tested)"),
            _ => String::new(),
        }
    }
}
