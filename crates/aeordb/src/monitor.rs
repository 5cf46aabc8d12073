//! The handle beside every long verb: progress out, cancellation in, warnings collected.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering::Relaxed, Ordering::SeqCst};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::error::{Error, Result};

/// The verb is to be waited for.
const HELD: u8 = 0;
/// It need not be: it reads, and what it does is nothing before it is committed.
const LOOSE: u8 = 1;
/// Nobody waits for it any more.
const GIVEN_UP: u8 = 2;

/// Shared between the thread that runs a verb and those that look at it or stop it.
#[derive(Default, Debug)]
pub struct Monitor {
    cancelled: AtomicBool,
    hold: AtomicU8,
    observed: AtomicBool,
    files: AtomicU64,
    bytes: AtomicU64,
    files_expected: AtomicU64,
    bytes_expected: AtomicU64,
    followed: AtomicBool,
    phase: Mutex<String>,
    path: Mutex<Vec<u8>>,
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

impl Monitor {
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

    /// Says that whoever stops the verb need not wait for it: what it reads may never answer, and what it
    /// does from now on is nothing before [`Monitor::hold`].
    pub fn let_go(&self) {
        let _ = self.hold.compare_exchange(HELD, LOOSE, SeqCst, SeqCst);
    }

    /// Says that what comes is to be waited for. [`Error::Interrupted`] if the verb was asked to stop, or
    /// is given up.
    pub fn hold(&self) -> Result<()> {
        self.check()?;
        match self.hold.compare_exchange(LOOSE, HELD, SeqCst, SeqCst) {
            Err(GIVEN_UP) => Err(Error::Interrupted),
            _ => Ok(()),
        }
    }

    /// Says that what comes is to be waited for, also by whoever asked the verb to stop. False if it is
    /// given up.
    pub fn hold_still(&self) -> bool {
        self.hold.compare_exchange(LOOSE, HELD, SeqCst, SeqCst) != Err(GIVEN_UP)
    }

    /// Gives the verb up, if it need not be waited for: it does nothing then that lasts, and the process
    /// may end.
    pub fn give_up(&self) -> bool {
        let given_up = self.hold.compare_exchange(LOOSE, GIVEN_UP, SeqCst, SeqCst);
        matches!(given_up, Ok(_) | Err(GIVEN_UP))
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

    /// Says what it does now.
    pub fn enter(&self, phase: &str) {
        *held(&self.phase) = phase.into();
    }

    /// What it does now; empty if it has not said.
    pub fn phase(&self) -> String {
        held(&self.phase).clone()
    }

    /// Says that somebody wants to know at which path it is.
    pub fn follow(&self) {
        self.followed.store(true, Relaxed);
    }

    /// Says at which path it is, which is made only if somebody wants to know.
    pub fn at(&self, path: impl FnOnce() -> Option<Vec<u8>>) {
        if self.followed.load(Relaxed) {
            *held(&self.path) = path().unwrap_or_default();
        }
    }

    /// The path at which it was last, since somebody wanted to know.
    pub fn path(&self) -> Option<Vec<u8>> {
        Some(held(&self.path).clone()).filter(|path| !path.is_empty())
    }

    /// Keeps something that did not stop the verb but that its user must know.
    pub fn warn(&self, warning: impl Into<String>) {
        held(&self.warnings).push(warning.into());
    }

    /// Takes the warnings so far.
    pub fn take_warnings(&self) -> Vec<String> {
        std::mem::take(&mut held(&self.warnings))
    }
}

/// What another thread left, whatever became of that thread.
fn held<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_made_only_if_somebody_wants_to_know_it() {
        let monitor = Monitor::new();
        monitor.at(|| panic!("nobody asked"));
        assert_eq!(monitor.path(), None);
        monitor.follow();
        monitor.at(|| Some(b"/a".to_vec()));
        assert_eq!(monitor.path(), Some(b"/a".to_vec()));
        assert_eq!(monitor.phase(), "");
        monitor.enter("copy");
        assert_eq!(monitor.phase(), "copy");
    }

    #[test]
    fn a_verb_is_given_up_only_while_it_need_not_be_waited_for() {
        let monitor = Monitor::new();
        assert!(!monitor.give_up());
        monitor.let_go();
        monitor.hold().unwrap();
        assert!(!monitor.give_up());
        monitor.let_go();
        assert!(monitor.give_up() && monitor.give_up());
        assert!(matches!(monitor.hold(), Err(Error::Interrupted)));
        assert!(!monitor.hold_still());
        // Whoever was asked to stop does not begin what lasts.
        let monitor = Monitor::new();
        monitor.let_go();
        monitor.cancel();
        assert!(matches!(monitor.hold(), Err(Error::Interrupted)));
        // It may still see to what there is.
        assert!(monitor.hold_still() && !monitor.give_up());
    }
}
