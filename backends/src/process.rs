//! The only place that starts, signals and reaps processes.
//!
//! Each agent runs in a process group of its own. Its descendants are found in `/proc`, because agents run their shell
//! tools in sessions of their own, where a signal to the group does not reach: by parentage, by group, and by a random
//! mark in the environment that a process keeps when its parent is gone. A process is known by its pid *and* its start
//! time; one that differs is never signalled. Where there is no `/proc` only the group is reached.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs;
use std::io;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};
use tokio::io::AsyncRead;
use tokio::process::{Child, ChildStdout};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, timeout};

use crate::config::{Command, SpawnConfig};
use crate::error::BackendError;
use crate::output::Exit;
use crate::pipes::{LineReader, StdinWriter, Tail, drain_stderr};
use crate::{BackendType, Result, discover};

/// The variable that marks an agent and all that it starts. Whoever starts something that shall outlive an agent, from
/// within one, removes it.
pub const MARK_VARIABLE: &str = "AGENT_BACKENDS_PROCESS";

/// How long the last lines of a process that has ended may take to be read.
const LAST_WORDS: Duration = Duration::from_millis(200);
/// How long what an agent left behind may take to obey SIGTERM.
const LEFTOVER_GRACE: Duration = Duration::from_millis(300);
const KILL_DEADLINE: Duration = Duration::from_secs(5);

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
    /// Its whole environment; `None` inherits ours.
    pub inherit_env: Option<BTreeMap<String, String>>,
    /// Variables on top.
    pub env: BTreeMap<String, String>,
    /// Its file mode creation mask; `None` inherits ours.
    pub umask: Option<u32>,
    /// Who else wants its lines on stderr; what does not fit is left out.
    pub stderr: Option<mpsc::Sender<String>>,
}

impl ProcessSpec {
    /// What a session's configuration says about its process; the arguments are the backend's.
    pub(crate) fn of(
        backend: BackendType,
        command: Command,
        args: Vec<String>,
        config: &SpawnConfig,
        cwd: PathBuf,
    ) -> Self {
        Self {
            backend,
            command,
            args,
            cwd,
            inherit_env: config.inherit_env.clone(),
            env: config.env.clone(),
            umask: config.umask,
            stderr: None,
        }
    }

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
    /// Processes that are still there.
    pub left: usize,
}

impl StopReport {
    /// There was nothing to stop.
    pub fn nothing() -> Self {
        Self { exit: Exit::Unknown, step: StopStep::AlreadyEnded, descendants: 0, left: 0 }
    }
}

/// How long each rung of the ladder may take.
#[derive(Clone, Copy, Debug)]
pub struct Grace {
    /// After the input is closed.
    pub ask: Duration,
    /// After SIGTERM.
    pub term: Duration,
}

impl Grace {
    /// No patience at all: straight to SIGKILL.
    pub const NONE: Self = Self { ask: Duration::ZERO, term: Duration::ZERO };
}

impl Default for Grace {
    fn default() -> Self {
        Self { ask: Duration::from_secs(3), term: Duration::from_secs(3) }
    }
}

/// A running agent process, with its descendants.
///
/// Dropping it kills them.
#[derive(Debug)]
pub struct AgentProcess {
    id: ProcessId,
    mark: String,
    exit: watch::Receiver<Option<Exit>>,
    stderr: Arc<Mutex<Tail>>,
    /// Everything that was ever seen below it, so that an orphan is still known.
    seen: HashSet<ProcessId>,
    report: Option<StopReport>,
}

/// A process, safe against reuse of its pid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct ProcessId {
    pid: i32,
    /// Field 22 of `/proc/<pid>/stat`; 0 where there is no `/proc`.
    start_time: u64,
}

