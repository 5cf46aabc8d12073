//! The index: which block holds an entry. Sorted runs in the file, searched by positional reads,
//! and the entries since the last run in memory. It is derived: the blocks alone can rebuild it.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use bytes::Bytes;

use crate::error::Result;
use crate::format::checkpoint::RunRef;
use crate::format::run::{self, PAGE_RECORDS, Record};
use crate::hash::Hash;
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
#[derive(Default)]
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
    runs: Vec<RunRef>,
    /// Records of all runs: recent entries are numbered from here.
    in_runs: u64,
    recent: RwLock<RecentEntries>,
}

impl Index {
    /// The index with these runs, oldest first, and nothing recent.
    pub fn new(source: Arc<Source>, runs: Vec<RunRef>) -> Self {
        let in_runs = runs.iter().map(|run| run.records.get()).sum();
        Index { source, runs, in_runs, recent: RwLock::default() }
    }

    /// The runs, oldest first.
    pub fn runs(&self) -> &[RunRef] {
        &self.runs
    }

    /// Number of entries that are in no run.
    pub fn recent_len(&self) -> usize {
        self.recent().by_hash.len()
    }

    fn recent(&self) -> RwLockReadGuard<'_, RecentEntries> {
        self.recent.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Every dense number is below this.
    pub fn number_limit(&self) -> u64 {
        self.in_runs + self.recent().numbers
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
                number: self.in_runs + entry.number,
            }));
        }
        let mut base = self.in_runs;
        for run in self.runs.iter().rev() {
            base -= run.records.get();
            if let Some((position, record)) = self.search(run, hash)? {
                return Ok(Some(Place {
                    layer: 0,
                    block: record.block_offset(),
                    ordinal: record.ordinal.get(),
                    tag: record.tag.get(),
                    number: base + position,
                }));
            }
        }
        Ok(None)
    }

    /// Interpolation search: hashes are uniform, so the first guess is close.
    fn search(&self, run: &RunRef, hash: &Hash) -> Result<Option<(u64, Record)>> {
        let pages = run::pages(run.records.get());
        let wanted = high_u64(hash.as_bytes());
        // The pages that may hold it, and the hashes that bound them.
        let (mut low, mut high) = (0, pages);
        let (mut low_key, mut high_key) = (0u64, u64::MAX);
        while low < high {
            let span = u128::from(high_key - low_key) + 1;
            let into = u128::from(wanted.saturating_sub(low_key)) * u128::from(high - low) / span;
            let page = low + u64::try_from(into).unwrap_or(0).min(high - low - 1);
            let bytes = self.source.page(run, page)?;
            let records = page_records(&bytes);
            let (Some(first), Some(last)) = (records.first(), records.last()) else { break };
            if hash.as_bytes() < &first.hash {
                high = page;
                high_key = high_u64(&first.hash).max(low_key);
            } else if hash.as_bytes() > &last.hash {
                low = page + 1;
                low_key = high_u64(&last.hash).min(high_key);
            } else {
                return Ok(records
                    .binary_search_by(|record| record.hash.cmp(hash.as_bytes()))
                    .ok()
                    .map(|found| (page * PAGE_RECORDS as u64 + found as u64, records[found])));
            }
        }
        Ok(None)
    }

    /// Every record, in the order of hashes, each hash once: as the newest source has it.
    pub fn all_records(&self) -> impl Iterator<Item = Result<Record>> + '_ {
        run_writer::merged(self, &self.runs, self.recent_sorted())
    }

    /// All records of a run, in order.
    pub fn records<'a>(&'a self, run: &'a RunRef) -> impl Iterator<Item = Result<Record>> + 'a {
        (0..run::pages(run.records.get())).flat_map(move |page| {
            let (records, error) = match self.source.read_page(run, page) {
                Ok(bytes) => (page_records(&bytes).to_vec(), None),
                Err(error) => (Vec::new(), Some(Err(error))),
            };
            records.into_iter().map(Ok).chain(error)
        })
    }
}

/// The first eight bytes as a number that sorts as the bytes do.
fn high_u64(hash: &[u8; 32]) -> u64 {
    let [a, b, c, d, e, f, g, h, ..] = *hash;
    u64::from_be_bytes([a, b, c, d, e, f, g, h])
}

/// The records of a page whose check has been seen to.
fn page_records(page: &Bytes) -> &[Record] {
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
        let index = Index::new(source, Vec::new());
        let hash = |number: usize| Hash::of(&number.to_le_bytes());
        index.add((0..BLOCK_ENTRIES_MAX).map(hash), 8192, 7);
        for number in [0, 1, BLOCK_ENTRIES_MAX - 1] {
            let place = index.locate(&hash(number)).expect("readable").expect("there");
            assert_eq!((place.block, usize::from(place.ordinal)), (8192, number));
        }
    }
}
