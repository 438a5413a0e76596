//! The only place that starts, signals and reaps processes.
//!
//! Each agent runs under a [`shim`] when the caller says where that is: a child subreaper that ends with us and leaves
//! nothing behind. Without one, an agent runs in a process group of its own, its descendants are found in `/proc`, by
//! parentage, by group, and by a random mark in the environment that a process keeps when its parent is gone, and an end of
//! ours that we cannot act upon is noticed by the agents only, when their input ends.
//!
//! A process is known by its pid *and* its start time; one that differs is never signalled. Where there is no `/proc` only
//! the group is reached.

mod child;
#[cfg(feature = "native")]
pub mod confine;
mod order;
mod registry;
#[cfg(all(target_os = "linux", not(teams_portable)))]
pub mod shim;
mod spec;
mod table;

use std::collections::HashSet;
use std::io;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::io::AsyncRead;
use tokio::process::ChildStdout;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use crate::discover;
use crate::error::{BackendError, Result};
use crate::lock::lock;
use crate::output::Exit;
use crate::pipes::{LineReader, StdinWriter, Tail, drain_stderr};
use crate::tap::{Passed, Tapped};
pub use child::become_subreaper;
use child::{Life, Registered, adopted, follow, own_child, under_shim};
use order::Order;
pub use registry::{Child as RegisteredChild, ChildRecord, ProcessInfo, Reaped, Registry, Role};
pub use spec::LABEL_VARIABLE;
pub use spec::{Grace, ProcessSpec, StopReport, StopStep, Supervision};
use table::{HAS_PROC, Table};
pub use table::{MARK_VARIABLE, ProcessId, ancestors, boot_id, descends_from, own_pid};

/// How long the last lines of a process that has ended may take to be read.
const LAST_WORDS: Duration = Duration::from_millis(200);
/// How long what an agent left behind may take to obey SIGTERM.
const LEFTOVER_GRACE: Duration = Duration::from_millis(300);
const KILL_DEADLINE: Duration = Duration::from_secs(5);
/// How long a shim may take to carry out an order before we do it ourselves.
const SHIM_LIMIT: Duration = Duration::from_secs(3);

/// A running agent process, with its descendants.
///
/// Dropping it kills them.
#[derive(Debug)]
pub struct AgentProcess {
    /// What we started: the shim, or the agent itself.
    id: ProcessId,
    mark: String,
    life: watch::Receiver<Life>,
    stderr: Arc<Mutex<Tail>>,
    /// Brings orders to the shim; its end ends it.
    orders: Option<io::PipeWriter>,
    /// Everything that was ever seen below it, so that an orphan is still known.
    seen: HashSet<ProcessId>,
    /// Orphans that the last look reaped; theirs may be next.
    reaped: usize,
    grace: Option<Grace>,
    registered: Option<Registered>,
    /// Its program only reaches another machine or a container.
    elsewhere: bool,
    report: Option<StopReport>,
}

impl AgentProcess {
    /// Starts a process with all three of its streams connected to us.
    ///
    /// # Errors
    /// The program is missing or cannot be executed, or it cannot be written down.
    pub fn spawn(spec: ProcessSpec) -> Result<(Self, StdinWriter, Stdout)> {
        Self::spawn_by(spec, tokio::process::Command::spawn)
    }