impl AgentProcess {
    /// Starts a process with all three of its streams connected to us.
    ///
    /// # Errors
    /// The program is missing or cannot be executed.
    pub fn spawn(spec: ProcessSpec) -> Result<(Self, StdinWriter, LineReader<ChildStdout>)> {
        let path = spec.env.get("PATH").or(spec.inherit_env.as_ref().and_then(|env| env.get("PATH")));
        let program = discover::find(spec.backend, spec.command.program(), path.map(String::as_str))?;
        let mark = uuid::Uuid::new_v4().to_string();
        let mut command = match spec.umask {
            // A mask can only be set from inside the new process, so a shell sets it and becomes the program.
            Some(mask) => {
                let mut shell = tokio::process::Command::new("/bin/sh");
                shell.arg("-c").arg("umask \"$0\"; exec \"$@\"").arg(format!("{mask:04o}")).arg(&program);
                shell
            }
            None => tokio::process::Command::new(&program),
        };
        command.args(spec.command.args()).args(&spec.args).current_dir(&spec.cwd);
        if let Some(env) = &spec.inherit_env {
            command.env_clear().envs(env);
        }
        command
            .envs(&spec.env)
            .env(MARK_VARIABLE, &mark)
            .env("PWD", &spec.cwd)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true);
        let mut child =
            command.spawn().map_err(|source| BackendError::Start { program: program.display().to_string(), source })?;
        let pid =
            child.id().and_then(|pid| i32::try_from(pid).ok()).expect("a child that was not waited for has a pid");
        let stdin = child.stdin.take().expect("stdin is piped");
        let stdout = child.stdout.take().expect("stdout is piped");
        let stderr_pipe = child.stderr.take().expect("stderr is piped");
        let stderr = Arc::new(Mutex::new(Tail::default()));
        // It ends with the pipe.
        tokio::spawn(drain_stderr(stderr_pipe, Arc::clone(&stderr), spec.stderr));
        let (exit_tx, exit) = watch::channel(None);
        tokio::spawn(reap(child, exit_tx));
        let start_time = Stat::read(pid).map_or(0, |stat| stat.start_time);
        let process =
            Self { id: ProcessId { pid, start_time }, mark, exit, stderr, seen: HashSet::new(), report: None };
        Ok((process, StdinWriter::new(stdin), LineReader::new(stdout)))
    }

    /// Its pid, while it runs.
    pub fn pid(&self) -> Option<u32> {
        if self.exit.borrow().is_some() { None } else { u32::try_from(self.id.pid).ok() }
    }

    /// The last lines it wrote on stderr, in one line each, without colours.
    pub fn last_words(&self) -> String {
        lock(&self.stderr).text()
    }

    /// Waits, for a moment, until all that it wrote on stderr before its end was read.
    pub(crate) async fn hear_out(&self) {
        hear_out(&self.stderr).await;
    }

    /// Waits until it has ended. Cancel-safe.
    pub async fn wait(&self) -> Exit {
        wait(&self.exit).await
    }

    /// For others than its owner.
    pub(crate) fn watch(&self) -> ProcessWatch {
        ProcessWatch { exit: self.exit.clone(), stderr: Arc::clone(&self.stderr) }
    }

    /// Closes its input, then sends SIGTERM, then SIGKILL, each rung with its grace, to the process, its group and its
    /// descendants, and verifies what is left. A second call answers what the first one found.
    ///
    /// # Errors
    /// `/proc` could not be read, so that nothing can be said.
    pub async fn stop(&mut self, stdin: Option<&StdinWriter>, grace: Grace) -> Result<StopReport> {
        if let Some(report) = &self.report {
            return Ok(report.clone());
        }
        self.look()?;
        let mut step = StopStep::AlreadyEnded;
        if self.pid().is_some() {
            step = StopStep::Asked;
            if let Some(stdin) = stdin {
                stdin.close();
            }
            if !self.ended_within(grace.ask).await {
                self.look()?;
                step = StopStep::Terminated;
                self.signal_all(Signal::SIGTERM);
                if !self.ended_within(grace.term).await {
                    self.look()?;
                    step = StopStep::Killed;
                    self.signal_all(Signal::SIGKILL);
                    self.ended_within(KILL_DEADLINE).await;
                }
            }
        }
        let descendants = self.end_leftovers(grace).await?;
        let left = self.look()? + usize::from(self.pid().is_some());
        let exit = self.exit.borrow().clone().unwrap_or(Exit::Unknown);
        let report = StopReport { exit, step, descendants, left };
        self.report = Some(report.clone());
        Ok(report)
    }

    async fn ended_within(&self, limit: Duration) -> bool {
        !limit.is_zero() && timeout(limit, self.wait()).await.is_ok()
    }

    /// Ends what the agent left behind; answers how many that were.
    async fn end_leftovers(&mut self, grace: Grace) -> Result<usize> {
        let found = self.look()?;
        if found == 0 {
            return Ok(0);
        }
        if !grace.term.is_zero() {
            self.signal_all(Signal::SIGTERM);
            self.empty_within(LEFTOVER_GRACE).await?;
        }
        let deadline = Instant::now() + KILL_DEADLINE;
        while self.look()? > 0 && Instant::now() < deadline {
            self.signal_all(Signal::SIGKILL);
            self.empty_within(Duration::from_millis(50)).await?;
        }
        Ok(found)
    }

    async fn empty_within(&mut self, limit: Duration) -> Result<()> {
        let deadline = Instant::now() + limit;
        while self.look()? > 0 && Instant::now() < deadline {
            sleep(Duration::from_millis(5)).await;
        }
        Ok(())
    }

    /// Finds what lives below the agent now, and answers how many descendants that are.
    fn look(&mut self) -> Result<usize> {
        let table = process_table().map_err(BackendError::io("cannot read /proc to find an agent's processes"))?;
        let mut members: HashSet<i32> = HashSet::from([self.id.pid]);
        members.extend(self.seen.iter().map(|id| id.pid));
        members.retain(|pid| {
            table.get(pid).is_some_and(|stat| {
                let id = ProcessId { pid: *pid, start_time: stat.start_time };
                id == self.id || self.seen.contains(&id)
            })
        });
        let mark = format!("{MARK_VARIABLE}={}", self.mark);
        // Once it is reaped, its number may come to mean another group.
        let group_is_ours = self.exit.borrow().is_none();
        for (pid, stat) in &table {
            if (group_is_ours && stat.group == self.id.pid)
                || (!members.contains(pid) && carries(*pid, mark.as_bytes()))
            {
                members.insert(*pid);
            }
        }
        loop {
            let before = members.len();
            for (pid, stat) in &table {
                if members.contains(&stat.parent) {
                    members.insert(*pid);
                }
            }
            if members.len() == before {
                break;
            }
        }
        let own = i32::try_from(std::process::id()).unwrap_or(0);
        self.seen = members
            .into_iter()
            .filter(|pid| *pid != self.id.pid && *pid != own)
            .filter_map(|pid| table.get(&pid).filter(|stat| !stat.zombie).map(|stat| (pid, stat)))
            .map(|(pid, stat)| ProcessId { pid, start_time: stat.start_time })
            .collect();
        Ok(self.seen.len())
    }

    /// Signals the process, its group and every descendant that was seen and is still the same process.
    fn signal_all(&self, signal: Signal) {
        if self.exit.borrow().is_none() {
            // Not reaped yet, so neither its pid nor its group can belong to somebody else.
            let _ = killpg(Pid::from_raw(self.id.pid), signal);
        }
        for id in &self.seen {
            if Stat::read(id.pid).is_some_and(|stat| stat.start_time == id.start_time) {
                let _ = kill(Pid::from_raw(id.pid), signal);
            }
        }
    }
}

