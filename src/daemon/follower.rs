//! A team's events as a client reads them: pulled, one piece after the other.

use std::collections::VecDeque;
use std::sync::Arc;

use async_trait::async_trait;

use super::client::Connection;
use super::control::EventsParams;
use crate::error::Result;
use crate::model::event::Event;
use crate::model::failure::Failure;
use crate::turn::EventSource;

/// How much is asked for at once, and how long the daemon may keep us waiting for more.
const AT_ONCE: usize = 512;
const WAIT_MS: u64 = 20_000;

/// Pulls a team's events, one after the other.
#[derive(Debug)]
pub struct Follower {
    connection: Connection,
    team: String,
    names: Vec<String>,
    next: u64,
    last: u64,
    ready: VecDeque<Event>,
}

impl Follower {
    /// The events of these members (none: all) from number `from` on.
    pub fn new(connection: &Connection, team: &str, names: Vec<String>, from: u64) -> Self {
        let (connection, team) = (connection.clone(), team.to_owned());
        Self { connection, team, names, next: from, last: 0, ready: VecDeque::new() }
    }

    /// The next event; `None` when none came for a while.
    ///
    /// # Errors
    /// There is no such team or member, or the daemon is gone.
    pub async fn next(&mut self) -> Result<Option<Event>, Failure> {
        if self.ready.is_empty() {
            self.pull(WAIT_MS).await?;
        }
        Ok(self.ready.pop_front())
    }

    /// The next of the events that there are already.
    ///
    /// # Errors
    /// As [`next`](Self::next).
    pub async fn next_known(&mut self) -> Result<Option<Event>, Failure> {
        while self.ready.is_empty() {
            self.pull(0).await?;
            if self.next > self.last && self.ready.is_empty() {
                return Ok(None);
            }
        }
        Ok(self.ready.pop_front())
    }

    /// Where a follower over another connection goes on, when all that came has been read.
    pub fn place(&self) -> u64 {
        self.next
    }

    async fn pull(&mut self, wait_ms: u64) -> Result<(), Failure> {
        let (team, names) = (self.team.clone(), self.names.clone());
        let params = EventsParams { team, names, from: self.next, max: AT_ONCE, wait_ms };
        let reply = self.connection.call(params).await?;
        self.ready.extend(reply.events);
        self.next = reply.next;
        self.last = reply.last;
        Ok(())
    }
}

#[async_trait]
impl EventSource for Follower {
    async fn next_event(&mut self) -> Result<Option<Arc<Event>>> {
        loop {
            if let Some(event) = self.next().await? {
                return Ok(Some(Arc::new(event)));
            }
        }
    }
}