    /// Starts a process in the way that `start` has of it, which starts the command that it is given and nothing else.
    fn spawn_by(
        spec: ProcessSpec,
        start: impl FnOnce(&mut tokio::process::Command) -> io::Result<tokio::process::Child>,
    ) -> Result<(Self, StdinWriter, Stdout)> {
        let path = spec.env.get("PATH").or(spec.inherit_env.as_ref().and_then(|env| env.get("PATH")));
        let program = discover::find(spec.backend, spec.command.program(), path.map(String::as_str), spec.package)?;
        let mark = uuid::Uuid::new_v4().to_string();
        let failed = |source| BackendError::Start { program: program.display().to_string(), source };
        let shim = spec.supervision.shim.as_ref().filter(|_| HAS_PROC);
        let mut lines = None;
        let mut command = match (shim, spec.umask) {
            (Some(shim), mask) => {
                let (command, ends) = under_shim(shim, mask).map_err(failed)?;
                lines = Some(ends);
                command
            }
            // A mask can only be set from inside the new process, so a shell sets it and becomes the program.
            (None, Some(mask)) => {
                let mut shell = std::process::Command::new("/bin/sh");
                shell.arg("-c").arg("umask \"$0\"; exec \"$@\"").arg(format!("{mask:04o}"));
                shell
            }
            (None, None) => std::process::Command::new(&program),
        };
        if shim.is_some() || spec.umask.is_some() {
            command.arg(&program);
        }
        command.args(spec.command.args()).args(&spec.args).current_dir(&spec.cwd);
        if let Some(env) = &spec.inherit_env {
            command.env_clear().envs(env);
        }
        command
            .envs(&spec.env)
            .env(MARK_VARIABLE, &mark)
            .env(LABEL_VARIABLE, &spec.supervision.label)
            .env("PWD", &spec.cwd);
        let mut command = tokio::process::Command::from(command);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        if shim.is_none() {
            // A shim that is killed could not look after anybody.
            command.process_group(0).kill_on_drop(true);
        }
        let mut child = own_child(|| start(&mut command)).map_err(failed)?;
        drop(command);
        let pid =
            child.id().and_then(|pid| i32::try_from(pid).ok()).expect("a child that was not waited for has a pid");
        let id = ProcessId::of(pid);
        let stdin = child.stdin.take().expect("stdin is piped");
        let stdout = child.stdout.take().expect("stdout is piped");
        let stderr_pipe = child.stderr.take().expect("stderr is piped");
        let stderr = Arc::new(Mutex::new(Tail::default()));
        let tapped = Tapped::begin(spec.supervision.tap.as_ref());
        tapped.hear(Passed::Started(&spec.args));
        // It ends with the pipe.
        tokio::spawn(drain_stderr(stderr_pipe, Arc::clone(&stderr), spec.stderr, tapped.clone()));
        let agent = shim.is_none().then_some(id);
        let (life_tx, life) = watch::channel(Life { agent, ..Life::default() });
        let registered = spec.supervision.registry.map(|registry| {
            let record = ChildRecord {
                boot_id: boot_id(),
                owner: ProcessId::own(),
                process: id,
                shim: shim.is_some(),
                agent,
                mark: mark.clone(),
                label: spec.supervision.label,
                what: spec.backend.to_string(),
            };
            Registered { registry, record }
        });
        let written = registered.as_ref().map_or(Ok(()), Registered::write);
        let (mut orders, reports) = lines.unzip();
        tokio::spawn(follow(child, reports, life_tx, registered.clone(), Arc::clone(&stderr), tapped.clone()));
        if let Some(orders) = &mut orders
            && written.is_ok()
        {
            Order::Go.give(orders);
        }
        let process = Self {
            id,
            mark,
            life,
            stderr,
            orders,
            seen: HashSet::new(),
            reaped: 0,
            grace: spec.stop_grace,
            elsewhere: spec::works_elsewhere(spec.command.program()),
            registered,
            report: None,
        };
        // When it is dropped it is killed; a shim has started nothing yet.
        written.map_err(BackendError::io("cannot write an agent's process down; nothing was started"))?;
        let stdin = StdinWriter::new(stdin, tapped.clone());
        Ok((process, stdin, LineReader::new(stdout).tapped(tapped)))
    }

    /// The agent's pid, while it runs.
    pub fn pid(&self) -> Option<u32> {
        let life = self.life.borrow();
        if life.exit.is_some() { None } else { u32::try_from(life.agent?.pid).ok() }
    }

    /// Waits until [`pid`](Self::pid) can tell. Cancel-safe.
    pub(crate) async fn begun(&self) {
        let mut life = self.life.clone();
        let _ = life.wait_for(|life| life.agent.is_some() || life.exit.is_some()).await;
    }

