//! One `codex app-server`: its process, its connection, and who of the sessions gets which message.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use serde_json::value::RawValue;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::protocol::{AccountReply, Addressed, InitializeParams, NoParams, RateLimitsNotice};
use crate::error::{BackendError, Result};
use crate::kind::BackendType;
use crate::lock::lock;
use crate::output::Exit;
use crate::pipes::StdinWriter;
use crate::process::{AgentProcess, Grace, ProcessSpec, StopReport};
use crate::wire::{CallError, Incoming, Wire};

/// How to log in.
pub(super) const LOGIN: &str = "run `codex login`, or configure a model provider in config.toml";

/// Messages that may wait for one session. Its loop reads all the time; one that falls so far behind is given up, so that
/// it does not stop the others.
const THREAD_QUEUE: usize = 8192;
pub(super) const CALL_LIMIT: Duration = Duration::from_secs(60);

/// What a session hears of its thread.
#[derive(Debug)]
pub(super) enum ThreadEvent {
    Notice {
        method: String,
        params: Box<RawValue>,
    },
    Question {
        id: Box<RawValue>,
        method: String,
        params: Box<RawValue>,
    },
    /// Lines that are too long to be read were skipped.
    Skipped {
        lines: u64,
    },
    /// The server ended.
    Ended {
        exit: Exit,
        words: String,
    },
}

#[derive(Debug)]
pub(super) struct Server {
    wire: Wire,
    stdin: StdinWriter,
    process: tokio::sync::Mutex<AgentProcess>,
    pid: Option<u32>,
    shared: Arc<Shared>,
    demux: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Shared {
    threads: Mutex<HashMap<String, mpsc::Sender<ThreadEvent>>>,
    ended: OnceLock<(Exit, String)>,
    /// The account's allowance.
    limits: Mutex<RateLimitsNotice>,
}

impl Shared {
    fn threads(&self) -> std::sync::MutexGuard<'_, HashMap<String, mpsc::Sender<ThreadEvent>>> {
        lock(&self.threads)
    }

    /// Passes a message to its session; gives it back when there is none.
    fn deliver(&self, params: &RawValue, event: ThreadEvent) -> Option<ThreadEvent> {
        let Ok(Addressed { thread_id: Some(thread) }) = serde_json::from_str(params.get()) else { return Some(event) };
        let mut threads = self.threads();
        let Some(queue) = threads.get(&thread) else { return Some(event) };
        match queue.try_send(event) {
            Ok(()) => None,
            Err(error) => {
                tracing::error!(%thread, "a Codex session does not read its messages; it is given up");
                threads.remove(&thread);
                Some(error.into_inner())
            }
        }
    }
}

impl Server {
    /// Starts a server and shakes hands with it.
    pub(super) async fn start(spec: ProcessSpec, limit: Duration) -> Result<Arc<Self>> {
        let (mut process, stdin, stdout) = AgentProcess::spawn(spec)?;
        let (wire, incoming) = Wire::connect(BackendType::Codex, stdout, stdin.clone());
        let hello = async {
            wire.call::<_, serde::de::IgnoredAny>("initialize", &InitializeParams::new(), limit).await?;
            wire.notify("initialized", &NoParams {}).map_err(|error| CallError::Gone(error.to_string()))?;
            wire.call::<_, AccountReply>("account/read", &NoParams {}, limit).await
        };
        let account = match hello.await {
            Ok(account) => account,
            Err(error) => {
                let words = process.last_words();
                process.stop(None, Grace::NONE).await?;
                if let CallError::Timeout(after) = error {
                    return Err(BackendError::Timeout {
                        backend: BackendType::Codex,
                        call: "initialize".into(),
                        after,
                    });
                }
                return Err(BackendError::NotReady {
                    backend: BackendType::Codex,
                    reason: error.to_string(),
                    stderr: words,
                });
            }
        };
        if account.is_logged_out() {
            process.stop(None, Grace::NONE).await?;
            return Err(BackendError::NotLoggedIn {
                backend: BackendType::Codex,
                reason: "its provider wants an account and there is none".into(),
                remedy: LOGIN.into(),
            });
        }
        let shared = Arc::new(Shared::default());
        process.begun().await;
        let pid = process.pid();
        let watch = process.watch();
        let demux = tokio::spawn(demultiplex(wire.clone(), incoming, watch, Arc::clone(&shared)));
        Ok(Arc::new(Self { wire, stdin, process: tokio::sync::Mutex::new(process), pid, shared, demux }))
    }

