//! Building: entries in order become nodes, nodes become entries of the level above.

use std::marker::PhantomData;

use super::node::{self, Child, Node};
use super::{Map, Summary, empty_root};
use crate::error::{Error, Result};
use crate::hash::Hash;
use crate::limits::TREE_HEIGHT_MAX;
use crate::store::AppendEntries;

/// A tree that was written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Built {
    /// Its root node.
    pub root: Hash,
    /// Its counts.
    pub summary: Summary,
}

/// One level: its open node, and what is known of those that are finished.
#[derive(Default)]
struct Level {
    /// The encoding of the open node so far; empty without entries.
    open: Vec<u8>,
    last_key: Vec<u8>,
    summary: Summary,
    /// Nodes that are finished; from two on it does not matter how many.
    finished: u8,
    /// The last finished one.
    last: Option<Child>,
    /// Whether a node was taken over from another tree as it was.
    taken: bool,
}

impl Level {
    /// Counts a finished node.
    fn finish(&mut self, child: Child) {
        self.finished = self.finished.saturating_add(1);
        self.last = Some(child);
    }
}

/// Builds a tree from entries in order, with one open node for each level.
pub struct Builder<M> {
    levels: Vec<Level>,
    last_key: Vec<u8>,
    map: PhantomData<M>,
}

impl<M: Map> Default for Builder<M> {
    fn default() -> Self {
        Builder { levels: Vec::new(), last_key: Vec::new(), map: PhantomData }
    }
}

impl<M: Map> Builder<M> {
    /// A tree without entries.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the next entry. `Invalid` if the key is not above the one before.
    pub fn push<S: AppendEntries + ?Sized>(
        &mut self,
        store: &mut S,
        key: &[u8],
        value: &[u8],
    ) -> Result<()> {
        ascend(&mut self.last_key, key)?;
        let summary = Summary { entries: 1, totals: M::totals(value)? };
        self.add(store, 0, key, summary, |out| node::encode_value(key, value, out))
    }

    /// Whether a node of `level` from another tree may come next: the same node would be built
    /// from its entries if, and only if, nodes start here on its level and all below.
    pub(super) fn is_aligned(&self, level: u8) -> bool {
        self.levels.iter().take(usize::from(level) + 1).all(|level| level.open.is_empty())
    }

    /// Takes over a finished node of `level`, whose last key is `key`, as it is.
    pub(super) fn push_node<S: AppendEntries + ?Sized>(
        &mut self,
        store: &mut S,
        level: u8,
        key: &[u8],
        child: &Child,
    ) -> Result<()> {
        ascend(&mut self.last_key, key)?;
        let level = usize::from(level);
        self.level(level)?;
        for below in self.levels.iter_mut().take(level) {
            // A node that is not the last of its level has several children. The last one may
            // have a single one: `finish` looks.
            below.finished = 2;
        }
        let this = self.level(level)?;
        this.finish(*child);
        this.taken = true;
        self.add_child(store, level + 1, key, child)
    }

    /// Writes the nodes that are still open. The root is the one node of the lowest level that has
    /// only one.
    pub fn finish<S: AppendEntries + ?Sized>(mut self, store: &mut S) -> Result<Built> {
        let mut level = 0;
        while level < self.levels.len() {
            if !self.level(level)?.open.is_empty() {
                self.close(store, level)?;
            }
            let this = self.level(level)?;
            if let (1, Some(child)) = (this.finished, this.last) {
                let taken = this.taken;
                let child = if taken { only_descendant::<M, S>(store, child)? } else { child };
                return Ok(Built { root: child.hash, summary: child.summary });
            }
            level += 1;
        }
        Ok(Built { root: empty_root(M::KIND), summary: Summary::default() })
    }

    fn add_child<S: AppendEntries + ?Sized>(
        &mut self,
        store: &mut S,
        level: usize,
        key: &[u8],
        child: &Child,
    ) -> Result<()> {
        self.add(store, level, key, child.summary, |out| node::encode_child(key, child, out))
    }

    /// Adds an entry to the open node of `level`, and closes that if it ends there.
    fn add<S: AppendEntries + ?Sized>(
        &mut self,
        store: &mut S,
        level: usize,
        key: &[u8],
        summary: Summary,
        encode: impl FnOnce(&mut Vec<u8>) -> Result<()>,
    ) -> Result<()> {
        let number = level_number(level)?;
        let this = self.level(level)?;
        if this.open.is_empty() {
            this.open.push(number);
        }
        let start = this.open.len();
        encode(&mut this.open)?;
        let end = this.open.len();
        this.last_key.clear();
        this.last_key.extend_from_slice(key);
        this.summary = this.summary.plus(summary)?;
        if node::ends_after(number, key, end - start, end) {
            self.close(store, level)?;
        }
        Ok(())
    }

    /// Writes the open node of `level` and adds it to the level above. What that closes there is
    /// closed in turn: as deep as the tree is high, `TREE_HEIGHT_MAX` at most.
    fn close<S: AppendEntries + ?Sized>(&mut self, store: &mut S, level: usize) -> Result<()> {
        let this = self.level(level)?;
        let hash = store.append(M::KIND, &this.open)?;
        let child = Child { hash, summary: std::mem::take(&mut this.summary) };
        this.open.clear();
        this.finish(child);
        let key = std::mem::take(&mut this.last_key);
        self.add_child(store, level + 1, &key, &child)?;
        // The buffer goes back.
        self.level(level)?.last_key = key;
        Ok(())
    }

    fn level(&mut self, level: usize) -> Result<&mut Level> {
        level_number(level)?;
        if self.levels.len() <= level {
            self.levels.resize_with(level + 1, Level::default);
        }
        self.levels.get_mut(level).ok_or_else(|| too_high(level))
    }
}

/// Makes `key` the last key; `Invalid` if it is not above the one before.
pub(super) fn ascend(last_key: &mut Vec<u8>, key: &[u8]) -> Result<()> {
    if key <= last_key.as_slice() {
        let shown = String::from_utf8_lossy(key);
        let shown = shown.escape_debug();
        return Err(Error::invalid(format!("key '{shown}' is not above the one before")));
    }
    last_key.clear();
    last_key.extend_from_slice(key);
    Ok(())
}

fn level_number(level: usize) -> Result<u8> {
    match u8::try_from(level) {
        Ok(number) if level < TREE_HEIGHT_MAX => Ok(number),
        _ => Err(too_high(level)),
    }
}

fn too_high(level: usize) -> Error {
    let (limit, found) = (TREE_HEIGHT_MAX as u64, level as u64 + 1);
    Error::Limit { what: "height of a tree".to_owned(), limit, found }
}

/// The highest node below `child` that has not a single child: no root is above a single node.
fn only_descendant<M: Map, S: AppendEntries + ?Sized>(store: &S, child: Child) -> Result<Child> {
    let mut node = Node::read_root::<M, S>(store, &child.hash)?;
    let mut top = child;
    while node.len() == 1
        && let Some(only) = node.child(0)
    {
        top = *only;
        node = node.read_child::<M, S>(store, 0)?;
    }
    Ok(top)
}
