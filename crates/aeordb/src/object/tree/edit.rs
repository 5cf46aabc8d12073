//! Editing: the old tree and the edits are merged into a builder, which takes over every old node
//! that it would build again.

use super::Map;
use super::build::{Builder, Built, ascend};
use super::cursor::{Cursor, Head};
use crate::error::Result;
use crate::hash::Hash;
use crate::store::AppendEntries;

/// Edits a tree, in ascending order of the keys, in memory that grows with the height.
///
/// Reads and writes the nodes on the way to each edited key, and of each level those after it up
/// to the next end that old and new tree share: none, as a rule, unless the edit moved an end.
pub struct Editor<M> {
    /// What of the old tree is not in the builder yet.
    old: Cursor,
    new: Builder<M>,
    last_key: Vec<u8>,
}

impl<M: Map> Editor<M> {
    /// Starts to edit the tree below `root`.
    pub fn new<S: AppendEntries + ?Sized>(store: &S, root: &Hash) -> Result<Self> {
        let old = Cursor::new::<M, S>(store, root)?;
        Ok(Editor { old, new: Builder::new(), last_key: Vec::new() })
    }

    /// Sets the value of `key`, or removes it; removing what is not there changes nothing.
    /// `Invalid` if the key is not above the one before.
    pub fn push<S: AppendEntries + ?Sized>(
        &mut self,
        store: &mut S,
        key: &[u8],
        value: Option<&[u8]>,
    ) -> Result<()> {
        ascend(&mut self.last_key, key)?;
        self.copy(store, Some(key))?;
        match value {
            Some(value) => self.new.push(store, key, value),
            None => Ok(()),
        }
    }

    /// The edited tree.
    pub fn finish<S: AppendEntries + ?Sized>(mut self, store: &mut S) -> Result<Built> {
        self.copy(store, None)?;
        self.new.finish(store)
    }

    /// Copies what of the old tree is below `key`, or all of the rest, and passes over `key`.
    fn copy<S: AppendEntries + ?Sized>(&mut self, store: &mut S, key: Option<&[u8]>) -> Result<()> {
        loop {
            match self.old.head() {
                Head::End => return Ok(()),
                Head::Entry { key: found, value } => {
                    match key.map(|key| found.cmp(key)) {
                        None | Some(std::cmp::Ordering::Less) => {
                            self.new.push(store, found, value)?;
                        }
                        Some(std::cmp::Ordering::Equal) => {
                            self.old.advance();
                            return Ok(());
                        }
                        Some(std::cmp::Ordering::Greater) => return Ok(()),
                    }
                    self.old.advance();
                }
                Head::Node { level, key: found, child, last } => {
                    // The last node of a level may end where its content does not say, so it can
                    // be taken over only if nothing comes after it.
                    let whole = key.is_none_or(|key| !last && found < key);
                    if whole && self.new.is_aligned(level) {
                        self.new.push_node(store, level, found, child)?;
                        self.old.advance();
                    } else {
                        self.old.descend::<M, S>(store)?;
                    }
                }
            }
        }
    }
}
