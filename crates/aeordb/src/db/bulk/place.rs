//! A tree that came, laid over what is at its place: at first over what is there when it came,
//! then over what others make of that meanwhile.

use super::{Placing, Replacing, empty};
use crate::db::Reader;
use crate::error::{Error, Result};
use crate::graph::{Differ, Step};
use crate::hash::DirectoryId;
use crate::log::View;
use crate::monitor::Monitor;
use crate::object::{self, Attributes, FileRecord, Item, Path, Subdirectory, Totals, Version};
use crate::store::{AppendEntries, ReadEntries};

/// Permissions of a directory that is made for a mirror.
const MODE: u32 = 0o755;

/// What comes of a tree over what is at its place.
#[derive(Clone)]
pub struct Placed {
    /// What was at its place.
    pub over: Option<Item>,
    /// What came, if anything did.
    arrived: Option<Subdirectory>,
    /// What is to be there.
    pub result: Subdirectory,
    /// What was put.
    pub placed: Totals,
    /// Files that go. Negative never, once all is counted.
    deleted: i128,
}

/// What becomes of a path.
enum Decision {
    /// It is as it is to be, and what is below it too.
    Pass,
    /// It becomes this, with all below it.
    Put(Option<Item>),
    /// It becomes this, if anything else than it is; what is below it is decided on next.
    Enter(Option<Item>),
}

impl Placed {
    /// Lays what `arrived` over what is there.
    pub fn new<S: AppendEntries>(
        store: &mut S,
        reader: &Reader,
        over: Option<Item>,
        placing: &Placing,
        arrived: Option<Subdirectory>,
        monitor: &Monitor,
    ) -> Result<Self> {
        check_top(&placing.top, over.as_ref(), placing.mirror)?;
        let (came, there) = (arrived.clone().unwrap_or_else(empty), directory(over.as_ref()));
        let mut directories = u64::from(arrived.is_some() && !is_directory(over.as_ref()));
        let mut deleted = lost(placing, Some(&Item::Directory(came.clone())), over.as_ref());
        let start = if placing.mirror { came.root } else { there.root };
        let view = reader.view();
        let differ = Differ::new(view, Some(&there.root), view, Some(&came.root));
        let merged = merge(store, &start, differ, monitor, |path, before, after| {
            deleted += lost(placing, after.as_ref(), before.as_ref());
            if !is_directory(before.as_ref()) {
                directories += after.as_ref().map_or(0, |after| after.totals().directories);
            }
            overlay(placing, path, before, after)
        })?;
        let placed = Totals { directories, ..came.totals };
        let result = topped(&merged, placing, over.as_ref(), arrived.as_ref());
        Ok(Placed { over, arrived, result, placed, deleted })
    }

    /// The same over what is there `now`. Costs what changed there.
    pub fn catch_up<S: AppendEntries>(
        &self,
        store: &mut S,
        view: &View,
        now: Option<Item>,
        placing: &Placing,
        monitor: &Monitor,
    ) -> Result<Self> {
        check_top(&placing.top, now.as_ref(), placing.mirror)?;
        let came = self.arrived.clone().unwrap_or_else(empty);
        let item = Item::Directory(came.clone());
        let lost_of = |came: Option<&Item>, there: Option<&Item>| lost(placing, came, there);
        let mut deleted = self.deleted + lost_of(Some(&item), now.as_ref())
            - lost_of(Some(&item), self.over.as_ref());
        let (before, after) = (directory(self.over.as_ref()), directory(now.as_ref()));
        let differ = Differ::new(view, Some(&before.root), view, Some(&after.root));
        let merged = merge(store, &self.result.root, differ, monitor, |path, before, after| {
            let came = object::resolve(view, &came.root, path)?;
            deleted += lost(placing, came.as_ref(), after.as_ref());
            deleted -= lost(placing, came.as_ref(), before.as_ref());
            let here = || object::resolve(view, &self.result.root, path);
            again(placing, path, came, before.as_ref(), after, here)
        })?;
        let result = topped(&merged, placing, now.as_ref(), self.arrived.as_ref());
        let (arrived, placed) = (self.arrived.clone(), self.placed);
        Ok(Placed { over: now, arrived, result, placed, deleted })
    }

