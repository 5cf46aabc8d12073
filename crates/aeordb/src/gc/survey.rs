//! Which blocks living entries are in, and what is void once only they count.

use std::collections::BTreeMap;

use crate::error::Result;
use crate::format::block;
use crate::format::checkpoint::VoidRef;
use crate::format::superblock::DATABASE_START;
use crate::gc::GcReport;
use crate::hash::Hash;
use crate::limits::RECENT_ENTRIES_MAX;
use crate::log::appender::Appender;
use crate::log::index::Index;
use crate::log::source::Source;
use crate::store::{Bitmap, Place};
use crate::watch::Watch;

/// A block is mostly dead if less than one part in so many of its bytes lives.
const LIVING_PART: u64 = 2;

/// What is known of a block with living entries.
#[derive(Clone, Copy, Default)]
struct Use {
    /// Bytes of its frame.
    frame_len: u64,
    /// Entries in it, and those that live.
    entries: u64,
    living: u64,
    /// Bytes of its entries before compression, and of those that live.
    raw: u64,
    raw_living: u64,
}

impl Use {
    /// Moving what lives costs less than it frees.
    fn is_sparse(&self) -> bool {
        self.raw_living * LIVING_PART < self.raw
    }
}

/// The blocks with living entries.
pub struct Survey {
    live: Bitmap,
    blocks: BTreeMap<u64, Use>,
    entries_collected: u64,
}

impl Survey {
    /// Looks at every entry of the index; the numbers of those that live are in `live`.
    pub fn new(index: &Index, source: &Source, live: Bitmap, watch: &Watch) -> Result<Self> {
        let mut survey = Survey { live, blocks: BTreeMap::new(), entries_collected: 0 };
        for record in index.all_records() {
            watch.check()?;
            let record = record?;
            if survey.lives(index, &Hash::new(record.hash))?.is_some() {
                survey.blocks.entry(record.block_offset()).or_default().living += 1;
            } else {
                survey.entries_collected += 1;
            }
        }
        let mut blocks = std::mem::take(&mut survey.blocks);
        let mut surveyed = DATABASE_START;
        for (at, block) in &mut blocks {
            watch.check()?;
            survey.measure(index, source, *at, block)?;
            // What lies between them is known to be void so.
            let end = at + block.frame_len;
            watch.advance(0, end.saturating_sub(surveyed));
            surveyed = end;
        }
        survey.blocks = blocks;
        Ok(survey)
    }

    fn lives(&self, index: &Index, hash: &Hash) -> Result<Option<Place>> {
        Ok(index.locate(hash)?.filter(|place| self.live.contains(place.number)))
    }

    /// A block of which everything lives is known by its header alone.
    fn measure(&self, index: &Index, source: &Source, at: u64, block: &mut Use) -> Result<()> {
        let header = source
            .header(at)?
            .ok_or_else(|| source.damaged(at, "expected a block, found no frame"))?;
        source.named(block::check_header(at, &header))?;
        block.frame_len = header.frame_len();
        block.entries = header.count.get().into();
        block.raw = header.raw_len.get().into();
        block.raw_living = block.raw;
        if block.living < block.entries {
            block.raw_living = 0;
            let table = source.table(at, &header)?;
            for (entry, ordinal) in table.entries.iter().zip(0u16..) {
                let here = |place: &Place| (place.block, place.ordinal) == (at, ordinal);
                if self.lives(index, &entry.hash)?.as_ref().is_some_and(here) {
                    block.raw_living += u64::from(entry.len);
                }
            }
        }
        Ok(())
    }

    /// Numbers of the entries that live.
    pub fn live(&self) -> &Bitmap {
        &self.live
    }

