//! What an entry reaches: a version its directory, a node of a directory the items in it, an item
//! what [`references`] says, a system map its nodes. A further sort of reference is a variant of
//! [`Reference`], and is found there.

use bytes::Bytes;

use crate::error::Result;
use crate::graph::{Differ, Step};
use crate::hash::{AttributesId, DirectoryId, Hash, Kind, VersionId};
use crate::monitor::Monitor;
use crate::object::tree::{self, Difference, SystemMap};
use crate::object::{AttributeSet, Item, Reference, Version, list};
use crate::store::{Bitmap, Place, ReadEntries};

/// Shows what an item stands on, from the top down, but for the tree of a directory, which is for
/// the differ. `found` says whether what an entry leads to is wanted, too; of chunks that is nothing.
pub fn references<S: ReadEntries + ?Sized>(
    store: &S,
    item: &Item,
    mut found: impl FnMut(Reference<'_>) -> Result<bool>,
) -> Result<()> {
    attributes(store, item, &mut found)?;
    contents(store, item, found)
}

/// The attribute set of an item, and the chunks that it names.
fn attributes<S: ReadEntries + ?Sized>(
    store: &S,
    item: &Item,
    mut found: impl FnMut(Reference<'_>) -> Result<bool>,
) -> Result<()> {
    let Some(id) = &item.attributes().set else { return Ok(()) };
    let bytes = store.read(Kind::Attributes, id.hash())?;
    if found(Reference::Attributes { id, bytes: &bytes })? {
        for chunk in AttributeSet::decode(&bytes)?.chunks() {
            found(Reference::Chunk { id: &chunk.id, len: chunk.len })?;
        }
    }
    Ok(())
}

/// What holds the bytes of an item.
pub(super) fn contents<S: ReadEntries + ?Sized>(
    store: &S,
    item: &Item,
    found: impl FnMut(Reference<'_>) -> Result<bool>,
) -> Result<()> {
    match item {
        Item::File(file) => list::verify_list(store, &file.content, file.size, found),
        Item::Symlink(_) | Item::Special(_) | Item::Directory(_) => Ok(()),
    }
}

/// An entry that is met for the first time.
pub struct Met<'a> {
    /// What it is.
    pub kind: Kind,
    /// Its name.
    pub hash: &'a Hash,
    /// Where it is.
    pub place: Place,
    /// Bytes of its encoding; of a chunk, as is said.
    pub len: u64,
    /// Its encoding; none for a chunk, which is not read.
    pub bytes: Option<&'a Bytes>,
}

/// What is to be done about an entry that is not here: an error ends the walk, otherwise it goes on
/// without what the entry leads to.
pub type OnMissing<'a> = dyn Fn(Kind, &Hash) -> Result<()> + 'a;

/// A walk through what entries reach. Every entry is met once, however often it is named.
pub struct Reach<'a, S> {
    store: &'a S,
    on_missing: &'a OnMissing<'a>,
    monitor: &'a Monitor,
    met: Bitmap,
    /// The set of the last item: its neighbours mostly have the same.
    last_set: Option<AttributesId>,
}

impl<'a, S: ReadEntries> Reach<'a, S> {
    /// Nothing was met yet.
    pub fn new(store: &'a S, on_missing: &'a OnMissing<'a>, monitor: &'a Monitor) -> Self {
        Reach::resume(store, Bitmap::new(store.number_limit()), on_missing, monitor)
    }

    /// Goes on after a walk that met this.
    pub fn resume(
        store: &'a S,
        met: Bitmap,
        on_missing: &'a OnMissing<'a>,
        monitor: &'a Monitor,
    ) -> Self {
        Reach { store, on_missing, monitor, met, last_set: None }
    }

    /// The numbers of what was met.
    pub fn into_met(self) -> Bitmap {
        self.met
    }

    /// Notes an entry; where it is, if it is met for the first time.
    pub fn meet(&mut self, kind: Kind, hash: &Hash) -> Result<Option<Place>> {
        match self.store.locate(hash)? {
            Some(place) => Ok(self.met.insert(place.number).then_some(place)),
            None => (self.on_missing)(kind, hash).map(|()| None),
        }
    }

    /// What a version reaches that `before`, a directory that was gone through, does not.
    pub fn version(
        &mut self,
        id: &VersionId,
        before: Option<&DirectoryId>,
        mut visit: impl FnMut(&Met<'_>) -> Result<()>,
    ) -> Result<Version> {
        let version = Version::read(self.store, id)?;
        // The empty one is stored nowhere.
        if *id != Version::empty().id() {
            self.show(Kind::Version, &id.0, &version.encode().into(), &mut visit)?;
        }
        self.item(&Item::Directory(version.root_directory()), &mut visit)?;
        self.tree(before, &version.root, visit)?;
        Ok(version)
    }

    /// What a directory reaches that `before`, which was gone through, does not. What is equal below
    /// two directories is the same as where it was met first. Progress counts files.
    pub fn tree(
        &mut self,
        before: Option<&DirectoryId>,
        root: &DirectoryId,
        mut visit: impl FnMut(&Met<'_>) -> Result<()>,
    ) -> Result<()> {
        let mut differ = Differ::new(self.store, before, self.store, Some(root));
        while let Some(step) = differ.next() {
            self.monitor.check()?;
            match step? {
                Step::Node { hash, bytes, .. } => {
                    self.show(Kind::Directory, &hash, &bytes, &mut visit)?;
                }
                Step::Item { after: None, .. } => differ.skip_subtree(),
                Step::Item { after: Some(item), .. } => {
                    self.item(&item, &mut visit)?;
                    match item {
                        Item::Directory(directory) if self.has_met(&directory.root.0)? => {
                            differ.skip_subtree();
                        }
                        Item::File(_) => self.monitor.advance(1, 0),
                        Item::Directory(_) | Item::Symlink(_) | Item::Special(_) => {}
                    }
                }
            }
        }
        Ok(())
    }

    /// What an item stands on, as [`references`] says.
    pub fn item(
        &mut self,
        item: &Item,
        mut visit: impl FnMut(&Met<'_>) -> Result<()>,
    ) -> Result<()> {
        self.attributes(item, &mut visit)?;
        contents(self.store, item, |reference| self.reference(reference, &mut visit))
    }

    /// The attribute set of an item, and what that leads to.
    pub fn attributes(
        &mut self,
        item: &Item,
        mut visit: impl FnMut(&Met<'_>) -> Result<()>,
    ) -> Result<()> {
        let set = item.attributes().set;
        if set != self.last_set {
            attributes(self.store, item, |reference| self.reference(reference, &mut visit))?;
        }
        self.last_set = set;
        Ok(())
    }

    fn reference(
        &mut self,
        reference: Reference<'_>,
        visit: &mut impl FnMut(&Met<'_>) -> Result<()>,
    ) -> Result<bool> {
        let (kind, hash) = reference.entry();
        let (len, bytes) = match reference {
            Reference::List { bytes, .. } | Reference::Attributes { bytes, .. } => {
                self.monitor.check()?;
                (bytes.len() as u64, Some(bytes))
            }
            Reference::Chunk { len, .. } => (len.into(), None),
        };
        match self.meet(kind, hash)? {
            Some(place) => visit(&Met { kind, hash, place, len, bytes }).map(|()| true),
            None => Ok(false),
        }
    }

    /// The nodes of a system map; the root of zeros is no map.
    pub fn map(
        &mut self,
        root: &Hash,
        mut visit: impl FnMut(&Met<'_>) -> Result<()>,
    ) -> Result<()> {
        if root.is_zero() {
            return Ok(());
        }
        let empty = tree::empty_root(Kind::System);
        for step in tree::diff::<SystemMap, _, _>(self.store, &empty, self.store, root)? {
            if let Difference::Node { hash, bytes, .. } = step? {
                self.show(Kind::System, &hash, &bytes, &mut visit)?;
            }
        }
        Ok(())
    }

    fn has_met(&self, hash: &Hash) -> Result<bool> {
        let place = self.store.locate(hash)?;
        Ok(place.is_some_and(|place| self.met.contains(place.number)))
    }

    fn show(
        &mut self,
        kind: Kind,
        hash: &Hash,
        bytes: &Bytes,
        visit: &mut impl FnMut(&Met<'_>) -> Result<()>,
    ) -> Result<()> {
        let Some(place) = self.meet(kind, hash)? else { return Ok(()) };
        visit(&Met { kind, hash, place, len: bytes.len() as u64, bytes: Some(bytes) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;
    use crate::hash::ChunkId;
    use crate::limits::CHUNK_LEN_MIN;
    use crate::object::{
        Attributes, ChunkRef, Content, FileRecord, ListBuilder, Path, Symlink, apply,
    };
    use crate::store::AppendEntries;
    use crate::store::memory::MemoryStore;

    fn file(store: &mut MemoryStore, chunks: impl Iterator<Item = u8>) -> Item {
        let mut list = ListBuilder::new();
        let mut size = 0;
        for number in chunks {
            let bytes = vec![number; CHUNK_LEN_MIN];
            let id = ChunkId(store.append(Kind::Chunk, &bytes).unwrap());
            size += bytes.len() as u64;
            list.push(store, ChunkRef { id, len: bytes.len() as u32 }).unwrap();
        }
        let content = list.finish(store).unwrap();
        let hash = content.implied_hash().unwrap_or(Hash::of(b"not looked at"));
        Item::File(FileRecord::new(size, hash, content))
    }

    /// A version in which two directories are the same, and two files.
    fn version(store: &mut MemoryStore) -> (VersionId, Item) {
        let large = file(store, 0..20);
        let small = file(store, 7..8);
        let target = b"a".to_vec();
        let link = Item::Symlink(Symlink { target, attributes: Attributes::default() });
        let at = |path: &str| Path::parse(path.as_bytes()).unwrap();
        let changes = [
            (at("/a/large"), Some(large.clone())),
            (at("/a/small"), Some(small.clone())),
            (at("/b/large"), Some(large.clone())),
            (at("/b/small"), Some(small)),
            (at("/large"), Some(large.clone())),
            (at("/link"), Some(link)),
        ];
        let version = apply(store, &Version::empty().root, changes).unwrap();
        store.append(Kind::Version, &version.encode()).unwrap();
        (version.id(), large)
    }

    fn missing(kind: Kind, hash: &Hash) -> Result<()> {
        Err(Error::not_found(format!("{} {hash}", kind.name())))
    }

    #[test]
    fn everything_that_a_version_reaches_is_met_once() {
        let mut store = MemoryStore::new();
        let (version, _) = version(&mut store);
        let dead = store.append(Kind::Chunk, b"nobody names it").unwrap();
        let monitor = Monitor::new();
        let mut reach = Reach::new(&store, &missing, &monitor);
        let mut met = Vec::new();
        let mut visit = |found: &Met<'_>| {
            assert_eq!(found.bytes.is_none(), found.kind == Kind::Chunk);
            let stored = store.read(found.kind, found.hash).unwrap();
            assert_eq!(found.len, stored.len() as u64);
            assert!(found.bytes.is_none_or(|bytes| *bytes == stored));
            met.push((found.kind as u8, *found.hash));
            Ok(())
        };
        reach.version(&version, None, &mut visit).unwrap();
        reach.version(&version, None, &mut visit).unwrap();
        let all = reach.into_met();
        assert_eq!(all.len(), store.len() as u64 - 1);
        assert!(!all.contains(store.locate(&dead).unwrap().unwrap().number));
        assert_eq!(met.len() as u64, all.len());
        assert_eq!(met[0], (Kind::Version as u8, version.0));
        // The second walk has read nothing below the root again: its files count once.
        assert_eq!(monitor.progress().files, 2 + 1 + 1);
    }

    #[test]
    fn a_walk_goes_on_without_what_is_missing_or_ends_there() {
        let mut store = MemoryStore::new();
        let (version, large) = version(&mut store);
        let Item::File(FileRecord { content: Content::List { root, .. }, .. }) = &large else {
            unreachable!()
        };
        let chunk = Hash::of(&vec![7; CHUNK_LEN_MIN]);
        assert!(store.forget(&chunk));
        let monitor = Monitor::new();
        let error = Reach::new(&store, &missing, &monitor).item(&large, |_| Ok(())).unwrap_err();
        assert!(matches!(&error, Error::NotFound(what) if what.contains("chunk")), "{error}");
        let lost = std::cell::RefCell::new(Vec::new());
        let note = |_: Kind, hash: &Hash| {
            lost.borrow_mut().push(*hash);
            Ok(())
        };
        let mut lists = Vec::new();
        let mut reach = Reach::new(&store, &note, &monitor);
        reach
            .version(&version, None, |met| {
                lists.extend((met.kind == Kind::List).then_some(*met.hash));
                Ok(())
            })
            .unwrap();
        assert!(lost.borrow().iter().all(|hash| *hash == chunk) && !lost.borrow().is_empty());
        assert!(lists.contains(&root.0));
    }

    #[test]
    fn a_walk_stops_when_it_is_asked_to() {
        let mut store = MemoryStore::new();
        let (version, _) = version(&mut store);
        let monitor = Monitor::new();
        monitor.cancel();
        let walked = Reach::new(&store, &missing, &monitor).version(&version, None, |_| Ok(()));
        assert!(matches!(walked, Err(Error::Interrupted)));
    }
}
