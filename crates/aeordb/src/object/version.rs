//! Versions: the name of a whole tree.

use crate::error::Result;
use crate::hash::{DirectoryId, Kind, VersionId};
use crate::object::record::{Subdirectory, Totals};
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
    /// The version without files: HEAD of a new database.
    pub fn empty() -> Version {
        todo!()
    }

    /// The canonical encoding.
    pub fn encode(&self) -> Vec<u8> {
        todo!()
    }

    /// The version with this canonical encoding, nothing else.
    pub fn decode(_bytes: &[u8]) -> Result<Version> {
        todo!()
    }

    /// The version of this name.
    pub fn read<S: ReadEntries + ?Sized>(store: &S, id: &VersionId) -> Result<Version> {
        let empty = Version::empty();
        if *id == empty.id() {
            return Ok(empty);
        }
        Version::decode(&store.read(Kind::Version, &id.0)?)
    }

    /// The root directory as an item: it has no mode and no time.
    pub fn root_directory(&self) -> Subdirectory {
        Subdirectory { root: self.root, mode: None, mtime: None, totals: self.totals }
    }

    /// The version's name.
    pub fn id(&self) -> VersionId {
        VersionId::of(&self.encode())
    }
}
