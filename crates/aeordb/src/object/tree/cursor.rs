//! A place in a tree: before an entry of level 0, or before a whole node that was not opened.

use super::Map;
use super::node::{Child, Node};
use crate::error::Result;
use crate::hash::Hash;
use crate::store::ReadEntries;

/// A node on the way to the place.
pub(super) struct Frame {
    pub hash: Hash,
    pub node: Node,
    /// The entry that is next, or of which the child is the next frame.
    pub index: usize,
    /// For the differ: whether the node was handed out.
    pub reported: bool,
}

/// What is next.
pub(super) enum Head<'c> {
    End,
    /// A node of `level`; `last` if no other node of its level comes after it.
    Node {
        level: u8,
        key: &'c [u8],
        child: &'c Child,
        last: bool,
    },
    Entry {
        key: &'c [u8],
        value: &'c [u8],
    },
}

/// The way from the root to the place. Every frame but the last has its child as the next frame.
pub(super) struct Cursor {
    pub frames: Vec<Frame>,
}

impl Cursor {
    /// The start of the tree below `root`, with the root opened.
    pub fn new<M: Map, S: ReadEntries + ?Sized>(store: &S, root: &Hash) -> Result<Cursor> {
        let mut cursor = Cursor::end();
        cursor.enter(*root, Node::read_root::<M, S>(store, root)?);
        Ok(cursor)
    }

    /// A place after everything.
    pub fn end() -> Cursor {
        Cursor { frames: Vec::new() }
    }

    fn enter(&mut self, hash: Hash, node: Node) {
        // Only the empty root is empty: there the start is the end.
        if !node.is_empty() {
            self.frames.push(Frame { hash, node, index: 0, reported: false });
        }
    }

    pub fn head(&self) -> Head<'_> {
        let Some(Frame { node, index, .. }) = self.frames.last() else { return Head::End };
        let Some(key) = node.key(*index) else { return Head::End };
        match (node.child(*index), node.level().checked_sub(1)) {
            (Some(child), Some(level)) => {
                Head::Node { level, key, child, last: self.is_last(self.frames.len()) }
            }
            _ => Head::Entry { key, value: node.value(*index).unwrap_or_default() },
        }
    }

    /// Whether the node of frame `depth` is the last of its level; of the node that is next, if
    /// there is no such frame.
    pub fn is_last(&self, depth: usize) -> bool {
        self.frames.iter().take(depth).all(|frame| frame.index + 1 == frame.node.len())
    }

    /// The last key before the node of frame `depth`, as far as the frames above say; of the node
    /// that is next, if there is no such frame.
    pub fn key_before(&self, depth: usize) -> Option<&[u8]> {
        let above = self.frames.get(..depth).unwrap_or(&self.frames);
        above.iter().rev().find_map(|frame| frame.node.key(frame.index.checked_sub(1)?))
    }

    /// What its parent says of the node of frame `depth`: last key and child; of the node that is
    /// next, if there is no such frame. `None` for the root.
    pub fn claim(&self, depth: usize) -> Option<(&[u8], &Child)> {
        let above = self.frames.get(..depth).unwrap_or(&self.frames);
        let frame = above.last()?;
        Some((frame.node.key(frame.index)?, frame.node.child(frame.index)?))
    }

    /// Opens the node that is next.
    pub fn descend<M: Map, S: ReadEntries + ?Sized>(&mut self, store: &S) -> Result<()> {
        if let Some(Frame { node, index, .. }) = self.frames.last()
            && let Some(child) = node.child(*index)
        {
            let (hash, node) = (child.hash, node.read_child::<M, S>(store, *index)?);
            self.enter(hash, node);
        }
        Ok(())
    }

    /// Passes over what is next.
    pub fn advance(&mut self) {
        while let Some(frame) = self.frames.last_mut() {
            frame.index += 1;
            if frame.index < frame.node.len() {
                return;
            }
            self.frames.pop();
        }
    }

    /// Goes before the first entry above `after`.
    pub fn seek_after<M: Map, S: ReadEntries + ?Sized>(
        &mut self,
        store: &S,
        after: &[u8],
    ) -> Result<()> {
        // Every turn is one level lower. Above level 0 the keys are the last ones of the children,
        // so what comes after `after` is in the first child whose key does.
        while let Some(frame) = self.frames.last_mut() {
            frame.index = frame.node.upper_bound(after);
            if frame.index == frame.node.len() {
                // Only in the root: a child has its parent's key, which is above.
                self.frames.clear();
            } else if frame.node.level() == 0 {
                return Ok(());
            } else {
                self.descend::<M, S>(store)?;
            }
        }
        Ok(())
    }

    /// The open node named `hash`, if nothing of it was passed.
    pub fn open_at_start(&self, hash: &Hash) -> Option<usize> {
        let position = self.frames.iter().rposition(|frame| frame.hash == *hash)?;
        let rest = self.frames.iter().skip(position);
        rest.into_iter().all(|frame| frame.index == 0).then_some(position)
    }

    /// Passes over the open node at `position` as a whole.
    pub fn pass_open(&mut self, position: usize) {
        self.frames.truncate(position);
        self.advance();
    }
}
