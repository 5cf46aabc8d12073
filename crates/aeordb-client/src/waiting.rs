//! Waits for a server, which may never answer: nothing of this process comes of them that would be lost
//! if it ended meanwhile.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst};

static BEGUN: AtomicU64 = AtomicU64::new(0);
static GOING_ON: AtomicUsize = AtomicUsize::new(0);

/// A wait, as long as it goes on.
pub(crate) struct Waiting(());

impl Waiting {
    /// Begins one.
    pub(crate) fn begin() -> Waiting {
        BEGUN.fetch_add(1, SeqCst);
        GOING_ON.fetch_add(1, SeqCst);
        Waiting(())
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        GOING_ON.fetch_sub(1, SeqCst);
    }
}

/// The number of the last wait that was begun, if this process waits for a server. Where it stays the same,
/// nothing has come meanwhile.
pub fn waiting() -> Option<u64> {
    (GOING_ON.load(SeqCst) > 0).then(|| BEGUN.load(SeqCst))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_has_another_number_than_the_one_before_and_none_once_it_is_over() {
        let first = Waiting::begin();
        let number = waiting();
        assert!(number.is_some());
        let second = Waiting::begin();
        assert!(waiting() > number);
        drop((first, second));
    }
}
