//! Comparing two trees: equal subtrees are passed over wherever they meet.

use std::marker::PhantomData;

use bytes::Bytes;

use crate::error::{Error, Result};
use crate::hash::Hash;
use crate::object::tree::node::{self, Child, Node};
use crate::object::tree::{Map, empty_root};
use crate::store::ReadEntries;

/// One thing that differs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Difference {
    /// A node of the second tree that the first does not have at this place, before its entries.
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

/// What differs between two trees, in the order of the keys, read as it is asked for. Nodes of the
/// second tree are held against the canonical split and their counts. Ends after an error.
pub struct Diff<'s, M: Map, A: ReadEntries + ?Sized, B: ReadEntries + ?Sized> {
    stores: (&'s A, &'s B),
    sides: (Side, Side),
    /// The root of the second tree, until it was given out.
    root: Option<Difference>,
    map: PhantomData<M>,
}

/// The open nodes of one tree from the root down: the node, its name, the next entry, and whether
/// it is the last of its level.
#[derive(Default)]
struct Side(Vec<(Node, Hash, usize, bool)>);

enum Next {
    Child(u8, Child),
    Entry,
    End,
}

impl Side {
    fn next(&mut self) -> Result<Next> {
        while let Some((node, _, index, _)) = self.0.last() {
            if *index >= node.len() {
                self.0.pop();
            } else if node.level == 0 {
                return Ok(Next::Entry);
            } else {
                return Ok(Next::Child(node.level - 1, node.child(*index)?));
            }
        }
        Ok(Next::End)
    }

    fn pass(&mut self) {
        if let Some((_, _, index, _)) = self.0.last_mut() {
            *index += 1;
        }
    }

    fn entry(&self) -> Option<(&[u8], &[u8])> {
        self.0.last().map(|(node, _, index, _)| (node.key(*index), node.value(*index)))
    }

    fn take(&mut self) -> (Bytes, Bytes) {
        match self.0.last_mut() {
            Some((node, _, index, _)) => {
                let entry = (node.key_bytes(*index), node.value_bytes(*index));
                *index += 1;
                entry
            }
            None => (Bytes::new(), Bytes::new()),
        }
    }

    /// Opens the child that is next.
    fn open<M: Map, S: ReadEntries + ?Sized>(&mut self, store: &S) -> Result<Option<&Node>> {
        let Some((node, _, index, last)) = self.0.last_mut() else { return Ok(None) };
        let (child, below) = node::read_child::<M, S>(store, node, *index)?;
        let last = *last && *index + 1 == node.len();
        *index += 1;
        self.0.push((below, child.hash, 0, last));
        Ok(self.0.last().map(|(node, ..)| node))
    }
}

/// Compares the tree below `a` in one store with the tree below `b` in another (or the same).
pub fn diff<'s, M: Map, A: ReadEntries + ?Sized, B: ReadEntries + ?Sized>(
    store_a: &'s A,
    a: &Hash,
    store_b: &'s B,
    b: &Hash,
) -> Result<Diff<'s, M, A, B>> {
    let mut diff = Diff {
        stores: (store_a, store_b),
        sides: (Side::default(), Side::default()),
        root: None,
        map: PhantomData,
    };
    if a == b {
        return Ok(diff);
    }
    let empty = empty_root(M::KIND);
    let root = node::read::<M, A>(store_a, a)?;
    diff.sides.0.0.push((root, *a, 0, true));
    let root = node::read::<M, B>(store_b, b)?;
    if root.level > 0 && root.len() < 2 {
        let what = format!("{} {b}", M::KIND.name());
        return Err(Error::damaged(what, 0, "a root with a single child"));
    }
    verify::<M>(&root, b, None, true)?;
    if *b != empty {
        let near = (*a != empty).then_some(*a);
        diff.root = Some(Difference::Node { hash: *b, bytes: root.bytes.clone(), near });
    }
    diff.sides.1.0.push((root, *b, 0, true));
    Ok(diff)
}