impl Drop for AgentProcess {
    fn drop(&mut self) {
        if self.report.is_none() && self.look().is_ok() {
            self.signal_all(Signal::SIGKILL);
        }
    }
}

/// A look at a process that somebody else owns.
#[derive(Debug)]
pub(crate) struct ProcessWatch {
    exit: watch::Receiver<Option<Exit>>,
    stderr: Arc<Mutex<Tail>>,
}

impl ProcessWatch {
    pub(crate) async fn wait(&self) -> Exit {
        wait(&self.exit).await
    }

    pub(crate) fn last_words(&self) -> String {
        lock(&self.stderr).text()
    }

    pub(crate) async fn hear_out(&self) {
        hear_out(&self.stderr).await;
    }
}

async fn hear_out(stderr: &Mutex<Tail>) {
    let deadline = Instant::now() + LAST_WORDS;
    while !lock(stderr).ended && Instant::now() < deadline {
        sleep(Duration::from_millis(2)).await;
    }
}

async fn wait(exit: &watch::Receiver<Option<Exit>>) -> Exit {
    let mut exit = exit.clone();
    match exit.wait_for(Option::is_some).await {
        Ok(value) => value.clone().unwrap_or(Exit::Unknown),
        Err(_) => Exit::Unknown,
    }
}

