//! Which blocks living entries are in, and what is void once only they count.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use crate::error::Result;
use crate::format::FRAME_HEADER_LEN;
use crate::format::block;
use crate::format::checkpoint::VoidRef;
use crate::format::superblock::DATABASE_START;
use crate::hash::Hash;
use crate::limits::RECENT_ENTRIES_MAX;
use crate::log::appender::Appender;
use crate::log::index::Index;
use crate::log::source::Source;
use crate::monitor::Monitor;
use crate::store::{Bitmap, Place, Transaction};

/// How much what stays may take, against what lives in it: the rest is moved.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Tightness {
    /// Half as much again.
    Usual,
    /// A twentieth more.
    Packed,
}

impl Tightness {
    /// True if `living` bytes are not worth the space that they take.
    fn is_too_much(self, taken: u64, living: u64) -> bool {
        let (most, of) = match self {
            Tightness::Usual => (3, 2),
            Tightness::Packed => (21, 20),
        };
        living * most < taken * of
    }
}

/// Blocks are judged together until they take so many bytes: what lies between small ones takes
/// space as well, since a file system gives back whole blocks of its own.
const GROUP_LEN: u64 = 64 * 1024;
/// What groups must free together to be worth it: what is moved takes space where it goes.
const GAIN_MIN: u64 = 64 * 1024;

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
    /// Bytes of the frame that what lives accounts for.
    fn living_len(&self) -> u64 {
        self.frame_len * self.raw_living / self.raw.max(1)
    }
}

/// The blocks with living entries.
pub struct Survey {
    live: Bitmap,
    blocks: BTreeMap<u64, Use>,
    /// Blocks that take much more than what lives in them.
    sparse: BTreeSet<u64>,
    entries_dead: u64,
}

