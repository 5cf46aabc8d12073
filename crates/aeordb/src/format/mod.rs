//! Bytes ⇄ values of the file format: pure, bounded, without I/O. FORMAT.md is the text of it, and
//! a test holds its tables against these structs.
//!
//! Structs are the layout: little-endian fields, no padding, sizes asserted at compile time.

#![deny(clippy::indexing_slicing)]

pub mod block;
pub mod change_list;
pub mod checkpoint;
pub mod cipher;
pub mod commit;
pub(crate) mod compression;
pub mod delta;
pub mod link;
pub mod parity;
pub mod run;
pub mod seal;
pub mod superblock;

use zerocopy::little_endian::{U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::error::{Error, Result};
use crate::limits::NUMBER_LIMIT;

/// Bytes of a frame's header.
pub const FRAME_HEADER_LEN: usize = size_of::<FrameHeader>();
/// First bytes of every frame.
pub const FRAME_MAGIC: [u8; 4] = *b"aeoF";
/// What a header with fields that only a newer program fills needs.
const UNKNOWN_FIELDS: &str = "fields of a frame's header that this program does not know";

/// The start of everything that is appended to a file.
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned,
)]
#[repr(C)]
pub struct FrameHeader {
    /// [`FRAME_MAGIC`].
    pub magic: [u8; 4],
    /// A [`FrameKind`].
    pub kind: u8,
    /// Blocks: how the payload is compressed; else zero.
    pub codec: u8,
    /// Blocks: what the entries are; else zero.
    pub class: u8,
    /// Zero.
    pub reserved: u8,
    /// Bytes after this header.
    pub body_len: U64,
    /// Entries of a block, records of a run; else zero.
    pub count: U32,
    /// Blocks: bytes of the payload before compression; else zero.
    pub raw_len: U32,
    /// First eight bytes of the BLAKE3 hash of the 24 bytes before.
    pub check: U64,
    /// BLAKE3 of the first 24 bytes and of what the frame's kind hashes of its body.
    pub hash: [u8; 32],
}

const _: () = assert!(FRAME_HEADER_LEN == 64);

/// Bytes of the header that its check and its hash cover.
const HEADER_CHECKED_LEN: usize = 24;

/// What a frame is. The number is what the file stores.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum FrameKind {
    /// Entries, packed and compressed together.
    Block = 1,
    /// A sorted run of the index.
    Run = 2,
    /// The list of the index's runs and of the voids.
    Checkpoint = 3,
    /// Makes everything since the commit before it count.
    Commit = 4,
    /// Bytes that nothing needs.
    Void = 5,
    /// The end of a sealed file.
    Closing = 6,
    /// Entries of a patch, compressed against others.
    Delta = 7,
    /// A part of the list of changes of a patch.
    Changes = 8,
    /// Where the next patch starts of several that are in one file.
    Link = 9,
    /// The key of an encrypted file, as its recipients find it.
    Keys = 10,
    /// That whoever had the key closed the file here.
    Proof = 11,
}

impl FrameKind {
    fn from_u8(number: u8) -> Option<Self> {
        use FrameKind::*;
        [Block, Run, Checkpoint, Commit, Void, Closing, Delta, Changes, Link, Keys, Proof]
            .into_iter()
            .find(|kind| *kind as u8 == number)
    }
}

impl FrameHeader {
    /// A header without its check and hash.
    pub fn new(kind: FrameKind, body_len: u64) -> Self {
        FrameHeader {
            magic: FRAME_MAGIC,
            kind: kind as u8,
            codec: 0,
            class: 0,
            reserved: 0,
            body_len: body_len.into(),
            count: 0.into(),
            raw_len: 0.into(),
            check: 0.into(),
            hash: [0; 32],
        }
    }

