//! The changes between two versions, as a list of paths.

use std::collections::HashMap;

use crate::db::Reader;
use crate::error::Result;
use crate::graph::{Differ, Step};
use crate::hash::{Hash, VersionId};
use crate::object::{Item, Path};

/// One changed path.
#[derive(Clone, Debug)]
pub enum Change {
    /// Only in the second version.
    Added {
        /// Where.
        path: Path,
        /// What.
        item: Item,
    },
    /// In both, but not the same: bytes, kind, mode, time, content type or metadata.
    Modified {
        /// Where.
        path: Path,
        /// What it was.
        old: Item,
        /// What it is.
        new: Item,
    },
    /// Only in the first version.
    Deleted {
        /// Where.
        path: Path,
        /// What it was.
        item: Item,
    },
    /// A file that is only in the second version, with the bytes of one that is only in the first.
    Renamed {
        /// Where it was.
        from: Path,
        /// Where it is.
        to: Path,
        /// What it is.
        item: Item,
    },
}

/// Hands every change from one version to another to `each`, in the order of paths; renamed files
/// stand where the new name stands. Costs what changed, in time and in memory.
pub fn changes(
    reader: &Reader,
    from: &VersionId,
    to: &VersionId,
    each: &mut dyn FnMut(Change) -> Result<()>,
) -> Result<()> {
    let mut deleted: HashMap<Hash, Vec<Path>> = HashMap::new();
    let mut added: HashMap<Hash, u32> = HashMap::new();
    for step in steps(reader, from, to)? {
        match step? {
            (path, Some(Item::File(record)), None) => {
                deleted.entry(record.content_hash).or_default().push(path);
            }
            (_, None, Some(Item::File(record))) => {
                *added.entry(record.content_hash).or_default() += 1;
            }
            _ => {}
        }
    }
    // Equal bytes pair up in the order of paths; what is left over was added or deleted.
    deleted.retain(|hash, paths| {
        let wanted = added.get(hash).copied().unwrap_or(0) as usize;
        paths.truncate(wanted);
        paths.reverse();
        !paths.is_empty()
    });
    let moved: std::collections::HashSet<Path> = deleted.values().flatten().cloned().collect();
    for step in steps(reader, from, to)? {
        match step? {
            (path, Some(item), None) => {
                if !moved.contains(&path) {
                    each(Change::Deleted { path, item })?;
                }
            }
            (path, None, Some(item)) => {
                let source = match &item {
                    Item::File(record) => deleted.get_mut(&record.content_hash).and_then(Vec::pop),
                    _ => None,
                };
                each(match source {
                    Some(from) => Change::Renamed { from, to: path, item },
                    None => Change::Added { path, item },
                })?;
            }
            (path, Some(old), Some(new)) => {
                if !same_apart_from_below(&old, &new) {
                    each(Change::Modified { path, old, new })?;
                }
            }
            (_, None, None) => {}
        }
    }
    Ok(())
}

/// A path, what was there and what is there.
type Changed = (Path, Option<Item>, Option<Item>);

fn steps<'r>(
    reader: &'r Reader,
    from: &VersionId,
    to: &VersionId,
) -> Result<impl Iterator<Item = Result<Changed>> + use<'r>> {
    let (from, to) = (reader.version(from)?, reader.version(to)?);
    let view = reader.view();
    let differ = Differ::new(view, Some(&from.root), view, Some(&to.root), &Path::root())?;
    Ok(differ.filter_map(|step| match step {
        Ok(Step::Item { path, before, after }) => Some(Ok((path, before, after))),
        Ok(Step::Node { .. }) => None,
        Err(error) => Some(Err(error)),
    }))
}

/// A directory whose entries changed has not itself changed.
pub(super) fn same_apart_from_below(old: &Item, new: &Item) -> bool {
    match (old, new) {
        (Item::Directory(old), Item::Directory(new)) => {
            old.mode == new.mode && old.mtime == new.mtime
        }
        _ => old == new,
    }
}
