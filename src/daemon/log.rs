//! The daemon's log: bounded, and without the values of secrets.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::files::private_file;
use crate::orchestrator::Redactor;

/// A log that has grown past this becomes `daemon.log.1`, in the place of the one before.
const LONGEST: u64 = 8 << 20;

pub(super) struct Log {
    path: PathBuf,
    file: File,
    length: u64,
    redactor: Arc<Redactor>,
}

impl Log {
    pub(super) fn open(path: &Path, redactor: Arc<Redactor>) -> anyhow::Result<Self> {
        let file = private_file(path)?;
        let length = file.metadata()?.len();
        Ok(Self { path: path.to_owned(), file, length, redactor })
    }

    fn rotate(&mut self) -> io::Result<()> {
        let mut away = self.path.clone().into_os_string();
        away.push(".1");
        std::fs::rename(&self.path, away)?;
        self.file = private_file(&self.path).map_err(io::Error::other)?;
        self.length = 0;
        Ok(())
    }
}

impl Write for Log {
    /// Takes one record at a time, as the subscriber writes them. It never fails: the subscriber would complain on standard
    /// error, which is this very file, and a full disk must not end whoever has something to say.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(bytes);
        let text = self.redactor.redact(&text);
        let rotated = if self.length > LONGEST { self.rotate() } else { Ok(()) };
        if rotated.and_then(|()| self.file.write_all(text.as_bytes())).is_ok() {
            self.length += text.len() as u64;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_stays_short() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("daemon.log");
        let mut log = Log::open(&path, Arc::default()).unwrap();
        let record = vec![b'x'; 1 << 20];
        for _ in 0..40 {
            log.write_all(&record).unwrap();
        }
        let files: Vec<u64> =
            std::fs::read_dir(dir.path()).unwrap().flatten().map(|entry| entry.metadata().unwrap().len()).collect();
        assert!(files.len() == 2 && files.iter().all(|length| *length <= LONGEST + (2 << 20)), "{files:?}");
    }
}
