//! Starts and ends the daemon: one for each state directory, whoever starts it.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use agent_backends::acp::AcpBackend;
use agent_backends::claude::ClaudeCodeBackend;
use agent_backends::codex::CodexBackend;
use agent_backends::config::Command;
use agent_backends::gemini::GeminiCliBackend;
use agent_backends::process::MARK_VARIABLE;
use anyhow::Context;
use fs2::FileExt;
use jsonrpsee::Methods;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::client::Connection;
use super::control::ControlServer;
use super::log::Log;
use super::server::{self, Server};
use super::socket;
use crate::orchestrator::{Redactor, TeamOrchestrator};
use crate::paths;

/// The hidden verb that looks after an agent.
pub const SHIM_VERB: &str = "shim";
/// The program that runs now, even if another version has taken its place on disk.
const SHIM_PROGRAM: &str = "/proc/self/exe";

/// How long a daemon may take from its start to its first answer.
const START_LIMIT: Duration = Duration::from_secs(10);

/// Whether a daemon was found or has become one.
#[derive(Debug, PartialEq, Eq)]
pub enum DaemonProcess {
    /// It ran until it was told to stop.
    Ran,
    /// Another one serves this state directory.
    AlreadyRunning,
}

fn private_dir(dir: &Path) -> anyhow::Result<()> {
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).with_context(|| {
        format!("cannot create {}; set TEAMS_STATE_DIR to a place that you can write to", dir.display())
    })
}

pub(super) fn private_file(path: &Path) -> anyhow::Result<File> {
    OpenOptions::new()
        .read(true)
        .append(true)
        .create(true)
        .mode(0o600)
        .open(path)
        .with_context(|| format!("cannot open {}", path.display()))
}

/// Starts a daemon in the background and connects to it.
///
/// # Errors
/// It ended at once, or does not answer.
pub async fn start(state_dir: &Path) -> anyhow::Result<Connection> {
    anyhow::ensure!(
        std::env::var_os(MARK_VARIABLE).is_none(),
        "no daemon runs, and none is started from within an agent: it would end with that agent; run `teams daemon start` outside"
    );
    private_dir(state_dir)?;
    let log = state_dir.join("daemon.log");
    let mark = private_file(&log)?.metadata()?.len();
    let program = std::env::current_exe().context("cannot find the program itself")?;
    let spawn = || -> anyhow::Result<std::process::Child> {
        std::process::Command::new(&program)
            .args(["daemon", "run"])
            .env("TEAMS_STATE_DIR", state_dir)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::from(private_file(&log)?))
            .spawn()
            .context("cannot start the daemon")
    };
    let mut child = spawn()?;
    let deadline = Instant::now() + START_LIMIT;
    loop {
        if let Some(connection) = Connection::to_running(state_dir).await? {
            return Ok(connection);
        }
        let ended = child.try_wait().context("cannot look after the daemon")?;
        // One that ends well has found another one, which may be on its way up, or down.
        if ended.is_some_and(|status| status.success()) {
            child = spawn()?;
        }
        if ended.is_some_and(|status| !status.success()) || Instant::now() > deadline {
            anyhow::bail!("the daemon did not start: {} (its log is {})", last_words(&log, mark), log.display());
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn last_words(log: &Path, mark: u64) -> String {
    let mut text = String::new();
    if let Ok(mut file) = File::open(log) {
        let _ = file.seek(SeekFrom::Start(mark)).and_then(|_| file.read_to_string(&mut text));
    }
    text.lines().next_back().unwrap_or("it said nothing").to_owned()
}

/// Waits until the daemon of this state directory has let go of it.
///
/// # Errors
/// It does not end.
pub async fn wait_for_end(state_dir: &Path) -> anyhow::Result<()> {
    let lock = private_file(&state_dir.join("daemon.lock"))?;
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
    let mut lock = private_file(&state_dir.join("daemon.lock"))?;
    if lock.try_lock_exclusive().is_err() {
        return Ok(DaemonProcess::AlreadyRunning);
    }
    lock.set_len(0).and_then(|()| write!(lock, "{}", std::process::id())).context("cannot write the lock file")?;
    // Whoever waits for the daemon's end waits for its last thread.
    std::mem::forget(lock);
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
    let path = paths::socket(&state_dir);
    let listener = socket::listen(&path).with_context(|| format!("cannot listen at {}", path.display()))?;
    // It belongs to no folder, so that none is kept from being unmounted.
    let _ = std::env::set_current_dir("/");
    let (stop, mut stopped) = watch::channel(false);
    let umask = own_umask();
    let server = Server::new(orchestrator.clone(), state_dir.clone(), teams_dir, umask, stop);
    let methods: Methods = server.into_rpc().into();
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hangup = signal(SignalKind::hangup())?;
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
            _ = hangup.recv() => {}
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

fn own_umask() -> u32 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("Umask:"));
    mask.and_then(|mask| u32::from_str_radix(mask.trim(), 8).ok()).unwrap_or(0o022)
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
