//! The handle beside every long verb: progress out, cancellation in, warnings collected.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use crate::error::{Error, Result};

/// Shared between the thread that runs a verb and those that look at it or stop it.
#[derive(Default, Debug)]
pub struct Watch {
    cancelled: AtomicBool,
    observed: AtomicBool,
    files: AtomicU64,
    bytes: AtomicU64,
    files_expected: AtomicU64,
    bytes_expected: AtomicU64,
    warnings: Mutex<Vec<String>>,
}

/// How far a verb is. What is expected is zero until it is known.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Progress {
    /// Files done.
    pub files: u64,
    /// Bytes done.
    pub bytes: u64,
    /// Files in all.
    pub files_expected: u64,
    /// Bytes in all.
    pub bytes_expected: u64,
}

impl Watch {
    /// Nothing done, nothing expected.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks the verb to stop at the next safe point.
    pub fn cancel(&self) {
        self.cancelled.store(true, Relaxed);
    }

    /// [`Error::Interrupted`] once the verb was asked to stop.
    pub fn check(&self) -> Result<()> {
        if self.cancelled.load(Relaxed) { Err(Error::Interrupted) } else { Ok(()) }
    }

    /// Says that somebody looks at the progress: what is only for that is worth its cost then.
    pub fn observe(&self) {
        self.observed.store(true, Relaxed);
    }

    /// Whether somebody looks at the progress.
    pub fn is_observed(&self) -> bool {
        self.observed.load(Relaxed)
    }

    /// Says how much there is to do.
    pub fn expect(&self, files: u64, bytes: u64) {
        self.files_expected.store(files, Relaxed);
        self.bytes_expected.store(bytes, Relaxed);
    }

    /// Says that there is more to do than was known.
    pub fn expect_more(&self, bytes: u64) {
        self.bytes_expected.fetch_add(bytes, Relaxed);
    }

    /// Adds to what is done.
    pub fn advance(&self, files: u64, bytes: u64) {
        self.files.fetch_add(files, Relaxed);
        self.bytes.fetch_add(bytes, Relaxed);
    }

    /// How far the verb is.
    pub fn progress(&self) -> Progress {
        Progress {
            files: self.files.load(Relaxed),
            bytes: self.bytes.load(Relaxed),
            files_expected: self.files_expected.load(Relaxed),
            bytes_expected: self.bytes_expected.load(Relaxed),
        }
    }

    /// Keeps something that did not stop the verb but that its user must know.
    pub fn warn(&self, warning: impl Into<String>) {
        self.warnings.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).push(warning.into());
    }

    /// Takes the warnings so far.
    pub fn take_warnings(&self) -> Vec<String> {
        std::mem::take(&mut self.warnings.lock().unwrap_or_else(|poisoned| poisoned.into_inner()))
    }
}
