//! The checks of a database's frames and of the index that leads to them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::report::VerifyReport;
use crate::backup::import::copy;
use crate::db::roots::Roots;
use crate::db::{Database, Reader};
use crate::error::{Error, Result};
use crate::format::block::TableEntry;
use crate::format::{FrameHeader, FrameKind};
use crate::hash::{Hash, VersionId};
use crate::log::checked;
use crate::log::frames::Seen;
use crate::log::source::Source;
use crate::monitor::Monitor;
use crate::object::{Item, ListReader, Path};
use crate::pool::Queue;
use crate::store::{Bitmap, ReadEntries};

/// Damages of the index that are listed one by one.
const DAMAGES_MAX: usize = 1000;
/// Paths that are named for one version.
const PATHS_MAX: usize = 20;

/// First bytes of a block's hash, its table, and which of its chunks can be none.
type Tagged = (u64, Vec<TableEntry>, Vec<u16>);

/// Looks at the block at `at`; with `deep` at every entry in it.
fn look_at(source: &Source, at: u64, deep: bool) -> Result<Tagged> {
    let block = source.raw_block(at, None)?;
    let mut uncut = Vec::new();
    if deep {
        let decoded = block.decode(at)?;
        for (entry, ordinal) in block.head.entries.iter().zip(0u16..) {
            let bytes = decoded.verified(ordinal.into(), at)?;
            if !copy::can_be(entry.kind, &bytes) {
                uncut.push(ordinal);
            }
        }
    }
    let tag = crate::format::first_u64(&block.hash);
    Ok((tag, block.head.entries.clone(), uncut))
}

/// The checks of a database's frames. One thread reads, the pool decodes.
pub struct Checks<'a> {
    reader: &'a Reader,
    source: Arc<Source>,
    under_way: Queue<(u64, Result<Tagged>)>,
    deep: bool,
    /// Numbers of the entries that are where the index says.
    found: Bitmap,
    bad_blocks: BTreeSet<u64>,
    /// Where frames begin, or should, that are damaged or do not hold what the index says.
    bad_frames: BTreeSet<u64>,
    report: &'a mut VerifyReport,
}

impl<'a> Checks<'a> {
    /// Nothing was looked at yet; with `deep` every entry of what is looked at is.
    pub fn new(
        database: &Database,
        reader: &'a Reader,
        deep: bool,
        report: &'a mut VerifyReport,
    ) -> Self {
        Checks {
            reader,
            source: database.log().source().clone(),
            under_way: Queue::new(database.pool()),
            deep,
            found: Bitmap::new(reader.view().number_limit()),
            bad_blocks: BTreeSet::new(),
            bad_frames: BTreeSet::new(),
            report,
        }
    }

    /// Looks at what stands at a place. Returns how many bytes that are.
    pub fn look(&mut self, seen: &Seen) -> Result<u64> {
        match seen {
            Seen::Frame(at, header) => {
                let before = self.report.damages.len();
                self.frame(*at, header)?;
                // What was found may be of a block before this one, which is bad as well.
                if self.report.damages.len() > before {
                    self.bad_frames.insert(*at);
                }
                Ok(header.frame_len())
            }
            Seen::Gap(at, len) => {
                self.bad_frames.insert(*at);
                self.report.damage(*at, format!("expected a frame, found {len} other bytes"));
                Ok(*len)
            }
        }
    }

    /// Blocks that are damaged, and frames that are or do not hold what the index says.
    pub fn into_bad(self) -> (BTreeSet<u64>, BTreeSet<u64>) {
        (self.bad_blocks, self.bad_frames)
    }
}

