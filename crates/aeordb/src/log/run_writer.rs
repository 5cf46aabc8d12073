//! Writes runs: sorts what is recent, merges runs so that there are few, and streams pages.

use std::iter::Peekable;

use zerocopy::IntoBytes;

use crate::error::Result;
use crate::format::checkpoint::RunRef;
use crate::format::run::{self, PAGE_RECORDS, Record};
use crate::format::{FRAME_HEADER_LEN, FrameHeader, FrameKind};
use crate::log::checked::RunHasher;
use crate::log::index::Index;

/// A run is merged with the one before it unless that one has this many times its records: so
/// their number grows with the logarithm of the records, and each record is rewritten that often.
const TIER_FACTOR: u64 = 4;

/// Pages that are written together.
const PAGES_TOGETHER: usize = 256;

/// How many of the oldest runs stay as they are when `recent` records become a run.
pub fn runs_to_keep(runs: &[RunRef], recent: u64) -> usize {
    let mut merged = recent;
    let mut keep = runs.len();
    while let Some(last) = keep.checked_sub(1).and_then(|last| runs.get(last)) {
        if last.records.get() >= merged.saturating_mul(TIER_FACTOR) {
            break;
        }
        merged += last.records.get();
        keep -= 1;
    }
    keep
}

/// The records of the newest runs and of what is recent, in order, each hash once: as the newest
/// source has it.
pub fn merged<'a>(
    index: &'a Index,
    runs: &'a [RunRef],
    recent: Vec<Record>,
) -> impl Iterator<Item = Result<Record>> + 'a {
    type Records<'a> = Box<dyn Iterator<Item = Result<Record>> + 'a>;
    // Newest first, so that the first of equals is the one to keep.
    let mut sources: Vec<Peekable<Records<'a>>> = Vec::with_capacity(runs.len() + 1);
    let newest: Records<'a> = Box::new(recent.into_iter().map(Ok));
    sources.push(newest.peekable());
    for run in runs.iter().rev() {
        let records: Records<'a> = Box::new(index.records(run));
        sources.push(records.peekable());
    }
    std::iter::from_fn(move || {
        let mut least: Option<[u8; 32]> = None;
        for source in &mut sources {
            match source.peek() {
                Some(Ok(record)) if least.is_none_or(|least| record.hash < least) => {
                    least = Some(record.hash);
                }
                Some(Err(_)) => return source.next(),
                _ => {}
            }
        }
        let least = least?;
        let mut found = None;
        for source in &mut sources {
            let same = |next: &Result<Record>| next.as_ref().is_ok_and(|next| next.hash == least);
            while let Some(record) = source.next_if(same) {
                found.get_or_insert(record);
            }
        }
        found
    })
}

/// Writes a run of these records as a frame at `offset` through `write(bytes, offset)`. The header
/// goes last. Returns the run and its frame's header, or `None` if there were no records.
pub fn write_run(
    offset: u64,
    records: impl Iterator<Item = Result<Record>>,
    mut write: impl FnMut(&[u8], u64) -> Result<()>,
) -> Result<Option<(RunRef, FrameHeader)>> {
    let mut hasher = RunHasher::default();
    let mut page = Vec::with_capacity(PAGE_RECORDS);
    let mut buffer = Vec::with_capacity(PAGES_TOGETHER * run::PAGE_LEN);
    let (mut count, mut page_number) = (0u64, 0u64);
    let mut at = offset + FRAME_HEADER_LEN as u64;
    let mut records = records.peekable();
    while records.peek().is_some() {
        page.clear();
        while page.len() < PAGE_RECORDS {
            match records.next() {
                Some(record) => page.push(record?),
                None => break,
            }
        }
        let start = buffer.len();
        run::encode_page(offset, page_number, &page, &mut buffer);
        hasher.add(&buffer[start..]);
        count += page.len() as u64;
        page_number += 1;
        if buffer.len() >= PAGES_TOGETHER * run::PAGE_LEN {
            write(&buffer, at)?;
            at += buffer.len() as u64;
            buffer.clear();
        }
    }
    if count == 0 {
        return Ok(None);
    }
    write(&buffer, at)?;
    let mut header = FrameHeader::new(FrameKind::Run, run::body_len(count));
    header.count = u32::try_from(count)
        .map_err(|_| crate::Error::Limit {
            what: "the number of entries".into(),
            limit: u64::from(u32::MAX),
            found: count,
        })?
        .into();
    let header = header.sealed([hasher.0.as_slice()]);
    write(header.as_bytes(), offset)?;
    Ok(Some((RunRef { offset: offset.into(), records: count.into() }, header)))
}
