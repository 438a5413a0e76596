//! Newline-delimited JSON-RPC over an agent's pipes.
//!
//! jsonrpsee keeps ids, pending calls and replies of *our* calls. It would die on what the agents send beside them
//! (notifications without a subscription, questions of the agent's own, lines that are not JSON), so a filter looks at
//! each line first: one with a `method` goes to our own channel, a question when it has an id and a notice when it has
//! none; the rest are replies. A
//! line that is neither, and a reply to nothing we asked (jsonrpsee would die on that too), is counted and logged, never
//! fatal.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use jsonrpsee::core::client::{
    Client, ClientBuilder, ClientT, Error as RpcError, ReceivedMessage, TransportReceiverT, TransportSenderT,
};
use jsonrpsee::core::traits::ToRpcParams;
use jsonrpsee::types::ErrorObjectOwned;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};
use tokio::io::AsyncRead;
use tokio::sync::mpsc;

use crate::error::BackendError;
use crate::error::Result;
use crate::kind::BackendType;
use crate::lenient::lenient;
use crate::lock::lock;
use crate::pipes::{LineReader, StdinWriter};

/// Notices and questions that may wait before the agent is no longer read.
const INCOMING_LIMIT: usize = 4096;
/// Calls carry their own time limit; this one only bounds what jsonrpsee keeps for a reply that never comes.
const FORGET_AFTER: Duration = Duration::from_secs(30 * 24 * 3600);

/// What an agent sends of its own accord.
#[derive(Debug)]
#[non_exhaustive]
pub enum Incoming {
    /// It wants an answer, under this id.
    Question {
        /// To be given back as it is.
        id: Box<RawValue>,
        /// What it asks.
        method: String,
        /// The details; `null` when it sent none.
        params: Box<RawValue>,
    },
    /// It wants none.
    Notice {
        /// What it tells.
        method: String,
        /// The details; `null` when it sent none.
        params: Box<RawValue>,
    },
    /// Lines that are too long to be read were skipped.
    Skipped {
        /// How many.
        lines: u64,
    },
    /// Its output ended.
    Closed,
}

/// Our half of the conversation.
#[derive(Debug, Clone)]
pub struct Wire {
    backend: BackendType,
    client: Arc<Client>,
    stdin: StdinWriter,
    bad_lines: Arc<AtomicU64>,
}

impl Wire {
    /// Speaks over these pipes. What the agent sends of its own accord comes out of the receiver, and must be read.
    pub fn connect<R>(
        backend: BackendType,
        stdout: LineReader<R>,
        stdin: StdinWriter,
    ) -> (Self, mpsc::Receiver<Incoming>)
    where
        R: AsyncRead + Unpin + Send + 'static,
    {
        let (incoming, receiver) = mpsc::channel(INCOMING_LIMIT);
        let bad_lines = Arc::new(AtomicU64::new(0));
        let open_calls = OpenCalls::default();
        let filter = Filter {
            backend,
            lines: stdout.json(),
            incoming,
            bad_lines: Arc::clone(&bad_lines),
            open_calls: open_calls.clone(),
        };
        let client = ClientBuilder::new()
            .request_timeout(FORGET_AFTER)
            .max_concurrent_requests(1024)
            .build_with_tokio(Outgoing { stdin: stdin.clone(), open_calls }, filter);
        (Self { backend, client: Arc::new(client), stdin, bad_lines }, receiver)
    }

    /// Calls the agent and waits for its reply.
    ///
    /// # Errors
    /// It refused, did not answer within `limit`, answered what cannot be read, or is gone.
    pub async fn call<P: Serialize, R: DeserializeOwned>(
        &self,
        method: &'static str,
        params: &P,
        limit: Duration,
    ) -> Result<R, CallError> {
        let params = to_raw_value(params).map_err(|error| CallError::Gone(error.to_string()))?;
        let reply = tokio::time::timeout(limit, self.client.request::<Box<RawValue>, _>(method, Raw(params)));
        let reply = match reply.await {
            Err(_) => return Err(CallError::Timeout(limit)),
            Ok(Err(RpcError::Call(error))) => {
                return Err(CallError::Refused { code: error.code(), message: with_details(&error) });
            }
            Ok(Err(error)) => return Err(CallError::Gone(error.to_string())),
            Ok(Ok(reply)) => reply,
        };
        serde_json::from_str(reply.get())
            .map_err(|error| CallError::Refused { code: 0, message: format!("the reply cannot be read: {error}") })
    }

