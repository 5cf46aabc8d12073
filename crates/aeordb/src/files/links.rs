//! Hard links: which paths of what is put are one file. That is known when the walk ends, and only
//! then written. Memory grows with the paths that are of such files: some 150 bytes and the path.

use std::collections::{BTreeMap, HashMap};

use crate::error::Result;
use crate::object::record::HardLink;
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
            let group = Group::of(&paths);
            for path in paths {
                let Some(item) = object::resolve(store, version, &path)? else { continue };
                let link = group.as_ref().and_then(|group| group.link(&path));
                if item.attributes().link != link && !matches!(item, Item::Directory(_)) {
                    changes.insert(path, Some(item.with_link(link)));
                }
            }
        }
        Ok(changes)
    }
}

/// Paths of one file.
struct Group {
    /// How deep the lowest directory is that has all of them in it.
    depth: usize,
    name: [u8; 8],
}

impl Group {
    /// Of two or more paths, in order.
    fn of(paths: &[Path]) -> Option<Group> {
        let (lowest, others) = paths.split_first()?;
        let shared = |other: &Path| {
            let pairs = lowest.components().zip(other.components());
            pairs.take_while(|(a, b)| a == b).count()
        };
        let depth = others.iter().map(shared).min()?;
        let below: Vec<&[u8]> = lowest.components().skip(depth).collect();
        let hash = blake3::hash(&below.join(&b'/'));
        let name = *hash.as_bytes().first_chunk()?;
        Some(Group { depth, name })
    }

    fn link(&self, path: &Path) -> Option<HardLink> {
        let up = path.components().count().checked_sub(self.depth + 1)?;
        Some(HardLink { up: u16::try_from(up).ok()?, group: self.name })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn links(paths: &[&str]) -> Vec<HardLink> {
        let paths: Vec<Path> =
            paths.iter().map(|path| Path::parse(path.as_bytes()).unwrap()).collect();
        let group = Group::of(&paths).unwrap();
        paths.iter().map(|path| group.link(path).unwrap()).collect()
    }

    #[test]
    fn a_group_is_named_by_where_it_is_in_the_directory_that_has_all_of_it() {
        let here = links(&["/a", "/b"]);
        assert_eq!(here[0], here[1]);
        assert_eq!(here[0].up, 0);
        assert_eq!(links(&["/x/y/a", "/x/y/b"]), here, "wherever that directory is");
        assert_ne!(links(&["/c", "/d"])[0].group, here[0].group);
        let apart = links(&["/x/a/1", "/x/b/c/2"]);
        assert_eq!((apart[0].up, apart[1].up), (1, 2));
        assert_eq!(apart[0].group, apart[1].group);
        // One name that begins as another does is not in it.
        assert_eq!(links(&["/x/a", "/x/ab"])[0].up, 0);
        assert!(Group::of(&[Path::parse(b"/alone").unwrap()]).is_none());
    }
}