    pub(super) fn wire(&self) -> &Wire {
        &self.wire
    }

    pub(super) fn pid(&self) -> Option<u32> {
        if self.has_ended() { None } else { self.pid }
    }

    pub(super) fn has_ended(&self) -> bool {
        self.shared.ended.get().is_some()
    }

    /// When the account's used up allowance begins anew, as far as it was told.
    pub(super) fn limit_reset(&self) -> Option<i64> {
        lock(&self.shared.limits).reset()
    }

    /// What is said about this thread from now on.
    pub(super) fn subscribe(&self, thread: &str) -> mpsc::Receiver<ThreadEvent> {
        let (sender, receiver) = mpsc::channel(THREAD_QUEUE);
        self.shared.threads().insert(thread.to_owned(), sender.clone());
        if let Some((exit, words)) = self.shared.ended.get() {
            let _ = sender.try_send(ThreadEvent::Ended { exit: exit.clone(), words: words.clone() });
        }
        receiver
    }

    pub(super) fn unsubscribe(&self, thread: &str) {
        self.shared.threads().remove(thread);
    }

    pub(super) async fn stop(&self, grace: Grace) -> Result<StopReport> {
        self.process.lock().await.stop(Some(&self.stdin), grace).await
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.demux.abort();
    }
}

async fn demultiplex(
    wire: Wire,
    mut incoming: mpsc::Receiver<Incoming>,
    process: crate::process::ProcessWatch,
    shared: Arc<Shared>,
) {
    loop {
        let message = tokio::select! {
            biased;
            message = incoming.recv() => message,
            _ = process.wait() => None,
        };
        match message {
            Some(Incoming::Notice { method, params }) => {
                if method == "account/rateLimits/updated" {
                    if let Ok(limits) = serde_json::from_str::<RateLimitsNotice>(params.get()) {
                        let mut known = lock(&shared.limits);
                        known.merge(limits);
                    }
                    continue;
                }
                let notice = ThreadEvent::Notice { method, params: params.clone() };
                // What concerns no thread, or a thread that an agent started by itself, is not for us.
                if let Some(ThreadEvent::Notice { method, .. }) = shared.deliver(&params, notice)
                    && method == "configWarning"
                {
                    tracing::warn!(%params, "Codex warns about its configuration");
                }
            }
            Some(Incoming::Question { id, method, params }) => {
                let question = ThreadEvent::Question { id, method, params: params.clone() };
                if let Some(ThreadEvent::Question { id, method, .. }) = shared.deliver(&params, question) {
                    let _ = wire.refuse(&id, -32601, &format!("`{method}` is not supported by this client"));
                }
            }
            // Nobody knows of which thread they were.
            Some(Incoming::Skipped { lines }) => {
                for queue in shared.threads().values() {
                    let _ = queue.try_send(ThreadEvent::Skipped { lines });
                }
            }
            Some(Incoming::Closed) | None => break,
        }
    }
    let exit = tokio::time::timeout(Duration::from_secs(2), process.wait()).await.unwrap_or(Exit::Unknown);
    process.hear_out().await;
    // What it complains about at every start does not explain its end.
    let noise = ["could not create PATH aliases", "could not find bubblewrap"];
    let last_words = process.last_words();
    let words: Vec<&str> =
        last_words.split(" | ").filter(|line| !noise.iter().any(|noise| line.contains(noise))).collect();
    let words = words.join(" | ");
    let _ = shared.ended.set((exit.clone(), words.clone()));
    for (_, queue) in shared.threads().drain() {
        let _ = queue.try_send(ThreadEvent::Ended { exit: exit.clone(), words: words.clone() });
    }
}
