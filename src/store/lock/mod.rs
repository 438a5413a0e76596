//! Claude Code's lock, and a queue in front of it.
//!
//! Claude Code locks with the npm library proper-lockfile: `mkdir <file>.lock`, removed to release, stale when its mtime is
//! ten seconds old. It sees no flock. So that our own writers do not all poll for that directory, the threads of a process
//! first wait for each other, then the process for others of ours, by flock on a private file that stands for the target.
//!
//! That file says which locks are held in the turn, so that what a killed process has left is taken away at once by the next of ours;
//! others wait until it is stale. It is open only while somebody has the turn or waits for it, and is removed with what it stands for
//! ([`Locks::forget`]). Whoever gets a lock on a file that was removed in between takes the new one: two who held locks on
//! different files of the same name would both have the turn.

mod held;
mod left;

use std::collections::HashMap;
use std::collections::hash_map::DefaultHasher;
use std::fs::{self, File};
use std::hash::{Hash, Hasher};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use fs2::FileExt;

pub(super) use self::held::Held;
use self::held::Pause;
use self::left::{Notes, take_away};
use super::{Result, StoreError};

/// Longer than a lock takes to become stale, so that a dead holder costs patience and not an error.
const PATIENCE: Duration = Duration::from_secs(15);

#[derive(Debug)]
pub(super) struct Locks {
    dir: PathBuf,
    queues: Mutex<HashMap<PathBuf, Arc<Queue>>>,
    patience: Duration,
}

/// The threads of this process that want to write one target; it is known as long as there are any.
#[derive(Debug, Default)]
struct Queue {
    busy: Mutex<bool>,
    freed: Condvar,
    /// The private file, of whoever has the turn.
    file: Mutex<Option<File>>,
    /// What stands in it.
    notes: Mutex<Notes>,
}

/// Our turn among our own; it ends when this is dropped.
#[derive(Debug)]
pub(super) struct Turn<'a> {
    locks: &'a Locks,
    target: PathBuf,
    queue: Arc<Queue>,
    /// Which of the spare directories are in use: several files may be locked at the same time.
    spares: Mutex<Vec<bool>>,
}

impl Turn<'_> {
    /// Runs `work` while holding Claude Code's lock on `target`, which this turn is for, or a file in it. Hold it for
    /// milliseconds: Claude Code gives up after 600.
    pub(super) fn with<T>(&self, target: &Path, work: impl FnOnce(&Held) -> Result<T>) -> Result<T> {
        let number = self.take_spare();
        let spare = self.locks.spare_path(&self.target, number);
        let held = Held::take(target, spare, self.locks.patience, |placed, path| {
            if let Some(file) = lock(&self.queue.file).as_ref() {
                lock(&self.queue.notes).add(file, placed, path);
            }
        })?;
        let done = work(&held);
        held.release();
        lock(&self.spares)[number] = false;
        done
    }

    fn take_spare(&self) -> usize {
        let mut spares = lock(&self.spares);
        let number = spares.iter().position(|is_used| !is_used).unwrap_or_else(|| {
            spares.push(true);
            spares.len() - 1
        });
        spares[number] = true;
        number
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        // Those who wait in this process go on with the file.
        if let Some(file) = lock(&self.queue.file).as_ref() {
            lock(&self.queue.notes).clear(file);
            let _ = FileExt::unlock(file);
        }
        *lock(&self.queue.busy) = false;
        self.queue.freed.notify_one();
        self.locks.leave(&self.target, &self.queue);
    }
}

impl Locks {
    pub(super) fn new(dir: PathBuf) -> Self {
        Self { dir, queues: Mutex::default(), patience: PATIENCE }
    }

    #[cfg(test)]
    fn with_patience(dir: PathBuf, patience: Duration) -> Self {
        Self { patience, ..Self::new(dir) }
    }

