//! Reading a chunk list in file order, from any byte on.

use std::collections::VecDeque;

use super::{ChunkRef, ListChild, ListNode};
use crate::error::Result;
use crate::hash::{Kind, ListId};
use crate::object::record::Content;
use crate::store::ReadEntries;

/// Reads the chunks of a file in order, from any byte on: an iterator of
/// `Result<(offset of the chunk in the file, ChunkRef)>`. Reads only the nodes on the way, and
/// keeps one node for each level. Ends after an error.
pub struct ListReader<'s, S: ReadEntries + ?Sized> {
    store: &'s S,
    /// What is still to come, of each level that is open; the lowest is last.
    levels: Vec<(u8, VecDeque<ListChild>)>,
    chunks: VecDeque<ChunkRef>,
    /// Offset in the file of the next chunk or node.
    offset: u64,
    /// Chunks that end here or before are passed over.
    from: u64,
}

impl<'s, S: ReadEntries + ?Sized> ListReader<'s, S> {
    /// The chunks of a file of `size` bytes from the one that holds byte `from` on; none if `from`
    /// is `size` or more.
    pub fn new(store: &'s S, content: &Content, size: u64, from: u64) -> Result<Self> {
        let mut reader =
            ListReader { store, levels: Vec::new(), chunks: VecDeque::new(), offset: 0, from };
        match content {
            _ if from >= size => {}
            Content::Inline(chunks) => reader.chunks = chunks.iter().copied().collect(),
            Content::List { root, chunks } => reader.open(root, None, size, *chunks)?,
        }
        Ok(reader)
    }

    fn open(&mut self, id: &ListId, level: Option<u8>, bytes: u64, chunks: u64) -> Result<()> {
        let node = ListNode::decode(&self.store.read(Kind::List, id.hash())?)?;
        node.check_sums(id, bytes, chunks)?;
        if let Some(level) = level {
            node.check_level(id, level)?;
        }
        match node {
            ListNode::Leaf(chunks) => self.chunks = chunks.into(),
            ListNode::Inner { level, children } => self.levels.push((level, children.into())),
        }
        Ok(())
    }

    /// Passes over `len` bytes if they end before what is wanted.
    fn pass(&mut self, len: u64) -> bool {
        let end = self.offset.saturating_add(len);
        let passed = end <= self.from;
        if passed {
            self.offset = end;
        }
        passed
    }

    fn advance(&mut self) -> Result<Option<(u64, ChunkRef)>> {
        loop {
            while let Some(chunk) = self.chunks.pop_front() {
                if !self.pass(chunk.len.into()) {
                    let offset = self.offset;
                    self.offset = offset.saturating_add(chunk.len.into());
                    return Ok(Some((offset, chunk)));
                }
            }
            // A node without entries does not decode, so every turn opens or closes one.
            let Some((level, children)) = self.levels.last_mut() else { return Ok(None) };
            match (children.pop_front(), level.checked_sub(1)) {
                (Some(child), Some(below)) => {
                    if !self.pass(child.bytes) {
                        self.open(&child.id, Some(below), child.bytes, child.chunks)?;
                    }
                }
                _ => {
                    self.levels.pop();
                }
            }
        }
    }
}

impl<S: ReadEntries + ?Sized> Iterator for ListReader<'_, S> {
    type Item = Result<(u64, ChunkRef)>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.advance();
        if next.is_err() {
            self.levels.clear();
            self.chunks.clear();
        }
        next.transpose()
    }
}
