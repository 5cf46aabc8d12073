//! A file that exists in memory only: for databases that need no disk, and for fuzzing.

use std::fmt;
use std::io;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::locks::{self, LockTable};
use super::{Lock, Media};

/// Bytes in memory. Every clone is another open file on the same bytes, with locks of its own;
/// the bytes go when the last one is dropped. `sync` has nothing to do: nothing survives the
/// process.
pub struct MemoryMedia {
    shared: Arc<Shared>,
    handle: u64,
}

struct Shared {
    bytes: RwLock<Vec<u8>>,
    len_max: u64,
    locks: Mutex<LockTable>,
}

impl MemoryMedia {
    /// An empty file.
    pub fn new() -> Self {
        Self::default()
    }

    /// A file with these bytes that refuses to grow beyond `len_max` bytes, as a full disk does.
    pub fn with_limit(bytes: Vec<u8>, len_max: u64) -> Self {
        let mut locks = LockTable::default();
        let handle = locks.open();
        let shared = Shared { bytes: RwLock::new(bytes), len_max, locks: Mutex::new(locks) };
        MemoryMedia { shared: Arc::new(shared), handle }
    }

    /// A copy of all bytes.
    pub fn to_vec(&self) -> Vec<u8> {
        self.bytes().clone()
    }

    fn bytes(&self) -> RwLockReadGuard<'_, Vec<u8>> {
        self.shared.bytes.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn bytes_mut(&self) -> RwLockWriteGuard<'_, Vec<u8>> {
        self.shared.bytes.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn locks(&self) -> MutexGuard<'_, LockTable> {
        self.shared.locks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Grows the bytes to `end` if they are shorter, or says that they cannot grow so far.
    fn grow(&self, bytes: &mut Vec<u8>, end: u64) -> io::Result<()> {
        if end <= bytes.len() as u64 {
            return Ok(());
        }
        if end > self.shared.len_max {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let end = usize::try_from(end).map_err(|_| io::ErrorKind::FileTooLarge)?;
        // A hostile length must be an error, not an abort for want of memory.
        bytes.try_reserve(end - bytes.len()).map_err(|_| io::ErrorKind::OutOfMemory)?;
        bytes.resize(end, 0);
        Ok(())
    }
}

impl Default for MemoryMedia {
    fn default() -> Self {
        Self::from(Vec::new())
    }
}

impl From<Vec<u8>> for MemoryMedia {
    fn from(bytes: Vec<u8>) -> Self {
        Self::with_limit(bytes, u64::MAX)
    }
}

impl Clone for MemoryMedia {
    fn clone(&self) -> Self {
        MemoryMedia { shared: self.shared.clone(), handle: self.locks().open() }
    }
}

impl Drop for MemoryMedia {
    fn drop(&mut self) {
        self.locks().close(self.handle);
    }
}

impl fmt::Debug for MemoryMedia {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MemoryMedia({} bytes)", self.bytes().len())
    }
}

/// What of `bytes` there is from `offset` on, at most `len` bytes.
pub(super) fn available(bytes: &[u8], offset: u64, len: usize) -> &[u8] {
    let rest = usize::try_from(offset).ok().and_then(|start| bytes.get(start..)).unwrap_or(&[]);
    &rest[..rest.len().min(len)]
}

/// The end of `len` bytes at `offset`, or the error of a file system for one beyond all files.
pub(super) fn end_of(offset: u64, len: usize) -> io::Result<u64> {
    offset
        .checked_add(len as u64)
        .filter(|end| i64::try_from(*end).is_ok())
        .ok_or_else(|| io::ErrorKind::FileTooLarge.into())
}

/// `range` cut to `len` bytes, as indexes.
pub(super) fn clamp(range: &Range<u64>, len: usize) -> Range<usize> {
    let end = usize::try_from(range.end).unwrap_or(len).min(len);
    let start = usize::try_from(range.start).unwrap_or(end).min(end);
    start..end
}

impl Media for MemoryMedia {
    fn len(&self) -> io::Result<u64> {
        Ok(self.bytes().len() as u64)
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let bytes = self.bytes();
        let found = available(&bytes, offset, buffer.len());
        buffer[..found.len()].copy_from_slice(found);
        Ok(found.len())
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let end = end_of(offset, bytes.len())?;
        if bytes.is_empty() {
            return Ok(());
        }
        let mut stored = self.bytes_mut();
        self.grow(&mut stored, end)?;
        let place = clamp(&(offset..end), stored.len());
        stored[place].copy_from_slice(bytes);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        end_of(len, 0)?;
        let mut stored = self.bytes_mut();
        self.grow(&mut stored, len)?;
        let keep = clamp(&(0..len), stored.len()).end;
        stored.truncate(keep);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }

    fn release(&self, range: Range<u64>) -> io::Result<bool> {
        let mut stored = self.bytes_mut();
        let place = clamp(&range, stored.len());
        stored[place.clone()].fill(0);
        Ok(!place.is_empty())
    }

    fn try_lock(&self, range: Range<u64>, lock: Lock) -> io::Result<bool> {
        locks::check_range(&range)?;
        Ok(self.locks().try_lock(self.handle, range, lock))
    }

    fn unlock(&self, range: Range<u64>) -> io::Result<()> {
        locks::check_range(&range)?;
        self.locks().unlock(self.handle, range);
        Ok(())
    }

    fn locked_by_others(&self, range: Range<u64>) -> io::Result<bool> {
        locks::check_range(&range)?;
        Ok(self.locks().held_by_others(self.handle, &range))
    }
}
