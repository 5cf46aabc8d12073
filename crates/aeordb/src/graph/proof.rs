//! The proof that a version is complete: everything it reaches is there, decodes, is canonical and
//! adds up. What a version that is known to be complete has as well is not opened.
//!
//! An entry that was looked at is not looked at again, but what is said of it is compared each time
//! that it is said: totals of directories, sizes and content hashes of files, sums of list nodes,
//! lengths of chunks.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::graph::contents::Contents;
use crate::graph::reach::contents;
use crate::graph::{Differ, Step};
use crate::hash::{DirectoryId, Hash, Kind, VersionId};
use crate::limits::PATH_LEN_MAX;
use crate::monitor::Monitor;
use crate::object::tree::{self, Directories};
use crate::object::{
    AttributeSet, ChunkRef, Content, FileRecord, Item, Name, Reference, Subdirectory, Version,
};
use crate::pool::Pool;
use crate::store::ReadEntries;

/// What is true of a version that was proved.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Proved {
    /// Bytes of the longest path in what was looked at.
    pub longest_path: u64,
}

impl Proved {
    /// [`Error::Limit`] if there is a path that nobody could name. It can be kept and collected,
    /// but not be listed.
    pub fn check_paths(self, version: &VersionId) -> Result<()> {
        if self.longest_path <= PATH_LEN_MAX as u64 {
            return Ok(());
        }
        let what = format!("the longest path of version {version}");
        Err(Error::Limit { what, limit: PATH_LEN_MAX as u64, found: self.longest_path })
    }
}

/// Proves that `version` is complete in `store`, given that `known` is.
/// [`Error::Incomplete`] if entries are missing, [`Error::Damaged`] if what is there is not sound.
pub fn prove<S: ReadEntries + Clone + Send + 'static>(
    store: &S,
    version: &VersionId,
    known: Option<&VersionId>,
    pool: &Arc<Pool>,
    monitor: &Monitor,
) -> Result<Proved> {
    Prover::new(store, pool, monitor).prove(version, known)
}

/// How many entries that `version` reaches are missing from `store`, given that `known` is
/// complete. What lies behind a missing node cannot be counted. Files are not gone through.
pub fn missing<S: ReadEntries>(
    store: &S,
    version: &VersionId,
    known: Option<&VersionId>,
    monitor: &Monitor,
) -> Result<u64> {
    let mut walk = Walk::new(store, monitor);
    walk.version(version, known, &mut |_, _, _| Ok(()))?;
    Ok(walk.missing.count)
}

/// Proves versions, one after another: what was proved for one is not proved again.
pub struct Prover<'a, S> {
    walk: Walk<'a, S>,
    contents: Contents<'a, S>,
}

impl<'a, S: ReadEntries + Clone + Send + 'static> Prover<'a, S> {
    /// Nothing is proved yet.
    pub fn new(store: &'a S, pool: &Arc<Pool>, monitor: &'a Monitor) -> Self {
        Prover { walk: Walk::new(store, monitor), contents: Contents::new(store, pool, monitor) }
    }

    /// As [`prove`].
    pub fn prove(&mut self, version: &VersionId, known: Option<&VersionId>) -> Result<Proved> {
        let proved = self.prove_all(version, known);
        if proved.is_err() {
            // Some of what was noted down as proved waited to be.
            let Walk { store, monitor, .. } = self.walk;
            self.walk = Walk::new(store, monitor);
            self.contents.clear();
        }
        proved
    }

    fn prove_all(&mut self, version: &VersionId, known: Option<&VersionId>) -> Result<Proved> {
        let Prover { walk, contents } = self;
        let proved = walk.version(version, known, &mut |what, record, listed| {
            contents.add(what(), record, listed)
        })?;
        match walk.missing.count {
            0 => self.contents.finish().map(|()| proved),
            missing => Err(Error::Incomplete { version: *version, missing, supplier: None }),
        }
    }
}

/// Takes a file of several chunks: its path, its record, and the bytes of the chunks in the
/// different nodes of its list.
type TakeFile<'t> = dyn FnMut(&dyn Fn() -> String, &FileRecord, u64) -> Result<()> + 't;

/// Two directories by their numbers: what is known to be complete, if anything is at that place,
/// and what is looked at.
type Pair = (Option<u64>, u64);

struct Walk<'a, S> {
    store: &'a S,
    monitor: &'a Monitor,
    missing: Missing,
    /// Directories that were gone through, as far as they differ from what is known, and the length
    /// of the longest path below them there.
    directories: HashMap<Pair, u64>,
    /// Files of several chunks that were looked at, by all that is said of them: two hashes that
    /// nobody can foresee.
    files: HashSet<[u64; 2]>,
    hashers: [RandomState; 2],
    /// Attribute sets that were looked at, by their numbers.
    sets: HashSet<u64>,
}

