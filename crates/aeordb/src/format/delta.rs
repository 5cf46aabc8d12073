//! Deltas: entries of a patch, compressed against entries that whoever may apply the patch has.
//!
//! Body: the head, the names of the *context* (directory nodes that the patch replaces), the
//! table, then the payloads. The table is compressed with the context as its prefix: the names
//! and then the encodings. Almost every name in the table stands there, so it costs three bytes
//! rather than 32. The table holds sections, each of entries of one kind: how many references and
//! entries it has, how long its payload is, the references' names, the entries' lengths. A payload
//! is one zstd frame that has the references' encodings, one after another, as its prefix; of
//! nodes the prefix starts with the names of all entries before in the same frame, since that is
//! what nodes are made of. The entries' own names are not stored: they are the hashes of what
//! comes out, and the version that the patch leads to asks for them.

use zerocopy::little_endian::U32;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};
use zstd::zstd_safe::{CCtx, CParameter, DCtx, DParameter, Strategy};

use crate::error::{Error, Result};
use crate::format::{FRAME_HEADER_LEN, FrameHeader, FrameKind, damaged, newer};
use crate::hash::{HASH_LEN, Hash, Kind};
use crate::limits::{
    DELTA_CONTEXT_MAX, DELTA_ENTRIES_MAX, DELTA_LEN_MAX, DELTA_PREFIX_LEN_MAX,
    DELTA_REFERENCES_MAX, ENTRY_LEN_MAX,
};

/// Largest window that a delta may ask for: its prefix and itself lie within.
const WINDOW_LOG_MAX: u32 = 27;
/// zstd level that the parameters not named below come from.
const LEVEL: i32 = 3;
/// From this on, matches are looked for at long distances too.
const LONG_LEN: usize = 8 * 1024 * 1024;

const _: () = assert!(DELTA_PREFIX_LEN_MAX + DELTA_LEN_MAX <= 1 << WINDOW_LOG_MAX);

/// The start of a delta's body.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct DeltaHead {
    /// Entries of the context.
    pub context: U32,
    /// Bytes of the table before compression.
    pub table_len: U32,
    /// Bytes of the table as it is stored.
    pub table_stored: U32,
}

/// The start of a section in the table. The references' names follow, then the entries' lengths,
/// four bytes each.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct SectionHead {
    /// The kind of the entries and of what they refer to.
    pub kind: u8,
    /// Zero.
    pub reserved: [u8; 3],
    /// Number of references.
    pub references: U32,
    /// Number of entries.
    pub entries: U32,
    /// Bytes of the payload.
    pub payload_len: U32,
}

const DELTA_HEAD_LEN: usize = size_of::<DeltaHead>();
const SECTION_HEAD_LEN: usize = size_of::<SectionHead>();
const _: () = assert!(DELTA_HEAD_LEN == 12 && SECTION_HEAD_LEN == 16);

/// Longest table: every section has an entry at least.
const TABLE_LEN_MAX: usize =
    DELTA_REFERENCES_MAX * HASH_LEN + DELTA_ENTRIES_MAX * (SECTION_HEAD_LEN + 4);

/// The parts of a delta, of which only the context is known before something else was read.
#[derive(Clone, Debug)]
pub struct Parts<'a> {
    /// Names of the context's nodes.
    pub context: Vec<Hash>,
    /// Bytes of the table before compression.
    pub table_len: usize,
    /// The table as it is stored.
    pub table: &'a [u8],
    /// The sections' payloads, one after another.
    pub payloads: &'a [u8],
}

/// Entries of one kind that were compressed together.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Section {
    /// The kind of the entries and of what they refer to.
    pub kind: Kind,
    /// The entries that they are compressed against.
    pub references: Vec<Hash>,
    /// The length of each entry.
    pub lens: Vec<u32>,
    /// Bytes of the payload.
    pub payload_len: usize,
}

impl Section {
    /// Bytes of all entries.
    pub fn raw_len(&self) -> usize {
        self.lens.iter().map(|len| *len as usize).sum()
    }
}

