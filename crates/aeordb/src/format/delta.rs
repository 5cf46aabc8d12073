//! Deltas: entries of a patch, compressed against entries that whoever may apply the patch has.
//!
//! Body: the number of references (four bytes), their hashes, the lengths of the entries (four
//! bytes each, the highest of kind, as in a block), then the payload: one zstd frame that has the
//! references' encodings, one after another, as its prefix. The entries' names are not stored:
//! they are the hashes of what comes out, and the version that the patch leads to asks for them.

use zstd::zstd_safe::{CCtx, CParameter, DCtx, DParameter, Strategy};

use crate::error::{Error, Result};
use crate::format::{FRAME_HEADER_LEN, FrameHeader, FrameKind, damaged};
use crate::hash::{HASH_LEN, Hash, Kind};
use crate::limits::{
    DELTA_ENTRIES_MAX, DELTA_LEN_MAX, DELTA_PREFIX_LEN_MAX, DELTA_REFERENCES_MAX, ENTRY_LEN_MAX,
};

/// Largest window that a delta may ask for: its prefix and itself lie within.
const WINDOW_LOG_MAX: u32 = 27;
/// zstd level of deltas.
const LEVEL: i32 = 3;

const _: () = assert!(DELTA_PREFIX_LEN_MAX + DELTA_LEN_MAX <= 1 << WINDOW_LOG_MAX);

/// A delta's references and the kinds and lengths of its entries, checked against the limits.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DeltaHead {
    /// The entries whose encodings are the prefix.
    pub references: Vec<Hash>,
    /// Kind and length of each entry.
    pub entries: Vec<(Kind, u32)>,
    /// Bytes of all entries.
    pub raw_len: usize,
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
    // A delta is only stored where it is smaller than its entries.
    let body_max = 4 + DELTA_REFERENCES_MAX * HASH_LEN + count * 4 + raw_len;
    if header.body_len.get() > body_max as u64 {
        return Err(limit("the stored length", body_max, header.body_len.get()));
    }
    Ok(())
}

/// Checks a delta by its hash and reads its head; the rest of the body is its payload.
pub fn parse<'a>(
    offset: u64,
    header: &FrameHeader,
    body: &'a [u8],
) -> Result<(DeltaHead, &'a [u8])> {
    check_header(offset, header)?;
    if header.expected_hash([body]) != header.hash {
        return Err(damaged(offset, "the delta does not have the hash it was written with"));
    }
    let cut_off = || damaged(offset, "a delta whose head is cut off");
    let (count, rest) = body.split_first_chunk::<4>().ok_or_else(cut_off)?;
    let count = u32::from_le_bytes(*count) as usize;
    if count > DELTA_REFERENCES_MAX {
        let detail = format!("a delta of {count} references, the limit is {DELTA_REFERENCES_MAX}");
        return Err(damaged(offset, detail));
    }
    let (references, rest) = rest.split_at_checked(count * HASH_LEN).ok_or_else(cut_off)?;
    let lengths_len = header.count.get() as usize * 4;
    let (lengths, payload) = rest.split_at_checked(lengths_len).ok_or_else(cut_off)?;
    let references = references.as_chunks::<HASH_LEN>().0.iter().map(|hash| Hash::new(*hash));
    let mut entries = Vec::with_capacity(header.count.get() as usize);
    let mut total = 0usize;
    for [a, b, c, kind] in lengths.as_chunks::<4>().0 {
        let len = u32::from_le_bytes([*a, *b, *c, 0]);
        let kind = Kind::from_u8(*kind)
            .filter(|kind| *kind != Kind::System)
            .ok_or_else(|| damaged(offset, format!("a delta with an entry of kind {kind}")))?;
        if len as usize > ENTRY_LEN_MAX {
            let detail = format!("an entry of {len} bytes, the limit is {ENTRY_LEN_MAX}");
            return Err(damaged(offset, detail));
        }
        total += len as usize;
        entries.push((kind, len));
    }
    let raw_len = header.raw_len.get() as usize;
    if total != raw_len {
        let detail = format!("a delta of {raw_len} bytes whose entries have {total} bytes");
        return Err(damaged(offset, detail));
    }
    Ok((DeltaHead { references: references.collect(), entries, raw_len }, payload))
}

