//! Chunk lists: the chunks of one file, inline in its record or as a tree of list nodes.
//!
//! A node is a level byte (0 holds chunks), then its entries up to the end: a chunk's id and
//! length, or a child's id with the bytes and chunks below it. Lengths, not offsets: so what is
//! inserted at the start of a long file leaves all later nodes as they were.
//!
//! Where nodes end is decided by the entries alone. A node ends after an entry if it then has
//! [`ENTRIES_MAX`] entries, or at least [`ENTRIES_MIN`] and the entry's id, as its first eight
//! bytes, is below [`THRESHOLD`]. Ids are hashes, so this is one chance in 96 for each entry: 128
//! entries a node on average. The list is as high as its lowest level of one node.

#![deny(clippy::indexing_slicing)]

mod read;
mod verify;

pub use read::ListReader;
pub use verify::{verify_list, verify_list_node};

use crate::error::{Error, Result};
use crate::hash::{ChunkId, HASH_LEN, Hash, Kind, ListId};
use crate::limits::{
    CHUNK_LEN_MAX, CHUNK_LEN_MIN, FILE_LEN_MAX, INLINE_CHUNKS_MAX, NODE_LEN_MAX, TREE_HEIGHT_MAX,
};
use crate::object::encoding::{Decoder, Encoder};
use crate::object::record::{ChunkRef, Content};
use crate::store::AppendEntries;

/// Fewest entries of a node, unless it is the last of its level.
pub const ENTRIES_MIN: usize = 32;
/// Most entries of a node.
pub const ENTRIES_MAX: usize = 1024;
/// A node ends after an entry whose id is below this.
pub const THRESHOLD: u64 = u64::MAX / 96;

// Level, and entries of an id and two varints of nine bytes (no length is 2^63).
const _: () = assert!(ENTRIES_MAX * (HASH_LEN + 9 + 9) < NODE_LEN_MAX);
// A list that is short enough to be inline has not written a node.
const _: () = assert!(INLINE_CHUNKS_MAX < ENTRIES_MIN);

/// A node as its parent's entry.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct ListChild {
    /// The node.
    pub id: ListId,
    /// Bytes of the file below it.
    pub bytes: u64,
    /// Chunks below it.
    pub chunks: u64,
}

/// A decoded node.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ListNode {
    /// Level 0: chunks in file order, one at least.
    Leaf(Vec<ChunkRef>),
    /// A higher level: nodes of the level below in file order, one at least.
    Inner {
        /// 1 to `TREE_HEIGHT_MAX - 1`.
        level: u8,
        /// The nodes.
        children: Vec<ListChild>,
    },
}

impl ListNode {
    /// The node with this encoding; `Damaged` for anything else. That it ends where it must is
    /// for [`verify_list_node`].
    pub fn decode(bytes: &[u8]) -> Result<ListNode> {
        let mut decoder = Decoder::new("chunk list node", bytes);
        if bytes.len() > NODE_LEN_MAX {
            let found = bytes.len();
            return Err(
                decoder.error(format!("expected {NODE_LEN_MAX} bytes at most, found {found}"))
            );
        }
        let level = decoder.u8()?;
        if usize::from(level) >= TREE_HEIGHT_MAX {
            return Err(decoder.newer(format!("chunk lists of level {level}")));
        }
        let node = if level == 0 {
            let mut chunks = Vec::with_capacity(decoder.remaining() / (HASH_LEN + 1));
            while !decoder.is_empty() {
                let id = ChunkId(decoder.hash()?);
                let len = decoder.varint_in("a chunk's length", 1, CHUNK_LEN_MAX as u64)?;
                chunks.push(ChunkRef { id, len: u32::try_from(len).unwrap_or(u32::MAX) });
            }
            check_lens(&chunks, true).map_err(|detail| decoder.error(detail))?;
            ListNode::Leaf(chunks)
        } else {
            let mut children = Vec::with_capacity(decoder.remaining() / (HASH_LEN + 2));
            while !decoder.is_empty() {
                let id = ListId(decoder.hash()?);
                let bytes = decoder.varint_in("a number of bytes", 1, FILE_LEN_MAX)?;
                let chunks = decoder.varint_in("a number of chunks", 1, bytes)?;
                children.push(ListChild { id, bytes, chunks });
            }
            ListNode::Inner { level, children }
        };
        let count = node.len();
        if !(1..=ENTRIES_MAX).contains(&count) {
            return Err(
                decoder.error(format!("expected 1 to {ENTRIES_MAX} entries, found {count}"))
            );
        }
        match node.sums() {
            Some((bytes, _)) if bytes <= FILE_LEN_MAX => Ok(node),
            _ => Err(decoder.error(format!("expected {FILE_LEN_MAX} bytes below it at most"))),
        }
    }

