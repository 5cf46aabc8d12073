//! One node: its encoding, and where it ends.
//!
//! A node is a level byte, then its entries up to the end, strictly ascending by key. An entry is
//! the length of the key (one byte), the key, and at level 0 the value with a varint length before
//! it; above, what is known of the child: hash, number of entries of the map, files, directories
//! and bytes below it, as varints.

#![deny(clippy::indexing_slicing)]

use std::fmt;
use std::ops::Range;

use bytes::Bytes;

use super::{Map, Summary, empty_root};
use crate::error::{Error, Result};
use crate::hash::{HASH_LEN, Hash};
use crate::limits::{NODE_LEN_MAX, TREE_HEIGHT_MAX, VALUE_LEN_MAX};
use crate::object::encoding::{Decoder, Encoder};
use crate::object::record::Totals;
use crate::store::ReadEntries;

/// The encoding of the only node without entries.
pub const EMPTY: [u8; 1] = [0];

/// A node never ends at less than this many bytes, unless it is the last of its level.
pub const NODE_LEN_MIN: usize = 1024;
/// A node always ends at this many bytes or more.
pub const NODE_LEN_SURE: usize = 32 * 1024;
/// How fast the chance of an end rises: 4 * 2^64 / L^4, where L = 4,519 makes nodes of 4 KiB on
/// average (a Weibull distribution of shape 4 has its mean at 0.9064 L).
const RISE: u128 = 176_924;

/// Longest key, in bytes.
pub const KEY_LEN_MAX: usize = 255;
// The last entry starts below NODE_LEN_SURE, so no node is larger than its maximum.
const _: () = assert!(NODE_LEN_SURE + 1 + KEY_LEN_MAX + 3 + VALUE_LEN_MAX <= NODE_LEN_MAX);

/// Whether a node of `level` ends after the entry of `key` that takes `len` bytes and ends at
/// byte `end` of the node.
///
/// Between [`NODE_LEN_MIN`] and [`NODE_LEN_SURE`] it does if the first eight bytes of BLAKE3 of
/// level and key, as a little-endian number, are below `RISE * len * end^3`: integers only, so
/// that it is the same everywhere. Rare for small nodes and all but certain for large ones, so
/// their sizes are close to one another; by the key, so that a new value moves no end as a rule.
/// The level goes into the hash so that an end below says nothing about an end above.
pub fn ends_after(level: u8, key: &[u8], len: usize, end: usize) -> bool {
    if end < NODE_LEN_MIN {
        return false;
    }
    if end >= NODE_LEN_SURE {
        return true;
    }
    let (len, end) = (len as u128, end as u128);
    let threshold = RISE * len * end * end * end;
    threshold > u128::from(u64::MAX) || u128::from(draw(level, key)) < threshold
}

/// A uniform number of level and key.
fn draw(level: u8, key: &[u8]) -> u64 {
    // One buffer instead of an incremental hasher: half the time for short input.
    let mut input = [0u8; 1 + KEY_LEN_MAX];
    let len = 1 + key.len().min(KEY_LEN_MAX);
    input.iter_mut().zip(std::iter::once(&level).chain(key)).for_each(|(to, from)| *to = *from);
    Hash::of(input.get(..len).unwrap_or(&input)).low_u64()
}

/// What a node knows of a child.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Child {
    /// Its name.
    pub hash: Hash,
    /// Counts of the entries below it.
    pub summary: Summary,
}

#[derive(Clone, Copy)]
struct Span {
    start: u32,
    end: u32,
}

impl Span {
    /// The `len` bytes before `end`. Nodes are short, so both fit.
    fn before(end: usize, len: usize) -> Span {
        let end = u32::try_from(end).unwrap_or(0);
        Span { start: end.saturating_sub(u32::try_from(len).unwrap_or(0)), end }
    }

    fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }
}

#[derive(Clone)]
enum Entries {
    Leaf(Vec<(Span, Span)>),
    Inner(Vec<(Span, Child)>),
}

/// A decoded node. Keys and values are its bytes, nothing is copied.
#[derive(Clone)]
pub struct Node {
    bytes: Bytes,
    level: u8,
    entries: Entries,
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Node(level {}, {} entries)", self.level, self.len())
    }
}

impl Node {
    /// The node with this encoding; `Damaged` for anything else. What only outside bytes can get
    /// wrong is for [`verify_node`](super::verify_node).
    pub fn decode<M: Map>(bytes: Bytes) -> Result<Node> {
        let mut decoder = Decoder::new(M::KIND.name(), &bytes);
        if bytes.len() > NODE_LEN_MAX {
            let found = bytes.len();
            return Err(decoder
                .error(format!("expected a node of {NODE_LEN_MAX} bytes at most, found {found}")));
        }
        let level = decoder.u8()?;
        if usize::from(level) >= TREE_HEIGHT_MAX {
            return Err(decoder.newer(format!("trees of level {level}")));
        }
        let entries = if level == 0 {
            Entries::Leaf(decode_leaf(&mut decoder)?)
        } else {
            Entries::Inner(decode_inner(&mut decoder)?)
        };
        Ok(Node { bytes, level, entries })
    }