/// Decompresses a delta: the entries' encodings one after another.
pub fn decode(offset: u64, head: &DeltaHead, payload: &[u8], prefix: &[u8]) -> Result<Vec<u8>> {
    let bad = |code| damaged(offset, format!("the delta does not decompress: {}", name(code)));
    let mut raw = Vec::with_capacity(head.raw_len);
    let mut context = DCtx::create();
    context.set_parameter(DParameter::WindowLogMax(WINDOW_LOG_MAX)).map_err(bad)?;
    context.ref_prefix(prefix).map_err(bad)?;
    context.decompress(&mut raw, payload).map_err(bad)?;
    if raw.len() != head.raw_len {
        let (expected, found) = (head.raw_len, raw.len());
        let detail = format!("the delta has {found} bytes when decompressed, not {expected}");
        return Err(damaged(offset, detail));
    }
    Ok(raw)
}

fn name(code: usize) -> &'static str {
    zstd::zstd_safe::get_error_name(code)
}

/// Encodes a delta as a whole frame; `None` if it would not be smaller than its entries.
pub fn encode(
    references: &[Hash],
    prefix: &[u8],
    entries: &[(Kind, u32)],
    raw: &[u8],
) -> Result<Option<Vec<u8>>> {
    let too_large = || Error::Limit {
        what: "a delta".into(),
        limit: DELTA_LEN_MAX as u64,
        found: raw.len() as u64,
    };
    let Some(payload) = compress(prefix, raw) else { return Ok(None) };
    let mut body = Vec::with_capacity(4 + references.len() * HASH_LEN + payload.len());
    body.extend_from_slice(
        &u32::try_from(references.len()).map_err(|_| too_large())?.to_le_bytes(),
    );
    for reference in references {
        body.extend_from_slice(reference.as_bytes());
    }
    for (kind, len) in entries {
        let [a, b, c, _] = len.to_le_bytes();
        body.extend_from_slice(&[a, b, c, *kind as u8]);
    }
    body.extend_from_slice(&payload);
    if body.len() >= raw.len() {
        return Ok(None);
    }
    let mut header = FrameHeader::new(FrameKind::Delta, body.len() as u64);
    header.count = u32::try_from(entries.len()).map_err(|_| too_large())?.into();
    header.raw_len = u32::try_from(raw.len()).map_err(|_| too_large())?.into();
    let mut frame = Vec::with_capacity(FRAME_HEADER_LEN + body.len());
    frame.extend_from_slice(zerocopy::IntoBytes::as_bytes(&header.sealed([body.as_slice()])));
    frame.append(&mut body);
    Ok(Some(frame))
}

/// One zstd frame of `raw` with `prefix`; `None` if it does not shrink.
fn compress(prefix: &[u8], raw: &[u8]) -> Option<Vec<u8>> {
    let total = (prefix.len() + raw.len()).max(1 << 16);
    // The window must reach from the end of the entries to the start of the prefix, and the
    // tables must hold a position of it for each few bytes: the level's own are made for less.
    let window_log = (total.next_power_of_two().ilog2()).min(WINDOW_LOG_MAX);
    let table_log = window_log.saturating_sub(2).clamp(16, 22);
    let mut context = CCtx::create();
    let parameters = [
        CParameter::CompressionLevel(LEVEL),
        CParameter::WindowLog(window_log),
        CParameter::HashLog(table_log),
        CParameter::ChainLog(table_log),
        CParameter::Strategy(Strategy::ZSTD_dfast),
        CParameter::EnableLongDistanceMatching(total > 8 << 20),
        CParameter::ContentSizeFlag(false),
    ];
    for parameter in parameters {
        context.set_parameter(parameter).ok()?;
    }
    context.ref_prefix(prefix).ok()?;
    let mut payload = Vec::with_capacity(raw.len());
    match context.compress2(&mut payload, raw) {
        Ok(len) if len < raw.len() => Some(payload),
        // No room: it does not shrink.
        _ => None,
    }
}
