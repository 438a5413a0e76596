//! `teams daemon …`

use std::path::Path;

use serde_json::json;

use super::options::DaemonVerb;
use super::{Context, Done, stop};
use crate::daemon::{self, Connection, DaemonProcess, ErrorKind, Failure, StopDaemonParams};
use crate::paths;

pub(super) async fn run(context: &Context<'_>, verb: DaemonVerb) -> anyhow::Result<Done> {
    let state_dir = paths::state_dir()?;
    let output = context.output;
    match verb {
        DaemonVerb::Run => {
            if daemon::run(state_dir.clone()).await? == DaemonProcess::AlreadyRunning {
                output.note(&format!("a daemon serves {} already", state_dir.display()));
            }
        }
        DaemonVerb::Start => {
            let connection = Connection::open(&state_dir).await?;
            if output.json {
                output.json(&connection.daemon)?;
            } else {
                output.line(&format!("the daemon runs, process {}", connection.daemon.pid))?;
            }
        }
        DaemonVerb::Stop => {
            let stopped = match running(&state_dir).await? {
                Some(connection) => {
                    let stopped = connection.call(StopDaemonParams {}).await?;
                    daemon::wait_for_end(&state_dir).await?;
                    Some(stopped)
                }
                None => None,
            };
            match stopped {
                _ if output.json => {
                    output.json(&json!({"wasRunning": stopped.is_some(), "stopped": stopped.unwrap_or_default()}))?;
                }
                Some(stopped) => {
                    stop::report(output, &stopped)?;
                    output.line("the daemon has ended")?;
                }
                None => output.line("no daemon runs")?,
            }
        }
        DaemonVerb::Status => {
            let running = running(&state_dir).await?;
            let log = state_dir.join("daemon.log");
            match running {
                _ if output.json => output.json(&json!({"running": running.is_some(),
                    "daemon": running.map(|connection| connection.daemon), "log": log}))?,
                Some(Connection { daemon, .. }) => {
                    output.line(&format!(
                        "running: process {}, version {}, since {}",
                        daemon.pid, daemon.version, daemon.started_at
                    ))?;
                    output.line(&format!(
                        "members: {}",
                        if daemon.running.is_empty() { "none".into() } else { daemon.running.join(", ") }
                    ))?;
                    output.line(&format!("state: {}", state_dir.display()))?;
                    output.line(&format!("log: {}", log.display()))?;
                }
                None => {
                    output.line("no daemon runs; it starts by itself when a verb needs it")?;
                    output.line(&format!("log: {}", log.display()))?;
                }
            }
        }
    }
    Ok(Done::Yes)
}

/// The daemon that runs, if one does. One that cannot be called at all is an error.
async fn running(state_dir: &Path) -> anyhow::Result<Option<Connection>> {
    let connection = Connection::to_any(state_dir).await?;
    if let (None, Some(pid)) = (&connection, daemon::holder(state_dir)) {
        let what = format!(
            "the daemon is process {pid}, and it cannot be reached: its socket is gone, and it makes no new one"
        );
        let hint = format!("`kill {pid}` ends it and its members");
        return Err(Failure::new(ErrorKind::NoDaemon, what).hint(hint).into());
    }
    Ok(connection)
}
