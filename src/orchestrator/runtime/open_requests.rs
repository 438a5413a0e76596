//! The requests to stop that a team's members have not answered yet, and what follows those that they have.

use std::collections::{HashMap, VecDeque};
use std::sync::Mutex;

use tokio::sync::oneshot;
use tokio::task::JoinSet;

use crate::model::name::AgentName;
use crate::sync::lock;

/// So many of the requests that are closed are known.
const MOST_CLOSED: usize = 1024;

#[derive(Debug)]
pub(crate) enum ShutdownAnswer {
    Approved,
    Rejected(String),
}

/// The requests of a team that were not answered yet, and what follows those that were.
#[derive(Debug, Default)]
pub(crate) struct OpenRequests {
    pub(crate) open: Mutex<HashMap<String, oneshot::Sender<ShutdownAnswer>>>,
    /// The latest that were answered, or that nobody waits for any more.
    closed: Mutex<VecDeque<String>>,
    pub(crate) tasks: Mutex<JoinSet<()>>,
}

impl OpenRequests {
    pub(crate) fn is_open_for(&self, member: &AgentName) -> bool {
        let end = format!("@{member}");
        lock(&self.open).keys().any(|id| id.ends_with(&end))
    }

    pub(crate) fn close(&self, id: &str) -> Option<oneshot::Sender<ShutdownAnswer>> {
        let mut closed = lock(&self.closed);
        if closed.len() == MOST_CLOSED {
            closed.pop_front();
        }
        closed.push_back(id.to_owned());
        drop(closed);
        lock(&self.open).remove(id)
    }

    pub(crate) fn is_closed(&self, id: &str) -> bool {
        lock(&self.closed).iter().any(|closed| closed == id)
    }

    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut tasks = lock(&self.tasks);
        while tasks.try_join_next().is_some() {}
        tasks.spawn(task);
    }
}
