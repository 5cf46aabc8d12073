//! Changes of paths within the database: removing, renaming, copying.

use std::collections::BTreeMap;

use crate::db::{Database, Writer};
use crate::error::{Error, Result};
use crate::hash::VersionId;
use crate::object::{self, Item, Path, Version};

/// What a change of paths did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EditReport {
    /// HEAD now.
    pub version: VersionId,
    /// HEAD before.
    pub previous: VersionId,
    /// Files that were removed, moved or copied.
    pub files: u64,
    /// Directories that were removed, moved or copied.
    pub directories: u64,
    /// Bytes of those files.
    pub bytes: u64,
}

impl EditReport {
    fn count(&mut self, item: &Item) {
        let totals = item.totals();
        self.files += totals.files;
        self.directories += totals.directories;
        self.bytes += totals.bytes;
    }
}

impl Database {
    /// Removes paths. A directory goes only with `recursive`.
    pub fn remove(&self, paths: &[Path], recursive: bool) -> Result<EditReport> {
        self.change("rm", |head, writer, report| {
            let mut changes = BTreeMap::new();
            for path in paths {
                let item = existing(writer, head, path)?;
                if matches!(item, Item::Directory(_)) && !recursive {
                    return Err(Error::invalid(format!("{path} is a directory")));
                }
                // What goes with a directory that goes is counted with it.
                let covered = paths.iter().any(|other| other != path && other.contains(path));
                if !covered && changes.insert(path.clone(), None).is_none() {
                    report.count(&item);
                }
            }
            Ok(changes)
        })
    }

    /// Moves what is at `from` to `to`; with `force` a file that is there is replaced.
    pub fn rename(&self, from: &Path, to: &Path, force: bool) -> Result<EditReport> {
        self.change("mv", |head, writer, report| {
            let item = existing(writer, head, from)?;
            if from == to {
                return Err(same(from));
            }
            if from.contains(to) {
                return Err(Error::invalid(format!("{to} lies within {from}")));
            }
            free(writer, head, to, force)?;
            report.count(&item);
            Ok(BTreeMap::from([(from.clone(), None), (to.clone(), Some(item))]))
        })
    }

    /// Copies what is at `from` in a version to `to` in HEAD; with `force` a file that is there is
    /// replaced. Content is shared, not copied.
    pub fn copy(
        &self,
        from_version: &VersionId,
        from: &Path,
        to: &Path,
        force: bool,
    ) -> Result<EditReport> {
        self.change("cp", |head, writer, report| {
            let source = Version::read(writer, from_version)?;
            let item = existing(writer, &source, from)?;
            if from == to && *from_version == writer.head() {
                return Err(same(from));
            }
            free(writer, head, to, force)?;
            report.count(&item);
            Ok(BTreeMap::from([(to.clone(), Some(item))]))
        })
    }

    /// Applies the changes that `plan` makes of HEAD as one commit.
    fn change(
        &self,
        what: &str,
        plan: impl FnOnce(
            &Version,
            &Writer<'_>,
            &mut EditReport,
        ) -> Result<BTreeMap<Path, Option<Item>>>,
    ) -> Result<EditReport> {
        let mut writer = self.writer()?;
        let previous = writer.head();
        let head = writer.head_version()?;
        let mut report =
            EditReport { version: previous, previous, files: 0, directories: 0, bytes: 0 };
        let changes = plan(&head, &writer, &mut report)?;
        let version = object::apply(writer.entries(), &head.root, changes)?;
        report.version = writer.add_version(&version)?;
        if report.version != previous {
            writer.set_head(report.version, what)?;
            writer.commit()?;
        }
        Ok(report)
    }
}

fn existing(writer: &Writer<'_>, version: &Version, path: &Path) -> Result<Item> {
    if path.is_root() {
        return Ok(Item::Directory(version.root_directory()));
    }
    object::resolve(writer, &version.root, path)?.ok_or_else(|| Error::not_found(path.to_string()))
}

fn same(path: &Path) -> Error {
    Error::invalid(format!("{path} and {path} are the same"))
}

fn free(writer: &Writer<'_>, head: &Version, to: &Path, force: bool) -> Result<()> {
    if to.is_root() {
        return Err(Error::Exists(to.to_string()));
    }
    match object::resolve(writer, &head.root, to)? {
        None => Ok(()),
        Some(Item::File(_) | Item::Symlink(_)) if force => Ok(()),
        Some(_) => Err(Error::Exists(to.to_string())),
    }
}
