//! Editing: level by level, the nodes around each edit are split anew until the split falls
//! together with the old one; what became of the nodes are the edits of the level above.

use std::collections::BTreeMap;
use std::iter::Peekable;

use crate::error::{Error, Result};
use crate::hash::Hash;
use crate::object::tree::build::{Builder, Open, Written};
use crate::object::tree::node::{self, Node};
use crate::object::tree::{Built, Map, Summary, empty_root};
use crate::store::{AppendEntries, ReadEntries};

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
    let mut pending: Vec<(Vec<u8>, Option<Vec<u8>>)> = Vec::new();
    for (key, value) in edits {
        let key = key.as_ref().to_vec();
        if pending.last().is_some_and(|(last, _)| *last >= key) {
            return Err(Error::invalid("edits of a tree must come in ascending order"));
        }
        pending.push((key, value.map(|value| value.as_ref().to_vec())));
    }
    let top = node::read::<M, S>(store, root)?;
    for level in 0..=top.level {
        if pending.is_empty() {
            return Ok(Built { root: *root, summary: top.summary::<M>()? });
        }
        let changes = edit_level::<M, S>(store, &top, level, pending)?;
        if level == top.level {
            return new_root::<M, S>(store, level, changes.written);
        }
        pending = changes.as_edits();
    }
    Ok(Built { root: *root, summary: top.summary::<M>()? })
}

/// Makes a root of the nodes that are now the whole of `level`.
fn new_root<M: Map, S: AppendEntries + ?Sized>(
    store: &mut S,
    level: u8,
    nodes: Vec<Written>,
) -> Result<Built> {
    let mut nodes = nodes.into_iter();
    match (nodes.next(), nodes.next()) {
        (None, _) => Ok(Built { root: empty_root(M::KIND), summary: Summary::default() }),
        (Some((_, only)), None) => {
            // What is left may be a chain of single children: its lowest end is the root.
            let mut built = Built { root: only.hash, summary: only.summary };
            let mut node = node::read::<M, S>(store, &built.root)?;
            while node.level > 0 && node.len() == 1 {
                let (child, below) = node::read_child::<M, S>(store, &node, 0)?;
                built = Built { root: child.hash, summary: child.summary };
                node = below;
            }
            Ok(built)
        }
        (Some(first), Some(second)) => {
            let mut builder = Builder::<M>::new(level.saturating_add(1));
            for (key, child) in [first, second].into_iter().chain(nodes) {
                builder.push(store, &key, &child.encode())?;
            }
            builder.finish(store)
        }
    }
}

/// What became of the nodes of a level.
#[derive(Default)]
struct Changes {
    /// Nodes that were split anew, by last key.
    replaced: Vec<Written>,
    written: Vec<Written>,
}

impl Changes {
    fn as_edits(&self) -> Vec<(Vec<u8>, Option<Vec<u8>>)> {
        let mut edits: BTreeMap<&[u8], Option<Vec<u8>>> = BTreeMap::new();
        for (key, _) in &self.replaced {
            edits.insert(key, None);
        }
        for (key, child) in &self.written {
            edits.insert(key, Some(child.encode()));
        }
        for (key, child) in &self.replaced {
            // A node that came out as it was is no edit.
            if edits.get(key.as_slice()) == Some(&Some(child.encode())) {
                edits.remove(key.as_slice());
            }
        }
        edits.into_iter().map(|(key, value)| (key.to_vec(), value)).collect()
    }
}

type Edits = Peekable<std::vec::IntoIter<(Vec<u8>, Option<Vec<u8>>)>>;

fn edit_level<M: Map, S: AppendEntries + ?Sized>(
    store: &mut S,
    top: &Node,
    level: u8,
    edits: Vec<(Vec<u8>, Option<Vec<u8>>)>,
) -> Result<Changes> {
    let mut changes = Changes::default();
    let mut edits: Edits = edits.into_iter().peekable();
    while let Some((key, _)) = edits.peek() {
        let mut cursor = Cursor::seek::<M, S>(store, top, level, key)?;
        // A node before that ended because the next entry did not fit may now end elsewhere.
        while cursor.starts_unsettled::<M, S>(store)? {}
        rewrite::<M, S>(store, &mut cursor, &mut edits, &mut changes)?;
    }
    Ok(changes)
}