impl Checks<'_> {
    fn frame(&mut self, at: u64, header: &FrameHeader) -> Result<()> {
        self.report.bytes += header.frame_len();
        match header.frame_kind() {
            Some(FrameKind::Block) => self.block(at),
            Some(FrameKind::Run) => {
                let checked = checked::check_run(&self.source, at, header);
                self.report.keep(at, checked)
            }
            Some(kind @ (FrameKind::Checkpoint | FrameKind::Commit)) => {
                let checked =
                    checked::small_frame(&self.source, at, kind).and_then(|(header, body)| {
                        match header.expected_hash([body.as_slice()]) == header.hash {
                            true => Ok(()),
                            false => {
                                Err(self.source.damaged(at, format!("a {kind:?} without its hash")))
                            }
                        }
                    });
                self.report.keep(at, checked)
            }
            Some(_) => Ok(()),
            None => self.report.keep(at, self.source.named(Err(header.newer()))),
        }
    }

    fn block(&mut self, at: u64) -> Result<()> {
        let (source, deep) = (self.source.clone(), self.deep);
        self.report.blocks += 1;
        self.under_way.submit(move || (at, look_at(&source, at, deep)));
        while let Some((at, tagged)) = self.under_way.surplus() {
            self.take(at, tagged)?;
        }
        Ok(())
    }

    fn take(&mut self, at: u64, tagged: Result<Tagged>) -> Result<()> {
        match tagged {
            Ok((tag, entries, uncut)) => {
                self.report.entries += entries.len() as u64;
                for (entry, ordinal) in entries.into_iter().zip(0u16..) {
                    // Dead entries of a block that lives are in no index.
                    let located = self.reader.view().locate(&entry.hash);
                    let found = located.map(|place| {
                        let place = place.filter(|place| {
                            (place.block, place.ordinal) == (at, ordinal) && place.tag == tag
                        });
                        if let Some(place) = place {
                            self.found.insert(place.number);
                            if uncut.contains(&ordinal) {
                                self.bad_frames.insert(at);
                                self.report.damage(at, copy::uncut(&entry.hash));
                            }
                        }
                    });
                    self.report.keep(at, found)?;
                }
                Ok(())
            }
            Err(error) => {
                self.bad_blocks.insert(at);
                self.bad_frames.insert(at);
                match error {
                    Error::Damaged { detail, .. } => self.report.damage(at, detail),
                    other => self.report.keep(at, Err(other))?,
                }
                Ok(())
            }
        }
    }

    /// Waits for what is under way.
    pub fn settle(&mut self) -> Result<()> {
        while let Some((at, tagged)) = self.under_way.take() {
            self.take(at, tagged)?;
        }
        Ok(())
    }

    /// What the index says of blocks that `was_looked_at` is true of must have been found there.
    pub fn index(&mut self, was_looked_at: impl Fn(u64) -> bool, monitor: &Monitor) -> Result<()> {
        let index = self.reader.view().index();
        for record in index.all_records() {
            monitor.check()?;
            let found = record.and_then(|record| {
                let hash = Hash::new(record.hash);
                let at = record.block_offset();
                if !was_looked_at(at) {
                    return Ok(());
                }
                let place = index.locate(&hash)?;
                let known = place.is_some_and(|place| self.found.contains(place.number));
                // Of two records of one entry the newer counts.
                let moved = place.is_some_and(|place| !was_looked_at(place.block));
                if known || moved || self.bad_blocks.contains(&at) {
                    return Ok(());
                }
                let header = self.source.header(at)?;
                if header.is_some_and(|header| header.frame_kind() == Some(FrameKind::Block)) {
                    self.bad_frames.insert(at);
                }
                Err(self.source.damaged(at, format!("entry {hash} is not where the index says")))
            });
            let failed = found.is_err();
            self.report.keep(0, found)?;
            // A page of the index that is damaged is reported once, not once for each entry.
            if failed && self.report.damages.len() > DAMAGES_MAX {
                break;
            }
        }
        Ok(())
    }
}

/// Says of damaged blocks some of the paths whose bytes lie in them.
pub fn name_paths(reader: &Reader, bad_blocks: &BTreeSet<u64>, report: &mut VerifyReport) {
    let mut paths: BTreeMap<u64, Vec<(VersionId, Path)>> = BTreeMap::new();
    if !bad_blocks.is_empty() {
        for (at, version, path) in paths_in(reader, bad_blocks) {
            paths.entry(at).or_default().push((version, path));
        }
    }
    for damage in &mut report.damages {
        if let Some(paths) = paths.get(&damage.offset) {
            damage.paths.clone_from(paths);
        }
    }
}

/// Some paths whose bytes lie in damaged blocks: offset of the block, version, path.
fn paths_in(reader: &Reader, blocks: &BTreeSet<u64>) -> Vec<(u64, VersionId, Path)> {
    let mut found = Vec::new();
    let view = reader.view();
    let Ok(roots) = Roots::of_reader(reader) else { return found };
    for version in roots.versions() {
        let before = found.len();
        let Ok(walk) = reader.walk(&version, Path::root()) else { continue };
        for entry in walk {
            // The walk ends where a directory is damaged itself.
            let Ok((path, Item::File(record))) = entry else {
                if entry.is_err() {
                    break;
                }
                continue;
            };
            let Ok(chunks) = ListReader::new(view, &record.content, record.size, 0) else {
                continue;
            };
            let places = chunks.flatten().filter_map(|(_, chunk)| view.locate(&chunk.id.0).ok()?);
            let hit = places.map(|place| place.block).find(|block| blocks.contains(block));
            if let Some(block) = hit {
                found.push((block, version, path));
            }
            if found.len() - before >= PATHS_MAX {
                break;
            }
        }
    }
    found
}
