//! A small process between us and an agent, which sees to it that the agent leaves nothing behind.
//!
//! It is a child subreaper: whatever the agent starts, double-forked and in a session of its own, becomes its child when
//! the parent is gone, so that "no child is left" means that nothing is left. It ends when we do, however that happens: it
//! reads a pipe whose other end only we hold. It passes nothing on; the agent has its standard streams.
//!
//! File descriptor 3 brings orders, 4 takes reports, both as lines:
//! `go`, `term`, `kill`, and the end of the pipe; `started PID START`, `failed WHY`, `exited code|signal N`, `swept COUNT`.

use std::collections::HashSet;
use std::ffi::OsString;
use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::stat::{Mode, umask};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Pid, close, dup2_stderr, dup2_stdin, dup2_stdout, setsid};

use super::order::Order;
use super::table::{ProcessId, Stat, Table, own_pid};

/// Where orders come from and reports go to.
pub(super) const ORDERS_FD: i32 = 3;
pub(super) const REPORTS_FD: i32 = 4;
/// The argument before the file mode creation mask.
pub(super) const UMASK_FLAG: &str = "--umask";

/// How long an agent may take to obey SIGTERM when its supervisor is gone.
const ORPHAN_GRACE: Duration = Duration::from_secs(1);
/// How long what an agent left behind may take.
const LEFTOVER_GRACE: Duration = Duration::from_millis(300);
/// How long a killed process may take to be gone before it is looked for again.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

