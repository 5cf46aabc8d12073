//! Readers hold the epoch that they read in: no collection releases what they reach.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use crate::error::{Context, Result};
use crate::log::source::Source;
use crate::media::Lock;

/// The lock byte that the one writer holds.
pub const WRITER_LOCK: Range<u64> = 0..1;
/// The lock bytes that readers hold, by the epoch they read in.
const EPOCH_LOCKS: u64 = 1 << 20;

/// The lock byte of an epoch.
pub fn epoch_lock(epoch: u64) -> Range<u64> {
    let byte = EPOCH_LOCKS + epoch % EPOCH_LOCKS;
    byte..byte + 1
}

/// Readers of this process by the epoch they read in.
pub struct Pins {
    source: Arc<Source>,
    epochs: Mutex<BTreeMap<u64, usize>>,
}

impl Pins {
    /// Of a file that nobody reads yet.
    pub fn new(source: Arc<Source>) -> Self {
        Pins { source, epochs: Mutex::default() }
    }

    /// True if a reader of this or another process pins an epoch before `epoch`.
    pub fn any_before(&self, epoch: u64) -> Result<bool> {
        let epochs = self.epochs.lock().unwrap_or_else(PoisonError::into_inner);
        if epochs.range(..epoch).next().is_some() {
            return Ok(true);
        }
        let media = self.source.media();
        let what = || format!("looking for readers of {}", self.source.name());
        let Range { start, end } = epoch_lock(epoch);
        for range in [EPOCH_LOCKS..start, end..2 * EPOCH_LOCKS] {
            if !range.is_empty() && media.locked_by_others(range).context(what)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Pins an epoch until what is returned is dropped.
    pub fn pin(pins: &Arc<Pins>, epoch: u64) -> Result<Pin> {
        let mut epochs = pins.epochs.lock().unwrap_or_else(PoisonError::into_inner);
        let count = epochs.entry(epoch).or_insert(0);
        if *count == 0 {
            let source = &pins.source;
            // Where locks are not supported nobody can collect either.
            let _ = source.media().try_lock(epoch_lock(epoch), Lock::Shared);
        }
        *count += 1;
        Ok(Pin { pins: pins.clone(), epoch })
    }
}

/// Keeps an epoch from being collected.
pub struct Pin {
    pins: Arc<Pins>,
    epoch: u64,
}

impl Drop for Pin {
    fn drop(&mut self) {
        let mut epochs = self.pins.epochs.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = epochs.get_mut(&self.epoch) {
            *count -= 1;
            if *count == 0 {
                epochs.remove(&self.epoch);
                let _ = self.pins.source.media().unlock(epoch_lock(self.epoch));
            }
        }
    }
}
