//! Diff: the difference of two versions as a sealed file, a patch.

use std::io::Write;

use crate::backup::delta::{Deltas, Predecessors};
use crate::backup::listing::{self, Sum};
use crate::backup::repack::{Repack, missing};
use crate::db::Reader;
use crate::encryption::Recipients;
use crate::error::Result;
use crate::format::seal::Closing;
use crate::graph::{Bitmap, Differ, Met, Reach, Step};
use crate::hash::{Hash, Kind, VersionId};
use crate::limits::DELTA_FILE_CHUNKS_MAX;
use crate::log::sealed::SealedWriter;
use crate::monitor::Monitor;
use crate::object::{FileRecord, Item, Version};
use crate::store::{ReadEntries, ViewEntries};

/// What a patch holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PatchReport {
    /// The version that it starts from.
    pub from: VersionId,
    /// The version that it leads to.
    pub to: VersionId,
    /// Files that are only in `to`.
    pub files_added: u64,
    /// Files that differ.
    pub files_modified: u64,
    /// Files that are only in `from`.
    pub files_deleted: u64,
    /// Chunks in the patch.
    pub chunks: u64,
    /// Directories whose entries differ.
    pub directories: u64,
    /// Bytes of the output.
    pub bytes: u64,
}

/// Writes the patch that leads from one version to another to `out`.
pub fn diff(
    reader: &Reader,
    from: &VersionId,
    to: &VersionId,
    out: &mut dyn Write,
    monitor: &Monitor,
) -> Result<PatchReport> {
    diff_for(reader, (from, to), None, out, monitor)
}

/// The same, encrypted if there are recipients, for them alone.
pub fn diff_for(
    reader: &Reader,
    (from, to): (&VersionId, &VersionId),
    recipients: Option<&dyn Recipients>,
    out: &mut dyn Write,
    monitor: &Monitor,
) -> Result<PatchReport> {
    write(reader, (from, to), Base::Whole, recipients, out, monitor)
}

/// How much of the version that a patch starts from is here.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Base {
    /// All of it.
    Whole,
    /// Its nodes. New chunks then refer to nothing; those that `from` has are left out all the same.
    Nodes,
}

pub(super) fn write(
    reader: &Reader,
    (from, to): (&VersionId, &VersionId),
    base: Base,
    recipients: Option<&dyn Recipients>,
    out: &mut dyn Write,
    monitor: &Monitor,
) -> Result<PatchReport> {
    let mut plan = Plan::new(reader, base);
    plan.look(from, to, monitor)?;
    let required = reader.view().required();
    let mut out =
        SealedWriter::new(out, reader.pool().clone(), Some(from), to, required, recipients)?;
    if from != to {
        out.push(Kind::Version, to.0, &reader.version(to)?.encode())?;
    }
    let sum = listing::write(reader.view(), from, to, &mut out)?;
    monitor.expect(sum.added + sum.modified, plan.bytes);
    let Plan { met, mut chunks, deleted, .. } = plan;
    let mut reach = Reach::resume(reader.view(), met, &missing, monitor);
    let mut deltas = Deltas::new(reader, monitor);
    let mut moved_from = None;
    let mut steps = steps(reader.view(), from, to)?;
    let own = Item::Directory(reader.version(to)?.root_directory());
    reach.attributes(&own, |met| take(met, &mut out, &mut chunks))?;
    while let Some(step) = steps.next() {
        monitor.check()?;
        let step = step?;
        if let Step::Item { after: Some(after), .. } = &step {
            reach.attributes(after, |met| take(met, &mut out, &mut chunks))?;
        }
        match step {
            Step::Node { hash, bytes, near } => {
                if reach.meet(Kind::Directory, &hash)?.is_some() {
                    deltas.node(&mut out, hash, &bytes, near.or(moved_from))?;
                }
            }
            Step::Item { name, before, after: Some(Item::Directory(_)) } => {
                moved_from = match before {
                    Some(Item::Directory(_)) => None,
                    _ => deleted.of_directory(&steps.path_of(&name)?),
                };
            }
            Step::Item { name, before, after: Some(after @ Item::File(_)) } => {
                let Item::File(record) = &after else { continue };
                let old = match &before {
                    Some(Item::File(old)) => Some(old),
                    _ => deleted.of_file(&steps.path_of(&name)?, record),
                };
                let old = old.filter(|old| base == Base::Whole && can_refer(record, old));
                reach.item(&after, |met| {
                    match met.bytes {
                        Some(bytes) => out.push(met.kind, *met.hash, bytes)?,
                        None if old.is_none() => drop(chunks.want(&met.place)),
                        // It is for the deltas of the file to take.
                        None => {}
                    }
                    Ok(())
                })?;
                if let Some(old) = old.filter(|old| old.content != record.content) {
                    deltas.file(&mut out, &mut chunks, old, record)?;
                }
            }
            Step::Item { .. } => {}
        }
    }
    deltas.finish(&mut out)?;
    out.end_section()?;
    chunks.copy(reader, &mut out, monitor)?;
    let (closing, bytes) = out.finish(|closing| sum.fill(closing))?;
    Ok(PatchReport::new(from, to, &sum, &closing, bytes))
}

