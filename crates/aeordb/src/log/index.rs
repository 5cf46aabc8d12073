//! The index: which block holds an entry. Sorted runs in the file, searched by positional reads,
//! and the entries since the last run in memory. It is derived: the blocks alone can rebuild it,
//! and what of it is damaged is read from them.
//!
//! Entries are numbered: first those of the runs by their places, then those that stand for
//! damaged pages, then recent ones.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard};

use bytes::Bytes;

use crate::error::{Error, Result};
use crate::format::checkpoint::{Checkpoint, RunRef, VoidRef};
use crate::format::run::{self, PAGE_RECORDS, Record};
use crate::hash::Hash;
use crate::log::heal::{self, HEALED_ENTRIES_MAX, Healed};
use crate::log::run_writer;
use crate::log::source::Source;
use crate::store::Place;

/// What is known of an entry that is in no run yet.
#[derive(Clone, Copy, Debug)]
pub struct Recent {
    /// Offset of its block.
    pub block: u64,
    /// Its position in the block.
    pub ordinal: u16,
    /// First eight bytes of the block's hash.
    pub tag: u64,
    number: u64,
}

/// The entries that are in no run yet.
#[derive(Clone, Default)]
struct RecentEntries {
    by_hash: HashMap<Hash, Recent>,
    /// Numbers given out so far. One that was forgotten is never given out again: a reader may
    /// have noted it down.
    numbers: u64,
}

/// A state of the index. Entries are added to the recent part while readers use it: to find more
/// than was asked for harms nobody, since entries never change.
pub struct Index {
    source: Arc<Source>,
    /// Where blocks may stand.
    ground: Range<u64>,
    runs: Vec<RunRef>,
    voids: Vec<VoidRef>,
    /// Records of all runs.
    in_runs: u64,
    healed: Mutex<Vec<Arc<Healed>>>,
    /// Where damage was found in what the index was read from: entries may be missing that lay in
    /// damaged blocks as well. Zero if there was none.
    damaged_at: AtomicU64,
    recent: RwLock<RecentEntries>,
}

/// A page of a run, or what stands in its place.
enum Page {
    Stored(Bytes),
    Healed(Arc<Healed>),
}

impl Index {
    /// The index of a checkpoint, and nothing recent, of a file whose frames begin at `start`.
    pub fn new(source: Arc<Source>, start: u64, checkpoint: &Checkpoint) -> Self {
        let Checkpoint { runs, voids } = checkpoint.clone();
        let in_runs = runs.iter().map(|run| run.records.get()).sum();
        let (healed, recent) = (Mutex::default(), RwLock::default());
        let (ground, damaged_at) = (start..u64::MAX, AtomicU64::new(0));
        Index { source, ground, runs, voids, in_runs, healed, damaged_at, recent }
    }

    /// The index with other runs, and nothing recent.
    pub fn with_runs(&self, runs: Vec<RunRef>) -> Self {
        let checkpoint = Checkpoint { runs, voids: self.voids.clone() };
        Index::new(self.source.clone(), self.ground.start, &checkpoint)
    }

    /// The same index for one writer alone, with the same numbers: entries may move in it without
    /// a reader that follows them.
    pub fn fork(&self) -> Self {
        let healed = self.healed.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Index {
            source: self.source.clone(),
            ground: self.ground.clone(),
            runs: self.runs.clone(),
            voids: self.voids.clone(),
            in_runs: self.in_runs,
            healed: Mutex::new(healed),
            damaged_at: AtomicU64::new(self.damaged_at.load(Ordering::Relaxed)),
            recent: RwLock::new(self.recent().clone()),
        }
    }

    /// The runs, oldest first.
    pub fn runs(&self) -> &[RunRef] {
        &self.runs
    }

    /// Number of entries that are in no run.
    pub fn recent_len(&self) -> usize {
        self.recent().by_hash.len()
    }

    /// Most entries that there can be: one that moved may be counted twice.
    pub fn entries(&self) -> u64 {
        self.in_runs + self.recent_len() as u64
    }

    fn recent(&self) -> RwLockReadGuard<'_, RecentEntries> {
        self.recent.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Every dense number is below this.
    pub fn number_limit(&self) -> u64 {
        self.recent_start() + self.recent().numbers
    }

