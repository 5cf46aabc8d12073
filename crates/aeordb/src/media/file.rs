//! A real file. Positional reads and writes only, no memory maps; locks are open-file-description
//! locks, never the process-associated ones, which vanish when any descriptor of the file closes.
//!
//! A new file has no name, or a temporary one, until it is published; publishing never replaces
//! anything. Only a file that was created in place of another takes that place.

mod holder;
pub mod leavings;
mod new_file;
mod replacement;
#[cfg(test)]
mod tests;
mod unfinished;
mod unpublished;

use std::fs::{self, File, OpenOptions};
use std::io;
use std::ops::Range;
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use nix::errno::Errno;
use nix::fcntl::{self, FallocateFlags, FcntlArg, PosixFadviseAdvice};
use nix::libc;
use nix::sys::statvfs;

pub use holder::lock_holder;
pub use new_file::NewFile;
pub use unfinished::is_unfinished_name;
pub use unpublished::{TEMPORARY_SUFFIX, is_temporary_name, sync_directory};

use super::elsewhere::check_here;
use super::locks::{self, LOCK_BYTES};
use super::{Lock, Media};
use crate::error::{Context, Error, Result};
use unpublished::Unpublished;

/// What `stat` counts the space of a file in.
const STAT_BLOCK_LEN: u64 = 512;
/// The block of a file system that does not say; and what is made of one that says too much.
const BLOCK_LEN: u64 = 4096;
const BLOCK_LEN_MAX: u64 = 64 * 1024;

/// An open file. Dropping it closes the file, frees its locks, and removes a file that was
/// created but never published.
#[derive(Debug)]
pub struct FileMedia {
    file: File,
    path: PathBuf,
    unpublished: Mutex<Option<Unpublished>>,
}

impl FileMedia {
    /// Opens an existing file for reading. Shared locks are possible, writes and exclusive locks
    /// fail. [`Error::NotFound`] if there is no file, [`Error::Foreign`] if it is a directory,
    /// a FIFO, a device or anything else that is not a regular file; a FIFO is not waited for.
    pub fn open_read(path: impl AsRef<Path>) -> Result<Self> {
        Self::open(path.as_ref(), OpenOptions::new().read(true))
    }

    /// Opens an existing file for reading and writing; it never creates one. Errors are those of
    /// [`FileMedia::open_read`].
    pub fn open_write(path: impl AsRef<Path>) -> Result<Self> {
        check_here(path.as_ref())?;
        Self::open(path.as_ref(), OpenOptions::new().read(true).write(true))
    }

    /// Creates an empty file beside `path` that gets this name only when it is published, with
    /// mode 0600. Without a name the system removes it, however the process ends; on a file
    /// system that knows no unnamed files it has a temporary name ending in
    /// [`TEMPORARY_SUFFIX`], which is removed on drop, or when the process was killed by the next
    /// that creates a file there.
    ///
    /// [`Error::Exists`] if the name is taken by anything, so that nobody works for hours in
    /// vain; what decides is [`FileMedia::publish`].
    pub fn create(path: impl AsRef<Path>) -> Result<Self> {
        Self::from_unpublished(path.as_ref(), Unpublished::create(path.as_ref())?)
    }

