//! Claude Code's lock itself: a directory beside the file.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use super::super::{Result, StoreError};
use super::left::Placed;

/// A lock that nobody refreshed for so long belongs to a dead process.
const STALE: Duration = Duration::from_secs(10);

/// Waits that grow, as long as there is time.
pub(super) struct Pause(Duration);

impl Pause {
    pub(super) fn new() -> Self {
        Self(Duration::from_micros(200))
    }

    pub(super) fn until(&mut self, deadline: Instant) -> bool {
        if Instant::now() >= deadline {
            return false;
        }
        std::thread::sleep(self.0);
        self.0 = (self.0 * 3 / 2).min(Duration::from_millis(10));
        true
    }
}

/// The lock, while we have it.
#[derive(Debug)]
pub(in crate::store) struct Held {
    path: PathBuf,
    /// Where the directory waits between two uses: it is moved into place and back, since on a journalling file system
    /// removing a directory costs a third of a whole small write. Whoever has the turn has the spares.
    spare: PathBuf,
    placed: Option<Placed>,
}

impl Held {
    /// Waits for the lock. `note` is told what it is, and where, before it is there if that can be known, and at once otherwise.
    pub(super) fn take(
        target: &Path,
        spare: PathBuf,
        patience: Duration,
        note: impl Fn(Placed, &Path),
    ) -> Result<Self> {
        let deadline = Instant::now() + patience;
        let mut name = target.as_os_str().to_owned();
        name.push(".lock");
        let path = PathBuf::from(name);
        let expected = Placed::at(&spare);
        if let Some(placed) = expected {
            note(placed, &path);
        }
        let mut pause = Pause::new();
        let mut watched = Watched::default();
        loop {
            match place(&spare, &path) {
                Ok(()) => {
                    let placed = Placed::at(&path);
                    if let Some(placed) = placed.filter(|_| placed != expected) {
                        note(placed, &path);
                    }
                    return Ok(Self { path, spare, placed });
                }
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                    if is_stale(&path) || watched.unchanged(&path) {
                        // Whoever removes it first has not won: the loop decides by making it anew.
                        let _ = fs::remove_dir(&path);
                    } else if !pause.until(deadline) {
                        let seconds = patience.as_secs();
                        return Err(StoreError::Locked { path: target.to_owned(), lock: path, seconds });
                    }
                }
                Err(source) => return Err(StoreError::io("lock", target, source)),
            }
        }
    }

    /// Says that we are alive; for work that takes long.
    pub(in crate::store) fn refresh(&self) {
        if let Ok(dir) = File::open(&self.path) {
            let _ = dir.set_modified(SystemTime::now());
        }
    }

    pub(super) fn release(self) {
        if Placed::at(&self.path) == self.placed {
            // Another file system takes no directory of this one.
            if fs::rename(&self.path, &self.spare).is_err() {
                let _ = fs::remove_dir(&self.path);
            }
        } else {
            tracing::error!(lock = %self.path.display(), "another program took a lock away from us");
        }
    }
}

/// Makes the lock: the spare directory moved to its place, or a new one; never over one that is there.
fn place(spare: &Path, path: &Path) -> std::io::Result<()> {
    #[cfg(all(target_os = "linux", target_env = "gnu", not(teams_portable)))]
    {
        use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};
        // Its age is that of its last use, and an old lock is anybody's.
        let fresh = File::open(spare).and_then(|dir| dir.set_modified(SystemTime::now()));
        if fresh.is_ok() {
            match renameat2(AT_FDCWD, spare, AT_FDCWD, path, RenameFlags::RENAME_NOREPLACE) {
                Ok(()) => return Ok(()),
                Err(nix::errno::Errno::EEXIST) => return Err(ErrorKind::AlreadyExists.into()),
                // Another file system, or one that cannot.
                Err(_) => {}
            }
        }
    }
    #[cfg(not(all(target_os = "linux", target_env = "gnu", not(teams_portable))))]
    let _ = spare;
    fs::create_dir(path)
}

/// A lock that somebody waits for. By the clock on the wall, one that was left behind just before that was put back would be
/// respected until it has caught up.
#[derive(Default)]
struct Watched {
    seen: Option<(u64, SystemTime, Instant)>,
}

impl Watched {
    /// Whether nobody has made or refreshed it for as long as makes a lock stale.
    fn unchanged(&mut self, path: &Path) -> bool {
        let Ok(meta) = fs::symlink_metadata(path) else { return false };
        let Ok(modified) = meta.modified() else { return false };
        match self.seen {
            Some((inode, before, since)) if (inode, before) == (meta.ino(), modified) => since.elapsed() > STALE,
            _ => {
                self.seen = Some((meta.ino(), modified, Instant::now()));
                false
            }
        }
    }
}

fn is_stale(path: &Path) -> bool {
    let Ok(modified) = fs::symlink_metadata(path).and_then(|meta| meta.modified()) else { return false };
    SystemTime::now().duration_since(modified).is_ok_and(|age| age > STALE)
}