    /// Tells the agent something.
    ///
    /// # Errors
    /// The agent takes no input any more.
    pub fn notify<P: Serialize>(&self, method: &str, params: &P) -> Result<()> {
        #[derive(Serialize)]
        struct Notification<'a, P> {
            jsonrpc: &'static str,
            method: &'a str,
            params: &'a P,
        }
        self.write(&Notification { jsonrpc: "2.0", method, params })
    }

    /// Answers a question.
    ///
    /// # Errors
    /// As [`notify`](Self::notify).
    pub fn answer<R: Serialize>(&self, id: &RawValue, result: &R) -> Result<()> {
        #[derive(Serialize)]
        struct Answer<'a, R> {
            jsonrpc: &'static str,
            id: &'a RawValue,
            result: &'a R,
        }
        self.write(&Answer { jsonrpc: "2.0", id, result })
    }

    /// Answers a question that we do not answer.
    ///
    /// # Errors
    /// As [`notify`](Self::notify).
    pub fn refuse(&self, id: &RawValue, code: i32, message: &str) -> Result<()> {
        #[derive(Serialize)]
        struct Refusal<'a> {
            jsonrpc: &'static str,
            id: &'a RawValue,
            error: Reason<'a>,
        }
        #[derive(Serialize)]
        struct Reason<'a> {
            code: i32,
            message: &'a str,
        }
        self.write(&Refusal { jsonrpc: "2.0", id, error: Reason { code, message } })
    }

    /// How many lines were no JSON-RPC.
    pub fn bad_lines(&self) -> u64 {
        self.bad_lines.load(Ordering::Relaxed)
    }

    fn write<T: Serialize>(&self, message: &T) -> Result<()> {
        let line = serde_json::to_string(message)
            .map_err(|error| BackendError::Ended { reason: format!("{}: {error}", self.backend) })?;
        self.stdin.write_line(&line)
    }
}

/// The message of an error with what its data says: the reason stands in `details`, in `message`, in `error`, or is the whole of it, and the
/// HTTP status of a provider that refuses may be anywhere.
fn with_details(error: &ErrorObjectOwned) -> String {
    let data: Value = error.data().and_then(|data| serde_json::from_str(data.get()).ok()).unwrap_or_default();
    let places = [&data["details"], &data["message"], &data["error"]["message"], &data["error"], &data];
    let details = places.into_iter().find_map(Value::as_str).filter(|details| !error.message().contains(details));
    let said = match details {
        Some(details) => format!("{}: {details}", error.message()),
        None => error.message().to_owned(),
    };
    match status(&data).map(|status| status.to_string()).filter(|status| !said.contains(status.as_str())) {
        Some(status) => format!("{said} (HTTP {status})"),
        None => said,
    }
}

/// The HTTP status in an error's data: a number of that size in a field with a name of that kind.
fn status(data: &Value) -> Option<u64> {
    match data {
        Value::Object(fields) => fields.iter().find_map(|(name, value)| {
            let number = value.as_u64().filter(|number| (400..600).contains(number));
            number.filter(|_| name.to_ascii_lowercase().contains("status")).or_else(|| status(value))
        }),
        Value::Array(parts) => parts.iter().find_map(status),
        _ => None,
    }
}

/// How a call failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// The agent answered with an error.
    #[error("{message}")]
    Refused {
        /// The JSON-RPC error code, or what the agent uses it for.
        code: i32,
        /// The agent's words.
        message: String,
    },
    /// No reply in time.
    #[error("no reply within {} s", .0.as_secs_f32())]
    Timeout(Duration),
    /// The connection is gone.
    #[error("the connection to the agent is gone: {0}")]
    Gone(String),
}

impl CallError {
    /// The same with what was called.
    pub fn in_call(self, backend: BackendType, call: &str) -> BackendError {
        let call = call.to_owned();
        match self {
            Self::Refused { message, .. } => BackendError::Refused { backend, call, message },
            Self::Timeout(after) => BackendError::Timeout { backend, call, after },
            Self::Gone(reason) => BackendError::Ended { reason },
        }
    }
}

struct Raw(Box<RawValue>);

impl ToRpcParams for Raw {
    fn to_rpc_params(self) -> Result<Option<Box<RawValue>>, serde_json::Error> {
        Ok(Some(self.0))
    }
}

/// The ids of calls that have no reply yet.
#[derive(Clone, Debug, Default)]
struct OpenCalls(Arc<Mutex<HashSet<u64>>>);

impl OpenCalls {
    fn lock(&self) -> MutexGuard<'_, HashSet<u64>> {
        lock(&self.0)
    }
}

struct Outgoing {
    stdin: StdinWriter,
    open_calls: OpenCalls,
}

impl TransportSenderT for Outgoing {
    type Error = BackendError;

