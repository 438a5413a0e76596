//! The two folders, and paths below them.

use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use cap_std::ambient_authority;
use cap_std::fs::{Dir, Metadata, MetadataExt};

use super::error::{self, PathError};
use crate::lock::lock;
use crate::native::error::{Error, Result};

/// The two folders of an agent of our own. A clone is the same.
#[derive(Clone, Debug)]
pub struct Roots(Arc<Both>);

#[derive(Debug)]
struct Both {
    pub(super) source: Root,
    pub(super) work: Root,
    /// They are one folder.
    pub(super) same: bool,
    /// Held from the reading of a file that is to be changed until the writing.
    pub(super) writing: Mutex<()>,
}

/// A folder that is held open.
#[derive(Debug)]
pub(in crate::native) struct Root {
    /// As it was named, absolute.
    pub(super) given: PathBuf,
    /// Without links.
    pub(super) path: PathBuf,
    pub(super) dir: Dir,
    /// It is the working directory.
    pub(super) written: bool,
}

/// A path below one of the folders. Nothing of it was looked at on disk.
#[derive(Clone, Debug)]
pub(in crate::native) struct Place<'a> {
    pub(super) root: &'a Root,
    /// As the model has named it.
    pub(super) named: String,
    /// Below the root; `.` for the root itself.
    pub(super) below: PathBuf,
}

impl Roots {
    /// Opens both folders; they may be the same, or one in the other.
    ///
    /// # Errors
    /// One is no folder that can be opened.
    pub fn new(source_root: impl AsRef<Path>, work_dir: impl AsRef<Path>) -> Result<Self> {
        let source = Root::open("the source root", source_root.as_ref(), false)?;
        let work = Root::open("the working directory", work_dir.as_ref(), true)?;
        let identity = |root: &Root| root.dir.dir_metadata().map(|data| (data.dev(), data.ino()));
        let same =
            source.path == work.path || identity(&source).ok().is_some_and(|id| identity(&work).ok() == Some(id));
        Ok(Self(Arc::new(Both { source, work, same, writing: Mutex::new(()) })))
    }

    /// The folder that is read, without links.
    pub fn source_root(&self) -> &Path {
        &self.0.source.path
    }

    /// The folder that is written, and where commands run, without links.
    pub fn work_dir(&self) -> &Path {
        &self.0.work.path
    }

    /// Whether the path of the working directory still leads to the folder that was opened.
    pub(in crate::native) fn work_dir_is_there(&self) -> bool {
        use std::os::unix::fs::MetadataExt as _;
        let opened = self.0.work.dir.dir_metadata().map(|data| (data.dev(), data.ino()));
        let named = std::fs::metadata(&self.0.work.path).map(|data| (data.dev(), data.ino()));
        opened.is_ok_and(|opened| named.is_ok_and(|named| opened == named))
    }

    /// Keeps other changes of files waiting.
    pub(in crate::native) fn writing(&self) -> MutexGuard<'_, ()> {
        lock(&self.0.writing)
    }

    /// Where a folder of this name may be: in one root, or in both, that of the source first.
    pub(in crate::native) fn folders(&self, named: &str) -> Result<Vec<Place<'_>>, PathError> {
        let mut places = self.places(named)?;
        places.reverse();
        Ok(places)
    }

    /// The existing file of this name, or whatever else is there.
    pub(in crate::native) fn file(&self, named: &str) -> Result<Place<'_>, PathError> {
        for place in self.places(named)? {
            match place.link_metadata() {
                Err(PathError::Missing { .. } | PathError::NotAFolder { .. }) => {}
                Err(error) => return Err(error),
                Ok(_) => return Ok(place),
            }
        }
        Err(PathError::Missing { path: named.to_owned(), roots: self.to_string() })
    }

    /// Where a file of this name is written.
    pub(in crate::native) fn to_write(&self, named: &str) -> Result<Place<'_>, PathError> {
        self.places(named)?;
        let read_only = |()| PathError::ReadOnlySide { path: named.to_owned(), work_dir: self.work_dir().to_owned() };
        self.0.work.place(named).map_err(read_only)
    }

    /// Where the path may lead to, the best first.
    fn places(&self, named: &str) -> Result<Vec<Place<'_>>, PathError> {
        if named.is_empty() {
            return Err(PathError::Empty);
        }
        if named.contains('\0') {
            return Err(PathError::Nul);
        }
        let Both { source, work, same, .. } = &*self.0;
        let mut roots = if *same { vec![work] } else { vec![work, source] };
        if Path::new(named).is_absolute() {
            // The root that lies in the other is the one that is meant.
            roots.sort_by_key(|root| std::cmp::Reverse(root.path.components().count()));
            roots = roots.into_iter().find(|root| root.place(named).is_ok()).into_iter().collect();
        }
        let places: Vec<Place<'_>> = roots.into_iter().filter_map(|root| root.place(named).ok()).collect();
        if places.is_empty() {
            return Err(PathError::Outside { path: named.to_owned(), roots: self.to_string() });
        }
        Ok(places)
    }
}

