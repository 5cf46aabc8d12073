//! The changes between two versions, as a list of paths.

mod difference;

use std::collections::{HashMap, HashSet};

use crate::db::Reader;
use crate::error::Result;
use crate::graph::{Changed, Differ};
use crate::hash::{Hash, VersionId};
use crate::monitor::Monitor;
use crate::object::{Item, Path, Version};
use crate::store::ReadEntries;
pub use difference::{Difference, differences};

/// One changed path.
#[derive(Clone, Debug)]
pub enum Change {
    /// Only in the second version.
    Added {
        /// Its path.
        path: Path,
        /// The item.
        item: Item,
    },
    /// In both, but not the same: [`differences`] names the attributes. The contents of a directory
    /// do not count.
    Modified {
        /// Its path.
        path: Path,
        /// The item before.
        old: Item,
        /// The item after.
        new: Item,
    },
    /// Only in the first version.
    Deleted {
        /// Its path.
        path: Path,
        /// The item before.
        item: Item,
    },
    /// A file that is only in the second version, with the bytes of one that is only in the first.
    Renamed {
        /// The path before.
        from: Path,
        /// The path after.
        to: Path,
        /// The item after.
        item: Item,
    },
}

impl Change {
    /// The path by which changes are in order; of a renamed file the new one.
    pub fn path(&self) -> &Path {
        match self {
            Change::Added { path, .. }
            | Change::Modified { path, .. }
            | Change::Deleted { path, .. }
            | Change::Renamed { to: path, .. } => path,
        }
    }
}

/// Two versions whose changes are listed: once as a whole, or in parts that follow each other.
/// Renamed files were found before, so that every part costs the changes that it lists.
pub struct Comparison {
    from: VersionId,
    to: VersionId,
    renames: Renames,
}

impl Comparison {
    /// Compares two versions. Costs what was added and deleted, in time; in memory, what was
    /// renamed. Ends when `monitor` is cancelled.
    pub fn new(
        reader: &Reader,
        from: &VersionId,
        to: &VersionId,
        monitor: &Monitor,
    ) -> Result<Self> {
        let renames = Renames::find(reader.view(), from, to, monitor)?;
        Ok(Comparison { from: *from, to: *to, renames })
    }

    /// Compares two versions by their paths alone: a renamed file is deleted and added.
    pub fn of_paths(from: &VersionId, to: &VersionId) -> Self {
        Comparison { from: *from, to: *to, renames: Renames::default() }
    }

    /// The versions that are compared.
    pub fn versions(&self) -> (VersionId, VersionId) {
        (self.from, self.to)
    }

    /// Number of renamed files, which are held in memory.
    pub fn renames(&self) -> usize {
        self.renames.sources.len()
    }

    /// The changes after the path `after`, or all, in the order of paths; renamed files stand where
    /// the new name stands. Ends after an error, which it also is that `monitor` was cancelled.
    pub fn changes<'s>(
        &'s self,
        reader: &'s Reader,
        after: Option<&Path>,
        monitor: &'s Monitor,
    ) -> Result<impl Iterator<Item = Result<Change>> + use<'s>> {
        let root = after.is_none().then(|| self.root(reader.view())).transpose()?;
        let steps = steps_after(reader.view(), &self.from, &self.to, after)?;
        let steps = root.map(Ok).into_iter().chain(steps);
        let steps = steps.map(|step| monitor.check().and(step));
        Ok(steps.filter_map(|step| step.map(|step| self.change(step)).transpose()))
    }

    /// The root, which stands in no directory.
    fn root<S: ReadEntries>(&self, store: &S) -> Result<Changed> {
        let of = |version: &VersionId| -> Result<Item> {
            Ok(Item::Directory(Version::read(store, version)?.root_directory()))
        };
        Ok((Path::root(), Some(of(&self.from)?), Some(of(&self.to)?)))
    }

    fn change(&self, (path, before, after): Changed) -> Option<Change> {
        match (before, after) {
            (Some(item), None) => {
                let is_left = !self.renames.sources.contains(&path);
                is_left.then_some(Change::Deleted { path, item })
            }
            (None, Some(item)) => Some(match self.renames.source_of.get(&path) {
                Some(from) => Change::Renamed { from: from.clone(), to: path, item },
                None => Change::Added { path, item },
            }),
            (Some(old), Some(new)) => {
                let differs = !same_apart_from_below(&old, &new);
                differs.then_some(Change::Modified { path, old, new })
            }
            (None, None) => None,
        }
    }
}

/// Hands every change from one version to another to `each`, in the order of paths. Costs what
/// changed, in time and in memory.
pub fn changes(
    reader: &Reader,
    from: &VersionId,
    to: &VersionId,
    each: &mut dyn FnMut(Change) -> Result<()>,
) -> Result<()> {
    let monitor = Monitor::new();
    let comparison = Comparison::new(reader, from, to, &monitor)?;
    comparison.changes(reader, None, &monitor)?.try_for_each(|change| each(change?))
}

