//! What `teams ui` and `teams web` cost with fifty simulated members: `cargo bench --bench screen`. It asserts nothing; it prints.

#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use support::{median, ms, row, run, run_parts, teams};

const MEMBERS: usize = 50;
const CLIENTS: usize = 100;

fn main() {
    run_parts(&[("ui", ui), ("web", web)]);
}

/// The view in a terminal of its own; what it writes is kept.
struct Screen {
    child: Child,
    keys: File,
    written: Arc<Mutex<Vec<u8>>>,
}

impl Screen {
    fn open(home: &Path) -> Self {
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

    fn close(mut self) {
        self.press("q");
        self.child.wait().unwrap();
    }
}

/// The processor time of a process: a tick is a hundredth of a second wherever Linux runs today.
fn ticks(child: &Child) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{}/stat", child.id())).unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

fn resident_kb(child: &Child) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// A team of fifty.
fn crew(home: &Path) {
    run(home, &["create", "crew"]);
    for number in 0..MEMBERS {
        run(home, &["spawn", &format!("m{number}"), "--backend", "claude"]);
    }
}

/// Each says twenty words a second for long enough.
fn talk(home: &Path) {
    let words = "word ".repeat(2_000);
    for number in 0..MEMBERS {
        run(home, &["send", &format!("m{number}"), &format!("[[slow 50]] [[say {words}]]")]);
    }
}

fn last_event(home: &Path) -> u64 {
    let last = run(home, &["tail", "-n", "1", "--json"]);
    let event: serde_json::Value = serde_json::from_str(last.lines().last().unwrap()).unwrap();
    event["seq"].as_u64().unwrap()
}

fn ui() {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path();
    crew(home);
    let first_frame = || {
        let begin = Instant::now();
        let screen = Screen::open(home);
        let time = screen.time_to("m10", begin);
        screen.close();
        time
    };
    first_frame();
    row("first frame with members, warm daemon", ms(median((0..5).map(|_| first_frame()).collect())), "under 50 ms");
    talk(home);
    let mut screen = Screen::open(home);
    screen.time_to("m10", Instant::now());
    screen.press("j");
    std::thread::sleep(Duration::from_secs(2));
    let (before, events, begin) = (ticks(&screen.child), last_event(home), Instant::now());
    std::thread::sleep(Duration::from_secs(10));
    let (busy, events, time) =
        (ticks(&screen.child) - before, last_event(home) - events, begin.elapsed().as_secs_f64());
    row("share of a core, 50 members at work", format!("{:.1} %", busy as f64 / time), "under 20 %");
    row("events a second meanwhile", format!("{:.0}", events as f64 / time), "1,000");
    row("memory", format!("{:.1} MB", resident_kb(&screen.child) as f64 / 1024.0), "under 30 MB");
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

/// When a page had which event, in milliseconds since 1970.
type Had = Arc<Mutex<Vec<(u64, i64)>>>;

/// A hundred browsers that look at one member of a team of fifty who all talk.
fn web() {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path();
    crew(home);
    let mut command = teams(home, &["web", "--json", "--listen", "127.0.0.1:0"]);
    let mut server = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(server.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let said: serde_json::Value = serde_json::from_str(&line).unwrap();
    let host = said["link"].as_str().unwrap().split('/').nth(2).unwrap().to_owned();
    let token = fs::read_to_string(said["tokenFile"].as_str().unwrap()).unwrap();
    let ask = |path: &str| {
        let mut stream = TcpStream::connect(&host).unwrap();
        let head = format!(
            "GET {path} HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {}\r\nconnection: close\r\n\r\n",
            token.trim()
        );
        stream.write_all(head.as_bytes()).unwrap();
        stream
    };
    let size = |path: &str| {
        let mut answer = Vec::new();
        ask(path).read_to_end(&mut answer).unwrap();
        answer.len()
    };
    let weight: usize =
        ["/?team=crew&member=m10", "/assets/page.css", "/assets/page.js", "/assets/icon.svg"].map(size).iter().sum();
    row("what a browser loads for a member", format!("{:.1} kB", weight as f64 / 1000.0), "under 100 kB");
    talk(home);
    let had: Vec<Had> = (0..CLIENTS).map(|_| Arc::default()).collect();
    for had in &had {
        let (stream, had) = (ask("/live?team=crew&member=m10"), Arc::clone(had));
        std::thread::spawn(move || {
            let mut id = None;
            for line in BufReader::new(stream).lines().map_while(Result::ok) {
                // How many teams of this name there were before stands before the event's number.
                if let Some((_, number)) = line.strip_prefix("id: ").and_then(|id| id.split_once('.')) {
                    id = number.parse().ok();
                } else if line.is_empty()
                    && let Some(id) = id.take()
                {
                    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
                    had.lock().unwrap().push((id, i64::try_from(now).unwrap()));
                }
            }
        });
    }
    std::thread::sleep(Duration::from_secs(2));
    let (before, events, begin) = (ticks(&server), last_event(home), Instant::now());
    std::thread::sleep(Duration::from_secs(10));
    let (busy, last, time) = (ticks(&server) - before, last_event(home), begin.elapsed().as_secs_f64());
    row("share of a core, 100 pages, 50 members at work", format!("{:.1} %", busy as f64 / time), "under 30 %");
    row("events a second meanwhile", format!("{:.0}", (last - events) as f64 / time), "1,000");
    row("memory", format!("{:.1} MB", resident_kb(&server) as f64 / 1024.0), "-");
    let told = run(home, &["tail", "m10", "--json", "--since", &events.to_string()]);
    let mut late = Vec::new();
    for line in told.lines() {
        let event: serde_json::Value = serde_json::from_str(line).unwrap();
        let (seq, time) = (event["seq"].as_u64().unwrap(), event["time"].as_str().unwrap());
        let at = time.parse::<jiff::Timestamp>().unwrap().as_millisecond();
        for had in &had {
            late.extend(had.lock().unwrap().iter().find(|(id, _)| *id >= seq).map(|(_, now)| now - at));
        }
    }
    late.sort_unstable();
    let part = |share: f64| format!("{} ms", late[((late.len() - 1) as f64 * share) as usize]);
    row("from an event to the page, median", part(0.5), "under 100 ms");
    row("the slowest of a hundred", part(0.99), "under 100 ms");
    server.kill().unwrap();
    server.wait().unwrap();
    run(home, &["stop", "--all", "--now"]);
    run(home, &["daemon", "stop"]);
}
