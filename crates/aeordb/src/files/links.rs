//! Hard links: which paths of what is put are one file. That is known when the walk ends, and only
//! then written. Memory grows with the paths that are of such files: some 150 bytes and the path.

use std::collections::{BTreeMap, HashMap};

use crate::error::Result;
use crate::object::hard_link::Group;
use crate::object::{self, Item, Path, Version};
use crate::store::ReadEntries;

/// Paths by the device and the inode of the file that they are.
#[derive(Default)]
pub struct Links {
    files: HashMap<(u64, u64), Vec<Path>>,
}

impl Links {
    /// Notes a path of a file that has more than one.
    pub fn note(&mut self, file: (u64, u64), path: Path) {
        self.files.entry(file).or_default().push(path);
    }

    /// What of `version` is to be another item for that. A path that is the only one of its file here
    /// is a file of its own.
    pub fn changes<S: ReadEntries + ?Sized>(
        self,
        store: &S,
        version: &Version,
    ) -> Result<BTreeMap<Path, Option<Item>>> {
        let mut changes = BTreeMap::new();
        for mut paths in self.files.into_values() {
            paths.sort_unstable();
            paths.dedup();
            let Some((lowest, others)) = paths.split_first() else { continue };
            let mut group = Group::new(lowest.clone());
            others.iter().for_each(|path| group.add(path));
            for path in paths {
                let Some(item) = object::resolve(store, version, &path)? else { continue };
                let link = group.link(&path);
                if item.attributes().link != link && !matches!(item, Item::Directory(_)) {
                    changes.insert(path, Some(item.with_link(link)));
                }
            }
        }
        Ok(changes)
    }
}
