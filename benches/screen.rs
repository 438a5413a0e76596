//! What `teams ui` costs, in a pseudo-terminal with fifty simulated members: `cargo bench --bench screen`. It asserts nothing; it prints.

#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use support::{median, ms, row, run, run_parts, teams};

const MEMBERS: usize = 50;

fn main() {
    run_parts(&[("ui", ui)]);
}

/// The view in a terminal of its own; what it writes is kept.
struct Screen {
    child: Child,
    keys: File,
    written: Arc<Mutex<Vec<u8>>>,
}

impl Screen {
    fn open(home: &std::path::Path) -> Self {
        let size = nix::pty::Winsize { ws_row: 40, ws_col: 140, ws_xpixel: 0, ws_ypixel: 0 };
        let pty = nix::pty::openpty(Some(&size), None).unwrap();
        // Or the view would hold its own terminal open.
        nix::fcntl::fcntl(&pty.master, nix::fcntl::FcntlArg::F_SETFD(nix::fcntl::FdFlag::FD_CLOEXEC)).unwrap();
        let side = |fd: &OwnedFd| Stdio::from(fd.try_clone().unwrap());
        let mut command = teams(home, &["ui"]);
        command.env("TERM", "xterm-256color");
        command.stdin(side(&pty.slave)).stdout(side(&pty.slave)).stderr(side(&pty.slave));
        let child = command.spawn().unwrap();
        drop((command, pty.slave));
        let keys = File::from(pty.master);
        let written = Arc::new(Mutex::new(Vec::new()));
        let (mut read, all) = (keys.try_clone().unwrap(), Arc::clone(&written));
        std::thread::spawn(move || {
            let mut bytes = [0; 65536];
            while let Ok(count @ 1..) = read.read(&mut bytes) {
                all.lock().unwrap().extend_from_slice(&bytes[..count]);
            }
        });
        Self { child, keys, written }
    }

    /// How long it takes from `begin` until this is written.
    fn time_to(&self, text: &str, begin: Instant) -> Duration {
        while begin.elapsed() < Duration::from_secs(30) {
            let written = self.written.lock().unwrap();
            if written.windows(text.len()).any(|part| part == text.as_bytes()) {
                return begin.elapsed();
            }
            drop(written);
            std::thread::sleep(Duration::from_micros(200));
        }
        panic!("`{text}` is not shown");
    }

    fn press(&mut self, key: &str) {
        self.written.lock().unwrap().clear();
        self.keys.write_all(key.as_bytes()).unwrap();
    }

    fn ticks(&self) -> u64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
        fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
    }

    fn resident_kb(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    fn close(mut self) {
        self.press("q");
        self.child.wait().unwrap();
    }
}

fn last_event(home: &std::path::Path) -> u64 {
    let last = run(home, &["tail", "-n", "1", "--json"]);
    let event: serde_json::Value = serde_json::from_str(last.lines().last().unwrap()).unwrap();
    event["seq"].as_u64().unwrap()
}

fn ui() {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path();
    run(home, &["create", "crew"]);
    for number in 0..MEMBERS {
        run(home, &["spawn", &format!("m{number}"), "--backend", "claude"]);
    }
    let first_frame = || {
        let begin = Instant::now();
        let screen = Screen::open(home);
        let time = screen.time_to("m10", begin);
        screen.close();
        time
    };
    first_frame();
    row("first frame with members, warm daemon", ms(median((0..5).map(|_| first_frame()).collect())), "under 50 ms");
    // Each says twenty words a second for long enough.
    let words = "word ".repeat(2_000);
    for number in 0..MEMBERS {
        run(home, &["send", &format!("m{number}"), &format!("[[slow 50]] [[say {words}]]")]);
    }
    let mut screen = Screen::open(home);
    screen.time_to("m10", Instant::now());
    screen.press("j");
    std::thread::sleep(Duration::from_secs(2));
    let (ticks, events, begin) = (screen.ticks(), last_event(home), Instant::now());
    std::thread::sleep(Duration::from_secs(10));
    let (busy, events, time) = (screen.ticks() - ticks, last_event(home) - events, begin.elapsed().as_secs_f64());
    // A tick is a hundredth of a second wherever Linux runs today.
    row("share of a core, 50 members at work", format!("{:.1} %", busy as f64 / time), "under 20 %");
    row("events a second meanwhile", format!("{:.0}", events as f64 / time), "1,000");
    row("memory", format!("{:.1} MB", screen.resident_kb() as f64 / 1024.0), "under 30 MB");
    let key = |screen: &mut Screen| {
        screen.press("?");
        let time = screen.time_to("Everywhere", Instant::now());
        screen.press("\u{1b}[5~\u{1b}");
        std::thread::sleep(Duration::from_millis(60));
        time
    };
    let times = (0..20).map(|_| key(&mut screen)).collect();
    row("from a key to its frame, meanwhile", ms(median(times)), "under 16 ms");
    screen.close();
    run(home, &["stop", "--all", "--now"]);
    run(home, &["daemon", "stop"]);
}
