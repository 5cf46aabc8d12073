//! The differ: what differs between two trees of directories, in the order of paths. Equal
//! subtrees are never opened.

use bytes::Bytes;

use crate::error::{Error, Result};
use crate::hash::{DirectoryId, Hash, Kind};
use crate::limits::DEPTH_MAX;
use crate::object::tree::{self, Difference, Directories};
use crate::object::{Item, Name, Path};
use crate::store::ReadEntries;

/// One thing that differs.
#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "one is alive at a time, and most are items")]
pub enum Step {
    /// A node of a directory of the second tree that the first does not have at this place.
    Node {
        /// Its name.
        hash: Hash,
        /// Its encoding.
        bytes: Bytes,
        /// The node of the first tree at the same place.
        near: Option<Hash>,
    },
    /// A path whose item differs; at least one of the two is there. A directory comes before what
    /// differs below it.
    Item {
        /// The path.
        path: Path,
        /// What the first tree has there.
        before: Option<Item>,
        /// What the second tree has there.
        after: Option<Item>,
    },
}

struct Level<'s, A: ReadEntries + ?Sized, B: ReadEntries + ?Sized> {
    path: Path,
    diff: tree::Diff<'s, Directories, A, B>,
}

/// Iterates over what differs.
pub struct Differ<'s, A: ReadEntries + ?Sized, B: ReadEntries + ?Sized> {
    stores: (&'s A, &'s B),
    levels: Vec<Level<'s, A, B>>,
    /// The directories of the last item: entered at the next step unless skipped.
    next: Option<(Path, Hash, Hash)>,
}

impl<'s, A: ReadEntries + ?Sized, B: ReadEntries + ?Sized> Differ<'s, A, B> {
    /// Compares a directory of one store with a directory of another (or the same); `None` is a
    /// directory that is not there. Both stand at `path`.
    pub fn new(
        store_a: &'s A,
        a: Option<&DirectoryId>,
        store_b: &'s B,
        b: Option<&DirectoryId>,
        path: &Path,
    ) -> Result<Self> {
        let root =
            |id: Option<&DirectoryId>| id.map_or(tree::empty_root(Kind::Directory), |id| id.0);
        let next = Some((path.clone(), root(a), root(b)));
        Ok(Differ { stores: (store_a, store_b), levels: Vec::new(), next })
    }

    /// Passes over what is below the item that was given last.
    pub fn skip_subtree(&mut self) {
        self.next = None;
    }

    /// Passes over everything up to the place that these names lead to from the directories that
    /// are compared, whether or not anything is there; what is below that place comes next. Must
    /// come before the first step.
    pub fn seek_after<'n>(&mut self, names: impl IntoIterator<Item = &'n [u8]>) -> Result<()> {
        for name in names {
            let Some((path, a, b)) = self.next.clone() else { break };
            self.enter()?;
            let Some(level) = self.levels.last_mut().filter(|_| a != b) else { break };
            level.diff.seek_after(name)?;
            let before = tree::get::<Directories, A>(self.stores.0, &a, name)?;
            let after = tree::get::<Directories, B>(self.stores.1, &b, name)?;
            let (before, after) = (decode(before)?, decode(after)?);
            if before.is_some() || after.is_some() {
                let path = path.join(&Name::new(name)?)?;
                self.next = below(&path, before.as_ref(), after.as_ref());
            }
        }
        Ok(())
    }

    fn enter(&mut self) -> Result<()> {
        if let Some((path, a, b)) = self.next.take() {
            if a == b {
                return Ok(());
            }
            if self.levels.len() >= DEPTH_MAX {
                return Err(Error::Limit {
                    what: format!("the depth of {path}"),
                    limit: DEPTH_MAX as u64,
                    found: self.levels.len() as u64 + 1,
                });
            }
            let diff = tree::diff(self.stores.0, &a, self.stores.1, &b)?;
            self.levels.push(Level { path, diff });
        }
        Ok(())
    }

    fn step(&mut self) -> Result<Option<Step>> {
        self.enter()?;
        loop {
            let Some(level) = self.levels.last_mut() else { return Ok(None) };
            match level.diff.next().transpose()? {
                None => {
                    self.levels.pop();
                }
                Some(Difference::Node { hash, bytes, near }) => {
                    return Ok(Some(Step::Node { hash, bytes, near }));
                }
                Some(Difference::Entry { key, before, after }) => {
                    let path = level.path.join(&Name::new(&key)?)?;
                    let (before, after) = (decode(before)?, decode(after)?);
                    self.next = below(&path, before.as_ref(), after.as_ref());
                    return Ok(Some(Step::Item { path, before, after }));
                }
            }
        }
    }
}

fn decode(value: Option<Bytes>) -> Result<Option<Item>> {
    value.map(|value| Item::decode(&value)).transpose()
}

/// The directories to compare below an item.
fn below(path: &Path, before: Option<&Item>, after: Option<&Item>) -> Option<(Path, Hash, Hash)> {
    let root = |item: Option<&Item>| match item {
        Some(Item::Directory(directory)) => Some(directory.root.0),
        _ => None,
    };
    let empty = tree::empty_root(Kind::Directory);
    match (root(before), root(after)) {
        (None, None) => None,
        (a, b) => Some((path.clone(), a.unwrap_or(empty), b.unwrap_or(empty))),
    }
}

impl<A: ReadEntries + ?Sized, B: ReadEntries + ?Sized> Iterator for Differ<'_, A, B> {
    type Item = Result<Step>;

    fn next(&mut self) -> Option<Self::Item> {
        let step = self.step();
        if step.is_err() {
            self.levels.clear();
            self.next = None;
        }
        step.transpose()
    }
}
