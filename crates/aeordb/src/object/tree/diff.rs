//! Comparing two trees: side by side, passing over every node that both have.
//!
//! Two cursors go through the keys together. Where both stand before a node of the same hash, or
//! one is about to open a node that the other has open and has taken nothing of, both pass it as a
//! whole. Keys are unique in a tree, so a node that both have spans the same keys in both, and one
//! of the two cases comes up before anything of it is taken: exactly the nodes that only one has
//! are gone through, whatever their levels and positions.
//!
//! Nodes that only the second tree has are proved before anything of them is handed out, and those
//! of both are held against what is known from the first, so that a second tree from outside, if
//! the first is canonical and the comparison comes to its end, is canonical too. It costs little:
//! one hash for an entry of a changed node.

use std::cmp::Ordering;
use std::collections::VecDeque;
use std::marker::PhantomData;

use bytes::Bytes;

use super::cursor::{Cursor, Frame, Head};
use super::{Child, Map, verify};
use crate::error::{Error, Result};
use crate::hash::Hash;
use crate::store::ReadEntries;

/// One thing that differs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Difference {
    /// A node of the second tree that the first does not have, before its entries.
    Node {
        /// Its name.
        hash: Hash,
        /// Its encoding.
        bytes: Bytes,
        /// The node of the first tree at the same place: what to compress against.
        near: Option<Hash>,
    },
    /// A key whose value differs; at least one of the two is there.
    Entry {
        /// The key.
        key: Bytes,
        /// Its value in the first tree.
        before: Option<Bytes>,
        /// Its value in the second tree.
        after: Option<Bytes>,
    },
}

/// What differs between two trees, in the order of the keys, read as it is asked for. Ends after
/// an error.
pub struct Diff<'s, M: Map, A: ReadEntries + ?Sized, B: ReadEntries + ?Sized> {
    stores: (&'s A, &'s B),
    a: Cursor,
    b: Cursor,
    /// Found and not handed out yet.
    found: VecDeque<Difference>,
    map: PhantomData<M>,
}

/// Compares the tree below `a` in one store with the tree below `b` in another (or the same).
pub fn diff<'s, M: Map, A: ReadEntries + ?Sized, B: ReadEntries + ?Sized>(
    store_a: &'s A,
    a: &Hash,
    store_b: &'s B,
    b: &Hash,
) -> Result<Diff<'s, M, A, B>> {
    let (a, b) = if a == b {
        (Cursor::end(), Cursor::end())
    } else {
        (Cursor::new::<M, A>(store_a, a)?, Cursor::new::<M, B>(store_b, b)?)
    };
    Ok(Diff { stores: (store_a, store_b), a, b, found: VecDeque::new(), map: PhantomData })
}

impl<M: Map, A: ReadEntries + ?Sized, B: ReadEntries + ?Sized> Diff<'_, M, A, B> {
    /// Passes over what has a key up to `after`: O(height) nodes of each tree are read. Must come
    /// before anything is taken.
    pub fn seek_after(&mut self, after: &[u8]) -> Result<()> {
        self.a.seek_after::<M, A>(self.stores.0, after)?;
        self.b.seek_after::<M, B>(self.stores.1, after)
    }
}

/// What to do next.
enum Step {
    Done,
    /// Both stand before the same node.
    PassBoth(Hash),
    OpenA(Hash),
    OpenB(Hash),
    /// Both stand before entries, or one of them at its end: which one's key is first.
    Take(Ordering),
}

