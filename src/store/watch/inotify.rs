//! The watcher of Linux: one inotify instance, with one watch for each folder that somebody looks at.
//!
//! Several may look at one folder, and each has its own account of what changed. The queue of the kernel is emptied into all
//! of these accounts by whoever looks first: one who is about to answer, or [`Watcher::pass_on`], which waits for it.

use std::collections::HashMap;
use std::ffi::OsString;
use std::os::fd::AsFd as _;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use nix::errno::Errno;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, InotifyEvent, WatchDescriptor};
use tokio::io::Interest as Readiness;
use tokio::io::unix::AsyncFd;
use tokio::sync::Notify;

use super::{FolderChanges, Interest};

/// One for all: a second watch on the same folder is the same watch, and would exchange its flags.
const FLAGS: AddWatchFlags = AddWatchFlags::IN_MODIFY
    .union(AddWatchFlags::IN_CLOSE_WRITE)
    .union(AddWatchFlags::IN_CREATE)
    .union(AddWatchFlags::IN_DELETE)
    .union(AddWatchFlags::IN_MOVE)
    .union(AddWatchFlags::IN_DELETE_SELF)
    .union(AddWatchFlags::IN_MOVE_SELF)
    .union(AddWatchFlags::IN_ONLYDIR);
/// A file that is whole now, or gone.
const FINISHED: AddWatchFlags =
    AddWatchFlags::IN_CLOSE_WRITE.union(AddWatchFlags::IN_MOVE).union(AddWatchFlags::IN_DELETE);
/// The folder itself is elsewhere, or gone.
const OVER: AddWatchFlags = AddWatchFlags::IN_DELETE_SELF
    .union(AddWatchFlags::IN_MOVE_SELF)
    .union(AddWatchFlags::IN_UNMOUNT)
    .union(AddWatchFlags::IN_IGNORED);
/// How often a folder is looked for anew that comes and goes while it is looked for.
const ATTEMPTS: usize = 10;

/// Is told by the kernel of changes in folders, and tells those who look at them. Clones are the same watcher.
#[derive(Clone, Debug, Default)]
pub struct Watcher(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    passing_on: AtomicBool,
}

#[derive(Debug, Default)]
struct State {
    /// Opened with the first folder.
    inotify: Option<Inotify>,
    next: u64,
    folders: HashMap<WatchDescriptor, Vec<u64>>,
    views: HashMap<u64, View>,
}

/// What one who looks at a folder was not told yet.
#[derive(Debug)]
struct View {
    folder: WatchDescriptor,
    /// The folder is not there: this name in the folder that is watched instead leads to it.
    awaits: Option<OsString>,
    interest: Interest,
    changes: FolderChanges,
    over: bool,
    bell: Option<Arc<Notify>>,
}

/// A folder that somebody looks at; the kernel's watch is given back with the last one of a folder.
#[derive(Debug)]
pub(in crate::store) struct FolderWatch {
    watcher: Watcher,
    id: u64,
}

impl Watcher {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Looks at `dir` from now on, and rings the bell when something changed there. A folder that does not exist is waited
    /// for: then the watch is [over](FolderWatch::is_over) when it may be there. `None` when the system has no watch left.
    pub(in crate::store) fn folder(
        &self,
        dir: &Path,
        interest: Interest,
        bell: Option<&Arc<Notify>>,
    ) -> Option<FolderWatch> {
        let mut state = self.lock();
        // What happened before concerns only those who look already.
        state.drain();
        let (folder, awaits) = state.find(dir)?;
        let id = state.next;
        state.next += 1;
        state.folders.entry(folder).or_default().push(id);
        let view =
            View { folder, awaits, interest, changes: FolderChanges::default(), over: false, bell: bell.cloned() };
        state.views.insert(id, view);
        drop(state);
        Some(FolderWatch { watcher: self.clone(), id })
    }

