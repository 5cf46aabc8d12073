//! Entries that come before what reaches them: written in batches, each durable, so that no other
//! writer that gives up takes one along, and reached by nothing before an edit makes them visible.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use crate::db::edit::Entry;
use crate::db::{Database, Reader};
use crate::error::{Error, Result};
use crate::graph::{Differ, Step};
use crate::hash::{DirectoryId, Hash, Kind};
use crate::object::{Content, Item, Reference, list};
use crate::store::{AppendEntries, Place, ReadEntries, Transaction, ViewEntries};
use crate::watch::Watch;

/// Bytes that are collected before they are written. What stays below is written by the commit
/// that it ends in.
const BATCH_LEN: usize = 4 * 1024 * 1024;
/// Bytes that an entry takes in memory beside its own.
const ENTRY_COST: usize = 128;

/// Where the uploads under way began to write: a collection keeps every block from there on.
#[derive(Default)]
pub struct Uploads(Mutex<BTreeMap<u64, usize>>);

impl Uploads {
    /// The first byte that an upload under way may have written.
    pub fn start(&self) -> Option<u64> {
        let begun = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        begun.keys().next().copied()
    }
}

/// What the batches lead to.
pub(super) enum Leads {
    /// Files: their contents and sizes.
    Files(Vec<(Content, u64)>),
    /// Trees: what each has that another, which is kept, has not.
    Trees(Vec<(Option<DirectoryId>, DirectoryId)>),
}

/// What was written before its edit, kept from collection.
pub(super) struct Uploaded {
    uploads: Arc<Uploads>,
    start: u64,
    epoch: u64,
    leads: Leads,
}

impl Uploaded {
    fn begin(uploads: &Arc<Uploads>, start: u64, epoch: u64) -> Self {
        let mut begun = uploads.0.lock().unwrap_or_else(PoisonError::into_inner);
        *begun.entry(start).or_default() += 1;
        Uploaded { uploads: uploads.clone(), start, epoch, leads: Leads::Files(Vec::new()) }
    }

    /// Makes sure that everything is still there. A collection keeps what an upload wrote, but not
    /// what the upload only met: a dead entry with the same bytes.
    pub fn check<S: ReadEntries>(&self, store: &S, epoch: u64, watch: &Watch) -> Result<()> {
        if epoch == self.epoch {
            return Ok(());
        }
        let checked = match &self.leads {
            Leads::Files(files) => {
                files.iter().try_for_each(|(content, size)| check_content(store, content, *size))
            }
            Leads::Trees(trees) => trees
                .iter()
                .try_for_each(|(kept, root)| check_tree(store, kept.as_ref(), root, watch)),
        };
        checked.map_err(|error| match error {
            Error::NotFound(_) => Error::Interrupted,
            other => other,
        })
    }
}

fn check_content<S: ReadEntries>(store: &S, content: &Content, size: u64) -> Result<()> {
    let here = |found: Reference<'_>| match store.locate(found.entry().1)? {
        Some(_) => Ok(true),
        None => Err(Error::Interrupted),
    };
    list::verify_list(store, content, size, here)
}

fn check_tree<S: ReadEntries>(
    store: &S,
    kept: Option<&DirectoryId>,
    root: &DirectoryId,
    watch: &Watch,
) -> Result<()> {
    for step in Differ::new(store, kept, store, Some(root)) {
        watch.check()?;
        if let Step::Item { after: Some(Item::File(record)), .. } = step? {
            check_content(store, &record.content, record.size)?;
        }
    }
    Ok(())
}

impl Drop for Uploaded {
    fn drop(&mut self) {
        let mut begun = self.uploads.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = begun.get_mut(&self.start) {
            *count -= 1;
            if *count == 0 {
                begun.remove(&self.start);
            }
        }
    }
}

/// A store that writes what is appended in batches. It reads what the database had when it was
/// last told to look.
pub(super) struct Batches {
    database: Arc<Database>,
    reader: Option<Reader>,
    entries: Vec<Entry>,
    bytes: usize,
    written: Option<Uploaded>,
}

impl Batches {
    /// Into `database`; nothing is read from it.
    pub fn new(database: Arc<Database>) -> Self {
        Batches { database, reader: None, entries: Vec::new(), bytes: 0, written: None }
    }

    /// Writes what was collected.
    pub fn flush(&mut self) -> Result<()> {
        let entries = std::mem::take(&mut self.entries);
        self.bytes = 0;
        if entries.is_empty() {
            return Ok(());
        }
        let mut writer = self.database.writer()?;
        if self.written.is_none() {
            let (start, epoch) = (writer.entries().end(), writer.root().epoch);
            self.written = Some(Uploaded::begin(self.database.uploads(), start, epoch));
        }
        for (kind, hash, bytes) in &entries {
            writer.entries().append_hashed(*kind, *hash, bytes)?;
        }
        if writer.entries().is_dirty() { writer.commit().map(drop) } else { Ok(()) }
    }

    /// Writes what was collected, and looks at the database as it then is.
    pub fn look(&mut self) -> Result<Reader> {
        self.flush()?;
        let reader = self.database.reader()?;
        self.reader = Some(reader.clone());
        Ok(reader)
    }

    /// Makes sure that what was written, and leads to these, is still there, so that the edit need
    /// not.
    pub fn renew(&mut self, leads: Leads, reader: &Reader, watch: &Watch) -> Result<()> {
        let Some(written) = &mut self.written else { return Ok(()) };
        written.leads = leads;
        let epoch = reader.view().root().epoch;
        written.check(reader.view(), epoch, watch)?;
        written.epoch = epoch;
        Ok(())
    }

    /// What is not written yet, and what was, which leads to these.
    pub fn end(self, leads: Leads) -> (Vec<Entry>, Option<Uploaded>) {
        let written = self.written.map(|mut written| {
            written.leads = leads;
            written
        });
        (self.entries, written)
    }

    /// How many entries are in memory.
    #[cfg(test)]
    pub fn held(&self) -> usize {
        self.entries.len()
    }
}

impl ReadEntries for Batches {
    fn locate(&self, hash: &Hash) -> Result<Option<Place>> {
        self.reader.as_ref().map_or(Ok(None), |reader| reader.view().locate(hash))
    }

    fn read(&self, kind: Kind, hash: &Hash) -> Result<Bytes> {
        match &self.reader {
            Some(reader) => reader.view().read(kind, hash),
            None => Err(Error::not_found(format!("{} {hash}", kind.name()))),
        }
    }

    fn number_limit(&self) -> u64 {
        self.reader.as_ref().map_or(0, |reader| reader.view().number_limit())
    }
}

impl AppendEntries for Batches {
    /// Holds the writer's lock only while a full batch is written.
    fn append(&mut self, kind: Kind, encoding: &[u8]) -> Result<Hash> {
        let hash = kind.hash(encoding);
        self.entries.push((kind, hash, Bytes::copy_from_slice(encoding)));
        self.bytes += encoding.len() + ENTRY_COST;
        if self.bytes >= BATCH_LEN {
            self.flush()?;
        }
        Ok(hash)
    }
}