    /// The level: 0 holds chunks.
    pub fn level(&self) -> u8 {
        match self {
            ListNode::Leaf(_) => 0,
            ListNode::Inner { level, .. } => *level,
        }
    }

    /// Number of entries.
    fn len(&self) -> usize {
        match self {
            ListNode::Leaf(chunks) => chunks.len(),
            ListNode::Inner { children, .. } => children.len(),
        }
    }

    /// Bytes and chunks below the node.
    fn sums(&self) -> Option<(u64, u64)> {
        match self {
            ListNode::Leaf(chunks) => {
                Some((chunks.iter().map(|chunk| u64::from(chunk.len)).sum(), chunks.len() as u64))
            }
            ListNode::Inner { children, .. } => {
                children.iter().try_fold((0u64, 0u64), |(bytes, chunks), child| {
                    Some((bytes.checked_add(child.bytes)?, chunks.checked_add(child.chunks)?))
                })
            }
        }
    }

    /// Whether the node is what its parent, or the file record, says of it.
    fn check_sums(&self, id: &ListId, bytes: u64, chunks: u64) -> Result<()> {
        if self.sums() == Some((bytes, chunks)) {
            return Ok(());
        }
        let found = self.sums().unwrap_or_default();
        let detail = format!("expected {bytes} bytes in {chunks} chunks below it, found {found:?}");
        Err(Error::damaged(format!("chunk list node {id}"), 0, detail))
    }

    fn check_level(&self, id: &ListId, level: u8) -> Result<()> {
        if self.level() == level {
            return Ok(());
        }
        let detail = format!("expected level {level}, found {}", self.level());
        Err(Error::damaged(format!("chunk list node {id}"), 0, detail))
    }
}

/// Whether a node of so many entries ends after the entry with this id.
fn ends_after(id: &Hash, entries: usize) -> bool {
    entries >= ENTRIES_MAX || (entries >= ENTRIES_MIN && id.low_u64() < THRESHOLD)
}

/// Whether chunks in a row can have these lengths. `last`: the file may end with them.
pub(super) fn check_lens(chunks: &[ChunkRef], last: bool) -> std::result::Result<(), String> {
    let mut rest = chunks.iter();
    while let Some(chunk) = rest.next() {
        let least = if last && rest.as_slice().is_empty() { 1 } else { CHUNK_LEN_MIN };
        if !(least..=CHUNK_LEN_MAX).contains(&(chunk.len as usize)) {
            let found = chunk.len;
            return Err(format!(
                "expected a chunk of {least} to {CHUNK_LEN_MAX} bytes, found {found}"
            ));
        }
    }
    Ok(())
}

/// A node that is still being written.
#[derive(Clone, Default)]
struct OpenNode {
    /// The encoding so far; empty without entries.
    encoding: Vec<u8>,
    entries: usize,
    bytes: u64,
    chunks: u64,
    /// Nodes of the level that are finished, and the last of them.
    finished: u64,
    last: Option<ListChild>,
}

