//! What a tool's calls have begun in the background.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::sync::mpsc::UnboundedSender;
use tokio::task::JoinSet;
use tokio_util::task::AbortOnDropHandle;

use super::events::{BackgroundResult, BackgroundResultKind};
use crate::lock::lock;

/// What a tool's calls have begun in the background. It ends when this is dropped, and a clone has nothing of it.
#[derive(Default)]
pub struct Background {
    count: Arc<AtomicUsize>,
    tasks: Mutex<JoinSet<()>>,
}

/// How something in the background has ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BackgroundEnd {
    /// What it has to say, or why it failed.
    pub content: String,
    /// It did not come to a good end.
    pub failed: bool,
    /// The tokens that it has used.
    pub tokens_used: u64,
}

impl BackgroundEnd {
    /// A bad end, of which nothing is known but why.
    pub fn failed(why: impl ToString) -> Self {
        Self { content: why.to_string(), failed: true, tokens_used: 0 }
    }
}

impl Background {
    /// How much runs whose end was not told yet.
    pub fn running(&self) -> usize {
        self.count.load(Ordering::SeqCst)
    }

    /// Ends all of it. Nobody is told.
    pub fn stop(&self) {
        lock(&self.tasks).abort_all();
    }

    /// Begins something, and sends its end to `results`.
    pub fn begin(
        &self,
        name: String,
        kind: BackgroundResultKind,
        results: UnboundedSender<BackgroundResult>,
        work: impl Future<Output = BackgroundEnd> + Send + 'static,
    ) {
        let running = Running::new(&self.count);
        let mut tasks = lock(&self.tasks);
        while tasks.try_join_next().is_some() {}
        tasks.spawn(async move {
            // In a task of its own, so that the end of one that panics is told, too.
            let end = AbortOnDropHandle::new(tokio::spawn(work)).await;
            let BackgroundEnd { content, failed, tokens_used } =
                end.unwrap_or_else(|error| BackgroundEnd::failed(format!("it is broken: {error}")));
            // Told first: whoever counts those that run must not miss it.
            let _ = results.send(BackgroundResult { name, kind, content, failed, tokens_used });
            drop(running);
        });
    }
}

impl Clone for Background {
    fn clone(&self) -> Self {
        Self::default()
    }
}

/// One that runs, however it ends.
struct Running(Arc<AtomicUsize>);

impl Running {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(count))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}
