//! The values of directory entries: file records, symbolic links, subdirectories.

mod codec;

use std::collections::BTreeMap;

use crate::hash::{AttributesId, ChunkId, DirectoryId, Hash, ListId};

pub(super) use codec::{
    attribute_bits, decode_root_attributes, decode_totals, encode_bits, encode_totals,
};

/// Highest permission bits: set-id, sticky, and three times read, write, execute.
pub const MODE_MAX: u32 = 0o7777;

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

impl Totals {
    /// The sum; `None` beyond what can be counted.
    pub fn checked_add(self, other: Totals) -> Option<Totals> {
        Some(Totals {
            files: self.files.checked_add(other.files)?,
            directories: self.directories.checked_add(other.directories)?,
            bytes: self.bytes.checked_add(other.bytes)?,
        })
    }

    /// The totals of a directory whose entries sum up to these: itself counted too.
    pub fn with_itself(self) -> Totals {
        Totals { directories: self.directories.saturating_add(1), ..self }
    }
}

/// One chunk of a file.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct ChunkRef {
    /// The chunk.
    pub id: ChunkId,
    /// Its bytes: 1 to `CHUNK_LEN_MAX`, and `CHUNK_LEN_MIN` at least unless it is the last.
    pub len: u32,
}

/// Where a file's bytes are.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
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

impl Content {
    /// Number of chunks.
    pub fn chunks(&self) -> u64 {
        match self {
            Content::Inline(chunks) => chunks.len() as u64,
            Content::List { chunks, .. } => *chunks,
        }
    }

    /// The content hash, where it follows from the chunks: those of the empty file and of a file
    /// of one chunk.
    pub fn implied_hash(&self) -> Option<Hash> {
        match self {
            Content::Inline(chunks) => match chunks.as_slice() {
                [] => Some(Hash::of(b"")),
                [one] => Some(one.id.0),
                _ => None,
            },
            Content::List { .. } => None,
        }
    }
}

/// What a file system keeps of an item beside its content.
///
/// A further field of it is added here, in the codec, where two of them are merged
/// (`backup::merge`), and where they are read from a file system, set on one, or shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Attributes {
    /// Permission bits, at most 0o7777. A symbolic link has none.
    pub mode: Option<u32>,
    /// Time of the last modification, in nanoseconds since 1970. That of a directory is set by
    /// whoever stores it, never by changes of its entries.
    pub mtime: Option<i64>,
    /// Owner, flags and extended attributes: an [`AttributeSet`](crate::object::AttributeSet).
    pub set: Option<AttributesId>,
    /// The other paths of the same file. A directory has none.
    pub link: Option<HardLink>,
}

/// Says that a file has more than one path: all items with the same group beneath the same directory
/// are one file.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct HardLink {
    /// How many directories that directory is further up than the one that the item is in.
    pub up: u16,
    /// Of the path of the first of them in that directory, the first bytes of its BLAKE3.
    pub group: [u8; 8],
}

impl Attributes {
    /// Those that every file system has, and no others.
    pub fn new(mode: u32, mtime: i64) -> Attributes {
        Attributes { mode: Some(mode), mtime: Some(mtime), set: None, link: None }
    }

    /// Those of them that a symbolic link can have.
    pub fn of_link(self) -> Attributes {
        Attributes { mode: None, ..self }
    }
}

/// One file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FileRecord {
    /// Bytes.
    pub size: u64,
    /// Plain BLAKE3 of the whole file: what `b3sum` prints.
    pub content_hash: Hash,
    /// What a file system keeps of it.
    pub attributes: Attributes,
    /// Media type: printable ASCII, 1 to `CONTENT_TYPE_LEN_MAX` bytes.
    pub content_type: Option<String>,
    /// The user's metadata: names of 1 byte and more.
    pub metadata: BTreeMap<Vec<u8>, Vec<u8>>,
    /// Where the bytes are.
    pub content: Content,
}

