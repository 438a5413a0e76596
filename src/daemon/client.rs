//! Reaches the daemon, and starts it when it is needed.

use std::io;
use std::path::Path;
use std::time::Duration;

use agent_backends::pipes::LineReader;
use jsonrpsee::core::client::{
    Client as RpcClient, ClientBuilder, Error as RpcError, ReceivedMessage, TransportReceiverT, TransportSenderT,
};
use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};

use super::control::{ControlClient, HelloReply, PROTOCOL};
use super::socket;
use crate::paths;

/// Speaks [`ControlClient`].
pub type Client = RpcClient;

/// Starting an agent, and stopping one that does not obey, takes its time; each call bounds itself.
const CALL_LIMIT: Duration = Duration::from_secs(600);

/// A connection to a daemon.
#[derive(Debug)]
pub struct Connection {
    /// For calls.
    pub client: Client,
    /// Who is at the other end.
    pub daemon: HelloReply,
    /// It was started for us.
    pub started: bool,
}

impl Connection {
    /// Connects to the daemon of this state directory; `None` when none runs.
    ///
    /// # Errors
    /// Something answers that is no daemon of ours, or one of another version.
    pub async fn to_running(state_dir: &Path) -> anyhow::Result<Option<Self>> {
        let connection = Self::to_any(state_dir).await?;
        if let Some(Self { daemon, .. }) = &connection {
            anyhow::ensure!(
                daemon.protocol == PROTOCOL && daemon.version == env!("CARGO_PKG_VERSION"),
                "the running daemon is version {} and this is {}; stop it with `teams daemon stop` (its members stop too)",
                daemon.version,
                env!("CARGO_PKG_VERSION")
            );
            let teams_dir = paths::claude_dir()?.join("teams");
            anyhow::ensure!(
                daemon.teams_dir == teams_dir,
                "the running daemon works on {} and this shell on {}; set TEAMS_STATE_DIR to another directory for a daemon \
                 of its own, or stop the running one with `teams daemon stop`",
                daemon.teams_dir.display(),
                teams_dir.display()
            );
        }
        Ok(connection)
    }

    /// As [`to_running`](Self::to_running), whatever version it is: for what every version understands.
    ///
    /// # Errors
    /// Something answers that is no daemon of ours.
    pub async fn to_any(state_dir: &Path) -> anyhow::Result<Option<Self>> {
        let path = paths::socket(state_dir);
        let stream = match UnixStream::connect(&path).await {
            Ok(stream) => stream,
            // A socket without a process behind it, or none, or one whose process ended in this moment.
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::NotFound
                        | io::ErrorKind::NotADirectory
                        | io::ErrorKind::ConnectionRefused
                        | io::ErrorKind::ConnectionReset
                ) =>
            {
                return Ok(None);
            }
            Err(error) => anyhow::bail!("cannot reach the daemon at {}: {error}", path.display()),
        };
        anyhow::ensure!(socket::is_own(&stream), "the socket {} belongs to another user's process", path.display());
        let (read, write) = stream.into_split();
        let client = ClientBuilder::new()
            .request_timeout(CALL_LIMIT)
            .build_with_tokio(Sender(write), Receiver(LineReader::new(read)));
        let daemon = match client.hello().await {
            Ok(daemon) => daemon,
            Err(error @ (RpcError::Call(_) | RpcError::RequestTimeout | RpcError::ParseError(_))) => {
                return Err(explain(&error));
            }
            // It was on its way out when it was called: its socket stays open until the last of its threads has ended.
            Err(_) => return Ok(None),
        };
        Ok(Some(Self { client, daemon, started: false }))
    }
}

/// A time limit that the caller had set ran out.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct TimedOut(String);

/// Whether a call failed because its member does not run, and can be woken.
pub(crate) fn is_dormant(error: &RpcError) -> bool {
    matches!(error, RpcError::Call(error) if error.code() == super::control::DORMANT)
}

/// What a failed call says to the person: the daemon's own words, or that it is gone.
pub(crate) fn explain(error: &RpcError) -> anyhow::Error {
    match error {
        RpcError::Call(error) if error.code() == super::control::FAILED => anyhow::anyhow!("{}", error.message()),
        RpcError::Call(error) if error.code() == super::control::TIMED_OUT => {
            TimedOut(error.message().to_owned()).into()
        }
        RpcError::Call(error) => {
            anyhow::anyhow!("the daemon does not understand ({}); is it of another version?", error.message())
        }
        RpcError::RequestTimeout => {
            anyhow::anyhow!("the daemon did not answer; look into its log, or stop it with `teams daemon stop`")
        }
        _ => anyhow::anyhow!(
            "the daemon ended while it was asked ({error}); try again, it is started anew (`teams daemon status` shows its log)"
        ),
    }
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