    /// Passes on what the kernel tells, as soon as it does, until this is dropped. Without it bells ring only when somebody
    /// asks for changes. Returns when the system has nothing to wait for.
    #[expect(
        deprecated,
        reason = "its successor is unsafe to call; the descriptor is owned, and nobody else closes it"
    )]
    pub async fn pass_on(&self) {
        // A descriptor of its own, so that two who wait are not in each other's way.
        let copy = self.lock().inotify.as_ref().and_then(|inotify| inotify.as_fd().try_clone_to_owned().ok());
        let Some(descriptor) = copy.and_then(|copy| AsyncFd::with_interest(copy, Readiness::READABLE).ok()) else {
            return;
        };
        let _passing_on = PassingOn::begin(&self.0.passing_on);
        loop {
            let Ok(mut ready) = descriptor.readable().await else { return };
            self.lock().drain();
            ready.clear_ready();
        }
    }

    /// Whether somebody passes on what the kernel tells.
    pub(in crate::store) fn is_passing_on(&self) -> bool {
        self.0.passing_on.load(Ordering::Relaxed)
    }
}

/// Says that somebody passes on what the kernel tells, as long as that is so.
struct PassingOn<'a>(&'a AtomicBool);

impl<'a> PassingOn<'a> {
    fn begin(flag: &'a AtomicBool) -> Self {
        flag.store(true, Ordering::Relaxed);
        Self(flag)
    }
}

impl Drop for PassingOn<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

impl FolderWatch {
    /// What changed since the last call, up to this moment.
    pub(in crate::store) fn changes(&self) -> FolderChanges {
        let mut state = self.watcher.lock();
        state.drain();
        match state.views.get_mut(&self.id) {
            Some(view) if view.over => FolderChanges::Everything,
            Some(view) => std::mem::take(&mut view.changes),
            None => FolderChanges::Everything,
        }
    }

    /// Whether this watch will tell of nothing more: the folder is gone or elsewhere, or one that was waited for may be there.
    pub(in crate::store) fn is_over(&self) -> bool {
        let mut state = self.watcher.lock();
        state.drain();
        state.views.get(&self.id).is_none_or(|view| view.over)
    }
}

impl Drop for FolderWatch {
    fn drop(&mut self) {
        let mut state = self.watcher.lock();
        if let Some(view) = state.views.remove(&self.id)
            && let Some(views) = state.folders.get_mut(&view.folder)
        {
            views.retain(|id| *id != self.id);
            state.give_back(view.folder);
        }
    }
}

impl State {
    /// The kernel's watch on a folder; or, where there is none, on what it will be made in, with the name to wait for.
    fn find(&mut self, dir: &Path) -> Option<(WatchDescriptor, Option<OsString>)> {
        if self.inotify.is_none() {
            self.inotify = Inotify::init(InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC).ok();
        }
        for _ in 0..ATTEMPTS {
            let mut at = dir;
            let mut awaits = None;
            let folder = loop {
                match self.inotify.as_ref()?.add_watch(at, FLAGS) {
                    Ok(folder) => break folder,
                    Err(Errno::ENOENT) => {
                        awaits = Some(at.file_name()?.to_owned());
                        at = at.parent()?;
                    }
                    Err(_) => return None,
                }
            };
            // It may have been made before the watch was there.
            match awaits {
                Some(name) if at.join(&name).exists() => self.give_back(folder),
                awaits => return Some((folder, awaits)),
            }
        }
        None
    }

    /// Gives the kernel's watch on a folder back, unless somebody looks at it.
    fn give_back(&mut self, folder: WatchDescriptor) {
        if self.folders.get(&folder).is_none_or(Vec::is_empty) {
            self.folders.remove(&folder);
            if let Some(inotify) = &self.inotify {
                // The kernel has given it up by itself when the folder is gone.
                let _ = inotify.rm_watch(folder);
            }
        }
    }

    /// Takes everything that the kernel has to tell.
    fn drain(&mut self) {
        loop {
            let Some(inotify) = &self.inotify else { return };
            match inotify.read_events() {
                Ok(events) => events.into_iter().for_each(|event| self.take(event)),
                Err(Errno::EAGAIN) => return,
                Err(Errno::EINTR) => {}
                Err(_) => return self.views.values_mut().for_each(View::lose_track),
            }
        }
    }