    /// Fills in the check, and the hash over the header's fields and `parts` of the body.
    pub fn sealed<'a>(mut self, parts: impl IntoIterator<Item = &'a [u8]>) -> Self {
        self.check = self.expected_check().into();
        self.hash = self.expected_hash(parts);
        self
    }

    /// The hash that the header must carry if `parts` are what its kind hashes of the body.
    pub fn expected_hash<'a>(&self, parts: impl IntoIterator<Item = &'a [u8]>) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new();
        hasher.update(self.checked());
        for part in parts {
            hasher.update(part);
        }
        *hasher.finalize().as_bytes()
    }

    fn checked(&self) -> &[u8] {
        self.as_bytes().get(..HEADER_CHECKED_LEN).unwrap_or_default()
    }

    fn expected_check(&self) -> u64 {
        first_u64(blake3::hash(self.checked()).as_bytes())
    }

    /// Reads a header; `None` if these bytes are none. A header that is read has its check, so its
    /// fields are what was written; they may be more than this program knows, and the body is not
    /// checked yet.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let (header, _) = FrameHeader::read_from_prefix(bytes).ok()?;
        let sound = header.magic == FRAME_MAGIC && header.check.get() == header.expected_check();
        sound.then_some(header)
    }

    /// The frame's kind, if it is one that this program knows.
    pub fn frame_kind(&self) -> Option<FrameKind> {
        FrameKind::from_u8(self.kind).filter(|_| self.reserved == 0)
    }

    /// What to say of a frame without a kind that this program knows.
    pub fn newer(&self) -> Error {
        match self.reserved {
            0 => newer(format!("frames of kind {}", self.kind)),
            _ => newer(UNKNOWN_FIELDS),
        }
    }

    /// True if the fields are zero that a frame with one body of fixed shape has no use for.
    fn leaves_spare_fields(&self) -> bool {
        let counts = self.frame_kind() == Some(FrameKind::Delta);
        let uncounted = self.count.get() == 0 && self.raw_len.get() == 0;
        self.codec == 0 && self.class == 0 && (counts || uncounted)
    }

    /// Bytes of the whole frame, header included.
    pub fn frame_len(&self) -> u64 {
        self.body_len.get().saturating_add(FRAME_HEADER_LEN as u64)
    }

    /// First eight bytes of the frame's hash: what the index remembers of a block.
    pub fn tag(&self) -> u64 {
        first_u64(&self.hash)
    }
}

/// The first eight bytes of a hash as a little-endian number.
pub fn first_u64(hash: &[u8; 32]) -> u64 {
    let [a, b, c, d, e, f, g, h, ..] = *hash;
    u64::from_le_bytes([a, b, c, d, e, f, g, h])
}

/// What a decoder says of bytes at `offset` of a file: the reader that knows the file's name adds
/// it.
pub(crate) fn damaged(offset: u64, detail: impl Into<String>) -> Error {
    Error::damaged("the file", offset, detail)
}

/// What a decoder says of sound bytes that only a newer program reads.
pub(crate) fn newer(needs: impl Into<String>) -> Error {
    Error::newer("the file", needs)
}

/// Refuses numbers that no file has: whoever adds to one that was read need not fear its end.
pub(crate) fn check_numbers(
    what: &str,
    offset: u64,
    numbers: impl IntoIterator<Item = u64>,
) -> Result<()> {
    match numbers.into_iter().find(|number| *number >= NUMBER_LIMIT) {
        Some(number) => {
            Err(damaged(offset, format!("a {what} with the number {number}, which none has")))
        }
        None => Ok(()),
    }
}

/// Checks a frame with a whole-body hash, whose header says no more than its length and what its
/// kind counts, and gives its body as `T` and what follows it.
pub(crate) fn fixed_body<'a, T: FromBytes + KnownLayout + Immutable + Unaligned>(
    what: &str,
    offset: u64,
    header: &FrameHeader,
    body: &'a [u8],
) -> Result<(&'a T, &'a [u8])> {
    if header.expected_hash([body]) != header.hash {
        return Err(damaged(
            offset,
            format!("the {what} does not have the hash it was written with"),
        ));
    }
    if !header.leaves_spare_fields() {
        return Err(newer(UNKNOWN_FIELDS));
    }
    T::ref_from_prefix(body)
        .map_err(|_| damaged(offset, format!("a {what} of {} bytes is too short", body.len())))
}

#[cfg(test)]
mod tests;
