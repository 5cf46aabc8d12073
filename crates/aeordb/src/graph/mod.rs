//! Versions as a graph: one differ, of which a walk is the case with nothing to compare with; and
//! the proof that everything a version reaches is there.

mod contents;
mod differ;
mod holders;
mod paths;
mod proof;
mod reach;

pub use crate::store::Bitmap;
pub use differ::{Changed, Differ, Step};
pub use holders::{Holder, Holders};
pub use paths::check_paths_below;
pub use proof::{Prover, missing, prove};
pub use reach::{Met, OnMissing, Reach, references};

use crate::error::Result;
use crate::hash::DirectoryId;
use crate::object::tree::{self, Directories};
use crate::object::{Item, Name, Path};
use crate::store::ReadEntries;

/// The entries of the directory with this root, from the first name after `after` on.
pub fn entries<'s, S: ReadEntries + ?Sized>(
    store: &'s S,
    root: &DirectoryId,
    after: Option<&[u8]>,
) -> Result<impl Iterator<Item = Result<(Name, Item)>> + use<'s, S>> {
    let entries = tree::iterate::<Directories, S>(store, &root.0, after)?;
    Ok(entries.map(|entry| {
        let (name, value) = entry?;
        Ok((Name::new(&name)?, Item::decode(&value)?))
    }))
}

/// Everything below the directory with this root, which stands at `path`, after the place that
/// the names `after` lead to: each directory before what it holds, names in the order of their
/// bytes.
pub fn walk<'s, S: ReadEntries + ?Sized>(
    store: &'s S,
    path: &Path,
    root: &DirectoryId,
    after: &[&[u8]],
) -> Result<impl Iterator<Item = Result<(Path, Item)>> + use<'s, S>> {
    let mut differ = Differ::new(store, None, store, Some(root)).at(path);
    differ.seek_after(after.iter().copied())?;
    Ok(differ.paths().filter_map(|step| match step {
        Ok((path, _, Some(item))) => Some(Ok((path, item))),
        Ok(_) => None,
        Err(error) => Some(Err(error)),
    }))
}
