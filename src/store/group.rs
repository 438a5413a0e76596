//! Jobs of several threads on one file that one of them does for all, so that they share a lock, a read and a write.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::sync::{Arc, Condvar, Mutex};

use super::Result;
use crate::sync::lock;

/// The jobs that wait, by the file that they are about.
#[derive(Debug)]
pub(super) struct Groups<J, R>(Mutex<HashMap<PathBuf, Arc<Group<J, R>>>>);

/// The threads that have a job for one file; it is known as long as there are any.
#[derive(Debug)]
struct Group<J, R> {
    state: Mutex<State<J, R>>,
    changed: Condvar,
}

#[derive(Debug)]
struct State<J, R> {
    waiting: Vec<Waiting<J, R>>,
    /// One of the threads is doing jobs.
    is_led: bool,
    /// How many jobs there were.
    count: u64,
}

/// A job, and whoever waits for its result.
#[derive(Debug)]
pub(super) struct Waiting<J, R> {
    pub(super) job: J,
    number: u64,
    result: SyncSender<Result<R>>,
}

impl<J, R> Waiting<J, R> {
    /// Tells its thread what became of the job.
    pub(super) fn done(self, result: Result<R>) {
        // There is room for one, and there is one.
        let _ = self.result.try_send(result);
    }
}

impl<J, R> Default for Groups<J, R> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<J, R> Groups<J, R> {
    /// Has a job done, by this thread or by one that came before it.
    ///
    /// The thread that does jobs is given `take`, which answers all that wait: the later it is called, the more there are.
    /// Each is to be told what became of it. An error before that is this thread's alone; the others try by themselves.
    pub(super) fn run(
        &self,
        path: &Path,
        job: J,
        work: impl FnOnce(&mut dyn FnMut() -> Vec<Waiting<J, R>>) -> Result<()>,
    ) -> Result<R> {
        let group = Arc::clone(lock(&self.0).entry(path.to_owned()).or_insert_with(|| Arc::new(Group::new())));
        let result = group.run(job, work);
        self.leave(path, &group);
        result
    }

    /// Forgets the group of a file that no thread has a job for any more.
    fn leave(&self, path: &Path, group: &Arc<Group<J, R>>) {
        const THE_MAP_AND_US: usize = 2;
        let mut groups = lock(&self.0);
        // The number cannot grow while we have the map.
        if Arc::strong_count(group) == THE_MAP_AND_US {
            groups.remove(path);
        }
    }
}

impl<J, R> Group<J, R> {
    fn new() -> Self {
        let state = State { waiting: Vec::new(), is_led: false, count: 0 };
        Self { state: Mutex::new(state), changed: Condvar::new() }
    }

    fn run(&self, job: J, work: impl FnOnce(&mut dyn FnMut() -> Vec<Waiting<J, R>>) -> Result<()>) -> Result<R> {
        let (sender, receiver) = sync_channel(1);
        let mut state = lock(&self.state);
        state.count += 1;
        let number = state.count;
        state.waiting.push(Waiting { job, number, result: sender });
        loop {
            if let Some(result) = received(&receiver) {
                return result;
            }
            if !state.is_led {
                break;
            }
            state = self.changed.wait(state).unwrap_or_else(|poisoned| poisoned.into_inner());
        }
        state.is_led = true;
        drop(state);
        let leading = Leading { group: self, number };
        let worked = work(&mut || std::mem::take(&mut lock(&self.state).waiting));
        drop(leading);
        worked.and_then(|()| received(&receiver).expect("the job of whoever does the jobs is one of them"))
    }
}

/// The result, if there is one.
fn received<R>(receiver: &Receiver<Result<R>>) -> Option<Result<R>> {
    match receiver.try_recv() {
        Ok(result) => Some(result),
        Err(TryRecvError::Empty) => None,
        // The thread that took the job has panicked, and so does whoever waits for it.
        Err(TryRecvError::Disconnected) => std::panic::resume_unwind(Box::new("a job was dropped")),
    }
}

/// A thread that does jobs. When it is dropped, after a panic too, its own job waits no more, and another thread may lead.
struct Leading<'a, J, R> {
    group: &'a Group<J, R>,
    number: u64,
}