    /// The node named `hash` as the root of a map. The empty root is known without a store.
    pub fn read_root<M: Map, S: ReadEntries + ?Sized>(store: &S, hash: &Hash) -> Result<Node> {
        if *hash == empty_root(M::KIND) {
            let entries = Entries::Leaf(Vec::new());
            return Ok(Node { bytes: Bytes::from_static(&EMPTY), level: 0, entries });
        }
        Node::read::<M, S>(store, hash)
    }

    fn read<M: Map, S: ReadEntries + ?Sized>(store: &S, hash: &Hash) -> Result<Node> {
        Node::decode::<M>(store.read(M::KIND, hash)?).map_err(|error| name_it::<M>(error, hash))
    }

    /// The child of entry `index`, which must be one level lower and end with the entry's key.
    pub fn read_child<M: Map, S: ReadEntries + ?Sized>(
        &self,
        store: &S,
        index: usize,
    ) -> Result<Node> {
        let Some(child) = self.child(index) else {
            let detail = format!("expected a child {index}, found {} entries", self.len());
            return Err(Error::damaged(M::KIND.name(), 0, detail));
        };
        let node = Node::read::<M, S>(store, &child.hash)?;
        let damaged = |detail: String| {
            Err(Error::damaged(format!("{} {}", M::KIND.name(), child.hash), 0, detail))
        };
        if node.level.checked_add(1) != Some(self.level) {
            return damaged(format!(
                "expected a node below level {}, found {}",
                self.level, node.level
            ));
        }
        if node.last_key() != self.key(index) {
            return damaged("expected the last key that its parent says, found another".to_owned());
        }
        Ok(node)
    }

    /// The encoding.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The level: 0 holds the values.
    pub fn level(&self) -> u8 {
        self.level
    }

    /// Number of entries of the node itself.
    pub fn len(&self) -> usize {
        match &self.entries {
            Entries::Leaf(entries) => entries.len(),
            Entries::Inner(entries) => entries.len(),
        }
    }

    /// True for the node of the map without entries.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The key of an entry; above level 0 the last key below the child.
    pub fn key(&self, index: usize) -> Option<&[u8]> {
        self.bytes.get(self.key_span(index)?.range())
    }

    /// As [`Node::key`], sharing the node's bytes.
    pub fn key_bytes(&self, index: usize) -> Option<Bytes> {
        Some(self.bytes.slice(self.key_span(index)?.range()))
    }

    /// The last key of the node, and so of all below it.
    pub fn last_key(&self) -> Option<&[u8]> {
        self.key(self.len().checked_sub(1)?)
    }

    /// The value of an entry of level 0.
    pub fn value(&self, index: usize) -> Option<&[u8]> {
        self.bytes.get(self.value_span(index)?.range())
    }

    /// As [`Node::value`], sharing the node's bytes.
    pub fn value_bytes(&self, index: usize) -> Option<Bytes> {
        Some(self.bytes.slice(self.value_span(index)?.range()))
    }

    /// The child of an entry above level 0.
    pub fn child(&self, index: usize) -> Option<&Child> {
        match &self.entries {
            Entries::Leaf(_) => None,
            Entries::Inner(entries) => entries.get(index).map(|(_, child)| child),
        }
    }

    /// The children in order; none at level 0.
    pub fn children(&self) -> impl Iterator<Item = &Child> {
        (0..self.len()).map_while(|index| self.child(index))
    }

    /// The keys and values in order; none above level 0.
    pub fn values(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        (0..self.len()).map_while(|index| Some((self.key(index)?, self.value(index)?)))
    }

    /// Counts of all below the node, from its own entries.
    pub fn summary<M: Map>(&self) -> Result<Summary> {
        match &self.entries {
            Entries::Inner(entries) => entries
                .iter()
                .try_fold(Summary::default(), |sum, (_, child)| sum.plus(child.summary)),
            Entries::Leaf(_) => self.values().try_fold(Summary::default(), |sum, (_, value)| {
                sum.plus(Summary { entries: 1, totals: M::totals(value)? })
            }),
        }
    }

    /// The first entry whose key is not below `key`; [`Node::len`] if there is none.
    pub(super) fn lower_bound(&self, key: &[u8]) -> usize {
        self.partition_point(|found| found < key)
    }

    /// The first entry whose key is above `key`; [`Node::len`] if there is none.
    pub(super) fn upper_bound(&self, key: &[u8]) -> usize {
        self.partition_point(|found| found <= key)
    }

