//! A pseudo-terminal with a program in it: what a person sees of it, and the keys they press.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use nix::poll::{PollFd, PollFlags, poll};

use super::{Home, wait_for};

/// A terminal with a program in it.
pub(crate) struct Screen {
    pub(crate) child: Child,
    keys: File,
    shown: Arc<Mutex<vt100::Parser>>,
    reader: Option<JoinHandle<()>>,
    is_open: Arc<AtomicBool>,
}

impl Screen {
    pub(crate) fn open(home: &Home, rows: u16, columns: u16, args: &[&str]) -> Self {
        Self::open_with(home, rows, columns, &[&["ui"], args].concat())
    }

    /// Opens it with another verb that shows the view.
    pub(crate) fn open_with(home: &Home, rows: u16, columns: u16, args: &[&str]) -> Self {
        Self::run(home.command(args), rows, columns)
    }

    /// Runs any program in it.
    pub(crate) fn run(mut command: Command, rows: u16, columns: u16) -> Self {
        let size = nix::pty::Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        let pty = nix::pty::openpty(Some(&size), None).expect("a terminal");
        // Or the view would hold its own terminal open.
        nix::fcntl::fcntl(&pty.master, nix::fcntl::FcntlArg::F_SETFD(nix::fcntl::FdFlag::FD_CLOEXEC)).expect("a flag");
        let side = |fd: &OwnedFd| Stdio::from(fd.try_clone().expect("another handle"));
        command.stdin(side(&pty.slave)).stdout(side(&pty.slave)).stderr(side(&pty.slave)).env("TERM", "xterm-256color");
        let child = command.spawn().expect("it runs");
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
    pub(crate) fn hang_up(&mut self) {
        self.is_open.store(false, Ordering::Relaxed);
        self.reader.take().expect("it is open").join().expect("it reads");
        self.keys = File::open("/dev/null").expect("nothing");
    }

    pub(crate) fn text(&self) -> String {
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

impl Drop for Screen {
    fn drop(&mut self) {
        // A test that fails leaves no view behind.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