/// True if entries of this kind are compressed against the names before them too.
pub fn refers_to_names(kind: Kind) -> bool {
    kind != Kind::Chunk
}

/// Checks the lengths that a delta's header gives, before anything is read or allocated for it.
pub fn check_header(offset: u64, header: &FrameHeader) -> Result<()> {
    let limit = |what: &str, limit: usize, found: u64| Error::Limit {
        what: format!("{what} of the delta at offset {offset}"),
        limit: limit as u64,
        found,
    };
    let count = header.count.get() as usize;
    if count == 0 || count > DELTA_ENTRIES_MAX {
        return Err(limit("the number of entries", DELTA_ENTRIES_MAX, count as u64));
    }
    let raw_len = header.raw_len.get() as usize;
    if raw_len > DELTA_LEN_MAX {
        return Err(limit("the raw length", DELTA_LEN_MAX, raw_len as u64));
    }
    // A section is only stored where it is smaller than its entries.
    let body_max = DELTA_HEAD_LEN + DELTA_CONTEXT_MAX * HASH_LEN + TABLE_LEN_MAX + raw_len;
    if header.body_len.get() > body_max as u64 {
        return Err(limit("the stored length", body_max, header.body_len.get()));
    }
    Ok(())
}

/// Checks a delta by its hash and takes it apart.
pub fn parse<'a>(offset: u64, header: &FrameHeader, body: &'a [u8]) -> Result<Parts<'a>> {
    check_header(offset, header)?;
    let (head, rest) = crate::format::fixed_body::<DeltaHead>("delta", offset, header, body)?;
    let cut_off = || damaged(offset, "a delta whose head is cut off");
    let context = head.context.get() as usize;
    let table_len = head.table_len.get() as usize;
    if context > DELTA_CONTEXT_MAX || table_len > TABLE_LEN_MAX {
        let detail = format!("a delta with a context of {context} and a table of {table_len}");
        return Err(damaged(offset, detail));
    }
    let (names, rest) = rest.split_at_checked(context * HASH_LEN).ok_or_else(cut_off)?;
    let stored = head.table_stored.get() as usize;
    let (table, payloads) = rest.split_at_checked(stored).ok_or_else(cut_off)?;
    Ok(Parts { context: hashes(names), table_len, table, payloads })
}

fn hashes(bytes: &[u8]) -> Vec<Hash> {
    bytes.as_chunks::<HASH_LEN>().0.iter().map(|hash| Hash::new(*hash)).collect()
}

/// What the table is compressed against; `encodings` are those of the context.
fn table_prefix(context: &[Hash], encodings: &[u8]) -> Vec<u8> {
    let mut prefix = Vec::with_capacity(context.len() * HASH_LEN + encodings.len());
    context.iter().for_each(|name| prefix.extend_from_slice(name.as_bytes()));
    prefix.extend_from_slice(encodings);
    prefix
}

/// Reads the table of a delta; `encodings` are those of the context, one after another. The
/// payloads of the sections together are exactly those of the delta.
pub fn sections(
    offset: u64,
    header: &FrameHeader,
    parts: &Parts<'_>,
    encodings: &[u8],
) -> Result<Vec<Section>> {
    let prefix = table_prefix(&parts.context, encodings);
    let table = decompress(offset, &prefix, parts.table, parts.table_len)?;
    let mut rest = table.as_slice();
    let mut sections = Vec::new();
    let (mut entries, mut references, mut raw_len, mut payloads) = (0, 0, 0, 0);
    while !rest.is_empty() {
        let section;
        (section, rest) = read_section(offset, rest)?;
        entries += section.lens.len();
        references += section.references.len();
        raw_len += section.raw_len();
        payloads += section.payload_len;
        sections.push(section);
    }
    let expected = (header.count.get() as usize, header.raw_len.get() as usize);
    if (entries, raw_len) != expected || payloads != parts.payloads.len() {
        let detail = format!(
            "a delta of {} entries and {} bytes whose table has {entries} and {raw_len}",
            expected.0, expected.1
        );
        return Err(damaged(offset, detail));
    }
    if references > DELTA_REFERENCES_MAX {
        let detail =
            format!("a delta of {references} references, the limit is {DELTA_REFERENCES_MAX}");
        return Err(damaged(offset, detail));
    }
    Ok(sections)
}

