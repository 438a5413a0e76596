//! `teams ui` in a pseudo-terminal, with the real binary: what a person sees of it, and does with it.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use nix::poll::{PollFd, PollFlags, poll};

use crate::support::{Agent, Home, PROTOCOLS, Page, daemon_pid, signal, wait_for};

/// A terminal with the view in it.
pub(crate) struct Screen {
    child: Child,
    keys: File,
    shown: Arc<Mutex<vt100::Parser>>,
    reader: Option<JoinHandle<()>>,
    is_open: Arc<AtomicBool>,
}

impl Screen {
    fn open(home: &Home, rows: u16, columns: u16, args: &[&str]) -> Self {
        Self::open_with(home, rows, columns, &[&["ui"], args].concat())
    }

    /// Opens it with another verb that shows the view.
    pub(crate) fn open_with(home: &Home, rows: u16, columns: u16, args: &[&str]) -> Self {
        let size = nix::pty::Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        let pty = nix::pty::openpty(Some(&size), None).expect("a terminal");
        // Or the view would hold its own terminal open.
        nix::fcntl::fcntl(&pty.master, nix::fcntl::FcntlArg::F_SETFD(nix::fcntl::FdFlag::FD_CLOEXEC)).expect("a flag");
        let side = |fd: &OwnedFd| Stdio::from(fd.try_clone().expect("another handle"));
        let mut command = home.command(args);
        command.stdin(side(&pty.slave)).stdout(side(&pty.slave)).stderr(side(&pty.slave)).env("TERM", "xterm-256color");
        let child = command.spawn().expect("teams runs");
        drop((command, pty.slave));
        let keys = File::from(pty.master);
        let shown = Arc::new(Mutex::new(vt100::Parser::new(rows, columns, 0)));
        let (mut read, parser) = (keys.try_clone().expect("another handle"), Arc::clone(&shown));
        let is_open = Arc::new(AtomicBool::new(true));
        let goes_on = Arc::clone(&is_open);
        let reader = std::thread::spawn(move || {
            let mut bytes = [0; 8192];
            while goes_on.load(Ordering::Relaxed) {
                let mut waits = [PollFd::new(read.as_fd(), PollFlags::POLLIN)];
                if poll(&mut waits, 20_u8).is_ok_and(|ready| ready == 0) {
                    continue;
                }
                let Ok(count @ 1..) = read.read(&mut bytes) else { return };
                parser.lock().expect("the screen").process(&bytes[..count]);
            }
        });
        Self { child, keys, shown, reader: Some(reader), is_open }
    }

    /// Closes the terminal.
    fn hang_up(&mut self) {
        self.is_open.store(false, Ordering::Relaxed);
        self.reader.take().expect("it is open").join().expect("it reads");
        self.keys = File::open("/dev/null").expect("nothing");
    }

    fn text(&self) -> String {
        self.shown.lock().expect("the screen").screen().contents()
    }

    pub(crate) fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).expect("it reads keys");
    }

    pub(crate) fn wait_for(&self, what: &str) {
        let mut seen = String::new();
        let found = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            wait_for(what, || {
                seen = self.text();
                seen.contains(what).then_some(())
            });
        }));
        assert!(found.is_ok(), "waited in vain for `{what}`:\n{seen}");
    }

    /// What is shown, drawn.
    pub(crate) fn draw<T>(&self, draw: impl FnOnce(&vt100::Screen) -> T) -> T {
        draw(self.shown.lock().expect("the screen").screen())
    }

    /// Leaves, and sees that the terminal is as it was.
    pub(crate) fn leave(mut self) {
        self.press("q");
        assert!(self.child.wait().expect("it ends").success());
        wait_for("the screen that was there before", || {
            (!self.shown.lock().expect("the screen").screen().alternate_screen()).then_some(())
        });
    }
}

/// Sees a member work, answers it, writes to it, and stops it.
fn a_person_lives_in_it(agent: Agent) {
    let home = Home::of(agent);
    let name = home.team_of(agent, &[]);
    let mut screen = Screen::open(&home, 24, 100, &[]);
    screen.wait_for(&format!("· {name}"));
    screen.press("j");
    screen.wait_for(&format!("{name}: idle"));
    screen.press("i");
    screen.press("please [[run touch made]]\r");
    screen.press("\u{1b}");
    screen.wait_for("needs you");
    screen.wait_for("touch made");
    screen.wait_for("a allow");
    // The key is taken when the question has been there long enough to be read.
    wait_for("the answer", || {
        if home.json(&["approvals"]).as_array().is_some_and(Vec::is_empty) {
            return Some(());
        }
        screen.press("a");
        None
    });
    home.wait_for_state(&name, "idle");
    assert!(home.work().join("made").exists());
    // Another program's words come by themselves, and a new member too.
    home.ask(&name, "[[say the plums are ripe]]");
    screen.wait_for("the plums are ripe");
    home.teams(&["spawn", "second", "--backend", agent.backend, "--model", agent.model()]);
    screen.wait_for("· second");
    screen.press(":task add Pick\r");
    screen.press("2");
    screen.wait_for("[ ] #1 Pick");
    screen.press("X");
    screen.wait_for(&format!("- {name}"));
    screen.leave();
    assert_eq!(home.member("second")["state"], "idle", "looking on has changed nothing");
}

