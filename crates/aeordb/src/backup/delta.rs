//! Deltas of a patch: what changed is compressed against what it was, in batches, by the crew.
//!
//! The references of a file's new chunks are the chunks that its path had: all of them for a file
//! of ordinary size, those around the same place for a large one. A place is found by the chunks
//! that both have, so that it moves along with content that was shifted.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;

use crate::backup::live::LiveChunks;
use crate::crew::{Crew, Ticket};
use crate::db::Reader;
use crate::error::Result;
use crate::format::{compression, delta};
use crate::hash::{Hash, Kind};
use crate::log::View;
use crate::log::sealed::SealedWriter;
use crate::object::{FileRecord, ListReader};
use crate::store::ReadEntries;
use crate::watch::Watch;

/// Raw bytes after which a batch of small files or nodes is closed.
const BATCH_LEN_TARGET: u64 = 2 * 1024 * 1024;
/// A file up to this size is referred to as a whole.
const WHOLE_LEN_MAX: u64 = 4 * 1024 * 1024;
/// Raw bytes of one delta of a larger file.
const SLICE_LEN: u64 = 8 * 1024 * 1024;
/// How far around a place the references of a slice reach.
const SLACK: u64 = 6 * 1024 * 1024;
/// Chunks of the old file that are remembered to find places by.
const ANCHORS_MAX: u64 = 256 * 1024;
/// Raw and reference bytes that may be under way.
const UNDER_WAY_LEN_MAX: u64 = 48 * 1024 * 1024;
/// A delta that is larger than this part of its entries is held against plain compression.
const DOUBTFUL_PERCENT: usize = 60;

/// Entries and what they are compressed against.
#[derive(Default)]
struct Batch {
    references: Vec<(Kind, Hash)>,
    entries: Vec<(Kind, Hash, Option<Bytes>)>,
    prefix_len: u64,
    raw_len: u64,
}

impl Batch {
    fn refer(&mut self, kind: Kind, hash: Hash, len: u64) {
        self.references.push((kind, hash));
        self.prefix_len += len;
    }

    fn add(&mut self, kind: Kind, hash: Hash, len: u64, bytes: Option<Bytes>) {
        self.entries.push((kind, hash, bytes));
        self.raw_len += len;
    }
}

enum Outcome {
    Delta(Vec<u8>, Vec<(Kind, u32)>),
    Plain(Vec<(Kind, Hash, Bytes)>),
}

/// Collects batches, has the crew encode them and writes them in order.
pub struct Deltas<'r> {
    reader: &'r Reader,
    watch: &'r Watch,
    crew: Arc<Crew>,
    nodes: Batch,
    files: Batch,
    under_way: VecDeque<(u64, Ticket<Result<Outcome>>)>,
    under_way_len: u64,
}

impl<'r> Deltas<'r> {
    /// No deltas yet.
    pub fn new(reader: &'r Reader, watch: &'r Watch) -> Self {
        Deltas {
            reader,
            watch,
            crew: reader.crew().clone(),
            nodes: Batch::default(),
            files: Batch::default(),
            under_way: VecDeque::new(),
            under_way_len: 0,
        }
    }

    /// Adds a tree node; `near` is the node that it takes the place of.
    pub fn node(
        &mut self,
        out: &mut SealedWriter<'_>,
        kind: Kind,
        hash: Hash,
        bytes: &Bytes,
        near: Option<Hash>,
    ) -> Result<()> {
        let Some(near) = near else { return out.push(kind, hash, bytes) };
        // Neighbours may have taken the place of the same node.
        if self.nodes.references.last() != Some(&(kind, near)) {
            self.nodes.refer(kind, near, bytes.len() as u64);
        }
        self.nodes.add(kind, hash, bytes.len() as u64, Some(bytes.clone()));
        if self.nodes.raw_len >= BATCH_LEN_TARGET {
            let batch = std::mem::take(&mut self.nodes);
            self.submit(out, batch)?;
        }
        Ok(())
    }

