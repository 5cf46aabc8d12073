//! Blocks: entries that are stored and copied together, whatever home they are in.

use std::sync::Arc;

use bytes::Bytes;

use crate::error::Result;
use crate::format::block::{self, BlockHead};
use crate::format::{FRAME_HEADER_LEN, FrameHeader, cipher};

/// A block, checked and decompressed.
pub struct Block {
    /// Its header's facts and its table.
    pub head: BlockHead,
    /// Where each entry starts in `raw`; of a block of which one entry was decompressed, only there.
    starts: Vec<u32>,
    /// The number of the entry that `starts` begins with.
    first: usize,
    /// The entries' encodings, one after another.
    raw: Bytes,
}

impl Block {
    /// Decompresses a block whose table was read.
    pub fn decode(offset: u64, head: BlockHead, payload: &[u8]) -> Result<Self> {
        let raw = Bytes::from(block::decode_payload(offset, &head, payload)?);
        let mut starts = Vec::with_capacity(head.entries.len());
        let mut start = 0;
        for entry in &head.entries {
            starts.push(start);
            start += entry.len;
        }
        Ok(Block { head, starts, first: 0, raw })
    }

    /// Decompresses one entry of a block, and what comes before it.
    pub fn decode_one(
        offset: u64,
        head: BlockHead,
        payload: &[u8],
        ordinal: usize,
    ) -> Result<Self> {
        let Some((entry, before)) = head.entries.get(..=ordinal).and_then(<[_]>::split_last) else {
            return Err(crate::format::damaged(offset, "a block without the entry wanted"));
        };
        let start = before.iter().map(|entry| entry.len as usize).sum();
        let part = start..start + entry.len as usize;
        let raw = Bytes::from(block::decode_part(offset, &head, payload, part)?);
        Ok(Block { head, starts: vec![0], first: ordinal, raw })
    }

    /// True if more entries than one were decompressed.
    pub fn has_several(&self) -> bool {
        self.starts.len() > 1
    }

    /// Bytes that were decompressed.
    pub fn raw_len(&self) -> usize {
        self.raw.len()
    }

    /// The encoding of the entry at `ordinal`, not verified; `None` if there is none, or another
    /// alone was decompressed.
    pub fn entry(&self, ordinal: usize) -> Option<Bytes> {
        let entry = self.head.entries.get(ordinal)?;
        let start = *self.starts.get(ordinal.checked_sub(self.first)?)? as usize;
        Some(self.raw.slice(start..start + entry.len as usize))
    }

    /// The encoding of the entry at `ordinal` of this block, which stands at `offset`, verified by
    /// its name.
    pub fn verified(&self, ordinal: usize, offset: u64) -> Result<Bytes> {
        match self.head.entries.get(ordinal).zip(self.entry(ordinal)) {
            Some((entry, bytes)) if entry.kind.hash(&bytes) == entry.hash => Ok(bytes),
            Some((entry, _)) => {
                let detail = format!("{} {} does not have its hash", entry.kind.name(), entry.hash);
                Err(crate::format::damaged(offset, detail))
            }
            None => Err(crate::format::damaged(offset, "a block without the entry wanted")),
        }
    }
}

/// A block as it is stored, checked by its hash.
#[derive(Clone)]
pub struct RawBlock {
    /// The whole frame.
    pub frame: Bytes,
    /// The frame's hash.
    pub hash: [u8; 32],
    /// Its header's facts and its table.
    pub head: Arc<BlockHead>,
}

impl RawBlock {
    /// Checks a whole frame that stands at `offset`.
    pub fn parse(offset: u64, header: &FrameHeader, frame: Bytes) -> Result<Self> {
        let body = frame.get(FRAME_HEADER_LEN..).unwrap_or_default();
        let head = Arc::new(block::parse(offset, header, body)?);
        Ok(RawBlock { frame, hash: header.hash, head })
    }

    /// A block that came out of a sealed frame, which proved it: it gets the hash that it has where
    /// nothing is encrypted.
    pub fn opened(offset: u64, header: FrameHeader, mut frame: Vec<u8>) -> Result<Self> {
        let header = cipher::complete(header, &mut frame);
        let body = frame.get(FRAME_HEADER_LEN..).unwrap_or_default();
        let head = Arc::new(block::parse_proved(offset, &header, body)?);
        Ok(RawBlock { frame: frame.into(), hash: header.hash, head })
    }

    /// Decompresses it.
    pub fn decode(&self, offset: u64) -> Result<Block> {
        let table_len = self.head.entries.len() * block::TABLE_ENTRY_LEN;
        let payload = self.frame.get(FRAME_HEADER_LEN + table_len..).unwrap_or_default();
        Block::decode(offset, (*self.head).clone(), payload)
    }
}
