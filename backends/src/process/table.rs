//! The system's processes, as `/proc` shows them. Where there is no `/proc` the table is empty.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

/// The variable that marks an agent and all that it starts, none of which outlives it.
pub const MARK_VARIABLE: &str = "AGENT_BACKENDS_PROCESS";

/// Whether there is a `/proc`, and so shims, and processes that are told apart by when they were started.
pub(super) const HAS_PROC: bool = cfg!(all(target_os = "linux", not(teams_portable)));

/// A process, safe against reuse of its pid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProcessId {
    /// Its number.
    pub pid: i32,
    /// When it was started, in clock ticks since the machine was: field 22 of `/proc/<pid>/stat`; 0 where there is no `/proc`.
    pub start_time: u64,
}

impl ProcessId {
    /// The process that has this number now.
    pub fn of(pid: i32) -> Self {
        Self { pid, start_time: Stat::read(pid).map_or(0, |stat| stat.start_time) }
    }

    /// Ourselves.
    pub fn own() -> Self {
        Self::of(own_pid())
    }

    /// Whether it runs: a zombie does not.
    pub fn is_alive(self) -> bool {
        Stat::read(self.pid).is_some_and(|stat| stat.start_time == self.start_time && !stat.zombie)
    }

    /// Whether it is known not to run any more: what cannot be looked at may run.
    pub fn is_gone(self) -> bool {
        match Stat::try_read(self.pid) {
            Ok(Some(stat)) => stat.start_time != self.start_time || stat.zombie,
            Ok(None) => HAS_PROC || !self.may_be_alive(),
            Err(_) => false,
        }
    }

    /// Whether it may still run: where there is no `/proc`, whether its number is in use.
    pub fn may_be_alive(self) -> bool {
        if HAS_PROC { self.is_alive() } else { kill(Pid::from_raw(self.pid), None).is_ok() }
    }

    /// Signals it, unless its number means another process by now.
    pub(crate) fn signal(self, signal: Signal) {
        let is_it = || Stat::read(self.pid).is_some_and(|stat| stat.start_time == self.start_time);
        match handle(self.pid) {
            // What it is is looked at behind the handle: whatever has the number afterwards, the handle is of the same process.
            Some(handle) if is_it() => send(&handle, signal),
            None if is_it() => drop(kill(Pid::from_raw(self.pid), signal)),
            _ => {}
        }
    }
}

/// What stands for a process even when its number is given to another one. `None` where the system has no such thing, or no such process.
#[cfg(all(target_os = "linux", not(teams_portable)))]
fn handle(pid: i32) -> Option<std::os::fd::OwnedFd> {
    rustix::process::pidfd_open(rustix::process::Pid::from_raw(pid)?, rustix::process::PidfdFlags::empty()).ok()
}

#[cfg(all(target_os = "linux", not(teams_portable)))]
fn send(handle: &std::os::fd::OwnedFd, signal: Signal) {
    if let Some(signal) = rustix::process::Signal::from_named_raw(signal as i32) {
        let _ = rustix::process::pidfd_send_signal(handle, signal);
    }
}

#[cfg(not(all(target_os = "linux", not(teams_portable))))]
fn handle(_pid: i32) -> Option<std::convert::Infallible> {
    None
}

#[cfg(not(all(target_os = "linux", not(teams_portable))))]
fn send(handle: &std::convert::Infallible, _signal: Signal) {
    match *handle {}
}

/// Whether a process was started by another one, or by what that has started.
pub fn descends_from(pid: i32, ancestor: i32) -> bool {
    ancestors(pid).skip(1).any(|parent| parent == ancestor)
}

/// A process, the one that has started it, and so on.
pub fn ancestors(pid: i32) -> impl Iterator<Item = i32> {
    let parent = |pid: &i32| Stat::read(*pid).map(|stat| stat.parent).filter(|parent| *parent > 0);
    // Nobody has this many; a number that is given anew meanwhile might make a circle.
    std::iter::successors(Some(pid), parent).take(1000)
}

/// Our own number.
pub fn own_pid() -> i32 {
    i32::try_from(std::process::id()).unwrap_or(0)
}

