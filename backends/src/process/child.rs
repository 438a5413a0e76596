//! A child of ours, from its start until nothing is left of it.

use std::collections::BTreeSet;
use std::io;
use std::process::ExitStatus;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use nix::sys::signal::Signal;
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::Pid;
use tokio::process::Child;
use tokio::sync::watch;

use super::registry::{ChildRecord, Registry};
use super::table::{ProcessId, Table, own_pid};
use crate::command::Command;
use crate::lock::lock;
use crate::output::Exit;
use crate::pipes::{LineReader, Tail};
use crate::tap::{Passed, Tapped};

/// Children of our own, which somebody waits for. Anything else that becomes our child is an orphan of an agent's.
static OWN_CHILDREN: Mutex<BTreeSet<i32>> = Mutex::new(BTreeSet::new());
/// [`become_subreaper`] was called.
static SUBREAPER: AtomicBool = AtomicBool::new(false);

/// How far a process is.
#[derive(Clone, Debug, Default)]
pub(super) struct Life {
    pub(super) agent: Option<ProcessId>,
    pub(super) exit: Option<Exit>,
    /// What the shim ended after the agent.
    pub(super) swept: Option<usize>,
    /// What we started is gone.
    pub(super) gone: bool,
}

/// A command that is to run a program under a shim, with our ends of the two pipes.
#[cfg(all(target_os = "linux", not(teams_portable)))]
pub(super) fn under_shim(
    shim: &Command,
    umask: Option<u32>,
) -> io::Result<(std::process::Command, (io::PipeWriter, io::PipeReader))> {
    use command_fds::{CommandFdExt, FdMapping};
    let (orders_in, orders) = io::pipe()?;
    let (reports, reports_out) = io::pipe()?;
    let mut command = std::process::Command::new(shim.program());
    command.args(shim.args());
    if let Some(mask) = umask {
        command.arg(super::shim::UMASK_FLAG).arg(format!("{mask:04o}"));
    }
    command.arg("--");
    let mappings = vec![
        FdMapping { parent_fd: orders_in.into(), child_fd: super::shim::ORDERS_FD },
        FdMapping { parent_fd: reports_out.into(), child_fd: super::shim::REPORTS_FD },
    ];
    command.fd_mappings(mappings).map_err(io::Error::other)?;
    Ok((command, (orders, reports)))
}

#[cfg(not(all(target_os = "linux", not(teams_portable))))]
pub(super) fn under_shim(
    _shim: &Command,
    _umask: Option<u32>,
) -> io::Result<(std::process::Command, (io::PipeWriter, io::PipeReader))> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Makes us the parent of what an agent leaves behind when its shim is killed, so that it is found and ended. From then on
/// a child of ours that is in another session than ours, and that this module has not started, is taken for such an orphan.
///
/// # Errors
/// The system cannot do that.
pub fn become_subreaper() -> io::Result<()> {
    #[cfg(all(target_os = "linux", not(teams_portable)))]
    {
        nix::sys::prctl::set_child_subreaper(true)?;
        SUBREAPER.store(true, Ordering::Relaxed);
    }
    Ok(())
}

/// Starts a child of ours, which must not be taken for an orphan.
pub(super) fn own_child(start: impl FnOnce() -> io::Result<Child>) -> io::Result<Child> {
    let mut own = lock(&OWN_CHILDREN);
    let child = start()?;
    own.extend(child.id().and_then(|pid| i32::try_from(pid).ok()));
    Ok(child)
}