    /// The last lines it wrote on stderr, in one line each, without colours.
    pub fn last_words(&self) -> String {
        lock(&self.stderr).text()
    }

    /// How the agent ended by itself, in words: with the last that it wrote on stderr, unless somebody has ended it, which explains itself.
    pub(crate) fn how_it_ended(&self, who: &str, exit: &Exit) -> String {
        let by_somebody = matches!(exit, Exit::Signal(1 | 2 | 9 | 15));
        let words = if by_somebody { String::new() } else { self.last_words() };
        format!("{who} ended by itself ({exit}) {words}").trim_end().to_owned()
    }

    /// Waits, for a moment, until all that it wrote on stderr before its end was read.
    pub(crate) async fn hear_out(&self) {
        hear_out(&self.stderr).await;
    }

    /// Waits until the agent has ended. Cancel-safe.
    pub async fn wait(&self) -> Exit {
        wait(&self.life).await
    }

    fn has_ended(&self) -> bool {
        self.life.borrow().exit.is_some()
    }

    /// For others than its owner.
    pub(crate) fn watch(&self) -> ProcessWatch {
        ProcessWatch { life: self.life.clone(), stderr: Arc::clone(&self.stderr) }
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
        let grace = self.grace.map_or(grace, |own| grace.but(own));
        self.look()?;
        let mut step = StopStep::AlreadyEnded;
        if !self.has_ended() {
            step = StopStep::Asked;
            if let Some(stdin) = stdin {
                stdin.close();
            }
            if !self.ended_within(grace.ask).await {
                self.look()?;
                step = StopStep::Terminated;
                self.terminate();
                if !self.ended_within(grace.term).await {
                    step = StopStep::Killed;
                    self.kill_all().await?;
                }
            }
        }
        let descendants = self.end_leftovers(grace).await?;
        let shim = self.orders.is_some() && !self.life.borrow().gone;
        let left = self.look()? + usize::from(!self.has_ended()) + usize::from(shim);
        let exit = self.life.borrow().exit.clone().unwrap_or(Exit::Unknown);
        if let Some(Registered { registry, record }) = self.registered.take_if(|_| left == 0) {
            registry.forget(&record);
        }
        let report = StopReport { exit, step, descendants, left, elsewhere: self.elsewhere };
        self.report = Some(report.clone());
        Ok(report)
    }

    async fn ended_within(&self, limit: Duration) -> bool {
        !limit.is_zero() && timeout(limit, self.wait()).await.is_ok()
    }

    fn terminate(&mut self) {
        if !self.order(Order::Term) {
            self.signal_all(Signal::SIGTERM);
        }
    }

    /// Kills everything; by the shim, and if that does not, or is not there, by ourselves.
    async fn kill_all(&mut self) -> Result<()> {
        if self.order(Order::Kill) && self.gone_within(SHIM_LIMIT).await {
            return Ok(());
        }
        self.look()?;
        self.signal_all(Signal::SIGKILL);
        self.ended_within(KILL_DEADLINE).await;
        Ok(())
    }

    /// Gives the shim an order; answers whether there is one to take it.
    fn order(&mut self, order: Order) -> bool {
        let gone = self.life.borrow().gone;
        self.orders.as_mut().is_some_and(|orders| !gone && order.give(orders))
    }

    async fn gone_within(&self, limit: Duration) -> bool {
        let mut life = self.life.clone();
        timeout(limit, life.wait_for(|life| life.gone)).await.is_ok()
    }