    fn take(&mut self, event: InotifyEvent) {
        if event.mask.contains(AddWatchFlags::IN_Q_OVERFLOW) {
            return self.views.values_mut().for_each(View::lose_track);
        }
        let Self { folders, views, .. } = self;
        // What is told of a watch that was given back concerns nobody.
        for id in folders.get(&event.wd).into_iter().flatten() {
            if let Some(view) = views.get_mut(id) {
                view.take(&event);
            }
        }
        if event.mask.contains(AddWatchFlags::IN_IGNORED) {
            folders.remove(&event.wd);
        }
    }
}

impl View {
    fn take(&mut self, event: &InotifyEvent) {
        if event.mask.intersects(OVER) {
            self.over = true;
            return self.lose_track();
        }
        let Some(name) = &event.name else { return self.lose_track() };
        match &self.awaits {
            Some(awaited) if awaited == name => {
                self.over = true;
                self.lose_track();
            }
            Some(_) => {}
            None => {
                let wanted = self.interest == Interest::Any || event.mask.intersects(FINISHED);
                if wanted && name.as_encoded_bytes().ends_with(b".json") {
                    if let FolderChanges::Names(names) = &mut self.changes {
                        names.insert(name.clone());
                    }
                    self.ring();
                }
            }
        }
    }

    fn lose_track(&mut self) {
        self.changes = FolderChanges::Everything;
        self.ring();
    }

    fn ring(&self) {
        if let Some(bell) = &self.bell {
            bell.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::time::Duration;

    fn names(names: &[&str]) -> FolderChanges {
        FolderChanges::Names(names.iter().map(OsString::from).collect())
    }

    #[test]
    fn a_change_is_seen_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let watch = Watcher::default().folder(dir.path(), Interest::Any, None).unwrap();
        assert_eq!(watch.changes(), names(&[]));
        fs::write(dir.path().join("a.json"), "1").unwrap();
        fs::rename(dir.path().join("a.json"), dir.path().join("b.json")).unwrap();
        fs::write(dir.path().join("b.json.tmp.1"), "1").unwrap();
        assert_eq!(watch.changes(), names(&["a.json", "b.json"]));
        assert_eq!(watch.changes(), names(&[]));
        fs::remove_dir_all(dir.path()).unwrap();
        assert_eq!(watch.changes(), FolderChanges::Everything);
        assert!(watch.is_over());
        assert_eq!(watch.changes(), FolderChanges::Everything, "until somebody looks elsewhere");
    }

    #[test]
    fn everybody_who_looks_is_told_whoever_empties_the_queue() {
        let dir = tempfile::tempdir().unwrap();
        let other = tempfile::tempdir().unwrap();
        let watcher = Watcher::default();
        let look = |dir: &Path| watcher.folder(dir, Interest::Any, None).unwrap();
        let (one, two, elsewhere) = (look(dir.path()), look(dir.path()), look(other.path()));
        fs::write(dir.path().join("a.json"), "1").unwrap();
        assert_eq!(one.changes(), names(&["a.json"]));
        fs::write(dir.path().join("b.json"), "1").unwrap();
        fs::write(other.path().join("c.json"), "1").unwrap();
        assert_eq!(elsewhere.changes(), names(&["c.json"]));
        assert_eq!(two.changes(), names(&["a.json", "b.json"]));
        assert_eq!(one.changes(), names(&["b.json"]));
        // The kernel's watch is that of both, and stays with the other.
        drop(one);
        fs::write(dir.path().join("d.json"), "1").unwrap();
        assert_eq!(two.changes(), names(&["d.json"]));
    }

    #[test]
    fn what_is_written_in_place_is_told_when_it_is_whole() {
        use std::io::Write as _;
        let dir = tempfile::tempdir().unwrap();
        let watcher = Watcher::default();
        let finished = watcher.folder(dir.path(), Interest::Finished, None).unwrap();
        let any = watcher.folder(dir.path(), Interest::Any, None).unwrap();
        let mut file = fs::File::create(dir.path().join("a.json")).unwrap();
        file.write_all(b"[").unwrap();
        assert_eq!((finished.changes(), any.changes()), (names(&[]), names(&["a.json"])));
        file.write_all(b"]").unwrap();
        drop(file);
        assert_eq!((finished.changes(), any.changes()), (names(&["a.json"]), names(&["a.json"])));
    }

    #[test]
    fn a_folder_that_does_not_exist_is_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let watcher = Watcher::default();
        let wanted = dir.path().join("tasks/t");
        let watch = watcher.folder(&wanted, Interest::Any, None).unwrap();
        fs::write(dir.path().join("other.json"), "1").unwrap();
        assert_eq!(watch.changes(), names(&[]));
        fs::create_dir(dir.path().join("tasks")).unwrap();
        assert!(watch.is_over());
        let watch = watcher.folder(&wanted, Interest::Any, None).unwrap();
        assert!(!watch.is_over());
        fs::create_dir(&wanted).unwrap();
        assert!(watch.is_over());
        let watch = watcher.folder(&wanted, Interest::Any, None).unwrap();
        fs::write(wanted.join("1.json"), "1").unwrap();
        assert_eq!(watch.changes(), names(&["1.json"]));
    }

