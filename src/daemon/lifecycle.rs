//! Starts and ends the daemon: one for each state directory, whoever starts it.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use agent_backends::Command;
use agent_backends::acp::AcpBackend;
use agent_backends::claude::ClaudeCodeBackend;
use agent_backends::codex::CodexBackend;
use agent_backends::gemini::GeminiCliBackend;
use anyhow::Context;
use fs2::FileExt;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::files::{lock_file, own_umask, private_dir, private_file};
use super::log::Log;
use super::server::{self, Server};
use super::socket;
use crate::orchestrator::{Redactor, TeamOrchestrator};
use crate::paths;

/// The hidden verb that looks after an agent.
pub const SHIM_VERB: &str = "shim";
/// The program that runs now, even if another version has taken its place on disk.
pub(crate) const SHIM_PROGRAM: &str = "/proc/self/exe";

/// Whether a daemon was found or has become one.
#[derive(Debug, PartialEq, Eq)]
pub enum DaemonProcess {
    /// It ran until it was told to stop.
    Ran,
    /// Another one serves this state directory.
    AlreadyRunning,
}

/// Waits until the daemon of this state directory has let go of it.
///
/// # Errors
/// It does not end.
pub async fn wait_for_end(state_dir: &Path) -> anyhow::Result<()> {
    let lock = private_file(&lock_file(state_dir))?;
    let deadline = Instant::now() + Duration::from_secs(30);
    while lock.try_lock_exclusive().is_err() {
        anyhow::ensure!(Instant::now() < deadline, "the daemon does not end; its log tells why");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok(())
}

/// Is the daemon, until it is told to stop: by a client, SIGTERM or SIGINT. Once in a process, whose end lets go of the
/// state directory.
///
/// # Errors
/// Its files or its socket cannot be made.
pub async fn run(state_dir: PathBuf) -> anyhow::Result<DaemonProcess> {
    // A session of its own, so that the end of the terminal is not its end. It fails in a process that has one.
    let _ = nix::unistd::setsid();
    private_dir(&state_dir)?;
    let mut lock = private_file(&lock_file(&state_dir))?;
    if lock.try_lock_exclusive().is_err() {
        return Ok(DaemonProcess::AlreadyRunning);
    }
    lock.set_len(0).context("cannot write the lock file")?;
    let redactor = Arc::new(Redactor::default());
    log_to(&state_dir.join("daemon.log"), Arc::clone(&redactor))?;
    let teams_dir = paths::claude_dir()?.join("teams");
    let orchestrator = TeamOrchestrator::builder()
        .state_dir(&state_dir)
        .with_claude_code(ClaudeCodeBackend::new())
        .with_codex(CodexBackend::with_command(Command::new("codex")))
        .with_gemini_cli(GeminiCliBackend::with_command(Command::new("gemini")))
        .with_acp(AcpBackend::gemini_with_command(Command::new("gemini")))
        .with_acp(AcpBackend::new())
        .with_acp(AcpBackend::native())
        .approval_deadline(seconds(paths::APPROVAL_VARIABLE).unwrap_or(Duration::from_secs(300)))
        .rate_limit_wait(seconds(paths::RATE_LIMIT_VARIABLE).unwrap_or(Duration::from_secs(60)))
        .redactor(redactor)
        .shim(Command::new(SHIM_PROGRAM).arg(SHIM_VERB))
        .team_tools(
            Command::new(std::env::current_exe().context("cannot find the program itself")?.to_string_lossy())
                .arg("mcp"),
        )
        .build()?;
    agent_backends::process::become_subreaper().context("cannot become a child subreaper")?;
    for reaped in orchestrator.reap_orphans().await? {
        let (who, killed, left) = (reaped.record.label, reaped.killed, reaped.left);
        tracing::warn!(%who, killed, left, "an earlier daemon left this member behind");
    }
    if let Err(error) = orchestrator.resume_checkpoints().await {
        tracing::warn!(%error, "checkpoints are written later");
    }
    let path = paths::socket(&state_dir);
    let mut listener = socket::listen(&path).with_context(|| format!("cannot listen at {}", path.display()))?;
    // It belongs to no folder, so that none is kept from being unmounted.
    let _ = std::env::set_current_dir("/");
    let (stop, mut stopped) = watch::channel(false);
    let umask = own_umask();
    let server = Server::new(orchestrator.clone(), state_dir.clone(), teams_dir, umask, stop);
    let methods = server.into_methods();
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hangup = signal(SignalKind::hangup())?;
    // From here on a client may call for a new socket, by a signal.
    write!(lock, "{}", std::process::id()).context("cannot write the lock file")?;
    // Whoever waits for the daemon's end waits for its last thread.
    std::mem::forget(lock);
    let mut clients = JoinSet::new();
    tracing::info!(pid = std::process::id(), socket = %path.display(), "started");
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) if socket::is_own(&stream) => {
                    clients.spawn(server::serve(stream, methods.clone()));
                }
                Ok(_) => tracing::warn!("turned another user's process away"),
                Err(error) => {
                    tracing::error!(%error, "cannot accept a client");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            },
            Some(_) = clients.join_next() => {}
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            _ = hangup.recv() => {
                if !path.exists() {
                    match socket::listen(&path) {
                        Ok(anew) => listener = anew,
                        Err(error) => tracing::error!(%error, "the socket was removed, and cannot be made anew"),
                    }
                }
            }
            _ = stopped.wait_for(|stopped| *stopped) => break,
        }
    }
    // Whoever connects from now on starts a new daemon.
    let _ = std::fs::remove_file(&path);
    for (team, name, report) in orchestrator.shutdown().await {
        match report {
            Ok(report) => tracing::info!(%team, %name, ?report, "stopped"),
            Err(error) => tracing::error!(%team, %name, %error, "not stopped"),
        }
    }
    tracing::info!("ended");
    // The answer to whoever asked for the end is on its way.
    let _ =
        tokio::time::timeout(Duration::from_millis(200), async { while clients.join_next().await.is_some() {} }).await;
    Ok(DaemonProcess::Ran)
}

/// A time in the environment, in seconds.
fn seconds(variable: &str) -> Option<Duration> {
    let seconds: f64 = std::env::var(variable).ok()?.parse().ok()?;
    Duration::try_from_secs_f64(seconds).ok()
}

fn log_to(path: &Path, redactor: Arc<Redactor>) -> anyhow::Result<()> {
    let filter = tracing_subscriber::EnvFilter::try_from_env(paths::LOG_VARIABLE)
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"))
        // It would log every request and answer whole, and a spawn carries the shell's environment.
        .add_directive("jsonrpsee_core=info".parse()?)
        .add_directive("jsonrpsee-server=info".parse()?);
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(false)
        .with_writer(Mutex::new(Log::open(path, redactor)?))
        .try_init();
    Ok(())
}
