//! The line between a view and the daemon: facts come in, requests go out.

use std::path::Path;
use std::sync::Arc;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use super::facts::{Fact, Request};
use super::source::{Current, Source, perform};
use crate::daemon::{Call, Connection, ErrorKind, Failure};

/// How many facts may wait: a view that is behind makes the source wait, and loses nothing.
const BEHIND: usize = 64;

/// Where facts come from and requests go to.
pub(crate) struct Line {
    pub(crate) facts: mpsc::Receiver<Fact>,
    requests: Requests,
    /// Owns the source, which ends with it.
    _source: JoinSet<()>,
}

impl Line {
    /// Opens it for as many of each team's last events as `back`, and for all that come; for all teams, or for one.
    pub(crate) fn open(state_dir: &Path, only: Option<String>, connection: Connection, back: u64) -> Self {
        let (sender, facts) = mpsc::channel(BEHIND);
        let (current, receiver) = watch::channel(None);
        let source =
            Source { state_dir: state_dir.to_owned(), only, back, facts: sender, current, next: Arc::default() };
        let mut tasks = JoinSet::new();
        tasks.spawn(source.run(connection));
        Self { facts, requests: Requests { current: receiver }, _source: tasks }
    }

    /// Its way out, for whoever asks.
    pub(crate) fn requests(&self) -> Requests {
        self.requests.clone()
    }
}

/// The way to the daemon that answers now.
#[derive(Clone)]
pub(crate) struct Requests {
    current: Current,
}

impl Requests {
    /// Does what a view asks for, and answers what to tell it.
    pub(crate) async fn perform(self, request: Request) -> Fact {
        match self.connection() {
            Ok(connection) => perform(connection, request).await,
            Err(failure) => Fact::Refused(failure),
        }
    }

    /// Calls the daemon.
    pub(crate) async fn call<C: Call>(&self, params: C) -> Result<C::Reply, Failure> {
        self.connection()?.call(params).await
    }

    /// The process of the daemon that answers now.
    pub(crate) fn daemon(&self) -> Option<u32> {
        self.current.borrow().as_ref().map(|connection| connection.daemon.pid)
    }

    fn connection(&self) -> Result<Connection, Failure> {
        let lost = || Failure::new(ErrorKind::NoDaemon, "no daemon answers now; nothing was done");
        self.current.borrow().clone().ok_or_else(lost)
    }
}
