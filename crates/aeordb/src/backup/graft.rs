//! What is at one path, put from elsewhere: whoever puts is given the nodes of what is there, makes
//! the new version of it beside them, and sends the patch between the two. What travels is what
//! changed, it is proved like any import, and it counts only if nothing else happened there
//! meanwhile.

use std::io::Write;

use crate::backup::changes::{same_apart_from_below, steps};
use crate::backup::diff::{self, Base, PatchReport};
use crate::backup::export::export_nodes;
use crate::backup::import::chain::{Chain, Head, Input};
use crate::backup::import::copy;
use crate::backup::subtree::part;
use crate::db::{Database, Naming, Options, Reader, Replacing, Writer};
use crate::error::{Error, Result};
use crate::graph;
use crate::hash::VersionId;
use crate::log::stream::StreamReader;
use crate::monitor::Monitor;
use crate::object::{self, Item, Path, Version};
use crate::store::Transaction;

/// What was put.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct GraftReport {
    /// HEAD now.
    pub version: VersionId,
    /// HEAD before.
    pub previous: VersionId,
    /// Bytes by which the database grew.
    pub new_bytes: u64,
}

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

/// Puts at `path` what the patch `input` leads to, all or nothing. [`Error::Changed`] unless what
/// is there is what the patch starts from; an export starts from anything. With `only_adds`,
/// [`Error::Exists`] if anything but the mode or time of a directory would be replaced or removed.
/// `allow` is asked before anything happens about what would go. The version that comes of it is named
/// in the same commit, if there is no such name.
pub fn graft(
    database: &Database,
    input: Input,
    path: &Path,
    only_adds: bool,
    allow: impl FnOnce(&Replacing) -> Result<()>,
    naming: Option<&Naming>,
    monitor: &Monitor,
) -> Result<GraftReport> {
    let mut writer = database.writer()?;
    naming.map_or(Ok(()), |naming| writer.check_free(naming))?;
    let start = writer.entries().end();
    let previous = writer.head();
    let name = input.name();
    let mut read = input.open(Some(database))?;
    let mut stream = StreamReader::new(&mut *read, name)?;
    let file = Head::new(stream.name(), stream.superblock());
    let target = file.target;
    let (here, _) = part(&mut writer, &previous, path)?;
    if here == target {
        // It was done before.
        return finish(writer, previous, naming, start);
    }
    if file.base.is_some_and(|base| base != here) {
        let detail = "it was changed since it was looked at".into();
        return Err(Error::Changed { what: path.to_string(), detail });
    }
    // What a delta refers to is found where it is written.
    writer.entries().flush()?;
    let copied = copy::copy(&mut writer, &mut stream, monitor)?;
    writer.entries().flush()?;
    let (written, pool) = (writer.entries().written(), database.pool());
    let proved = graph::prove(&written, &target, Some(&here), pool, monitor);
    proved
        .map_err(|error| match error {
            Error::NotFound(_) => Error::Incomplete { version: target, missing: 1, supplier: None },
            other => other,
        })?
        .check_paths(&target)?;
    let mut chain = Chain::default();
    chain.push(file, copied);
    chain.check(&writer)?;
    if only_adds {
        check_adds(&writer, &here, &target, monitor)?;
    }
    allow(&replacing(&writer, &here, &target, monitor)?)?;
    let version = put(&mut writer, &previous, &target, path)?;
    finish(writer, version, naming, start)
}

/// Makes a version HEAD and names it, if that is anything new.
fn finish(
    mut writer: Writer<'_>,
    version: VersionId,
    naming: Option<&Naming>,
    start: u64,
) -> Result<GraftReport> {
    let previous = writer.head();
    let mut report = GraftReport { version, previous, new_bytes: 0 };
    if version != previous {
        writer.set_head(version, "put")?;
    }
    if let Some(naming) = naming {
        let now = writer.database().clock().now();
        writer.add_snapshot(&naming.of(version, now))?;
    }
    if version != previous || naming.is_some() {
        report.new_bytes = writer.commit_and_end()?.saturating_sub(start);
    }
    Ok(report)
}

/// HEAD with what `path` is in `target`.
fn put(
    writer: &mut Writer<'_>,
    head: &VersionId,
    target: &VersionId,
    path: &Path,
) -> Result<VersionId> {
    if path.is_root() {
        return Ok(*target);
    }
    let (head, target) = (Version::read(writer, head)?, Version::read(writer, target)?);
    let item = object::resolve(writer, &target, path)?
        .ok_or_else(|| Error::invalid(format!("the file has nothing at {path}")))?;
    let version = object::apply(writer.entries(), &head, [(path.clone(), Some(item))])?;
    writer.add_version(&version)
}

/// [`Error::Exists`] if `to` replaces or lacks anything that `from` has.
fn check_adds(
    writer: &Writer<'_>,
    from: &VersionId,
    to: &VersionId,
    monitor: &Monitor,
) -> Result<()> {
    for change in steps(writer, from, to)? {
        monitor.check()?;
        let (path, before, after) = change?;
        let kept = match (&before, &after) {
            (None, _) | (Some(Item::Directory(_)), Some(Item::Directory(_))) => true,
            (Some(before), Some(after)) => same_apart_from_below(before, after),
            (Some(_), None) => false,
        };
        if !kept {
            return Err(Error::Exists(path.to_string()));
        }
    }
    Ok(())
}

/// What goes where `to` takes the place of `from`.
fn replacing(
    writer: &Writer<'_>,
    from: &VersionId,
    to: &VersionId,
    monitor: &Monitor,
) -> Result<Replacing> {
    let files = |version| Version::read(writer, version).map(|found| found.totals.files);
    let mut replacing = Replacing { put: files(to)?, deleted: 0, files: files(from)? };
    for change in steps(writer, from, to)? {
        monitor.check()?;
        if let (_, Some(before), None | Some(Item::Directory(_))) = change?
            && !matches!(before, Item::Directory(_))
        {
            replacing.deleted += before.totals().files;
        }
    }
    Ok(replacing)
}
