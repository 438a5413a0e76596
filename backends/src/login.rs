//! Finds out whether an agent is logged in, by starting it.

use std::time::Duration;

use crate::backend::AgentBackend;
use crate::command::Command;
use crate::config::SpawnConfig;
use crate::error::BackendError;

/// Starts a session with this command, and stops it: an agent that says at its start that it is not logged in is found out.
/// `None` when it did not start for another reason.
pub(crate) async fn by_start(backend: &dyn AgentBackend, command: &Command) -> Option<bool> {
    let mut config = SpawnConfig::new("doctor", "");
    config.cwd = Some(std::env::temp_dir());
    config.command = Some(command.clone());
    config.ready_timeout = Some(Duration::from_secs(20));
    match backend.spawn(config).await {
        Ok(mut session) => {
            session.shutdown().await.ok();
            Some(true)
        }
        Err(BackendError::NotLoggedIn { .. }) => Some(false),
        Err(_) => None,
    }
}
