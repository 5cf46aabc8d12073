//! Every maximum in one place. A length that comes from outside is held against these before
//! anything is allocated for it.

/// Longest name of a directory entry, in bytes.
pub const NAME_LEN_MAX: usize = 255;
/// Longest path, in bytes, with its separators.
pub const PATH_LEN_MAX: usize = 4096;
/// Longest target of a symbolic link, in bytes.
pub const SYMLINK_LEN_MAX: usize = 4096;
/// Longest content type, in bytes.
pub const CONTENT_TYPE_LEN_MAX: usize = 255;
/// Most user metadata of one file: names and values together, in bytes.
pub const METADATA_LEN_MAX: usize = 16 * 1024;
/// Most pairs of user metadata of one file.
pub const METADATA_PAIRS_MAX: usize = 512;
/// Longest name of an extended attribute, in bytes.
pub const XATTR_NAME_LEN_MAX: usize = 255;
/// Longest extended attribute, in bytes: what systems allow, and one chunk.
pub const XATTR_LEN_MAX: usize = 64 * 1024;
/// Longest extended attribute that is in the set itself, in bytes; a longer one is a chunk.
pub const XATTR_INLINE_LEN_MAX: usize = 64;
/// Most names of extended attributes of one file, in bytes, each with one more: what systems allow.
pub const XATTR_NAMES_LEN_MAX: usize = 64 * 1024;
/// Longest name of a user or a group, in bytes.
pub const OWNER_NAME_LEN_MAX: usize = 255;
/// Longest file, in bytes: offsets in it fit a signed number.
pub const FILE_LEN_MAX: u64 = i64::MAX as u64;
/// Largest value of a tree entry, in bytes; every item fits.
pub const VALUE_LEN_MAX: usize = 24 * 1024;
/// Deepest nesting of directories: every level takes two bytes of a path at least.
pub const DEPTH_MAX: usize = PATH_LEN_MAX / 2;
/// Deepest nesting of directories that a walk goes into. What is deeper than a path can say may be
/// in databases from before that was refused, and must be kept and collected like anything else.
pub const WALK_DEPTH_MAX: usize = 8 * DEPTH_MAX;

/// Smallest chunk that the chunker cuts (the last chunk of a file may be smaller).
pub const CHUNK_LEN_MIN: usize = 16 * 1024;
/// The chunk length that the chunker aims at.
pub const CHUNK_LEN_AVG: usize = 64 * 1024;
/// Largest chunk, in bytes.
pub const CHUNK_LEN_MAX: usize = 256 * 1024;
/// Chunks that a file record holds itself; beyond, they are in a tree of list nodes.
pub const INLINE_CHUNKS_MAX: usize = 8;

/// Largest entry of any kind, in bytes.
pub const ENTRY_LEN_MAX: usize = 1024 * 1024;
/// Largest tree node, in bytes.
pub const NODE_LEN_MAX: usize = 64 * 1024;
/// Most levels of any tree.
pub const TREE_HEIGHT_MAX: usize = 16;
/// Raw bytes after which a block of chunks is closed.
pub const CHUNK_BLOCK_LEN_TARGET: usize = 2 * 1024 * 1024;
/// Raw bytes after which a block of tree nodes is closed: single nodes are read at random.
pub const TREE_BLOCK_LEN_TARGET: usize = 256 * 1024;
/// Most raw bytes of a block.
pub const BLOCK_LEN_MAX: usize = 4 * 1024 * 1024;
/// Most entries of a block: their ordinals are 16 bits.
pub const BLOCK_ENTRIES_MAX: usize = 65_535;
/// Most index runs that a file may name.
pub const RUNS_MAX: usize = 4096;
/// Longest name of a snapshot, in bytes.
pub const SNAPSHOT_NAME_LEN_MAX: usize = 255;

/// Entries that the index holds in memory before it is written out as a run: with those of a block
/// of small entries they still fit a hash table of 2^17 places. Whoever reads keeps the table of
/// before until it looks again, so there can be several.
pub const RECENT_ENTRIES_MAX: usize = 96 * 1024;
/// Offsets, and the numbers of commits, superblocks and collections, are below this.
pub const NUMBER_LIMIT: u64 = i64::MAX as u64;
/// Bytes that may be appended before a commit also writes a checkpoint.
pub const CHECKPOINT_INTERVAL: u64 = 64 * 1024 * 1024;
/// Most raw bytes of a delta.
pub const DELTA_LEN_MAX: usize = 16 * 1024 * 1024;
/// Most bytes that a delta may refer to, its context included.
pub const DELTA_PREFIX_LEN_MAX: usize = 64 * 1024 * 1024;
/// Most entries that a delta may refer to.
pub const DELTA_REFERENCES_MAX: usize = 65_535;
/// Most nodes that a delta may have as its context.
pub const DELTA_CONTEXT_MAX: usize = 4096;
/// Most chunks of a file that is compressed against an old one, and of that: they are gone through
/// in their order. A file of a terabyte has so many.
pub const DELTA_FILE_CHUNKS_MAX: u64 = 16 * 1024 * 1024;
/// Most entries of a delta.
pub const DELTA_ENTRIES_MAX: usize = 65_535;
/// Most bytes of the list of changes of a patch, in one part of it.
pub const CHANGES_LEN_MAX: usize = 1024 * 1024;