    /// Blocks that are mostly dead.
    pub fn sparse(&self) -> impl Iterator<Item = u64> + '_ {
        self.blocks.iter().filter(|(_, block)| block.is_sparse()).map(|(at, _)| *at)
    }

    /// What was found.
    pub fn report(&self) -> GcReport {
        GcReport {
            entries_live: self.blocks.values().map(|block| block.living).sum(),
            bytes_live: self.blocks.values().map(|block| block.frame_len).sum(),
            entries_collected: self.entries_collected,
            ..GcReport::default()
        }
    }

    /// Bytes that blocks with living entries will have in a file that ends at `end`, and those that
    /// will be void.
    pub fn foreseen(&self, index: &Index, end: u64, raw_max: u64) -> (u64, u64) {
        let (mut emptied, mut again) = (0, 0);
        for (_, block) in self.moved(index, raw_max) {
            emptied += block.frame_len;
            again += block.frame_len * block.raw_living / block.raw.max(1);
        }
        let frames: u64 = self.blocks.values().map(|block| block.frame_len).sum();
        let kept = frames - emptied;
        (kept + again, end.saturating_sub(DATABASE_START).saturating_sub(kept))
    }

    /// About how many bytes the living entries take once nothing else is in their blocks.
    pub fn packed(&self) -> u64 {
        self.blocks
            .values()
            .map(|block| block.frame_len * block.raw_living / block.raw.max(1))
            .sum()
    }

    /// The mostly dead blocks whose living entries one collection moves: `raw_max` bytes of them
    /// at most, and no more entries than the index holds in memory.
    fn moved(&self, index: &Index, raw_max: u64) -> impl Iterator<Item = (u64, &Use)> {
        let mut room = RECENT_ENTRIES_MAX.saturating_sub(index.recent_len()) as u64;
        let mut moved = 0;
        let sparse = self.blocks.iter().filter(|(_, block)| block.is_sparse());
        sparse.map(|(at, block)| (*at, block)).take_while(move |(_, block)| {
            moved += block.raw_living;
            // One entry fewer than would make it a run.
            let left = room.saturating_sub(block.living);
            room = left;
            left > 0 && moved <= raw_max
        })
    }

    /// Appends the living entries of those blocks again: their old numbers stay valid.
    pub fn move_living(&self, to: &mut Appender, raw_max: u64, watch: &Watch) -> Result<()> {
        let index = to.snapshot();
        let source = to.source().clone();
        to.fork_index();
        for (at, _) in self.moved(index.index(), raw_max) {
            watch.check()?;
            let block = source.raw_block(at, None)?;
            let decoded = source.named(block.decode(at))?;
            for (entry, ordinal) in block.head.entries.iter().zip(0u16..) {
                let here = |place: &Place| (place.block, place.ordinal) == (at, ordinal);
                if self.lives(index.index(), &entry.hash)?.as_ref().is_some_and(here) {
                    let bytes = source.named(decoded.verified(ordinal.into(), at))?;
                    to.append_again(entry.kind, entry.hash, &bytes)?;
                }
            }
        }
        Ok(())
    }

    /// What is void up to the appender's end: everything but the blocks that living entries are
    /// in. What was appended from `moved_from` on lives.
    pub fn voids(
        &self,
        appender: &Appender,
        moved_from: u64,
        watch: &Watch,
    ) -> Result<Vec<VoidRef>> {
        let mut needed: BTreeMap<u64, u64> = BTreeMap::new();
        let source = appender.source();
        for record in appender.records() {
            watch.check()?;
            let record = record?;
            let at = record.block_offset();
            if at >= moved_from {
                needed.entry(at).or_default();
            } else if self.lives(appender.index(), &Hash::new(record.hash))?.is_some() {
                needed.insert(at, self.blocks.get(&at).map_or(0, |block| block.frame_len));
            }
        }
        let mut voids = Vec::new();
        let mut at = DATABASE_START;
        for (offset, len) in needed {
            if offset > at {
                voids.push(VoidRef { offset: at.into(), len: (offset - at).into() });
            }
            let len = match len {
                0 => source.block_len(offset)?,
                known => known,
            };
            at = offset + len;
        }
        if appender.end() > at {
            voids.push(VoidRef { offset: at.into(), len: (appender.end() - at).into() });
        }
        Ok(voids)
    }
}
