//! The seam between the objects and their home: content-addressed entries that are read by name
//! and appended. Everything above works on these traits; the single-file log is one home, memory
//! another.
//!
//! Guarantees a home gives, by number:
//!
//! 1. `read` returns the entry's encoding, verified by its name, or an error; never other bytes.
//! 2. `locate` finds exactly the entries that `read` can return.
//! 3. An entry that was appended is found by the same store at once, and by readers that are
//!    opened after the commit that sealed it. Others may find it before; it may go again then.
//! 4. Appending what is there already changes nothing.
//! 5. The dense number of an entry is below `number_limit` of the same reader and belongs to no
//!    other entry of it; numbers are stable for the life of the reader.
//! 6. `raw_block` returns the block at a place as it is stored; appended elsewhere as it is, it
//!    brings the same entries.
//! 7. A commit makes everything since the last one visible, durable and at once, or nothing; and
//!    nothing if another commit came between.
//! 8. What was not committed is gone with the transaction.
//! 9. The features that its entries need are told by every view from the commit on.
//!
//! `conformance` asks all of that of a home. Locks, space and what is released are its own matter.

mod bitmap;
mod block;
#[cfg(test)]
pub mod conformance;
mod home;
#[cfg(any(test, feature = "testing"))]
pub mod memory;

pub use bitmap::Bitmap;
pub use block::{Block, RawBlock};
pub use home::{Home, Receive, Root, Transaction, ViewEntries};

use bytes::Bytes;

use crate::error::Result;
use crate::hash::{Hash, Kind};

/// Where an entry is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Place {
    /// Which home it is in, where one lies on another: the lowest is 0.
    pub layer: u8,
    /// Which block of the home holds the entry. In the log that is its offset, in bytes from the
    /// start of the file.
    pub block: u64,
    /// Position of the entry among the entries of its block.
    pub ordinal: u16,
    /// First eight bytes of the block's hash.
    pub tag: u64,
    /// Dense number of the entry, for bitmaps.
    pub number: u64,
}

/// Reads entries by name.
pub trait ReadEntries {
    /// Where the entry named `hash` is; `None` if it is not here.
    fn locate(&self, hash: &Hash) -> Result<Option<Place>>;

    /// The encoding of the entry named `hash`, verified to be of `kind` and to have that name.
    /// [`Error::NotFound`](crate::Error::NotFound) if it is not here.
    fn read(&self, kind: Kind, hash: &Hash) -> Result<Bytes>;

    /// The length of the encoding of the entry named `hash`, which is of `kind` and at `place`.
    /// Homes that know it without the encoding do not read that.
    fn len_of(&self, place: &Place, kind: Kind, hash: &Hash) -> Result<u64> {
        let _ = place;
        Ok(self.read(kind, hash)?.len() as u64)
    }

    /// Every dense number is below this.
    fn number_limit(&self) -> u64;
}

/// Appends entries.
pub trait AppendEntries: ReadEntries {
    /// Adds an entry and returns its name. Nothing is durable before the next commit.
    fn append(&mut self, kind: Kind, encoding: &[u8]) -> Result<Hash>;
}
