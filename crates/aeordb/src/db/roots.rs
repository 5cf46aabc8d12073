//! The roots: what a database names, and what that reaches.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::path::Path as LocalPath;

use crate::db::unfinished::{self, Unfinished};
use crate::db::{HistoryEntry, Reader, Snapshot, Writer};
use crate::error::{Error, Result};
use crate::graph::{Met, Reach};
use crate::hash::{DirectoryId, Hash, Kind, VersionId};
use crate::monitor::Monitor;
use crate::store::{Bitmap, ReadEntries, Root, ViewEntries};

/// What keeps entries alive.
pub struct Roots {
    root: Root,
    head: VersionId,
    snapshots: Vec<Snapshot>,
    /// Oldest first.
    history: Vec<HistoryEntry>,
    unfinished: Vec<Unfinished>,
}

impl Roots {
    /// As a writer has them.
    pub fn of_writer(writer: &Writer<'_>) -> Result<Self> {
        let (root, head) = (writer.root().clone(), writer.head());
        let unfinished = unfinished::there(writer, &root)?;
        let (snapshots, history) = (writer.snapshots()?, writer.history()?);
        Ok(Roots { root, head, snapshots, history, unfinished })
    }

    /// As a reader sees them.
    pub fn of_reader(reader: &Reader) -> Result<Self> {
        let (root, head) = (reader.view().root().clone(), reader.head());
        let mut history = reader.history()?.collect::<Result<Vec<_>>>()?;
        history.reverse();
        let unfinished = reader.unfinished()?;
        Ok(Roots { root, head, snapshots: reader.snapshots()?, history, unfinished })
    }

    /// Leaves the oldest entries of history out, as many as there are in `gone`.
    pub fn forget(&mut self, gone: &[HistoryEntry]) {
        self.history.drain(..gone.len().min(self.history.len()));
    }

    /// Leaves out what unfinished puts stored that is kept no longer.
    pub fn forget_unfinished(&mut self, now: i64) {
        self.unfinished.retain(|one| one.kept_until() > now);
    }

    /// What unfinished puts stored.
    pub fn unfinished(&self) -> &[Unfinished] {
        &self.unfinished
    }

    /// The entries of history, oldest first.
    pub fn history(&self) -> &[HistoryEntry] {
        &self.history
    }

    /// The version that HEAD is.
    pub fn head(&self) -> VersionId {
        self.head
    }

    /// Every version that is named, each once, neighbours beside each other.
    pub fn versions(&self) -> Vec<VersionId> {
        let mut versions = vec![self.head];
        versions.extend(self.snapshots.iter().map(|snapshot| snapshot.version));
        versions.extend(self.history.iter().rev().map(|entry| entry.version));
        let mut seen = BTreeSet::new();
        versions.retain(|version| seen.insert(*version));
        versions
    }

    /// Marks everything that they reach, each node once. The file is called `name` in errors.
    pub fn mark<S: ReadEntries>(
        &self,
        store: &S,
        name: &LocalPath,
        monitor: &Monitor,
    ) -> Result<Bitmap> {
        self.reach(store, name, monitor, |_| Ok(()))
    }

    /// Marks what the system maps and some of the versions reach.
    pub fn mark_but<S: ReadEntries>(
        &self,
        store: &S,
        name: &LocalPath,
        monitor: &Monitor,
        wanted: impl Fn(&VersionId) -> bool,
    ) -> Result<Bitmap> {
        self.reach_some(store, name, monitor, wanted, |_| Ok(()))
    }

    /// Marks everything that they reach, and shows each entry to `visit` once: the nodes of a
    /// version in the order of a walk, the newest versions first. That one is missing is damage:
    /// nothing may be given up over it.
    pub fn reach<S: ReadEntries>(
        &self,
        store: &S,
        name: &LocalPath,
        monitor: &Monitor,
        visit: impl FnMut(&Met<'_>) -> Result<()>,
    ) -> Result<Bitmap> {
        self.reach_some(store, name, monitor, |_| true, visit)
    }

    fn reach_some<S: ReadEntries>(
        &self,
        store: &S,
        name: &LocalPath,
        monitor: &Monitor,
        wanted: impl Fn(&VersionId) -> bool,
        mut visit: impl FnMut(&Met<'_>) -> Result<()>,
    ) -> Result<Bitmap> {
        let lenient = Cell::new(false);
        let on_missing = |kind: Kind, hash: &Hash| {
            if lenient.get() {
                return Ok(());
            }
            let detail = format!("{} {hash} is missing: nothing was changed", kind.name());
            Err(Error::damaged(name.display().to_string(), 0, detail))
        };
        let mut reach = Reach::new(store, &on_missing, monitor);
        for map in [self.root.snapshots, self.root.history, self.root.system] {
            reach.map(&map, &mut visit)?;
        }
        let mut before: Option<DirectoryId> = None;
        for version in self.versions().into_iter().filter(wanted) {
            before = Some(reach.version(&version, before.as_ref(), &mut visit)?.root);
        }
        // Whoever goes on with one asks whether it is whole, and reads again what is not.
        lenient.set(true);
        for one in &self.unfinished {
            match reach.version(&one.version, None, &mut visit) {
                Ok(_) | Err(Error::NotFound(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(reach.into_met())
    }
}
