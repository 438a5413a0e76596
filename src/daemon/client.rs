//! Reaches the daemon, and starts it when it is needed.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use agent_backends::pipes::LineReader;
use jsonrpsee::core::client::{
    Client as RpcClient, ClientBuilder, ClientT as _, Error as RpcError, ReceivedMessage, TransportReceiverT,
    TransportSenderT,
};
use jsonrpsee::core::traits::ToRpcParams;
#[cfg(feature = "cli")]
use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};
use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};

use super::control::{Call, HelloParams, HelloReply, PROTOCOL};
use super::failure::of_call;
use super::files::holder;
use super::socket;
use crate::model::failure::{ErrorKind, Failure};
use crate::paths;

/// How long a daemon without a socket may take to make it anew.
const CALL_BACK_LIMIT: Duration = Duration::from_secs(2);
/// Starting an agent, and stopping one that does not obey, takes its time; each call bounds itself.
const CALL_LIMIT: Duration = Duration::from_secs(600);

/// A connection to a daemon.
#[derive(Clone, Debug)]
pub struct Connection {
    client: Arc<RpcClient>,
    /// Who is at the other end.
    pub daemon: HelloReply,
    /// It was started for us.
    pub started: bool,
}

impl Connection {
    /// Asks the daemon for something.
    ///
    /// # Errors
    /// What it answers, or that it is gone.
    pub async fn call<C: Call>(&self, call: C) -> Result<C::Reply, Failure> {
        request(&self.client, call).await.map_err(|error| of_call(&error))
    }

    /// Asks the daemon for something that is named, as in a recording.
    ///
    /// # Errors
    /// As [`call`](Self::call).
    #[cfg(feature = "cli")]
    pub(crate) async fn call_any(&self, method: &str, params: Value) -> Result<Value, Failure> {
        let params = to_raw_value(&params).map_err(|error| Failure::new(ErrorKind::BadInput, error.to_string()))?;
        self.client.request(method, Object(params)).await.map_err(|error| of_call(&error))
    }

    /// Whether the daemon still listens.
    pub fn is_connected(&self) -> bool {
        self.client.is_connected()
    }

    /// Connects to the daemon of this state directory; `None` when none runs.
    ///
    /// # Errors
    /// Something answers that is no daemon of ours, or one of another version.
    pub async fn to_running(state_dir: &Path) -> anyhow::Result<Option<Self>> {
        let connection = Self::to_any(state_dir).await?;
        if let Some(Self { daemon, .. }) = &connection {
            daemon.check_version()?;
            let teams_dir = paths::claude_dir()?.join("teams");
            if daemon.teams_dir != teams_dir {
                let (theirs, ours) = (daemon.teams_dir.display(), teams_dir.display());
                let what = format!("the running daemon works on {theirs} and this shell on {ours}");
                return Err(Failure::new(ErrorKind::OtherDaemon, what)
                    .hint(
                        "set TEAMS_STATE_DIR to another directory for a daemon of its own, or stop the running one with \
                         `teams daemon stop`",
                    )
                    .into());
            }
        }
        Ok(connection)
    }

    /// As [`to_running`](Self::to_running), whatever version it is: for what every version understands.
    ///
    /// # Errors
    /// Something answers that is no daemon of ours.
    pub async fn to_any(state_dir: &Path) -> anyhow::Result<Option<Self>> {
        let path = paths::socket(state_dir);
        let mut called = None;
        let stream = loop {
            let error = match UnixStream::connect(&path).await {
                Ok(stream) => break stream,
                Err(error) => error,
            };
            // A socket without a process behind it, or none, or one whose process ended in this moment.
            let nobody = matches!(
                error.kind(),
                io::ErrorKind::NotFound
                    | io::ErrorKind::NotADirectory
                    | io::ErrorKind::ConnectionRefused
                    | io::ErrorKind::ConnectionReset
            );
            if !nobody {
                let what = format!("cannot reach the daemon at {}: {error}", path.display());
                return Err(Failure::new(ErrorKind::NoDaemon, what).into());
            }
            // One that runs all the same has lost its socket, or is on its way out.
            let Some(pid) = holder(state_dir) else { return Ok(None) };
            let since = *called.get_or_insert_with(|| {
                let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGHUP);
                Instant::now()
            });
            if since.elapsed() > CALL_BACK_LIMIT {
                return Ok(None);
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        };
        anyhow::ensure!(socket::is_own(&stream), "the socket {} belongs to another user's process", path.display());
        let (read, write) = stream.into_split();
        let client = ClientBuilder::new()
            .request_timeout(CALL_LIMIT)
            .build_with_tokio(Sender(write), Receiver(LineReader::new(read)));
        let daemon = match request(&client, HelloParams {}).await {
            Ok(daemon) => daemon,
            Err(error @ (RpcError::Call(_) | RpcError::RequestTimeout | RpcError::ParseError(_))) => {
                return Err(of_call(&error).into());
            }
            // It was on its way out when it was called: its socket stays open until the last of its threads has ended.
            Err(_) => return Ok(None),
        };
        Ok(Some(Self { client: Arc::new(client), daemon, started: false }))
    }
}

impl HelloReply {
    /// Whether it is of our version.
    ///
    /// # Errors
    /// It is not.
    pub(crate) fn check_version(&self) -> Result<(), Failure> {
        let own = env!("CARGO_PKG_VERSION");
        if self.protocol == PROTOCOL && self.version == own {
            return Ok(());
        }
        let what = format!("the running daemon is version {} and this is {own}", self.version);
        Err(Failure::new(ErrorKind::OtherDaemon, what).hint("stop it with `teams daemon stop` (its members stop too)"))
    }
}

/// Parameters as they go over the wire: an object.
struct Object(Box<RawValue>);

impl ToRpcParams for Object {
    fn to_rpc_params(self) -> Result<Option<Box<RawValue>>, serde_json::Error> {
        Ok(Some(self.0))
    }
}

async fn request<C: Call>(client: &RpcClient, call: C) -> Result<C::Reply, RpcError> {
    let params = Object(to_raw_value(&call).map_err(RpcError::ParseError)?);
    client.request(C::METHOD, params).await
}

struct Sender(OwnedWriteHalf);

impl TransportSenderT for Sender {
    type Error = io::Error;

    async fn send(&mut self, mut message: String) -> Result<(), io::Error> {
        message.push('\n');
        self.0.write_all(message.as_bytes()).await
    }
}

struct Receiver(LineReader<OwnedReadHalf>);

impl TransportReceiverT for Receiver {
    type Error = io::Error;

    async fn receive(&mut self) -> Result<ReceivedMessage, io::Error> {
        match self.0.next().await? {
            Some(line) => Ok(ReceivedMessage::Text(line)),
            None => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}