    fn open(path: &Path, options: &mut OpenOptions) -> Result<Self> {
        // Opening a FIFO must not wait for its other end, nor a terminal become ours. Descriptors
        // are closed on exec, so a child cannot hold our locks.
        options.custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY | libc::O_CLOEXEC);
        let file = match options.open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(Error::not_found(path.display().to_string()));
            }
            Err(error) => {
                // A directory or a socket is refused by the system with an error of its own.
                refuse_irregular(path, fs::metadata(path).ok())?;
                return Err(error).context(|| format!("opening {}", path.display()));
            }
        };
        let found = file.metadata().context(|| format!("examining {}", path.display()))?;
        refuse_irregular(path, Some(found))?;
        Ok(FileMedia { file, path: path.to_owned(), unpublished: Mutex::new(None) })
    }

    fn from_unpublished(path: &Path, created: (File, Unpublished)) -> Result<Self> {
        let (file, unpublished) = created;
        Ok(FileMedia { file, path: path.to_owned(), unpublished: Mutex::new(Some(unpublished)) })
    }

    /// Makes a created file durable and gives it its name, without ever replacing anything:
    /// [`Error::Exists`] if the name is taken by a file, directory, FIFO or symbolic link, also
    /// one that leads nowhere. Of several that publish under one name, exactly one succeeds.
    ///
    /// After an error the file is still unpublished, except when the directory could not be
    /// synced: then the name is there, complete, but may not survive a crash, which the error says.
    pub fn publish(&self) -> Result<()> {
        let mut unpublished = self.unpublished();
        let Some(waiting) = unpublished.as_ref() else {
            return Err(Error::invalid(format!("{} is published already", self.path.display())));
        };
        self.file.sync_all().context(|| format!("syncing {}", self.path.display()))?;
        waiting.give_name(&self.file, &self.path)?;
        leavings::release(&self.file);
        match unpublished.take() {
            Some(named) => named.sync_directory(&self.path),
            None => Ok(()),
        }
    }

    /// True once the file has its name: always for one that was opened.
    pub fn is_published(&self) -> bool {
        self.unpublished().is_none()
    }

    /// The path as it was given.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// True if the path still leads to this very file, by device and inode. A writer asks after
    /// it has locked: a compaction may have put another file there meanwhile.
    pub fn still_at_path(&self) -> Result<bool> {
        let examining = || format!("examining {}", self.path.display());
        let ours = self.file.metadata().context(examining)?;
        match fs::metadata(&self.path) {
            Ok(found) => Ok(same_file(&ours, &found)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error).context(examining),
        }
    }

    /// Tells the system that the file will be read from front to back, so that it reads further
    /// ahead. Only a hint: it cannot fail.
    pub fn advise_sequential(&self) {
        let advice = PosixFadviseAdvice::POSIX_FADV_SEQUENTIAL;
        // Where the hint is not understood, reading is merely slower.
        let _ = fcntl::posix_fadvise(&self.file, 0, 0, advice);
    }

    fn unpublished(&self) -> MutexGuard<'_, Option<Unpublished>> {
        self.unpublished.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for FileMedia {
    fn drop(&mut self) {
        // Closing frees the locks only with the last copy of the descriptor, and a child that was
        // forked a moment ago has one until it executes its program.
        let _ = Media::unlock(self, 0..LOCK_BYTES);
        if let Some(unpublished) = self.unpublished().take() {
            unpublished.remove();
        }
    }
}

fn same_file(a: &fs::Metadata, b: &fs::Metadata) -> bool {
    (a.dev(), a.ino()) == (b.dev(), b.ino())
}

fn refuse_irregular(path: &Path, found: Option<fs::Metadata>) -> Result<()> {
    let Some(kind) = found.map(|found| found.file_type()).filter(|kind| !kind.is_file()) else {
        return Ok(());
    };
    let name = if kind.is_dir() {
        "directory"
    } else if kind.is_fifo() {
        "FIFO"
    } else if kind.is_socket() {
        "socket"
    } else {
        "device"
    };
    let what = path.display().to_string();
    Err(Error::Foreign { what, detail: format!("is a {name}, not a regular file") })
}

/// Calls again for as long as a signal interrupts.
fn uninterrupted<T>(mut call: impl FnMut() -> nix::Result<T>) -> nix::Result<T> {
    loop {
        match call() {
            Err(Errno::EINTR) => {}
            done => return done,
        }
    }
}

/// The lock that the system knows for `range`; `None` if the range is empty, because a length of
/// 0 would mean everything to the end.
fn system_lock(range: &Range<u64>, kind: libc::c_int) -> io::Result<Option<libc::flock>> {
    locks::check_range(range)?;
    if range.is_empty() {
        return Ok(None);
    }
    let out_of_range = |_| io::Error::from(io::ErrorKind::InvalidInput);
    Ok(Some(libc::flock {
        l_type: libc::c_short::try_from(kind).map_err(out_of_range)?,
        l_whence: libc::c_short::try_from(libc::SEEK_SET).map_err(out_of_range)?,
        // Beyond all bytes of the file, so that locks which a file system takes for real ones
        // never hinder reading and writing.
        l_start: libc::off_t::try_from(LOCK_BYTES + range.start).map_err(out_of_range)?,
        l_len: libc::off_t::try_from(range.end - range.start).map_err(out_of_range)?,
        l_pid: 0,
    }))
}

