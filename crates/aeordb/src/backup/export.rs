//! Export: one version as a sealed file.

use std::io::Write;

use crate::backup::repack::{Repack, missing};
use crate::db::Reader;
use crate::encryption::Recipients;
use crate::error::Result;
use crate::graph::{Met, Reach};
use crate::hash::{Kind, VersionId};
use crate::log::sealed::SealedWriter;
use crate::monitor::Monitor;
use crate::object::{Item, Version};
use crate::store::ViewEntries;

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
    monitor: &Monitor,
) -> Result<ExportReport> {
    write(reader, version, true, None, out, monitor)
}

/// The same, encrypted if there are recipients, for them alone.
pub fn export_for(
    reader: &Reader,
    version: &VersionId,
    recipients: Option<&dyn Recipients>,
    out: &mut dyn Write,
    monitor: &Monitor,
) -> Result<ExportReport> {
    write(reader, version, true, recipients, out, monitor)
}

/// Writes the nodes of `version` alone: what is recorded of its files, without their bytes. Whoever
/// reads a file of it, or imports it, is told that chunks are missing.
pub(super) fn export_nodes(
    reader: &Reader,
    version: &VersionId,
    out: &mut dyn Write,
    monitor: &Monitor,
) -> Result<ExportReport> {
    write(reader, version, false, None, out, monitor)
}

fn write(
    reader: &Reader,
    version: &VersionId,
    with_chunks: bool,
    recipients: Option<&dyn Recipients>,
    out: &mut dyn Write,
    monitor: &Monitor,
) -> Result<ExportReport> {
    let decoded = reader.version(version)?;
    let Version { root, totals, .. } = decoded;
    monitor.expect(totals.files, totals.bytes);
    let required = reader.view().required();
    let mut out =
        SealedWriter::new(out, reader.pool().clone(), None, version, required, recipients)?;
    out.push(Kind::Version, version.0, &decoded.encode())?;
    let view = reader.view();
    let mut chunks = Repack::new(reader);
    let mut reach = Reach::new(view, &missing, monitor);
    let mut take = |met: &Met<'_>| {
        match met.bytes {
            Some(bytes) => out.push(met.kind, *met.hash, bytes)?,
            None if with_chunks => drop(chunks.want(&met.place)),
            None => {}
        }
        Ok(())
    };
    reach.item(&Item::Directory(decoded.root_directory()), &mut take)?;
    reach.tree(None, &root, take)?;
    out.end_section()?;
    let count = chunks.len();
    chunks.copy(reader, &mut out, monitor)?;
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
