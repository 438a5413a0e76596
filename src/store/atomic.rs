//! Files that are seen whole or not at all: written beside their place, synced, renamed.

use std::fs::{self, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use super::{Result, StoreError};

/// Where a file really is, when its name is a link, which has to stay one; the folders that it is in may be links too.
pub(super) fn target(path: &Path) -> PathBuf {
    /// As many as the system follows.
    const LINKS: usize = 40;
    let mut path = path.to_owned();
    for _ in 0..LINKS {
        let Ok(to) = fs::read_link(&path) else { break };
        path = path.parent().unwrap_or(Path::new(".")).join(to);
    }
    path
}

/// Replaces a file's content, or creates the file. Its mode stays as it is; a new one gets what Claude Code gives.
pub(super) fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let path = &target(path);
    put(path, prepare(path, bytes)?)
}

/// As [`write`], unless the check fails, which is made while the disk works.
pub(super) fn write_checked(path: &Path, bytes: &[u8], check: impl FnOnce() -> Result<()> + Send) -> Result<()> {
    /// A shorter file is checked faster than a thread starts.
    const LONG: usize = 64 << 10;
    if bytes.len() < LONG {
        check()?;
        return write(path, bytes);
    }
    let path = &target(path);
    let file = std::thread::scope(|scope| {
        let checked = scope.spawn(check);
        let file = prepare(path, bytes);
        checked.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        file
    })?;
    put(path, file)
}

/// The new content of a file, safe on the disk beside it.
fn prepare(path: &Path, bytes: &[u8]) -> Result<NamedTempFile> {
    let failed = |source| StoreError::io("write", path, source);
    let file = beside(path, bytes).map_err(failed)?;
    if let Ok(existing) = fs::metadata(path)
        && file.as_file().metadata().map_err(failed)?.permissions() != existing.permissions()
    {
        file.as_file().set_permissions(existing.permissions()).map_err(failed)?;
    }
    // Without this a crash of the system can leave an empty file under the final name.
    file.as_file().sync_data().map_err(failed)?;
    Ok(file)
}

/// Puts what was prepared into its place.
fn put(path: &Path, file: NamedTempFile) -> Result<()> {
    file.persist(path).map(|_| ()).map_err(|error| StoreError::io("write", path, error.error))
}

/// A new file with this content in the same folder.
fn beside(path: &Path, bytes: &[u8]) -> io::Result<NamedTempFile> {
    let dir = path.parent().unwrap_or(Path::new("."));
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let mut file = tempfile::Builder::new()
        // Claude Code takes every name that ends in `.json` for a task or an inbox.
        .prefix(&format!("{name}.tmp."))
        .rand_bytes(8)
        .permissions(Permissions::from_mode(0o666))
        .tempfile_in(dir)?;
    file.write_all(bytes)?;
    Ok(file)
}

/// Replaces a file of our own, which nobody else may read.
pub fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    // Private by default.
    let mut file = NamedTempFile::new_in(path.parent().unwrap_or(Path::new(".")))?;
    file.write_all(bytes)?;
    file.as_file().sync_data()?;
    file.persist(path)?;
    Ok(())
}

/// Creates a file unless it is there. Nobody sees it before its content is in it.
pub(super) fn create_new(path: &Path, bytes: &[u8]) -> Result<bool> {
    if path.exists() {
        return Ok(false);
    }
    let created = beside(path, bytes).and_then(|file| {
        file.as_file().sync_data()?;
        file.persist_noclobber(path).map_err(|error| error.error)
    });
    match created {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(source) => Err(StoreError::io("create", path, source)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_many_who_create_a_file_one_does() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("inbox.json");
        let writers: Vec<String> = (0..8).map(|number| format!("[{number}]")).collect();
        let created: Vec<&String> = std::thread::scope(|scope| {
            let starts: Vec<_> = writers
                .iter()
                .map(|text| (text, scope.spawn(|| create_new(&path, text.as_bytes()).unwrap())))
                .collect();
            starts.into_iter().filter_map(|(text, created)| created.join().unwrap().then_some(text)).collect()
        });
        assert_eq!(created.len(), 1, "{created:?}");
        assert_eq!(&fs::read_to_string(&path).unwrap(), created[0]);
        assert!(!create_new(&path, b"[]").unwrap(), "what is there stays");
        assert_eq!(&fs::read_to_string(&path).unwrap(), created[0]);
    }

    #[test]
    fn a_link_stays_one_and_what_it_leads_to_is_written() {
        let dir = tempfile::tempdir().unwrap();
        let elsewhere = tempfile::tempdir().unwrap();
        let (link, target) = (dir.path().join("config.json"), elsewhere.path().join("real.json"));
        std::os::unix::fs::symlink(dir.path().join("second"), &link).unwrap();
        std::os::unix::fs::symlink(&target, dir.path().join("second")).unwrap();
        for text in ["created behind it", "replaced"] {
            write(&link, text.as_bytes()).unwrap();
            assert_eq!(fs::read_to_string(&target).unwrap(), text);
            assert!(link.is_symlink() && !target.is_symlink());
        }
        let round = dir.path().join("round");
        std::os::unix::fs::symlink(&round, &round).unwrap();
        assert!(super::target(&round).is_symlink(), "it is not followed for ever");
    }

    #[test]
    fn a_file_keeps_its_mode_and_a_failed_write_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("config.json");
        write(&path, b"one").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
        write(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
        // A folder is in its place.
        let taken = dir.path().join("taken");
        fs::create_dir(&taken).unwrap();
        write(&taken, b"three").expect_err("it cannot be replaced");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2, "nothing is left beside it");
        write_private(&path, b"four").unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