impl std::fmt::Display for Roots {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Both { source, work, same, .. } = &*self.0;
        if *same {
            return write!(f, "{}", work.path.display());
        }
        write!(f, "{} (read) and {} (read and written)", source.path.display(), work.path.display())
    }
}

impl Root {
    fn open(what: &str, given: &Path, written: bool) -> Result<Self> {
        let failed = |source| Error::Io { what: format!("{what} {} cannot be opened", given.display()), source };
        let path = given.canonicalize().map_err(failed)?;
        let dir = Dir::open_ambient_dir(&path, ambient_authority()).map_err(failed)?;
        Ok(Self { given: std::path::absolute(given).map_err(failed)?, path, dir, written })
    }

    /// The path below this root that is named so; an error says no more than that it does not lie there.
    pub(super) fn place(&self, named: &str) -> Result<Place<'_>, ()> {
        let path = Path::new(named);
        let below = if path.is_absolute() {
            path.strip_prefix(&self.path).or_else(|_| path.strip_prefix(&self.given)).map_err(|_| ())?
        } else {
            path
        };
        let (mut depth, mut plain) = (0_i32, PathBuf::new());
        for component in below.components().filter(|component| *component != Component::CurDir) {
            depth += if component == Component::ParentDir { -1 } else { 1 };
            if depth < 0 {
                return Err(());
            }
            plain.push(component);
        }
        let place = Place { root: self, named: named.to_owned(), below: PathBuf::from(".") };
        Ok(place.join(&plain))
    }

    /// Does something with a path below this root. Where an absolute link leads out of every root but back into this one, the path is tried again as the
    /// link means it, under the same guard.
    pub(super) fn beneath<T>(&self, below: &Path, act: impl Fn(&Dir, &Path) -> io::Result<T>) -> io::Result<T> {
        match act(&self.dir, below) {
            Err(error) if error::is_escape(&error) => match self.without_links(below) {
                Some(real) => act(&self.dir, &real),
                None => Err(error),
            },
            done => done,
        }
    }

    /// A guess at where a path leads, if that is below this root; whoever goes there is guarded all the same.
    pub(super) fn without_links(&self, below: &Path) -> Option<PathBuf> {
        let real = self.path.join(below).canonicalize().ok()?;
        let below = real.strip_prefix(&self.path).ok()?;
        Some(if below.as_os_str().is_empty() { PathBuf::from(".") } else { below.to_owned() })
    }
}

impl Place<'_> {
    /// What is there, without following a link.
    pub(in crate::native) fn link_metadata(&self) -> Result<Metadata, PathError> {
        let found = self.root.beneath(&self.below, |dir, below| dir.symlink_metadata(below));
        found.map_err(|error| self.failed("be looked at", error))
    }

    /// The folder, open.
    pub(in crate::native) fn open_folder(&self) -> Result<Dir, PathError> {
        let opened = self.root.beneath(&self.below, |dir, below| dir.open_dir(below));
        opened.map_err(|error| self.failed("be opened", error))
    }

    /// Something below it.
    pub(in crate::native) fn join(&self, below: &Path) -> Self {
        let nothing = below == Path::new(".") || below.as_os_str().is_empty();
        match (self.is_root(), nothing) {
            (_, true) => self.clone(),
            (true, false) => self.at(below),
            (false, false) => self.at(&self.below.join(below)),
        }
    }

    pub(super) fn is_root(&self) -> bool {
        self.below == Path::new(".")
    }

    pub(super) fn at(&self, below: &Path) -> Self {
        let below = if below.as_os_str().is_empty() { Path::new(".") } else { below };
        Self { below: below.to_owned(), ..self.clone() }
    }

    /// Whether it lies on the side that is written.
    pub(in crate::native) fn is_written(&self) -> bool {
        self.root.written
    }

    /// The root that it lies below.
    pub(in crate::native) fn root_path(&self) -> &Path {
        &self.root.path
    }

    /// Its path below the root.
    pub(in crate::native) fn below(&self) -> &Path {
        &self.below
    }

    /// Its whole path, for comparisons only: whoever opens that is not guarded.
    pub(in crate::native) fn absolute(&self) -> PathBuf {
        if self.is_root() { self.root.path.clone() } else { self.root.path.join(&self.below) }
    }

    /// The folders above it, from the root on.
    pub(in crate::native) fn above(&self) -> Vec<Self> {
        if self.is_root() {
            return Vec::new();
        }
        let mut folders: Vec<_> = self.below.ancestors().skip(1).map(|below| self.at(below)).collect();
        folders.reverse();
        folders
    }

    /// The entries of a folder that is here.
    pub(in crate::native) fn listed<T>(&self, entries: io::Result<T>) -> Result<T, PathError> {
        entries.map_err(|error| self.failed("be listed", error))
    }

    pub(super) fn failed(&self, what: &'static str, error: io::Error) -> PathError {
        PathError::of(&self.named, &self.root.path, what, error)
    }
}