    async fn send(&mut self, message: String) -> Result<(), BackendError> {
        #[derive(serde::Deserialize)]
        struct Call {
            id: Option<u64>,
        }
        if let Ok(Call { id: Some(id) }) = serde_json::from_str(&message) {
            self.open_calls.lock().insert(id);
        }
        self.stdin.write_line(&message)
    }
}

struct Filter<R> {
    backend: BackendType,
    lines: LineReader<R>,
    incoming: mpsc::Sender<Incoming>,
    bad_lines: Arc<AtomicU64>,
    open_calls: OpenCalls,
}

/// The parts of a line that tell what it is.
#[derive(Deserialize)]
struct Head<'a> {
    id: Option<Box<RawValue>>,
    #[serde(default, deserialize_with = "lenient")]
    method: Option<String>,
    params: Option<Box<RawValue>>,
    /// `null` is a result, too.
    #[serde(borrow, default, deserialize_with = "present")]
    result: Option<&'a RawValue>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

fn present<'de: 'a, 'a, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<&'a RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

impl<R: AsyncRead + Unpin + Send + 'static> TransportReceiverT for Filter<R> {
    type Error = BackendError;

    async fn receive(&mut self) -> Result<ReceivedMessage, BackendError> {
        loop {
            let line = self.lines.next().await;
            let lines = self.lines.take_skipped();
            if lines > 0 {
                let _ = self.incoming.send(Incoming::Skipped { lines }).await;
            }
            let line = match line {
                Ok(Some(line)) => line,
                Ok(None) | Err(_) => {
                    let _ = self.incoming.send(Incoming::Closed).await;
                    return Err(BackendError::Ended { reason: format!("{} closed its output", self.backend) });
                }
            };
            // An array would be read as the fields of a head, in their order.
            let object = Some(&line).filter(|line| line.trim_ascii_start().starts_with('{'));
            let Some(Ok(head)) = object.map(|line| serde_json::from_str::<Head<'_>>(line)) else {
                self.bad_line(&line);
                continue;
            };
            let message = match head {
                Head { method: Some(method), id, params, .. } => {
                    let params = params.unwrap_or_else(|| RawValue::NULL.to_owned());
                    let incoming = match id {
                        Some(id) if id.get() != "null" => Incoming::Question { id, method, params },
                        _ => Incoming::Notice { method, params },
                    };
                    // Nobody listens any more only when the session is over; its replies may still matter.
                    let _ = self.incoming.send(incoming).await;
                    continue;
                }
                Head { id: Some(id), result, error, .. } => reply(&id, result, error).filter(|_| self.is_open(&id)),
                _ => None,
            };
            match message {
                Some(message) => return Ok(ReceivedMessage::Text(message)),
                None => self.bad_line(&line),
            }
        }
    }
}

/// A reply written anew: jsonrpsee insists on a version, which Codex leaves out, and ends the connection for an error that is not as
/// the specification has it, or stands beside a result. `None` for what says neither.
fn reply(id: &RawValue, result: Option<&RawValue>, error: Option<&RawValue>) -> Option<String> {
    #[derive(Deserialize)]
    struct Refusal {
        #[serde(default, deserialize_with = "lenient")]
        code: i32,
        message: String,
        data: Option<Box<RawValue>>,
    }
    // Some agents answer with the text of a number.
    let id = id.get().trim_matches('"');
    let Some(error) = error else {
        return result.map(|result| format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{}}}", result.get()));
    };
    let refusal = serde_json::from_str(error.get());
    let Refusal { code, message, data } =
        refusal.unwrap_or_else(|_| Refusal { code: 0, message: error.get().to_owned(), data: None });
    let error = serde_json::to_string(&ErrorObjectOwned::owned(code, message, data)).ok()?;
    Some(format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"error\":{error}}}"))
}

impl<R> Filter<R> {
    /// Whether a call of ours waits for this reply, which from now on it does not.
    fn is_open(&self, id: &RawValue) -> bool {
        id.get().trim_matches('"').parse().is_ok_and(|id| self.open_calls.lock().remove(&id))
    }

