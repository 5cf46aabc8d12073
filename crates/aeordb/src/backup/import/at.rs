//! An import with a path: what the files lead to takes the place of what is there, and of nothing
//! else. It counts only if nothing else happened there meanwhile.

use crate::backup::changes::{same_apart_from_below, steps};
use crate::backup::import::chain::{Head, Input};
use crate::backup::import::intake;
use crate::backup::subtree::part;
use crate::db::{Database, Naming, Replacing, Writer};
use crate::error::{Error, Result};
use crate::hash::VersionId;
use crate::monitor::Monitor;
use crate::object::{self, Item, Path, Version};
use crate::store::Transaction;

/// What was put.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ImportAtReport {
    /// HEAD now.
    pub version: VersionId,
    /// HEAD before.
    pub previous: VersionId,
    /// Bytes by which the database grew.
    pub new_bytes: u64,
}

/// Puts at `path` what the files `inputs` lead to, all or nothing. [`Error::Changed`] unless what is
/// there is what the first of them starts from; an export starts from anything. With `only_adds`,
/// [`Error::Exists`] if anything but the mode or time of a directory would be replaced or removed.
/// `allow` is asked before anything happens about what would go. The version that comes of it is named
/// in the same commit, if there is no such name.
pub fn import_at(
    database: &Database,
    inputs: impl IntoIterator<Item = impl Into<Input>>,
    path: &Path,
    only_adds: bool,
    allow: impl FnOnce(&Replacing) -> Result<()>,
    naming: Option<&Naming>,
    monitor: &Monitor,
) -> Result<ImportAtReport> {
    let inputs: Vec<Input> = inputs.into_iter().map(Into::into).collect();
    let mut writer = database.writer()?;
    naming.map_or(Ok(()), |naming| writer.check_free(naming))?;
    let start = writer.entries().end();
    let previous = writer.head();
    let (here, _) = part(&mut writer, &previous, path)?;
    // What a delta refers to is found where it is written.
    writer.entries().flush()?;
    let chain = intake::take(&mut writer, inputs, |_, file| starts(file, &here, path), monitor)?;
    let Some(target) = chain.last().map(|last| last.target) else {
        // It was done before.
        return finish(writer, previous, naming, start);
    };
    if only_adds {
        check_adds(&writer, &here, &target, monitor)?;
    }
    allow(&replacing(&writer, &here, &target, monitor)?)?;
    let version = put(&mut writer, &previous, &target, path)?;
    finish(writer, version, naming, start)
}

/// Where a file starts that is put at `path`, of which `here` is there: nowhere if it leads there.
fn starts(file: &Head, here: &VersionId, path: &Path) -> Result<Option<VersionId>> {
    if file.target == *here {
        return Ok(None);
    }
    match file.base {
        Some(base) if base != *here => {
            let detail = "it was changed since it was looked at".into();
            Err(Error::Changed { what: path.to_string(), detail })
        }
        _ => Ok(Some(*here)),
    }
}

/// Makes a version HEAD and names it, if that is anything new.
fn finish(
    mut writer: Writer<'_>,
    version: VersionId,
    naming: Option<&Naming>,
    start: u64,
) -> Result<ImportAtReport> {
    let previous = writer.head();
    let mut report = ImportAtReport { version, previous, new_bytes: 0 };
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