    fn partition_point(&self, before: impl Fn(&[u8]) -> bool) -> usize {
        let is_before = |span: Span| self.bytes.get(span.range()).is_some_and(&before);
        match &self.entries {
            Entries::Leaf(entries) => entries.partition_point(|(key, _)| is_before(*key)),
            Entries::Inner(entries) => entries.partition_point(|(key, _)| is_before(*key)),
        }
    }

    /// Where the encoding of an entry ends, in bytes from the start of the node.
    pub(super) fn entry_end(&self, index: usize) -> usize {
        // An entry starts with the length of its key, one byte.
        let next = index.checked_add(1).and_then(|next| self.key_span(next));
        next.map_or(self.bytes.len(), |key| (key.start as usize).saturating_sub(1))
    }

    fn key_span(&self, index: usize) -> Option<Span> {
        match &self.entries {
            Entries::Leaf(entries) => entries.get(index).map(|(key, _)| *key),
            Entries::Inner(entries) => entries.get(index).map(|(key, _)| *key),
        }
    }

    fn value_span(&self, index: usize) -> Option<Span> {
        match &self.entries {
            Entries::Leaf(entries) => entries.get(index).map(|(_, value)| *value),
            Entries::Inner(_) => None,
        }
    }
}

/// Names the node in an error of its encoding.
pub(super) fn name_it<M: Map>(error: Error, hash: &Hash) -> Error {
    match error {
        Error::Damaged { what, offset, detail } if what == M::KIND.name() => {
            Error::Damaged { what: format!("{what} {hash}"), offset, detail }
        }
        Error::Newer { what, needs } if what == M::KIND.name() => {
            Error::Newer { what: format!("{what} {hash}"), needs }
        }
        other => other,
    }
}

/// Reads a key that must be above `previous`.
fn decode_key<'a>(decoder: &mut Decoder<'a>, previous: &mut &'a [u8]) -> Result<Span> {
    let len = usize::from(decoder.u8()?);
    let key = decoder.raw(len)?;
    // The first one is above the empty key, so none is empty.
    if key <= *previous {
        return Err(decoder.error("expected a key above the one before, found one that is not"));
    }
    *previous = key;
    Ok(Span::before(decoder.offset(), len))
}

fn decode_leaf(decoder: &mut Decoder) -> Result<Vec<(Span, Span)>> {
    // A guess for directories; entries are three bytes at least, so it is no more than a third.
    let mut entries = Vec::with_capacity(decoder.remaining() / 64);
    let mut previous: &[u8] = &[];
    while !decoder.is_empty() {
        let key = decode_key(decoder, &mut previous)?;
        let value = decoder.bytes_in("a value's length", 0, VALUE_LEN_MAX)?;
        entries.push((key, Span::before(decoder.offset(), value.len())));
    }
    Ok(entries)
}

fn decode_inner(decoder: &mut Decoder) -> Result<Vec<(Span, Child)>> {
    let mut entries = Vec::with_capacity(decoder.remaining() / (HASH_LEN + 6));
    let mut previous: &[u8] = &[];
    loop {
        let key = decode_key(decoder, &mut previous)?;
        let hash = decoder.hash()?;
        let count = decoder.varint_in("a number of entries", 1, u64::MAX)?;
        let totals = Totals {
            files: decoder.varint()?,
            directories: decoder.varint()?,
            bytes: decoder.varint()?,
        };
        entries.push((key, Child { hash, summary: Summary { entries: count, totals } }));
        if decoder.is_empty() {
            return Ok(entries);
        }
    }
}

/// Appends an entry of level 0.
pub(super) fn encode_value(key: &[u8], value: &[u8], out: &mut Vec<u8>) -> Result<()> {
    if value.len() > VALUE_LEN_MAX {
        let (what, found) = ("length of a value".to_owned(), value.len() as u64);
        return Err(Error::Limit { what, limit: VALUE_LEN_MAX as u64, found });
    }
    encode_key(key, out)?;
    Encoder::new(out).bytes(value);
    Ok(())
}

/// Appends an entry above level 0.
pub(super) fn encode_child(key: &[u8], child: &Child, out: &mut Vec<u8>) -> Result<()> {
    encode_key(key, out)?;
    let mut encoder = Encoder::new(out);
    encoder.hash(&child.hash);
    encoder.varint(child.summary.entries);
    encoder.varint(child.summary.totals.files);
    encoder.varint(child.summary.totals.directories);
    encoder.varint(child.summary.totals.bytes);
    Ok(())
}

fn encode_key(key: &[u8], out: &mut Vec<u8>) -> Result<()> {
    match u8::try_from(key.len()) {
        Ok(len @ 1..) => {
            out.push(len);
            out.extend_from_slice(key);
            Ok(())
        }
        _ => Err(Error::invalid(format!(
            "a key has {} bytes, expected 1 to {KEY_LEN_MAX}",
            key.len()
        ))),
    }
}
