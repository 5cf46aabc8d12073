//! Whether a chunk list from outside is the one that the builder makes of its chunks.

use std::collections::{HashSet, VecDeque};

use bytes::Bytes;

use super::{ChunkRef, ListChild, ListNode, check_lens, ends_after};
use crate::error::{Error, Result};
use crate::hash::{Hash, Kind};
use crate::object::record::Content;
use crate::object::reference::Reference;
use crate::store::ReadEntries;

/// The node with this encoding, if it ends where the builder would have ended it. `last`: the node
/// is the last of its level, so the file ends with it.
pub fn verify_list_node(bytes: &[u8], last: bool) -> Result<ListNode> {
    let node = ListNode::decode(bytes)?;
    let ids: &mut dyn Iterator<Item = &Hash> = match &node {
        ListNode::Leaf(chunks) => {
            let damaged = |detail| Error::damaged("chunk list node", bytes.len() as u64, detail);
            check_lens(chunks, last).map_err(damaged)?;
            &mut chunks.iter().map(|chunk| chunk.id.hash())
        }
        ListNode::Inner { children, .. } => &mut children.iter().map(|child| child.id.hash()),
    };
    let count = node.len();
    for (index, id) in ids.enumerate() {
        let is_end = index + 1 == count;
        if ends_after(id, index + 1) != is_end && !(is_end && last) {
            let detail = format!(
                "expected a node that ends where its content says, found {count} entries, \
                 of which number {index} decides otherwise"
            );
            return Err(Error::damaged("chunk list node", 0, detail));
        }
    }
    Ok(node)
}

/// Walks the list of a file of `size` bytes in file order and proves that it is the canonical one:
/// every node is held against what its parent says of it. A node of which the same was said before
/// is passed over, so that a list that repeats itself costs what it stores, not what it unfolds to.
/// `found` gets each node, and says whether to go below it, and the chunks of the nodes that are
/// gone through. Holds one node for each level.
pub fn verify_list<S: ReadEntries + ?Sized>(
    store: &S,
    content: &Content,
    size: u64,
    mut found: impl FnMut(Reference<'_>) -> Result<bool>,
) -> Result<()> {
    let (root, chunks) = match content {
        Content::Inline(chunks) => return show(chunks, &mut found),
        Content::List { root, chunks } => (*root, *chunks),
    };
    let mut said = HashSet::new();
    let mut stack: Vec<Open> = Vec::new();
    let mut next =
        Some(Said { child: ListChild { id: root, bytes: size, chunks }, level: None, last: true });
    while let Some(next_said) = next {
        let Said { child, last, .. } = next_said;
        if said.insert(next_said) {
            let (bytes, node) = next_said.verified(store)?;
            if found(Reference::List { id: &child.id, bytes: &bytes })? {
                match node {
                    ListNode::Leaf(chunks) => show(&chunks, &mut found)?,
                    ListNode::Inner { level, children } => {
                        stack.push((level, children.into(), last));
                    }
                }
            }
        }
        next = next_child(&mut stack);
    }
    Ok(())
}

fn show(chunks: &[ChunkRef], found: &mut impl FnMut(Reference<'_>) -> Result<bool>) -> Result<()> {
    for ChunkRef { id, len } in chunks {
        found(Reference::Chunk { id, len: *len })?;
    }
    Ok(())
}

/// What is said of a node.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Said {
    child: ListChild,
    /// None for the top node: it has the level that it has.
    level: Option<u8>,
    /// Whether it is the last of its level.
    last: bool,
}

impl Said {
    /// The node, if it is what is said of it.
    fn verified<S: ReadEntries + ?Sized>(&self, store: &S) -> Result<(Bytes, ListNode)> {
        let ListChild { id, bytes, chunks } = self.child;
        let encoding = store.read(Kind::List, id.hash())?;
        let node = verify_list_node(&encoding, self.last)?;
        node.check_sums(&id, bytes, chunks)?;
        match self.level {
            Some(level) => node.check_level(&id, level)?,
            None if node.level() > 0 && node.len() == 1 => {
                let detail = "expected two entries at least in the top node, found 1";
                return Err(Error::damaged(format!("chunk list node {id}"), 0, detail));
            }
            None => {}
        }
        Ok((encoding, node))
    }
}

/// An inner node that is being gone through: its level, its children to come, whether it is the
/// last of its level.
type Open = (u8, VecDeque<ListChild>, bool);

fn next_child(stack: &mut Vec<Open>) -> Option<Said> {
    while let Some((level, children, last)) = stack.last_mut() {
        match children.pop_front() {
            Some(child) => {
                let last = *last && children.is_empty();
                return Some(Said { child, level: level.checked_sub(1), last });
            }
            None => {
                stack.pop();
            }
        }
    }
    None
}
