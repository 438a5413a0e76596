//! Files and folders that only their user can read.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::Read as _;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use anyhow::Context;

/// Makes a folder of mode 0700, and those above it.
pub(super) fn private_dir(dir: &Path) -> anyhow::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir).with_context(|| {
        format!("cannot create {}; set TEAMS_STATE_DIR to a place that you can write to", dir.display())
    })
}

/// Opens a file of mode 0600 to read and append, made if it is not there.
pub(super) fn private_file(path: &Path) -> anyhow::Result<File> {
    OpenOptions::new()
        .read(true)
        .append(true)
        .create(true)
        .mode(0o600)
        .open(path)
        .with_context(|| format!("cannot open {}", path.display()))
}

/// The file mode creation mask of this process.
#[allow(clippy::useless_conversion, reason = "a mask has fewer bits on other systems than on Linux")]
pub(super) fn own_umask() -> u32 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("Umask:"));
    match mask.and_then(|mask| u32::from_str_radix(mask.trim(), 8).ok()) {
        Some(mask) => mask,
        // Other systems tell it only to those who set it, and a file made in between is private.
        None => {
            let mask = nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o077));
            nix::sys::stat::umask(mask);
            mask.bits().into()
        }
    }
}

/// The file that the daemon of a state directory holds locked, with its pid.
pub(super) fn lock_file(state_dir: &Path) -> PathBuf {
    state_dir.join("daemon.lock")
}

/// The process that is the daemon of a state directory, by its lock; the socket may be gone. `None` where none runs, or it is not up yet.
pub(crate) fn holder(state_dir: &Path) -> Option<nix::unistd::Pid> {
    let mut file = File::open(lock_file(state_dir)).ok()?;
    let mut text = String::new();
    file.read_to_string(&mut text).ok()?;
    let pid = nix::unistd::Pid::from_raw(text.trim().parse().ok().filter(|pid| *pid > 0)?);
    // The number of one that has ended may be another's.
    nix::sys::signal::kill(pid, None).ok()?;
    match file.try_lock_shared() {
        Ok(()) => None,
        Err(_) => Some(pid),
    }
}
