//! Tar archives: read from a file, written as they are sent. They know no database.

mod acl;
mod extended;
mod pax;
mod read;
mod sparse;
#[cfg(test)]
mod tests;
mod write;

pub use extended::write as write_attributes;
pub use pax::Records;
pub use read::Tarball;
pub use write::{Member, Writer};

/// The record of a pax header that holds a file's content type.
pub const CONTENT_TYPE: &str = "AEORDB.content-type";
/// The record of a pax header that says which of `mode`, `mtime` and `owner` are not known.
pub const UNKNOWN: &str = "AEORDB.unknown";

/// Bytes of a block.
const BLOCK_LEN: usize = 512;
