//! Entries that come before what reaches them: written in batches, each durable, so that no other
//! writer that gives up takes one along, and reached by nothing before an edit makes them visible.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use crate::db::{Database, Reader};
use crate::error::{Error, Result};
use crate::graph::{Differ, Step};
use crate::hash::{AttributesId, DirectoryId, Hash, Kind};
use crate::monitor::Monitor;
use crate::object::{AttributeSet, Content, Item, Reference, list};
use crate::store::{AppendEntries, Place, ReadEntries, Transaction, ViewEntries};

/// Bytes that are collected before they are written. What stays below is written by the commit
/// that it ends in.
const BATCH_LEN: usize = 4 * 1024 * 1024;
/// Bytes that an entry takes in memory beside its own.
const ENTRY_COST: usize = 128;

/// An entry with its name.
pub(super) type Entry = (Kind, Hash, Bytes);

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
    pub fn check<S: ReadEntries>(&self, store: &S, epoch: u64, monitor: &Monitor) -> Result<()> {
        if epoch == self.epoch {
            return Ok(());
        }
        let checked = match &self.leads {
            Leads::Files(files) => {
                files.iter().try_for_each(|(content, size)| check_content(store, content, *size))
            }
            Leads::Trees(trees) => trees
                .iter()
                .try_for_each(|(kept, root)| check_tree(store, kept.as_ref(), root, monitor)),
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
    monitor: &Monitor,
) -> Result<()> {
    let mut checked = HashSet::new();
    for step in Differ::new(store, kept, store, Some(root)) {
        monitor.check()?;
        let Step::Item { after: Some(item), .. } = step? else { continue };
        if let Some(set) = item.attributes().set.filter(|set| checked.insert(*set)) {
            check_set(store, &set)?;
        }
        if let Item::File(record) = item {
            check_content(store, &record.content, record.size)?;
        }
    }
    Ok(())
}

/// [`Error::Interrupted`] unless a set is there, with the chunks of its attributes.
pub(super) fn check_set<S: ReadEntries>(store: &S, set: &AttributesId) -> Result<()> {
    let gone = |error| if matches!(error, Error::NotFound(_)) { Error::Interrupted } else { error };
    for chunk in AttributeSet::read(store, set).map_err(gone)?.chunks() {
        store.locate(chunk.id.hash())?.ok_or(Error::Interrupted)?;
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
    required: u64,
    written: Option<Uploaded>,
    /// How often it waits for the writer, once a part is written.
    pub waits: u32,
}

impl Batches {
    /// Into `database`; nothing is read from it.
    pub fn new(database: Arc<Database>) -> Self {
        let (reader, entries, written) = (None, Vec::new(), None);
        Batches { database, reader, entries, bytes: 0, required: 0, written, waits: 1 }
    }

    /// Says that these features are needed to read what is written from now on.
    pub fn require(&mut self, features: u64) {
        self.required |= features;
    }

    /// The features that are needed.
    pub fn required(&self) -> u64 {
        self.required
    }

    /// Writes what was collected.
    pub fn flush(&mut self) -> Result<()> {
        let entries = std::mem::take(&mut self.entries);
        self.bytes = 0;
        if entries.is_empty() {
            return Ok(());
        }
        let database = self.database.clone();
        let mut waits = if self.written.is_some() { self.waits } else { 1 };
        let mut writer = loop {
            waits -= 1;
            match database.writer() {
                Err(Error::Busy(_)) if waits > 0 => {}
                writer => break writer?,
            }
        };
        if self.written.is_none() {
            let (start, epoch) = (writer.entries().end(), writer.root().epoch);
            self.written = Some(Uploaded::begin(self.database.uploads(), start, epoch));
        }
        if self.required != 0 {
            writer.entries().require(self.required);
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
    pub fn renew(&mut self, leads: Leads, reader: &Reader, monitor: &Monitor) -> Result<()> {
        let Some(written) = &mut self.written else { return Ok(()) };
        written.leads = leads;
        let epoch = reader.view().root().epoch;
        written.check(reader.view(), epoch, monitor)?;
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
