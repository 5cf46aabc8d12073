//! The roots: what a database names, and what that reaches.

use std::collections::BTreeSet;
use std::path::Path as LocalPath;

use crate::db::{HistoryEntry, Reader, Snapshot, Writer};
use crate::error::{Error, Result};
use crate::graph::{Met, Reach};
use crate::hash::{DirectoryId, Hash, Kind, VersionId};
use crate::store::{Bitmap, ReadEntries, Root, ViewEntries};
use crate::watch::Watch;

/// What keeps entries alive.
pub struct Roots {
    root: Root,
    head: VersionId,
    snapshots: Vec<Snapshot>,
    /// Oldest first.
    history: Vec<HistoryEntry>,
}

impl Roots {
    /// As a writer has them.
    pub fn of_writer(writer: &Writer<'_>) -> Result<Self> {
        let (root, head) = (writer.root().clone(), writer.head());
        Ok(Roots { root, head, snapshots: writer.snapshots()?, history: writer.history()? })
    }

    /// As a reader sees them.
    pub fn of_reader(reader: &Reader) -> Result<Self> {
        let (root, head) = (reader.view().root().clone(), reader.head());
        let mut history = reader.history()?.collect::<Result<Vec<_>>>()?;
        history.reverse();
        Ok(Roots { root, head, snapshots: reader.snapshots()?, history })
    }

    /// Leaves the oldest entries of history out, as many as there are in `gone`.
    pub fn forget(&mut self, gone: &[HistoryEntry]) {
        self.history.drain(..gone.len().min(self.history.len()));
    }

    /// The entries of history, oldest first.
    pub fn history(&self) -> &[HistoryEntry] {
        &self.history
    }

    /// Every version, each once, neighbours beside each other.
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
        watch: &Watch,
    ) -> Result<Bitmap> {
        self.reach(store, name, watch, |_| Ok(()))
    }

    /// Marks everything that they reach, and shows each entry to `visit` once: the nodes of a
    /// version in the order of a walk, the newest versions first. That one is missing is damage:
    /// nothing may be given up over it.
    pub fn reach<S: ReadEntries>(
        &self,
        store: &S,
        name: &LocalPath,
        watch: &Watch,
        mut visit: impl FnMut(&Met<'_>) -> Result<()>,
    ) -> Result<Bitmap> {
        let on_missing = |kind: Kind, hash: &Hash| {
            let detail = format!("{} {hash} is missing: nothing was changed", kind.name());
            Err(Error::damaged(name.display().to_string(), 0, detail))
        };
        let mut reach = Reach::new(store, &on_missing, watch);
        for map in [self.root.snapshots, self.root.history, self.root.system] {
            reach.map(&map, &mut visit)?;
        }
        let mut before: Option<DirectoryId> = None;
        for version in self.versions() {
            before = Some(reach.version(&version, before.as_ref(), &mut visit)?.root);
        }
        Ok(reach.into_met())
    }
}
