//! Prolly trees: sorted maps from keys of 1 to 255 bytes to values, as content-addressed nodes
//! whose split is decided by the content alone.
//!
//! The entries of a map, in order, are cut into the nodes of level 0; the nodes of a level, each
//! as its last key, hash and counts, are the entries of the level above. The root is the one node
//! of the lowest level that has one. Where a node ends follows from its own entries and nothing
//! else ([`ends_after`]), so equal maps have equal roots whatever their past, a
//! change rewrites one node of each level as a rule, and whether a node is canonical shows in the
//! node itself and in whether it is the last of its level.

mod build;
mod cursor;
mod diff;
mod edit;
mod iterate;
mod node;
mod verify;

pub use build::{Builder, Built};
pub use diff::{Diff, Difference, diff};
pub use edit::Editor;
pub use iterate::Iterate;
pub use node::{Child, KEY_LEN_MAX, NODE_LEN_MIN, NODE_LEN_SURE, Node, ends_after};
pub use verify::{verify_child, verify_node, verify_root, verify_tree};

use bytes::Bytes;

use crate::error::{Error, Result};
use crate::hash::{DirectoryId, Hash, Kind};
use crate::object::name;
use crate::object::record::{Attributes, Item, Subdirectory, Totals};
use crate::store::{AppendEntries, ReadEntries};

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
pub enum Directories {}

/// System maps: any key to any bytes. Their totals are zero.
pub enum SystemMap {}

impl Map for Directories {
    const KIND: Kind = Kind::Directory;

    fn totals(value: &[u8]) -> Result<Totals> {
        Item::totals_of(value)
    }

    fn check(key: &[u8], value: &[u8]) -> Result<()> {
        name::check(key).map_err(|error| {
            Error::damaged("directory entry", 0, format!("expected a name, found: {error}"))
        })?;
        Item::decode(value).map(drop)
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

impl Summary {
    /// The sum; `Limit` beyond what can be counted.
    pub fn plus(self, other: Summary) -> Result<Summary> {
        let entries = self.entries.checked_add(other.entries);
        match (entries, self.totals.checked_add(other.totals)) {
            (Some(entries), Some(totals)) => Ok(Summary { entries, totals }),
            _ => Err(Error::Limit {
                what: "a count of a tree".to_owned(),
                limit: u64::MAX,
                found: u64::MAX,
            }),
        }
    }
}

/// The root of the map without entries: a constant that every reader knows, so it is never stored.
pub fn empty_root(kind: Kind) -> Hash {
    kind.hash(&node::EMPTY)
}

impl Subdirectory {
    /// The directory without entries.
    pub fn empty(attributes: Attributes) -> Subdirectory {
        let root = DirectoryId(empty_root(Kind::Directory));
        Subdirectory { attributes, ..Subdirectory::new(root, Totals::default()) }
    }
}

/// Counts of the tree below `root`: one node is read.
pub fn summary<M: Map, S: ReadEntries + ?Sized>(store: &S, root: &Hash) -> Result<Summary> {
    Node::read_root::<M, S>(store, root)?.summary::<M>()
}

/// The value of `key`.
pub fn get<M: Map, S: ReadEntries + ?Sized>(
    store: &S,
    root: &Hash,
    key: &[u8],
) -> Result<Option<Bytes>> {
    let mut node = Node::read_root::<M, S>(store, root)?;
    // Every turn is one level lower, so there are `TREE_HEIGHT_MAX` at most.
    loop {
        let index = node.lower_bound(key);
        if node.level() == 0 {
            let found = node.key(index) == Some(key);
            return Ok(if found { node.value_bytes(index) } else { None });
        }
        if index == node.len() {
            return Ok(None);
        }
        node = node.read_child::<M, S>(store, index)?;
    }
}

/// The entries after the key `after` (all, if `None`), in order, read as they are asked for.
pub fn iterate<'s, M: Map, S: ReadEntries + ?Sized>(
    store: &'s S,
    root: &Hash,
    after: Option<&[u8]>,
) -> Result<Iterate<'s, M, S>> {
    Iterate::new(store, root, after)
}

/// Writes a tree of `entries`, strictly ascending by key, in memory that grows with the height.
pub fn build<M, S, K, V>(store: &mut S, entries: impl IntoIterator<Item = (K, V)>) -> Result<Built>
where
    M: Map,
    S: AppendEntries + ?Sized,
    K: AsRef<[u8]>,
    V: AsRef<[u8]>,
{
    let mut builder = Builder::<M>::new();
    for (key, value) in entries {
        builder.push(store, key.as_ref(), value.as_ref())?;
    }
    builder.finish(store)
}

/// Applies `edits`, strictly ascending by key, to the tree below `root`: `Some` sets, `None`
/// removes. The result is what a build of the same entries gives.
pub fn edit<M, S, K, V>(
    store: &mut S,
    root: &Hash,
    edits: impl IntoIterator<Item = (K, Option<V>)>,
) -> Result<Built>
where
    M: Map,
    S: AppendEntries + ?Sized,
    K: AsRef<[u8]>,
    V: AsRef<[u8]>,
{
    let mut editor = Editor::<M>::new(store, root)?;
    for (key, value) in edits {
        editor.push(store, key.as_ref(), value.as_ref().map(AsRef::as_ref))?;
    }
    editor.finish(store)
}

#[cfg(test)]
mod tests;
