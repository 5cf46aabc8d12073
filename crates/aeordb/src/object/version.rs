//! Versions: the name of a whole tree.

#![deny(clippy::indexing_slicing)]

use crate::error::Result;
use crate::hash::{DirectoryId, Kind, VersionId};
use crate::object::encoding::{Decoder, Encoder};
use crate::object::record::{Attributes, Subdirectory, Totals, decode_totals, encode_totals};
use crate::object::tree;
use crate::store::ReadEntries;

/// A whole tree: its root directory and its counts. No time, no parent, no name: equal trees are
/// equal versions wherever they were made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Version {
    /// The root node of the root directory.
    pub root: DirectoryId,
    /// Counts of the tree, the root directory included.
    pub totals: Totals,
}

impl Version {
    /// The version without files: HEAD of a new database. A constant that every reader knows; a
    /// store need hold neither it nor its root.
    pub fn empty() -> Version {
        Version {
            root: DirectoryId(tree::empty_root(Kind::Directory)),
            totals: Totals::default().with_itself(),
        }
    }

    /// The canonical encoding: a varint of flags, none of them known yet, root, totals.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(64);
        let mut encoder = Encoder::new(&mut out);
        encoder.varint(0);
        encoder.hash(self.root.hash());
        encode_totals(&self.totals, &mut encoder);
        out
    }

    /// The version with this canonical encoding; `Damaged` for anything else. That its totals are
    /// those of its tree is for whoever proves it complete.
    pub fn decode(bytes: &[u8]) -> Result<Version> {
        let mut decoder = Decoder::new("version", bytes);
        let flags = decoder.varint()?;
        if flags != 0 {
            return Err(decoder.newer(format!("flags of a version (bits {flags:#x})")));
        }
        let root = DirectoryId(decoder.hash()?);
        let totals = decode_totals(&mut decoder)?;
        decoder.finish()?;
        Ok(Version { root, totals })
    }

    /// The version's name.
    pub fn id(&self) -> VersionId {
        VersionId::of(&self.encode())
    }

    /// The version of this name. The empty one is known without a store.
    pub fn read<S: ReadEntries + ?Sized>(store: &S, id: &VersionId) -> Result<Version> {
        let empty = Version::empty();
        if *id == empty.id() {
            return Ok(empty);
        }
        Version::decode(&store.read(Kind::Version, id.hash())?)
    }

    /// The root as a directory: it has no attributes.
    pub fn root_directory(&self) -> Subdirectory {
        Subdirectory { root: self.root, attributes: Attributes::default(), totals: self.totals }
    }
}

#[cfg(test)]
mod tests;
