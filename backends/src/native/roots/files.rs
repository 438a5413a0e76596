//! Files below the roots: opened to be read without ever waiting for somebody at the other end, and written whole or not at all.

use std::ffi::{OsStr, OsString};
use std::fs::{File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use cap_std::fs::{Dir, FileTypeExt, Metadata, MetadataExt, OpenOptions, OpenOptionsExt};
use nix::fcntl::OFlag;

use super::error::{PathError, is_escape};
use super::root::Place;

/// As many links the kernel follows too.
const MOST_LINKS: usize = 40;

/// A regular file, open for reading.
#[derive(Debug)]
pub(in crate::native) struct Opened {
    pub(in crate::native) file: File,
    pub(in crate::native) bytes: u64,
}

/// Where a file is to be written: the open folder, and the name in it, which is no link.
#[derive(Debug)]
pub(in crate::native) struct Target {
    folder: Dir,
    name: OsString,
    named: String,
    existing: Option<Metadata>,
}

/// By which a file is known to be unchanged.
type Stamp = (u64, u64, u64, i64, i64);

impl Place<'_> {
    /// Opens a regular file. Anything else is refused before it is opened, and again afterwards.
    pub(in crate::native) fn open_file(&self) -> Result<Opened, PathError> {
        let metadata = self.root.beneath(&self.below, |dir, below| dir.metadata(below));
        let metadata = metadata.map_err(|error| match self.link_metadata() {
            Ok(link) if error.kind() == io::ErrorKind::NotFound && link.is_symlink() => {
                PathError::LinkToNothing { path: self.named.clone() }
            }
            _ => self.failed("be looked at", error),
        })?;
        self.regular(&metadata)?;
        let mut options = OpenOptions::new();
        // What has taken the file's place since must not keep us waiting.
        options.read(true).custom_flags((OFlag::O_NONBLOCK | OFlag::O_NOCTTY).bits());
        let opened = self.root.beneath(&self.below, |dir, below| dir.open_with(below, &options));
        let opened = opened.map_err(|error| self.failed("be opened", error))?;
        let metadata = opened.metadata().map_err(|error| self.failed("be looked at", error))?;
        self.regular(&metadata)?;
        let file = opened.into_std();
        if is_of_the_kernel(&file) {
            return Err(PathError::Special { path: self.named.clone(), what: "a file of the kernel's" });
        }
        Ok(Opened { file, bytes: metadata.len() })
    }

    fn regular(&self, metadata: &Metadata) -> Result<(), PathError> {
        regular(&self.named, metadata)
    }

    /// Where this file is written: links are followed as long as they stay inside, and folders are made if that is asked for.
    pub(in crate::native) fn target(&self, make_folders: bool) -> Result<Target, PathError> {
        let named = || self.named.clone();
        if self.named.ends_with('/') {
            return Err(PathError::IsAFolder { path: named() });
        }
        let mut below = self.below.clone();
        for _ in 0..MOST_LINKS {
            // `..` and `.` at the end name folders.
            let Some(name) = below.file_name().map(OsStr::to_owned) else {
                return Err(PathError::IsAFolder { path: named() });
            };
            let parent = below.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
            let folder = self.folder(parent, make_folders)?;
            let existing = match folder.symlink_metadata(&name) {
                Ok(metadata) => Some(metadata),
                Err(error) if error.kind() == io::ErrorKind::NotFound => None,
                Err(error) => return Err(self.failed("be looked at", error)),
            };
            if existing.as_ref().is_some_and(Metadata::is_symlink) {
                let link = folder.read_link_contents(&name).map_err(|error| self.failed("be read as a link", error))?;
                below = self.beyond(parent, &link)?;
                continue;
            }
            if let Some(metadata) = &existing {
                self.regular(metadata)?;
                if metadata.mode() & 0o222 == 0 {
                    return Err(PathError::WriteProtected { path: named() });
                }
            }
            return Ok(Target { folder, name, named: named(), existing });
        }
        Err(PathError::Special { path: named(), what: "a link into a circle" })
    }

    /// Where a link leads to, below the root.
    fn beyond(&self, parent: &Path, link: &Path) -> Result<PathBuf, PathError> {
        if !link.is_absolute() {
            return Ok(parent.join(link));
        }
        let root = self.root;
        let below = link.strip_prefix(&root.path).or_else(|_| link.strip_prefix(&root.given));
        let below = below.map_err(|_| PathError::LinkOut { path: self.named.clone(), root: root.path.clone() })?;
        Ok(below.to_owned())
    }

    fn folder(&self, below: &Path, make: bool) -> Result<Dir, PathError> {
        let root = self.root;
        match root.beneath(below, |dir, below| dir.open_dir(below)) {
            Err(error) if make && error.kind() == io::ErrorKind::NotFound => {
                root.dir.create_dir_all(below).map_err(|error| match error.kind() {
                    io::ErrorKind::AlreadyExists => PathError::NotAFolder { path: self.named.clone() },
                    _ => self.failed("get its folder", error),
                })?;
                root.beneath(below, |dir, below| dir.open_dir(below))
            }
            done => done,
        }
        .map_err(|error| match error.kind() {
            io::ErrorKind::PermissionDenied if !is_escape(&error) => self.failed("be reached", error),
            _ => self.failed("be opened", error),
        })
    }
}

