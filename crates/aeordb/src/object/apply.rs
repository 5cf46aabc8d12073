//! Whole paths: looking one up, and changing many in one pass.

use crate::error::Result;
use crate::hash::DirectoryId;
use crate::object::path::Path;
use crate::object::record::Item;
use crate::object::version::Version;
use crate::store::{AppendEntries, ReadEntries};

/// What is at `path` in the tree below `root`; the root itself has no mode and no mtime.
pub fn resolve<S: ReadEntries + ?Sized>(
    _store: &S,
    _root: &DirectoryId,
    _path: &Path,
) -> Result<Option<Item>> {
    todo!()
}

/// Applies `changes`, strictly ascending by path, to the tree below `root`: `Some` puts an item
/// in place of whatever is there, `None` removes whatever is there (nothing, if there is nothing).
///
/// A change of a directory comes before the changes below it, so a directory that is put can be
/// filled, and one that is removed can be made anew, in the same pass. Missing parents are made,
/// without mode and mtime. `Invalid` where a file or symbolic link is in the way of a parent, or
/// for the root: anything but a directory without mode and mtime.
pub fn apply<S: AppendEntries + ?Sized>(
    _store: &mut S,
    _root: &DirectoryId,
    _changes: impl IntoIterator<Item = (Path, Option<Item>)>,
) -> Result<Version> {
    todo!()
}