fn read_section(offset: u64, table: &[u8]) -> Result<(Section, &[u8])> {
    let cut_off = || damaged(offset, "a delta whose table is cut off");
    let (head, rest) = SectionHead::read_from_prefix(table).map_err(|_| cut_off())?;
    let kind = Kind::from_u8(head.kind)
        .ok_or_else(|| newer(format!("deltas of entries of kind {}", head.kind)))?;
    if head.reserved != [0; 3] {
        return Err(newer("fields of a delta that this program does not know"));
    }
    if !matches!(kind, Kind::Chunk | Kind::Directory | Kind::List) {
        return Err(damaged(offset, format!("a delta of a {}", kind.name())));
    }
    let (names, rest) = (head.references.get() as usize)
        .checked_mul(HASH_LEN)
        .and_then(|len| rest.split_at_checked(len))
        .ok_or_else(cut_off)?;
    let (lens, rest) = (head.entries.get() as usize)
        .checked_mul(4)
        .and_then(|len| rest.split_at_checked(len))
        .ok_or_else(cut_off)?;
    let lens: Vec<u32> =
        lens.as_chunks::<4>().0.iter().map(|len| u32::from_le_bytes(*len)).collect();
    if let Some(len) = lens.iter().find(|len| **len as usize > ENTRY_LEN_MAX) {
        let detail = format!("an entry of {len} bytes, the limit is {ENTRY_LEN_MAX}");
        return Err(damaged(offset, detail));
    }
    if lens.is_empty() {
        return Err(damaged(offset, "a delta with a section without entries"));
    }
    let payload_len = head.payload_len.get() as usize;
    Ok((Section { kind, references: hashes(names), lens, payload_len }, rest))
}

/// Decompresses a section: the entries' encodings one after another.
pub fn decode(offset: u64, section: &Section, payload: &[u8], prefix: &[u8]) -> Result<Vec<u8>> {
    decompress(offset, prefix, payload, section.raw_len())
}

/// Decompresses one zstd frame that has `prefix` as its prefix to exactly `len` bytes, which the
/// caller has held against a limit.
fn decompress(offset: u64, prefix: &[u8], payload: &[u8], len: usize) -> Result<Vec<u8>> {
    let bad = |code| {
        let name = zstd::zstd_safe::get_error_name(code);
        damaged(offset, format!("the delta does not decompress: {name}"))
    };
    let mut raw = Vec::with_capacity(len);
    let mut context = DCtx::create();
    context.set_parameter(DParameter::WindowLogMax(WINDOW_LOG_MAX)).map_err(bad)?;
    context.ref_prefix(prefix).map_err(bad)?;
    context.decompress(&mut raw, payload).map_err(bad)?;
    if raw.len() != len {
        let found = raw.len();
        let detail = format!("the delta has {found} bytes when decompressed, not {len}");
        return Err(damaged(offset, detail));
    }
    Ok(raw)
}

/// Compresses what has a prefix. Setting up a context costs more than a small section, so one
/// serves many; the prefixes live as long as it does.
pub struct Compressor<'p>(CCtx<'p>);

impl<'p> Compressor<'p> {
    /// A compressor.
    #[expect(clippy::new_without_default, reason = "it is not a value")]
    pub fn new() -> Self {
        Compressor(CCtx::create())
    }

