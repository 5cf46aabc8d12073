//! One file's bytes. Everything that the engine does to a disk goes through [`Media`], so that a
//! simulated disk can crash, tear, reorder and fail in its place.

use std::io::{self, Read};
use std::ops::Range;
use std::sync::Arc;

pub mod elsewhere;
pub mod file;
mod locks;
pub mod memory;
mod open;
#[cfg(any(test, feature = "testing"))]
pub mod simulated;
#[cfg(test)]
mod tests;

pub use file::{
    FileMedia, NewFile, is_temporary_name, is_unfinished_name, lock_holder, sync_directory,
};
pub use locks::LOCK_BYTES;
pub use memory::MemoryMedia;
pub use open::open_read;
#[cfg(any(test, feature = "testing"))]
pub use simulated::{SimulatedDisk, SimulatedMedia};

/// The bytes of one file, shared by readers and one writer.
///
/// One value is one *open file*: locks belong to it, and two values opened on the same bytes
/// exclude each other, in one process as between processes.
///
/// Guarantees an implementation gives, by number:
///
/// 1. A read returns what the latest completed overlapping write put there.
/// 2. What was written, and the length, survive a crash once `sync` has returned `Ok` after it.
/// 3. A write that was not synced may survive wholly, partly (in any sectors) or not at all; what
///    of its range did not survive may hold the bytes from before, zeros or anything else. It
///    never harms bytes outside its own range. The length may survive without the bytes and the
///    bytes without the length, and unsynced changes may survive in any order.
/// 4. After `sync` has failed once, nothing is known about anything unsynced: the caller must not
///    retry, only reopen. Even then reads may go on to return the new bytes from a cache while
///    the disk has the old ones, and a later `sync` may return `Ok` without having saved them.
///    Only bytes that are written again and then synced are known to be there.
/// 5. A change that failed (for want of space, say) may have happened in part, like one that was
///    not synced. Interruptions by signals and short transfers are dealt with inside.
pub trait Media: Send + Sync {
    /// Length in bytes.
    fn len(&self) -> io::Result<u64>;

    /// True if there are no bytes.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }

    /// Reads up to `buffer.len()` bytes at `offset`; fewer only at the end of the file.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;

    /// The bytes from the first to the last, where there is a better way to them than by positions.
    fn stream(&self) -> Option<Box<dyn Read + Send>> {
        None
    }

    /// Writes all of `bytes` at `offset`, growing the file as needed; a gap reads as zeros.
    /// Writing nothing changes nothing, the length included.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// Cuts or grows the file (with zeros) to `len` bytes.
    fn set_len(&self, len: u64) -> io::Result<()>;

    /// Makes everything written so far survive a crash.
    fn sync(&self) -> io::Result<()>;

    /// Gives the bytes of `range` back to the file system where the platform can; they read as
    /// zeros then. The length stays, and what of `range` lies beyond it is ignored. Like a write,
    /// it is durable after the next `sync`. Returns false, and leaves the bytes alone, where the
    /// platform cannot.
    fn release(&self, range: Range<u64>) -> io::Result<bool>;

    /// Makes sure that the bytes of `range` can be written however full the disk is by then. They
    /// may lie beyond the end: the length stays, nothing reads otherwise than before, and
    /// [`Media::set_len`] gives up what lies beyond the new length. It may not survive a crash.
    /// An error of a full disk may leave a part reserved. Returns false where the platform cannot.
    fn reserve(&self, range: Range<u64>) -> io::Result<bool> {
        let _ = range;
        Ok(false)
    }

    /// Bytes of the disk that the file takes, in whole blocks of the file system: also what is
    /// reserved, and nothing that was released.
    fn allocated(&self) -> io::Result<u64> {
        self.len()
    }

    /// Bytes that the file system gives and takes back together.
    fn block_len(&self) -> u64 {
        1
    }

    /// Bytes that the file system has left for files of ours.
    fn free(&self) -> io::Result<u64> {
        Ok(u64::MAX)
    }

    /// Takes the lock on `range` of lock bytes for this open file, without waiting. Lock bytes
    /// are numbers below [`LOCK_BYTES`], not bytes of the file; an empty range is always free.
    /// What this open file holds in `range` already is converted, as one step. Returns false, and
    /// changes nothing, if another open file holds a lock that excludes this one. Locks end with
    /// the media that took them, also when the process is killed.
    fn try_lock(&self, range: Range<u64>, lock: Lock) -> io::Result<bool>;

    /// Gives up the locks of this open file on `range`, whether it holds any or not.
    fn unlock(&self, range: Range<u64>) -> io::Result<()>;

    /// True if another open file holds any lock on `range`.
    fn locked_by_others(&self, range: Range<u64>) -> io::Result<bool>;

    /// Reads exactly `buffer.len()` bytes at `offset`.
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let read = self.read_at(buffer, offset)?;
        if read < buffer.len() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(())
    }
}

/// Reads all bytes in order.
pub fn stream(media: Arc<dyn Media>) -> Box<dyn Read + Send> {
    media.stream().unwrap_or_else(|| Box::new(InOrder { media, at: 0 }))
}

/// Reads by positions, one after the other.
pub struct InOrder {
    /// What is read.
    pub media: Arc<dyn Media>,
    /// Where it goes on.
    pub at: u64,
}

impl Read for InOrder {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.media.read_at(buffer, self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}

/// How a range of lock bytes is held.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Lock {
    /// Many may hold it together; possible on files opened for reading only.
    Shared,
    /// One holds it alone.
    Exclusive,
}