    /// The root of what was at its place.
    pub fn base(&self) -> Option<DirectoryId> {
        Some(directory(self.over.as_ref()).root)
    }

    /// What would go.
    pub fn replacing(&self) -> Replacing {
        let deleted = u64::try_from(self.deleted).unwrap_or(0);
        let files = self.over.as_ref().map_or(0, |over| over.totals().files);
        Replacing { put: self.placed.files, deleted, files }
    }

    /// False where nothing is there and nothing came.
    pub fn is_something(&self, placing: &Placing) -> bool {
        self.over.is_some() || self.arrived.is_some() || placing.mirror
    }
}

/// Applies what is decided on each path that differs to the tree below `root`.
fn merge<S: AppendEntries, R: ReadEntries>(
    store: &mut S,
    root: &DirectoryId,
    mut differ: Differ<'_, R, R>,
    monitor: &Monitor,
    mut decide: impl FnMut(&Path, Option<Item>, Option<Item>) -> Result<Decision>,
) -> Result<Version> {
    let mut failed = None;
    let mut next = || -> Result<Option<(Path, Option<Item>)>> {
        while let Some(step) = differ.next().transpose()? {
            monitor.check()?;
            let Step::Item { name, before, after } = step else { continue };
            let path = differ.path_of(&name)?;
            let put = match decide(&path, before, after)? {
                Decision::Enter(None) => continue,
                Decision::Enter(put) => put,
                Decision::Put(put) => {
                    differ.skip_subtree();
                    put
                }
                Decision::Pass => {
                    differ.skip_subtree();
                    continue;
                }
            };
            return Ok(Some((path, put)));
        }
        Ok(None)
    };
    let changes = std::iter::from_fn(|| {
        next().unwrap_or_else(|error| {
            failed = Some(error);
            None
        })
    });
    let merged = object::apply(store, root, changes);
    failed.map_or(merged, Err)
}

/// What becomes of a path that has `there`, where `came` is put.
fn overlay(
    placing: &Placing,
    path: &Path,
    there: Option<Item>,
    came: Option<Item>,
) -> Result<Decision> {
    Ok(match (there, came) {
        (_, None) => Decision::Pass,
        // A mirror begins with all that came.
        (None, Some(_)) if placing.mirror => Decision::Pass,
        (None, Some(came)) => Decision::Put(Some(came)),
        (Some(Item::Directory(_)), Some(Item::Directory(_))) if placing.mirror => {
            Decision::Enter(None)
        }
        (Some(Item::Directory(there)), Some(Item::Directory(came))) => {
            let new = attributed(&there, &came);
            Decision::Enter((new != there).then_some(Item::Directory(new)))
        }
        (Some(there), Some(came)) => {
            let new = over(&came, Some(&there));
            check_replaces(placing, path, Some(&there), &new)?;
            let begun = if placing.mirror { came } else { there };
            if new == begun { Decision::Pass } else { Decision::Put(Some(new)) }
        }
    })
}

/// What becomes of a path where `came` was put over `before`, and that has `now`; `here` is what
/// became of it.
fn again(
    placing: &Placing,
    path: &Path,
    came: Option<Item>,
    before: Option<&Item>,
    now: Option<Item>,
    here: impl FnOnce() -> Result<Option<Item>>,
) -> Result<Decision> {
    Ok(match came {
        None if placing.mirror => Decision::Pass,
        None => Decision::Put(now),
        Some(Item::Directory(_)) if placing.mirror => Decision::Enter(None),
        Some(Item::Directory(came)) => match now {
            Some(Item::Directory(now)) => {
                let attributes = attributed(&now, &came).attributes;
                Decision::Enter(match here()? {
                    Some(Item::Directory(here)) if here.attributes != attributes => {
                        Some(Item::Directory(Subdirectory { attributes, ..here }))
                    }
                    _ => None,
                })
            }
            now => {
                let came = Item::Directory(came);
                check_replaces(placing, path, now.as_ref(), &came)?;
                match before {
                    Some(Item::Directory(_)) => Decision::Put(Some(came)),
                    _ => Decision::Pass,
                }
            }
        },
        Some(came) => {
            let new = over(&came, now.as_ref());
            check_replaces(placing, path, now.as_ref(), &new)?;
            Decision::Put(Some(new))
        }
    })
}

