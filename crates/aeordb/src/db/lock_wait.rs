//! Waiting for another process that writes.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use crate::error::{Error, Result};
use crate::monitor::Monitor;

/// How often it is tried again.
const AGAIN: Duration = Duration::from_millis(100);

/// How long whoever finds the writer's place taken waits for it.
#[derive(Clone, Debug)]
pub struct LockWait {
    /// For so long at most.
    pub wait_max: Duration,
    /// Is told once why it is waited, before it is.
    pub told: fn(&Error, Duration),
    /// Ends the wait when it is cancelled.
    pub monitor: Option<Arc<Monitor>>,
}

/// Tries until it is another's turn no more: until there is a result other than [`Error::Locked`] and
/// [`Error::Busy`], or wait_max ends and that is the result.
pub fn patiently<T>(wait: Option<&LockWait>, mut attempt: impl FnMut() -> Result<T>) -> Result<T> {
    let Some(LockWait { wait_max, told, monitor }) = wait else { return attempt() };
    let mut began = None;
    loop {
        let error = match attempt() {
            Err(error @ (Error::Locked { .. } | Error::Busy(_))) => error,
            other => return other,
        };
        let since = began.get_or_insert_with(|| {
            if !wait_max.is_zero() {
                told(&error, *wait_max);
            }
            Instant::now()
        });
        let left = wait_max.saturating_sub(since.elapsed());
        if left.is_zero() {
            return Err(error);
        }
        monitor.as_ref().map_or(Ok(()), |monitor| monitor.check())?;
        thread::park_timeout(left.min(AGAIN));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wait(wait_max: Duration) -> LockWait {
        LockWait { wait_max, told: |_, _| (), monitor: None }
    }

    #[test]
    fn what_is_taken_is_tried_again_and_what_else_goes_wrong_is_not() {
        let mut tries = 0;
        let third = patiently(Some(&wait(Duration::from_secs(600))), || {
            tries += 1;
            if tries < 3 { Err(Error::Busy("many write".into())) } else { Ok(tries) }
        });
        assert_eq!(third.unwrap(), 3);
        let mut tries = 0;
        let failed: Result<()> = patiently(Some(&wait(Duration::from_secs(600))), || {
            tries += 1;
            Err(Error::invalid("no"))
        });
        assert!(matches!((failed, tries), (Err(Error::Invalid(_)), 1)));
    }

    #[test]
    fn the_wait_ends_in_time_and_when_it_is_cancelled() {
        let taken = || -> Result<()> { Err(Error::Busy("many write".into())) };
        for short in [None, Some(wait(Duration::ZERO)), Some(wait(Duration::from_millis(5)))] {
            assert!(matches!(patiently(short.as_ref(), taken), Err(Error::Busy(_))));
        }
        let monitor = Arc::new(Monitor::new());
        monitor.cancel();
        let long = LockWait { monitor: Some(monitor), ..wait(Duration::from_secs(600)) };
        assert!(matches!(patiently(Some(&long), taken), Err(Error::Interrupted)));
    }
}
