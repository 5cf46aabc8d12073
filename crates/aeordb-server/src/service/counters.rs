//! Counts of the work that the service does.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};

/// A count that its owner shares with whoever adds to it.
#[derive(Clone, Default, Debug)]
pub struct Counter(Arc<AtomicU64>);

impl Counter {
    /// Adds to it.
    pub fn add(&self, more: u64) {
        self.0.fetch_add(more, Relaxed);
    }

    /// The count so far.
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// The counts of a service.
#[derive(Default, Debug)]
pub struct Counters {
    /// Streams under way: exports, patches and archives.
    pub streams: AtomicI64,
    /// When the last export was made, in seconds since 1970.
    pub last_export: AtomicI64,
    /// When the last patch was made.
    pub last_patch: AtomicI64,
    /// Imports that were made, and those that were not.
    pub imports: [AtomicU64; 2],
    /// Jobs that failed.
    pub failed_jobs: Counter,
    /// When a verification ended last, in seconds since 1970.
    pub last_verification: AtomicI64,
    /// Damages that it found.
    pub damages: AtomicU64,
}

impl Counters {
    /// Counts an import.
    pub fn import(&self, is_done: bool) {
        let [done, failed] = &self.imports;
        if is_done { done } else { failed }.fetch_add(1, Relaxed);
    }

    /// Keeps what a verification found that ended at `now`, in nanoseconds since 1970.
    pub fn verification(&self, now: i64, damages: usize) {
        self.damages.store(damages as u64, Relaxed);
        self.last_verification.store(now / 1_000_000_000, Relaxed);
    }
}
