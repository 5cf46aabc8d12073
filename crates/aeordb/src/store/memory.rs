//! Memory, for tests: the plainest things that keep the guarantees. One can be read and appended to
//! alone, and lose what it has; the other is a whole home.

mod home;

use std::collections::HashMap;

use bytes::Bytes;

pub use home::{MemoryChanges, MemoryHome, MemoryView};

use super::{AppendEntries, Place, ReadEntries};
use crate::error::{Error, Result};
use crate::hash::{Hash, Kind};

/// Entries in a hash map.
#[derive(Default)]
pub struct MemoryStore {
    entries: HashMap<Hash, (Kind, u64, Bytes)>,
    reads: std::sync::atomic::AtomicU64,
}

impl MemoryStore {
    /// A store without entries.
    pub fn new() -> Self {
        Self::default()
    }

    /// Number of entries.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// True if there are no entries.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Calls of `read` so far: what an operation costs in nodes.
    pub fn reads(&self) -> u64 {
        self.reads.load(std::sync::atomic::Ordering::Relaxed)
    }

    /// Drops an entry, to test what its absence does.
    pub fn forget(&mut self, hash: &Hash) -> bool {
        self.entries.remove(hash).is_some()
    }
}

impl ReadEntries for MemoryStore {
    fn locate(&self, hash: &Hash) -> Result<Option<Place>> {
        Ok(self.entries.get(hash).map(|(_, number, _)| Place {
            layer: 0,
            block: 0,
            ordinal: 0,
            tag: 0,
            number: *number,
        }))
    }

    fn read(&self, kind: Kind, hash: &Hash) -> Result<Bytes> {
        self.reads.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        match self.entries.get(hash) {
            Some((found, _, bytes)) if *found == kind => Ok(bytes.clone()),
            _ => Err(Error::not_found(format!("{} {hash}", kind.name()))),
        }
    }

    fn number_limit(&self) -> u64 {
        self.entries.len() as u64
    }
}

impl AppendEntries for MemoryStore {
    fn append(&mut self, kind: Kind, encoding: &[u8]) -> Result<Hash> {
        let hash = kind.hash(encoding);
        let number = self.entries.len() as u64;
        self.entries
            .entry(hash)
            .or_insert_with(|| (kind, number, Bytes::copy_from_slice(encoding)));
        Ok(hash)
    }
}