    /// Recent entries are numbered from here.
    fn recent_start(&self) -> u64 {
        self.in_runs + HEALED_ENTRIES_MAX
    }

    /// Notes that what the index was read from is damaged at this offset.
    pub fn set_damaged(&self, offset: u64) {
        self.damaged_at.store(offset, Ordering::Relaxed);
    }

    /// Where it is damaged, if that is known: what it does not find may be lost.
    pub fn damaged_at(&self) -> Option<u64> {
        Some(self.damaged_at.load(Ordering::Relaxed)).filter(|offset| *offset > 0)
    }

    /// How many of the oldest runs have been sound so far.
    pub fn sound_runs(&self) -> usize {
        let healed = self.healed.lock().unwrap_or_else(PoisonError::into_inner);
        let damaged = |run: &RunRef| healed.iter().any(|one| one.run == run.offset.get());
        self.runs.iter().position(damaged).unwrap_or(self.runs.len())
    }

    /// Adds the entries of a block that was written.
    pub fn add(&self, hashes: impl Iterator<Item = Hash>, block: u64, tag: u64) {
        let mut recent = self.recent.write().unwrap_or_else(PoisonError::into_inner);
        for (hash, ordinal) in hashes.zip(0u16..) {
            let RecentEntries { by_hash, numbers } = &mut *recent;
            let number = by_hash.get(&hash).map_or(*numbers, |known| known.number);
            by_hash.insert(hash, Recent { block, ordinal, tag, number });
            *numbers = (*numbers).max(number + 1);
        }
    }

    /// Forgets recent entries of blocks at or after `end`.
    pub fn forget_from(&self, end: u64) {
        let mut recent = self.recent.write().unwrap_or_else(PoisonError::into_inner);
        recent.by_hash.retain(|_, entry| entry.block < end);
    }

    /// The recent entries as records, sorted.
    pub fn recent_sorted(&self) -> Vec<Record> {
        let recent = self.recent();
        let mut records: Vec<Record> = recent
            .by_hash
            .iter()
            .map(|(hash, entry)| Record::new(hash, entry.block, entry.ordinal, entry.tag))
            .collect();
        records.sort_unstable_by_key(|record| record.hash);
        records
    }

    /// Where the entry is; `None` if it is not in the file.
    pub fn locate(&self, hash: &Hash) -> Result<Option<Place>> {
        if let Some(entry) = self.recent().by_hash.get(hash) {
            return Ok(Some(Place {
                layer: 0,
                block: entry.block,
                ordinal: entry.ordinal,
                tag: entry.tag,
                number: self.recent_start() + entry.number,
            }));
        }
        let mut base = self.in_runs;
        for run in self.runs.iter().rev() {
            base -= run.records.get();
            if let Some(place) = self.search(run, base, hash)? {
                return Ok(Some(place));
            }
        }
        Ok(None)
    }

    /// Interpolation search: hashes are uniform, so the first guess is close. The records of the
    /// run are numbered from `base`.
    fn search(&self, run: &RunRef, base: u64, hash: &Hash) -> Result<Option<Place>> {
        let pages = run::pages(run.records.get());
        let hash = hash.as_bytes();
        let wanted = high_u64(hash);
        // The pages that may hold it, and the hashes that bound them.
        let (mut low, mut high) = (0, pages);
        let (mut low_key, mut high_key) = (0u64, u64::MAX);
        while low < high {
            let span = u128::from(high_key - low_key) + 1;
            let into = u128::from(wanted.saturating_sub(low_key)) * u128::from(high - low) / span;
            let page = low + u64::try_from(into).unwrap_or(0).min(high - low - 1);
            let (stretch, before, after, found) = match self.page(run, page)? {
                Page::Stored(bytes) => {
                    let records = page_records(&bytes);
                    let (Some(first), Some(last)) = (records.first(), records.last()) else {
                        break;
                    };
                    let before = (*hash < first.hash).then_some(first.hash);
                    let after = (*hash > last.hash).then_some(last.hash);
                    let start = base + page * PAGE_RECORDS as u64;
                    (page..page + 1, before, after, find(records, start, hash))
                }
                Page::Healed(healed) => {
                    let (low, high) = healed.between;
                    let before = low.filter(|low| hash <= low);
                    let after = high.filter(|high| hash >= high);
                    let start = self.in_runs + healed.first_number;
                    (healed.pages.clone(), before, after, find(&healed.records, start, hash))
                }
            };
            if let Some(key) = before {
                high = stretch.start;
                high_key = high_u64(&key).max(low_key);
            } else if let Some(key) = after {
                low = stretch.end;
                low_key = high_u64(&key).min(high_key);
            } else {
                return Ok(found);
            }
        }
        Ok(None)
    }