    /// Ends what the agent left behind; answers how many that were.
    async fn end_leftovers(&mut self, grace: Grace) -> Result<usize> {
        let mut swept = 0;
        if self.orders.is_some() {
            // The shim is about it already.
            if grace.term.is_zero() {
                self.order(Order::Kill);
            }
            if !self.gone_within(SHIM_LIMIT).await {
                // It does not do its work, so we do.
                self.id.signal(Signal::SIGKILL);
                self.gone_within(KILL_DEADLINE).await;
            }
            swept = self.life.borrow().swept.unwrap_or(0);
        }
        let found = self.look()?;
        if found > 0 && !grace.term.is_zero() {
            self.signal_all(Signal::SIGTERM);
            self.empty_within(LEFTOVER_GRACE).await?;
        }
        let deadline = Instant::now() + KILL_DEADLINE;
        while self.look()? + self.reaped > 0 && Instant::now() < deadline {
            self.signal_all(Signal::SIGKILL);
            self.empty_within(Duration::from_millis(50)).await?;
        }
        Ok(swept + found)
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
        let table = Table::read().map_err(BackendError::io("cannot read /proc to find an agent's processes"))?;
        let agent = self.life.borrow().agent;
        // With its shim gone, nobody but us looks after the agent.
        let ours = [Some(self.id), agent.filter(|_| !self.life.borrow().gone)];
        let known = self.seen.iter().copied().chain([Some(self.id), agent].into_iter().flatten());
        let mut members: HashSet<i32> = known.filter(|id| table.has(*id)).map(|id| id.pid).collect();
        // Once it is reaped, its number may come to mean another group.
        if let Some(agent) = agent
            && !self.has_ended()
        {
            members.extend(table.0.iter().filter(|(_, stat)| stat.group == agent.pid).map(|(pid, _)| *pid));
        }
        let (orphans, reaped) = adopted(&table);
        self.reaped = reaped;
        // A shim that has swept left nobody behind.
        let killed = self.orders.is_some() && self.life.borrow().gone && self.life.borrow().swept.is_none();
        if killed {
            members.extend(orphans);
        }
        table.grow(&mut members, Some(&self.mark));
        members.remove(&own_pid());
        self.seen = table.running(members).filter(|id| !ours.contains(&Some(*id))).collect();
        Ok(self.seen.len())
    }

    /// Signals the process, its group and every descendant that was seen and is still the same process.
    fn signal_all(&self, signal: Signal) {
        let life = self.life.borrow().clone();
        if let Some(agent) = life.agent
            && life.exit.is_none()
        {
            // Its number cannot mean another group: who looks after it has not reaped it yet.
            if agent.is_alive() {
                let _ = killpg(Pid::from_raw(agent.pid), signal);
            }
            agent.signal(signal);
        }
        if signal == Signal::SIGKILL && !life.gone {
            self.id.signal(signal);
        }
        for id in &self.seen {
            id.signal(signal);
        }
    }
}

impl Drop for AgentProcess {
    fn drop(&mut self) {
        // A shim does the rest by itself.
        if self.report.is_none() && !self.order(Order::Kill) && self.look().is_ok() {
            self.signal_all(Signal::SIGKILL);
        }
    }
}

/// A look at a process that somebody else owns.
#[derive(Debug)]
pub(crate) struct ProcessWatch {
    life: watch::Receiver<Life>,
    stderr: Arc<Mutex<Tail>>,
}

impl ProcessWatch {
    pub(crate) async fn wait(&self) -> Exit {
        wait(&self.life).await
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

async fn wait(life: &watch::Receiver<Life>) -> Exit {
    let mut life = life.clone();
    match life.wait_for(|life| life.exit.is_some()).await {
        Ok(life) => life.exit.clone().unwrap_or(Exit::Unknown),
        Err(_) => Exit::Unknown,
    }
}

/// The standard output of an agent, as lines.
pub type Stdout = LineReader<ChildStdout>;

/// What comes next from a process.
#[derive(Debug)]
pub enum LineEvent {
    /// A line of its output, without its end.
    Line(String),
    /// The process has ended.
    Ended(Exit),
}

/// The next line of a process, or its end. A descendant that holds its output open does not keep it alive; a process that
/// closed its output and does not end within a moment has ended for us. Cancel-safe.
pub async fn next_line<R: AsyncRead + Unpin>(process: &AgentProcess, lines: &mut LineReader<R>) -> LineEvent {
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

#[cfg(test)]
mod tests;
