//! Whether a chunk list from outside is the one that the builder makes of its chunks.

use std::collections::{HashSet, VecDeque};

use super::{ChunkRef, ListChild, ListNode, check_lens, ends_after};
use crate::error::{Error, Result};
use crate::hash::{Hash, Kind, ListId};
use crate::object::record::Content;
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
/// `node_found` gets the name of each node and says whether to go below it, `chunk_found` the chunks
/// of the nodes that are gone through. Holds one node for each level.
pub fn verify_list<S: ReadEntries + ?Sized>(
    store: &S,
    content: &Content,
    size: u64,
    mut node_found: impl FnMut(&ListId) -> Result<bool>,
    mut chunk_found: impl FnMut(&ChunkRef) -> Result<()>,
) -> Result<()> {
    let (root, chunks) = match content {
        Content::Inline(chunks) => return chunks.iter().try_for_each(chunk_found),
        Content::List { root, chunks } => (*root, *chunks),
    };
    let mut said = HashSet::new();
    let mut stack: Vec<Open> = Vec::new();
    let mut next = Some(Reference {
        child: ListChild { id: root, bytes: size, chunks },
        level: None,
        last: true,
    });
    while let Some(reference) = next {
        let Reference { child, last, .. } = reference;
        if said.insert(reference) {
            let node = reference.verified(store)?;
            if node_found(&child.id)? {
                match node {
                    ListNode::Leaf(chunks) => chunks.iter().try_for_each(&mut chunk_found)?,
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

/// What is said of a node.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Reference {
    child: ListChild,
    /// None for the top node: it has the level that it has.
    level: Option<u8>,
    /// Whether it is the last of its level.
    last: bool,
}

impl Reference {
    /// The node, if it is what is said of it.
    fn verified<S: ReadEntries + ?Sized>(&self, store: &S) -> Result<ListNode> {
        let ListChild { id, bytes, chunks } = self.child;
        let node = verify_list_node(&store.read(Kind::List, id.hash())?, self.last)?;
        node.check_sums(&id, bytes, chunks)?;
        match self.level {
            Some(level) => node.check_level(&id, level)?,
            None if node.level() > 0 && node.len() == 1 => {
                let detail = "expected two entries at least in the top node, found 1";
                return Err(Error::damaged(format!("chunk list node {id}"), 0, detail));
            }
            None => {}
        }
        Ok(node)
    }
}

/// An inner node that is being gone through: its level, its children to come, whether it is the
/// last of its level.
type Open = (u8, VecDeque<ListChild>, bool);

fn next_child(stack: &mut Vec<Open>) -> Option<Reference> {
    while let Some((level, children, last)) = stack.last_mut() {
        match children.pop_front() {
            Some(child) => {
                let last = *last && children.is_empty();
                return Some(Reference { child, level: level.checked_sub(1), last });
            }
            None => {
                stack.pop();
            }
        }
    }
    None
}
