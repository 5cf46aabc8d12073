//! The values of directory entries: file records, symbolic links, subdirectories.

use std::collections::BTreeMap;

use crate::error::Result;
use crate::hash::{DirectoryId, Hash, ListId};
use crate::object::list::ChunkRef;

/// Counts of a subtree.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Totals {
    /// File records, symbolic links included.
    pub files: u64,
    /// Directories. A directory's own totals count itself; the sum over its entries does not.
    pub directories: u64,
    /// Bytes of file contents, before deduplication and compression.
    pub bytes: u64,
}

/// Where a file's bytes are.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Content {
    /// Up to `INLINE_CHUNKS_MAX` chunks, in file order; none for the empty file.
    Inline(Vec<ChunkRef>),
    /// More chunks: a tree of list nodes.
    List {
        /// The top node.
        root: ListId,
        /// Chunks in the whole list.
        chunks: u64,
    },
}

/// One file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FileRecord {
    /// Bytes.
    pub size: u64,
    /// Plain BLAKE3 of the whole file: what `b3sum` prints.
    pub content_hash: Hash,
    /// Permission bits, at most 0o7777.
    pub mode: Option<u32>,
    /// Time of the last modification, in nanoseconds since 1970.
    pub mtime: Option<i64>,
    /// Media type: printable ASCII, 1 to `CONTENT_TYPE_LEN_MAX` bytes.
    pub content_type: Option<String>,
    /// The user's metadata: names of 1 byte and more.
    pub metadata: BTreeMap<Vec<u8>, Vec<u8>>,
    /// Where the bytes are.
    pub content: Content,
}

/// A symbolic link.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Symlink {
    /// What it points to: 1 to `SYMLINK_LEN_MAX` bytes without NUL, never interpreted here.
    pub target: Vec<u8>,
    /// Time of the last modification, in nanoseconds since 1970.
    pub mtime: Option<i64>,
}

/// A directory, as its parent's entry.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Subdirectory {
    /// The root node of its entries.
    pub root: DirectoryId,
    /// Permission bits, at most 0o7777.
    pub mode: Option<u32>,
    /// Time of the last modification, in nanoseconds since 1970. Set by whoever stores the
    /// directory, never by changes of its entries.
    pub mtime: Option<i64>,
    /// Counts of the subtree, this directory included.
    pub totals: Totals,
}

/// The value of a directory entry.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Item {
    /// A file.
    File(FileRecord),
    /// A symbolic link.
    Symlink(Symlink),
    /// A directory.
    Directory(Subdirectory),
}

impl Item {
    /// The canonical encoding. `Invalid` or `Limit` if a field cannot be stored.
    pub fn encode(&self) -> Result<Vec<u8>> {
        todo!()
    }

    /// The item with this canonical encoding, nothing else.
    pub fn decode(_bytes: &[u8]) -> Result<Item> {
        todo!()
    }

    /// What the item adds to the totals of its directory.
    pub fn totals(&self) -> Totals {
        todo!()
    }
}