/// Refuses what may not be replaced, and a directory that came for what is in it alone where
/// something else is: only one that came itself says what it is to replace.
fn check_replaces(placing: &Placing, path: &Path, there: Option<&Item>, new: &Item) -> Result<()> {
    let Some(there) = there.filter(|there| *there != new) else { return Ok(()) };
    // Paths are those below the top.
    let shown = || {
        let top = if placing.top.is_root() { &[] } else { placing.top.as_bytes() };
        String::from_utf8_lossy(&[top, path.as_bytes()].concat()).into_owned()
    };
    match (there, new) {
        (Item::File(_) | Item::Symlink(_) | Item::Special(_), Item::Directory(new))
            if !placing.mirror && new.attributes == Attributes::default() =>
        {
            Err(Error::invalid(format!("{} is not a directory", shown())))
        }
        _ if placing.only_adds => Err(Error::Exists(shown())),
        _ => Ok(()),
    }
}

/// Refuses to put a directory over what is none, but for a mirror.
fn check_top(top: &Path, found: Option<&Item>, mirror: bool) -> Result<()> {
    match found {
        Some(Item::File(_) | Item::Symlink(_) | Item::Special(_)) if !mirror => {
            Err(Error::invalid(format!("{top} is not a directory")))
        }
        _ => Ok(()),
    }
}

/// How many files go where `came` is put over `there`, those within two directories apart.
fn lost(placing: &Placing, came: Option<&Item>, there: Option<&Item>) -> i128 {
    let lost = match (came, there) {
        (None, Some(there)) if placing.mirror => there.totals().files,
        (
            Some(Item::File(_) | Item::Symlink(_) | Item::Special(_)),
            Some(Item::Directory(there)),
        ) => there.totals.files,
        (Some(Item::Directory(_)), Some(Item::File(_) | Item::Symlink(_) | Item::Special(_))) => 1,
        _ => 0,
    };
    i128::from(lost)
}

fn directory(item: Option<&Item>) -> Subdirectory {
    match item {
        Some(Item::Directory(directory)) => directory.clone(),
        _ => empty(),
    }
}

fn is_directory(item: Option<&Item>) -> bool {
    matches!(item, Some(Item::Directory(_)))
}

/// A directory that is there, with the attributes of one that comes, if it has any.
fn attributed(there: &Subdirectory, came: &Subdirectory) -> Subdirectory {
    let of = if came.attributes == Attributes::default() { there } else { came };
    Subdirectory { attributes: of.attributes, ..there.clone() }
}

/// What comes as it is put over what is there: a file keeps the content type that the new one does
/// not say, and its metadata.
fn over(came: &Item, there: Option<&Item>) -> Item {
    match (came, there) {
        (Item::File(came), Some(Item::File(there))) => {
            let content_type = came.content_type.clone().or_else(|| there.content_type.clone());
            let metadata = there.metadata.clone();
            Item::File(FileRecord { content_type, metadata, ..came.clone() })
        }
        _ => came.clone(),
    }
}

/// The directory at the top, of these entries.
fn topped(
    merged: &Version,
    placing: &Placing,
    over: Option<&Item>,
    arrived: Option<&Subdirectory>,
) -> Subdirectory {
    let there = match over {
        Some(Item::Directory(there)) => there.clone(),
        _ => {
            let mode = placing.mirror.then_some(MODE);
            Subdirectory::empty(Attributes { mode, ..Attributes::default() })
        }
    };
    let of = arrived.map_or_else(|| there.clone(), |arrived| attributed(&there, arrived));
    Subdirectory { root: merged.root, totals: merged.totals, attributes: of.attributes }
}
