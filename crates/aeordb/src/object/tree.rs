//! Prolly trees: sorted maps from keys of 1 to 255 bytes to values, as content-addressed nodes
//! whose split is decided by the content alone.

#![deny(clippy::indexing_slicing)]

mod build;
mod diff;
mod edit;
mod node;
mod read;

use std::sync::LazyLock;

pub use diff::{Diff, Difference, diff};
pub use edit::edit;
pub use node::KEY_LEN_MAX;
pub use read::{Iterate, get, iterate, summary};

use crate::error::{Error, Result};
use crate::hash::{Hash, Kind};
use crate::object::name;
use crate::object::record::{Item, Totals};
use crate::store::AppendEntries;

/// What a tree holds.
pub trait Map {
    /// The kind of its nodes: `Directory` or `System`.
    const KIND: Kind;

    /// What one entry adds to the totals.
    fn totals(value: &[u8]) -> Result<Totals>;

    /// Whether key and value may stand in such a map: for nodes that come from outside.
    fn check(key: &[u8], value: &[u8]) -> Result<()>;
}

/// Directories: name to encoded [`Item`].
pub struct Directories;

/// System maps: any key to any bytes.
pub struct SystemMap;

impl Map for Directories {
    const KIND: Kind = Kind::Directory;

    fn totals(value: &[u8]) -> Result<Totals> {
        Item::totals_of(value)
    }

    fn check(key: &[u8], value: &[u8]) -> Result<()> {
        name::check(key).map_err(|error| Error::damaged("tree node", 0, error.to_string()))?;
        Item::decode(value).map(|_| ())
    }
}

impl Map for SystemMap {
    const KIND: Kind = Kind::System;

    fn totals(_value: &[u8]) -> Result<Totals> {
        Ok(Totals::default())
    }

    fn check(_key: &[u8], _value: &[u8]) -> Result<()> {
        Ok(())
    }
}

/// Counts of a tree.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Summary {
    /// Entries of the map.
    pub entries: u64,
    /// Sum over the entries (a directory does not count itself here).
    pub totals: Totals,
}

/// A tree that was written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Built {
    /// Its root node.
    pub root: Hash,
    /// Its counts.
    pub summary: Summary,
}

/// The root of the map without entries: a constant that every reader knows, so it is never stored.
pub fn empty_root(kind: Kind) -> Hash {
    static ROOTS: LazyLock<[Hash; 2]> =
        LazyLock::new(|| [node::empty_hash(Kind::Directory), node::empty_hash(Kind::System)]);
    let [directory, system] = *ROOTS;
    if kind == Kind::Directory { directory } else { system }
}

/// Writes a tree of `entries`, strictly ascending by key, in memory that grows with the height.
pub fn build<M, S, K, V>(store: &mut S, entries: impl IntoIterator<Item = (K, V)>) -> Result<Built>
where
    M: Map,
    S: AppendEntries + ?Sized,
    K: AsRef<[u8]>,
    V: AsRef<[u8]>,
{
    let mut builder = build::Builder::<M>::new(0);
    for (key, value) in entries {
        builder.push(store, key.as_ref(), value.as_ref())?;
    }
    builder.finish(store)
}

#[cfg(test)]
mod tests;
