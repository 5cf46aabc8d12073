//! What a new path is compressed against: something deleted that looks like it. A guess that is
//! wrong costs time, never bytes.

use std::cmp::Reverse;
use std::collections::HashMap;

use crate::hash::{Hash, Kind};
use crate::object::tree::empty_root;
use crate::object::{FileRecord, Item, Path};

/// Deleted files and directories that are remembered.
const DELETED_MAX: usize = 64 * 1024;

/// Deleted files and directories.
#[derive(Default)]
pub struct Predecessors {
    files: Vec<(Path, FileRecord)>,
    /// Which of `files` have this name, and which lie in this directory.
    by_name: HashMap<Vec<u8>, Vec<usize>>,
    by_parent: HashMap<Path, Vec<usize>>,
    /// Directories by name, with their root nodes.
    directories: HashMap<Vec<u8>, Vec<(Path, Hash)>>,
    count: usize,
}

impl Predecessors {
    /// Remembers what was deleted.
    pub fn add(&mut self, path: &Path, item: &Item) {
        let Some((name, parent)) = path.name().zip(path.parent()) else { return };
        if self.count == DELETED_MAX {
            return;
        }
        self.count += 1;
        match item {
            Item::File(record) if record.size > 0 => {
                let number = self.files.len();
                self.by_name.entry(name.to_vec()).or_default().push(number);
                self.by_parent.entry(parent).or_default().push(number);
                self.files.push((path.clone(), record.clone()));
            }
            // The empty root is stored nowhere.
            Item::Directory(directory) if directory.root.0 != empty_root(Kind::Directory) => {
                let root = directory.root.0;
                self.directories.entry(name.to_vec()).or_default().push((path.clone(), root));
            }
            _ => {}
        }
    }

    /// The deleted file of the same name whose path and then size are closest; else the one of the
    /// same directory and extension whose size is closest.
    pub fn of_file(&self, path: &Path, record: &FileRecord) -> Option<&FileRecord> {
        let closeness = |file: &FileRecord| Reverse(file.size.abs_diff(record.size));
        let same_name = self
            .numbered(self.by_name.get(path.name()?))
            .max_by_key(|(old, file)| (in_common(old, path), closeness(file)));
        let beside = || {
            self.numbered(self.by_parent.get(&path.parent()?))
                .filter(|(old, _)| extension(old) == extension(path))
                .max_by_key(|(_, file)| closeness(file))
        };
        same_name.or_else(beside).map(|(_, file)| file)
    }

    fn numbered<'a>(
        &'a self,
        numbers: Option<&'a Vec<usize>>,
    ) -> impl Iterator<Item = &'a (Path, FileRecord)> {
        numbers.into_iter().flatten().filter_map(|number| self.files.get(*number))
    }

    /// The root node of the deleted directory of the same name whose path is closest.
    pub fn of_directory(&self, path: &Path) -> Option<Hash> {
        let same_name = self.directories.get(path.name()?)?;
        same_name.iter().max_by_key(|(old, _)| in_common(old, path)).map(|(_, root)| *root)
    }
}

/// How many names at the ends of both paths are the same.
fn in_common(a: &Path, b: &Path) -> usize {
    a.components().rev().zip(b.components().rev()).take_while(|(a, b)| a == b).count()
}

fn extension(path: &Path) -> Option<&[u8]> {
    let name = path.name()?;
    let dot = name.iter().rposition(|byte| *byte == b'.')?;
    name.get(dot..)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::Content;

    fn file(size: u64) -> FileRecord {
        FileRecord::new(size, Hash::of(&size.to_le_bytes()), Content::Inline(Vec::new()))
    }

    fn path(text: &str) -> Path {
        Path::parse(text.as_bytes()).expect("a path")
    }

    #[test]
    fn a_new_file_follows_the_deleted_one_of_its_name_with_the_closest_path_then_size() {
        let mut deleted = Predecessors::default();
        for (at, size) in [("/a/sub/x.c", 1), ("/b/x.c", 100), ("/c/x.c", 105), ("/d/y.c", 104)] {
            deleted.add(&path(at), &Item::File(file(size)));
        }
        let found = |at: &str| deleted.of_file(&path(at), &file(104)).map(|file| file.size);
        assert_eq!(found("/new/sub/x.c"), Some(1));
        assert_eq!(found("/new/x.c"), Some(105));
        assert_eq!(found("/new/z.c"), None);
        assert_eq!(found("/d/renamed.c"), Some(104));
        assert_eq!(found("/d/renamed.h"), None);
    }
}
