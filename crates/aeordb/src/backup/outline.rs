//! Outlines: the nodes of what is at a path, without chunks. Whoever puts a tree from elsewhere is given
//! them, makes the new version beside them, and sends the patch between the two, so that what travels
//! is what changed.

use std::io::Write;

use crate::backup::diff::{self, Base, PatchReport};
use crate::backup::export::export_nodes;
use crate::backup::subtree::part;
use crate::db::{Database, Options, Reader};
use crate::error::Result;
use crate::hash::VersionId;
use crate::monitor::Monitor;
use crate::object::Path;

/// Writes the nodes of what `path` is in `version` as an export without chunks: of a version that
/// holds nothing else, as [`crate::backup::subtree`] makes it, or of the empty one if nothing is
/// there.
pub fn export_outline(
    reader: &Reader,
    version: &VersionId,
    path: &Path,
    out: &mut dyn Write,
    monitor: &Monitor,
) -> Result<()> {
    let over = Database::over(reader, *version, None, &Options::default())?;
    let mut writer = over.writer()?;
    let (part, _) = part(&mut writer, version, path)?;
    writer.commit()?;
    export_nodes(&over.reader()?, &part, out, monitor).map(drop)
}

/// Writes the patch that leads from one version to another, of the first of which only the nodes
/// are here.
pub fn diff_from_outline(
    reader: &Reader,
    from: &VersionId,
    to: &VersionId,
    out: &mut dyn Write,
    monitor: &Monitor,
) -> Result<PatchReport> {
    diff::write(reader, (from, to), Base::Nodes, None, out, monitor)
}