/// Orphans of agents whose shims are gone: they are our children now. Those that have ended are reaped, and counted.
pub(super) fn adopted(table: &Table) -> (Vec<i32>, usize) {
    if !SUBREAPER.load(Ordering::Relaxed) {
        return (Vec::new(), 0);
    }
    let own = lock(&OWN_CHILDREN);
    let Some(session) = table.0.get(&own_pid()).map(|stat| stat.session) else { return (Vec::new(), 0) };
    let orphans =
        table.0.iter().filter(|(pid, stat)| stat.parent == own_pid() && stat.session != session && !own.contains(pid));
    let (dead, alive): (Vec<_>, Vec<_>) = orphans.partition(|(_, stat)| stat.zombie);
    let reaped = dead.len();
    for (pid, _) in dead {
        let _ = waitpid(Pid::from_raw(*pid), Some(WaitPidFlag::WNOHANG));
    }
    (alive.into_iter().map(|(pid, _)| *pid).collect(), reaped)
}

/// A child that is written down until nothing is left of it.
#[derive(Clone, Debug)]
pub(super) struct Registered {
    pub(super) registry: Registry,
    pub(super) record: ChildRecord,
}

impl Registered {
    pub(super) fn write(&self) -> io::Result<()> {
        self.registry.write(&self.record)
    }
}

/// Looks after a child until it is gone.
pub(super) async fn follow(
    mut child: Child,
    reports: Option<io::PipeReader>,
    life: watch::Sender<Life>,
    mut registered: Option<Registered>,
    stderr: Arc<Mutex<Tail>>,
    tapped: Tapped,
) {
    let pid = child.id().and_then(|pid| i32::try_from(pid).ok());
    let shim = reports.is_some();
    let pipe = reports.map(|reports| tokio::net::unix::pipe::Receiver::from_owned_fd(reports.into()));
    if let Some(Ok(pipe)) = pipe {
        let mut lines = LineReader::new(pipe);
        while let Ok(Some(line)) = lines.next().await {
            let words: Vec<&str> = line.split(' ').collect();
            match words[..] {
                ["started", pid, start] => {
                    let (Ok(pid), Ok(start_time)) = (pid.parse(), start.parse()) else { continue };
                    let agent = ProcessId { pid, start_time };
                    life.send_modify(|life| life.agent = Some(agent));
                    if let Some(registered) = &mut registered {
                        registered.record.agent = Some(agent);
                        let written = registered.write();
                        let _ =
                            written.inspect_err(|error| tracing::warn!(%error, "an agent's pid is not written down"));
                    }
                }
                ["exited", how, number] => {
                    let number = number.parse().unwrap_or(-1);
                    let exit = if how == "code" { Exit::Code(number) } else { Exit::Signal(number) };
                    life.send_modify(|life| life.exit = Some(exit));
                }
                ["swept", count] => life.send_modify(|life| life.swept = count.parse().ok()),
                ["failed", ..] => lock(&stderr).push(&line.replacen("failed", "it could not be started:", 1)),
                _ => tracing::warn!("a report of a shim that nobody knows"),
            }
        }
    }
    let status = child.wait().await;
    if let Some(pid) = pid {
        lock(&OWN_CHILDREN).remove(&pid);
    }
    let status = status.map_or(Exit::Unknown, exit_of);
    let clean = life.borrow().swept.is_some() || life.borrow().agent.is_none();
    if shim && !clean {
        // Nobody looks after it any more. It could go on talking, and its end would not be noticed.
        if let Some(agent) = life.borrow().agent {
            agent.signal(Signal::SIGKILL);
        }
        lock(&stderr).push(&format!("the process that looked after it has ended ({status})"));
    }
    life.send_modify(|life| {
        life.gone = true;
        tapped.hear(Passed::Ended(life.exit.get_or_insert(if shim { Exit::Unknown } else { status })));
    });
    if let Some(Registered { registry, record }) = registered.filter(|_| clean) {
        registry.forget(&record);
    }
}

fn exit_of(status: ExitStatus) -> Exit {
    use std::os::unix::process::ExitStatusExt;
    match (status.code(), status.signal()) {
        (Some(code), _) => Exit::Code(code),
        (None, Some(signal)) => Exit::Signal(signal),
        (None, None) => Exit::Unknown,
    }
}
