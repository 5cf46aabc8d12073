//! Merge: the changes of a patch, applied to a HEAD that is not its base.

use std::collections::BTreeMap;

use crate::backup::changes::{same_apart_from_below, steps};
use crate::db::Writer;
use crate::error::Result;
use crate::graph;
use crate::hash::VersionId;
use crate::monitor::Monitor;
use crate::object::{self, Attributes, Item, Path, Subdirectory, Version};

/// The resolution of a path that both sides changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum OnConflict {
    /// It stays as HEAD has it, and the conflict is reported as open.
    #[default]
    LeaveOut,
    /// It stays as HEAD has it.
    Ours,
    /// It becomes as the patch has it.
    Theirs,
}

/// A path that both sides changed, each in its own way.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Conflict {
    /// The path.
    pub path: Path,
    /// The item in the patch's base.
    pub base: Option<Item>,
    /// The item in HEAD.
    pub ours: Option<Item>,
    /// The item that the patch leads to.
    pub theirs: Option<Item>,
}

/// The result of a merge.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MergeReport {
    /// The merged version.
    pub version: VersionId,
    /// The version that the patch starts from.
    pub base: VersionId,
    /// The version that was HEAD.
    pub ours: VersionId,
    /// The version that the patch leads to.
    pub theirs: VersionId,
    /// Changes that were applied.
    pub taken: u64,
    /// Changes that HEAD had already.
    pub same: u64,
    /// The resolution of the conflicts.
    pub on_conflict: OnConflict,
    /// Paths that both changed, in their order.
    pub conflicts: Vec<Conflict>,
}

/// Applies what changed from `base` to `theirs` to HEAD. The three versions are complete. Nothing
/// is recorded. Costs what changed, in time and in memory.
pub fn merge(
    writer: &mut Writer<'_>,
    base: &VersionId,
    theirs: &VersionId,
    on_conflict: OnConflict,
    monitor: &Monitor,
) -> Result<MergeReport> {
    let ours = writer.head();
    let head = Version::read(writer, &ours)?;
    let target = Version::read(writer, theirs)?;
    let base_root = Version::read(writer, base)?;
    let mut merge = Merge {
        base: base_root,
        writer,
        head,
        target,
        on_conflict,
        edits: BTreeMap::new(),
        taken: 0,
        same: 0,
        conflicts: BTreeMap::new(),
    };
    let mut over_directories = Vec::new();
    for change in steps(merge.writer, base, theirs)? {
        monitor.check()?;
        let (path, before, after) = change?;
        if !same(before.as_ref(), after.as_ref()) {
            over_directories.extend(merge.change(Change { path, before, after })?);
        }
    }
    // The deepest first: whether a directory can go shows in what becomes of those in it.
    for (change, take) in over_directories.into_iter().rev() {
        merge.over_directory(change, take)?;
    }
    let attributes = merge.root();
    let Merge { edits, taken, same, conflicts, .. } = merge;
    let conflicts = conflicts.into_values().collect();
    let head = Version { attributes, ..head };
    let merged = object::apply(writer.entries(), &head, edits)?;
    let version = writer.add_version(&merged)?;
    let (base, theirs) = (*base, *theirs);
    Ok(MergeReport { version, base, ours, theirs, taken, same, on_conflict, conflicts })
}

/// What the patch does to a path.
struct Change {
    path: Path,
    before: Option<Item>,
    after: Option<Item>,
}

struct Merge<'w, 'd> {
    writer: &'w Writer<'d>,
    base: Version,
    head: Version,
    target: Version,
    on_conflict: OnConflict,
    edits: BTreeMap<Path, Option<Item>>,
    taken: u64,
    same: u64,
    conflicts: BTreeMap<Path, Conflict>,
}

impl Merge<'_, '_> {
    /// Decides on one change. One that puts something else in the place of a directory of ours is
    /// given back, with whether the directory is as it was: it waits until what is in the directory
    /// has been decided on.
    fn change(&mut self, change: Change) -> Result<Option<(Change, bool)>> {
        let Change { path, before, after } = &change;
        let ours = object::resolve(self.writer, &self.head, path)?;
        if same(ours.as_ref(), after.as_ref()) {
            self.same += 1;
            return Ok(None);
        }
        let mut after = after.clone();
        let mut take = same(ours.as_ref(), before.as_ref());
        if let (Some(Item::Directory(ours)), Some(Item::Directory(theirs))) = (&ours, &after) {
            let base = match before {
                Some(Item::Directory(base)) => Some(&base.attributes),
                _ => None,
            };
            let merged = merged(base, &ours.attributes, &theirs.attributes);
            take = merged.is_some();
            let attributes = merged.unwrap_or(theirs.attributes);
            // What is in it stays; what the patch does to that are changes of their own.
            after = Some(Item::Directory(Subdirectory { attributes, ..ours.clone() }));
        } else if let Some(Item::Directory(theirs)) = &after {
            after = Some(Item::Directory(Subdirectory::empty(theirs.attributes)));
        } else if let Some(Item::Directory(_)) = ours {
            return Ok(Some((change, take)));
        }
        if after.is_some() && !self.make_way(path, take)? {
            return Ok(None);
        }
        if !take && !self.conflict(&change, ours) {
            return Ok(None);
        }
        self.taken += 1;
        self.edits.insert(change.path, after);
        Ok(None)
    }