impl<M: Map, A: ReadEntries + ?Sized, B: ReadEntries + ?Sized> Diff<'_, M, A, B> {
    fn step(&self) -> Step {
        match (self.a.head(), self.b.head()) {
            (Head::End, Head::End) => Step::Done,
            (
                Head::Node { child: a, level: a_level, .. },
                Head::Node { child: b, level: b_level, .. },
            ) => {
                if a.hash == b.hash {
                    Step::PassBoth(a.hash)
                } else if a_level >= b_level {
                    Step::OpenA(a.hash)
                } else {
                    Step::OpenB(b.hash)
                }
            }
            (Head::Node { child, .. }, _) => Step::OpenA(child.hash),
            (_, Head::Node { child, .. }) => Step::OpenB(child.hash),
            (Head::Entry { key: a, .. }, Head::Entry { key: b, .. }) => Step::Take(a.cmp(b)),
            (Head::Entry { .. }, Head::End) => Step::Take(Ordering::Less),
            (Head::End, Head::Entry { .. }) => Step::Take(Ordering::Greater),
        }
    }

    fn advance(&mut self) -> Result<Option<Difference>> {
        loop {
            if let Some(found) = self.found.pop_front() {
                return Ok(Some(found));
            }
            match self.step() {
                Step::Done => return Ok(None),
                Step::PassBoth(hash) => {
                    self.pass_both(&hash, self.a.frames.len(), self.b.frames.len())?;
                }
                Step::OpenA(hash) => match self.b.open_at_start(&hash) {
                    Some(depth) => self.pass_both(&hash, self.a.frames.len(), depth)?,
                    None => self.a.descend::<M, A>(self.stores.0)?,
                },
                Step::OpenB(hash) => match self.a.open_at_start(&hash) {
                    Some(depth) => self.pass_both(&hash, depth, self.b.frames.len())?,
                    None => self.b.descend::<M, B>(self.stores.1)?,
                },
                Step::Take(order) => self.take(order)?,
            }
        }
    }

    /// Passes over a node that both trees have: the open one of that frame, or the one that is next
    /// where there is no such frame.
    fn pass_both(&mut self, hash: &Hash, depth_a: usize, depth_b: usize) -> Result<()> {
        self.report(depth_b)?;
        // What the second tree says of the node must be what the first says. A root has nobody
        // that says anything of it, then its own entries do.
        let (said_b, level_b) = (self.b.claim(depth_b), level_of(&self.b, depth_b));
        let is_same = match (self.a.claim(depth_a), self.a.frames.get(depth_a)) {
            _ if said_b.is_none() => true,
            (Some(said_a), _) => said_b == Some(said_a),
            (None, Some(root)) => {
                let summary = root.node.summary::<M>()?;
                let child = Child { hash: *hash, summary };
                said_b == root.node.last_key().map(|key| (key, &child))
            }
            (None, None) => false,
        };
        if !is_same || level_b != level_of(&self.a, depth_a) {
            let what = format!("{} {hash}", M::KIND.name());
            let detail = "expected what the other tree says of the node, found another thing";
            return Err(Error::damaged(what, 0, detail));
        }
        if self.a.is_last(depth_a) && !self.b.is_last(depth_b) {
            verify::verify_ends::<M, A>(self.stores.0, hash)?;
        }
        self.a.pass_open(depth_a);
        self.b.pass_open(depth_b);
        Ok(())
    }

    /// Takes the entry whose key is first from its side, or equal keys from both.
    fn take(&mut self, order: Ordering) -> Result<()> {
        if order.is_ge() {
            self.report(usize::MAX)?;
        }
        let before = if order.is_le() { take_entry(&mut self.a) } else { None };
        let after = if order.is_ge() { take_entry(&mut self.b) } else { None };
        let (before_key, before) = before.unzip();
        let (after_key, after) = after.unzip();
        if before != after
            && let Some(key) = before_key.or(after_key)
        {
            self.found.push_back(Difference::Entry { key, before, after });
        }
        Ok(())
    }

    /// Proves and hands out the open nodes of the second tree, down to frame `depth`, that were not
    /// yet: they are about to be gone through, so the first tree does not have them.
    fn report(&mut self, depth: usize) -> Result<()> {
        for at in 0..depth.min(self.b.frames.len()) {
            if self.b.frames.get(at).is_none_or(|frame| frame.reported) {
                continue;
            }
            verify::verify_frame::<M>(&self.b, at)?;
            let Some(frame) = self.b.frames.get_mut(at) else { continue };
            frame.reported = true;
            let (level, near) = (frame.node.level(), &self.a.frames);
            let near = near.iter().rfind(|near| near.node.level() >= level).or(near.last());
            self.found.push_back(Difference::Node {
                hash: frame.hash,
                bytes: frame.node.bytes().clone(),
                near: near.map(|near| near.hash),
            });
        }
        Ok(())
    }
}

/// The level of the node of frame `depth`, or of the node that is next, as far as it was read or
/// its parent says.
fn level_of(cursor: &Cursor, depth: usize) -> Option<u8> {
    match cursor.frames.get(depth) {
        Some(frame) => Some(frame.node.level()),
        None => cursor.frames.last()?.node.level().checked_sub(1),
    }
}

/// Takes the entry that the cursor stands before.
fn take_entry(cursor: &mut Cursor) -> Option<(Bytes, Bytes)> {
    let Frame { node, index, .. } = cursor.frames.last()?;
    let entry = node.key_bytes(*index).zip(node.value_bytes(*index));
    cursor.advance();
    entry
}

impl<M: Map, A: ReadEntries + ?Sized, B: ReadEntries + ?Sized> Iterator for Diff<'_, M, A, B> {
    type Item = Result<Difference>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.advance();
        if next.is_err() {
            self.a = Cursor::end();
            self.b = Cursor::end();
            self.found.clear();
        }
        next.transpose()
    }
}
