//! The process of a played agent: it passes on what it hears, and does what it is told.

use std::io::Write as _;
use std::path::Path;

use agent_backends::Exit;
use agent_backends::pipes::{LINE_LIMIT, LineReader};
use nix::sys::signal::{SigSet, Signal, raise};
use tokio::io::AsyncWriteExt as _;
use tokio::net::UnixStream;
use tokio::sync::mpsc;

use super::wire::{Order, Told};

/// How much may wait to be passed on.
const WAITING: usize = 64;

/// Is an agent of the replay whose socket this is, until it is told to end; answers the exit code.
///
/// # Errors
/// Nobody conducts it.
pub(crate) async fn run(socket: &Path, label: String, args: Vec<String>, token: Option<String>) -> anyhow::Result<i32> {
    // What asks it to end is no end yet: the one in the recording took its time, and had a code of its own.
    let mut held = SigSet::empty();
    [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP].into_iter().for_each(|signal| held.add(signal));
    held.thread_block()?;
    let (read, mut write) = UnixStream::connect(socket).await?.into_split();
    let (tell, mut told) = mpsc::channel(WAITING);
    let _ = tell.send(Told::Started { label, args, token }).await;
    tokio::spawn(async move {
        while let Some(told) = told.recv().await {
            let Ok(line) = serde_json::to_string(&told) else { continue };
            if write.write_all(format!("{line}\n").as_bytes()).await.is_err() {
                return;
            }
        }
    });
    tokio::spawn(async move {
        let mut input = LineReader::new(tokio::io::stdin());
        while let Ok(Some(line)) = input.next().await {
            let _ = tell.send(Told::Input(line)).await;
        }
        let _ = tell.send(Told::Closed).await;
        // The connection stays open.
        tell.closed().await;
    });
    let mut orders = LineReader::with_limit(read, usize::MAX);
    while let Some(line) = orders.next().await? {
        match serde_json::from_str(&line)? {
            Order::Output(line) => say(&line)?,
            Order::TooLong => say(&"x".repeat(LINE_LIMIT + 1))?,
            Order::CloseOutput => nix::unistd::dup2_stdout(std::fs::File::open("/dev/null")?)?,
            Order::Stderr(line) => eprintln!("{line}"),
            Order::Exit(Exit::Code(code)) => return Ok(code),
            Order::Exit(Exit::Signal(signal)) => {
                held.thread_unblock()?;
                raise(Signal::try_from(signal).unwrap_or(Signal::SIGKILL))?;
            }
            Order::Exit(_) => break,
        }
    }
    Ok(1)
}

fn say(line: &str) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(line.as_bytes())?;
    out.write_all(b"\n")?;
    out.flush()
}