/// Writes the nodes from the cursor's on anew, until the split is the old one again and no edit
/// falls into the next node.
fn rewrite<M: Map, S: AppendEntries + ?Sized>(
    store: &mut S,
    cursor: &mut Cursor,
    edits: &mut Edits,
    changes: &mut Changes,
) -> Result<()> {
    let mut open = Open::<M>::new(cursor.level);
    let Changes { replaced, written } = changes;
    loop {
        let node = cursor.node().clone();
        let is_last = cursor.is_last();
        for index in 0..node.len() {
            let key = node.key(index);
            while let Some((new, value)) = edits.next_if(|(new, _)| new.as_slice() < key) {
                if let Some(value) = value {
                    open.push(store, &new, &value, |_, node| keep(written, node))?;
                }
            }
            match edits.next_if(|(new, _)| new.as_slice() == key) {
                Some((_, Some(value))) => {
                    open.push(store, key, &value, |_, node| keep(written, node))?;
                }
                Some((_, None)) => {}
                None => {
                    open.push(store, key, node.value(index), |_, node| keep(written, node))?;
                }
            }
        }
        if let Some(child) = cursor.child()? {
            replaced.push((node.key(node.len().saturating_sub(1)).to_vec(), child));
        }
        if is_last {
            for (new, value) in edits.by_ref() {
                if let Some(value) = value {
                    open.push(store, &new, &value, |_, node| keep(written, node))?;
                }
            }
            if !open.is_empty() {
                written.push(open.write(store)?);
            }
            return Ok(());
        }
        cursor.advance::<M, S>(store)?;
        let last = cursor.node().len().saturating_sub(1);
        let falls_in =
            edits.peek().is_some_and(|(key, _)| key.as_slice() <= cursor.node().key(last));
        if open.is_empty() && !falls_in {
            return Ok(());
        }
    }
}

fn keep(written: &mut Vec<Written>, node: Written) -> Result<()> {
    written.push(node);
    Ok(())
}

/// A place among the nodes of one level: the nodes on the way, each with the index of the next.
struct Cursor {
    level: u8,
    path: Vec<(Node, usize)>,
    node: Node,
}

impl Cursor {
    /// The node of `level` where `key` is or would be.
    fn seek<M: Map, S: ReadEntries + ?Sized>(
        store: &S,
        top: &Node,
        level: u8,
        key: &[u8],
    ) -> Result<Cursor> {
        let mut cursor = Cursor { level, path: Vec::new(), node: top.clone() };
        while cursor.node.level > level {
            let index = cursor.node.lower_bound(key).min(cursor.node.len().saturating_sub(1));
            cursor.descend::<M, S>(store, index)?;
        }
        Ok(cursor)
    }

    fn descend<M: Map, S: ReadEntries + ?Sized>(&mut self, store: &S, index: usize) -> Result<()> {
        let (_, below) = node::read_child::<M, S>(store, &self.node, index)?;
        self.path.push((std::mem::replace(&mut self.node, below), index));
        Ok(())
    }

    fn node(&self) -> &Node {
        &self.node
    }

    fn is_last(&self) -> bool {
        self.path.iter().all(|(node, index)| index + 1 == node.len())
    }

    /// What the parent knows of the node; `None` for the root.
    fn child(&self) -> Result<Option<node::Child>> {
        self.path.last().map(|(node, index)| node.child(*index)).transpose()
    }

    fn advance<M: Map, S: ReadEntries + ?Sized>(&mut self, store: &S) -> Result<()> {
        while let Some((node, index)) = self.path.pop() {
            if index + 1 < node.len() {
                self.node = node;
                self.descend::<M, S>(store, index + 1)?;
                while self.node.level > self.level {
                    self.descend::<M, S>(store, 0)?;
                }
                return Ok(());
            }
        }
        Ok(())
    }

    /// Steps to the node before, if that did not end by its content; true if it stepped.
    fn starts_unsettled<M: Map, S: ReadEntries + ?Sized>(&mut self, store: &S) -> Result<bool> {
        let Some(depth) = self.path.iter().rposition(|(_, index)| *index > 0) else {
            return Ok(false);
        };
        let mut before = Cursor {
            level: self.level,
            path: self.path.get(..depth).unwrap_or_default().to_vec(),
            node: self.node.clone(),
        };
        let Some((parent, index)) = self.path.get(depth) else { return Ok(false) };
        before.node = parent.clone();
        before.descend::<M, S>(store, index - 1)?;
        while before.node.level > before.level {
            let last = before.node.len().saturating_sub(1);
            before.descend::<M, S>(store, last)?;
        }
        if before.node.ends_by_content() {
            return Ok(false);
        }
        *self = before;
        Ok(true)
    }
}