    /// One zstd frame of `raw` with `prefix`; `None` if that is not smaller.
    pub fn compress(&mut self, prefix: &'p [u8], raw: &[u8]) -> Option<Vec<u8>> {
        let total = (prefix.len() + raw.len()).max(1 << 12);
        // The window reaches from the end of the entries to the start of the prefix. The tables
        // hold a position for each few bytes of it: while they stay in the processor's nearest
        // caches, filling them is most of the work and cheap.
        let window_log = total.next_power_of_two().ilog2().min(WINDOW_LOG_MAX);
        let table_log = window_log.saturating_sub(2).clamp(12, 20);
        for parameter in [
            CParameter::CompressionLevel(LEVEL),
            CParameter::WindowLog(window_log),
            CParameter::HashLog(table_log),
            CParameter::ChainLog(table_log),
            // What is not in the prefix is little: short matches only lead astray.
            CParameter::MinMatch(7),
            CParameter::Strategy(Strategy::ZSTD_dfast),
            CParameter::EnableLongDistanceMatching(total > LONG_LEN),
            CParameter::ContentSizeFlag(false),
        ] {
            self.0.set_parameter(parameter).ok()?;
        }
        self.0.ref_prefix(prefix).ok()?;
        let mut payload = Vec::with_capacity(raw.len());
        match self.0.compress2(&mut payload, raw) {
            Ok(len) if len < raw.len() => {
                payload.shrink_to_fit();
                Some(payload)
            }
            // No room: it does not shrink.
            _ => None,
        }
    }
}

/// Encodes a delta as a whole frame. `encodings` are those of the context's nodes; each section
/// comes with its payload.
pub fn encode(
    context: &[Hash],
    encodings: &[u8],
    sections: &[(Section, Vec<u8>)],
) -> Result<Vec<u8>> {
    let too_large = |found: usize| Error::Limit {
        what: "a delta".into(),
        limit: DELTA_LEN_MAX as u64,
        found: found as u64,
    };
    let number = |n: usize| u32::try_from(n).map_err(|_| too_large(n));
    let mut table = Vec::new();
    let (mut count, mut raw_len) = (0, 0);
    for (section, payload) in sections {
        let head = SectionHead {
            kind: section.kind as u8,
            reserved: [0; 3],
            references: number(section.references.len())?.into(),
            entries: number(section.lens.len())?.into(),
            payload_len: number(payload.len())?.into(),
        };
        table.extend_from_slice(head.as_bytes());
        section.references.iter().for_each(|name| table.extend_from_slice(name.as_bytes()));
        section.lens.iter().for_each(|len| table.extend_from_slice(&len.to_le_bytes()));
        count += section.lens.len();
        raw_len += section.raw_len();
    }
    let prefix = table_prefix(context, encodings);
    let stored = compress_table(&prefix, &table).ok_or_else(|| too_large(table.len()))?;
    let head = DeltaHead {
        context: number(context.len())?.into(),
        table_len: number(table.len())?.into(),
        table_stored: number(stored.len())?.into(),
    };
    let mut body = head.as_bytes().to_vec();
    context.iter().for_each(|name| body.extend_from_slice(name.as_bytes()));
    body.extend_from_slice(&stored);
    sections.iter().for_each(|(_, payload)| body.extend_from_slice(payload));
    let mut header = FrameHeader::new(FrameKind::Delta, body.len() as u64);
    header.count = number(count)?.into();
    header.raw_len = number(raw_len)?.into();
    let mut frame = Vec::with_capacity(FRAME_HEADER_LEN + body.len());
    frame.extend_from_slice(header.sealed([body.as_slice()]).as_bytes());
    frame.append(&mut body);
    Ok(frame)
}

/// A table is small and full of matches: it is worth a search, and it is stored even where it
/// does not shrink.
fn compress_table(prefix: &[u8], table: &[u8]) -> Option<Vec<u8>> {
    let mut context = CCtx::create();
    let total = (prefix.len() + table.len()).max(1 << 12);
    for parameter in [
        CParameter::CompressionLevel(LEVEL),
        CParameter::Strategy(Strategy::ZSTD_lazy2),
        CParameter::WindowLog(total.next_power_of_two().ilog2().min(WINDOW_LOG_MAX)),
        CParameter::ContentSizeFlag(false),
    ] {
        context.set_parameter(parameter).ok()?;
    }
    context.ref_prefix(prefix).ok()?;
    let mut stored = Vec::with_capacity(zstd::zstd_safe::compress_bound(table.len()));
    context.compress2(&mut stored, table).ok()?;
    Some(stored)
}

#[cfg(test)]
mod tests;
