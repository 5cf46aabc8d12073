//! What is left of a block that does not have its hash: each entry has a name of its own.

use bytes::Bytes;

use crate::error::{Error, Result};
use crate::format::block::{self, BlockHead, Class, Codec, TABLE_ENTRY_LEN};
use crate::format::{FRAME_HEADER_LEN, FrameHeader};
use crate::hash::{HASH_LEN, Hash, Kind};
use crate::limits::{BLOCK_LEN_MAX, ENTRY_LEN_MAX};
use crate::log::source::Source;

/// Bytes of a disk that are lost together.
pub const SECTOR: u64 = 4096;

/// Bytes of a block that are hashed to find its entries: lengths that are broken could ask for more.
const HASHED_MAX: usize = 16 * BLOCK_LEN_MAX;

/// The entries of the block at `at` that are sound, as far as it decompresses.
pub fn rest_of(source: &Source, at: u64, header: &FrameHeader) -> Result<Vec<(Kind, Hash, Bytes)>> {
    let table_len = block::check_header(at, header)?;
    // Bounded by the limits that the header was held against.
    let len = usize::try_from(header.body_len.get()).unwrap_or(usize::MAX);
    let body = readable(source, at + FRAME_HEADER_LEN as u64, len);
    let parts = body.split_at_checked(table_len).and_then(|(table, payload)| {
        let names = table_len / TABLE_ENTRY_LEN * HASH_LEN;
        table.split_at_checked(names).map(|(names, lengths)| (names, lengths, payload))
    });
    let Some((names, lengths, payload)) = parts else { return Ok(Vec::new()) };
    let raw = payload_of(at, header, payload);
    let raw_len = header.raw_len.get() as usize;
    let lengths = lengths.as_chunks::<4>().0.iter();
    let lengths: Vec<usize> =
        lengths.map(|[a, b, c, _]| u32::from_le_bytes([*a, *b, *c, 0]) as usize).collect();
    let starts = from_the_front(&lengths).zip(from_the_back(&lengths, raw_len));
    let names = names.as_chunks::<HASH_LEN>().0.iter().map(|name| Hash::new(*name));
    let mut hashed: usize = 0;
    let found = names.zip(&lengths).zip(starts).filter_map(|((name, len), (front, back))| {
        // A length may be what is broken: then entries before it are counted from the front and
        // those behind it from the back, and it is what lies between.
        let places = [Some(front..front + len), back.clone(), back.map(|back| front..back.end)];
        places.into_iter().flatten().find_map(|place| {
            let bytes = raw.get(place.clone()).filter(|bytes| bytes.len() <= ENTRY_LEN_MAX)?;
            hashed += bytes.len();
            if hashed > HASHED_MAX {
                return None;
            }
            named(&name, bytes).map(|(kind, name)| (kind, name, raw.slice(place)))
        })
    });
    Ok(found.collect())
}

/// Bytes of the file, with zeros where the disk does not read.
fn readable(source: &Source, at: u64, len: usize) -> Vec<u8> {
    if let Ok(bytes) = source.bytes(at, len) {
        return bytes;
    }
    let mut bytes = vec![0; len];
    let (mut rest, mut from) = (bytes.as_mut_slice(), at);
    while !rest.is_empty() {
        let to_border = usize::try_from(SECTOR - from % SECTOR).unwrap_or(rest.len());
        let (sector, behind) = rest.split_at_mut(to_border.min(rest.len()));
        if source.media().read_at(sector, from).is_err() {
            sector.fill(0);
        }
        from += sector.len() as u64;
        rest = behind;
    }
    bytes
}

fn from_the_front(lengths: &[usize]) -> impl Iterator<Item = usize> {
    lengths.iter().scan(0, |end, len| {
        let start = *end;
        *end += len;
        Some(start)
    })
}

/// Where entries stand if they end where the block does.
fn from_the_back(
    lengths: &[usize],
    raw_len: usize,
) -> impl Iterator<Item = Option<std::ops::Range<usize>>> {
    let mut left: usize = lengths.iter().sum();
    lengths.iter().map(move |len| {
        left -= len;
        let end = raw_len.checked_sub(left)?;
        Some(end.saturating_sub(*len)..end)
    })
}

/// The kind of bytes that have a name; also the name, if one bit of it is flipped.
fn named(name: &Hash, bytes: &[u8]) -> Option<(Kind, Hash)> {
    Kind::ALL.into_iter().find_map(|kind| {
        let found = kind.hash(bytes);
        let pairs = found.as_bytes().iter().zip(name.as_bytes());
        let flipped: u32 = pairs.map(|(a, b)| (a ^ b).count_ones()).sum();
        (flipped <= 1).then_some((kind, found))
    })
}

/// The payload of a block as far as it decompresses.
fn payload_of(at: u64, header: &FrameHeader, payload: &[u8]) -> Bytes {
    let codec = match header.codec {
        codec if codec == Codec::Raw as u8 => return Bytes::copy_from_slice(payload),
        codec if codec == Codec::Zstd as u8 => Codec::Zstd,
        _ => return Bytes::new(),
    };
    let raw_len = header.raw_len.get() as usize;
    let head = BlockHead { codec, class: Class::Chunks, raw_len, entries: Vec::new() };
    let part = |len| block::decode_part(at, &head, payload, 0..len);
    // Halving: what comes before an end that is reached is reached as well.
    let (mut reached, mut beyond) = (0, raw_len + 1);
    while beyond - reached > 1 {
        let tried = reached + (beyond - reached) / 2;
        match part(tried) {
            Ok(_) => reached = tried,
            Err(_) => beyond = tried,
        }
    }
    part(reached).map(Bytes::from).unwrap_or_else(|_: Error| Bytes::new())
}
