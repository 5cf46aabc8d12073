//! Deltas of a patch: what changed is compressed against what it was, in groups, by the pool.
//!
//! A group holds directory nodes and the files below them that changed. A file's new chunks refer
//! to the chunks that its path had: to all of them where the file has an ordinary size, to those
//! around the same place where it is large.

mod decode;
mod encode;
mod group;
mod large;
mod predecessor;

use std::sync::Arc;

use bytes::Bytes;

pub use decode::{Decoded, decode};
pub use predecessor::Predecessors;

use crate::backup::delta::encode::Encoded;
use crate::backup::delta::group::{DeltaGroup, DeltaNode, Piece};
use crate::backup::repack::Repack;
use crate::db::Reader;
use crate::error::Result;
use crate::hash::{Hash, Kind};
use crate::log::sealed::SealedWriter;
use crate::monitor::Monitor;
use crate::object::{FileRecord, ListReader};
use crate::pool::{Pool, Queue};
use crate::store::ReadEntries;

/// Raw bytes of files after which a group is closed.
const FILES_LEN_TARGET: u64 = 2 * 1024 * 1024;
/// Raw bytes of nodes after which a group is closed.
const NODES_LEN_TARGET: usize = 256 * 1024;
/// A file up to this size is referred to as a whole.
const WHOLE_LEN_MAX: u64 = 4 * 1024 * 1024;
/// Raw and reference bytes that may be under way.
const UNDER_WAY_LEN_MAX: u64 = 28 * 1024 * 1024;

/// Collects groups, has the pool encode them and writes them in order.
pub struct Deltas<'r> {
    reader: &'r Reader,
    monitor: &'r Monitor,
    pool: Arc<Pool>,
    group: DeltaGroup,
    under_way: Queue<Result<Encoded>>,
}

impl<'r> Deltas<'r> {
    /// No deltas yet.
    pub fn new(reader: &'r Reader, monitor: &'r Monitor) -> Self {
        Deltas {
            reader,
            monitor,
            pool: reader.pool().clone(),
            group: DeltaGroup::default(),
            under_way: Queue::new(reader.pool()),
        }
    }

    /// Adds a directory node; `near` is the node whose place it takes.
    pub fn node(
        &mut self,
        out: &mut SealedWriter<'_>,
        hash: Hash,
        bytes: &Bytes,
        near: Option<Hash>,
    ) -> Result<()> {
        let Some(near) = near else { return out.push(Kind::Directory, hash, bytes) };
        if self.group.nodes_len + bytes.len() > NODES_LEN_TARGET {
            let group = std::mem::take(&mut self.group);
            self.submit(out, group)?;
        }
        self.group.push_node(DeltaNode { hash, bytes: bytes.clone(), near });
        Ok(())
    }

    /// Adds the chunks of a changed file that are not in `chunks` yet.
    pub fn file(
        &mut self,
        out: &mut SealedWriter<'_>,
        chunks: &mut Repack,
        old: &FileRecord,
        new: &FileRecord,
    ) -> Result<()> {
        if old.size <= WHOLE_LEN_MAX && new.size <= WHOLE_LEN_MAX {
            self.small_file(out, chunks, old, new)
        } else {
            large::file(self, out, chunks, old, new)
        }
    }

    fn small_file(
        &mut self,
        out: &mut SealedWriter<'_>,
        chunks: &mut Repack,
        old: &FileRecord,
        new: &FileRecord,
    ) -> Result<()> {
        let view = self.reader.view();
        let mut piece = Piece::new(Kind::Chunk);
        for chunk in ListReader::new(view, &new.content, new.size, 0)? {
            let (_, chunk) = chunk?;
            if chunks.take(view, &chunk.id.0)? {
                piece.add(chunk.id.0, chunk.len.into());
            }
        }
        if piece.entries.is_empty() {
            return Ok(());
        }
        for chunk in ListReader::new(view, &old.content, old.size, 0)? {
            let (_, chunk) = chunk?;
            piece.refer(chunk.id.0, chunk.len.into());
        }
        self.piece(out, piece)
    }

    fn piece(&mut self, out: &mut SealedWriter<'_>, piece: Piece) -> Result<()> {
        if piece.entries.is_empty() {
            return Ok(());
        }
        self.group.push_piece(piece);
        if self.group.raw_len < FILES_LEN_TARGET {
            return Ok(());
        }
        // The last node goes with what else changed below it, whose names it holds; what is here
        // already needs its names to be in the context.
        let last = self.group.nodes.pop();
        let group = std::mem::take(&mut self.group);
        self.submit(out, group)?;
        if let Some(node) = last {
            self.group.push_node(node);
        }
        Ok(())
    }

    fn submit(&mut self, out: &mut SealedWriter<'_>, group: DeltaGroup) -> Result<()> {
        self.monitor.check()?;
        if group.nodes.is_empty() && group.pieces.is_empty() {
            return Ok(());
        }
        let len = group.prefix_len + group.raw_len;
        let room = UNDER_WAY_LEN_MAX.saturating_sub(len);
        while let Some(encoded) = self.under_way.surplus_over(self.pool.depth(), room) {
            self.write(encoded?, out)?;
        }
        // A patch of one group would keep one worker busy alone: another reads ahead for it.
        let alone = self.under_way.is_empty() && self.pool.workers() > 1;
        let ahead = if alone { group.last_references() } else { Vec::new() };
        let view = self.reader.view().clone();
        self.under_way.submit_sized(len, move || encode::encode(&view, group));
        self.read_ahead(ahead);
        Ok(())
    }

    /// Has the pool decode the blocks of these entries, so that they are at hand.
    fn read_ahead(&self, entries: Vec<(Kind, Hash)>) {
        if entries.is_empty() {
            return;
        }
        let view = self.reader.view().clone();
        drop(self.pool.submit(move || {
            for (kind, hash) in entries {
                // An error comes up where the bytes are wanted.
                let _ = view.read(kind, &hash);
            }
        }));
    }

    fn write(&self, encoded: Encoded, out: &mut SealedWriter<'_>) -> Result<()> {
        if let Some(frame) = &encoded.frame {
            let raw = encoded.kept.iter().map(|(_, len)| u64::from(*len)).sum();
            self.monitor.advance(0, raw);
            out.push_delta(frame, &encoded.kept)?;
        }
        for (kind, hash, bytes) in encoded.plain {
            self.monitor.advance(0, bytes.len() as u64);
            out.push(kind, hash, &bytes)?;
        }
        Ok(())
    }

    /// Writes what is left.
    pub fn finish(mut self, out: &mut SealedWriter<'_>) -> Result<()> {
        let group = std::mem::take(&mut self.group);
        self.submit(out, group)?;
        while let Some(encoded) = self.under_way.take() {
            self.write(encoded?, out)?;
        }
        Ok(())
    }
}
