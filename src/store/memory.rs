//! What a team remembers: named JSON values, each in a file of our own, `<state>/teams/<team>/memory/<name>.json`.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use fs2::FileExt as _;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{Result, StoreError, UnreadableFile};
use crate::model::memory::{MemoryEntry, MemoryName};

/// The longest value, in bytes of JSON.
const VALUE_LIMIT: usize = 64 << 10;
/// The most values of a team.
const COUNT_LIMIT: usize = 256;

/// A team's memory.
#[derive(Clone, Debug)]
pub struct Memory {
    dir: PathBuf,
}

impl Memory {
    /// The memory in that folder, which is made when something is remembered.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into() }
    }

    /// One value.
    pub fn read(&self, name: &MemoryName) -> Result<Option<MemoryEntry>> {
        read(&self.path(name))
    }

    /// All values, by name. A file that is none is left out, with a line in the log.
    pub fn list(&self) -> Result<Vec<MemoryEntry>> {
        let files = match fs::read_dir(&self.dir) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            files => files.map_err(|source| StoreError::io("list", &self.dir, source))?,
        };
        let paths =
            files.flatten().map(|file| file.path()).filter(|path| path.extension().is_some_and(|end| end == "json"));
        let mut entries: Vec<MemoryEntry> = paths
            .filter_map(|path| {
                read(&path).unwrap_or_else(|error| {
                    tracing::warn!(%error, "left a value out of the memory");
                    None
                })
            })
            .collect();
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(entries)
    }

    /// Remembers a value. With `expected`, only if that is the version of what is there: 0 for nothing.
    pub fn write(
        &self,
        name: &MemoryName,
        value: Value,
        expected: Option<u64>,
        by: &str,
        now: &str,
    ) -> Result<MemoryEntry> {
        let bytes = value.to_string().len();
        if bytes > VALUE_LIMIT {
            return Err(StoreError::MemoryTooLarge { name: name.to_string(), bytes, limit: VALUE_LIMIT });
        }
        let _lock = self.lock()?;
        let before = self.read(name)?;
        check(name, before.as_ref(), expected)?;
        if before.is_none() && self.list()?.len() >= COUNT_LIMIT {
            return Err(StoreError::MemoryFull { limit: COUNT_LIMIT });
        }
        let version = before.map_or_else(|| self.last_deleted(), |entry| Ok(entry.version))? + 1;
        let entry = MemoryEntry { name: name.clone(), version, value, by: by.to_owned(), at: now.to_owned() };
        let path = self.path(name);
        super::write_private(&path, &super::pretty(&entry)).map_err(|source| StoreError::io("write", &path, source))?;
        Ok(entry)
    }

    /// Forgets a value, under the same condition. Answers whether there was one.
    pub fn delete(&self, name: &MemoryName, expected: Option<u64>) -> Result<bool> {
        let _lock = self.lock()?;
        let before = self.read(name)?;
        check(name, before.as_ref(), expected)?;
        let Some(before) = before else { return Ok(false) };
        if before.version > self.last_deleted()? {
            let path = self.last_deleted_path();
            let written = super::write_private(&path, before.version.to_string().as_bytes());
            written.map_err(|source| StoreError::io("write", &path, source))?;
        }
        let path = self.path(name);
        fs::remove_file(&path).map_err(|source| StoreError::io("delete", &path, source))?;
        Ok(true)
    }

    /// The highest version of what was deleted: what is new begins above it, so that nobody takes it for what was there.
    fn last_deleted(&self) -> Result<u64> {
        Ok(read(&self.last_deleted_path())?.unwrap_or(0))
    }

    fn last_deleted_path(&self) -> PathBuf {
        self.dir.join(".last-deleted")
    }

    fn path(&self, name: &MemoryName) -> PathBuf {
        self.dir.join(format!("{name}.json"))
    }

    /// One writer at a time, of all processes.
    fn lock(&self) -> Result<File> {
        let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.dir);
        made.map_err(|source| StoreError::io("create", &self.dir, source))?;
        let path = self.dir.join(".lock");
        let locked = fs::OpenOptions::new().create(true).append(true).mode(0o600).open(&path);
        let locked = locked.and_then(|file| file.lock_exclusive().map(|()| file));
        locked.map_err(|source| StoreError::io("lock", &path, source))
    }
}

fn check(name: &MemoryName, there: Option<&MemoryEntry>, expected: Option<u64>) -> Result<()> {
    let version = there.map_or(0, |entry| entry.version);
    match expected {
        Some(expected) if expected != version => {
            Err(StoreError::MemoryChanged { name: name.to_string(), expected, version })
        }
        _ => Ok(()),
    }
}

fn read<T: DeserializeOwned>(path: &Path) -> Result<Option<T>> {
    match fs::read(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(source) => Err(StoreError::io("read", path, source)),
        Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(|error| {
            StoreError::Unreadable(UnreadableFile { path: path.to_owned(), reason: error.to_string() })
        }),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn name(text: &str) -> MemoryName {
        text.parse().unwrap()
    }

    #[test]
    fn who_has_not_seen_the_last_version_changes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let memory = Memory::new(dir.path().join("memory"));
        let plan = name("plan");
        assert_eq!(memory.read(&plan).unwrap(), None);
        assert_eq!(memory.write(&plan, json!({"a": 1}), Some(0), "anna", "now").unwrap().version, 1);
        for stale in [0, 2] {
            let error = memory.write(&plan, json!(2), Some(stale), "bert", "now").unwrap_err();
            assert!(matches!(error, StoreError::MemoryChanged { version: 1, .. }), "{error}");
            assert!(memory.delete(&plan, Some(stale)).is_err());
        }
        assert_eq!(memory.write(&plan, json!(2), None, "bert", "now").unwrap().version, 2);
        assert_eq!(memory.list().unwrap()[0].value, json!(2));
        assert!(memory.delete(&plan, Some(2)).unwrap());
        assert!(!memory.delete(&plan, None).unwrap());
        // Whoever has seen the old one does not change the new one unseen.
        assert_eq!(memory.write(&plan, json!(3), Some(0), "anna", "now").unwrap().version, 3);
    }

    #[test]
    fn it_is_bounded() {
        let dir = tempfile::tempdir().unwrap();
        let memory = Memory::new(dir.path());
        let large = json!("x".repeat(VALUE_LIMIT));
        assert!(matches!(memory.write(&name("a"), large, None, "a", ""), Err(StoreError::MemoryTooLarge { .. })));
        for number in 0..COUNT_LIMIT {
            memory.write(&name(&format!("n{number}")), json!(0), None, "a", "").unwrap();
        }
        assert!(matches!(memory.write(&name("one-more"), json!(0), None, "a", ""), Err(StoreError::MemoryFull { .. })));
        memory.write(&name("n7"), json!(1), None, "a", "").unwrap();
    }

    #[test]
    fn of_many_writers_each_version_has_one() {
        let dir = tempfile::tempdir().unwrap();
        let writers: Vec<_> = (0..4)
            .map(|_| {
                let memory = Memory::new(dir.path());
                std::thread::spawn(move || {
                    let mut won = 0;
                    while won < 25 {
                        let before = memory.read(&name("n")).unwrap().map_or(0, |entry| entry.version);
                        won += usize::from(memory.write(&name("n"), json!(before + 1), Some(before), "w", "").is_ok());
                    }
                })
            })
            .collect();
        writers.into_iter().for_each(|writer| writer.join().unwrap());
        let entry = Memory::new(dir.path()).read(&name("n")).unwrap().unwrap();
        assert_eq!((entry.version, entry.value), (100, json!(100)));
    }
}
