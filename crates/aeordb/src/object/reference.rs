//! What the entries that an item stands on are.

use bytes::Bytes;

use crate::hash::{AttributesId, ChunkId, Hash, Kind, ListId};

/// An entry that an item names, or that something it names leads to.
#[derive(Clone, Copy, Debug)]
pub enum Reference<'a> {
    /// A node of a file's chunk list, which is what is said of it.
    List {
        /// Its name.
        id: &'a ListId,
        /// Its encoding.
        bytes: &'a Bytes,
    },
    /// The attribute set of the item.
    Attributes {
        /// Its name.
        id: &'a AttributesId,
        /// Its encoding.
        bytes: &'a Bytes,
    },
    /// A chunk, which nobody has looked at yet.
    Chunk {
        /// Its name.
        id: &'a ChunkId,
        /// Its bytes, as is said.
        len: u32,
    },
}

impl<'a> Reference<'a> {
    /// Kind and name of the entry.
    pub fn entry(&self) -> (Kind, &'a Hash) {
        match self {
            Reference::List { id, .. } => (Kind::List, &id.0),
            Reference::Attributes { id, .. } => (Kind::Attributes, &id.0),
            Reference::Chunk { id, .. } => (Kind::Chunk, &id.0),
        }
    }
}
