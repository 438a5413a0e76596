//! Keeps a process and all that it starts from writing anywhere but below some folders, where the kernel has Landlock.
//!
//! A domain of Landlock belongs to a thread and to the processes that it starts. So a thread of its own puts itself into one, starts the process, and
//! ends: no other thread of ours is confined, and nothing has to run between fork and exec. Under a shim the shim is confined too, which writes nothing.
//!
//! Confined are changes of what files hold and of folders, connections to sockets outside of the sandbox and signals to processes outside of it, each as far as the kernel
//! can. Reading, the network over IP, and the modes, owners and times of files are not.

use std::io;
use std::path::PathBuf;

use super::{AgentProcess, ProcessSpec, Stdout};
use crate::error::Result;
use crate::pipes::StdinWriter;

/// How far processes can be confined on this system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Support {
    /// What files hold, and folders, are changed where it is allowed and nowhere else.
    Full,
    /// The kernel's Landlock is a first one, in which files outside can still be cut short.
    Partial,
    /// There is no Landlock: processes run as they always do.
    None,
}

impl Support {
    /// What whoever asked for it has to know; `None` when there is nothing to say.
    pub fn warning(self) -> Option<&'static str> {
        match self {
            Self::Full => None,
            Self::Partial => Some("commands are confined only in part: the Landlock of this kernel is an older one"),
            Self::None => Some("commands are not confined: this system has no Landlock"),
        }
    }
}

impl AgentProcess {
    /// Starts a process as [`spawn`](Self::spawn) does, which with all that it starts may write below `writable` only.
    ///
    /// # Errors
    /// As `spawn`; a folder cannot be opened.
    pub fn spawn_confined(spec: ProcessSpec, writable: &[PathBuf]) -> Result<(Self, StdinWriter, Stdout)> {
        Self::spawn_by(spec, |command| start(command, writable))
    }
}

/// How far processes can be confined here: tried once, by a thread that does nothing else.
pub fn support() -> Support {
    static SUPPORT: std::sync::OnceLock<Support> = std::sync::OnceLock::new();
    let tried = || std::thread::spawn(|| restrict(&[])).join().map_err(|_| io::Error::other("it broke down"));
    *SUPPORT.get_or_init(|| tried().flatten().unwrap_or(Support::None))
}

fn start(command: &mut tokio::process::Command, writable: &[PathBuf]) -> io::Result<tokio::process::Child> {
    let runtime = tokio::runtime::Handle::current();
    let confined = || {
        let _entered = runtime.enter();
        restrict(writable)?;
        command.spawn()
    };
    std::thread::scope(|scope| scope.spawn(confined).join())
        .unwrap_or_else(|_| Err(io::Error::other("the thread that was to start it broke down")))
}

/// Confines the calling thread for good.
#[cfg(all(target_os = "linux", not(teams_portable)))]
fn restrict(writable: &[PathBuf]) -> io::Result<Support> {
    use landlock::{
        ABI, Access, AccessFs, LandlockStatus, PathBeneath, PathFd, Ruleset, RulesetAttr, RulesetCreatedAttr,
        RulesetStatus, Scope, path_beneath_rules,
    };
    /// What programs write to whatever they do, and terminals of their own.
    const DEVICES: [&str; 5] = ["/dev/null", "/dev/zero", "/dev/full", "/dev/ptmx", "/dev/pts"];
    let change = AccessFs::from_write(ABI::V10);
    let failed = |error: landlock::RulesetError| io::Error::other(format!("it cannot be confined: {error}"));
    let rules = Ruleset::default()
        .handle_access(change)
        .and_then(|rules| rules.scope(Scope::from_all(ABI::V10)))
        .and_then(Ruleset::create)
        .and_then(|rules| rules.add_rules(path_beneath_rules(DEVICES, change)));
    let mut rules = rules.map_err(failed)?;
    for folder in writable {
        let open = PathFd::new(folder).map_err(|error| {
            io::Error::other(format!("{} cannot be opened to write there: {error}", folder.display()))
        })?;
        rules = rules.add_rule(PathBeneath::new(open, change)).map_err(failed)?;
    }
    let status = rules.restrict_self().map_err(failed)?;
    Ok(match (status.ruleset, status.landlock) {
        (RulesetStatus::NotEnforced, _) => Support::None,
        (_, LandlockStatus::Available { effective_abi, .. }) if effective_abi >= ABI::V3 => Support::Full,
        _ => Support::Partial,
    })
}

#[cfg(not(all(target_os = "linux", not(teams_portable))))]
fn restrict(_writable: &[PathBuf]) -> io::Result<Support> {
    Ok(Support::None)
}
