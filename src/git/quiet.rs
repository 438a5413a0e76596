//! Runs git so that a repository which somebody else has set up cannot have anything run, fetched or waited for: its configuration is not
//! trusted, since members write to it from inside of their sandbox and we read it from outside.

use std::ffi::OsStr;
use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use super::{Git, TOO_SLOW, failed, missing};
use crate::error::Result;

/// Keeps git from running what the repository or the user has set up to be run: no hook, no file system monitor, no housekeeping.
const QUIET: [&str; 8] =
    ["-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false", "-c", "gc.auto=0", "-c", "maintenance.auto=false"];
/// Keeps git from fetching what a repository says is elsewhere, which may run any command: an older git does not know the first, and
/// the second allows no protocol at all, whatever the configuration allows.
const OFFLINE: [(&str, &str); 2] = [("GIT_NO_LAZY_FETCH", "1"), ("GIT_ALLOW_PROTOCOL", "")];
/// How long a git that was killed may take to be gone.
const END: Duration = Duration::from_secs(1);

impl Git {
    /// Git in a folder, with nothing run or fetched beside it.
    pub(super) fn quiet(&self, dir: &Path, args: &[&str]) -> Command {
        let mut command = self.command(dir, &QUIET, args);
        command.envs(OFFLINE);
        command
    }

    /// Runs git in a folder with an input and further variables, and answers what it prints, byte by byte. Nothing that is set up to be run
    /// beside git is, and what does not come to an end is killed, with all that it has started.
    pub(super) fn run_quietly(
        &self,
        dir: &Path,
        args: &[&str],
        stdin: &[u8],
        env: &[(&str, &OsStr)],
    ) -> Result<Vec<u8>> {
        let failed = |reason: String| failed(dir, args, reason);
        let mut command = self.quiet(dir, args);
        command.envs(env.iter().copied()).env("LC_ALL", "C").process_group(0);
        let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let deadline = Instant::now() + self.limit;
        let mut child = piped.spawn().map_err(|error| failed(missing(&error)))?;
        if let Some(mut input) = child.stdin.take() {
            let stdin = stdin.to_vec();
            // Git may end without having read all of it.
            thread::spawn(move || input.write_all(&stdin));
        }
        // They end with the pipes. Nobody waits for them: a process that got away may keep a pipe open.
        let (output, errors) = (all_of(child.stdout.take()), all_of(child.stderr.take()));
        let read =
            |from: &Receiver<Vec<u8>>| from.recv_timeout(deadline.saturating_duration_since(Instant::now())).ok();
        let (Some(output), Some(errors), Some(status)) = (read(&output), read(&errors), ended(&mut child, deadline))
        else {
            end(child);
            return Err(failed(format!("{TOO_SLOW} {} seconds", self.limit.as_secs_f32())));
        };
        let status = status.map_err(|error| failed(error.to_string()))?;
        if !status.success() {
            return Err(failed(String::from_utf8_lossy(&errors).trim().to_owned()));
        }
        Ok(output)
    }
}

/// What comes out of a pipe, once all of it has.
fn all_of(pipe: Option<impl Read + Send + 'static>) -> Receiver<Vec<u8>> {
    let (tell, told) = mpsc::sync_channel(1);
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut pipe) = pipe {
            let _ = pipe.read_to_end(&mut bytes);
        }
        let _ = tell.send(bytes);
    });
    told
}

/// How a process ended; `None` if it has not until then. One that has closed its pipes ends at once.
fn ended(child: &mut Child, deadline: Instant) -> Option<std::io::Result<ExitStatus>> {
    let mut pause = Duration::from_micros(100);
    loop {
        match child.try_wait() {
            Ok(None) if Instant::now() >= deadline => return None,
            Ok(None) => thread::sleep(pause),
            Ok(Some(status)) => return Some(Ok(status)),
            Err(error) => return Some(Err(error)),
        }
        pause = (pause * 2).min(Duration::from_millis(20));
    }
}

/// Kills a process and those it has started. Its group is its own as long as nobody has waited for it.
fn end(mut child: Child) {
    if let Ok(group) = i32::try_from(child.id()) {
        let _ = killpg(Pid::from_raw(group), Signal::SIGKILL);
    }
    if ended(&mut child, Instant::now() + END).is_none() {
        // It hangs in the kernel, on a disk that is gone: whenever it ends, it is waited for.
        thread::spawn(move || child.wait());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;
    use crate::git::is_too_slow;

    /// Git that starts a shell command, which keeps git's pipes.
    fn hangs(shell: &str) -> (Error, Duration) {
        let began = Instant::now();
        let git = Git::new(None).within(Duration::from_millis(500));
        let alias = format!("alias.hang=!{shell}");
        let error = git.run_quietly(Path::new("/"), &["-c", &alias, "hang"], &[], &[]).expect_err("it hangs");
        (error, began.elapsed())
    }

    #[test]
    fn what_does_not_end_is_given_up_and_killed_with_all_that_it_started() {
        let dir = tempfile::tempdir().unwrap();
        let pids = dir.path().join("pids");
        let (own, away) =
            ("sh -c 'echo $$ >> PIDS; sleep 60; true' &", "setsid sh -c 'echo $$ >> PIDS; sleep 60; true' &");
        for (shell, is_killed) in [(format!("{own} wait"), true), (own.to_owned(), true), (away.to_owned(), false)] {
            std::fs::write(&pids, "").unwrap();
            let (error, took) = hangs(&shell.replace("PIDS", &pids.display().to_string()));
            assert!(is_too_slow(&error) && error.to_string().contains("0.5 seconds"), "{error}");
            assert!(took < Duration::from_secs(20), "{took:?}");
            let deadline = Instant::now() + Duration::from_secs(10);
            let pid = loop {
                match std::fs::read_to_string(&pids).unwrap().trim().parse::<i32>() {
                    Ok(pid) => break pid,
                    Err(_) => assert!(Instant::now() < deadline, "it was not started"),
                }
                thread::yield_now();
            };
            let is_alive = || {
                let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"));
                stat.is_ok_and(|stat| !stat.contains(") Z"))
            };
            if !is_killed {
                // Out of reach, and not waited for.
                let _ = killpg(Pid::from_raw(pid), Signal::SIGKILL);
            }
            while is_alive() {
                assert!(Instant::now() < deadline, "{pid} lives");
                thread::yield_now();
            }
        }
    }
}