/// Takes what the attributes of an item stand on.
fn take(met: &Met<'_>, out: &mut SealedWriter<'_>, chunks: &mut Repack) -> Result<()> {
    match met.bytes {
        Some(bytes) => out.push(met.kind, *met.hash, bytes),
        None => {
            chunks.want(&met.place);
            Ok(())
        }
    }
}

impl PatchReport {
    /// What a patch of `bytes` bytes holds, as its closing superblock and its list of changes say.
    pub(super) fn new(
        from: &VersionId,
        to: &VersionId,
        sum: &Sum,
        closing: &Closing,
        bytes: u64,
    ) -> Self {
        PatchReport {
            from: *from,
            to: *to,
            files_added: sum.added,
            files_modified: sum.modified,
            files_deleted: sum.deleted,
            chunks: closing.chunks.get(),
            directories: sum.directories,
            bytes,
        }
    }
}

fn steps<'s, S: ReadEntries>(
    store: &'s S,
    from: &VersionId,
    to: &VersionId,
) -> Result<Differ<'s, S, S>> {
    let (from, to) = (Version::read(store, from)?, Version::read(store, to)?);
    Ok(Differ::new(store, Some(&from.root), store, Some(&to.root)))
}

/// Whether the chunks of a file are gone through one by one to compress each against a part of an
/// old file. A list that repeats itself may unfold to more than can be gone through.
fn can_refer(new: &FileRecord, old: &FileRecord) -> bool {
    new.content.chunks().max(old.content.chunks()) <= DELTA_FILE_CHUNKS_MAX
}

/// What a first pass over the difference finds out.
struct Plan<'r> {
    reader: &'r Reader,
    base: Base,
    /// Bytes of the files that differ or are new.
    bytes: u64,
    /// Nodes that whoever has the base has, as far as the difference shows them.
    met: Bitmap,
    /// Likewise chunks: those of changed and deleted files.
    chunks: Repack,
    deleted: Predecessors,
}

impl<'r> Plan<'r> {
    fn new(reader: &'r Reader, base: Base) -> Self {
        let met = Bitmap::new(reader.view().number_limit());
        let (chunks, deleted) = (Repack::new(reader), Predecessors::default());
        Plan { reader, base, bytes: 0, met, chunks, deleted }
    }

    fn look(&mut self, from: &VersionId, to: &VersionId, monitor: &Monitor) -> Result<()> {
        let on_missing = |kind: Kind, hash: &Hash| match (kind, self.base) {
            // One that is not here is in no new file either.
            (Kind::Chunk, Base::Nodes) => Ok(()),
            _ => missing(kind, hash),
        };
        let met = std::mem::take(&mut self.met);
        let mut reach = Reach::resume(self.reader.view(), met, &on_missing, monitor);
        let mut steps = steps(self.reader.view(), from, to)?;
        let own = Item::Directory(self.reader.version(from)?.root_directory());
        reach.attributes(&own, |_| Ok(()))?;
        while let Some(step) = steps.next() {
            monitor.check()?;
            let Step::Item { name, before, after } = step? else { continue };
            if let (Some(gone), None) = (&before, &after) {
                self.deleted.add(&steps.path_of(&name)?, gone);
            }
            if let Some(old) = &before {
                reach.item(old, |met| {
                    if met.kind == Kind::Chunk {
                        self.chunks.exclude(&met.place);
                    }
                    Ok(())
                })?;
            }
            if let Some(Item::File(new)) = &after {
                self.bytes += new.size;
            }
        }
        self.met = reach.into_met();
        Ok(())
    }
}
