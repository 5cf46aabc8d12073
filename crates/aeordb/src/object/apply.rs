//! Whole paths: looking one up, and changing many in one pass.

use crate::error::{Error, Result};
use crate::hash::{DirectoryId, Kind};
use crate::object::path::Path;
use crate::object::record::{Item, Subdirectory};
use crate::object::tree::{self, Built, Directories};
use crate::object::version::Version;
use crate::store::{AppendEntries, ReadEntries};

/// What is at `path` in the tree below `root`; the root itself has no mode and no mtime.
pub fn resolve<S: ReadEntries + ?Sized>(
    store: &S,
    root: &DirectoryId,
    path: &Path,
) -> Result<Option<Item>> {
    if path.is_root() {
        let summary = tree::summary::<Directories, S>(store, &root.0)?;
        return Ok(Some(Item::Directory(Subdirectory::new(*root, summary.totals))));
    }
    let mut directory = root.0;
    let mut components = path.components().peekable();
    while let Some(name) = components.next() {
        let Some(value) = tree::get::<Directories, S>(store, &directory, name)? else {
            return Ok(None);
        };
        let item = Item::decode(&value)?;
        match (components.peek(), item) {
            (None, item) => return Ok(Some(item)),
            (Some(_), Item::Directory(below)) => directory = below.root.0,
            (Some(_), _) => return Ok(None),
        }
    }
    Ok(None)
}

/// Applies `changes`, strictly ascending by path, to the tree below `root`: `Some` puts an item
/// in place of whatever is there, `None` removes whatever is there (nothing, if there is nothing).
///
/// A change of a directory comes before the changes below it, so a directory that is put can be
/// filled, and one that is removed can be made anew, in the same pass. Missing parents are made,
/// without mode and mtime. `Invalid` where a file or symbolic link is in the way of a parent, or
/// for the root: anything but a directory.
pub fn apply<S: AppendEntries + ?Sized>(
    store: &mut S,
    root: &DirectoryId,
    changes: impl IntoIterator<Item = (Path, Option<Item>)>,
) -> Result<Version> {
    let changes: Vec<Change> = changes.into_iter().collect();
    let (root, below) = match changes.split_first() {
        Some(((path, item), below)) if path.is_root() => match item {
            Some(Item::Directory(directory)) => (directory.root, below),
            None => (DirectoryId(tree::empty_root(Kind::Directory)), below),
            Some(_) => return Err(Error::invalid("/ is a directory")),
        },
        _ => (*root, changes.as_slice()),
    };
    let built = apply_below(store, &root, 0, below)?;
    Ok(Version { root: DirectoryId(built.root), totals: built.summary.totals.with_itself() })
}

type Change = (Path, Option<Item>);

fn component(change: &Change, depth: usize) -> Option<&[u8]> {
    change.0.components().nth(depth)
}

/// Applies changes that lie below one directory, which is `depth` names deep: a path bounds it.
fn apply_below<S: AppendEntries + ?Sized>(
    store: &mut S,
    root: &DirectoryId,
    depth: usize,
    changes: &[Change],
) -> Result<Built> {
    let mut edits: Vec<(Vec<u8>, Option<Vec<u8>>)> = Vec::new();
    let groups = changes.chunk_by(|a, b| component(a, depth) == component(b, depth));
    for group in groups {
        let Some(name) = group.first().and_then(|change| component(change, depth)) else {
            continue;
        };
        let (name, (direct, below)) = (name.to_vec(), split_direct(group, depth));
        let base = match direct {
            Some((_, item)) => item.clone(),
            None => tree::get::<Directories, S>(store, &root.0, &name)?
                .map(|value| Item::decode(&value))
                .transpose()?,
        };
        let fills = below.iter().any(|(_, item)| item.is_some());
        let item = match base {
            base if below.is_empty() => base,
            None if !fills => None,
            None => Some(fill(store, None, depth, below)?),
            Some(Item::Directory(directory)) => Some(fill(store, Some(directory), depth, below)?),
            other if !fills => other,
            Some(_) => {
                let shown = String::from_utf8_lossy(&name).into_owned();
                let path = below.first().map(|(path, _)| path.to_string()).unwrap_or_default();
                return Err(Error::invalid(format!("{path}: {shown} is not a directory")));
            }
        };
        edits.push((name, item.map(|item| item.encode()).transpose()?));
    }
    tree::edit::<Directories, S, _, _>(store, &root.0, edits)
}

/// The change of the path that a group is about, and those below it.
fn split_direct(group: &[Change], depth: usize) -> (Option<&Change>, &[Change]) {
    match group.split_first() {
        Some((first, rest)) if component(first, depth + 1).is_none() => (Some(first), rest),
        _ => (None, group),
    }
}

fn fill<S: AppendEntries + ?Sized>(
    store: &mut S,
    base: Option<Subdirectory>,
    depth: usize,
    below: &[Change],
) -> Result<Item> {
    let empty = DirectoryId(tree::empty_root(Kind::Directory));
    let root = base.as_ref().map_or(empty, |base| base.root);
    let built = apply_below(store, &root, depth + 1, below)?;
    let mut directory = Subdirectory::new(DirectoryId(built.root), built.summary.totals);
    if let Some(base) = base {
        directory.mode = base.mode;
        directory.mtime = base.mtime;
    }
    Ok(Item::Directory(directory))
}