impl Target {
    /// Whether there is such a file already.
    pub(in crate::native) fn exists(&self) -> bool {
        self.existing.is_some()
    }

    /// Writes the whole file: beside it first, and then in its place, so that nobody sees half of it, a link that has taken its place meanwhile is replaced and
    /// not followed, and another name of the same file keeps what it has. The mode stays. `go_on` is asked last.
    pub(in crate::native) fn replace(
        &self,
        bytes: &[u8],
        go_on: impl FnOnce() -> Result<(), PathError>,
    ) -> Result<(), PathError> {
        let failed = |source| PathError::Io { path: self.named.clone(), what: "be written", source };
        let beside = format!(".agent-teams-{}.tmp", uuid::Uuid::new_v4().simple());
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(if self.exists() { 0o600 } else { 0o666 });
        let written = self.folder.open_with(&beside, &options).and_then(|file| {
            let mut file = file.into_std();
            file.write_all(bytes)?;
            match &self.existing {
                Some(metadata) => file.set_permissions(Permissions::from_mode(metadata.mode() & 0o777)),
                None => Ok(()),
            }
        });
        let in_place = || self.folder.rename(&beside, &self.folder, &self.name).map_err(failed);
        let done = written.map_err(failed).and_then(|()| go_on()).and_then(|()| in_place());
        if done.is_err() {
            let _ = self.folder.remove_file(&beside);
        }
        done
    }

    /// Opens what is there, to be changed; `None` if nothing is.
    pub(in crate::native) fn open(&self) -> Result<Option<Opened>, PathError> {
        let failed = |source| PathError::Io { path: self.named.clone(), what: "be opened", source };
        if !self.exists() {
            return Ok(None);
        }
        let mut options = OpenOptions::new();
        options.read(true).custom_flags((OFlag::O_NONBLOCK | OFlag::O_NOCTTY | OFlag::O_NOFOLLOW).bits());
        let file = self.folder.open_with(&self.name, &options).map_err(failed)?;
        let metadata = file.metadata().map_err(failed)?;
        regular(&self.named, &metadata)?;
        Ok(Some(Opened { file: file.into_std(), bytes: metadata.len() }))
    }

    /// That the name still leads to the file that was opened, as it was then.
    pub(in crate::native) fn unchanged(&self, opened: &Opened, before: Stamp) -> Result<(), PathError> {
        let now = self.folder.symlink_metadata(&self.name).map(|metadata| stamp(&metadata));
        if now.is_ok_and(|now| now == before) && stamp_of(&opened.file).is_ok_and(|now| now == before) {
            return Ok(());
        }
        Err(PathError::Changed { path: self.named.clone() })
    }
}

impl Opened {
    /// How the file is before it is read.
    pub(in crate::native) fn stamp(&self) -> io::Result<Stamp> {
        stamp_of(&self.file)
    }
}

fn stamp(metadata: &Metadata) -> Stamp {
    (metadata.dev(), metadata.ino(), metadata.size(), metadata.mtime(), metadata.mtime_nsec())
}

fn stamp_of(file: &File) -> io::Result<Stamp> {
    use std::os::unix::fs::MetadataExt as _;
    let metadata = file.metadata()?;
    Ok((metadata.dev(), metadata.ino(), metadata.size(), metadata.mtime(), metadata.mtime_nsec()))
}

fn regular(named: &str, metadata: &Metadata) -> Result<(), PathError> {
    if metadata.is_dir() {
        return Err(PathError::IsAFolder { path: named.to_owned() });
    }
    if metadata.is_file() {
        return Ok(());
    }
    Err(PathError::Special { path: named.to_owned(), what: kind_of(metadata) })
}

/// What something on disk is, with its article.
pub(in crate::native) fn kind_of(metadata: &Metadata) -> &'static str {
    let kind = metadata.file_type();
    match () {
        () if kind.is_file() => "a file",
        () if kind.is_dir() => "a folder",
        () if kind.is_symlink() => "a link",
        () if kind.is_fifo() => "a FIFO",
        () if kind.is_socket() => "a socket",
        () if kind.is_block_device() || kind.is_char_device() => "a device",
        () => "nothing that is known",
    }
}

/// Whether the kernel makes up what is in the file: the variables of processes are in such files, keys too.
#[cfg(all(target_os = "linux", not(teams_portable)))]
fn is_of_the_kernel(file: &File) -> bool {
    use nix::sys::statfs::{PROC_SUPER_MAGIC, SYSFS_MAGIC, fstatfs};
    fstatfs(file).is_ok_and(|system| [PROC_SUPER_MAGIC, SYSFS_MAGIC].contains(&system.filesystem_type()))
}

#[cfg(not(all(target_os = "linux", not(teams_portable))))]
fn is_of_the_kernel(_file: &File) -> bool {
    false
}
