//! The frames of a file from front to back, by their headers alone.

use std::ops::Range;

use crate::error::Result;
use crate::format::checkpoint::VoidRef;
use crate::format::{FRAME_MAGIC, FrameHeader};
use crate::log::source::Source;

/// Bytes that are searched for a frame at a time.
const WINDOW: usize = 64 * 1024;

/// What stands at a place.
pub enum Seen {
    /// A frame: its offset and header.
    Frame(u64, FrameHeader),
    /// Bytes that are no frame: their offset and how many they are.
    Gap(u64, u64),
}

/// The header of the frame at `at`, if there is one that ends at or before `limit`.
pub fn frame(source: &Source, at: u64, limit: u64) -> Result<Option<FrameHeader>> {
    let header = source.header(at)?;
    let fits =
        |header: &FrameHeader| at.checked_add(header.frame_len()).is_some_and(|e| e <= limit);
    Ok(header.filter(fits))
}

/// The first place in `range` where a frame starts that ends at or before `limit`.
pub fn next_frame(source: &Source, range: Range<u64>, limit: u64) -> Result<Option<u64>> {
    let Range { start: mut at, end } = range;
    while at < end {
        let len = usize::try_from(end - at).unwrap_or(WINDOW).min(WINDOW);
        let window = source.bytes(at, len)?;
        for (position, _) in window.windows(4).enumerate().filter(|(_, four)| *four == FRAME_MAGIC)
        {
            // Among bytes of anybody's, what is not known is no frame.
            let found = frame(source, at + position as u64, limit)?;
            if found.is_some_and(|header| header.frame_kind().is_some()) {
                return Ok(Some(at + position as u64));
            }
        }
        // A magic may lie across the end of the window.
        at += (len as u64).saturating_sub(3).max(1);
    }
    Ok(None)
}

/// Iterates over the frames between two offsets. Where there is none it goes on at the next.
pub struct Frames<'s> {
    source: &'s Source,
    voids: &'s [VoidRef],
    at: u64,
    end: u64,
}

impl<'s> Frames<'s> {
    /// The frames in `range`. Voids are passed over: what is left in them means nothing.
    pub fn new(source: &'s Source, range: Range<u64>, voids: &'s [VoidRef]) -> Self {
        Frames { source, voids, at: range.start, end: range.end }
    }
}

impl Iterator for Frames<'_> {
    type Item = Result<Seen>;

    fn next(&mut self) -> Option<Self::Item> {
        while let Some((void, rest)) = self.voids.split_first()
            && self.at >= void.offset.get()
        {
            self.at = self.at.max(void.offset.get().saturating_add(void.len.get()));
            self.voids = rest;
        }
        if self.at >= self.end {
            return None;
        }
        let (at, end) = (self.at, self.end);
        let step = match frame(self.source, at, end) {
            Ok(Some(header)) => {
                self.at = at + header.frame_len();
                Ok(Seen::Frame(at, header))
            }
            Ok(None) => next_frame(self.source, at + 1..end, end).map(|next| {
                self.at = next.unwrap_or(end);
                Seen::Gap(at, self.at - at)
            }),
            Err(error) => Err(error),
        };
        if step.is_err() {
            self.at = end;
        }
        Some(step)
    }
}
