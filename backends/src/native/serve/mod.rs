//! An agent of our own as a process that speaks the Agent Client Protocol: for the supervisor, and for any editor that speaks it.

mod connection;
mod options;
mod protocol;
mod session;

use std::collections::HashMap;
use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tokio::io::AsyncRead;
use tokio::task::JoinSet;

use crate::lock::lock;
use crate::permission::PermissionMode;
use crate::pipes::LineReader;
use connection::Connection;
pub use options::{Extend, ServeOptions};
use protocol::{CancelParams, Incoming, MODES, OpenParams, PromptParams, SetParams, initialized, opened};
use session::{Refusal, Session};

/// JSON-RPC's codes.
const METHOD_NOT_FOUND: i64 = -32601;
const INVALID_PARAMS: i64 = -32602;

/// Serves a client until its input ends; what goes on then is dropped.
///
/// # Errors
/// The input broke.
pub async fn serve(
    options: ServeOptions,
    input: impl AsyncRead + Unpin,
    output: impl Write + Send + 'static,
) -> io::Result<()> {
    let served =
        Arc::new(Served { options, client: Arc::new(Connection::new(Box::new(output))), sessions: Mutex::default() });
    let mut lines = LineReader::new(input).json();
    // Ends with this function, and with it whatever a turn has started.
    let mut calls = JoinSet::new();
    while let Some(line) = lines.next().await? {
        while calls.try_join_next().is_some() {}
        let Ok(incoming) = serde_json::from_str::<Incoming>(&line) else {
            tracing::warn!("a line of the client is no message");
            continue;
        };
        match (incoming.method, incoming.id) {
            (Some(method), Some(id)) if method == "session/prompt" => {
                let asked = served.asked(incoming.params);
                let client = Arc::clone(&served.client);
                calls.spawn(async move {
                    let ended = match asked {
                        Ok((session, number, text)) => session.prompt(&text, number).await,
                        Err(refusal) => Err(refusal),
                    };
                    answer(&client, &id, ended);
                });
            }
            // Before the prompt that comes next.
            (Some(method), Some(id)) if method == "session/set_mode" => {
                answer(&served.client, &id, served.set_mode(incoming.params));
            }
            (Some(method), Some(id)) => {
                let served = Arc::clone(&served);
                calls.spawn(async move {
                    answer(&served.client, &id, served.call(&method, incoming.params).await);
                });
            }
            (Some(method), None) if method == "session/cancel" => {
                let named: Result<CancelParams, _> = read(incoming.params);
                if let Some(session) = named.ok().and_then(|params| served.session(&params.session_id)) {
                    session.cancel();
                }
            }
            (None, Some(id)) => served.client.answered(&id, incoming.result),
            _ => {}
        }
    }
    // What turns have started ends with them, before this process does.
    calls.shutdown().await;
    Ok(())
}

struct Served {
    options: ServeOptions,
    client: Arc<Connection>,
    sessions: Mutex<HashMap<String, Arc<Session>>>,
}

impl Served {
    fn session(&self, id: &str) -> Option<Arc<Session>> {
        lock(&self.sessions).get(id).cloned()
    }

    fn known(&self, id: &str) -> Result<Arc<Session>, Refusal> {
        self.session(id).ok_or_else(|| Refusal::new(INVALID_PARAMS, format!("there is no session `{id}`")))
    }

    /// A turn that is asked for: its session, its number there, and its text.
    fn asked(&self, params: Option<Box<RawValue>>) -> Result<(Arc<Session>, u64, String), Refusal> {
        let params: PromptParams = read(params)?;
        let session = self.known(&params.session_id)?;
        let text = params.text();
        if text.trim().is_empty() {
            return Err(Refusal::new(INVALID_PARAMS, "the prompt is empty; give the agent something to do"));
        }
        let number = session.announce();
        Ok((session, number, text))
    }

    fn set_mode(&self, params: Option<Box<RawValue>>) -> Result<Value, Refusal> {
        let params: SetParams = read(params)?;
        let mode = PermissionMode::from(params.mode_id.as_str());
        if MODES.iter().all(|(known, _)| *known != mode) {
            return Err(Refusal::new(INVALID_PARAMS, format!("there is no mode `{}`", params.mode_id)));
        }
        self.known(&params.session_id)?.set_mode(mode);
        Ok(json!({}))
    }

    async fn call(&self, method: &str, params: Option<Box<RawValue>>) -> Result<Value, Refusal> {
        match method {
            "initialize" => Ok(initialized()),
            "session/new" | "session/load" => {
                let mut params: OpenParams = read(params)?;
                let load = params.session_id.take().filter(|_| method == "session/load");
                // One that is open here is let go first, with what goes on in it.
                let open = load.as_ref().and_then(|id| lock(&self.sessions).remove(id));
                if let Some(open) = open {
                    open.close().await;
                }
                let (session, others) = Session::open(&self.options, &self.client, params, load).await?;
                for other in others {
                    session.tell(&format!(
                        "(The MCP server `{other}` is reached over the network, which this agent does not do.)"
                    ));
                }
                let reply = opened(&session.id, &session.mode(), &session.model());
                lock(&self.sessions).insert(session.id.clone(), session);
                Ok(reply)
            }
            "session/set_model" => {
                let params: SetParams = read(params)?;
                self.known(&params.session_id)?.set_model(&params.model_id).await?;
                Ok(json!({}))
            }
            other => Err(Refusal::new(METHOD_NOT_FOUND, format!("`{other}` is not supported"))),
        }
    }
}

fn answer(client: &Connection, id: &Value, ended: Result<Value, Refusal>) {
    match ended {
        Ok(result) => client.reply(id, &result),
        Err(Refusal { code, message }) => client.refuse(id, code, &message),
    }
}

fn read<T: DeserializeOwned>(params: Option<Box<RawValue>>) -> Result<T, Refusal> {
    let params = params.as_deref().map_or("{}", RawValue::get);
    serde_json::from_str(params).map_err(|error| Refusal::new(INVALID_PARAMS, error.to_string()))
}
