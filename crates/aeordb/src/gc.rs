//! Garbage collection: keeps what HEAD, snapshots and kept history reach, and gives the rest back
//! to the file system.
//!
//! The order makes it safe: a commit whose index no longer names the dead entries is durable, both
//! superblocks lead to it, and no reader from before is left, before a byte is released. A crash
//! in between leaks space, which the next collection gives back.

use std::collections::{BTreeMap, BTreeSet};

use crate::db::{Database, FileKind, Writer};
use crate::error::{Error, Result};
use crate::format::checkpoint::VoidRef;
use crate::format::superblock::DATABASE_START;
use crate::graph::{Differ, Step};
use crate::hash::{DirectoryId, Hash, Kind, ListId, VersionId};
use crate::object::tree::{self, Difference, SystemMap};
use crate::object::{ChunkRef, Item, Path, Version, list};
use crate::store::{Bitmap, ReadEntries};
use crate::watch::Watch;

/// History entries that are always kept.
const HISTORY_KEPT: usize = 1000;
/// How long others are kept, in nanoseconds: 30 days.
const HISTORY_AGE: i64 = 30 * 24 * 3600 * 1_000_000_000;

/// What a collection found and did.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct GcReport {
    /// Entries that are reached.
    pub entries_live: u64,
    /// Bytes of the blocks that hold them.
    pub bytes_live: u64,
    /// Entries that are not.
    pub entries_collected: u64,
    /// Bytes of the file that nothing needs any more.
    pub bytes_collected: u64,
    /// Bytes that went back to the file system.
    pub bytes_released: u64,
    /// Bytes that readers still hold: a later collection releases them.
    pub bytes_deferred: u64,
}

/// Collects what nothing reaches; with `dry_run` only says what that would be.
pub fn collect(database: &Database, dry_run: bool, watch: &Watch) -> Result<GcReport> {
    if database.kind() != FileKind::Database {
        let what = database.path().display().to_string();
        return Err(Error::ReadOnly { what, why: "it is sealed".into() });
    }
    let mut writer = database.writer()?;
    let trimmed = trim_history(database, &mut writer)?;
    writer.entries().flush()?;
    let mut live = mark(&mut writer, watch)?;
    keep_uploads(database, &mut writer, &mut live)?;
    let plan = plan(&mut writer, &live, watch)?;
    let mut report = plan.report;
    // Old runs and commits alone are not worth a collection: it would leave its own behind.
    if dry_run || (report.entries_collected == 0 && !trimmed) {
        return Ok(report);
    }
    let mut root = writer.root().clone();
    root.epoch += 1;
    let epoch = root.epoch;
    writer.collected(root, &live, plan.voids.clone())?;
    let held = database.log().has_readers_before(epoch)?;
    if held {
        report.bytes_deferred = report.bytes_collected;
    } else {
        report.bytes_released = database.log().release(&plan.voids)?;
    }
    Ok(report)
}

/// Marks what uploads under way may have written: nothing reaches it yet.
fn keep_uploads(database: &Database, writer: &mut Writer<'_>, live: &mut Bitmap) -> Result<()> {
    let Some(start) = database.uploads().start() else { return Ok(()) };
    let appender = writer.entries();
    for record in appender.records() {
        let place = appender.locate(&Hash::new(record?.hash))?;
        if let Some(place) = place.filter(|place| place.block >= start) {
            live.insert(place.number);
        }
    }
    Ok(())
}

/// Lets go of history that is old in number and in time. True if there was any.
fn trim_history(database: &Database, writer: &mut Writer<'_>) -> Result<bool> {
    let history = writer.history()?;
    let oldest = database.clock().now().saturating_sub(HISTORY_AGE);
    let surplus = history.len().saturating_sub(HISTORY_KEPT);
    // In order of number: where one is kept, all that are newer are kept, whatever their clock.
    let gone: Vec<u64> = history
        .iter()
        .take(surplus)
        .take_while(|entry| entry.time < oldest)
        .map(|entry| entry.sequence)
        .collect();
    if gone.is_empty() {
        return Ok(false);
    }
    writer.forget_history(&gone)?;
    Ok(true)
}

/// Marks everything that the roots reach, each node once.
fn mark(writer: &mut Writer<'_>, watch: &Watch) -> Result<Bitmap> {
    let mut versions = vec![writer.head()];
    versions.extend(writer.snapshots()?.into_iter().map(|snapshot| snapshot.version));
    versions.extend(writer.history()?.into_iter().rev().map(|entry| entry.version));
    let mut seen = BTreeSet::new();
    versions.retain(|version| seen.insert(*version));
    let mut marker = Marker { live: Bitmap::new(writer.number_limit()), writer, watch };
    let root = marker.writer.root().clone();
    for map in [root.snapshots, root.history, root.system] {
        marker.map(&map)?;
    }
    let mut before: Option<DirectoryId> = None;
    for version in versions {
        before = Some(marker.version(&version, before.as_ref())?);
    }
    Ok(marker.live)
}

