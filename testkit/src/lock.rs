//! Locks that a failed test does not take away from the others.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// A test that panicked has already failed; what it held is still good to read.
pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