    /// Decides on the attributes of the root.
    fn root(&mut self) -> Attributes {
        let (base, ours, theirs) = (self.base, self.head, self.target);
        let both = merged(Some(&base.attributes), &ours.attributes, &theirs.attributes);
        both.unwrap_or_else(|| {
            let of = |version: Version| Some(Item::Directory(version.root_directory()));
            let change = Change { path: Path::root(), before: of(base), after: of(theirs) };
            let wins = self.conflict(&change, of(ours));
            if wins { theirs.attributes } else { ours.attributes }
        })
    }

    /// Notes a conflict; true if the patch wins.
    fn conflict(&mut self, change: &Change, ours: Option<Item>) -> bool {
        let (path, base) = (change.path.clone(), change.before.clone());
        let conflict = Conflict { path, base, ours, theirs: change.after.clone() };
        self.conflicts.insert(change.path.clone(), conflict);
        self.on_conflict == OnConflict::Theirs
    }

    /// Makes sure that the directories above a path are there, as the patch has them. False if
    /// something of ours is in the way and stays: a conflict that stands for all that is below.
    fn make_way(&mut self, path: &Path, take: bool) -> Result<bool> {
        let mut above = Vec::new();
        let mut next = path.parent();
        while let Some(parent) = next.filter(|parent| !parent.is_root()) {
            next = parent.parent();
            above.push(parent);
        }
        for parent in above.into_iter().rev() {
            let there = match self.edits.get(&parent) {
                Some(edit) => edit.clone(),
                None => object::resolve(self.writer, &self.head, &parent)?,
            };
            let wins = self.on_conflict == OnConflict::Theirs;
            let theirs = object::resolve(self.writer, &self.target, &parent)?;
            match there {
                Some(Item::Directory(_)) => continue,
                None if !take && !wins => return Ok(true),
                None => {}
                ours => {
                    let before = object::resolve(self.writer, &self.base, &parent)?;
                    let path = parent.clone();
                    let change = Change { path, before, after: theirs.clone() };
                    if !self.conflict(&change, ours) {
                        return Ok(false);
                    }
                }
            }
            if let Some(Item::Directory(theirs)) = theirs {
                self.edits
                    .insert(parent, Some(Item::Directory(Subdirectory::empty(theirs.attributes))));
            }
        }
        Ok(true)
    }

    /// Decides on a change that puts a file, or nothing, in the place of a directory.
    fn over_directory(&mut self, change: Change, take: bool) -> Result<()> {
        let ours = object::resolve(self.writer, &self.head, &change.path)?;
        let Some(Item::Directory(directory)) = ours.clone() else { return Ok(()) };
        if !take && !self.conflict(&change, ours.clone()) {
            return Ok(());
        }
        let mut left = false;
        for entry in graph::walk(self.writer, &change.path, &directory.root, &[])? {
            let (path, _) = entry?;
            if self.edits.get(&path) != Some(&None) {
                left = true;
                break;
            }
        }
        // What was put into a directory keeps it, as long as nothing else is to be there.
        if left && (change.after.is_none() || take && !self.conflict(&change, ours)) {
            return Ok(());
        }
        self.taken += 1;
        if left {
            // Nothing of what is below is left to be edited.
            let path = &change.path;
            self.edits.retain(|edit, _| !path.contains(edit));
        }
        self.edits.insert(change.path, change.after);
        Ok(())
    }
}

fn same(a: Option<&Item>, b: Option<&Item>) -> bool {
    match (a, b) {
        (None, None) => true,
        (Some(a), Some(b)) => same_apart_from_below(a, b),
        _ => false,
    }
}

/// The attributes of a directory that both have; `None` if both changed its mode, or its owner and
/// what else is in the set. The time says when something was put in it: the later one is right.
fn merged(base: Option<&Attributes>, ours: &Attributes, theirs: &Attributes) -> Option<Attributes> {
    let mode = one_of(base.map(|base| &base.mode), &ours.mode, &theirs.mode)?;
    let set = one_of(base.map(|base| &base.set), &ours.set, &theirs.set)?;
    let base_mtime = base.map(|base| base.mtime);
    let mtime = match (ours.mtime, theirs.mtime) {
        (ours, theirs) if base_mtime == Some(ours) => theirs,
        (ours, theirs) if base_mtime == Some(theirs) => ours,
        (ours, theirs) => ours.max(theirs),
    };
    Some(Attributes { mode, mtime, set, link: None })
}

/// What both agree on, or what one of them changed.
fn one_of<T: Copy + PartialEq>(base: Option<&T>, ours: &T, theirs: &T) -> Option<T> {
    match (ours, theirs) {
        (ours, theirs) if ours == theirs => Some(*ours),
        (ours, theirs) if base == Some(ours) => Some(*theirs),
        (ours, theirs) if base == Some(theirs) => Some(*ours),
        _ => None,
    }
}
