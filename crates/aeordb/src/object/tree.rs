//! Prolly trees: sorted maps from keys of 1 to 255 bytes to values, as content-addressed nodes
//! whose split is decided by the content alone.

use bytes::Bytes;

use crate::error::Result;
use crate::hash::{Hash, Kind};
use crate::object::record::Totals;
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

/// Directories: name to encoded [`Item`](crate::object::Item).
pub struct Directories;

/// System maps: any key to any bytes.
pub struct SystemMap;

impl Map for Directories {
    const KIND: Kind = Kind::Directory;

    fn totals(_value: &[u8]) -> Result<Totals> {
        todo!()
    }

    fn check(_key: &[u8], _value: &[u8]) -> Result<()> {
        todo!()
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
pub fn empty_root(_kind: Kind) -> Hash {
    todo!()
}

/// Counts of the tree below `root`: one node is read.
pub fn summary<M: Map, S: ReadEntries + ?Sized>(_store: &S, _root: &Hash) -> Result<Summary> {
    todo!()
}

/// The value of `key`.
pub fn get<M: Map, S: ReadEntries + ?Sized>(
    _store: &S,
    _root: &Hash,
    _key: &[u8],
) -> Result<Option<Bytes>> {
    todo!()
}

/// The entries after the key `after` (all, if `None`), in order, read as they are asked for.
pub fn iterate<'s, M: Map, S: ReadEntries + ?Sized>(
    store: &'s S,
    _root: &Hash,
    _after: Option<&[u8]>,
) -> Result<Iterate<'s, M, S>> {
    Ok(Iterate { store, map: std::marker::PhantomData })
}

/// An iterator over the entries of a tree: `Result<(key, value)>`.
pub struct Iterate<'s, M: Map, S: ReadEntries + ?Sized> {
    store: &'s S,
    map: std::marker::PhantomData<M>,
}

impl<M: Map, S: ReadEntries + ?Sized> Iterator for Iterate<'_, M, S> {
    type Item = Result<(Bytes, Bytes)>;

    fn next(&mut self) -> Option<Self::Item> {
        let _ = self.store;
        todo!()
    }
}

/// Writes a tree of `entries`, strictly ascending by key, in memory that grows with the height.
pub fn build<M, S, K, V>(
    _store: &mut S,
    _entries: impl IntoIterator<Item = (K, V)>,
) -> Result<Built>
where
    M: Map,
    S: AppendEntries + ?Sized,
    K: AsRef<[u8]>,
    V: AsRef<[u8]>,
{
    todo!()
}

/// Applies `edits`, strictly ascending by key, to the tree below `root`: `Some` sets, `None`
/// removes. The result is what a build of the same entries gives.
pub fn edit<M, S, K, V>(
    _store: &mut S,
    _root: &Hash,
    _edits: impl IntoIterator<Item = (K, Option<V>)>,
) -> Result<Built>
where
    M: Map,
    S: AppendEntries + ?Sized,
    K: AsRef<[u8]>,
    V: AsRef<[u8]>,
{
    todo!()
}

/// One thing that differs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Difference {
    /// A node of the second tree that the first does not have, before its entries.
    Node {
        /// Its name.
        hash: Hash,
        /// Its encoding.
        bytes: Bytes,
        /// The node of the first tree that was read at the same place: what to compress against.
        near: Option<Hash>,
    },
    /// A key whose value differs; at least one of the two is there.
    Entry {
        /// The key.
        key: Bytes,
        /// Its value in the first tree.
        before: Option<Bytes>,
        /// Its value in the second tree.
        after: Option<Bytes>,
    },
}

/// What differs between two trees, in the order of the keys, read as it is asked for.
pub struct Diff<'s, M: Map, A: ReadEntries + ?Sized, B: ReadEntries + ?Sized> {
    stores: (&'s A, &'s B),
    map: std::marker::PhantomData<M>,
}

/// Compares the tree below `a` in one store with the tree below `b` in another (or the same).
pub fn diff<'s, M: Map, A: ReadEntries + ?Sized, B: ReadEntries + ?Sized>(
    store_a: &'s A,
    _a: &Hash,
    store_b: &'s B,
    _b: &Hash,
) -> Result<Diff<'s, M, A, B>> {
    Ok(Diff { stores: (store_a, store_b), map: std::marker::PhantomData })
}

impl<M: Map, A: ReadEntries + ?Sized, B: ReadEntries + ?Sized> Iterator for Diff<'_, M, A, B> {
    type Item = Result<Difference>;

    fn next(&mut self) -> Option<Self::Item> {
        let _ = self.stores;
        todo!()
    }
}
