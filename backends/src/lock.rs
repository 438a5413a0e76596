//! Mutexes whose contents are whole whenever they are unlocked, so that a panic elsewhere does not spoil them.

use std::sync::{Mutex, MutexGuard};

/// Locks it, also after a thread has panicked with it.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}
