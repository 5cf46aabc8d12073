//! A whole home in memory: what is committed is a map that nobody changes any more.

use std::collections::HashMap;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use crate::error::{Error, Result};
use crate::format::FrameHeader;
use crate::format::block::{self, Class, TableEntry};
use crate::hash::{Hash, Kind};
use crate::pool::Compression;
use crate::store::{
    AppendEntries, Home, Place, RawBlock, ReadEntries, Root, Transaction, ViewEntries,
};

/// Entries and roots as of one commit.
#[derive(Clone, Default)]
pub struct MemoryView {
    entries: Arc<HashMap<Hash, Stored>>,
    root: Root,
    required: u64,
}

#[derive(Clone)]
struct Stored {
    kind: Kind,
    number: u64,
    bytes: Bytes,
}

/// What is appended to the entries of the last commit.
#[derive(Default)]
pub struct MemoryChanges {
    committed: Arc<Mutex<MemoryView>>,
    now: MemoryView,
    end: u64,
}

/// A home in memory. Clones are the same home.
#[derive(Clone, Default)]
pub struct MemoryHome {
    committed: Arc<Mutex<MemoryView>>,
    changes: Arc<Mutex<MemoryChanges>>,
}

/// Holds the changes of a home in memory.
pub struct MemoryBegun<'h>(MutexGuard<'h, MemoryChanges>);

impl ReadEntries for MemoryView {
    fn locate(&self, hash: &Hash) -> Result<Option<Place>> {
        let place = |found: &Stored| {
            // Every entry is a block of its own.
            let number = found.number;
            Place { layer: 0, block: number, ordinal: 0, tag: 0, number }
        };
        Ok(self.entries.get(hash).map(place))
    }

    fn read(&self, kind: Kind, hash: &Hash) -> Result<Bytes> {
        match self.entries.get(hash) {
            Some(found) if found.kind == kind => Ok(found.bytes.clone()),
            _ => Err(Error::not_found(format!("{} {hash}", kind.name()))),
        }
    }

    fn number_limit(&self) -> u64 {
        self.entries.len() as u64
    }
}

impl ViewEntries for MemoryView {
    fn root(&self) -> &Root {
        &self.root
    }

    fn required(&self) -> u64 {
        self.required
    }

    fn raw_block(&self, place: &Place) -> Result<RawBlock> {
        let found = self.entries.iter().find(|(_, found)| found.number == place.number);
        let Some((hash, Stored { kind, bytes, .. })) = found else {
            return Err(Error::not_found(format!("block {}", place.block)));
        };
        let len = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        let table = [TableEntry { hash: *hash, kind: *kind, len }];
        let frame =
            Bytes::from(block::encode(Class::of(*kind), &table, bytes, Compression::default())?);
        let header = FrameHeader::parse(&frame).ok_or_else(|| Error::invalid("no frame"))?;
        RawBlock::parse(place.block, &header, frame)
    }
}

impl ReadEntries for MemoryChanges {
    fn locate(&self, hash: &Hash) -> Result<Option<Place>> {
        self.now.locate(hash)
    }

    fn read(&self, kind: Kind, hash: &Hash) -> Result<Bytes> {
        self.now.read(kind, hash)
    }

    fn number_limit(&self) -> u64 {
        self.now.number_limit()
    }
}

impl AppendEntries for MemoryChanges {
    fn append(&mut self, kind: Kind, encoding: &[u8]) -> Result<Hash> {
        let hash = kind.hash(encoding);
        self.append_hashed(kind, hash, encoding)?;
        Ok(hash)
    }
}

impl MemoryChanges {
    fn committed(&self) -> MutexGuard<'_, MemoryView> {
        self.committed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Transaction for MemoryChanges {
    type Written = MemoryView;

    fn append_hashed(&mut self, kind: Kind, hash: Hash, encoding: &[u8]) -> Result<bool> {
        if self.contains(&hash)? {
            return Ok(false);
        }
        let (number, bytes) = (self.number_limit(), Bytes::copy_from_slice(encoding));
        Arc::make_mut(&mut self.now.entries).insert(hash, Stored { kind, number, bytes });
        self.end += encoding.len() as u64;
        Ok(true)
    }

    fn append_block(&mut self, block: &RawBlock) -> Result<()> {
        let decoded = block.decode(0)?;
        for (ordinal, entry) in block.head.entries.iter().enumerate() {
            self.append_hashed(entry.kind, entry.hash, &decoded.verified(ordinal, 0)?)?;
        }
        Ok(())
    }

    fn require(&mut self, features: u64) {
        self.now.required |= features;
    }

    fn contains(&self, hash: &Hash) -> Result<bool> {
        Ok(self.now.entries.contains_key(hash))
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }

    fn written(&self) -> MemoryView {
        self.now.clone()
    }

    fn end(&self) -> u64 {
        self.end
    }

    fn is_dirty(&self) -> bool {
        self.now.entries.len() != self.committed().entries.len()
    }

    fn root(&self) -> &Root {
        &self.now.root
    }

    fn commit(&mut self, before: u64, root: Root) -> Result<Root> {
        let last = self.committed().root.sequence;
        if last != before {
            return Err(Error::Busy(format!("commit {last} came after commit {before}")));
        }
        self.now.root = Root { sequence: last + 1, ..root };
        *self.committed() = self.now.clone();
        Ok(self.now.root.clone())
    }

    fn rollback(&mut self) {
        let committed = self.committed().clone();
        self.now = committed;
        self.end = self.now.entries.values().map(|found| found.bytes.len() as u64).sum();
    }
}

impl Home for MemoryHome {
    type View = MemoryView;
    type Changes = MemoryChanges;
    type Begun<'h> = MemoryBegun<'h>;

    fn view(&self) -> Result<MemoryView> {
        Ok(self.committed.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }

    fn begin(&self) -> Result<MemoryBegun<'_>> {
        let mut changes = self.changes.lock().unwrap_or_else(PoisonError::into_inner);
        changes.committed = self.committed.clone();
        changes.rollback();
        Ok(MemoryBegun(changes))
    }
}

impl Deref for MemoryBegun<'_> {
    type Target = MemoryChanges;

    fn deref(&self) -> &MemoryChanges {
        &self.0
    }
}

impl DerefMut for MemoryBegun<'_> {
    fn deref_mut(&mut self) -> &mut MemoryChanges {
        &mut self.0
    }
}

impl Drop for MemoryBegun<'_> {
    fn drop(&mut self) {
        self.0.rollback();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::conformance;

    #[test]
    fn memory_is_a_home() {
        conformance::check(&|| {
            let home = MemoryHome::default();
            Box::new(move || home.clone())
        });
    }
}