/// Entries that are not here.
#[derive(Default)]
struct Missing {
    count: u64,
    hashes: HashSet<Hash>,
}

impl Missing {
    fn note(&mut self, hash: &Hash) {
        self.count += u64::from(self.hashes.insert(*hash));
    }

    /// Notes a chunk that is not here; one that is must be as long as is said.
    fn chunk<S: ReadEntries>(&mut self, store: &S, chunk: &ChunkRef) -> Result<()> {
        let hash = chunk.id.hash();
        let Some(place) = store.locate(hash)? else {
            self.note(hash);
            return Ok(());
        };
        match store.len_of(&place, Kind::Chunk, hash) {
            Ok(len) if len == u64::from(chunk.len) => Ok(()),
            Ok(len) => {
                let detail = format!("expected {} bytes, found {len}", chunk.len);
                Err(Error::damaged(format!("chunk {hash}"), 0, detail))
            }
            Err(Error::NotFound(_)) => {
                self.note(hash);
                Ok(())
            }
            Err(error) => Err(error),
        }
    }
}

/// A directory on the way to where the walk is.
struct Open {
    pair: Option<Pair>,
    /// Bytes of its name and a slash.
    name: u64,
    /// Bytes of the longest path below it so far.
    longest: u64,
}

impl<'a, S: ReadEntries> Walk<'a, S> {
    fn new(store: &'a S, monitor: &'a Monitor) -> Self {
        Walk {
            store,
            monitor,
            missing: Missing::default(),
            directories: HashMap::new(),
            files: HashSet::new(),
            hashers: [RandomState::new(), RandomState::new()],
            sets: HashSet::new(),
        }
    }

    fn version(
        &mut self,
        id: &VersionId,
        known: Option<&VersionId>,
        take: &mut TakeFile<'_>,
    ) -> Result<Proved> {
        let version = Version::read(self.store, id).map_err(|error| match error {
            Error::NotFound(_) => Error::not_found(format!("version {id}")),
            error => error,
        })?;
        let known = known.map(|known| Version::read(self.store, known)).transpose()?;
        self.root(&version.root_directory())?;
        self.set(None, &Item::Directory(version.root_directory()))?;
        let known = known.map(|known| known.root);
        let mut differ = Differ::new(self.store, known.as_ref(), self.store, Some(&version.root));
        let mut open = vec![Open { pair: None, name: 0, longest: 0 }];
        while let Some(step) = differ.next() {
            match step {
                Ok(Step::Node { .. }) => self.monitor.check()?,
                Ok(Step::Item { after: None, .. }) => differ.skip_subtree(),
                Ok(Step::Item { name, before, after: Some(after) }) => {
                    self.monitor.check()?;
                    self.close(&mut open, differ.depth());
                    let path = || path_of(&differ, &name);
                    reach(&mut open, &name, 0);
                    self.set(before.as_ref(), &after).map_err(|error| at(error, path))?;
                    let found = match &after {
                        Item::Directory(directory) => {
                            let looked = self.references(&after);
                            looked.and_then(|_| {
                                self.directory(before.as_ref(), directory, &name, &mut open)
                            })
                        }
                        Item::File(record) => self
                            .file(before.as_ref(), (&after, record), &path, take)
                            .map(|()| false),
                        Item::Symlink(_) | Item::Special(_) => {
                            self.references(&after).map(|_| false)
                        }
                    };
                    if !found.map_err(|error| at(error, path))? {
                        differ.skip_subtree();
                    }
                }
                Err(Error::NotFound(_)) => {
                    // The differ ends at a node that is not there.
                    self.missing.count += 1;
                    break;
                }
                Err(error) => return Err(error),
            }
        }
        self.close(&mut open, 1);
        Ok(Proved { longest_path: open.first().map_or(0, |root| root.longest) })
    }

    /// Leaves directories until so many are open.
    fn close(&mut self, open: &mut Vec<Open>, depth: usize) {
        while open.len() > depth.max(1) {
            let Some(Open { pair, name, longest }) = open.pop() else { return };
            if let Some(above) = open.last_mut() {
                above.longest = above.longest.max(name + longest);
            }
            self.directories.extend(pair.map(|pair| (pair, longest)));
        }
    }