    /// Runs `work` in our turn for `target` and while holding Claude Code's lock on it, as [`Turn::with`] does.
    pub(super) fn with<T>(&self, target: &Path, work: impl FnOnce(&Held) -> Result<T>) -> Result<T> {
        self.queue(target)?.with(target, work)
    }

    /// Waits until it is our turn among our own threads and processes.
    pub(super) fn queue(&self, target: &Path) -> Result<Turn<'_>> {
        let deadline = Instant::now() + self.patience;
        let path = self.queue_path(target);
        let contended =
            || StoreError::Locked { path: target.to_owned(), lock: path.clone(), seconds: self.patience.as_secs() };
        let queue = Arc::clone(lock(&self.queues).entry(target.to_owned()).or_default());
        let waited = queue.freed.wait_timeout_while(lock(&queue.busy), self.patience, |busy| *busy);
        let (mut busy, timeout) = waited.unwrap_or_else(|poisoned| poisoned.into_inner());
        if timeout.timed_out() {
            drop(busy);
            self.leave(target, &queue);
            return Err(contended());
        }
        *busy = true;
        drop(busy);
        let turn = Turn { locks: self, target: target.to_owned(), queue, spares: Mutex::default() };
        self.flock(&turn.queue, &path, deadline).map_err(|error| error.unwrap_or_else(contended))?;
        Ok(turn)
    }

    /// Removes what we keep for a target that is gone.
    pub(super) fn forget(&self, target: &Path) {
        let path = self.queue_path(target);
        if !path.exists() {
            return;
        }
        // In our turn, so that it is removed from under nobody who has it.
        let Ok(_turn) = self.queue(target) else { return };
        let _ = (0..).try_for_each(|number| fs::remove_dir(self.spare_path(target, number)));
        let _ = fs::remove_file(&path);
    }

    /// Closes the file of a target that nobody in this process wants any more.
    fn leave(&self, target: &Path, queue: &Arc<Queue>) {
        const THE_MAP_AND_US: usize = 2;
        let mut queues = lock(&self.queues);
        let ours = queues.get(target).is_some_and(|known| Arc::ptr_eq(known, queue));
        // The number cannot grow while we have the map.
        if ours && Arc::strong_count(queue) == THE_MAP_AND_US {
            queues.remove(target);
        }
    }

    /// Locks the private file; fails with nothing when others have it all the time.
    fn flock(&self, queue: &Queue, path: &Path, deadline: Instant) -> Result<(), Option<StoreError>> {
        let mut slot = lock(&queue.file);
        let mut pause = Pause::new();
        loop {
            let file = match slot.take() {
                Some(file) => file,
                None => self.open(path)?,
            };
            match FileExt::try_lock_exclusive(&file) {
                Ok(()) => {
                    let links =
                        file.metadata().map_err(|source| Some(StoreError::io("look at", path, source)))?.nlink();
                    if links > 0 {
                        take_away(&file);
                        *slot = Some(file);
                        return Ok(());
                    }
                    // It was removed before we had the lock, which stands for nothing now.
                }
                Err(error) if error.kind() == fs2::lock_contended_error().kind() => {
                    *slot = Some(file);
                    if !pause.until(deadline) {
                        return Err(None);
                    }
                }
                Err(source) => return Err(Some(StoreError::io("lock", path, source))),
            }
        }
    }

    fn queue_path(&self, target: &Path) -> PathBuf {
        let mut hasher = DefaultHasher::new();
        target.hash(&mut hasher);
        self.dir.join(format!("{:016x}.lock", hasher.finish()))
    }

    fn spare_path(&self, target: &Path, number: usize) -> PathBuf {
        self.queue_path(target).with_extension(format!("spare{number}"))
    }

    fn open(&self, path: &Path) -> Result<File> {
        let open = || fs::OpenOptions::new().create(true).truncate(false).read(true).write(true).open(path);
        let opened = match open() {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.dir).and_then(|()| open())
            }
            opened => opened,
        };
        opened.map_err(|source| StoreError::io("open", path, source))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;

    fn dir_of(target: &Path) -> PathBuf {
        target.with_extension("json.lock")
    }

    fn age(path: &Path, seconds: u64) {
        let then = SystemTime::now() - Duration::from_secs(seconds);
        File::open(path).unwrap().set_modified(then).unwrap();
    }

    #[test]
    fn a_lock_is_a_directory_beside_the_file_and_goes_away() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("x.json");
        let locks = Locks::new(dir.path().join("locks"));
        locks
            .with(&target, |_| {
                assert!(dir.path().join("x.json.lock").is_dir());
                Ok(())
            })
            .unwrap();
        assert!(!dir.path().join("x.json.lock").exists());
    }

    #[test]
    fn a_dead_lock_is_taken_though_the_clock_was_put_back() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("x.json");
        let lock = dir.path().join("x.json.lock");
        fs::create_dir(&lock).unwrap();
        File::open(&lock).unwrap().set_modified(SystemTime::now() + Duration::from_secs(3600)).unwrap();
        Locks::new(dir.path().join("locks")).with(&target, |_| Ok(())).unwrap();
        assert!(!lock.exists());
    }

    #[test]
    fn a_live_lock_is_respected_and_a_dead_one_is_taken() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("x.json");
        let lock = dir.path().join("x.json.lock");
        let locks = Locks::with_patience(dir.path().join("locks"), Duration::from_millis(50));
        fs::create_dir(&lock).unwrap();
        age(&lock, 8);
        let error = locks.with(&target, |_| Ok(())).unwrap_err();
        assert!(matches!(error, StoreError::Locked { .. }), "{error}");
        assert!(lock.is_dir(), "it belongs to somebody else");
        age(&lock, 11);
        locks.with(&target, |_| Ok(())).unwrap();
        assert!(!lock.exists());
    }

    /// Leaves a lock as a process does that is killed while it holds it.
    fn leave(locks: &Locks, target: &Path) -> PathBuf {
        let turn = locks.queue(target).unwrap();
        let file = lock(&turn.queue.file).take().unwrap();
        let notes = Mutex::new(Notes::default());
        let note = |placed, path: &Path| lock(&notes).add(&file, placed, path);
        std::mem::forget(Held::take(target, locks.spare_path(target, 0), locks.patience, note).unwrap());
        dir_of(target)
    }

    #[test]
    fn the_lock_of_a_killed_process_of_ours_is_taken_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("x.json");
        let locks = Locks::with_patience(dir.path().join("locks"), Duration::from_millis(50));
        for _ in 0..3 {
            let left = leave(&locks, &target);
            assert!(left.is_dir());
            // It is gone for all that this turn is for.
            let turn = locks.queue(&target).unwrap();
            assert!(!left.exists());
            turn.with(&target, |_| Ok(())).unwrap();
        }
    }

    #[test]
    fn what_another_program_has_put_in_its_place_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("x.json");
        let locks = Locks::with_patience(dir.path().join("locks"), Duration::from_millis(50));
        let left = leave(&locks, &target);
        fs::remove_dir(&left).unwrap();
        fs::create_dir(&left).unwrap();
        let error = locks.with(&target, |_| Ok(())).unwrap_err();
        assert!(matches!(error, StoreError::Locked { .. }), "{error}");
        assert!(left.is_dir());
    }

    #[test]
    fn rubbish_in_a_private_file_harms_nobody() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("x.json");
        let locks = Locks::new(dir.path().join("locks"));
        for rubbish in
            [&b"x"[..], b"1 2", b"1 2 /\n1", b"-1 x /tmp\n\n", &[0; 9000], b"99999999999999999999999 1 /\n\n"]
        {
            locks.with(&target, |_| Ok(())).unwrap();
            fs::write(locks.queue_path(&target), rubbish).unwrap();
            locks.with(&target, |_| Ok(())).unwrap();
            locks.with(&target, |_| Ok(())).unwrap();
        }
    }

    #[test]
    fn threads_take_turns() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("counter");
        fs::write(&target, "0").unwrap();
        let locks = Locks::new(dir.path().join("locks"));
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..25 {
                        locks
                            .with(&target, |_| {
                                let count: u32 = fs::read_to_string(&target).unwrap().parse().unwrap();
                                fs::write(&target, (count + 1).to_string()).unwrap();
                                Ok(())
                            })
                            .unwrap();
                    }
                });
            }
        });
        assert_eq!(fs::read_to_string(&target).unwrap(), "200");
    }

    #[test]
    fn nothing_is_open_or_known_when_nobody_wants_it() {
        let dir = tempfile::tempdir().unwrap();
        let locks = Locks::new(dir.path().join("locks"));
        for number in 0..50 {
            let target = dir.path().join(format!("{number}.json"));
            let turn = locks.queue(&target).unwrap();
            assert_eq!(lock(&locks.queues).len(), 1);
            turn.with(&target, |_| turn.with(&dir.path().join("other.json"), |_| Ok(()))).unwrap();
            drop(turn);
            assert_eq!(lock(&locks.queues).len(), 0);
            assert_eq!(fs::read_dir(dir.path().join("locks")).unwrap().count(), 3, "a file, and spare directories");
            locks.forget(&target);
            assert_eq!(fs::read_dir(dir.path().join("locks")).unwrap().count(), 0);
            assert_eq!(lock(&locks.queues).len(), 0);
        }
    }

    #[test]
    fn who_gives_up_waiting_is_forgotten() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("x.json");
        let locks = Locks::with_patience(dir.path().join("locks"), Duration::from_millis(20));
        let other = Locks::with_patience(dir.path().join("locks"), Duration::from_millis(20));
        let turn = locks.queue(&target).unwrap();
        for waits in [&locks, &other] {
            let error = waits.queue(&target).unwrap_err();
            assert!(matches!(error, StoreError::Locked { .. }), "{error}");
        }
        assert_eq!((lock(&locks.queues).len(), lock(&other.queues).len()), (1, 0));
        drop(turn);
        assert_eq!(lock(&locks.queues).len(), 0);
        other.queue(&target).unwrap();
    }

    #[test]
    fn no_two_have_the_turn_though_the_file_is_removed_all_the_time() {
        let dir = tempfile::tempdir().unwrap();
        // Each has locks of its own, as another process has.
        let locks = || Locks::new(dir.path().join("locks"));
        let target = dir.path().join("counter");
        fs::write(&target, "0").unwrap();
        let done = std::sync::atomic::AtomicBool::new(false);
        let removed = std::sync::atomic::AtomicUsize::new(0);
        // At least 150 times each, and on until the file was removed at least once.
        let count = || {
            let locks = locks();
            let mut counted = 0;
            while counted < 150 || removed.load(std::sync::atomic::Ordering::Relaxed) == 0 {
                let _turn = locks.queue(&target).unwrap();
                let count: u32 = fs::read_to_string(&target).unwrap().parse().unwrap();
                fs::write(&target, (count + 1).to_string()).unwrap();
                counted += 1;
            }
            counted
        };
        let counted: u32 = std::thread::scope(|scope| {
            let forgets = scope.spawn(|| {
                let locks = locks();
                while !done.load(std::sync::atomic::Ordering::Relaxed) {
                    let there = usize::from(locks.queue_path(&target).exists());
                    locks.forget(&target);
                    removed.fetch_add(there, std::sync::atomic::Ordering::Relaxed);
                }
            });
            let counters = [scope.spawn(count), scope.spawn(count), scope.spawn(count), scope.spawn(count)];
            let counted = counters.into_iter().map(|counter| counter.join().unwrap()).sum();
            done.store(true, std::sync::atomic::Ordering::Relaxed);
            forgets.join().unwrap();
            counted
        });
        assert_eq!(fs::read_to_string(&target).unwrap(), counted.to_string());
    }
}
