//! What becomes one delta.

use bytes::Bytes;

use crate::hash::{Hash, Kind};

/// A directory node and the one whose place it takes.
pub(super) struct DeltaNode {
    pub(super) hash: Hash,
    pub(super) bytes: Bytes,
    pub(super) near: Hash,
}

/// New entries of one file, and what they are compressed against.
pub(super) struct Piece {
    pub(super) kind: Kind,
    pub(super) references: Vec<Hash>,
    pub(super) entries: Vec<(Hash, u64)>,
    /// Bytes of the references.
    pub(super) prefix_len: u64,
    /// Bytes of the entries.
    pub(super) raw_len: u64,
}

impl Piece {
    pub(super) fn new(kind: Kind) -> Self {
        let (references, entries) = (Vec::new(), Vec::new());
        Piece { kind, references, entries, prefix_len: 0, raw_len: 0 }
    }

    pub(super) fn refer(&mut self, hash: Hash, len: u64) {
        self.references.push(hash);
        self.prefix_len += len;
    }

    pub(super) fn add(&mut self, hash: Hash, len: u64) {
        self.entries.push((hash, len));
        self.raw_len += len;
    }
}

/// What becomes one delta.
#[derive(Default)]
pub(super) struct DeltaGroup {
    /// Nodes of the base in which the names of references stand.
    pub(super) context: Vec<Hash>,
    pub(super) nodes: Vec<DeltaNode>,
    pub(super) nodes_len: usize,
    pub(super) pieces: Vec<Piece>,
    /// Bytes of the pieces' entries.
    pub(super) raw_len: u64,
    /// Bytes of everything that is referred to.
    pub(super) prefix_len: u64,
}

impl DeltaGroup {
    pub(super) fn push_node(&mut self, node: DeltaNode) {
        if !self.context.contains(&node.near) {
            self.context.push(node.near);
        }
        self.prefix_len += node.bytes.len() as u64;
        self.nodes_len += node.bytes.len();
        self.nodes.push(node);
    }

    /// What the second half of the pieces refers to, the last first.
    pub(super) fn last_references(&self) -> Vec<(Kind, Hash)> {
        let half = self.pieces.iter().skip(self.pieces.len().div_ceil(2)).rev();
        half.flat_map(|piece| piece.references.iter().rev().map(|hash| (piece.kind, *hash)))
            .collect()
    }

    pub(super) fn push_piece(&mut self, piece: Piece) {
        self.raw_len += piece.raw_len;
        self.prefix_len += piece.prefix_len;
        self.pieces.push(piece);
    }
}