    /// A page of a run. One that is damaged is healed from the blocks, if that is not too much.
    fn page(&self, run: &RunRef, page: u64) -> Result<Page> {
        let error = match self.source.page(run, page) {
            Ok(bytes) => return Ok(Page::Stored(bytes)),
            Err(error @ Error::Damaged { .. }) => error,
            Err(error) => return Err(error),
        };
        let mut healed = self.healed.lock().unwrap_or_else(PoisonError::into_inner);
        let here = |one: &&Arc<Healed>| one.run == run.offset.get() && one.pages.contains(&page);
        if let Some(known) = healed.iter().find(here) {
            return Ok(Page::Healed(known.clone()));
        }
        let numbers = healed.iter().map(|one| one.records.len() as u64).sum();
        let ground = (self.ground.clone(), self.voids.as_slice());
        let new = Arc::new(heal::heal(&self.source, ground, run, page, numbers, error)?);
        healed.push(new.clone());
        self.set_damaged(run.offset.get());
        Ok(Page::Healed(new))
    }

    /// Every record, in the order of hashes, each hash once: as the newest source has it.
    pub fn all_records(&self) -> impl Iterator<Item = Result<Record>> + '_ {
        run_writer::merged(self, &self.runs, self.recent_sorted())
    }

    /// All records of a run, in order.
    pub fn records<'a>(&'a self, run: &'a RunRef) -> impl Iterator<Item = Result<Record>> + 'a {
        (0..run::pages(run.records.get())).flat_map(move |page| {
            let (records, error) = match self.page(run, page) {
                Ok(Page::Stored(bytes)) => (page_records(&bytes).to_vec(), None),
                // The first page of a stretch stands for all of it.
                Ok(Page::Healed(healed)) if healed.pages.start == page => {
                    (healed.records.clone(), None)
                }
                Ok(Page::Healed(_)) => (Vec::new(), None),
                Err(error) => (Vec::new(), Some(Err(error))),
            };
            records.into_iter().map(Ok).chain(error)
        })
    }
}

/// Where sorted records have the entry; they are numbered from `start`.
fn find(records: &[Record], start: u64, hash: &[u8; 32]) -> Option<Place> {
    // Almost always the first bytes tell, and a number is compared without a call.
    let wanted = high_u64(hash);
    let compare =
        |record: &Record| high_u64(&record.hash).cmp(&wanted).then_with(|| record.hash.cmp(hash));
    let found = records.binary_search_by(compare).ok()?;
    records.get(found).map(|record| Place {
        layer: 0,
        block: record.block_offset(),
        ordinal: record.ordinal.get(),
        tag: record.tag.get(),
        number: start + found as u64,
    })
}

/// The first eight bytes as a number that sorts as the bytes do.
fn high_u64(hash: &[u8; 32]) -> u64 {
    let [a, b, c, d, e, f, g, h, ..] = *hash;
    u64::from_be_bytes([a, b, c, d, e, f, g, h])
}

/// The records of a page whose check has been seen to.
pub fn page_records(page: &Bytes) -> &[Record] {
    let records = page.len() - run::PAGE_CHECK_LEN;
    zerocopy::FromBytes::ref_from_bytes(&page[..records]).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::BLOCK_ENTRIES_MAX;
    use crate::media::MemoryMedia;

    #[test]
    fn a_block_of_as_many_entries_as_it_may_hold_is_found_entry_by_entry() {
        let source = Arc::new(Source::new(Arc::new(MemoryMedia::new()), "a file"));
        let index = Index::new(source, 0, &Checkpoint::default());
        let hash = |number: usize| Hash::of(&number.to_le_bytes());
        index.add((0..BLOCK_ENTRIES_MAX).map(hash), 8192, 7);
        for number in [0, 1, BLOCK_ENTRIES_MAX - 1] {
            let place = index.locate(&hash(number)).expect("readable").expect("there");
            assert_eq!((place.block, usize::from(place.ordinal)), (8192, number));
        }
    }
}
