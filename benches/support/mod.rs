//! What the benches share: how a figure is printed, and a home to run `teams` in.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

pub(crate) fn row(what: &str, measured: impl std::fmt::Display, goal: &str) {
    println!("  {what:<66} {measured:>14}   {goal}");
}

pub(crate) fn ms(time: Duration) -> String {
    format!("{:.3} ms", time.as_secs_f64() * 1000.0)
}

pub(crate) fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

#[allow(dead_code, reason = "not every bench runs `teams` in a home")]
pub(crate) fn teams(home: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_teams"));
    command.args(args).current_dir(home).env_clear().stdin(Stdio::null());
    command
        .env("PATH", "/usr/bin:/bin")
        .env("HOME", home)
        .env("TEAMS_STATE_DIR", home.join("state"))
        .env("TEAMS_SIMULATE", "1");
    command
}

#[allow(dead_code, reason = "not every bench runs `teams` in a home")]
pub(crate) fn run(home: &Path, args: &[&str]) -> String {
    let output = teams(home, args).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Runs the parts whose name has a word of the command line in it; all of them without one.
pub(crate) fn run_parts(parts: &[(&str, fn())]) {
    let wanted: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    for (name, part) in parts {
        if wanted.is_empty() || wanted.iter().any(|word| name.contains(word.as_str())) {
            println!("\n{name}");
            part();
        }
    }
}

#[allow(dead_code, reason = "not every bench has a runtime of its own")]
pub(crate) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}