impl Survey {
    /// Looks at every entry of the index; the numbers of those that live are in `live`.
    pub fn new(
        index: &Index,
        source: &Source,
        live: Bitmap,
        tightness: Tightness,
        monitor: &Monitor,
    ) -> Result<Self> {
        let (blocks, sparse) = (BTreeMap::new(), BTreeSet::new());
        let mut survey = Survey { live, blocks, sparse, entries_dead: 0 };
        for record in index.all_records() {
            monitor.check()?;
            let record = record?;
            if survey.lives(index, &Hash::new(record.hash))?.is_some() {
                survey.blocks.entry(record.block_offset()).or_default().living += 1;
            } else {
                survey.entries_dead += 1;
            }
        }
        let mut blocks = std::mem::take(&mut survey.blocks);
        let mut surveyed = DATABASE_START;
        for (at, block) in &mut blocks {
            monitor.check()?;
            survey.measure(index, source, *at, block)?;
            // What lies between them is known to be void so.
            let end = at + block.frame_len;
            monitor.advance(0, end.saturating_sub(surveyed));
            surveyed = end;
        }
        survey.blocks = blocks;
        survey.sparse = find_sparse(&survey.blocks, tightness, source.media().block_len());
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

    /// How many blocks take much more than what lives in them.
    pub fn sparse(&self) -> usize {
        self.sparse.len()
    }

    /// How many entries live.
    pub fn entries_live(&self) -> u64 {
        self.blocks.values().map(|block| block.living).sum()
    }

    /// Bytes of the blocks that hold them.
    pub fn bytes_live(&self) -> u64 {
        self.blocks.values().map(|block| block.frame_len).sum()
    }

    /// How many entries do not live.
    pub fn entries_dead(&self) -> u64 {
        self.entries_dead
    }

    /// Bytes that blocks with living entries will have in a file that ends at `end`, and what will be
    /// void there.
    pub fn foreseen(&self, end: u64) -> (u64, Vec<VoidRef>) {
        let (mut len, mut kept) = (0, BTreeMap::new());
        for (at, block) in &self.blocks {
            match self.sparse.contains(at) {
                true => len += block.living_len(),
                false => {
                    len += block.frame_len;
                    kept.insert(*at, block.frame_len);
                }
            }
        }
        (len, gaps(kept, end))
    }

    /// About how many bytes the living entries take once nothing else is in their blocks.
    pub fn packed(&self) -> u64 {
        self.blocks.values().map(Use::living_len).sum()
    }

    /// The sparse blocks whose living entries are moved at once: `raw_max` bytes of them at most,
    /// and no more entries than the index holds in memory.
    fn moved(&self, index: &Index, raw_max: u64) -> impl Iterator<Item = u64> {
        let mut room = RECENT_ENTRIES_MAX.saturating_sub(index.recent_len()) as u64;
        let mut moved = 0;
        self.sparse.iter().copied().take_while(move |at| {
            let block = self.blocks.get(at).copied().unwrap_or_default();
            moved += block.raw_living;
            // One entry fewer than would make it a run.
            let left = room.saturating_sub(block.living);
            room = left;
            left > 0 && moved <= raw_max
        })
    }

    /// Appends the living entries of those blocks again: their old numbers stay valid. Returns how
    /// many sparse blocks are left.
    pub fn move_living(&self, to: &mut Appender, raw_max: u64, monitor: &Monitor) -> Result<usize> {
        let index = to.written();
        let source = to.source().clone();
        to.fork_index();
        let mut left = self.sparse();
        for at in self.moved(index.index(), raw_max) {
            monitor.check()?;
            left -= 1;
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
        Ok(left)
    }

    /// What is void up to the appender's end: everything but the blocks that living entries are
    /// in. What was appended from `moved_from` on lives.
    pub fn voids(
        &self,
        appender: &Appender,
        moved_from: u64,
        monitor: &Monitor,
    ) -> Result<Vec<VoidRef>> {
        let mut needed: BTreeMap<u64, u64> = BTreeMap::new();
        let source = appender.source();
        for record in appender.records() {
            monitor.check()?;
            let record = record?;
            let at = record.block_offset();
            if at >= moved_from {
                needed.entry(at).or_default();
            } else if self.lives(appender.index(), &Hash::new(record.hash))?.is_some() {
                needed.insert(at, self.blocks.get(&at).map_or(0, |block| block.frame_len));
            }
        }
        for (offset, len) in &mut needed {
            if *len == 0 {
                *len = source.block_len(*offset)?;
            }
        }
        Ok(gaps(needed, appender.end()))
    }
}

/// What lies between frames, given by offset and length, up to `end`.
fn gaps(frames: BTreeMap<u64, u64>, end: u64) -> Vec<VoidRef> {
    let mut voids = Vec::new();
    let mut at = DATABASE_START;
    for (offset, len) in frames.into_iter().chain([(end, 0)]) {
        if offset > at {
            voids.push(VoidRef { offset: at.into(), len: (offset - at).into() });
        }
        at = offset + len;
    }
    voids
}

/// Bytes in whole blocks of the file system that releasing these voids gives back.
pub fn releasable(voids: &[VoidRef], block_len: u64) -> u64 {
    let inside = |void: &VoidRef| {
        let start = void.offset.get() + FRAME_HEADER_LEN as u64;
        let end = void.offset.get() + void.len.get();
        (end / block_len).saturating_sub(start.div_ceil(block_len)) * block_len
    };
    voids.iter().map(inside).sum()
}

/// The blocks that take much more than what lives in them: alone, or together with others in the same
/// blocks of the file system. Where little would come of that, alone.
fn find_sparse(blocks: &BTreeMap<u64, Use>, tightness: Tightness, block_len: u64) -> BTreeSet<u64> {
    let takes_much = |taken, living| tightness.is_too_much(taken, living);
    let alone = |block: &Use| takes_much(block.raw, block.raw_living);
    let mut sparse: BTreeSet<u64> =
        blocks.iter().filter(|(_, block)| alone(block)).map(|(at, _)| *at).collect();
    let (mut together, mut gain) = (Vec::new(), 0);
    for group in groups(blocks.iter().filter(|(_, block)| !alone(block)), block_len) {
        let taken = group.taken.end - group.taken.start;
        if takes_much(taken, group.living) {
            gain += taken - group.living;
            together.extend(group.blocks);
        }
    }
    if gain >= GAIN_MIN {
        sparse.extend(together);
    }
    sparse
}

/// Blocks that take space together.
struct Group {
    blocks: Vec<u64>,
    /// The whole blocks of the file system that they are in.
    taken: Range<u64>,
    living: u64,
}

/// Blocks, in their order, in groups.
fn groups<'a>(blocks: impl Iterator<Item = (&'a u64, &'a Use)>, block_len: u64) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for (at, block) in blocks {
        let start = at / block_len * block_len;
        let end = (at + block.frame_len).next_multiple_of(block_len);
        let near = |group: &&mut Group| {
            start <= group.taken.end && group.taken.end - group.taken.start < GROUP_LEN
        };
        match groups.last_mut().filter(near) {
            Some(group) => {
                group.blocks.push(*at);
                group.taken.end = end;
                group.living += block.living_len();
            }
            None => {
                let (blocks, living) = (vec![*at], block.living_len());
                groups.push(Group { blocks, taken: start..end, living });
            }
        }
    }
    groups
}
