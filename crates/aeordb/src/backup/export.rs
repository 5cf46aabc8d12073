//! Export: one version as a sealed file.

use std::io::Write;

use crate::backup::live::LiveChunks;
use crate::db::Reader;
use crate::error::{Error, Result};
use crate::graph::{Bitmap, Differ, Step};
use crate::hash::{Hash, Kind, ListId, VersionId};
use crate::log::sealed::SealedWriter;
use crate::object::{ChunkRef, Item, Version, list};
use crate::store::{Place, ReadEntries};
use crate::watch::Watch;

/// What an export holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ExportReport {
    /// The version.
    pub version: VersionId,
    /// Its files.
    pub files: u64,
    /// Its different chunks.
    pub chunks: u64,
    /// Its directories, the root included.
    pub directories: u64,
    /// Bytes of the output.
    pub bytes: u64,
}

/// Writes `version` to `out`: its nodes first, then its chunks in the order of its files.
pub fn export(
    reader: &Reader,
    version: &VersionId,
    out: &mut dyn Write,
    watch: &Watch,
) -> Result<ExportReport> {
    write(reader, version, true, out, watch)
}

/// Writes the nodes of `version` alone: what is recorded of its files, without their bytes. Whoever
/// reads a file of it, or imports it, is told that chunks are missing.
pub(super) fn export_nodes(
    reader: &Reader,
    version: &VersionId,
    out: &mut dyn Write,
    watch: &Watch,
) -> Result<ExportReport> {
    write(reader, version, false, out, watch)
}

fn write(
    reader: &Reader,
    version: &VersionId,
    with_chunks: bool,
    out: &mut dyn Write,
    watch: &Watch,
) -> Result<ExportReport> {
    let decoded = reader.version(version)?;
    let Version { root, totals } = decoded;
    watch.expect(totals.files, totals.bytes);
    let mut out = SealedWriter::new(out, reader.crew().clone(), None, version)?;
    out.push(Kind::Version, version.0, &decoded.encode())?;
    let view = reader.view();
    let mut nodes = Bitmap::new(view.number_limit());
    let mut chunks = LiveChunks::new(reader);
    let mut differ = Differ::new(view, None, view, Some(&root));
    while let Some(step) = differ.next() {
        watch.check()?;
        match step? {
            Step::Node { hash, bytes, .. } => {
                if nodes.insert(place(view, Kind::Directory, &hash)?.number) {
                    out.push(Kind::Directory, hash, &bytes)?;
                }
            }
            Step::Item { after: Some(Item::File(record)), .. } => {
                let node = |id: &ListId| {
                    watch.check()?;
                    let new = nodes.insert(place(view, Kind::List, &id.0)?.number);
                    if new {
                        out.push(Kind::List, id.0, &view.read(Kind::List, &id.0)?)?;
                    }
                    Ok(new)
                };
                let chunk = |chunk: &ChunkRef| {
                    if !with_chunks {
                        return Ok(());
                    }
                    chunks.want(&place(view, Kind::Chunk, &chunk.id.0)?);
                    Ok(())
                };
                list::verify_list(view, &record.content, record.size, node, chunk)?;
                watch.advance(1, 0);
            }
            // What is below is the same as where it was met first.
            Step::Item { after: Some(Item::Directory(directory)), .. } => {
                let first = view.locate(&directory.root.0)?;
                if first.is_some_and(|place| nodes.contains(place.number)) {
                    differ.skip_subtree();
                }
            }
            Step::Item { .. } => {}
        }
    }
    out.end_section()?;
    let count = chunks.len();
    chunks.copy(reader, &mut out, watch)?;
    let (_, bytes) = out.finish(|closing| {
        closing.files = totals.files.into();
        closing.directories = totals.directories.into();
    })?;
    let Version { totals, .. } = decoded;
    Ok(ExportReport {
        version: *version,
        files: totals.files,
        chunks: count,
        directories: totals.directories,
        bytes,
    })
}

/// Where an entry is that the version reaches: that it is nowhere is damage.
pub(super) fn place(store: &dyn ReadEntries, kind: Kind, hash: &Hash) -> Result<Place> {
    store.locate(hash)?.ok_or_else(|| {
        let detail = format!("{} {hash} is missing", kind.name());
        Error::damaged("the database", 0, detail)
    })
}
