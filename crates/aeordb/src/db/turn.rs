//! Whose turn it is to write: waited for in bounds where a bound is wanted, which a lock alone does
//! not know.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// The one turn of a database.
#[derive(Default)]
pub(super) struct Turns {
    taken: Mutex<bool>,
    free: Condvar,
}

/// A turn, until it is dropped.
pub(super) struct Turn<'a>(&'a Turns);

impl Turns {
    /// Waits for the turn; `None` if it has not come until then.
    pub(super) fn take(&self, until: Option<Instant>) -> Option<Turn<'_>> {
        let mut taken = self.taken();
        while *taken {
            taken = match until.map(|until| until.saturating_duration_since(Instant::now())) {
                None => self.free.wait(taken).unwrap_or_else(PoisonError::into_inner),
                Some(left) if left.is_zero() => return None,
                Some(left) => {
                    self.free.wait_timeout(taken, left).unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
        *taken = true;
        Some(Turn(self))
    }

    fn taken(&self) -> MutexGuard<'_, bool> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        *self.0.taken() = false;
        self.0.free.notify_one();
    }
}