fn verify<M: Map>(node: &Node, hash: &Hash, child: Option<&Child>, last: bool) -> Result<()> {
    node::verify::<M>(node, child.map(|child| &child.summary), last).map_err(|error| match error {
        Error::Damaged { what, offset, detail } if what == "tree node" => {
            Error::Damaged { what: format!("{} {hash}", M::KIND.name()), offset, detail }
        }
        other => other,
    })
}

impl<M: Map, A: ReadEntries + ?Sized, B: ReadEntries + ?Sized> Diff<'_, M, A, B> {
    /// Opens the next child of the second tree, and gives it out.
    fn open_second(&mut self, child: &Child, near: Option<Hash>) -> Result<Difference> {
        self.sides.1.open::<M, B>(self.stores.1)?;
        let Some((node, hash, _, last)) = self.sides.1.0.last() else {
            return Err(Error::damaged("tree node", 0, "a node without a parent"));
        };
        verify::<M>(node, hash, Some(child), *last)?;
        Ok(Difference::Node { hash: *hash, bytes: node.bytes.clone(), near })
    }

    fn step(&mut self) -> Result<Option<Difference>> {
        if let Some(root) = self.root.take() {
            return Ok(Some(root));
        }
        loop {
            let (first, second) = (self.sides.0.next()?, self.sides.1.next()?);
            match (first, second) {
                (Next::Child(level_a, a), Next::Child(level_b, b)) => {
                    if a.hash == b.hash {
                        self.sides.0.pass();
                        self.sides.1.pass();
                    } else if level_a > level_b {
                        self.sides.0.open::<M, A>(self.stores.0)?;
                    } else if level_a < level_b {
                        return self.open_second(&b, None).map(Some);
                    } else {
                        self.sides.0.open::<M, A>(self.stores.0)?;
                        return self.open_second(&b, Some(a.hash)).map(Some);
                    }
                }
                (Next::Child(..), _) => {
                    self.sides.0.open::<M, A>(self.stores.0)?;
                }
                (_, Next::Child(_, b)) => {
                    let near = self.sides.0.0.last().map(|(_, hash, ..)| *hash);
                    let near = near.filter(|near| *near != empty_root(M::KIND));
                    return self.open_second(&b, near).map(Some);
                }
                (Next::End, Next::End) => return Ok(None),
                (Next::Entry, Next::End) => return Ok(Some(self.only_first())),
                (Next::End, Next::Entry) => return Ok(Some(self.only_second())),
                (Next::Entry, Next::Entry) => {
                    let (Some(a), Some(b)) = (self.sides.0.entry(), self.sides.1.entry()) else {
                        return Ok(None);
                    };
                    match a.0.cmp(b.0) {
                        std::cmp::Ordering::Less => return Ok(Some(self.only_first())),
                        std::cmp::Ordering::Greater => return Ok(Some(self.only_second())),
                        std::cmp::Ordering::Equal if a.1 == b.1 => {
                            self.sides.0.pass();
                            self.sides.1.pass();
                        }
                        std::cmp::Ordering::Equal => {
                            let (_, before) = self.sides.0.take();
                            let (key, after) = self.sides.1.take();
                            let (before, after) = (Some(before), Some(after));
                            return Ok(Some(Difference::Entry { key, before, after }));
                        }
                    }
                }
            }
        }
    }

    fn only_first(&mut self) -> Difference {
        let (key, before) = self.sides.0.take();
        Difference::Entry { key, before: Some(before), after: None }
    }

    fn only_second(&mut self) -> Difference {
        let (key, after) = self.sides.1.take();
        Difference::Entry { key, before: None, after: Some(after) }
    }
}

impl<M: Map, A: ReadEntries + ?Sized, B: ReadEntries + ?Sized> Iterator for Diff<'_, M, A, B> {
    type Item = Result<Difference>;

    fn next(&mut self) -> Option<Self::Item> {
        let step = self.step();
        if step.is_err() {
            self.sides = (Side::default(), Side::default());
        }
        step.transpose()
    }
}
