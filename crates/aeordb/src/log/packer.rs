//! Packs entries into blocks: entries of a class fill a buffer, full buffers are compressed and
//! hashed by the pool, and come out as whole frames in the order in which they were filled. The
//! order depends on the entries alone, so the same entries give the same bytes.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;

use crate::error::Result;
use crate::format::block::{self, Class, TableEntry};
use crate::format::{FrameHeader, first_u64};
use crate::hash::{Hash, Kind};
use crate::limits::{BLOCK_ENTRIES_MAX, CHUNK_BLOCK_LEN_TARGET, TREE_BLOCK_LEN_TARGET};
use crate::pool::Compression;
use crate::pool::{Pool, Queue};
use crate::store::RawBlock;

/// A block that is ready to be written.
pub struct Packed {
    /// The whole frame.
    pub frame: Bytes,
    /// What is in it.
    pub entries: Arc<Vec<TableEntry>>,
    /// The frame's hash.
    pub hash: [u8; 32],
}

impl Packed {
    /// First eight bytes of the frame's hash.
    pub fn tag(&self) -> u64 {
        first_u64(&self.hash)
    }
}

/// A block that is being filled or compressed.
#[derive(Default)]
struct Batch {
    entries: Arc<Vec<TableEntry>>,
    raw: Arc<Vec<u8>>,
}

/// Where an entry is that is not written yet.
#[derive(Clone, Copy)]
struct Waiting {
    batch: u64,
    start: usize,
    len: usize,
    kind: Kind,
}

/// The packer.
pub struct Packer {
    open: [(Class, u64, Batch); 2],
    /// Batches whose frames come, and their numbers.
    closed: VecDeque<(u64, Batch)>,
    frames: Queue<Result<Bytes>>,
    waiting: HashMap<Hash, Waiting>,
    batches: u64,
    compression: Compression,
}

impl Packer {
    /// An empty packer whose blocks `pool` compresses.
    pub fn new(pool: Arc<Pool>) -> Self {
        Packer {
            open: [(Class::Chunks, 0, Batch::default()), (Class::Tree, 1, Batch::default())],
            closed: VecDeque::new(),
            frames: Queue::new(&pool),
            waiting: HashMap::new(),
            batches: 2,
            compression: pool.compression(),
        }
    }

    /// True if everything that was pushed has come out.
    pub fn is_empty(&self) -> bool {
        self.closed.is_empty() && self.open.iter().all(|(_, _, batch)| batch.entries.is_empty())
    }

    /// True if the entry is here and not written yet.
    pub fn contains(&self, hash: &Hash) -> bool {
        self.waiting.contains_key(hash)
    }

    /// The encoding of an entry that is not written yet, and its kind.
    pub fn get(&self, hash: &Hash) -> Option<(Kind, Bytes)> {
        let waiting = self.waiting.get(hash)?;
        let raw = self
            .open
            .iter()
            .find(|(_, number, _)| *number == waiting.batch)
            .map(|(_, _, batch)| &batch.raw)
            .or_else(|| {
                let closed = self.closed.iter().find(|(number, _)| *number == waiting.batch);
                closed.map(|(_, batch)| &batch.raw)
            })?;
        let bytes = raw.get(waiting.start..waiting.start + waiting.len)?;
        Some((waiting.kind, Bytes::copy_from_slice(bytes)))
    }

    /// Adds an entry that is not here yet. Frames that are ready come out by [`Packer::next`].
    pub fn push(&mut self, kind: Kind, hash: Hash, encoding: &[u8]) {
        let class = Class::of(kind);
        let (index, target) = match class {
            Class::Chunks => (0, CHUNK_BLOCK_LEN_TARGET),
            Class::Tree => (1, TREE_BLOCK_LEN_TARGET),
        };
        let full = {
            let (_, _, batch) = &self.open[index];
            batch.entries.len() == BLOCK_ENTRIES_MAX
                || (!batch.raw.is_empty() && batch.raw.len() + encoding.len() > target)
        };
        if full {
            self.close(index);
        }
        let (_, number, batch) = &mut self.open[index];
        let start = batch.raw.len();
        self.waiting.insert(hash, Waiting { batch: *number, start, len: encoding.len(), kind });
        let raw = Arc::make_mut(&mut batch.raw);
        if raw.capacity() == 0 && encoding.len() > 4096 {
            raw.reserve_exact(target);
        }
        raw.extend_from_slice(encoding);
        #[expect(clippy::cast_possible_truncation, reason = "an entry is at most 1 MiB")]
        let len = encoding.len() as u32;
        Arc::make_mut(&mut batch.entries).push(TableEntry { hash, kind, len });
    }

    fn close(&mut self, index: usize) {
        let (class, number, batch) = &mut self.open[index];
        if batch.entries.is_empty() {
            return;
        }
        let batch = std::mem::take(batch);
        let class = *class;
        let (entries, raw) = (batch.entries.clone(), batch.raw.clone());
        let compression = self.compression;
        self.frames
            .submit(move || block::encode(class, &entries, &raw, compression).map(Bytes::from));
        self.closed.push_back((*number, batch));
        *number = self.batches;
        self.batches += 1;
    }

    /// Closes the blocks that are being filled, nodes first.
    pub fn close_all(&mut self) {
        self.close(1);
        self.close(0);
    }

    /// Adds a block that is copied as it is; its entries are not here yet.
    pub fn push_block(&mut self, block: &RawBlock) {
        let entries = Arc::new(block.head.entries.clone());
        let batch = Batch { entries, raw: Arc::default() };
        self.frames.push(Ok(block.frame.clone()));
        self.closed.push_back((self.batches, batch));
        self.batches += 1;
    }

    /// The next frame to write, if more are under way than the pool needs. With `all`, every frame
    /// under way is waited for.
    pub fn next(&mut self, all: bool) -> Option<Result<Packed>> {
        let frame = if all { self.frames.take() } else { self.frames.surplus() }?;
        let (_, batch) = self.closed.pop_front()?;
        Some(frame.map(|frame| {
            let hash = FrameHeader::parse(&frame).map(|header| header.hash).unwrap_or_default();
            Packed { frame, entries: batch.entries, hash }
        }))
    }

    /// Says that the entries of a frame have been written and are found elsewhere from now on.
    pub fn written(&mut self, packed: &Packed) {
        for entry in packed.entries.iter() {
            self.waiting.remove(&entry.hash);
        }
    }
}
