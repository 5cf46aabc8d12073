//! Nodes: one encoding for all levels. A level-0 node holds the map's keys and values; a node
//! above holds, for each child, the child's last key and a [`Child`] as value.
//!
//! Encoding: level (one byte), number of entries (varint), then for each entry the key and the
//! value with their lengths before them (varints).

use bytes::Bytes;

use crate::error::{Error, Result};
use crate::hash::{Hash, Kind};
use crate::limits::{NODE_LEN_MAX, TREE_HEIGHT_MAX, VALUE_LEN_MAX};
use crate::object::encoding::{Decoder, Encoder, VARINT_LEN_MAX};
use crate::object::record::Totals;
use crate::object::tree::{Map, Summary, empty_root};
use crate::store::ReadEntries;

/// Longest key, in bytes.
pub const KEY_LEN_MAX: usize = 255;
/// Most bytes of a node's entries: its level and count take the rest.
pub(super) const ENTRIES_LEN_MAX: usize = NODE_LEN_MAX - 1 - VARINT_LEN_MAX;

/// A decoded node. Entries borrow from its bytes.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub level: u8,
    pub bytes: Bytes,
    entries: Vec<Slot>,
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    key: (u32, u32),
    value: (u32, u32),
}

/// What a node above level 0 knows of a child.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Child {
    pub hash: Hash,
    pub summary: Summary,
}

impl Child {
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(48);
        let mut encoder = Encoder::new(&mut out);
        encoder.hash(&self.hash);
        encoder.varint(self.summary.entries);
        encoder.varint(self.summary.totals.files);
        encoder.varint(self.summary.totals.directories);
        encoder.varint(self.summary.totals.bytes);
        out
    }

    pub fn decode(bytes: &[u8]) -> Result<Child> {
        let mut decoder = Decoder::new("tree node", bytes);
        let hash = decoder.hash()?;
        let entries = decoder.varint()?;
        let totals = Totals {
            files: decoder.varint()?,
            directories: decoder.varint()?,
            bytes: decoder.varint()?,
        };
        decoder.finish()?;
        Ok(Child { hash, summary: Summary { entries, totals } })
    }
}

impl Node {
    pub fn empty() -> Node {
        Node { level: 0, bytes: Bytes::from_static(&[0, 0]), entries: Vec::new() }
    }

    pub fn decode(bytes: Bytes) -> Result<Node> {
        let mut decoder = Decoder::new("tree node", &bytes);
        if bytes.len() > NODE_LEN_MAX {
            let detail = format!("a node of {} bytes, the limit is {NODE_LEN_MAX}", bytes.len());
            return Err(decoder.error(detail));
        }
        let level = decoder.u8()?;
        if usize::from(level) >= TREE_HEIGHT_MAX {
            return Err(
                decoder.error(format!("expected a level below {TREE_HEIGHT_MAX}, found {level}"))
            );
        }
        // An entry takes three bytes at least, so the count is bounded by the node's length.
        let count = decoder.varint_in("a number of entries", 1, bytes.len() as u64 / 3)?;
        let mut entries: Vec<Slot> = Vec::with_capacity(usize::try_from(count).unwrap_or(0));
        let mut last: &[u8] = &[];
        let at = |decoder: &Decoder, part: &[u8]| -> (u32, u32) {
            let end = u32::try_from(decoder.offset()).unwrap_or(u32::MAX);
            (end.saturating_sub(u32::try_from(part.len()).unwrap_or(u32::MAX)), end)
        };
        for _ in 0..count {
            let key = decoder.bytes_in("a key", 1, KEY_LEN_MAX)?;
            if key <= last {
                return Err(decoder.error("expected keys in ascending order"));
            }
            last = key;
            let key = at(&decoder, key);
            let value = decoder.bytes_in("a value", 0, VALUE_LEN_MAX)?;
            let value = at(&decoder, value);
            entries.push(Slot { key, value });
        }
        decoder.finish()?;
        Ok(Node { level, bytes, entries })
    }

    pub fn len(&self) -> usize {
        self.entries.len()
    }

    fn part(&self, (start, end): (u32, u32)) -> &[u8] {
        self.bytes.get(start as usize..end as usize).unwrap_or_default()
    }

    pub fn key(&self, index: usize) -> &[u8] {
        self.entries.get(index).map(|slot| self.part(slot.key)).unwrap_or_default()
    }

    pub fn value(&self, index: usize) -> &[u8] {
        self.entries.get(index).map(|slot| self.part(slot.value)).unwrap_or_default()
    }

    pub fn key_bytes(&self, index: usize) -> Bytes {
        self.bytes.slice_ref(self.key(index))
    }

    pub fn value_bytes(&self, index: usize) -> Bytes {
        self.bytes.slice_ref(self.value(index))
    }

    pub fn child(&self, index: usize) -> Result<Child> {
        Child::decode(self.value(index))
    }

    /// Index of the first entry whose key is `key` or above.
    pub fn lower_bound(&self, key: &[u8]) -> usize {
        self.entries.partition_point(|slot| self.part(slot.key) < key)
    }

    /// The sums over the entries.
    pub fn summary<M: Map>(&self) -> Result<Summary> {
        let mut summary = Summary::default();
        for index in 0..self.len() {
            let part = if self.level == 0 {
                Summary { entries: 1, totals: M::totals(self.value(index))? }
            } else {
                self.child(index)?.summary
            };
            summary = summary.checked_add(part)?;
        }
        Ok(summary)
    }
}