const LONGEST_LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Is the shim: `[--umask OCTAL] -- PROGRAM ARGUMENT…`. It is started by this crate and by nobody else.
pub fn run(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    match Shim::prepare(args) {
        Ok((mut shim, command)) => shim.supervise(command),
        Err(error) => {
            eprintln!("this is started by `teams` itself: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Closes what whoever started us had open and did not mean for us: descriptors beyond that one.
pub fn close_beyond(last: i32) {
    let numbers: Vec<i32> = std::fs::read_dir("/proc/self/fd")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect();
    for number in numbers.into_iter().filter(|number| *number > last) {
        let _ = close(number);
    }
}

struct Shim {
    orders: File,
    reports: File,
    /// The part of an order that was read.
    partial: Vec<u8>,
    agent: Option<Pid>,
    /// Our supervisor is gone.
    alone: bool,
}

impl Shim {
    fn prepare(args: impl IntoIterator<Item = OsString>) -> io::Result<(Self, std::process::Command)> {
        let mut args = args.into_iter();
        let mut word = args.next();
        if word.as_deref().is_some_and(|word| word == UMASK_FLAG) {
            let mask = args.next().and_then(|mask| u32::from_str_radix(mask.to_str()?, 8).ok());
            let mask = mask.ok_or_else(|| io::Error::other("the mask is no octal number"))?;
            umask(Mode::from_bits_truncate(mask));
            word = args.next();
        }
        let program = args.next().filter(|_| word.is_some_and(|word| word == "--"));
        let mut command = std::process::Command::new(program.ok_or_else(|| io::Error::other("no program"))?);
        command.args(args);
        close_beyond(REPORTS_FD);
        // Opened anew, so that these are closed in the agent; the ones we were given are not.
        let orders = File::open(format!("/proc/self/fd/{ORDERS_FD}"))?;
        let reports = OpenOptions::new().write(true).open(format!("/proc/self/fd/{REPORTS_FD}"))?;
        close(ORDERS_FD)?;
        close(REPORTS_FD)?;
        // Whatever signal is meant for our supervisor's group, or typed at its terminal, is not meant for us.
        setsid()?;
        nix::sys::prctl::set_child_subreaper(true)?;
        Ok((Self { orders, reports, partial: Vec::new(), agent: None, alone: false }, command))
    }

    fn supervise(&mut self, mut command: std::process::Command) -> ExitCode {
        use std::os::unix::process::CommandExt;
        // Until it is written down who we are, nothing is started.
        if !self.wait_for_go() {
            return ExitCode::FAILURE;
        }
        match command.process_group(0).spawn() {
            Ok(child) => {
                let id = ProcessId::of(i32::try_from(child.id()).unwrap_or(0));
                self.agent = Some(Pid::from_raw(id.pid));
                // Only the agent holds its streams, so that their end is its end.
                if let Ok(null) = OpenOptions::new().read(true).write(true).open("/dev/null") {
                    let _ = dup2_stdin(&null).and(dup2_stdout(&null)).and(dup2_stderr(&null));
                }
                self.report(format_args!("started {} {}", id.pid, id.start_time));
            }
            Err(error) => {
                self.report(format_args!("failed {error}"));
                return ExitCode::FAILURE;
            }
        }
        // Signals end us only together with what we look after; they are blocked after the start, because the agent
        // would inherit that.
        let children = SigSet::from(Signal::SIGCHLD);
        let signals = SigSet::all()
            .thread_block()
            .and_then(|()| SignalFd::with_flags(&children, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK));
        let Ok(signals) = signals else {
            self.sweep(None, Duration::ZERO);
            return ExitCode::FAILURE;
        };
        let grace = self.watch(&signals);
        let swept = self.sweep(Some(&signals), grace);
        self.report(format_args!("swept {swept}"));
        ExitCode::SUCCESS
    }

    /// Until there is nothing to watch any more; answers how long what is left may take to obey SIGTERM.
    fn watch(&mut self, signals: &SignalFd) -> Duration {
        loop {
            self.reap();
            if self.agent.is_none() {
                return LEFTOVER_GRACE;
            }
            match self.next_order(Some(signals), None) {
                Some(Order::Term) => self.signal_below(Signal::SIGTERM),
                Some(Order::Kill) => return Duration::ZERO,
                Some(Order::Go) | None => {}
            }
            if self.alone {
                return ORPHAN_GRACE;
            }
        }
    }

    fn wait_for_go(&mut self) -> bool {
        while !self.alone {
            if self.next_order(None, None) == Some(Order::Go) {
                return true;
            }
        }
        false
    }

    /// The next order, if one comes before a child changes or the time is up.
    fn next_order(&mut self, signals: Option<&SignalFd>, limit: Option<Duration>) -> Option<Order> {
        if let Some(order) = self.take_order() {
            return Some(order);
        }
        let timeout = limit.map_or(PollTimeout::NONE, |limit| {
            PollTimeout::try_from(limit.as_millis().max(1)).unwrap_or(PollTimeout::MAX)
        });
        let mut fds = Vec::with_capacity(2);
        if let Some(signals) = signals {
            fds.push(PollFd::new(signals.as_fd(), PollFlags::POLLIN));
        }
        if !self.alone {
            fds.push(PollFd::new(self.orders.as_fd(), PollFlags::POLLIN));
        }
        let ready = poll(&mut fds, timeout).is_ok();
        let told = ready && !self.alone && fds.last().and_then(PollFd::any).unwrap_or(false);
        if let Some(signals) = signals {
            while let Ok(Some(_)) = signals.read_signal() {}
        }
        if told {
            let mut bytes = [0; 64];
            match self.orders.read(&mut bytes) {
                Ok(0) => self.alone = true,
                Ok(count) => self.partial.extend_from_slice(&bytes[..count]),
                Err(error) => self.alone = error.kind() != io::ErrorKind::Interrupted,
            }
        }
        self.take_order()
    }

    fn take_order(&mut self) -> Option<Order> {
        let end = self.partial.iter().position(|byte| *byte == b'\n')?;
        let line: Vec<u8> = self.partial.drain(..=end).collect();
        [Order::Go, Order::Term, Order::Kill].into_iter().find(|order| order.line().as_bytes() == line)
    }

    /// Collects children that have ended; answers whether any is left.
    fn reap(&mut self) -> bool {
        loop {
            let status = match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
                Ok(WaitStatus::StillAlive) => return true,
                Err(Errno::ECHILD) => return false,
                // It has reaped a child that a signal ended which it has no name for.
                Err(Errno::EINVAL) => {
                    if self.agent.is_some_and(|agent| Stat::read(agent.as_raw()).is_none()) {
                        self.report(format_args!("exited signal 0"));
                        self.agent = None;
                    }
                    continue;
                }
                Err(_) => continue,
                Ok(status) => status,
            };
            if status.pid().is_none() || status.pid() != self.agent {
                continue;
            }
            match status {
                WaitStatus::Exited(_, code) => self.report(format_args!("exited code {code}")),
                WaitStatus::Signaled(_, signal, _) => self.report(format_args!("exited signal {}", signal as i32)),
                _ => continue,
            }
            self.agent = None;
        }
    }

    /// Ends everything below us, and answers how many those were besides the agent.
    fn sweep(&mut self, signals: Option<&SignalFd>, mut grace: Duration) -> usize {
        let begin = Instant::now();
        let mut look_again = LOOK_AGAIN;
        let mut asked = HashSet::new();
        let mut seen = HashSet::new();
        while self.reap() {
            let patient = begin.elapsed() < grace;
            for id in self.below() {
                if Some(id.pid) != self.agent.map(Pid::as_raw) {
                    seen.insert(id);
                }
                if !patient {
                    id.signal(Signal::SIGKILL);
                } else if asked.insert(id) {
                    id.signal(Signal::SIGTERM);
                }
            }
            let again = Instant::now() + look_again;
            if !patient {
                // What even SIGKILL does not end takes its time.
                look_again = (look_again * 2).min(LONGEST_LOOK_AGAIN);
            }
            while self.reap()
                && let Some(left) = again.checked_duration_since(Instant::now())
            {
                if self.next_order(signals, Some(left)) == Some(Order::Kill) {
                    grace = Duration::ZERO;
                }
            }
        }
        seen.len()
    }

    fn signal_below(&self, signal: Signal) {
        for id in self.below() {
            id.signal(signal);
        }
    }

    fn below(&self) -> Vec<ProcessId> {
        let Ok(table) = Table::read() else {
            // Without a look at the system there is still the agent.
            return self.agent.map(|agent| ProcessId::of(agent.as_raw())).into_iter().collect();
        };
        let mut members = HashSet::from([own_pid()]);
        table.grow(&mut members, None);
        members.remove(&own_pid());
        table.running(members).collect()
    }

    /// A supervisor that is gone is no reason to stop.
    fn report(&mut self, line: fmt::Arguments<'_>) {
        let _ = self.reports.write_all(format!("{line}\n").as_bytes());
    }
}
