//! Building: entries in order become nodes, nodes become entries of the level above.

use crate::error::{Error, Result};
use crate::limits::{TREE_HEIGHT_MAX, VALUE_LEN_MAX};
use crate::object::encoding::Encoder;
use crate::object::tree::node::{self, Child, ENTRIES_LEN_MAX, KEY_LEN_MAX};
use crate::object::tree::{Built, Map, Summary, empty_root};
use crate::store::AppendEntries;

/// The node of one level that is being filled.
pub(super) struct Open<M> {
    level: u8,
    entries: Vec<u8>,
    count: usize,
    last_key: Vec<u8>,
    summary: Summary,
    map: std::marker::PhantomData<M>,
}

/// A node that was written: its last key and what its parent knows of it.
pub(super) type Written = (Vec<u8>, Child);

impl<M: Map> Open<M> {
    pub fn new(level: u8) -> Self {
        Open {
            level,
            entries: Vec::new(),
            count: 0,
            last_key: Vec::new(),
            summary: Summary::default(),
            map: std::marker::PhantomData,
        }
    }

    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Adds the next entry; hands over every node that this completes.
    pub fn push<S: AppendEntries + ?Sized>(
        &mut self,
        store: &mut S,
        key: &[u8],
        value: &[u8],
        mut written: impl FnMut(&mut S, Written) -> Result<()>,
    ) -> Result<()> {
        if key.is_empty() || key.len() > KEY_LEN_MAX || value.len() > VALUE_LEN_MAX {
            return Err(Error::Limit {
                what: "an entry of a tree".into(),
                limit: VALUE_LEN_MAX as u64,
                found: value.len().max(key.len()) as u64,
            });
        }
        if self.count > 0 && key <= self.last_key.as_slice() {
            return Err(Error::invalid("entries of a tree must come in ascending order"));
        }
        let len = node::entry_len(key, value);
        if self.entries.len() + len > ENTRIES_LEN_MAX {
            let node = self.write(store)?;
            written(store, node)?;
        }
        let start = self.entries.len();
        let mut encoder = Encoder::new(&mut self.entries);
        encoder.bytes(key);
        encoder.bytes(value);
        self.count += 1;
        self.last_key.clear();
        self.last_key.extend_from_slice(key);
        let part = if self.level == 0 {
            Summary { entries: 1, totals: M::totals(value)? }
        } else {
            Child::decode(value)?.summary
        };
        self.summary = self.summary.checked_add(part)?;
        if node::ends_after(self.level, key, start, self.entries.len()) {
            let node = self.write(store)?;
            written(store, node)?;
        }
        Ok(())
    }

    /// Writes what is open, which is not nothing.
    pub fn write<S: AppendEntries + ?Sized>(&mut self, store: &mut S) -> Result<Written> {
        let encoding = node::encode(self.level, self.count, &self.entries);
        let hash = store.append(M::KIND, &encoding)?;
        let child = Child { hash, summary: std::mem::take(&mut self.summary) };
        self.entries.clear();
        self.count = 0;
        Ok((std::mem::take(&mut self.last_key), child))
    }
}

/// Builds a tree, one open node for each level.
pub(super) struct Builder<M> {
    levels: Vec<Open<M>>,
    base: u8,
}

impl<M: Map> Builder<M> {
    /// A builder whose entries are those of `level`.
    pub fn new(level: u8) -> Self {
        Builder { levels: vec![Open::new(level)], base: level }
    }

    pub fn push<S: AppendEntries + ?Sized>(
        &mut self,
        store: &mut S,
        key: &[u8],
        value: &[u8],
    ) -> Result<()> {
        let mut up: Vec<(usize, Written)> = Vec::new();
        self.push_at(store, 0, key, value, &mut up)?;
        while let Some((index, (key, child))) = up.pop() {
            self.push_at(store, index, &key, &child.encode(), &mut up)?;
        }
        Ok(())
    }

    fn push_at<S: AppendEntries + ?Sized>(
        &mut self,
        store: &mut S,
        index: usize,
        key: &[u8],
        value: &[u8],
        up: &mut Vec<(usize, Written)>,
    ) -> Result<()> {
        if index == self.levels.len() {
            let level = usize::from(self.base) + index;
            if level >= TREE_HEIGHT_MAX {
                let (what, limit) = ("the height of a tree".into(), TREE_HEIGHT_MAX as u64);
                return Err(Error::Limit { what, limit, found: level as u64 + 1 });
            }
            self.levels.push(Open::new(u8::try_from(level).unwrap_or(u8::MAX)));
        }
        let Some(open) = self.levels.get_mut(index) else { return Ok(()) };
        let at = up.len();
        open.push(store, key, value, |_, written| {
            // Two nodes may come at once: the first goes up first.
            up.insert(at, (index + 1, written));
            Ok(())
        })
    }

    pub fn finish<S: AppendEntries + ?Sized>(mut self, store: &mut S) -> Result<Built> {
        let mut index = 0;
        while index < self.levels.len() {
            let top = index + 1 == self.levels.len();
            let Some(open) = self.levels.get_mut(index) else { break };
            let Some(open) = (!open.is_empty()).then_some(open) else {
                index += 1;
                continue;
            };
            // The lowest level with one node is the root: a level above with one entry is not.
            if top && index > 0 && open.count == 1 {
                let node = node::decode_entry(&open.entries)?;
                return Ok(Built { root: node.hash, summary: node.summary });
            }
            let (key, child) = open.write(store)?;
            if top {
                return Ok(Built { root: child.hash, summary: child.summary });
            }
            let mut up = Vec::new();
            self.push_at(store, index + 1, &key, &child.encode(), &mut up)?;
            while let Some((index, (key, child))) = up.pop() {
                self.push_at(store, index, &key, &child.encode(), &mut up)?;
            }
            index += 1;
        }
        Ok(Built { root: empty_root(M::KIND), summary: Summary::default() })
    }
}
