//! Part of a version as a version of its own.

use std::collections::BTreeMap;

use crate::db::{Database, Options, Reader, Writer};
use crate::error::{Error, Result};
use crate::hash::VersionId;
use crate::object::{self, Item, Path, Subdirectory, Version};

/// What `path` is in each of `versions`, as versions that hold nothing else, and a reader that has
/// them. Paths stay what they are: the directories above are there, with their modes and times and
/// nothing else in them. A version that does not have the path becomes the empty one;
/// [`Error::NotFound`] if none has it.
pub fn subtree(
    reader: &Reader,
    versions: &[VersionId],
    path: &Path,
) -> Result<(Reader, Vec<VersionId>)> {
    // What is made anew are a few nodes on the way to the path.
    let over = Database::over(reader, reader.head(), None, &Options::default())?;
    let mut writer = over.writer()?;
    let mut parts = Vec::with_capacity(versions.len());
    let mut found = false;
    for id in versions {
        let (id, has_it) = part(&mut writer, id, path)?;
        found |= has_it;
        parts.push(id);
    }
    if !found {
        return Err(Error::not_found(path.to_string()));
    }
    writer.commit()?;
    Ok((over.reader()?, parts))
}

/// What `path` is in a version, as a version that holds nothing else, and whether it is anything.
pub(super) fn part(
    writer: &mut Writer<'_>,
    version: &VersionId,
    path: &Path,
) -> Result<(VersionId, bool)> {
    if path.is_root() {
        return Ok((*version, true));
    }
    let edits = way_to(writer, &Version::read(writer, version)?, path)?;
    let found = edits.contains_key(path);
    let part = object::apply(writer.entries(), &Version::empty(), edits)?;
    Ok((writer.add_version(&part)?, found))
}

/// The directories above a path, each of them empty, and what is at the path.
fn way_to(
    writer: &Writer<'_>,
    version: &Version,
    path: &Path,
) -> Result<BTreeMap<Path, Option<Item>>> {
    let mut way = BTreeMap::new();
    let Some(item) = object::resolve(writer, version, path)? else { return Ok(way) };
    way.insert(path.clone(), Some(item));
    let mut next = path.parent();
    while let Some(parent) = next.filter(|parent| !parent.is_root()) {
        let item = object::resolve(writer, version, &parent)?;
        if let Some(Item::Directory(directory)) = item {
            let empty = Subdirectory::empty(directory.attributes);
            way.insert(parent.clone(), Some(Item::Directory(empty)));
        }
        next = parent.parent();
    }
    Ok(way)
}
