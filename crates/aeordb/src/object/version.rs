//! Versions: the name of a whole tree.

#![deny(clippy::indexing_slicing)]

use crate::error::Result;
use crate::hash::{DirectoryId, Kind, VersionId};
use crate::object::encoding::{Decoder, Encoder};
use crate::object::record::{
    Attributes, Subdirectory, Totals, attribute_bits, decode_root_attributes, decode_totals,
    encode_bits, encode_totals,
};
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
    /// Attributes of the root directory, if it has any.
    pub attributes: Attributes,
}

/// Flag: the attributes of the root directory follow.
const WITH_ATTRIBUTES: u64 = 1;

impl Version {
    /// The version of a tree whose root directory has no attributes.
    pub fn new(root: DirectoryId, totals: Totals) -> Version {
        Version { root, totals, attributes: Attributes::default() }
    }

    /// The version without files: HEAD of a new database. A constant that every reader knows; a
    /// store need hold neither it nor its root.
    pub fn empty() -> Version {
        let root = DirectoryId(tree::empty_root(Kind::Directory));
        Version::new(root, Totals::default().with_itself())
    }

    /// The canonical encoding: a varint of flags, root, totals, and with the flag for it the attributes
    /// of the root: a mask and what of them there is.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(64);
        let mut encoder = Encoder::new(&mut out);
        let attributes = Attributes { link: None, ..self.attributes };
        let mask = attribute_bits(&attributes);
        encoder.varint(if mask == 0 { 0 } else { WITH_ATTRIBUTES });
        encoder.hash(self.root.hash());
        encode_totals(&self.totals, &mut encoder);
        if mask != 0 {
            encoder.varint(mask);
            encode_bits(&attributes, &mut encoder);
        }
        out
    }

    /// The version with this canonical encoding; `Damaged` for anything else. That its totals are
    /// those of its tree is for whoever proves it complete.
    pub fn decode(bytes: &[u8]) -> Result<Version> {
        let mut decoder = Decoder::new("version", bytes);
        let flags = decoder.varint()?;
        if flags & !WITH_ATTRIBUTES != 0 {
            return Err(decoder.newer(format!("flags of a version (bits {flags:#x})")));
        }
        let root = DirectoryId(decoder.hash()?);
        let totals = decode_totals(&mut decoder)?;
        let attributes = match flags {
            0 => Attributes::default(),
            _ => decode_root_attributes(&mut decoder)?,
        };
        decoder.finish()?;
        Ok(Version { root, totals, attributes })
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

    /// The root as a directory.
    pub fn root_directory(&self) -> Subdirectory {
        Subdirectory { root: self.root, attributes: self.attributes, totals: self.totals }
    }
}

#[cfg(test)]
mod tests;
