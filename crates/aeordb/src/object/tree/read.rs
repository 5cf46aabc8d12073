//! Looking up and listing.

use std::marker::PhantomData;

use bytes::Bytes;

use crate::error::Result;
use crate::hash::Hash;
use crate::object::tree::node::{self, Node};
use crate::object::tree::{Map, Summary};
use crate::store::ReadEntries;

/// Counts of the tree below `root`: one node is read.
pub fn summary<M: Map, S: ReadEntries + ?Sized>(store: &S, root: &Hash) -> Result<Summary> {
    node::read::<M, S>(store, root)?.summary::<M>()
}

/// The value of `key`.
pub fn get<M: Map, S: ReadEntries + ?Sized>(
    store: &S,
    root: &Hash,
    key: &[u8],
) -> Result<Option<Bytes>> {
    let mut node = node::read::<M, S>(store, root)?;
    loop {
        let index = node.lower_bound(key);
        if index == node.len() {
            return Ok(None);
        }
        if node.level == 0 {
            return Ok((node.key(index) == key).then(|| node.value_bytes(index)));
        }
        node = node::read_child::<M, S>(store, &node, index)?.1;
    }
}

/// The entries after the key `after` (all, if `None`), in order, read as they are asked for.
pub fn iterate<'s, M: Map, S: ReadEntries + ?Sized>(
    store: &'s S,
    root: &Hash,
    after: Option<&[u8]>,
) -> Result<Iterate<'s, M, S>> {
    let mut levels = Vec::new();
    let mut node = node::read::<M, S>(store, root)?;
    loop {
        let mut index = after.map_or(0, |after| node.lower_bound(after));
        let above = node.level > 0;
        if !above && after.is_some_and(|after| index < node.len() && node.key(index) == after) {
            index += 1;
        }
        let child = (above && index < node.len())
            .then(|| node::read_child::<M, S>(store, &node, index))
            .transpose()?;
        levels.push((node, if above { index + 1 } else { index }));
        match child {
            Some((_, below)) => node = below,
            None => return Ok(Iterate { store, levels, map: PhantomData }),
        }
    }
}

/// An iterator over the entries of a tree: `Result<(key, value)>`. Ends after an error.
pub struct Iterate<'s, M: Map, S: ReadEntries + ?Sized> {
    store: &'s S,
    /// The open nodes from the root down, and which entry comes next in each.
    levels: Vec<(Node, usize)>,
    map: PhantomData<M>,
}

impl<M: Map, S: ReadEntries + ?Sized> Iterator for Iterate<'_, M, S> {
    type Item = Result<(Bytes, Bytes)>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let (node, index) = self.levels.last_mut()?;
            let at = *index;
            *index += 1;
            if at >= node.len() {
                self.levels.pop();
            } else if node.level == 0 {
                return Some(Ok((node.key_bytes(at), node.value_bytes(at))));
            } else {
                match node::read_child::<M, S>(self.store, node, at) {
                    Ok((_, child)) => self.levels.push((child, 0)),
                    Err(error) => {
                        self.levels.clear();
                        return Some(Err(error));
                    }
                }
            }
        }
    }
}