    /// Adds the chunks of a changed file that are not in `chunks` yet.
    pub fn file(
        &mut self,
        out: &mut SealedWriter<'_>,
        chunks: &mut LiveChunks,
        old: &FileRecord,
        new: &FileRecord,
    ) -> Result<()> {
        if old.size <= WHOLE_LEN_MAX && new.size <= WHOLE_LEN_MAX {
            self.small_file(out, chunks, old, new)
        } else {
            self.large_file(out, chunks, old, new)
        }
    }

    fn small_file(
        &mut self,
        out: &mut SealedWriter<'_>,
        chunks: &mut LiveChunks,
        old: &FileRecord,
        new: &FileRecord,
    ) -> Result<()> {
        let view = self.reader.view();
        let before = self.files.entries.len();
        for chunk in ListReader::new(view, &new.content, new.size, 0)? {
            let (_, chunk) = chunk?;
            if chunks.take(view, &chunk.id.0)? {
                self.files.add(Kind::Chunk, chunk.id.0, chunk.len.into(), None);
            }
        }
        if self.files.entries.len() > before {
            for chunk in ListReader::new(view, &old.content, old.size, 0)? {
                let (_, chunk) = chunk?;
                self.files.refer(Kind::Chunk, chunk.id.0, chunk.len.into());
            }
        }
        if self.files.raw_len >= BATCH_LEN_TARGET {
            let batch = std::mem::take(&mut self.files);
            self.submit(out, batch)?;
        }
        Ok(())
    }

    fn large_file(
        &mut self,
        out: &mut SealedWriter<'_>,
        chunks: &mut LiveChunks,
        old: &FileRecord,
        new: &FileRecord,
    ) -> Result<()> {
        let reader = self.reader;
        let view = reader.view();
        let anchors = anchors(view, old)?;
        // What is at `place.0` of the new file was at `place.1` of the old one.
        let mut place: Option<(u64, u64)> = None;
        let mut slice = Slice::default();
        for chunk in ListReader::new(view, &new.content, new.size, 0)? {
            let (start, chunk) = chunk?;
            let len = u64::from(chunk.len);
            if let Some(at) = anchors.get(&chunk.id.0) {
                place = Some((start, *at));
            }
            if !chunks.take(view, &chunk.id.0)? {
                continue;
            }
            if slice.batch.raw_len + len > SLICE_LEN || slice.is_far_from(start) {
                self.submit_slice(out, std::mem::take(&mut slice), old)?;
            }
            let expected = match place {
                Some((new_at, old_at)) => old_at + (start - new_at),
                None => scale(start, old.size, new.size),
            };
            slice.add(start, len, expected);
            slice.batch.add(Kind::Chunk, chunk.id.0, len, None);
        }
        self.submit_slice(out, slice, old)
    }

    fn submit_slice(
        &mut self,
        out: &mut SealedWriter<'_>,
        mut slice: Slice,
        old: &FileRecord,
    ) -> Result<()> {
        if slice.batch.entries.is_empty() {
            return Ok(());
        }
        let from = slice.old_start.saturating_sub(SLACK);
        let to = slice.old_end.saturating_add(SLACK);
        for chunk in ListReader::new(self.reader.view(), &old.content, old.size, from)? {
            let (start, chunk) = chunk?;
            if start >= to || slice.batch.prefix_len >= 4 * SLICE_LEN {
                break;
            }
            slice.batch.refer(Kind::Chunk, chunk.id.0, chunk.len.into());
        }
        self.submit(out, slice.batch)
    }

