//! The frames of a file from front to back, by their headers alone.

use crate::error::Result;
use crate::format::checkpoint::VoidRef;
use crate::format::{FRAME_MAGIC, FrameHeader};
use crate::log::Log;
use crate::log::source::Source;

/// What stands at a place.
pub enum Seen {
    /// A frame: its offset and header.
    Frame(u64, FrameHeader),
    /// Bytes that are no frame: their offset and how many they are.
    Gap(u64, u64),
}

/// Iterates over the frames between two offsets. Where there is none it goes on at the next.
pub struct Frames<'s> {
    source: &'s Source,
    voids: &'s [VoidRef],
    at: u64,
    end: u64,
}

impl<'s> Frames<'s> {
    /// The frames of an open file. Voids are passed over: what is left in them means nothing.
    pub fn new(log: &'s Log) -> Self {
        Frames { source: log.source(), voids: log.voids(), at: log.start(), end: log.end() }
    }

    fn frame(&self, at: u64) -> Result<Option<FrameHeader>> {
        let header = self.source.header(at)?;
        Ok(header
            .filter(|header| at.checked_add(header.frame_len()).is_some_and(|end| end <= self.end)))
    }

    fn next_frame(&self, mut at: u64) -> Result<u64> {
        const WINDOW: usize = 64 * 1024;
        while at < self.end {
            let len = usize::try_from(self.end - at).unwrap_or(WINDOW).min(WINDOW);
            let window = self.source.bytes(at, len)?;
            for (position, _) in
                window.windows(4).enumerate().filter(|(_, four)| *four == FRAME_MAGIC)
            {
                if self.frame(at + position as u64)?.is_some() {
                    return Ok(at + position as u64);
                }
            }
            // A magic may lie across the end of the window.
            at += (len as u64).saturating_sub(3).max(1);
        }
        Ok(self.end)
    }
}

impl Iterator for Frames<'_> {
    type Item = Result<Seen>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.at >= self.end {
            return None;
        }
        if let Some((void, rest)) = self.voids.split_first()
            && self.at >= void.offset.get()
        {
            self.at = self.at.max(void.offset.get().saturating_add(void.len.get()));
            self.voids = rest;
            return self.next();
        }
        let at = self.at;
        let step = match self.frame(at) {
            Ok(Some(header)) => {
                self.at = at + header.frame_len();
                Ok(Seen::Frame(at, header))
            }
            Ok(None) => self.next_frame(at + 1).map(|next| {
                self.at = next;
                Seen::Gap(at, next - at)
            }),
            Err(error) => Err(error),
        };
        if step.is_err() {
            self.at = self.end;
        }
        Some(step)
    }
}
