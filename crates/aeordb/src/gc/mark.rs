//! What the roots reach.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::Path as LocalPath;

use crate::db::{HistoryEntry, Reader, Snapshot, Writer};
use crate::error::{Error, Result};
use crate::graph::{Differ, Step};
use crate::hash::{DirectoryId, Hash, Kind, ListId, VersionId};
use crate::log::recover::Root;
use crate::object::tree::{self, Difference, SystemMap};
use crate::object::{ChunkRef, FileRecord, Item, Version, list};
use crate::store::{Bitmap, Place, ReadEntries};
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
    fn versions(&self) -> Vec<VersionId> {
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
    /// version in the order of a walk, the newest versions first.
    pub fn reach<S: ReadEntries>(
        &self,
        store: &S,
        name: &LocalPath,
        watch: &Watch,
        visit: impl FnMut(&Reached<'_>) -> Result<()>,
    ) -> Result<Bitmap> {
        let live = RefCell::new(Bitmap::new(store.number_limit()));
        let marker = Marker { store, live, visit: RefCell::new(visit), name, watch };
        for map in [self.root.snapshots, self.root.history, self.root.system] {
            marker.map(&map)?;
        }
        let mut before: Option<DirectoryId> = None;
        for version in self.versions() {
            before = Some(marker.version(&version, before.as_ref())?);
        }
        Ok(marker.live.into_inner())
    }
}

/// An entry that is reached.
pub struct Reached<'a> {
    /// What it is.
    pub kind: Kind,
    /// Its name.
    pub hash: &'a Hash,
    /// Where it is.
    pub place: Place,
    /// Bytes of a chunk; zero for others.
    pub chunk_len: u32,
}

struct Marker<'a, S, V> {
    store: &'a S,
    live: RefCell<Bitmap>,
    visit: RefCell<V>,
    name: &'a LocalPath,
    watch: &'a Watch,
}

impl<S: ReadEntries, V: FnMut(&Reached<'_>) -> Result<()>> Marker<'_, S, V> {
    /// Marks an entry; true if it was not marked before. That it is missing is damage: nothing may
    /// be given up over it.
    fn mark(&self, kind: Kind, hash: &Hash, chunk_len: u32) -> Result<bool> {
        let place = self.store.locate(hash)?.ok_or_else(|| {
            let detail = format!("{} {hash} is missing: nothing was changed", kind.name());
            Error::damaged(self.name.display().to_string(), 0, detail)
        })?;
        if !self.live.borrow_mut().insert(place.number) {
            return Ok(false);
        }
        (self.visit.borrow_mut())(&Reached { kind, hash, place, chunk_len }).map(|()| true)
    }

    fn is_marked(&self, hash: &Hash) -> Result<bool> {
        let place = self.store.locate(hash)?;
        Ok(place.is_some_and(|place| self.live.borrow().contains(place.number)))
    }

    fn map(&self, root: &Hash) -> Result<()> {
        if root.is_zero() {
            return Ok(());
        }
        let empty = tree::empty_root(Kind::System);
        for step in tree::diff::<SystemMap, _, _>(self.store, &empty, self.store, root)? {
            if let Difference::Node { hash, .. } = step? {
                self.mark(Kind::System, &hash, 0)?;
            }
        }
        Ok(())
    }

    /// Marks what a version reaches and `before`, which was marked, does not.
    fn version(&self, id: &VersionId, before: Option<&DirectoryId>) -> Result<DirectoryId> {
        let version = Version::read(self.store, id)?;
        if *id != Version::empty().id() {
            self.mark(Kind::Version, &id.0, 0)?;
        }
        let store = self.store;
        let mut differ = Differ::new(store, before, store, Some(&version.root));
        while let Some(step) = differ.next() {
            self.watch.check()?;
            match step? {
                Step::Node { hash, .. } => {
                    self.mark(Kind::Directory, &hash, 0)?;
                }
                Step::Item { after: Some(Item::File(record)), .. } => {
                    self.watch.advance(1, 0);
                    self.file(&record)?;
                }
                Step::Item { after: Some(Item::Directory(directory)), .. } => {
                    if self.is_marked(&directory.root.0)? {
                        differ.skip_subtree();
                    }
                }
                Step::Item { after: None, .. } => differ.skip_subtree(),
                Step::Item { .. } => {}
            }
        }
        Ok(version.root)
    }

    fn file(&self, record: &FileRecord) -> Result<()> {
        let node = |id: &ListId| {
            self.watch.check()?;
            self.mark(Kind::List, &id.0, 0)
        };
        let chunk = |chunk: &ChunkRef| self.mark(Kind::Chunk, &chunk.id.0, chunk.len).map(drop);
        list::verify_list(self.store, &record.content, record.size, node, chunk)
    }
}
