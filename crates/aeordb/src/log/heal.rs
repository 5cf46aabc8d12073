//! What of the index is damaged is read from the blocks instead: their tables say what they hold.
//!
//! A reader does so in memory, within limits, and writes nothing. A writer that met damage writes
//! the index anew with its next commit.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::error::{Error, Result};
use crate::format::FrameKind;
use crate::format::block::TableEntry;
use crate::format::checkpoint::{RunRef, VoidRef};
use crate::format::run::{self, PAGE_RECORDS, Record};
use crate::log::frames::{Frames, Seen};
use crate::log::index::{Index, page_records};
use crate::log::source::Source;

/// Entries that stand for damaged pages of one index.
pub const HEALED_ENTRIES_MAX: u64 = 64 * 1024;
/// Entries that a reader holds in memory when there is no index at all.
pub const REBUILT_ENTRIES_MAX: u64 = 1024 * 1024;
/// Frames that are looked at for one stretch of damaged pages.
const FRAMES_MAX: usize = 1024 * 1024;

/// What is said where it would take too much of a reader.
const HINT: &str = "writing to the database, or collecting garbage, makes its index anew";

/// A stretch of damaged pages of a run, and what stands in their place.
pub struct Healed {
    /// Offset of the run.
    pub run: u64,
    /// The pages.
    pub pages: Range<u64>,
    /// The last hash before them, and the first after them.
    pub between: (Option<[u8; 32]>, Option<[u8; 32]>),
    /// What blocks hold between these hashes: all that the pages had, and perhaps entries that
    /// nothing needs.
    pub records: Vec<Record>,
    /// Where the numbers of these entries begin among those of all that is healed.
    pub first_number: u64,
}

/// Finds the stretch of damaged pages around `page`, and what they had in it, in blocks of
/// `ground` that are not void. `error` is what is wrong with the page, `numbers` how many entries
/// are healed already.
pub fn heal(
    source: &Source,
    (ground, voids): (Range<u64>, &[VoidRef]),
    run: &RunRef,
    page: u64,
    numbers: u64,
    error: Error,
) -> Result<Healed> {
    let room = HEALED_ENTRIES_MAX.saturating_sub(numbers);
    let pages_max = room / PAGE_RECORDS as u64;
    let mut pages = page..page + 1;
    let mut between = (None, None);
    while pages.start > 0 {
        match boundary(source, run, pages.start - 1, <[Record]>::last)? {
            Some(hash) => {
                between.0 = Some(hash);
                break;
            }
            None => pages.start -= 1,
        }
        if pages.end - pages.start > pages_max {
            return Err(with_hint(error));
        }
    }
    while pages.end < run::pages(run.records.get()) {
        match boundary(source, run, pages.end, <[Record]>::first)? {
            Some(hash) => {
                between.1 = Some(hash);
                break;
            }
            None => pages.end += 1,
        }
        if pages.end - pages.start > pages_max {
            return Err(with_hint(error));
        }
    }
    let mut records = BTreeMap::new();
    let within = |hash: &[u8; 32]| {
        between.0.is_none_or(|low| *hash > low) && between.1.is_none_or(|high| *hash < high)
    };
    let range = ground.start..run.offset.get().min(ground.end);
    for (frames, seen) in Frames::new(source, range, voids).enumerate() {
        let Some((at, tag, entries)) = table(source, seen?)? else { continue };
        for (entry, ordinal) in entries.iter().zip(0u16..) {
            let name = *entry.hash.as_bytes();
            if within(&name) {
                records.insert(name, Record::new(&entry.hash, at, ordinal, tag));
            }
        }
        if records.len() as u64 > room || frames > FRAMES_MAX {
            return Err(with_hint(error));
        }
    }
    let records = records.into_values().collect();
    Ok(Healed { run: run.offset.get(), pages, between, records, first_number: numbers })
}

/// The hash of a page's record; `None` if the page is damaged.
fn boundary(
    source: &Source,
    run: &RunRef,
    page: u64,
    which: fn(&[Record]) -> Option<&Record>,
) -> Result<Option<[u8; 32]>> {
    match source.page(run, page) {
        Ok(bytes) => Ok(which(page_records(&bytes)).map(|record| record.hash)),
        Err(Error::Damaged { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

fn with_hint(error: Error) -> Error {
    match error {
        Error::Damaged { what, offset, detail } => {
            Error::Damaged { what, offset, detail: format!("{detail}; {HINT}") }
        }
        other => other,
    }
}

/// The table of a block, without its payload, and where it stands; `None` for what is no sound
/// block.
fn table(source: &Source, seen: Seen) -> Result<Option<(u64, u64, Vec<TableEntry>)>> {
    let Seen::Frame(at, header) = seen else { return Ok(None) };
    match header.frame_kind() {
        Some(FrameKind::Block) => {}
        Some(_) => return Ok(None),
        None => return source.named(Err(header.newer())),
    }
    match source.table(at, &header) {
        Ok(head) => Ok(Some((at, header.tag(), head.entries))),
        Err(Error::Damaged { .. } | Error::Limit { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Adds what the blocks of `range` hold to an index that is held in memory.
pub fn rebuild(source: &Source, index: &Index, range: Range<u64>) -> Result<()> {
    let end = range.end;
    index.set_damaged(end);
    for seen in Frames::new(source, range, &[]) {
        let Some((at, tag, entries)) = table(source, seen?)? else { continue };
        index.add(entries.into_iter().map(|entry| entry.hash), at, tag);
        if index.recent_len() as u64 > REBUILT_ENTRIES_MAX {
            let detail = "the list of the index's runs is damaged";
            return Err(with_hint(source.damaged(end, detail)));
        }
    }
    Ok(())
}