impl<J, R> Drop for Leading<'_, J, R> {
    fn drop(&mut self) {
        let mut state = lock(&self.group.state);
        state.waiting.retain(|waiting| waiting.number != self.number);
        state.is_led = false;
        self.group.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::store::StoreError;

    type Numbers = Groups<u32, u32>;

    /// Does what there is, each number doubled.
    fn double(take: &mut dyn FnMut() -> Vec<Waiting<u32, u32>>) -> Result<()> {
        for waiting in take() {
            let doubled = waiting.job * 2;
            waiting.done(Ok(doubled));
        }
        Ok(())
    }

    /// Waits until so many jobs wait for a file.
    fn until_waiting(groups: &Numbers, count: usize) {
        let path = Path::new("x");
        let waiting = || lock(&groups.0).get(path).map_or(0, |group| lock(&group.state).waiting.len());
        while waiting() < count {
            std::thread::yield_now();
        }
    }

    #[test]
    fn jobs_that_come_meanwhile_are_done_together_and_each_hears_its_own_result() {
        let groups = Numbers::default();
        let rounds = AtomicUsize::new(0);
        let (entered, go) = (Barrier::new(2), Barrier::new(2));
        std::thread::scope(|scope| {
            let first = scope.spawn(|| {
                groups.run(Path::new("x"), 1, |take| {
                    rounds.fetch_add(1, Ordering::Relaxed);
                    let taken = take();
                    entered.wait();
                    go.wait();
                    let mut taken = Some(taken);
                    double(&mut || taken.take().unwrap_or_default())
                })
            });
            entered.wait();
            let others: Vec<_> = (2..10)
                .map(|number| {
                    let (groups, rounds) = (&groups, &rounds);
                    scope.spawn(move || {
                        let work = |take: &mut dyn FnMut() -> Vec<Waiting<u32, u32>>| {
                            rounds.fetch_add(1, Ordering::Relaxed);
                            double(take)
                        };
                        (number, groups.run(Path::new("x"), number, work).unwrap())
                    })
                })
                .collect();
            until_waiting(&groups, 8);
            go.wait();
            assert_eq!(first.join().unwrap().unwrap(), 2);
            for other in others {
                let (number, doubled) = other.join().unwrap();
                assert_eq!(doubled, number * 2);
            }
        });
        assert_eq!(rounds.into_inner(), 2, "one for the first, and one for all who came meanwhile");
        assert!(lock(&groups.0).is_empty(), "nothing is kept");
    }

    /// Ends the first of two threads like this while the second waits; answers what became of both.
    fn first_ends(groups: &Numbers, end: fn() -> Result<()>) -> (std::thread::Result<Result<u32>>, Result<u32>) {
        let (entered, go) = (Barrier::new(2), Barrier::new(2));
        std::thread::scope(|scope| {
            let first = scope.spawn(|| {
                groups.run(Path::new("x"), 1, |_| {
                    entered.wait();
                    go.wait();
                    end()
                })
            });
            entered.wait();
            let second = scope.spawn(|| groups.run(Path::new("x"), 2, double));
            until_waiting(groups, 2);
            go.wait();
            (first.join(), second.join().unwrap())
        })
    }

    #[test]
    fn who_cannot_begin_fails_alone() {
        let (first, second) = first_ends(&Numbers::default(), || Err(StoreError::EmptyMessage));
        assert!(first.unwrap().is_err());
        assert_eq!(second.unwrap(), 4);
    }

    #[test]
    fn a_panic_leaves_nobody_waiting_and_no_job_behind() {
        let groups = Numbers::default();
        let (first, second) = first_ends(&groups, || std::panic::resume_unwind(Box::new("a bug")));
        assert!(first.is_err());
        assert_eq!(second.unwrap(), 4);
        let left = |take: &mut dyn FnMut() -> Vec<Waiting<u32, u32>>| {
            double(&mut || {
                let taken = take();
                assert_eq!(taken.len(), 1, "only the new one");
                taken
            })
        };
        assert_eq!(groups.run(Path::new("x"), 3, left).unwrap(), 6);
    }
}
