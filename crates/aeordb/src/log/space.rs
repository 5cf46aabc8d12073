//! The space of a file: what it takes, and what of it goes back to the file system.

use zerocopy::IntoBytes;

use crate::error::{Context, Result};
use crate::format::checkpoint::VoidRef;
use crate::format::{FRAME_HEADER_LEN, FrameHeader, FrameKind};
use crate::log::Log;
use crate::log::frames::{Frames, Seen};
use crate::log::survey::releasable;

impl Log {
    /// Bytes that the file takes on the disk.
    pub fn allocated(&self) -> Result<u64> {
        let allocated = self.source.media().allocated();
        allocated.context(|| format!("examining {}", self.source.name()))
    }

    /// Bytes that its file system has left.
    pub fn free(&self) -> Result<u64> {
        let free = self.source.media().free();
        free.context(|| format!("examining the file system of {}", self.source.name()))
    }

    /// Those of `voids` that were not released yet, or are larger than what was.
    pub fn unreleased(&self, voids: &[VoidRef]) -> Result<Vec<VoidRef>> {
        let mut waiting = Vec::new();
        for void in voids {
            let header = self.source.header(void.offset.get())?;
            let void_len = header
                .filter(|header| header.frame_kind() == Some(FrameKind::Void))
                .map_or(0, |header| header.frame_len());
            if void_len < void.len.get() {
                waiting.push(*void);
            }
        }
        Ok(waiting)
    }

    /// Gives void bytes back to the file system. Each void starts with the header of a void frame
    /// from then on, so that a walk over the frames passes it. Returns the bytes released.
    pub fn release(&self, voids: &[VoidRef]) -> Result<u64> {
        self.source.forget();
        let media = self.source.media();
        let mut released = 0;
        for void in voids {
            let (offset, len) = (void.offset.get(), void.len.get());
            let Some(body_len) = len.checked_sub(FRAME_HEADER_LEN as u64) else { continue };
            let what = || format!("releasing bytes of {} at {offset}", self.source.name());
            let interior = offset + FRAME_HEADER_LEN as u64..offset + len;
            if media.release(interior).context(what)? {
                released += body_len;
            }
            // It goes last: it says that the rest is done.
            let header = FrameHeader::new(FrameKind::Void, body_len).sealed([]);
            media.write_at(header.as_bytes(), offset).context(what)?;
        }
        Ok(released)
    }

    /// Bytes of the disk that voids of a file that ends at `end` hold, though nothing needs them.
    pub fn held_bytes(&self, voids: &[VoidRef], end: u64) -> Result<u64> {
        let block_len = self.source.media().block_len();
        let unreleased = self.unreleased(voids)?;
        let mut held = releasable(&unreleased, block_len);
        for void in &unreleased {
            // Voids grow together: a part of one may be released already.
            let range = void.offset.get()..void.offset.get() + void.len.get();
            for seen in Frames::new(&self.source, range, &[]) {
                if let Seen::Frame(at, header) = seen?
                    && header.frame_kind() == Some(FrameKind::Void)
                {
                    let released = VoidRef { offset: at.into(), len: header.frame_len().into() };
                    held = held.saturating_sub(releasable(&[released], block_len));
                }
            }
        }
        let needed = end.saturating_sub(len_of(voids));
        Ok(held.min(self.allocated()?.saturating_sub(needed)))
    }
}

/// Bytes of voids.
pub fn len_of(voids: &[VoidRef]) -> u64 {
    voids.iter().map(|void| void.len.get()).sum()
}
