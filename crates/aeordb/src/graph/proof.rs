//! The proof that a version is complete: everything it reaches is there, decodes, is canonical and
//! adds up. What a version that is known to be complete has as well is not opened.

use std::collections::HashSet;

use crate::error::{Error, Result};
use crate::graph::{Bitmap, Differ, Step};
use crate::hash::{Hash, Kind, VersionId};
use crate::object::tree::{self, Directories};
use crate::object::{Content, FileRecord, Item, Path, Subdirectory, Version, list};
use crate::store::ReadEntries;
use crate::watch::Watch;

/// Proves that `version` is complete in `store`, given that `known` is.
/// [`Error::Incomplete`] if entries are missing, [`Error::Damaged`] if what is there is not sound.
pub fn prove<S: ReadEntries + ?Sized>(
    store: &S,
    version: &VersionId,
    known: Option<&VersionId>,
    watch: &Watch,
) -> Result<()> {
    match missing(store, version, known, watch)? {
        0 => Ok(()),
        missing => Err(Error::Incomplete { version: *version, missing, supplier: None }),
    }
}

/// How many entries that `version` reaches are missing from `store`, given that `known` is
/// complete. What lies behind a missing node cannot be counted.
pub fn missing<S: ReadEntries + ?Sized>(
    store: &S,
    version: &VersionId,
    known: Option<&VersionId>,
    watch: &Watch,
) -> Result<u64> {
    let decoded = match Version::read(store, version) {
        Ok(decoded) => decoded,
        Err(Error::NotFound(_)) => return Err(Error::not_found(format!("version {version}"))),
        Err(error) => return Err(error),
    };
    let known = known.map(|known| Version::read(store, known)).transpose()?;
    let mut proof = Proof {
        store,
        seen: Bitmap::new(store.number_limit()),
        missing: 0,
        missing_hashes: HashSet::new(),
        watch,
    };
    proof.directories(known.as_ref(), &decoded)?;
    Ok(proof.missing)
}

struct Proof<'s, S: ReadEntries + ?Sized> {
    store: &'s S,
    /// Directories, lists and chunks that were looked at, so that a tree in which much is shared
    /// costs what it holds, not what it unfolds to.
    seen: Bitmap,
    missing: u64,
    missing_hashes: HashSet<Hash>,
    watch: &'s Watch,
}

impl<S: ReadEntries + ?Sized> Proof<'_, S> {
    fn directories(&mut self, known: Option<&Version>, version: &Version) -> Result<()> {
        self.root(&version.root_directory(), "the root directory")?;
        let root = Path::root();
        let known = known.map(|known| &known.root);
        let mut differ = Differ::new(self.store, known, self.store, Some(&version.root), &root)?;
        while let Some(step) = differ.next() {
            match step {
                Ok(Step::Node { .. }) => {}
                Ok(Step::Item { after: None, .. }) => differ.skip_subtree(),
                Ok(Step::Item { path, before, after: Some(after) }) => {
                    self.watch.check()?;
                    if !self.item(&path, before.as_ref(), &after)? {
                        differ.skip_subtree();
                    }
                }
                Err(Error::NotFound(_)) => {
                    // The differ ends at a node that is not there.
                    self.missing += 1;
                    return Ok(());
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Looks at one item; true if what is below it has to be looked at.
    fn item(&mut self, path: &Path, before: Option<&Item>, after: &Item) -> Result<bool> {
        match after {
            Item::File(record) => {
                let same = matches!(before, Some(Item::File(old)) if old.content == record.content);
                if !same {
                    self.watch.advance(1, 0);
                    self.file(path, record)?;
                }
                Ok(false)
            }
            Item::Symlink(_) => Ok(false),
            Item::Directory(directory) => {
                if directory.root.0 == tree::empty_root(Kind::Directory) {
                    self.root(directory, &path.to_string())?;
                    return Ok(false);
                }
                if !self.first(&directory.root.0)? {
                    return Ok(false);
                }
                self.root(directory, &path.to_string())?;
                Ok(true)
            }
        }
    }

    /// True if the entry is here and was not looked at before.
    fn first(&mut self, hash: &Hash) -> Result<bool> {
        match self.store.locate(hash)? {
            Some(place) => Ok(self.seen.insert(place.number)),
            None => {
                self.missing += u64::from(self.missing_hashes.insert(*hash));
                Ok(false)
            }
        }
    }

    /// The counts that a directory is stored with must be those of its tree.
    fn root(&mut self, directory: &Subdirectory, what: &str) -> Result<()> {
        let summary = match tree::summary::<Directories, S>(self.store, &directory.root.0) {
            Err(Error::NotFound(_)) => return Ok(()),
            summary => summary?,
        };
        let mut totals = summary.totals;
        totals.directories += 1;
        if totals != directory.totals {
            let (expected, found) = (directory.totals, totals);
            let detail = format!("expected the counts {expected:?}, found {found:?}");
            return Err(Error::damaged(what, 0, detail));
        }
        Ok(())
    }

    fn file(&mut self, path: &Path, record: &FileRecord) -> Result<()> {
        if let Content::List { root, .. } = &record.content
            && !self.first(&root.0)?
        {
            return Ok(());
        }
        let mut end = 0;
        for chunk in list::ListReader::new(self.store, &record.content, record.size, 0)? {
            match chunk {
                Ok((start, chunk)) => {
                    end = start + u64::from(chunk.len);
                    self.first(&chunk.id.0)?;
                }
                Err(Error::NotFound(_)) => {
                    self.missing += 1;
                    return Ok(());
                }
                Err(error) => return Err(error),
            }
        }
        if end != record.size {
            let detail = format!("expected chunks of {} bytes, found {end}", record.size);
            return Err(Error::damaged(path.to_string(), 0, detail));
        }
        Ok(())
    }
}