impl FileMedia {
    /// Asks the system to begin writing these bytes to the disk. It promises nothing: whether they
    /// are there, a sync says.
    fn begin_writeback(&self, range: Range<u64>) {
        let offset = libc::off_t::try_from(range.start);
        let len = libc::off_t::try_from(range.end - range.start);
        if let Some((offset, len)) = offset.ok().zip(len.ok()) {
            // Of pages that are to be dropped, Linux begins to write those that are dirty, and
            // keeps them.
            let advice = PosixFadviseAdvice::POSIX_FADV_DONTNEED;
            let _ = fcntl::posix_fadvise(&self.file, offset, len, advice);
        }
    }
}

impl FileMedia {
    /// Changes which blocks the file has, and never its length. False if there is nothing to do,
    /// or the file system cannot.
    fn allocate(&self, how: FallocateFlags, range: Range<u64>) -> io::Result<bool> {
        if range.start >= range.end {
            return Ok(false);
        }
        let too_large = |_| io::Error::from(io::ErrorKind::FileTooLarge);
        let start = libc::off_t::try_from(range.start).map_err(too_large)?;
        let len = libc::off_t::try_from(range.end - range.start).map_err(too_large)?;
        let how = how | FallocateFlags::FALLOC_FL_KEEP_SIZE;
        match uninterrupted(|| fcntl::fallocate(&self.file, how, start, len)) {
            Ok(()) => Ok(true),
            Err(Errno::EOPNOTSUPP | Errno::ENOSYS) => Ok(false),
            Err(errno) => Err(errno.into()),
        }
    }
}

impl Media for FileMedia {
    fn len(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        if i64::try_from(offset.saturating_add(buffer.len() as u64)).is_err() {
            return Ok(0); // the system would call it an error, but it is beyond the end of any file
        }
        let mut done = 0;
        while done < buffer.len() {
            match self.file.read_at(&mut buffer[done..], offset + done as u64) {
                Ok(0) => break,
                Ok(read) => done += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(done)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        if i64::try_from(offset.saturating_add(bytes.len() as u64)).is_err() {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.file.write_all_at(bytes, offset)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        if i64::try_from(len).is_err() {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.file.set_len(len)
    }

    fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn release(&self, range: Range<u64>) -> io::Result<bool> {
        let end = range.end.min(self.len()?);
        self.allocate(FallocateFlags::FALLOC_FL_PUNCH_HOLE, range.start..end)
    }

    fn reserve(&self, range: Range<u64>) -> io::Result<bool> {
        self.allocate(FallocateFlags::empty(), range)
    }

    fn allocated(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.blocks().saturating_mul(STAT_BLOCK_LEN))
    }

    fn block_len(&self) -> u64 {
        let found = uninterrupted(|| statvfs::fstatvfs(&self.file));
        found.map_or(BLOCK_LEN, |found| found.fragment_size()).clamp(512, BLOCK_LEN_MAX)
    }

    fn free(&self) -> io::Result<u64> {
        let found = uninterrupted(|| statvfs::fstatvfs(&self.file))?;
        Ok(found.blocks_available().saturating_mul(found.fragment_size()))
    }

    fn try_lock(&self, range: Range<u64>, lock: Lock) -> io::Result<bool> {
        let kind = match lock {
            Lock::Shared => libc::F_RDLCK,
            Lock::Exclusive => libc::F_WRLCK,
        };
        let Some(wanted) = system_lock(&range, kind)? else { return Ok(true) };
        match uninterrupted(|| fcntl::fcntl(&self.file, FcntlArg::F_OFD_SETLK(&wanted))) {
            Ok(_) => Ok(true),
            Err(Errno::EAGAIN | Errno::EACCES) => Ok(false),
            Err(errno) => Err(errno.into()),
        }
    }

    fn unlock(&self, range: Range<u64>) -> io::Result<()> {
        let Some(freed) = system_lock(&range, libc::F_UNLCK)? else { return Ok(()) };
        uninterrupted(|| fcntl::fcntl(&self.file, FcntlArg::F_OFD_SETLK(&freed)))?;
        Ok(())
    }

    fn locked_by_others(&self, range: Range<u64>) -> io::Result<bool> {
        // An exclusive lock would be excluded by every lock of others, and by none of our own.
        let Some(mut probe) = system_lock(&range, libc::F_WRLCK)? else { return Ok(false) };
        uninterrupted(|| fcntl::fcntl(&self.file, FcntlArg::F_OFD_GETLK(&mut probe)))?;
        Ok(libc::c_int::from(probe.l_type) != libc::F_UNLCK)
    }
}
