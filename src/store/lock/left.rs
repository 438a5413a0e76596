//! What a process of ours that is killed leaves behind: the locks that it held, which its successor takes away at once instead of
//! waiting until they are stale.
//!
//! Whoever has the turn writes down in the queue's private file which locks it has placed. It is the only one of ours that places any, so
//! what the next one finds there is a dead one's, as long as the directory is still the same: whatever another program has put in its
//! place is that program's.

use std::fs::{self, File, Metadata};
use std::io::{Read, Seek};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

/// Ends the list; at its beginning it says that nothing is left.
const END: u8 = b'\n';

/// Which directory a lock is, whatever becomes of its name: a number of the file system that may be used again, and when it was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Placed {
    inode: u64,
    /// Nanoseconds since 1970; unknown on some file systems.
    born: Option<u128>,
}

impl Placed {
    pub(super) fn at(path: &Path) -> Option<Self> {
        fs::symlink_metadata(path).ok().map(|meta| Self::of(&meta))
    }

    fn of(meta: &Metadata) -> Self {
        let born = meta.created().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        Self { inode: meta.ino(), born: born.map(|since| since.as_nanos()) }
    }
}

/// The list in the file of a turn.
#[derive(Debug, Default)]
pub(super) struct Notes {
    length: u64,
}

impl Notes {
    /// Notes a lock. What is not written costs a successor patience, and nobody else anything.
    pub(super) fn add(&mut self, file: &File, placed: Placed, path: &Path) {
        let (Some(born), path) = (placed.born, path.as_os_str().as_bytes()) else { return };
        if path.contains(&END) {
            return;
        }
        let mut line = format!("{} {born} ", placed.inode).into_bytes();
        line.extend_from_slice(path);
        line.push(END);
        let length = self.length + line.len() as u64;
        line.push(END);
        if file.write_all_at(&line, self.length).is_ok() {
            self.length = length;
        }
    }

    /// Says that all are taken away.
    pub(super) fn clear(&mut self, file: &File) {
        if std::mem::take(&mut self.length) > 0 {
            let _ = file.write_all_at(&[END], 0);
        }
    }
}

/// Takes away the locks that a dead process has left.
pub(super) fn take_away(mut file: &File) {
    let mut first = [END];
    if file.read_at(&mut first, 0).is_err() || first == [END] {
        return;
    }
    let mut list = Vec::new();
    if file.rewind().and_then(|()| file.read_to_end(&mut list)).is_err() {
        return;
    }
    for line in list.split(|byte| *byte == END).take_while(|line| !line.is_empty()) {
        let Some((placed, path)) = parse(line) else { continue };
        if Placed::at(&path) == Some(placed) {
            tracing::info!(lock = %path.display(), "took away the lock of a process that was killed");
            let _ = fs::remove_dir(&path);
        }
    }
    let _ = file.write_all_at(&[END], 0);
}

fn parse(line: &[u8]) -> Option<(Placed, PathBuf)> {
    let mut parts = line.splitn(3, |byte| *byte == b' ');
    let mut number = || std::str::from_utf8(parts.next()?).ok();
    let (inode, born) = (number()?.parse().ok()?, number()?.parse().ok()?);
    let path = std::ffi::OsString::from_vec(parts.next()?.to_vec());
    Some((Placed { inode, born: Some(born) }, path.into()))
}
