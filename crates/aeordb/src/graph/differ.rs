//! The differ: what differs between two trees of directories, in the order of paths. Equal
//! subtrees are never opened.

use bytes::Bytes;

use crate::error::{Error, Result};
use crate::hash::{DirectoryId, Hash, Kind};
use crate::limits::WALK_DEPTH_MAX;
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
    /// A name whose item differs; at least one of the two is there. A directory comes before what
    /// differs below it.
    Item {
        /// The name in the directory that is gone through: [`Differ::path_of`] has the path.
        name: Name,
        /// What the first tree has there.
        before: Option<Item>,
        /// What the second tree has there.
        after: Option<Item>,
    },
}

struct Level<'s, A: ReadEntries + ?Sized, B: ReadEntries + ?Sized> {
    /// The directory's name; none for those that are compared.
    name: Option<Name>,
    diff: tree::Diff<'s, Directories, A, B>,
}

/// Directories that are compared next: the name of both, and their roots.
type Next = (Option<Name>, Hash, Hash);

/// A path, what was there and what is there.
pub type Changed = (Path, Option<Item>, Option<Item>);

/// Iterates over what differs. Paths are made for those who ask for them: a tree may be deeper than
/// a path can say.
pub struct Differ<'s, A: ReadEntries + ?Sized, B: ReadEntries + ?Sized> {
    stores: (&'s A, &'s B),
    /// Where the directories stand.
    at: Path,
    levels: Vec<Level<'s, A, B>>,
    /// The directories of the last item: entered at the next step unless skipped.
    next: Option<Next>,
}

impl<'s, A: ReadEntries + ?Sized, B: ReadEntries + ?Sized> Differ<'s, A, B> {
    /// Compares a directory of one store with a directory of another (or the same); `None` is a
    /// directory that is not there.
    pub fn new(
        store_a: &'s A,
        a: Option<&DirectoryId>,
        store_b: &'s B,
        b: Option<&DirectoryId>,
    ) -> Self {
        let root =
            |id: Option<&DirectoryId>| id.map_or(tree::empty_root(Kind::Directory), |id| id.0);
        let next = Some((None, root(a), root(b)));
        Differ { stores: (store_a, store_b), at: Path::root(), levels: Vec::new(), next }
    }

    /// Says that the directories that are compared stand at `path`.
    pub fn at(mut self, path: &Path) -> Self {
        self.at = path.clone();
        self
    }

    /// The path of what is called so in the directory that is gone through.
    pub fn path_of(&self, name: &Name) -> Result<Path> {
        let above = self.levels.iter().filter_map(|level| level.name.as_ref());
        self.at.join_all(above.chain([name]))
    }

    /// How many directories hold the item that was given last, those that are compared included.
    pub fn depth(&self) -> usize {
        self.levels.len()
    }

    /// Every path whose item differs, in order. Ends after an error.
    pub fn paths(mut self) -> impl Iterator<Item = Result<Changed>> {
        std::iter::from_fn(move || {
            loop {
                match self.next()? {
                    Ok(Step::Node { .. }) => {}
                    Ok(Step::Item { name, before, after }) => {
                        let path = self.path_of(&name);
                        if path.is_err() {
                            self.end();
                        }
                        return Some(path.map(|path| (path, before, after)));
                    }
                    Err(error) => return Some(Err(error)),
                }
            }
        })
    }

    fn end(&mut self) {
        self.levels.clear();
        self.next = None;
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
            let Some((_, a, b)) = self.next.clone() else { break };
            self.enter()?;
            let Some(level) = self.levels.last_mut().filter(|_| a != b) else { break };
            level.diff.seek_after(name)?;
            let before = tree::get::<Directories, A>(self.stores.0, &a, name)?;
            let after = tree::get::<Directories, B>(self.stores.1, &b, name)?;
            let (before, after) = (decode(before)?, decode(after)?);
            if before.is_some() || after.is_some() {
                self.next = below(&Name::new(name)?, before.as_ref(), after.as_ref());
            }
        }
        Ok(())
    }

    fn enter(&mut self) -> Result<()> {
        if let Some((name, a, b)) = self.next.take() {
            if a == b {
                return Ok(());
            }
            if self.levels.len() >= WALK_DEPTH_MAX {
                return Err(Error::Limit {
                    what: "the depth of a tree".into(),
                    limit: WALK_DEPTH_MAX as u64,
                    found: self.levels.len() as u64 + 1,
                });
            }
            let diff = tree::diff(self.stores.0, &a, self.stores.1, &b)?;
            self.levels.push(Level { name, diff });
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
                    let name = Name::new(&key)?;
                    let (before, after) = (decode(before)?, decode(after)?);
                    self.next = below(&name, before.as_ref(), after.as_ref());
                    return Ok(Some(Step::Item { name, before, after }));
                }
            }
        }
    }
}

fn decode(value: Option<Bytes>) -> Result<Option<Item>> {
    value.map(|value| Item::decode(&value)).transpose()
}

/// The directories to compare below an item.
fn below(name: &Name, before: Option<&Item>, after: Option<&Item>) -> Option<Next> {
    let root = |item: Option<&Item>| match item {
        Some(Item::Directory(directory)) => Some(directory.root.0),
        _ => None,
    };
    let empty = tree::empty_root(Kind::Directory);
    match (root(before), root(after)) {
        (None, None) => None,
        (a, b) => Some((Some(name.clone()), a.unwrap_or(empty), b.unwrap_or(empty))),
    }
}

impl<A: ReadEntries + ?Sized, B: ReadEntries + ?Sized> Iterator for Differ<'_, A, B> {
    type Item = Result<Step>;

    fn next(&mut self) -> Option<Self::Item> {
        let step = self.step();
        if step.is_err() {
            self.end();
        }
        step.transpose()
    }
}
