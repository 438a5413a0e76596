//! Locks whose holders may have panicked: what they guard is used all the same.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks a mutex. Nothing that is guarded in this crate is left half changed by a panic.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