impl Drop for Screen {
    fn drop(&mut self) {
        // A test that fails leaves no view behind.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Whoever closes the terminal leaves.
#[test]
fn it_ends_with_its_terminal() {
    let home = Home::simulated();
    home.teams(&["create", "crew"]);
    let mut screen = Screen::open(&home, 24, 80, &[]);
    screen.wait_for("crew");
    screen.hang_up();
    wait_for("its end", || screen.child.try_wait().expect("it can be looked at"));
}

#[test]
fn a_person_lives_in_it_with_a_simulated_agent() {
    a_person_lives_in_it(Agent { backend: "claude", real: false });
}

#[test]
#[ignore = "needs the real agent CLIs; run scripts/test"]
fn a_person_lives_in_it_with_real_agents() {
    for backend in ["claude", "codex"] {
        a_person_lives_in_it(Agent { backend, real: true });
    }
}

#[test]
fn it_survives_the_end_of_the_daemon_and_finds_the_next() {
    let home = Home::simulated();
    home.teams(&["create", "crew"]);
    home.teams(&["spawn", "anna", "--backend", "claude"]);
    let mut screen = Screen::open(&home, 24, 100, &[]);
    screen.wait_for("· anna");
    signal("-9", daemon_pid(&home));
    screen.wait_for("no daemon");
    home.teams(&["resume"]);
    screen.press("j");
    screen.wait_for("anna: idle");
    home.ask("anna", "[[say here again]]");
    screen.wait_for("here again");
    assert!(!screen.text().contains("no daemon"), "{}", screen.text());
    screen.leave();
}

/// Whatever length a line has: it is printed whole, and the views show its end.
#[test]
fn a_line_of_ten_megabytes_is_seen_everywhere() {
    for protocol in PROTOCOLS {
        let program =
            "def turn(text):\n    agent.say('x' * (10 << 20) + ' and the end')\n    agent.end()\nagent.run(turn)\n";
        let home = Home::made_up(protocol, program);
        let mut screen = Screen::open(&home, 24, 80, &[]);
        screen.wait_for("worker");
        screen.press("j");
        let page = Page::open(&home, &[]);
        home.teams(&["send", "worker", "go on"]);
        screen.wait_for("and the end");
        home.wait_for_state("worker", "idle");
        let tail = home.teams(&["tail", "worker"]);
        assert!(tail.contains("x and the end") && tail.len() > 10 << 20, "{protocol}: {} bytes", tail.len());
        let cookie = page.enter();
        let shown = wait_for("the page", || {
            let answer = page.get("/?team=crew&member=worker", &[("Cookie", &cookie)]);
            answer.body.contains("x and the end").then_some(answer.body)
        });
        assert!(shown.len() < 1 << 20, "{protocol}: {} bytes", shown.len());
        screen.leave();
    }
}

#[test]
fn without_a_terminal_it_says_what_to_use() {
    let home = Home::simulated();
    let (code, said) = home.fails(&["ui"]);
    assert!(code == 1 && said.contains("--plain"), "{said}");
    home.teams(&["create", "crew"]);
    let (_, said) = home.fails(&["ui", "--plain", "-t", "nobody"]);
    assert!(said.contains("nobody"), "{said}");
    home.teams(&["spawn", "anna", "--backend", "claude"]);
    let mut plain = home.start(&["ui", "--plain"]);
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(plain.stdout.take().expect("stdout")));
    let mut until = |mut wanted: Vec<&str>| {
        while !wanted.is_empty() {
            let line = lines.next().expect("another line").expect("text");
            wanted.retain(|wanted| !line.contains(wanted));
        }
    };
    until(vec!["crew/anna: idle"]);
    home.teams(&["send", "anna", "[[run echo plums]]"]);
    until(vec!["crew/anna: needs you", "asks for Bash: echo plums (teams approve anna-"]);
    home.teams(&["interrupt", "anna"]);
    plain.kill().expect("it runs");
    plain.wait().expect("it ends");
}