async fn reap(mut child: Child, exit: watch::Sender<Option<Exit>>) {
    let status = child.wait().await;
    exit.send_replace(Some(status.map_or(Exit::Unknown, exit_of)));
}

fn exit_of(status: ExitStatus) -> Exit {
    use std::os::unix::process::ExitStatusExt;
    match (status.code(), status.signal()) {
        (Some(code), _) => Exit::Code(code),
        (None, Some(signal)) => Exit::Signal(signal),
        (None, None) => Exit::Unknown,
    }
}

/// What we need of `/proc/<pid>/stat`.
#[derive(Debug)]
struct Stat {
    parent: i32,
    group: i32,
    start_time: u64,
    zombie: bool,
}

impl Stat {
    fn read(pid: i32) -> Option<Self> {
        Self::parse(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
    }

    /// The name, in parentheses, may hold anything, spaces and parentheses too.
    fn parse(text: &str) -> Option<Self> {
        let fields: Vec<&str> = text.rsplit_once(')')?.1.split_ascii_whitespace().collect();
        Some(Self {
            zombie: matches!(*fields.first()?, "Z" | "X"),
            parent: fields.get(1)?.parse().ok()?,
            group: fields.get(2)?.parse().ok()?,
            start_time: fields.get(19)?.parse().ok()?,
        })
    }
}

fn process_table() -> io::Result<HashMap<i32, Stat>> {
    if !cfg!(target_os = "linux") {
        return Ok(HashMap::new());
    }
    let mut table = HashMap::new();
    for entry in fs::read_dir("/proc")? {
        let name = entry?.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse().ok()) else { continue };
        if let Some(stat) = Stat::read(pid) {
            table.insert(pid, stat);
        }
    }
    Ok(table)
}

fn carries(pid: i32, mark: &[u8]) -> bool {
    fs::read(format!("/proc/{pid}/environ"))
        .is_ok_and(|environ| environ.split(|byte| *byte == 0).any(|var| var == mark))
}

/// What comes next from a process.
#[derive(Debug)]
pub(crate) enum LineEvent {
    Line(String),
    Ended(Exit),
}

/// The next line of a process, or its end. A descendant that holds its output open does not keep it alive; a process that
/// closed its output and does not end within a moment has ended for us. Cancel-safe.
pub(crate) async fn next_line<R: AsyncRead + Unpin>(process: &AgentProcess, lines: &mut LineReader<R>) -> LineEvent {
    const END_AFTER_CLOSE: Duration = Duration::from_secs(2);
    let exit = tokio::select! {
        biased;
        line = lines.next() => match line {
            Ok(Some(line)) => return LineEvent::Line(line),
            _ => timeout(END_AFTER_CLOSE, process.wait()).await.unwrap_or(Exit::Unknown),
        },
        exit = process.wait() => match timeout(LAST_WORDS, lines.next()).await {
            Ok(Ok(Some(line))) => return LineEvent::Line(line),
            _ => exit,
        },
    };
    process.hear_out().await;
    LineEvent::Ended(exit)
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

#[cfg(test)]
#[path = "process_tests.rs"]
mod tests;