impl FileRecord {
    /// A file with nothing but content.
    pub fn new(size: u64, content_hash: Hash, content: Content) -> FileRecord {
        FileRecord {
            size,
            content_hash,
            attributes: Attributes::default(),
            content_type: None,
            metadata: BTreeMap::new(),
            content,
        }
    }

    /// The empty file.
    pub fn empty() -> FileRecord {
        FileRecord::new(0, Hash::of(b""), Content::Inline(Vec::new()))
    }
}

/// A symbolic link.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Symlink {
    /// What it points to: 1 to `SYMLINK_LEN_MAX` bytes without NUL, never interpreted here.
    pub target: Vec<u8>,
    /// What a file system keeps of it.
    pub attributes: Attributes,
}

/// What has a place in a directory and no bytes of its own.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Special {
    /// What it is.
    pub what: SpecialKind,
    /// What a file system keeps of it.
    pub attributes: Attributes,
}

/// A device by its numbers.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Device {
    /// Which driver.
    pub major: u32,
    /// Which of its devices.
    pub minor: u32,
}

/// Things without bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SpecialKind {
    /// A pipe with a name.
    Fifo,
    /// A device of characters.
    CharacterDevice(Device),
    /// A device of blocks.
    BlockDevice(Device),
    /// The name of a socket.
    Socket,
}

impl SpecialKind {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            SpecialKind::Fifo => "fifo",
            SpecialKind::CharacterDevice(_) => "chardev",
            SpecialKind::BlockDevice(_) => "blockdev",
            SpecialKind::Socket => "socket",
        }
    }

    /// What has this word; devices by their numbers.
    pub fn named(name: &str, device: Device) -> Option<SpecialKind> {
        let all = [
            SpecialKind::Fifo,
            SpecialKind::CharacterDevice(device),
            SpecialKind::BlockDevice(device),
            SpecialKind::Socket,
        ];
        all.into_iter().find(|kind| kind.name() == name)
    }

    /// The numbers of a device.
    pub fn device(self) -> Option<Device> {
        match self {
            SpecialKind::CharacterDevice(device) | SpecialKind::BlockDevice(device) => Some(device),
            SpecialKind::Fifo | SpecialKind::Socket => None,
        }
    }
}

/// A directory, as its parent's entry.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Subdirectory {
    /// The root node of its entries.
    pub root: DirectoryId,
    /// What a file system keeps of it.
    pub attributes: Attributes,
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
    /// A pipe, device or socket.
    Special(Special),
}

impl Subdirectory {
    /// The directory without attributes whose entries, below `root`, sum up to `entries`.
    pub fn new(root: DirectoryId, entries: Totals) -> Subdirectory {
        Subdirectory { root, attributes: Attributes::default(), totals: entries.with_itself() }
    }
}

impl Item {
    /// What a file system keeps of it.
    pub fn attributes(&self) -> &Attributes {
        match self {
            Item::File(file) => &file.attributes,
            Item::Symlink(link) => &link.attributes,
            Item::Directory(directory) => &directory.attributes,
            Item::Special(special) => &special.attributes,
        }
    }

    /// The item without owner, flags and extended attributes.
    pub fn without_set(mut self) -> Item {
        self.attributes_mut().set = None;
        self
    }

    /// The item with these other paths of the same file.
    pub fn with_link(mut self, link: Option<HardLink>) -> Item {
        self.attributes_mut().link = link;
        self
    }

    fn attributes_mut(&mut self) -> &mut Attributes {
        match self {
            Item::File(file) => &mut file.attributes,
            Item::Symlink(link) => &mut link.attributes,
            Item::Directory(directory) => &mut directory.attributes,
            Item::Special(special) => &mut special.attributes,
        }
    }

    /// What the item adds to the totals of its directory.
    pub fn totals(&self) -> Totals {
        match self {
            Item::File(file) => Totals { files: 1, directories: 0, bytes: file.size },
            Item::Symlink(_) | Item::Special(_) => Totals { files: 1, directories: 0, bytes: 0 },
            Item::Directory(directory) => directory.totals,
        }
    }
}

#[cfg(test)]
mod tests;
