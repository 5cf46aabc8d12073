//! One run at a time: a lock of the system, which goes with whoever has it, on the profile and on each
//! directory that is written to.

use std::fs::{File, TryLockError};
use std::path::Path;
use std::time::Duration;

use aeordb::Result;
use aeordb::error::Context;
use aeordb::monitor::Monitor;

/// How often a lock is asked for again.
const ASKING: Duration = Duration::from_millis(50);

/// A lock that is held.
#[derive(Debug)]
pub struct Lock(#[expect(dead_code, reason = "held")] File);

/// Locks a file or directory; `None` if another has it. Where the file system knows no locks there is
/// nothing to wait for.
pub fn take(path: &Path) -> Result<Option<Lock>> {
    let what = || format!("opening {}", path.display());
    let file = File::open(path).context(what)?;
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => Ok(None),
        Ok(()) | Err(TryLockError::Error(_)) => Ok(Some(Lock(file))),
    }
}

/// Locks it, and waits until whoever has it is done.
pub fn wait(path: &Path, monitor: &Monitor) -> Result<Lock> {
    loop {
        if let Some(lock) = take(path)? {
            return Ok(lock);
        }
        monitor.check()?;
        std::thread::park_timeout(ASKING);
    }
}