/// Builds a chunk list from chunks in file order, in memory that grows with the height only.
#[derive(Clone, Default)]
pub struct ListBuilder {
    levels: Vec<OpenNode>,
    bytes: u64,
    chunks: u64,
    /// The first chunks, as long as they may be the whole list.
    inline: Vec<ChunkRef>,
}

impl ListBuilder {
    /// A list without chunks.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the next chunk of the file. `Invalid` for a length that no chunker cuts, `Limit` for
    /// a file beyond `FILE_LEN_MAX`.
    pub fn push<S: AppendEntries + ?Sized>(
        &mut self,
        store: &mut S,
        chunk: ChunkRef,
    ) -> Result<()> {
        check_lens(&[chunk], true).map_err(Error::invalid)?;
        self.bytes += u64::from(chunk.len);
        if self.bytes > FILE_LEN_MAX {
            let what = "length of a file".to_owned();
            return Err(Error::Limit { what, limit: FILE_LEN_MAX, found: self.bytes });
        }
        self.chunks += 1;
        if self.inline.len() <= INLINE_CHUNKS_MAX {
            self.inline.push(chunk);
        }
        let open = self.level(0)?;
        Encoder::new(&mut open.encoding).hash(chunk.id.hash());
        Encoder::new(&mut open.encoding).varint(chunk.len.into());
        open.entries += 1;
        open.bytes += u64::from(chunk.len);
        open.chunks += 1;
        if ends_after(chunk.id.hash(), open.entries) {
            self.close(store, 0)?;
        }
        Ok(())
    }

    /// The finished list.
    pub fn finish<S: AppendEntries + ?Sized>(mut self, store: &mut S) -> Result<Content> {
        if self.chunks <= INLINE_CHUNKS_MAX as u64 {
            return Ok(Content::Inline(self.inline));
        }
        let mut level = 0;
        loop {
            if self.level(level)?.entries > 0 {
                self.close(store, level)?;
            }
            let open = self.level(level)?;
            if let (1, Some(root)) = (open.finished, open.last) {
                return Ok(Content::List { root: root.id, chunks: self.chunks });
            }
            level += 1;
        }
    }

    /// Writes the open node of `level` and adds it to the level above, as far up as that closes.
    fn close<S: AppendEntries + ?Sized>(&mut self, store: &mut S, mut level: usize) -> Result<()> {
        loop {
            let open = self.level(level)?;
            let id = ListId(store.append(Kind::List, &open.encoding)?);
            let child = ListChild { id, bytes: open.bytes, chunks: open.chunks };
            let finished = open.finished + 1;
            open.encoding.clear();
            let encoding = std::mem::take(&mut open.encoding);
            *open = OpenNode { encoding, finished, last: Some(child), ..OpenNode::default() };

            level += 1;
            let above = self.level(level)?;
            let mut encoder = Encoder::new(&mut above.encoding);
            encoder.hash(id.hash());
            encoder.varint(child.bytes);
            encoder.varint(child.chunks);
            above.entries += 1;
            above.bytes += child.bytes;
            above.chunks += child.chunks;
            if !ends_after(id.hash(), above.entries) {
                return Ok(());
            }
        }
    }

    /// The open node of `level`, with its level byte written.
    fn level(&mut self, level: usize) -> Result<&mut OpenNode> {
        if level >= self.levels.len() {
            self.levels.resize_with(level + 1, OpenNode::default);
        }
        let number = u8::try_from(level).ok().filter(|_| level < TREE_HEIGHT_MAX);
        match (self.levels.get_mut(level), number) {
            (Some(open), Some(number)) => {
                if open.encoding.is_empty() {
                    open.encoding.push(number);
                }
                Ok(open)
            }
            _ => Err(Error::Limit {
                what: "height of a chunk list".to_owned(),
                limit: TREE_HEIGHT_MAX as u64,
                found: level as u64 + 1,
            }),
        }
    }
}

#[cfg(test)]
mod tests;
