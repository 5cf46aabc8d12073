//! Which open file holds which lock bytes, for the media that have no kernel to ask. It behaves
//! as open-file-description locks do, which a property test holds it against.

use std::io;
use std::ops::Range;

use super::Lock;

/// Lock bytes are numbers below this. A real file keeps them beyond any bytes it can have.
pub const LOCK_BYTES: u64 = 1 << 62;

/// Refuses a range that has no place among the lock bytes.
pub(super) fn check_range(range: &Range<u64>) -> io::Result<()> {
    if range.end > LOCK_BYTES {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("lock byte {} is not below {LOCK_BYTES}", range.end - 1),
        ));
    }
    Ok(())
}

/// The locks on one file's bytes.
#[derive(Default)]
pub(super) struct LockTable {
    held: Vec<Held>,
    opened: u64,
}

struct Held {
    handle: u64,
    range: Range<u64>,
    lock: Lock,
}

fn overlap(a: &Range<u64>, b: &Range<u64>) -> bool {
    a.start < b.end && b.start < a.end && !a.is_empty() && !b.is_empty()
}

impl LockTable {
    /// A number for one more open file.
    pub(super) fn open(&mut self) -> u64 {
        self.opened += 1;
        self.opened
    }

    /// Forgets an open file with all its locks.
    pub(super) fn close(&mut self, handle: u64) {
        self.held.retain(|held| held.handle != handle);
    }

    pub(super) fn try_lock(&mut self, handle: u64, range: Range<u64>, lock: Lock) -> bool {
        let excluded = self.held.iter().any(|held| {
            held.handle != handle
                && overlap(&held.range, &range)
                && (held.lock == Lock::Exclusive || lock == Lock::Exclusive)
        });
        if excluded {
            return false;
        }
        self.unlock(handle, range.clone());
        if !range.is_empty() {
            self.held.push(Held { handle, range, lock });
        }
        true
    }

    pub(super) fn unlock(&mut self, handle: u64, range: Range<u64>) {
        for held in std::mem::take(&mut self.held) {
            if held.handle != handle || !overlap(&held.range, &range) {
                self.held.push(held);
                continue;
            }
            let before = held.range.start..range.start;
            let after = range.end..held.range.end;
            for range in [before, after] {
                if !range.is_empty() {
                    self.held.push(Held { handle, range, lock: held.lock });
                }
            }
        }
    }

    pub(super) fn held_by_others(&self, handle: u64, range: &Range<u64>) -> bool {
        self.held.iter().any(|held| held.handle != handle && overlap(&held.range, range))
    }
}