struct Marker<'a, 'd> {
    writer: &'a mut Writer<'d>,
    live: Bitmap,
    watch: &'a Watch,
}

impl Marker<'_, '_> {
    /// Marks an entry; true if it was not marked before. That it is missing is damage: a
    /// collection must not run over it.
    fn mark(&mut self, kind: Kind, hash: &Hash) -> Result<bool> {
        let place = self.writer.locate(hash)?.ok_or_else(|| {
            let detail = format!("{} {hash} is missing: nothing was collected", kind.name());
            Error::damaged(self.writer.database().path().display().to_string(), 0, detail)
        })?;
        Ok(self.live.insert(place.number))
    }

    fn map(&mut self, root: &Hash) -> Result<()> {
        let empty = tree::empty_root(Kind::System);
        let nodes: Vec<Hash> =
            tree::diff::<SystemMap, _, _>(&*self.writer, &empty, &*self.writer, root)?
                .filter_map(|step| match step {
                    Ok(Difference::Node { hash, .. }) => Some(Ok(hash)),
                    Ok(Difference::Entry { .. }) => None,
                    Err(error) => Some(Err(error)),
                })
                .collect::<Result<_>>()?;
        nodes.iter().try_for_each(|node| self.mark(Kind::System, node).map(drop))
    }

    /// Marks what a version reaches and `before`, which was marked, does not.
    fn version(&mut self, id: &VersionId, before: Option<&DirectoryId>) -> Result<DirectoryId> {
        let version = Version::read(&*self.writer, id)?;
        if *id != Version::empty().id() {
            self.mark(Kind::Version, &id.0)?;
        }
        let view = self.writer.entries().snapshot();
        let mut differ = Differ::new(&view, before, &view, Some(&version.root), &Path::root())?;
        while let Some(step) = differ.next() {
            self.watch.check()?;
            match step? {
                Step::Node { hash, .. } => {
                    self.mark(Kind::Directory, &hash)?;
                }
                Step::Item { after: Some(Item::File(record)), .. } => {
                    let mut parts = Vec::new();
                    let parts_cell = std::cell::RefCell::new(&mut parts);
                    let node = |id: &ListId| {
                        parts_cell.borrow_mut().push((Kind::List, id.0));
                        Ok(())
                    };
                    let chunk = |chunk: &ChunkRef| {
                        parts_cell.borrow_mut().push((Kind::Chunk, chunk.id.0));
                        Ok(())
                    };
                    list::verify_list(&view, &record.content, record.size, node, chunk)?;
                    for (kind, hash) in parts {
                        self.mark(kind, &hash)?;
                    }
                }
                Step::Item { after: Some(Item::Directory(directory)), .. } => {
                    let place = self.writer.locate(&directory.root.0)?;
                    if place.is_some_and(|place| self.live.contains(place.number)) {
                        differ.skip_subtree();
                    }
                }
                Step::Item { after: None, .. } => differ.skip_subtree(),
                Step::Item { .. } => {}
            }
        }
        Ok(version.root)
    }
}

struct Plan {
    report: GcReport,
    voids: Vec<VoidRef>,
}

/// What is void once only the live entries count: everything but the blocks that hold them.
fn plan(writer: &mut Writer<'_>, live: &Bitmap, watch: &Watch) -> Result<Plan> {
    let appender = writer.entries();
    let mut report = GcReport::default();
    let mut blocks: BTreeMap<u64, u64> = BTreeMap::new();
    for record in appender.records() {
        watch.check()?;
        let record = record?;
        let place = appender.locate(&Hash::new(record.hash))?;
        if place.is_some_and(|place| live.contains(place.number)) {
            report.entries_live += 1;
            blocks.insert(record.block_offset(), 0);
        } else {
            report.entries_collected += 1;
        }
    }
    let source = appender.source();
    let mut voids = Vec::new();
    let mut at = DATABASE_START;
    for (offset, len) in &mut blocks {
        let header = source
            .header(*offset)?
            .ok_or_else(|| source.damaged(*offset, "expected a block, found no frame"))?;
        *len = header.frame_len();
        report.bytes_live += *len;
        if *offset > at {
            voids.push(VoidRef { offset: at.into(), len: (*offset - at).into() });
        }
        at = *offset + *len;
    }
    if appender.end() > at {
        voids.push(VoidRef { offset: at.into(), len: (appender.end() - at).into() });
    }
    report.bytes_collected = voids.iter().map(|void| void.len.get()).sum();
    Ok(Plan { report, voids })
}
