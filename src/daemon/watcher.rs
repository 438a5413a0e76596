//! Hears of what changes in teams, for whoever shows them.

use super::client::Connection;
use super::control::{WatchParams, WatchReply};
use crate::model::failure::Failure;

/// How long the daemon may keep us waiting for a change.
const WAIT_MS: u64 = 20_000;

/// A listener's place in the daemon's changes. It outlives a connection: with the next daemon the first answer says that
/// everything is to be read anew.
#[derive(Debug, Default)]
pub struct Watcher {
    team: Option<String>,
    epoch: Option<String>,
    next: u64,
}

impl Watcher {
    /// Watches one team, or all. The first answer comes at once, and says that everything is to be read.
    pub fn new(team: Option<String>) -> Self {
        Self { team, ..Self::default() }
    }

    /// What has changed since the last answer; nothing when nothing did for a while.
    ///
    /// # Errors
    /// The daemon is gone, or there is no such team.
    pub async fn next(&mut self, connection: &Connection) -> Result<WatchReply, Failure> {
        let params =
            WatchParams { team: self.team.clone(), epoch: self.epoch.clone(), from: self.next, wait_ms: WAIT_MS };
        let reply = connection.call(params).await?;
        self.epoch = Some(reply.epoch.clone());
        self.next = reply.next;
        Ok(reply)
    }
}
