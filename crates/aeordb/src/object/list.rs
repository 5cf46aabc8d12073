//! Chunk lists: the chunks of one file, inline or as a tree of list nodes.

use crate::error::Result;
use crate::hash::ChunkId;
use crate::object::record::Content;
use crate::store::{AppendEntries, ReadEntries};

/// One chunk of a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ChunkRef {
    /// The chunk.
    pub id: ChunkId,
    /// Its bytes: 1 to `CHUNK_LEN_MAX`, and `CHUNK_LEN_MIN` at least unless it is the last.
    pub len: u32,
}

/// Builds a chunk list from chunks in file order, in memory that grows with the height only.
#[derive(Default)]
pub struct ListBuilder {}

impl ListBuilder {
    /// A list without chunks.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the next chunk of the file.
    pub fn push<S: AppendEntries + ?Sized>(
        &mut self,
        _store: &mut S,
        _chunk: ChunkRef,
    ) -> Result<()> {
        todo!()
    }

    /// The finished list.
    pub fn finish<S: AppendEntries + ?Sized>(self, _store: &mut S) -> Result<Content> {
        todo!()
    }
}

/// Reads the chunks of a file in order, from any byte on: an iterator of
/// `Result<(offset of the chunk in the file, ChunkRef)>`. Reads only the nodes on the way.
pub struct ListReader<'s, S: ReadEntries + ?Sized> {
    store: &'s S,
}

impl<'s, S: ReadEntries + ?Sized> ListReader<'s, S> {
    /// The chunks of a file of `size` bytes from the one that holds byte `from` on; none if `from`
    /// is `size` or more.
    pub fn new(_store: &'s S, _content: &Content, _size: u64, _from: u64) -> Result<Self> {
        todo!()
    }
}

impl<S: ReadEntries + ?Sized> Iterator for ListReader<'_, S> {
    type Item = Result<(u64, ChunkRef)>;

    fn next(&mut self) -> Option<Self::Item> {
        let _ = self.store;
        todo!()
    }
}
