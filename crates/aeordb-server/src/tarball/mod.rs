//! Tar archives: read from a file, written as they are sent. They know no database.

mod pax;
mod read;
mod sparse;
#[cfg(test)]
mod tests;
mod write;

pub use pax::Records;
pub use read::Tarball;
pub use write::{Member, Writer};

/// The record of a pax header that holds a file's content type.
pub const CONTENT_TYPE: &str = "AEORDB.content-type";
/// The record of a pax header that says which of `mode` and `mtime` are not known.
pub const UNKNOWN: &str = "AEORDB.unknown";

/// Bytes of a block.
const BLOCK_LEN: usize = 512;
