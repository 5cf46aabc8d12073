//! Which entries of which blocks a copy takes: blocks that are wanted whole are copied as they
//! are, of others the wanted entries are packed anew.

use std::collections::HashMap;

use crate::db::Reader;
use crate::error::{Error, Result};
use crate::graph::Bitmap;
use crate::hash::{Hash, Kind};
use crate::limits::CHUNK_BLOCK_LEN_TARGET;
use crate::monitor::Monitor;
use crate::pool::Queue;
use crate::store::{Place, RawBlock, ReadEntries, Receive, ViewEntries};

/// Blocks with fewer raw bytes than this are packed together rather than copied.
const VERBATIM_LEN_MIN: usize = CHUNK_BLOCK_LEN_TARGET / 2;

/// The wanted entries of one block: a bit for each ordinal.
#[derive(Default)]
struct Wanted {
    place: Option<Place>,
    ordinals: Vec<u64>,
    count: usize,
}

/// Collects wanted chunks, then copies them in the order in which their blocks were first met.
pub struct Repack {
    seen: Bitmap,
    blocks: Vec<Wanted>,
    by_block: HashMap<(u8, u64), usize>,
    chunks: u64,
}

impl Repack {
    /// No chunk is wanted yet of the store behind `reader`.
    pub fn new(reader: &Reader) -> Self {
        Repack {
            seen: Bitmap::new(reader.view().number_limit()),
            blocks: Vec::new(),
            by_block: HashMap::new(),
            chunks: 0,
        }
    }

    /// Number of chunks that are wanted.
    pub fn len(&self) -> u64 {
        self.chunks
    }

    /// Passes over the entry at `place` from now on.
    pub fn exclude(&mut self, place: &Place) {
        self.seen.insert(place.number);
    }

    /// Takes the chunk of this name out of what is to be copied: true if nobody had wanted or
    /// excluded it, so that the caller sees to it.
    pub fn take(&mut self, store: &dyn ReadEntries, hash: &Hash) -> Result<bool> {
        let Some(place) = store.locate(hash)? else {
            return missing(Kind::Chunk, hash).map(|()| false);
        };
        let new = self.seen.insert(place.number);
        self.chunks += u64::from(new);
        Ok(new)
    }

    /// Wants the chunk at `place`; true if it was not wanted before.
    pub fn want(&mut self, place: &Place) -> bool {
        if !self.seen.insert(place.number) {
            return false;
        }
        let blocks = &mut self.blocks;
        let index = *self.by_block.entry((place.layer, place.block)).or_insert_with(|| {
            blocks.push(Wanted { place: Some(*place), ..Wanted::default() });
            blocks.len() - 1
        });
        let wanted = &mut blocks[index];
        let (word, bit) = (usize::from(place.ordinal / 64), place.ordinal % 64);
        if wanted.ordinals.len() <= word {
            wanted.ordinals.resize(word + 1, 0);
        }
        wanted.ordinals[word] |= 1 << bit;
        wanted.count += 1;
        self.chunks += 1;
        true
    }

    /// Copies what is wanted to `out`. Blocks are read and checked by the pool.
    pub fn copy(self, reader: &Reader, out: &mut dyn Receive, monitor: &Monitor) -> Result<()> {
        let as_they_are = reader.pool().compression().is_usual();
        let mut under_way = Queue::new(reader.pool());
        for wanted in self.blocks {
            let view = reader.view().clone();
            under_way.submit(move || {
                let Some(place) = wanted.place else { return Ok(Copied::Entries(Vec::new())) };
                let block = view.raw_block(&place)?;
                select(block, &place, &wanted, as_they_are)
            });
            while let Some(copied) = under_way.surplus() {
                write(copied?, out, monitor)?;
            }
        }
        while let Some(copied) = under_way.take() {
            write(copied?, out, monitor)?;
        }
        Ok(())
    }
}

/// What of a block is copied.
enum Copied {
    Whole(Box<RawBlock>),
    Entries(Vec<(Hash, bytes::Bytes)>),
}

fn select(block: RawBlock, place: &Place, wanted: &Wanted, as_they_are: bool) -> Result<Copied> {
    let whole = as_they_are && wanted.count == block.head.entries.len();
    if whole && block.head.raw_len >= VERBATIM_LEN_MIN {
        return Ok(Copied::Whole(Box::new(block)));
    }
    let decoded = block.decode(place.block)?;
    let mut entries = Vec::with_capacity(wanted.count);
    for (ordinal, entry) in block.head.entries.iter().enumerate() {
        let bit =
            wanted.ordinals.get(ordinal / 64).is_some_and(|word| word & (1 << (ordinal % 64)) != 0);
        if bit {
            entries.push((entry.hash, decoded.verified(ordinal, place.block)?));
        }
    }
    Ok(Copied::Entries(entries))
}

fn write(copied: Copied, out: &mut dyn Receive, monitor: &Monitor) -> Result<()> {
    monitor.check()?;
    match copied {
        Copied::Whole(block) => {
            monitor.advance(0, block.head.raw_len as u64);
            out.receive_block(&block)
        }
        Copied::Entries(entries) => {
            for (hash, bytes) in entries {
                monitor.advance(0, bytes.len() as u64);
                out.receive(Kind::Chunk, hash, &bytes)?;
            }
            Ok(())
        }
    }
}

/// That an entry which a version reaches is nowhere is damage.
pub(super) fn missing(kind: Kind, hash: &Hash) -> Result<()> {
    let detail = format!("{} {hash} is missing", kind.name());
    Err(Error::damaged("the database", 0, detail))
}
