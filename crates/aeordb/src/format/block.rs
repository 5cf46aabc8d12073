//! Blocks: entries that were written, compressed and checksummed together.
//!
//! Body: the entries' hashes (32 bytes each), then their lengths (four bytes each: three of
//! length, the highest of kind), then the payload. The table is not compressed, so that the index
//! can be rebuilt without decompressing. The frame's hash covers the whole body; nothing in a
//! block says where it is, so it can be copied verbatim.

use std::ops::Range;

use crate::error::{Error, Result};
use crate::format::{FRAME_HEADER_LEN, FrameHeader, FrameKind, compression, damaged, newer};
use crate::hash::{HASH_LEN, Hash, Kind};
use crate::limits::{BLOCK_ENTRIES_MAX, BLOCK_LEN_MAX, ENTRY_LEN_MAX};
use crate::pool::Compression;

/// Bytes that an entry takes in a block's table.
pub const TABLE_ENTRY_LEN: usize = HASH_LEN + 4;

/// How a payload is compressed. The number is what the file stores.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Codec {
    /// Not at all.
    Raw = 0,
    /// One zstd frame.
    Zstd = 1,
}

/// What the entries of a block are. The number is what the file stores.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Class {
    /// Chunks.
    Chunks = 1,
    /// Everything else.
    Tree = 2,
}

impl Class {
    /// The class that entries of `kind` belong to.
    pub fn of(kind: Kind) -> Self {
        if kind == Kind::Chunk { Class::Chunks } else { Class::Tree }
    }
}

/// An entry of a block's table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TableEntry {
    /// The entry's name.
    pub hash: Hash,
    /// The entry's kind.
    pub kind: Kind,
    /// Bytes of its encoding.
    pub len: u32,
}

/// A block's header and table, checked against the limits and against each other.
#[derive(Clone, Debug)]
pub struct BlockHead {
    /// How the payload is compressed.
    pub codec: Codec,
    /// What the entries are.
    pub class: Class,
    /// Bytes of the payload before compression.
    pub raw_len: usize,
    /// The table.
    pub entries: Vec<TableEntry>,
}

/// Checks the lengths that a block's header gives, before anything is read or allocated for it.
/// Returns the length of the table.
pub fn check_header(offset: u64, header: &FrameHeader) -> Result<usize> {
    let count = header.count.get() as usize;
    let raw_len = header.raw_len.get() as usize;
    let table_len = count.saturating_mul(TABLE_ENTRY_LEN);
    let body_len = header.body_len.get();
    let limit = |what: &str, limit: usize, found: u64| Error::Limit {
        what: format!("{what} of the block at offset {offset}"),
        limit: limit as u64,
        found,
    };
    match header.frame_kind() {
        Some(FrameKind::Block) => {}
        None => return Err(header.newer()),
        Some(other) => {
            return Err(damaged(offset, format!("expected a Block frame, found a {other:?}")));
        }
    }
    if count == 0 || count > BLOCK_ENTRIES_MAX {
        return Err(limit("the number of entries", BLOCK_ENTRIES_MAX, count as u64));
    }
    if raw_len > BLOCK_LEN_MAX {
        return Err(limit("the raw length", BLOCK_LEN_MAX, raw_len as u64));
    }
    // A payload is stored raw when it does not shrink, so it is never longer than that.
    if body_len > (table_len + raw_len) as u64 || body_len < table_len as u64 {
        return Err(limit("the stored length", table_len + raw_len, body_len));
    }
    Ok(table_len)
}

/// Reads a block's table from the start of its body, which has not proved itself yet.
pub fn parse_head(offset: u64, header: &FrameHeader, body: &[u8]) -> Result<BlockHead> {
    read_head(offset, header, body, |kind| {
        damaged(offset, format!("a block with an entry of the unknown kind {kind}"))
    })
}

