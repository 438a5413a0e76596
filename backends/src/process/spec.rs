//! What to start, how to stop it, and what became of it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use super::registry::Registry;
use crate::command::Command;
use crate::kind::BackendType;
use crate::output::Exit;
use crate::tap::Tap;

/// What to start.
#[derive(Debug)]
pub struct ProcessSpec {
    /// Whose program it is.
    pub backend: BackendType,
    /// The program.
    pub command: Command,
    /// The arguments after those of the command.
    pub args: Vec<String>,
    /// Where it works.
    pub cwd: PathBuf,
    /// The npm package that brings the program, for whoever does not have it.
    pub package: Option<&'static str>,
    /// Its whole environment; `None` inherits ours.
    pub inherit_env: Option<BTreeMap<String, String>>,
    /// Variables on top.
    pub env: BTreeMap<String, String>,
    /// Its file mode creation mask; `None` inherits ours.
    pub umask: Option<u32>,
    /// How long each rung of the stop ladder may take, whoever climbs it; `None` leaves it to who does.
    pub stop_grace: Option<Grace>,
    /// Who looks after it besides us.
    pub supervision: Supervision,
    /// Who else wants its lines on stderr; what does not fit is left out.
    pub stderr: Option<mpsc::Sender<String>>,
}

impl ProcessSpec {
    /// Sets a variable unless the caller has.
    pub(crate) fn default_env(&mut self, name: &str, value: &str) {
        let inherited = match &self.inherit_env {
            Some(env) => env.contains_key(name),
            None => std::env::var_os(name).is_some(),
        };
        if !inherited {
            self.env.entry(name.to_owned()).or_insert_with(|| value.to_owned());
        }
    }
}

/// Whom an agent works for, in its environment: the [`label`](Supervision::label).
pub const LABEL_VARIABLE: &str = "TEAMS_MEMBER";

/// Who looks after an agent's processes, besides its session. The default is nobody: then an agent is found out only by
/// those who started it, and what it leaves behind when they are killed is not.
#[derive(Clone, Debug, Default)]
pub struct Supervision {
    /// A program that does nothing but call [`shim::run`](crate::process::shim::run) with its arguments. Linux only.
    pub shim: Option<Command>,
    /// Where processes are written down before they can act.
    pub registry: Option<Registry>,
    /// Whom the processes work for, in the registry.
    pub label: String,
    /// Who hears all that passes between us and them.
    pub tap: Option<Arc<dyn Tap>>,
}

/// The last rung of the stop ladder that was needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum StopStep {
    /// It had ended, or there was no process.
    AlreadyEnded,
    /// It ended when its input was closed, or when it was asked to by protocol.
    Asked,
    /// It ended on SIGTERM.
    Terminated,
    /// It had to be killed.
    Killed,
    /// It was served by a process that serves others too, and that runs on. What it had started there was asked to end;
    /// nothing was verified.
    Detached,
}

/// What became of an agent's processes, as verified after the fact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StopReport {
    /// How the agent's own process ended.
    pub exit: Exit,
    /// What it took.
    pub step: StopStep,
    /// Descendants that had to be signalled.
    pub descendants: usize,
    /// Processes that are still there, of those that are its own.
    pub left: usize,
    /// Its program only reaches another machine or a container, where its work may go on.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub elsewhere: bool,
}

impl StopReport {
    /// There was nothing to stop.
    pub fn nothing() -> Self {
        Self { exit: Exit::Unknown, step: StopStep::AlreadyEnded, descendants: 0, left: 0, elsewhere: false }
    }

    /// It was served by a process that runs on, for others.
    pub fn detached() -> Self {
        Self { step: StopStep::Detached, ..Self::nothing() }
    }

    /// What is left, in words for people.
    pub fn remains(&self) -> String {
        match self.step {
            StopStep::Detached => "the process that it shared runs on".to_owned(),
            _ if self.elsewhere => format!("{} processes left on this machine", self.left),
            _ => format!("{} processes left", self.left),
        }
    }
}

/// Whether a program only reaches another machine, or a container, in which the agent runs: its end here need not be the agent's.
pub(super) fn works_elsewhere(program: &str) -> bool {
    let name = program.rsplit('/').next().unwrap_or(program);
    ["ssh", "docker", "podman", "kubectl", "srun", "nerdctl", "lxc", "mosh"].contains(&name)
}

/// How long each rung of the ladder may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grace {
    /// After the input is closed.
    pub ask: Duration,
    /// After SIGTERM.
    pub term: Duration,
}

impl Grace {
    /// No patience at all: straight to SIGKILL.
    pub const NONE: Self = Self { ask: Duration::ZERO, term: Duration::ZERO };

    /// The same with other times; a rung that is left out stays out.
    pub(super) fn but(self, own: Self) -> Self {
        let rung = |ours: Duration, own: Duration| if ours.is_zero() { ours } else { own };
        Self { ask: rung(self.ask, own.ask), term: rung(self.term, own.term) }
    }
}

impl Default for Grace {
    fn default() -> Self {
        Self { ask: Duration::from_secs(3), term: Duration::from_secs(3) }
    }
}
