//! Whether a chunk list from outside is the one that the builder makes of its chunks.

use std::collections::VecDeque;

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

/// Walks the list of a file of `size` bytes in file order and proves that it is the canonical one.
/// Hands over every node's name, then its chunks. Holds one node for each level.
pub fn verify_list<S: ReadEntries + ?Sized>(
    store: &S,
    content: &Content,
    size: u64,
    mut node_found: impl FnMut(&ListId) -> Result<()>,
    mut chunk_found: impl FnMut(&ChunkRef) -> Result<()>,
) -> Result<()> {
    let (root, chunks) = match content {
        Content::Inline(chunks) => return chunks.iter().try_for_each(chunk_found),
        Content::List { root, chunks } => (*root, *chunks),
    };
    // Open inner nodes: level, children to come, whether the node is the last of its level.
    let mut stack: Vec<Open> = Vec::new();
    let mut next = Some((ListChild { id: root, bytes: size, chunks }, None, true));
    while let Some((child, level, last)) = next {
        node_found(&child.id)?;
        let node = verify_list_node(&store.read(Kind::List, child.id.hash())?, last)?;
        node.check_sums(&child.id, child.bytes, child.chunks)?;
        match level {
            Some(level) => node.check_level(&child.id, level)?,
            None if node.level() > 0 && node.len() == 1 => {
                let detail = "expected two entries at least in the top node, found 1";
                return Err(Error::damaged(format!("chunk list node {root}"), 0, detail));
            }
            None => {}
        }
        match node {
            ListNode::Leaf(chunks) => chunks.iter().try_for_each(&mut chunk_found)?,
            ListNode::Inner { level, children } => stack.push((level, children.into(), last)),
        }
        next = next_child(&mut stack);
    }
    Ok(())
}

type Open = (u8, VecDeque<ListChild>, bool);

fn next_child(stack: &mut Vec<Open>) -> Option<(ListChild, Option<u8>, bool)> {
    while let Some((level, children, last)) = stack.last_mut() {
        match children.pop_front() {
            Some(child) => {
                return Some((child, level.checked_sub(1), *last && children.is_empty()));
            }
            None => {
                stack.pop();
            }
        }
    }
    None
}