    #[test]
    fn watches_are_given_back() {
        let watcher = Watcher::default();
        for _ in 0..3 {
            let dir = tempfile::tempdir().unwrap();
            let watch = watcher.folder(dir.path(), Interest::Any, None).unwrap();
            let same = watcher.folder(dir.path(), Interest::Any, None).unwrap();
            assert_eq!(watcher.lock().folders.len(), 1);
            drop(dir);
            assert!(watch.is_over() && same.is_over());
        }
        let dir = tempfile::tempdir().unwrap();
        drop(watcher.folder(dir.path(), Interest::Any, None).unwrap());
        let state = watcher.lock();
        assert!(state.folders.is_empty() && state.views.is_empty(), "{state:?}");
    }

    #[test]
    fn when_the_queue_overflows_everything_may_have_changed() {
        let (dir, quiet) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let watcher = Watcher::default();
        let quiet = watcher.folder(quiet.path(), Interest::Any, None).unwrap();
        let busy = watcher.folder(dir.path(), Interest::Any, None).unwrap();
        let limit = fs::read_to_string("/proc/sys/fs/inotify/max_queued_events").unwrap();
        let limit: usize = limit.trim().parse().unwrap();
        // Two files in turn, because the kernel joins two events that are the same.
        let files = ["a.json", "b.json"].map(|name| dir.path().join(name));
        for count in 0..=limit {
            fs::write(&files[count % 2], "1").unwrap();
        }
        assert_eq!(busy.changes(), FolderChanges::Everything);
        assert_eq!(quiet.changes(), FolderChanges::Everything, "nobody knows whose event was lost");
        fs::write(&files[0], "2").unwrap();
        assert_eq!(busy.changes(), names(&["a.json"]));
    }

    #[tokio::test]
    async fn a_bell_rings_when_the_kernel_tells() {
        let dir = tempfile::tempdir().unwrap();
        let watcher = Watcher::default();
        let bell = Arc::new(Notify::new());
        let watch = watcher.folder(dir.path(), Interest::Finished, Some(&bell)).unwrap();
        let passing_on = tokio::spawn({
            let watcher = watcher.clone();
            async move { watcher.pass_on().await }
        });
        for round in ["1", "2"] {
            fs::write(dir.path().join("a.json"), round).unwrap();
            tokio::time::timeout(Duration::from_secs(20), bell.notified()).await.expect("it rings");
            assert_eq!(watch.changes(), names(&["a.json"]));
        }
        assert!(watcher.is_passing_on());
        passing_on.abort();
        let _ = passing_on.await;
        assert!(!watcher.is_passing_on());
    }
}
