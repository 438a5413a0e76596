//! Finds the daemon of a state directory, or starts one in the background.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use agent_backends::process::MARK_VARIABLE;
use anyhow::Context;

use super::client::Connection;
use super::files::{private_dir, private_file};
use crate::model::failure::{ErrorKind, Failure};

/// How long a daemon may take from its start to its first answer.
const START_LIMIT: Duration = Duration::from_secs(10);

impl Connection {
    /// Connects to the daemon of this state directory, which is started if none runs.
    ///
    /// # Errors
    /// It cannot be started, or is of another version.
    pub async fn open(state_dir: &Path) -> anyhow::Result<Self> {
        if let Some(connection) = Self::to_running(state_dir).await? {
            return Ok(connection);
        }
        let mut connection = start(state_dir).await?;
        connection.started = true;
        Ok(connection)
    }
}

/// Starts a daemon in the background, with the program that runs now, and connects to it.
///
/// # Errors
/// It ended at once, or does not answer.
pub async fn start(state_dir: &Path) -> anyhow::Result<Connection> {
    let program = std::env::current_exe().context("cannot find the program itself")?;
    start_program(state_dir, &program).await
}

/// As [`start`], with this `teams`.
pub(crate) async fn start_program(state_dir: &Path, program: &Path) -> anyhow::Result<Connection> {
    if std::env::var_os(MARK_VARIABLE).is_some() {
        let what = "no daemon runs, and none is started from within an agent: it would end with that agent";
        return Err(Failure::new(ErrorKind::NoDaemon, what).hint("run `teams daemon start` outside").into());
    }
    private_dir(state_dir)?;
    let log = state_dir.join("daemon.log");
    let mark = private_file(&log)?.metadata()?.len();
    let spawn = || -> anyhow::Result<std::process::Child> {
        std::process::Command::new(program)
            .args(["daemon", "run"])
            .env("TEAMS_STATE_DIR", state_dir)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::from(private_file(&log)?))
            .spawn()
            .with_context(|| format!("cannot start the daemon with {}", program.display()))
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
            let what = format!("the daemon did not start: {} (its log is {})", last_words(&log, mark), log.display());
            return Err(Failure::new(ErrorKind::NoDaemon, what).into());
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