/// Files that are only in the second version, with the bytes of one that is only in the first.
#[derive(Default)]
pub(super) struct Renames {
    /// The old path of each new one.
    pub source_of: HashMap<Path, Path>,
    /// The old paths.
    pub sources: HashSet<Path>,
}

/// Files of the same bytes that are only in one of the versions.
#[derive(Default)]
struct Equals {
    deleted: Vec<Path>,
    added: Vec<Path>,
}

impl Renames {
    /// Looks at what was added and deleted; only the paths of what may be a renaming are held.
    fn find<S: ReadEntries>(
        store: &S,
        from: &VersionId,
        to: &VersionId,
        monitor: &Monitor,
    ) -> Result<Renames> {
        // Whether files of these bytes were deleted, and whether some were added.
        let mut seen: HashMap<Hash, (bool, bool)> = HashMap::new();
        one_sided(store, from, to, monitor, |hash, _, added| {
            let seen = seen.entry(hash).or_default();
            seen.0 |= !added;
            seen.1 |= added;
        })?;
        seen.retain(|_, seen| *seen == (true, true));
        let mut renames = Renames::default();
        if seen.is_empty() {
            return Ok(renames);
        }
        let mut files = Vec::new();
        one_sided(store, from, to, monitor, |hash, path, added| {
            if seen.contains_key(&hash) {
                files.push((hash, path, added));
            }
        })?;
        // That a file is empty says nothing about where it came from; its name may.
        let empty = Hash::of(b"");
        renames.pair_all(files.into_iter().map(|(hash, path, added)| {
            let name = (hash == empty).then(|| name_of(&path));
            ((hash, name), path, added)
        }));
        Ok(renames)
    }

    /// Pairs up files by what they are: key, path, and whether it is new.
    pub fn pair_all<K: Eq + std::hash::Hash>(
        &mut self,
        files: impl IntoIterator<Item = (K, Path, bool)>,
    ) {
        let mut equals: HashMap<K, Equals> = HashMap::new();
        for (key, path, added) in files {
            let equals = equals.entry(key).or_default();
            if added { equals.added.push(path) } else { equals.deleted.push(path) }
        }
        equals.into_values().for_each(|equals| self.pair(equals));
    }

    /// Equal files of one name belong together, as when a directory was moved; then those that are
    /// left, in the order of paths.
    fn pair(&mut self, equals: Equals) {
        let mut by_name: HashMap<Vec<u8>, Vec<Path>> = HashMap::new();
        for path in equals.deleted.into_iter().rev() {
            by_name.entry(name_of(&path)).or_default().push(path);
        }
        let mut left = Vec::new();
        for to in equals.added {
            match by_name.get_mut(&name_of(&to)).and_then(Vec::pop) {
                Some(from) => self.insert(from, to),
                None => left.push(to),
            }
        }
        let mut deleted: Vec<Path> = by_name.into_values().flatten().collect();
        deleted.sort();
        for (from, to) in deleted.into_iter().zip(left) {
            self.insert(from, to);
        }
    }

    fn insert(&mut self, from: Path, to: Path) {
        self.sources.insert(from.clone());
        self.source_of.insert(to, from);
    }
}

fn name_of(path: &Path) -> Vec<u8> {
    path.name().unwrap_or_default().to_vec()
}

/// The files that are only in one of two versions: content, path, and whether it is the second.
fn one_sided<S: ReadEntries>(
    store: &S,
    from: &VersionId,
    to: &VersionId,
    monitor: &Monitor,
    mut each: impl FnMut(Hash, Path, bool),
) -> Result<()> {
    for step in steps(store, from, to)? {
        monitor.check()?;
        match step? {
            (path, Some(Item::File(record)), None) => each(record.content_hash, path, false),
            (path, None, Some(Item::File(record))) => each(record.content_hash, path, true),
            _ => {}
        }
    }
    Ok(())
}

/// Every path whose item differs, in the order of paths.
pub(super) fn steps<'s, S: ReadEntries>(
    store: &'s S,
    from: &VersionId,
    to: &VersionId,
) -> Result<impl Iterator<Item = Result<Changed>> + use<'s, S>> {
    steps_after(store, from, to, None)
}

/// Every path after `after` whose item differs, in the order of paths.
fn steps_after<'s, S: ReadEntries>(
    store: &'s S,
    from: &VersionId,
    to: &VersionId,
    after: Option<&Path>,
) -> Result<impl Iterator<Item = Result<Changed>> + use<'s, S>> {
    let (from, to) = (Version::read(store, from)?, Version::read(store, to)?);
    let mut differ = Differ::new(store, Some(&from.root), store, Some(&to.root));
    differ.seek_after(after.iter().flat_map(|path| path.components()))?;
    Ok(differ.paths())
}

/// A directory whose entries changed has not itself changed.
pub(super) fn same_apart_from_below(old: &Item, new: &Item) -> bool {
    match (old, new) {
        (Item::Directory(old), Item::Directory(new)) => old.attributes == new.attributes,
        _ => old == new,
    }
}
