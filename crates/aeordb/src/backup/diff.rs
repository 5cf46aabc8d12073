//! Diff: the difference of two versions as a sealed file, a patch.

use std::io::Write;

use crate::backup::delta::{Deltas, Predecessors};
use crate::backup::export::place;
use crate::backup::listing::{self, Sum};
use crate::backup::live::LiveChunks;
use crate::db::Reader;
use crate::error::Result;
use crate::format::seal::Closing;
use crate::graph::{Bitmap, Differ, Step};
use crate::hash::{Hash, Kind, ListId, VersionId};
use crate::log::View;
use crate::log::sealed::SealedWriter;
use crate::object::{FileRecord, Item, ListReader, Path, list};
use crate::store::ReadEntries;
use crate::watch::Watch;

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
    watch: &Watch,
) -> Result<PatchReport> {
    write(reader, from, to, Base::Whole, out, watch)
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
    from: &VersionId,
    to: &VersionId,
    base: Base,
    out: &mut dyn Write,
    watch: &Watch,
) -> Result<PatchReport> {
    let mut plan = Plan::new(reader, base);
    plan.look(from, to, watch)?;
    let mut out = SealedWriter::new(out, reader.crew().clone(), Some(from), to)?;
    if from != to {
        out.push(Kind::Version, to.0, &reader.version(to)?.encode())?;
    }
    let sum = listing::write(reader.view(), from, to, &mut out)?;
    watch.expect(sum.added + sum.modified, plan.bytes);
    let Plan { mut seen, mut chunks, deleted, .. } = plan;
    let mut deltas = Deltas::new(reader, watch);
    let mut moved_from = None;
    for step in steps(reader, from, to)? {
        watch.check()?;
        match step? {
            Step::Node { hash, bytes, near } => {
                if seen.insert(place(reader.view(), Kind::Directory, &hash)?.number) {
                    deltas.node(&mut out, hash, &bytes, near.or(moved_from))?;
                }
            }
            Step::Item { path, before, after: Some(Item::Directory(_)) } => {
                moved_from = match before {
                    Some(Item::Directory(_)) => None,
                    _ => deleted.of_directory(&path),
                };
            }
            Step::Item { path, before, after: Some(Item::File(record)) } => {
                let view = reader.view();
                for node in list_nodes(view, &record)? {
                    if seen.insert(place(view, Kind::List, &node)?.number) {
                        let bytes = view.read(Kind::List, &node)?;
                        out.push(Kind::List, node, &bytes)?;
                    }
                }
                let old = match &before {
                    Some(Item::File(old)) => Some(old),
                    _ => deleted.of_file(&path, &record),
                };
                match old {
                    Some(old) if old.content == record.content => {}
                    Some(old) if base == Base::Whole => {
                        deltas.file(&mut out, &mut chunks, old, &record)?;
                    }
                    _ => {
                        for chunk in ListReader::new(view, &record.content, record.size, 0)? {
                            let (_, chunk) = chunk?;
                            chunks.want(&place(view, Kind::Chunk, &chunk.id.0)?);
                        }
                    }
                }
            }
            Step::Item { .. } => {}
        }
    }
    deltas.finish(&mut out)?;
    out.end_section()?;
    chunks.copy(reader, &mut out, watch)?;
    let (closing, bytes) = out.finish(|closing| sum.fill(closing))?;
    Ok(PatchReport::new(from, to, &sum, &closing, bytes))
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

fn steps<'r>(
    reader: &'r Reader,
    from: &VersionId,
    to: &VersionId,
) -> Result<Differ<'r, View, View>> {
    let (from, to) = (reader.version(from)?, reader.version(to)?);
    let view = reader.view();
    Differ::new(view, Some(&from.root), view, Some(&to.root), &Path::root())
}

/// The nodes of a file's chunk list.
fn list_nodes(view: &View, record: &FileRecord) -> Result<Vec<Hash>> {
    let mut nodes = Vec::new();
    let node = |id: &ListId| {
        nodes.push(id.0);
        Ok(())
    };
    list::verify_list(view, &record.content, record.size, node, |_| Ok(()))?;
    Ok(nodes)
}

/// What a first pass over the difference finds out.
struct Plan<'r> {
    reader: &'r Reader,
    base: Base,
    /// Bytes of the files that differ or are new.
    bytes: u64,
    /// Nodes that whoever has the base has, as far as the difference shows them.
    seen: Bitmap,
    /// Likewise chunks: those of changed and deleted files.
    chunks: LiveChunks,
    deleted: Predecessors,
}

impl<'r> Plan<'r> {
    fn new(reader: &'r Reader, base: Base) -> Self {
        let seen = Bitmap::new(reader.view().number_limit());
        let (chunks, deleted) = (LiveChunks::new(reader), Predecessors::default());
        Plan { reader, base, bytes: 0, seen, chunks, deleted }
    }

    fn look(&mut self, from: &VersionId, to: &VersionId, watch: &Watch) -> Result<()> {
        let view = self.reader.view();
        for step in steps(self.reader, from, to)? {
            watch.check()?;
            let Step::Item { path, before, after } = step? else { continue };
            if let (Some(gone), None) = (&before, &after) {
                self.deleted.add(&path, gone);
            }
            if let Some(Item::File(old)) = &before {
                for node in list_nodes(view, old)? {
                    self.seen.insert(place(view, Kind::List, &node)?.number);
                }
                for chunk in ListReader::new(view, &old.content, old.size, 0)? {
                    let (_, chunk) = chunk?;
                    // One that is not here is in no new file either.
                    let place = match self.base {
                        Base::Whole => Some(place(view, Kind::Chunk, &chunk.id.0)?),
                        Base::Nodes => view.locate(&chunk.id.0)?,
                    };
                    if let Some(place) = place {
                        self.chunks.exclude(&place);
                    }
                }
            }
            if let Some(Item::File(new)) = &after {
                self.bytes += new.size;
            }
        }
        Ok(())
    }
}