    /// Looks at a directory; true if what is in it has to be looked at.
    fn directory(
        &mut self,
        before: Option<&Item>,
        after: &Subdirectory,
        name: &Name,
        open: &mut Vec<Open>,
    ) -> Result<bool> {
        self.root(after)?;
        let empty = tree::empty_root(Kind::Directory);
        let before = match before {
            Some(Item::Directory(before)) if before.root == after.root => return Ok(false),
            Some(Item::Directory(before)) if before.root.0 != empty => Some(&before.root),
            _ => None,
        };
        if after.root.0 == empty {
            return Ok(false);
        }
        let Some(number) = self.number(&after.root)? else {
            self.missing.note(&after.root.0);
            return Ok(false);
        };
        let known = match before {
            Some(before) => self.number(before)?,
            None => None,
        };
        for pair in [(None, number), (known, number)] {
            if let Some(longest) = self.directories.get(&pair) {
                reach(open, name, *longest);
                return Ok(false);
            }
        }
        let pair = Some((known, number)).filter(|_| before.is_some() == known.is_some());
        open.push(Open { pair, name: name.as_bytes().len() as u64 + 1, longest: 0 });
        Ok(true)
    }

    fn number(&self, directory: &DirectoryId) -> Result<Option<u64>> {
        Ok(self.store.locate(&directory.0)?.map(|place| place.number))
    }

    /// The counts that a directory is stored with must be those of its tree.
    fn root(&mut self, directory: &Subdirectory) -> Result<()> {
        let summary = match tree::summary::<Directories, S>(self.store, &directory.root.0) {
            Err(Error::NotFound(_)) => return Ok(()),
            summary => summary?,
        };
        let (expected, found) = (directory.totals, summary.totals.with_itself());
        if found != expected {
            let detail = format!("expected the counts {expected:?}, found {found:?}");
            return Err(Error::damaged(format!("directory {}", directory.root), 0, detail));
        }
        Ok(())
    }

    /// The attribute set of an item must be here and sound, and the chunks that it names here.
    fn set(&mut self, before: Option<&Item>, after: &Item) -> Result<()> {
        let before = before.and_then(|before| before.attributes().set);
        let Some(set) = after.attributes().set.filter(|set| before != Some(*set)) else {
            return Ok(());
        };
        let Some(place) = self.store.locate(set.hash())? else {
            self.missing.note(set.hash());
            return Ok(());
        };
        if !self.sets.insert(place.number) {
            return Ok(());
        }
        let found = AttributeSet::read(self.store, &set)?;
        found.chunks().try_for_each(|chunk| self.missing.chunk(self.store, &chunk))
    }

    fn file(
        &mut self,
        before: Option<&Item>,
        (item, record): (&Item, &FileRecord),
        path: &dyn Fn() -> String,
        take: &mut TakeFile<'_>,
    ) -> Result<()> {
        fn said(record: &FileRecord) -> (u64, &Hash, &Content) {
            (record.size, &record.content_hash, &record.content)
        }
        if matches!(before, Some(Item::File(old)) if said(old) == said(record)) {
            return Ok(());
        }
        self.monitor.advance(1, 0);
        if let Content::Inline(chunks) = &record.content
            && chunks.len() < 2
        {
            // Its content hash follows from the chunk.
            return self.references(item).map(drop);
        }
        let said = said(record);
        if !self.files.insert(self.hashers.each_ref().map(|hasher| hasher.hash_one(said))) {
            return Ok(());
        }
        let Some(listed) = self.references(item)? else { return Ok(()) };
        // A version that is not complete is not gone through.
        if self.missing.count == 0 { take(path, record, listed) } else { Ok(()) }
    }

    /// Proves what an item stands on, and that it is here. Gives the bytes of the chunks in the
    /// different nodes of its list; `None` if a node is missing.
    fn references(&mut self, item: &Item) -> Result<Option<u64>> {
        let Walk { store, monitor, missing, .. } = self;
        let mut listed = 0;
        let proved = contents(*store, item, |found| {
            match found {
                Reference::List { .. } | Reference::Attributes { .. } => monitor.check()?,
                Reference::Chunk { id, len } => {
                    listed += u64::from(len);
                    missing.chunk(*store, &ChunkRef { id: *id, len })?;
                }
            }
            Ok(true)
        });
        match proved {
            Ok(()) => Ok(Some(listed)),
            Err(Error::NotFound(_)) => {
                missing.count += 1;
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}

/// Notes a path in the directory that is open: through an entry and `below` bytes further.
fn reach(open: &mut [Open], name: &Name, below: u64) {
    if let Some(top) = open.last_mut() {
        top.longest = top.longest.max(name.as_bytes().len() as u64 + 1 + below);
    }
}

fn path_of<S: ReadEntries>(differ: &Differ<'_, S, S>, name: &Name) -> String {
    differ.path_of(name).map_or_else(|_| format!("…/{name}"), |path| path.to_string())
}

/// Names the path in an error about what is there.
fn at(error: Error, path: impl Fn() -> String) -> Error {
    match error {
        Error::Damaged { what, detail, .. } => {
            Error::damaged(path(), 0, format!("{what}: {detail}"))
        }
        other => other,
    }
}
