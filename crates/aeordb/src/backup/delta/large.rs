//! Large files: slices of new chunks, each against the part of the old file around the same
//! place. A place is found by the chunks that both files have, so that it moves along with content
//! that was shifted.

use std::collections::HashMap;

use crate::backup::delta::{Deltas, Piece};
use crate::backup::repack::Repack;
use crate::error::Result;
use crate::hash::{Hash, Kind};
use crate::log::sealed::SealedWriter;
use crate::object::{FileRecord, ListReader};
use crate::store::ReadEntries;

/// Raw bytes of a slice.
const SLICE_LEN: u64 = 4 * 1024 * 1024;
/// How far around a place the references of a slice reach.
const SLACK: u64 = 2 * 1024 * 1024;
/// Most bytes that a slice refers to.
const PREFIX_LEN_MAX: u64 = 4 * SLICE_LEN;
/// Chunks of the old file that are remembered to find places by.
const ANCHORS_MAX: u64 = 256 * 1024;

/// Adds the chunks of a changed large file that are not in `chunks` yet.
pub(super) fn file(
    deltas: &mut Deltas<'_>,
    out: &mut SealedWriter<'_>,
    chunks: &mut Repack,
    old: &FileRecord,
    new: &FileRecord,
) -> Result<()> {
    let view = deltas.reader.view();
    let anchors = anchors(view, old)?;
    // What is at `place.0` of the new file was at `place.1` of the old one.
    let mut place: Option<(u64, u64)> = None;
    let mut slice = Slice::new();
    for chunk in ListReader::new(view, &new.content, new.size, 0)? {
        deltas.monitor.check()?;
        let (start, chunk) = chunk?;
        let len = u64::from(chunk.len);
        if let Some(at) = anchors.get(&chunk.id.0) {
            place = Some((start, *at));
        }
        if !chunks.take(view, &chunk.id.0)? {
            continue;
        }
        if slice.piece.raw_len + len > SLICE_LEN || slice.is_far_from(start) {
            let full = std::mem::replace(&mut slice, Slice::new());
            deltas.piece(out, full.with_references(view, old)?)?;
        }
        let expected = match place {
            Some((new_at, old_at)) => old_at + (start - new_at),
            None => scale(start, old.size, new.size),
        };
        slice.add(chunk.id.0, start, len, expected);
    }
    deltas.piece(out, slice.with_references(view, old)?)
}

/// New chunks that lie together, and where the old file had that part.
struct Slice {
    piece: Piece,
    end: u64,
    old_start: u64,
    old_end: u64,
}

impl Slice {
    fn new() -> Self {
        Slice { piece: Piece::new(Kind::Chunk), end: 0, old_start: 0, old_end: 0 }
    }

    /// References in the middle of nowhere cost time and help nobody.
    fn is_far_from(&self, start: u64) -> bool {
        !self.piece.entries.is_empty() && start > self.end + SLICE_LEN
    }

    fn add(&mut self, hash: Hash, start: u64, len: u64, expected: u64) {
        if self.piece.entries.is_empty() {
            self.old_start = expected;
            self.old_end = expected;
        }
        self.old_start = self.old_start.min(expected);
        self.old_end = self.old_end.max(expected + len);
        self.end = start + len;
        self.piece.add(hash, len);
    }

    fn with_references(mut self, view: &impl ReadEntries, old: &FileRecord) -> Result<Piece> {
        if self.piece.entries.is_empty() {
            return Ok(self.piece);
        }
        let from = self.old_start.saturating_sub(SLACK);
        let to = self.old_end.saturating_add(SLACK);
        for chunk in ListReader::new(view, &old.content, old.size, from)? {
            let (start, chunk) = chunk?;
            if start >= to || self.piece.prefix_len >= PREFIX_LEN_MAX {
                break;
            }
            self.piece.refer(chunk.id.0, chunk.len.into());
        }
        Ok(self.piece)
    }
}

/// Where the old file has each of its chunks; empty if there are too many of them.
fn anchors(view: &impl ReadEntries, old: &FileRecord) -> Result<HashMap<Hash, u64>> {
    let mut anchors = HashMap::new();
    if old.content.chunks() <= ANCHORS_MAX {
        for chunk in ListReader::new(view, &old.content, old.size, 0)? {
            let (start, chunk) = chunk?;
            anchors.insert(chunk.id.0, start);
        }
    }
    Ok(anchors)
}

/// The place in the old file that is as far through it as `at` is through the new one.
fn scale(at: u64, old_size: u64, new_size: u64) -> u64 {
    let scaled = u128::from(at) * u128::from(old_size) / u128::from(new_size.max(1));
    u64::try_from(scaled).unwrap_or(old_size)
}
