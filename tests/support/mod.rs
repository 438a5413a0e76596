//! A home of its own for each test, and ways to wait.

mod client;
mod hold;
mod home;
mod made_up;
pub(crate) mod model;
mod page;
mod screen;
mod transcript;

pub(crate) use client::Client;
pub(crate) use hold::Hold;
pub(crate) use home::{Agent, Home, teams_binary};
pub(crate) use made_up::PROTOCOLS;
pub(crate) use page::{Page, read as read_answer};
pub(crate) use screen::Screen;

use std::time::{Duration, Instant};

/// Waits until `condition` gives something, for at most a minute and a half.
pub(crate) fn wait_for<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(90);
    loop {
        if let Some(found) = condition() {
            return found;
        }
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

pub(crate) fn signal(signal: &str, pid: u64) {
    let status = std::process::Command::new("sh").args(["-c", &format!("kill {signal} {pid}")]).status();
    assert!(status.expect("sh runs").success());
}

pub(crate) fn daemon_pid(home: &Home) -> u64 {
    home.json(&["daemon", "status"])["daemon"]["pid"].as_u64().expect("a process")
}
