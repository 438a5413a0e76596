//! Where played agents come to: each process of theirs has a connection.

use std::collections::{HashMap, VecDeque};
use std::path::Path;
use std::sync::{Arc, Mutex};

use agent_backends::pipes::LineReader;
use anyhow::Context as _;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::wire::{Order, Told};
use crate::sync::lock;

/// How much may wait for an agent, or for whoever conducts it.
const WAITING: usize = 1024;

/// A process of a played agent.
#[derive(Debug)]
pub(super) struct Played {
    pub(super) args: Vec<String>,
    pub(super) token: Option<String>,
    /// What has come on its input, line by line; its end is that of the process.
    pub(super) inputs: mpsc::Receiver<String>,
    orders: mpsc::Sender<Order>,
}

impl Played {
    /// Tells it what to do; one that has ended does nothing.
    pub(super) async fn order(&self, order: Order) {
        let _ = self.orders.send(order).await;
    }
}

/// Processes that were started, and wait to be told something.
#[derive(Debug, Default)]
struct Waiting {
    /// By the member that they were started for.
    by_label: Mutex<HashMap<String, VecDeque<Played>>>,
    came: Notify,
}

/// Where they come to.
#[derive(Debug)]
pub(super) struct Stage {
    waiting: Arc<Waiting>,
    /// Agents that nobody conducts any more end.
    _open: DropGuard,
}

impl Stage {
    /// Opens it at this socket.
    ///
    /// # Errors
    /// The socket cannot be made.
    pub(super) fn open(socket: &Path) -> anyhow::Result<Self> {
        let listener = UnixListener::bind(socket).context("the agents' socket cannot be made")?;
        let waiting = Arc::new(Waiting::default());
        let (comes, ends) = (Arc::clone(&waiting), CancellationToken::new());
        let open = ends.clone().drop_guard();
        tokio::spawn(ends.clone().run_until_cancelled_owned(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(ends.clone().run_until_cancelled_owned(serve(stream, Arc::clone(&comes))));
            }
        }));
        Ok(Self { waiting, _open: open })
    }

    /// The next process of a member, once it has come.
    pub(super) async fn next(&self, label: &str) -> Played {
        loop {
            let came = self.waiting.came.notified();
            if let Some(played) = lock(&self.waiting.by_label).get_mut(label).and_then(VecDeque::pop_front) {
                return played;
            }
            came.await;
        }
    }
}

async fn serve(stream: UnixStream, waiting: Arc<Waiting>) {
    let (read, mut write) = stream.into_split();
    let mut lines = LineReader::with_limit(read, usize::MAX);
    let mut next = async || lines.next().await.ok().flatten().and_then(|line| serde_json::from_str(&line).ok());
    let Some(Told::Started { label, args, token }) = next().await else { return };
    let (input, inputs) = mpsc::channel(WAITING);
    let (orders, mut ordered) = mpsc::channel::<Order>(WAITING);
    lock(&waiting.by_label).entry(label).or_default().push_back(Played { args, token, inputs, orders });
    waiting.came.notify_waiters();
    loop {
        tokio::select! {
            told = next() => match told {
                Some(Told::Input(line)) => drop(input.send(line).await),
                Some(Told::Closed | Told::Started { .. }) => {}
                None => return,
            },
            Some(order) = ordered.recv() => {
                let Ok(line) = serde_json::to_string(&order) else { continue };
                if write.write_all(format!("{line}\n").as_bytes()).await.is_err() {
                    return;
                }
            }
        }
    }
}
