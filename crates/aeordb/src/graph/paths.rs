//! Whether every path below a directory can be named where the directory is to stand.

use std::collections::HashMap;

use crate::error::{Error, Result};
use crate::graph::entries;
use crate::hash::{DirectoryId, Kind};
use crate::limits::{NAME_LEN_MAX, PATH_LEN_MAX};
use crate::object::{Item, Path, Subdirectory, tree};
use crate::store::ReadEntries;

/// [`Error::Invalid`] if something below `directory` would have too long a path with the directory
/// at `path`. Directories that are too flat for it are not read, and none is read twice without
/// need.
pub fn check_paths_below<S: ReadEntries + ?Sized>(
    store: &S,
    path: &Path,
    directory: &Subdirectory,
) -> Result<()> {
    // The longest path that each directory was looked at with.
    let mut looked_at: HashMap<DirectoryId, usize> = HashMap::new();
    let mut waiting = vec![(path.as_bytes().len(), directory.clone())];
    while let Some((len, directory)) = waiting.pop() {
        let before = looked_at.insert(directory.root, len);
        if let Some(before) = before.filter(|before| *before >= len) {
            looked_at.insert(directory.root, before);
            continue;
        }
        if !may_reach(len, &directory) {
            continue;
        }
        for entry in entries(store, &directory.root, None)? {
            let (name, item) = entry?;
            let len = len + 1 + name.as_bytes().len();
            if len > PATH_LEN_MAX {
                let detail = format!("would have {len} bytes, the limit is {PATH_LEN_MAX}");
                return Err(Error::invalid(format!("a path below {path} {detail}")));
            }
            if let Item::Directory(below) = item {
                waiting.push((len, below));
            }
        }
    }
    Ok(())
}

/// Whether there are enough directories in `directory`, itself counted, to lead from a path of
/// `len` bytes to one that is too long, each with the longest of names.
fn may_reach(len: usize, directory: &Subdirectory) -> bool {
    let empty = directory.root.0 == tree::empty_root(Kind::Directory);
    let room = (PATH_LEN_MAX - len.min(PATH_LEN_MAX)) as u64;
    !empty && directory.totals.directories.saturating_mul(NAME_LEN_MAX as u64 + 1) > room
}
