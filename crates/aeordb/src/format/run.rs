//! Runs: sorted parts of the index. Body: pages of records in the order of their hashes, each page
//! with a check of its own, so that one lookup reads and checks one page.

use zerocopy::little_endian::{U16, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::error::Result;
use crate::format::{FRAME_HEADER_LEN, damaged};
use crate::hash::Hash;

/// Where an entry is: a record of a run.
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned,
)]
#[repr(C)]
pub struct Record {
    /// The entry's name.
    pub hash: [u8; 32],
    /// Offset of its block: the low 48 bits.
    pub block: [u8; 6],
    /// Its position in the block.
    pub ordinal: U16,
    /// First eight bytes of the block's hash.
    pub tag: U64,
}

/// Bytes of a record.
pub const RECORD_LEN: usize = size_of::<Record>();
/// Bytes of a page's check: the first of a BLAKE3 hash.
pub const PAGE_CHECK_LEN: usize = 16;
/// Bytes of a full page.
pub const PAGE_LEN: usize = 4096;
/// Records of a full page.
pub const PAGE_RECORDS: usize = (PAGE_LEN - PAGE_CHECK_LEN) / RECORD_LEN;
/// Offsets of blocks are below this.
pub const BLOCK_OFFSET_LIMIT: u64 = 1 << 48;

const _: () = assert!(RECORD_LEN == 48 && PAGE_RECORDS * RECORD_LEN + PAGE_CHECK_LEN == PAGE_LEN);

impl Record {
    /// A record; `block` is below [`BLOCK_OFFSET_LIMIT`].
    pub fn new(hash: &Hash, block: u64, ordinal: u16, tag: u64) -> Self {
        let [a, b, c, d, e, f, _, _] = block.to_le_bytes();
        Record {
            hash: *hash.as_bytes(),
            block: [a, b, c, d, e, f],
            ordinal: ordinal.into(),
            tag: tag.into(),
        }
    }

    /// Offset of the entry's block.
    pub fn block_offset(&self) -> u64 {
        let [a, b, c, d, e, f] = self.block;
        u64::from_le_bytes([a, b, c, d, e, f, 0, 0])
    }
}

/// Bytes of the body of a run of `records` records.
pub fn body_len(records: u64) -> u64 {
    records * RECORD_LEN as u64 + pages(records) * PAGE_CHECK_LEN as u64
}

/// Pages of a run of `records` records.
pub fn pages(records: u64) -> u64 {
    records.div_ceil(PAGE_RECORDS as u64)
}

/// Offset of page `page` of the run at `run`, and its length in bytes.
pub fn page_at(run: u64, records: u64, page: u64) -> (u64, usize) {
    let before = page * PAGE_RECORDS as u64;
    let count = records.saturating_sub(before).min(PAGE_RECORDS as u64);
    // Below PAGE_LEN, since the count is at most that of a full page.
    #[expect(clippy::cast_possible_truncation, reason = "bounded by PAGE_LEN")]
    let len = count as usize * RECORD_LEN + PAGE_CHECK_LEN;
    (run + FRAME_HEADER_LEN as u64 + page * PAGE_LEN as u64, len)
}

/// The check of a page: it binds the page to its run and place, so that a page that was written
/// elsewhere is not taken for it.
pub fn page_check(run: u64, page: u64, records: &[u8]) -> [u8; PAGE_CHECK_LEN] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&run.to_le_bytes()).update(&page.to_le_bytes()).update(records);
    let mut check = [0; PAGE_CHECK_LEN];
    hasher.finalize_xof().fill(&mut check);
    check
}

/// The records of page `page` of the run at offset `run`, checked.
pub fn parse_page(run: u64, page: u64, bytes: &[u8]) -> Result<&[Record]> {
    let offset = run + FRAME_HEADER_LEN as u64 + page * PAGE_LEN as u64;
    let (records, check) = bytes
        .split_last_chunk::<PAGE_CHECK_LEN>()
        .ok_or_else(|| damaged(offset, "an index page is cut off"))?;
    if page_check(run, page, records) != *check {
        return Err(damaged(offset, "an index page does not have its check"));
    }
    <[Record]>::ref_from_bytes(records)
        .map_err(|_| damaged(offset, "an index page of a length that no page has"))
}

/// A page of these records.
pub fn encode_page(run: u64, page: u64, records: &[Record], out: &mut Vec<u8>) {
    let bytes = records.as_bytes();
    out.extend_from_slice(bytes);
    out.extend_from_slice(&page_check(run, page, bytes));
}
