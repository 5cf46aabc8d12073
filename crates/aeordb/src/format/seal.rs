//! The closing superblock: the end of a sealed file, and the proof of everything before it.

use zerocopy::little_endian::U64;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::error::Result;
use crate::format::{FRAME_HEADER_LEN, FrameHeader, FrameKind, damaged, fixed_body};

/// The body of a closing superblock.
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    Debug,
    Default,
    FromBytes,
    IntoBytes,
    Immutable,
    KnownLayout,
    Unaligned,
)]
#[repr(C)]
pub struct Closing {
    /// Where it stands: the number of bytes before it.
    pub offset: U64,
    /// BLAKE3 of all bytes before it.
    pub content: [u8; 32],
    /// The version that the file holds or leads to.
    pub target: [u8; 32],
    /// Patches: the version they start from; else zero.
    pub base: [u8; 32],
    /// Offset of the checkpoint with the runs of the file's index; zero if it has none.
    pub checkpoint: U64,
    /// Files of the version; of a patch, files added or modified.
    pub files: U64,
    /// Directories of the version; of a patch, those that changed.
    pub directories: U64,
    /// Chunks in the file.
    pub chunks: U64,
    /// Patches: files that are only in the target.
    pub files_added: U64,
    /// Patches: files that differ.
    pub files_modified: U64,
    /// Patches: files that are only in the base.
    pub files_deleted: U64,
    /// Stored entries of the file: chunks and nodes.
    pub entries: U64,
    /// Bytes of all entries before compression.
    pub raw_bytes: U64,
    /// Bytes of all blocks.
    pub stored_bytes: U64,
}

/// Bytes of a closing superblock's frame: the last of a sealed file.
pub const CLOSING_FRAME_LEN: usize = FRAME_HEADER_LEN + size_of::<Closing>();

impl Closing {
    /// The frame.
    pub fn encode(&self) -> Vec<u8> {
        let body = self.as_bytes();
        let header = FrameHeader::new(FrameKind::Closing, body.len() as u64).sealed([body]);
        [header.as_bytes(), body].concat()
    }

    /// What it says of the file, but for the hash of its bytes and where that ends.
    pub fn said(&self) -> &[u8] {
        self.as_bytes().get(size_of::<U64>() + size_of_val(&self.content)..).unwrap_or_default()
    }

    /// Reads the closing superblock at `offset`.
    pub fn parse(offset: u64, header: &FrameHeader, body: &[u8]) -> Result<Self> {
        let (closing, rest) = fixed_body::<Closing>("closing superblock", offset, header, body)?;
        if closing.offset.get() != offset || !rest.is_empty() {
            return Err(damaged(offset, "a closing superblock of another place"));
        }
        Ok(*closing)
    }
}
