//! Paths of one file: what says that two items are one, and what is recorded of a group of paths.

use crate::error::Result;
use crate::hash::Hash;
use crate::object::{HardLink, Item, Path};

/// A file that has several paths: the directory that has all of them, its group there, and what it is.
/// Items that differ are not one file, whatever they say.
pub type InodeKey = (Path, [u8; 8], Hash);

/// Which file an item of the directory `at` is.
pub fn file_key(at: &Path, item: &Item, link: HardLink) -> Result<InodeKey> {
    let mut above = at.clone();
    for _ in 0..link.up {
        above = above.parent().unwrap_or_else(Path::root);
    }
    let same = Hash::of(&item.clone().with_link(None).encode()?);
    Ok((above, link.group, same))
}

/// Paths of one file, which come in order.
#[derive(Clone, Debug)]
pub struct Group {
    lowest: Path,
    /// How deep the lowest directory is that has all of them in it.
    depth: usize,
    paths: u64,
}

impl Group {
    /// The first path.
    pub fn new(lowest: Path) -> Group {
        let depth = lowest.components().count().saturating_sub(1);
        Group { lowest, depth, paths: 1 }
    }

    /// One more path.
    pub fn add(&mut self, path: &Path) {
        let pairs = self.lowest.components().zip(path.components());
        let shared = pairs.take_while(|(a, b)| a == b).count();
        self.depth = self.depth.min(shared);
        self.paths += 1;
    }

    /// What is recorded at one of the paths; nothing if it is the only one.
    pub fn link(&self, path: &Path) -> Option<HardLink> {
        let below: Vec<&[u8]> = self.lowest.components().skip(self.depth).collect();
        let hash = blake3::hash(&below.join(&b'/'));
        let group = *hash.as_bytes().first_chunk()?;
        let up = path.components().count().checked_sub(self.depth + 1)?;
        (self.paths > 1).then_some(HardLink { up: u16::try_from(up).ok()?, group })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn links(paths: &[&str]) -> Vec<HardLink> {
        let paths: Vec<Path> =
            paths.iter().map(|path| Path::parse(path.as_bytes()).unwrap()).collect();
        let mut group = Group::new(paths[0].clone());
        paths[1..].iter().for_each(|path| group.add(path));
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
        let alone = Path::parse(b"/alone").unwrap();
        assert!(Group::new(alone.clone()).link(&alone).is_none());
    }
}