    fn submit(&mut self, out: &mut SealedWriter<'_>, batch: Batch) -> Result<()> {
        self.watch.check()?;
        let len = batch.prefix_len + batch.raw_len;
        while !self.under_way.is_empty()
            && (self.under_way_len + len > UNDER_WAY_LEN_MAX
                || self.under_way.len() > self.crew.depth())
        {
            self.write_next(out)?;
        }
        let view = self.reader.view().clone();
        self.under_way.push_back((len, self.crew.submit(move || encode(&view, batch))));
        self.under_way_len += len;
        Ok(())
    }

    fn write_next(&mut self, out: &mut SealedWriter<'_>) -> Result<()> {
        let Some((len, ticket)) = self.under_way.pop_front() else { return Ok(()) };
        self.under_way_len -= len;
        match ticket.wait()? {
            Outcome::Delta(frame, entries) => {
                let raw: u64 = entries.iter().map(|(_, len)| u64::from(*len)).sum();
                self.watch.advance(0, raw);
                out.push_delta(&frame, &entries)
            }
            Outcome::Plain(entries) => {
                for (kind, hash, bytes) in entries {
                    self.watch.advance(0, bytes.len() as u64);
                    out.push(kind, hash, &bytes)?;
                }
                Ok(())
            }
        }
    }

    /// Writes what is left.
    pub fn finish(mut self, out: &mut SealedWriter<'_>) -> Result<()> {
        for batch in [std::mem::take(&mut self.nodes), std::mem::take(&mut self.files)] {
            if !batch.entries.is_empty() {
                self.submit(out, batch)?;
            }
        }
        while !self.under_way.is_empty() {
            self.write_next(out)?;
        }
        Ok(())
    }
}

/// New chunks of a large file that lie together, and where the old file had that part.
#[derive(Default)]
struct Slice {
    batch: Batch,
    end: u64,
    old_start: u64,
    old_end: u64,
}

impl Slice {
    /// References in the middle of nowhere cost time and help nobody.
    fn is_far_from(&self, start: u64) -> bool {
        !self.batch.entries.is_empty() && start > self.end + SLICE_LEN
    }

    fn add(&mut self, start: u64, len: u64, expected: u64) {
        if self.batch.entries.is_empty() {
            self.old_start = expected;
            self.old_end = expected;
        }
        self.old_start = self.old_start.min(expected);
        self.old_end = self.old_end.max(expected + len);
        self.end = start + len;
    }
}

/// Where the old file has each of its chunks; empty if there are too many of them.
fn anchors(view: &View, old: &FileRecord) -> Result<HashMap<Hash, u64>> {
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

fn encode(view: &View, batch: Batch) -> Result<Outcome> {
    let mut prefix = Vec::with_capacity(usize::try_from(batch.prefix_len).unwrap_or(0));
    let mut references = Vec::with_capacity(batch.references.len());
    for (kind, hash) in batch.references {
        prefix.extend_from_slice(&view.read(kind, &hash)?);
        references.push(hash);
    }
    let mut raw = Vec::with_capacity(usize::try_from(batch.raw_len).unwrap_or(0));
    let mut entries = Vec::with_capacity(batch.entries.len());
    let mut lens = Vec::with_capacity(batch.entries.len());
    for (kind, hash, bytes) in batch.entries {
        let bytes = match bytes {
            Some(bytes) => bytes,
            None => view.read(kind, &hash)?,
        };
        raw.extend_from_slice(&bytes);
        #[expect(clippy::cast_possible_truncation, reason = "an entry is at most 1 MiB")]
        lens.push((kind, bytes.len() as u32));
        entries.push((kind, hash, bytes));
    }
    let Some(frame) = delta::encode(&references, &prefix, &lens, &raw)? else {
        return Ok(Outcome::Plain(entries));
    };
    if frame.len() * 100 > raw.len() * DOUBTFUL_PERCENT {
        let mut plain = Vec::new();
        let shrunk = compression::compress(&raw, &mut plain)?;
        if shrunk && plain.len() <= frame.len() {
            return Ok(Outcome::Plain(entries));
        }
    }
    Ok(Outcome::Delta(frame, lens))
}
