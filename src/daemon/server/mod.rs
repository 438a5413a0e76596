//! Answers clients: reads their calls, and has the orchestrator do what they ask for.

mod caller;
mod checkpoints;
mod decisions;
mod mail;
mod members;
mod recordings;
mod runs;
mod service;
mod tasks;
mod teams;
mod tools;

use std::path::PathBuf;
use std::time::Duration;

use agent_backends::pipes::LineReader;
use jsonrpsee::types::{ErrorObjectOwned, Params};
use jsonrpsee::{Methods, RpcModule};
use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

use self::caller::{CALLER, Caller};
use super::control::{self, Call, calls};
use super::failure::bad_params;
use super::trusted::Trusted;
use crate::error::Result;
use crate::model::failure::Failure;
use crate::model::launch::Surroundings;
use crate::model::time::iso;
use crate::orchestrator::TeamOrchestrator;

/// Requests of one client that run at the same time.
const CONCURRENT: usize = 64;
/// No client waits longer than this for an event or a change without hearing that there is none.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

pub(super) struct Server {
    orchestrator: TeamOrchestrator,
    state_dir: PathBuf,
    teams_dir: PathBuf,
    started_at: String,
    umask: u32,
    trusted: Trusted,
    stop: watch::Sender<bool>,
}

impl Server {
    pub(super) fn new(
        orchestrator: TeamOrchestrator,
        state_dir: PathBuf,
        teams_dir: PathBuf,
        umask: u32,
        stop: watch::Sender<bool>,
    ) -> Self {
        let trusted = Trusted::new(&state_dir);
        Self { orchestrator, trusted, state_dir, teams_dir, started_at: iso(jiff::Timestamp::now()), umask, stop }
    }

    /// Everything that it answers.
    pub(super) fn into_methods(self) -> Methods {
        let mut module = RpcModule::new(self);
        macro_rules! register {
            ($($method:literal $params:ident => $reply:ty, $function:ident;)*) => {
                $(module
                    .register_async_method($method, |params, server, _| async move {
                        let params = read::<control::$params>(&params)?;
                        server.note_call($method, &params);
                        answered::<control::$params>(server.$function(params).await)
                    })
                    .expect("no two calls have the same name");)*
            };
        }
        calls!(register);
        module.into()
    }

    /// The surroundings of a member, less what is as ours.
    fn fitted(&self, surroundings: Surroundings) -> Surroundings {
        Surroundings { umask: surroundings.umask.filter(|mask| *mask != self.umask), ..surroundings }
    }
}

/// The parameters of a call, which have names.
fn read<C: Call>(params: &Params<'_>) -> Result<C, ErrorObjectOwned> {
    let text = match params.as_str().map(str::trim) {
        // What calls without parameters may leave out.
        None | Some("[]" | "null") => "{}",
        Some(text) => text,
    };
    if text.starts_with('[') {
        return Err(bad_params(C::METHOD, "they have no names; pass an object").into());
    }
    serde_json::from_str(text).map_err(|error| bad_params(C::METHOD, error).into())
}

fn answered<C: Call>(answer: Result<C::Reply>) -> Result<C::Reply, ErrorObjectOwned> {
    answer.map_err(|error| Failure::from(&error).into())
}

/// Serves one client until it hangs up.
pub(super) async fn serve(stream: UnixStream, methods: Methods) {
    let caller = Caller::of(&stream);
    let (read, mut write) = stream.into_split();
    let mut lines = LineReader::new(read);
    let (replies, mut outgoing) = mpsc::channel::<String>(CONCURRENT);
    let writer = async move {
        while let Some(mut reply) = outgoing.recv().await {
            reply.push('\n');
            if write.write_all(reply.as_bytes()).await.is_err() {
                break;
            }
        }
    };
    let reader = async move {
        let mut running = JoinSet::new();
        loop {
            tokio::select! {
                line = lines.next() => {
                    let Ok(Some(line)) = line else { break };
                    let (methods, replies) = (methods.clone(), replies.clone());
                    running.spawn(async move {
                        if let Some(refusal) = caller.refuses(&line) {
                            let _ = replies.send(refusal).await;
                            return;
                        }
                        let reply = match CALLER.scope(caller, methods.raw_json_request(&line, 1)).await {
                            Ok((reply, _)) => reply.get().to_owned(),
                            Err(error) => format!(
                                r#"{{"jsonrpc":"2.0","id":null,"error":{{"code":-32700,"message":{}}}}}"#,
                                serde_json::Value::from(format!("that is not JSON-RPC: {error}"))
                            ),
                        };
                        let _ = replies.send(reply).await;
                    });
                    while running.len() >= CONCURRENT {
                        running.join_next().await;
                    }
                }
                Some(_) = running.join_next() => {}
            }
        }
        // Who hung up waits for no event any more; what was begun for it is finished.
        let _ = timeout(LONGEST_WAIT, async { while running.join_next().await.is_some() {} }).await;
    };
    tokio::join!(writer, reader);
}
