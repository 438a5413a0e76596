//! Work on files, on a thread that may block. It is told when nobody waits for it any more.

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::native::error::{Error, Result};
use crate::native::roots::PathError;

/// Whether the call was cancelled. A clone is the same.
#[derive(Clone, Debug, Default)]
pub(super) struct Cancel(Arc<AtomicBool>);

impl Cancel {
    pub(super) fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// That the work is still wanted.
    pub(super) fn check(&self) -> Result<(), PathError> {
        if self.is_set() { Err(PathError::Cancelled) } else { Ok(()) }
    }
}

/// Cancels when it is dropped.
struct OnDrop(Cancel);

impl Drop for OnDrop {
    fn drop(&mut self) {
        self.0.0.store(true, Ordering::Relaxed);
    }
}

/// Does `work` on a blocking thread. When the future is dropped the work hears so from its [`Cancel`].
pub(super) async fn run<T: Send + 'static>(
    tool: &'static str,
    work: impl FnOnce(&Cancel) -> Result<T> + Send + 'static,
) -> Result<T> {
    let cancel = Cancel::default();
    let _cancelled = OnDrop(cancel.clone());
    let done = tokio::task::spawn_blocking(move || work(&cancel)).await;
    done.unwrap_or_else(|_| Err(Error::tool(tool, "the tool itself broke down; this is a mistake in the program")))
}

/// What went wrong with a path, as the error of a tool.
pub(super) fn refused(tool: &'static str) -> impl Fn(PathError) -> Error + Copy {
    move |error| Error::tool(tool, error.to_string())
}

/// Reads until the call is cancelled; that is an error then.
#[derive(Debug)]
pub(super) struct Watched<'a, R> {
    inner: R,
    stop: &'a dyn StopSign,
}

/// Tells when to stop reading.
pub(super) trait StopSign: std::fmt::Debug {
    fn stop(&self) -> bool;
}

impl StopSign for Cancel {
    fn stop(&self) -> bool {
        self.is_set()
    }
}

impl<'a, R> Watched<'a, R> {
    pub(super) fn new(inner: R, stop: &'a dyn StopSign) -> Self {
        Self { inner, stop }
    }
}

impl<R: Read> Read for Watched<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.stop.stop() {
            return Err(io::Error::other("it was stopped"));
        }
        self.inner.read(buffer)
    }
}