/// What we need of `/proc/<pid>/stat`.
#[derive(Debug)]
pub(crate) struct Stat {
    pub(crate) name: String,
    pub(crate) parent: i32,
    pub(crate) group: i32,
    pub(crate) session: i32,
    pub(crate) start_time: u64,
    pub(crate) resident_pages: u64,
    pub(crate) zombie: bool,
}

impl Stat {
    pub(crate) fn read(pid: i32) -> Option<Self> {
        Self::try_read(pid).ok().flatten()
    }

    /// `None` when there is no such process. A process may call itself anything, in any bytes.
    fn try_read(pid: i32) -> io::Result<Option<Self>> {
        if !HAS_PROC {
            return Ok(None);
        }
        match fs::read(format!("/proc/{pid}/stat")) {
            Ok(bytes) => Ok(Self::parse(&String::from_utf8_lossy(&bytes))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) if error.raw_os_error() == Some(nix::errno::Errno::ESRCH as i32) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The name, in parentheses, may hold anything, spaces and parentheses too.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (front, rest) = text.rsplit_once(')')?;
        let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
        Some(Self {
            name: front.split_once('(')?.1.to_owned(),
            // Whose first thread has ended looks like one that has ended, as long as others run.
            zombie: matches!(*fields.first()?, "Z" | "X") && fields.get(17)?.parse::<u32>().ok()? <= 1,
            parent: fields.get(1)?.parse().ok()?,
            group: fields.get(2)?.parse().ok()?,
            session: fields.get(3)?.parse().ok()?,
            start_time: fields.get(19)?.parse().ok()?,
            resident_pages: fields.get(21)?.parse().ok()?,
        })
    }
}

/// All processes at one moment.
#[derive(Debug)]
pub(crate) struct Table(pub(crate) HashMap<i32, Stat>);

impl Table {
    pub(crate) fn read() -> io::Result<Self> {
        if !HAS_PROC {
            return Ok(Self(HashMap::new()));
        }
        let mut table = HashMap::new();
        for entry in fs::read_dir("/proc")? {
            let name = entry?.file_name();
            let Some(pid) = name.to_str().and_then(|name| name.parse().ok()) else { continue };
            if let Some(stat) = Stat::try_read(pid)? {
                table.insert(pid, stat);
            }
        }
        Ok(Self(table))
    }

    /// Whether this very process is in it.
    pub(crate) fn has(&self, id: ProcessId) -> bool {
        self.0.get(&id.pid).is_some_and(|stat| stat.start_time == id.start_time)
    }

    /// Adds those that carry the mark, and all children, and theirs.
    pub(crate) fn grow(&self, members: &mut HashSet<i32>, mark: Option<&str>) {
        if let Some(mark) = mark {
            let variable = format!("{}={mark}", MARK_VARIABLE);
            let marked = self.0.keys().filter(|pid| !members.contains(pid) && carries(**pid, variable.as_bytes()));
            let marked: Vec<i32> = marked.copied().collect();
            members.extend(marked);
        }
        loop {
            let before = members.len();
            for (pid, stat) in &self.0 {
                if members.contains(&stat.parent) {
                    members.insert(*pid);
                }
            }
            if members.len() == before {
                return;
            }
        }
    }

    /// Those of them that run.
    pub(crate) fn running(&self, members: impl IntoIterator<Item = i32>) -> impl Iterator<Item = ProcessId> {
        members
            .into_iter()
            .filter_map(|pid| Some((pid, self.0.get(&pid).filter(|stat| !stat.zombie)?)))
            .map(|(pid, stat)| ProcessId { pid, start_time: stat.start_time })
    }
}

fn carries(pid: i32, variable: &[u8]) -> bool {
    fs::read(format!("/proc/{pid}/environ"))
        .is_ok_and(|environ| environ.split(|byte| *byte == 0).any(|other| other == variable))
}

/// The name of this run of the machine; empty where it has none.
pub fn boot_id() -> String {
    if !HAS_PROC {
        return String::new();
    }
    fs::read_to_string("/proc/sys/kernel/random/boot_id").map(|id| id.trim().to_owned()).unwrap_or_default()
}
