//! The team files that a person trusts to name programs and to give permissions: each by its path and the digest of its text, so that a
//! change asks again.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::orchestrator::digest;
use crate::store::write_private;

/// The list of trusted files, on disk.
#[derive(Debug)]
pub(super) struct Trusted {
    path: PathBuf,
}

impl Trusted {
    pub(super) fn new(state_dir: &Path) -> Self {
        Self { path: state_dir.join("trusted.json") }
    }

    /// Whether a file with this text is trusted.
    pub(super) fn has(&self, file: &Path, text: &str) -> Result<bool> {
        Ok(self.read()?.get(file) == Some(&digest(text)))
    }

    /// Trusts a file with this text from now on, and with no other.
    pub(super) fn add(&self, file: &Path, text: &str) -> Result<()> {
        let mut known = self.read()?;
        known.insert(file.to_owned(), digest(text));
        let written = serde_json::to_vec_pretty(&known).map_err(io::Error::from);
        written.and_then(|bytes| write_private(&self.path, &bytes)).map_err(Error::io("write", &self.path))
    }

    fn read(&self) -> Result<BTreeMap<PathBuf, String>> {
        match std::fs::read(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(BTreeMap::new()),
            bytes => {
                let known = bytes.and_then(|bytes| serde_json::from_slice(&bytes).map_err(io::Error::from));
                known.map_err(Error::io("read", &self.path))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_trusted_as_long_as_its_text_is_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let (trusted, file) = (Trusted::new(dir.path()), Path::new("/a/teams.toml"));
        assert!(!trusted.has(file, "one").unwrap());
        trusted.add(file, "one").unwrap();
        assert!(trusted.has(file, "one").unwrap() && !trusted.has(file, "two").unwrap());
        assert!(!trusted.has(Path::new("/b/teams.toml"), "one").unwrap(), "another file with the same text");
        trusted.add(file, "two").unwrap();
        assert!(trusted.has(file, "two").unwrap() && !trusted.has(file, "one").unwrap());
    }
}