/// Reads a block's table; `unknown` says what an entry of an unknown kind means.
fn read_head(
    offset: u64,
    header: &FrameHeader,
    body: &[u8],
    unknown: impl Fn(u8) -> Error,
) -> Result<BlockHead> {
    let table_len = check_header(offset, header)?;
    let count = header.count.get() as usize;
    let raw_len = header.raw_len.get() as usize;
    let bad = |detail: String| damaged(offset, detail);
    let codec = match header.codec {
        0 => Codec::Raw,
        1 => Codec::Zstd,
        other => return Err(newer(format!("blocks of codec {other}"))),
    };
    let class = match header.class {
        1 => Class::Chunks,
        2 => Class::Tree,
        other => return Err(newer(format!("blocks of class {other}"))),
    };
    let table = body.get(..table_len).ok_or_else(|| bad("a block's table is cut off".into()))?;
    let (hashes, lengths) = table
        .split_at_checked(count * HASH_LEN)
        .ok_or_else(|| bad("a block's table is cut off".into()))?;
    let mut entries = Vec::with_capacity(count);
    let mut total = 0usize;
    for (hash, length) in hashes.as_chunks::<HASH_LEN>().0.iter().zip(lengths.as_chunks::<4>().0) {
        let [a, b, c, kind] = *length;
        let len = u32::from_le_bytes([a, b, c, 0]);
        let kind = Kind::from_u8(kind).ok_or_else(|| unknown(kind))?;
        if Class::of(kind) != class {
            return Err(bad(format!("a block of {class:?} with a {}", kind.name())));
        }
        if len as usize > ENTRY_LEN_MAX {
            return Err(bad(format!("an entry of {len} bytes, the limit is {ENTRY_LEN_MAX}")));
        }
        total += len as usize;
        entries.push(TableEntry { hash: Hash::new(*hash), kind, len });
    }
    if total != raw_len {
        return Err(bad(format!("a block of {raw_len} bytes whose entries have {total} bytes")));
    }
    Ok(BlockHead { codec, class, raw_len, entries })
}

/// Checks a whole block by its hash and reads its table.
pub fn parse(offset: u64, header: &FrameHeader, body: &[u8]) -> Result<BlockHead> {
    if header.expected_hash([body]) != header.hash {
        return Err(damaged(offset, "the block does not have the hash it was written with"));
    }
    parse_proved(offset, header, body)
}

/// Reads the table of a block that was proved otherwise than by its hash.
pub fn parse_proved(offset: u64, header: &FrameHeader, body: &[u8]) -> Result<BlockHead> {
    read_head(offset, header, body, |kind| newer(format!("entries of kind {kind}")))
}

/// The payload of a block, decompressed: the entries' encodings one after another.
pub fn decode_payload(offset: u64, head: &BlockHead, payload: &[u8]) -> Result<Vec<u8>> {
    let bad = |detail: String| damaged(offset, detail);
    let raw = match head.codec {
        Codec::Raw => payload.to_vec(),
        Codec::Zstd => compression::decompress(payload, head.raw_len)
            .map_err(|error| bad(format!("the block does not decompress: {error}")))?,
    };
    if raw.len() != head.raw_len {
        let (expected, found) = (head.raw_len, raw.len());
        return Err(bad(format!("the block has {found} bytes when decompressed, not {expected}")));
    }
    Ok(raw)
}

/// A part of the payload of a block, decompressed.
pub fn decode_part(
    offset: u64,
    head: &BlockHead,
    payload: &[u8],
    part: Range<usize>,
) -> Result<Vec<u8>> {
    let bad = |detail: String| damaged(offset, detail);
    let len = part.len();
    let raw = match head.codec {
        Codec::Raw => payload.get(part).unwrap_or_default().to_vec(),
        Codec::Zstd => compression::decompress_part(payload, part)
            .map_err(|error| bad(format!("the block does not decompress: {error}")))?,
    };
    if raw.len() != len {
        let found = raw.len();
        return Err(bad(format!("an entry of {len} bytes has {found} when decompressed")));
    }
    Ok(raw)
}

/// Encodes a block as a whole frame. `entries` name the parts of `raw` in order.
pub fn encode(
    class: Class,
    entries: &[TableEntry],
    raw: &[u8],
    compression: Compression,
) -> Result<Vec<u8>> {
    let table_len = entries.len() * TABLE_ENTRY_LEN;
    let mut frame = Vec::with_capacity(FRAME_HEADER_LEN + table_len + raw.len());
    frame.resize(FRAME_HEADER_LEN, 0);
    for entry in entries {
        frame.extend_from_slice(entry.hash.as_bytes());
    }
    for entry in entries {
        let [a, b, c, _] = entry.len.to_le_bytes();
        frame.extend_from_slice(&[a, b, c, entry.kind as u8]);
    }
    let payload_start = frame.len();
    let codec = if compression::compress_as(compression, raw, &mut frame)? {
        Codec::Zstd
    } else {
        frame.truncate(payload_start);
        frame.extend_from_slice(raw);
        Codec::Raw
    };
    let too_large = || Error::Limit {
        what: "a block".into(),
        limit: BLOCK_LEN_MAX as u64,
        found: raw.len() as u64,
    };
    let mut header = FrameHeader::new(FrameKind::Block, (frame.len() - FRAME_HEADER_LEN) as u64);
    header.codec = codec as u8;
    header.class = class as u8;
    header.count = u32::try_from(entries.len()).map_err(|_| too_large())?.into();
    header.raw_len = u32::try_from(raw.len()).map_err(|_| too_large())?.into();
    let (head, body) = frame.split_at_mut_checked(FRAME_HEADER_LEN).ok_or_else(too_large)?;
    head.copy_from_slice(zerocopy::IntoBytes::as_bytes(&header.sealed([&*body])));
    Ok(frame)
}
