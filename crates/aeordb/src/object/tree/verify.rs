//! Whether nodes from outside are those that the builder makes of their entries.
//!
//! A node says by itself where it has to end. What it does not show is whether it is the last of
//! its level, which need not end there, and what comes before it. So a node that is proved in one
//! place is not proved in another: [`verify_tree`] proves a whole tree, [`diff`](super::diff()) a
//! second tree against a first that was proved, and what may be passed over as seen before are
//! whole trees, by their roots.

#![deny(clippy::indexing_slicing)]

use bytes::Bytes;

use super::cursor::{Cursor, Frame, Head};
use super::node::{self, Node};
use super::{Map, Summary};
use crate::error::{Error, Result};
use crate::hash::Hash;
use crate::store::ReadEntries;

/// The node with this encoding, if all that it shows by itself is right: keys and values may stand
/// in such a map, and it ends where the builder would have ended it. `last`: it is the last node
/// of its level, as every root is.
pub fn verify_node<M: Map>(bytes: Bytes, last: bool) -> Result<Node> {
    let node = Node::decode::<M>(bytes)?;
    check::<M>(&node, last)?;
    Ok(node)
}

fn check<M: Map>(node: &Node, last: bool) -> Result<()> {
    let mut start = 1;
    for index in 0..node.len() {
        let (key, end) = (node.key(index).unwrap_or_default(), node.entry_end(index));
        if let Some(value) = node.value(index) {
            M::check(key, value).map_err(|error| {
                let entry = format!("entry '{}'", String::from_utf8_lossy(key).escape_debug());
                match error {
                    Error::Newer { needs, .. } => {
                        Error::newer(M::KIND.name(), format!("{needs}, for {entry}"))
                    }
                    error => damaged::<M>(start, format!("{entry}: {error}")),
                }
            })?;
        }
        let is_end = index + 1 == node.len();
        if !is_end && node::ends_after(node.level(), key, end.saturating_sub(start), end) {
            return Err(damaged::<M>(end, "expected the end of the node, found another entry"));
        }
        start = end;
    }
    if last { Ok(()) } else { check_end::<M>(node) }
}

/// Whether `node`, the child of entry `index` of `parent`, is what the parent says of it, and
/// comes after `before`, the last key of the node before it on its level. At the start of `parent`
/// that key is in a node further up, so it is the walker that knows it.
pub fn verify_child<M: Map>(
    parent: &Node,
    index: usize,
    before: Option<&[u8]>,
    node: &Node,
) -> Result<()> {
    let Some(child) = parent.child(index) else {
        return Err(damaged::<M>(0, "expected an entry above level 0"));
    };
    if node.level().checked_add(1) != Some(parent.level()) {
        let (expected, found) = (parent.level(), node.level());
        return Err(damaged::<M>(
            0,
            format!("expected a child of level {expected}, found {found}"),
        ));
    }
    if node.last_key() != parent.key(index) {
        return Err(damaged::<M>(0, "expected the last key that its parent says, found another"));
    }
    if node.key(0) <= before {
        return Err(damaged::<M>(0, "expected keys above those before, found one that is not"));
    }
    let found = node.summary::<M>()?;
    if found != child.summary {
        let detail = format!("expected the counts {:?}, found {found:?}", child.summary);
        return Err(damaged::<M>(0, detail));
    }
    Ok(())
}

/// Whether `node` can be the root of a map: no root has a single child.
pub fn verify_root<M: Map>(node: &Node) -> Result<()> {
    if node.level() > 0 && node.len() < 2 {
        return Err(damaged::<M>(0, "expected a root of two entries at least, found 1"));
    }
    Ok(())
}

/// Walks the whole tree below `root` in order and proves that it is the one that its entries give.
/// Hands over every node, parents first. Holds one node for each level.
pub fn verify_tree<M: Map, S: ReadEntries + ?Sized>(
    store: &S,
    root: &Hash,
    mut found: impl FnMut(&Hash, &Node) -> Result<()>,
) -> Result<Summary> {
    let mut cursor = Cursor::new::<M, S>(store, root)?;
    let Some(top) = cursor.frames.last() else { return Ok(Summary::default()) };
    let summary = top.node.summary::<M>()?;
    verify_frame::<M>(&cursor, 0)?;
    found(root, &top.node)?;
    loop {
        match cursor.head() {
            Head::End => return Ok(summary),
            // The node was checked as a whole.
            Head::Entry { .. } => cursor.pass_open(cursor.frames.len().saturating_sub(1)),
            Head::Node { .. } => {
                cursor.descend::<M, S>(store)?;
                let depth = cursor.frames.len().saturating_sub(1);
                verify_frame::<M>(&cursor, depth)?;
                if let Some(frame) = cursor.frames.get(depth) {
                    found(&frame.hash, &frame.node)?;
                }
            }
        }
    }
}

/// Proves the open node of frame `depth`, of which nothing was passed, in its place.
pub(super) fn verify_frame<M: Map>(cursor: &Cursor, depth: usize) -> Result<()> {
    let Some(frame) = cursor.frames.get(depth) else { return Ok(()) };
    let parent = depth.checked_sub(1).and_then(|above| cursor.frames.get(above));
    let proof = check::<M>(&frame.node, cursor.is_last(depth)).and_then(|()| match parent {
        None => verify_root::<M>(&frame.node),
        Some(Frame { node, index, .. }) => {
            verify_child::<M>(node, *index, cursor.key_before(depth), &frame.node)
        }
    });
    proof.map_err(|error| node::name_it::<M>(error, &frame.hash))
}

/// Proves that `node` and the last nodes below it end where their entries say: they were proved as
/// the last of their levels, where that need not be, and now others come after them.
pub(super) fn verify_ends<M: Map, S: ReadEntries + ?Sized>(store: &S, hash: &Hash) -> Result<()> {
    let mut node = Node::read_root::<M, S>(store, hash)?;
    // Every turn is one level lower.
    loop {
        check_end::<M>(&node).map_err(|error| node::name_it::<M>(error, hash))?;
        let Some(last) = node.len().checked_sub(1).filter(|_| node.level() > 0) else {
            return Ok(());
        };
        node = node.read_child::<M, S>(store, last)?;
    }
}

fn check_end<M: Map>(node: &Node) -> Result<()> {
    let last = node.len().saturating_sub(1);
    let start = last.checked_sub(1).map_or(1, |before| node.entry_end(before));
    let end = node.entry_end(last);
    let key = node.key(last).unwrap_or_default();
    if node::ends_after(node.level(), key, end.saturating_sub(start), end) {
        return Ok(());
    }
    Err(damaged::<M>(end, "expected another entry, found the end of the node"))
}

#[cold]
fn damaged<M: Map>(offset: usize, detail: impl Into<String>) -> Error {
    Error::damaged(M::KIND.name(), offset as u64, detail)
}