impl Summary {
    pub(super) fn checked_add(self, other: Summary) -> Result<Summary> {
        let sum =
            self.entries.checked_add(other.entries).zip(self.totals.checked_add(other.totals));
        let (entries, totals) =
            sum.ok_or_else(|| Error::damaged("tree node", 0, "counts beyond what can be counted"))?;
        Ok(Summary { entries, totals })
    }
}

/// Reads a node; the empty root is known without a store.
pub(super) fn read<M: Map, S: ReadEntries + ?Sized>(store: &S, hash: &Hash) -> Result<Node> {
    if *hash == empty_root(M::KIND) {
        return Ok(Node::empty());
    }
    let located = |error| match error {
        Error::Damaged { what, offset, detail } if what == "tree node" => {
            Error::Damaged { what: format!("{} {hash}", M::KIND.name()), offset, detail }
        }
        other => other,
    };
    Node::decode(store.read(M::KIND, hash)?).map_err(located)
}

/// Reads a child, which stands one level below its parent.
pub(super) fn read_child<M: Map, S: ReadEntries + ?Sized>(
    store: &S,
    parent: &Node,
    index: usize,
) -> Result<(Child, Node)> {
    let child = parent.child(index)?;
    let node = read::<M, S>(store, &child.hash)?;
    let sound = node.len() > 0
        && Some(node.level) == parent.level.checked_sub(1)
        && node.key(node.len() - 1) == parent.key(index);
    if !sound {
        let what = format!("{} {}", M::KIND.name(), child.hash);
        return Err(Error::damaged(what, 0, "a node that does not fit below its parent"));
    }
    Ok((child, node))
}

/// The encoding of a node with these encoded entries.
pub(super) fn encode(level: u8, count: usize, entries: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(entries.len() + 11);
    let mut encoder = Encoder::new(&mut out);
    encoder.u8(level);
    encoder.varint(count as u64);
    encoder.raw(entries);
    out
}

/// Whether a node of `level` ends after the entry `key`, whose encoding takes the bytes from
/// `start` to `end` of the node's entries. The chance grows with the bytes since the start: none
/// below 1 KiB, then 1 in 4096 for each byte, from 4 KiB on 1 in 1024, from 8 KiB on 1 in 512.
pub(super) fn ends_after(level: u8, key: &[u8], start: usize, end: usize) -> bool {
    const STEPS: [(usize, usize, u64); 3] = [
        (1024, 4096, u64::MAX / 4096),
        (4096, 8192, u64::MAX / 1024),
        (8192, usize::MAX, u64::MAX / 512),
    ];
    let threshold = STEPS.iter().fold(0u64, |sum, (from, to, chance)| {
        let bytes = end.min(*to).saturating_sub(start.max(*from)) as u64;
        sum.saturating_add(bytes.saturating_mul(*chance))
    });
    threshold > 0 && decision(level, key) < threshold
}

fn decision(level: u8, key: &[u8]) -> u64 {
    let mut input = [0u8; KEY_LEN_MAX + 1];
    let len = key.len().min(KEY_LEN_MAX) + 1;
    if let Some((first, rest)) = input.split_first_mut() {
        *first = level;
        for (to, from) in rest.iter_mut().zip(key) {
            *to = *from;
        }
    }
    Hash::of(input.get(..len).unwrap_or_default()).low_u64()
}

/// Bytes that an entry takes.
pub(super) fn entry_len(key: &[u8], value: &[u8]) -> usize {
    let varint = |len: usize| {
        if len < 128 {
            1
        } else if len < 16_384 {
            2
        } else {
            3
        }
    };
    varint(key.len()) + key.len() + varint(value.len()) + value.len()
}

/// Refuses a node that the builder would have split elsewhere, or that does not have the counts
/// that its parent says. `last`: it is the last of its level.
pub(super) fn verify<M: Map>(node: &Node, counts: Option<&Summary>, last: bool) -> Result<()> {
    let bad = |detail: &str| Err(Error::damaged("tree node", 0, detail));
    let mut at = 0;
    for index in 0..node.len() {
        let (key, value) = (node.key(index), node.value(index));
        if node.level == 0 {
            M::check(key, value)?;
        }
        let end = at + entry_len(key, value);
        let is_last = index + 1 == node.len();
        let ends = ends_after(node.level, key, at, end);
        if ends && !is_last {
            return bad("a node that does not end where its content says");
        }
        // A node may end elsewhere where the next entry would not have fitted.
        if is_last && !last && !ends && end + VALUE_LEN_MAX + KEY_LEN_MAX + 6 <= ENTRIES_LEN_MAX {
            return bad("a node that ends before its content says");
        }
        at = end;
    }
    if counts.is_some_and(|counts| node.summary::<M>().ok() != Some(*counts)) {
        return bad("a node that does not have the counts that its parent says");
    }
    Ok(())
}

/// The constant roots of maps without entries.
pub(super) fn empty_hash(kind: Kind) -> Hash {
    kind.hash(&[0, 0])
}

/// The child of the only entry that was encoded.
pub(super) fn decode_entry(entries: &[u8]) -> Result<Child> {
    let mut decoder = Decoder::new("tree node", entries);
    decoder.bytes_in("a key", 1, KEY_LEN_MAX)?;
    Child::decode(decoder.bytes_in("a value", 0, VALUE_LEN_MAX)?)
}

impl Node {
    /// Whether the split after the last entry is one that its content asks for.
    pub fn ends_by_content(&self) -> bool {
        let mut at = 0;
        for index in 0..self.len() {
            let (key, value) = (self.key(index), self.value(index));
            let end = at + entry_len(key, value);
            if index + 1 == self.len() {
                return ends_after(self.level, key, at, end);
            }
            at = end;
        }
        false
    }
}