    fn bad_line(&self, line: &str) {
        if line.trim().is_empty() {
            return;
        }
        self.bad_lines.fetch_add(1, Ordering::Relaxed);
        let start: String = line.chars().take(200).collect();
        tracing::warn!(backend = %self.backend, %start, "skipped a line that is not JSON-RPC");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::process::AgentProcess;

    /// A peer that answers each line it reads with the next of these lines.
    fn peer(lines: &[&str]) -> (AgentProcess, Wire, mpsc::Receiver<Incoming>) {
        let script = lines.iter().map(|line| format!("read l; cat <<'END'\n{line}\nEND\n")).collect::<String>();
        let shell = crate::Command::new("/bin/sh").arg("-c").arg(script);
        let config = crate::SpawnConfig::default();
        let spec = config.process(BackendType::Acp, shell, Vec::new(), std::env::temp_dir());
        let (process, stdin, stdout) = AgentProcess::spawn(spec).unwrap();
        let (wire, incoming) = Wire::connect(BackendType::Acp, stdout, stdin);
        (process, wire, incoming)
    }

    const LIMIT: Duration = Duration::from_secs(10);

    #[tokio::test]
    async fn replies_questions_notices_and_rubbish_are_told_apart() {
        let (_process, wire, mut incoming) = peer(&[
            "not json\n[1]\n{\"id\":77,\"result\":{}}\n{\"method\":\"tell\",\"params\":{\"a\":1},\"emittedAtMs\":5}\n\
             {\"id\":0,\"method\":\"ask\",\"params\":null}\n{\"id\":0,\"result\":{\"v\":7}}",
            "{\"error\":{\"code\":-32600,\"message\":\"no such thing\"},\"id\":1}",
            "{\"id\":2,\"result\":null}",
        ]);
        let reply: serde_json::Value = wire.call("first", &serde_json::json!({}), LIMIT).await.unwrap();
        assert_eq!(reply["v"], 7);
        let error = wire.call::<_, serde_json::Value>("second", &(), LIMIT).await.unwrap_err();
        assert!(matches!(error, CallError::Refused { code: -32600, .. }), "{error:?}");
        assert!(wire.call::<_, Option<u32>>("third", &(), LIMIT).await.unwrap().is_none());
        let Some(Incoming::Notice { method, params }) = incoming.recv().await else { panic!("no notice") };
        assert_eq!((method.as_str(), params.get()), ("tell", "{\"a\":1}"));
        let Some(Incoming::Question { id, method, params }) = incoming.recv().await else { panic!("no question") };
        assert_eq!((id.get(), method.as_str(), params.get()), ("0", "ask", "null"));
        assert!(matches!(incoming.recv().await, Some(Incoming::Closed)));
        assert_eq!(wire.bad_lines(), 3);
    }

    /// What the JSON-RPC library would end the connection for.
    #[tokio::test]
    async fn replies_that_are_not_as_they_should_be_end_no_connection() {
        let (_process, wire, _incoming) = peer(&[
            "{\"id\":0,\"error\":\"no\"}",
            "{\"id\":1,\"error\":{\"code\":5,\"message\":\"not now\",\"more\":1},\"jsonrpc\":\"1.0\"}",
            "{\"id\":\"2\",\"error\":null,\"result\":3}",
            "[1,3,null,null,4,null]\n{\"id\":3,\"result\":5}",
        ]);
        for (code, expected) in [(0, "\"no\""), (5, "not now")] {
            let error = wire.call::<_, u32>("x", &(), LIMIT).await.unwrap_err();
            let CallError::Refused { code: told, message } = error else { panic!("{error:?}") };
            assert_eq!((told, message.as_str()), (code, expected));
        }
        assert_eq!(wire.call::<_, u32>("x", &(), LIMIT).await.unwrap(), 3);
        assert_eq!(wire.call::<_, u32>("x", &(), LIMIT).await.unwrap(), 5);
        assert_eq!(wire.bad_lines(), 1);
    }

    #[tokio::test]
    async fn a_late_reply_and_a_second_one_do_no_harm() {
        let (_process, wire, _incoming) = peer(&[
            "{\"method\":\"tell\"}",
            "{\"id\":0,\"result\":1}\n{\"id\":0,\"result\":2}\n{\"id\":1,\"result\":3}",
        ]);
        let error = wire.call::<_, u32>("slow", &(), Duration::from_millis(50)).await.unwrap_err();
        assert!(matches!(error, CallError::Timeout(_)), "{error:?}");
        assert_eq!(wire.call::<_, u32>("next", &(), LIMIT).await.unwrap(), 3);
    }

    #[tokio::test]
    async fn a_reply_that_never_comes_is_a_timeout_and_a_dead_agent_is_gone() {
        let (_process, wire, _incoming) = peer(&["{\"method\":\"tell\"}", "{\"method\":\"tell\"}"]);
        let error = wire.call::<_, serde_json::Value>("x", &(), Duration::from_millis(50)).await.unwrap_err();
        assert!(matches!(error, CallError::Timeout(_)), "{error:?}");
        let error = wire.call::<_, serde_json::Value>("y", &(), LIMIT).await.unwrap_err();
        assert!(matches!(error, CallError::Gone(_)), "{error:?}");
    }
}
