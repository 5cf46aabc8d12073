//! A file that is written from front to back and appears under its name only when it is whole:
//! exports and patches.

use std::io::{self, Write};
use std::path::Path;

use super::FileMedia;
use crate::error::{Context, Result};
use crate::media::Media;

/// Bytes that are collected before they go to the file.
const BUFFER_LEN: usize = 256 * 1024;

/// Bytes after which the system is asked to begin writing them to the disk, so that the sync at
/// the end has little left to wait for.
const WRITEBACK_LEN: u64 = 8 * 1024 * 1024;

/// A new file that is written in sequence, through a buffer. Dropping it without
/// [`NewFile::publish`] leaves nothing behind.
#[derive(Debug)]
pub struct NewFile {
    media: FileMedia,
    buffer: Vec<u8>,
    /// Where the buffer belongs in the file. A failed write can be repeated: it goes to the same
    /// place.
    pub(super) offset: u64,
    /// Up to here the system has been asked to write to the disk.
    begun: u64,
}

impl NewFile {
    /// Starts a file that will be at `path`. Errors are those of [`FileMedia::create`].
    pub fn create(path: impl AsRef<Path>) -> Result<Self> {
        Ok(Self::new(FileMedia::create(path)?))
    }

    /// Writes an unpublished file from its start.
    pub fn new(media: FileMedia) -> Self {
        NewFile { media, buffer: Vec::with_capacity(BUFFER_LEN), offset: 0, begun: 0 }
    }

    /// The path that the file will have.
    pub fn path(&self) -> &Path {
        self.media.path()
    }

    /// Bytes written so far.
    pub fn written(&self) -> u64 {
        self.offset + self.buffer.len() as u64
    }

    fn write_out(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.media.write_at(bytes, self.offset)?;
        self.offset += bytes.len() as u64;
        if self.offset - self.begun >= WRITEBACK_LEN {
            self.media.begin_writeback(self.begun..self.offset);
            self.begun = self.offset;
        }
        Ok(())
    }

    /// What was written, to be read: it never gets its name.
    pub fn into_media(mut self) -> Result<FileMedia> {
        self.flush().context(|| format!("writing {}", self.path().display()))?;
        Ok(self.media)
    }

    /// Makes the file durable and gives it its name. Errors are those of writing, after which
    /// nothing is left behind, and those of [`FileMedia::publish`].
    pub fn publish(mut self) -> Result<()> {
        self.flush().context(|| format!("writing {}", self.path().display()))?;
        self.media.publish()
    }
}

impl Write for NewFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.buffer.len() + bytes.len() > BUFFER_LEN {
            self.flush()?;
        }
        if bytes.len() >= BUFFER_LEN {
            self.write_out(bytes)?;
        } else {
            self.buffer.extend_from_slice(bytes);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let buffer = std::mem::take(&mut self.buffer);
        let written = self.write_out(&buffer);
        self.buffer = buffer;
        written?;
        self.buffer.clear();
        Ok(())
    }
}
