//! What takes space, and what parity made and healed.

use aeordb::{parity, space as measured};

use crate::command::{HealedPieces, Parity};
use crate::space::{Amount, KindAmount, SnapshotAmount, Space};

impl From<&measured::Amount> for Amount {
    fn from(amount: &measured::Amount) -> Self {
        let measured::Amount { entries, raw_bytes, stored_bytes } = *amount;
        Amount { entries, raw_bytes, stored_bytes }
    }
}

impl From<&measured::SpaceReport> for Space {
    fn from(space: &measured::SpaceReport) -> Self {
        let kinds = space
            .kinds
            .iter()
            .map(|(kind, amount)| KindAmount { kind: kind.name().into(), amount: amount.into() });
        let snapshots = space.snapshots.iter().map(|(snapshot, alone)| SnapshotAmount {
            snapshot: snapshot.into(),
            alone: alone.into(),
        });
        Space {
            file_bytes: space.file_bytes,
            allocated_bytes: space.allocated_bytes,
            live: (&space.live).into(),
            dead: (&space.dead).into(),
            void_bytes: space.void_bytes,
            releasable_bytes: space.releasable_bytes,
            kinds: kinds.collect(),
            snapshots: snapshots.collect(),
        }
    }
}

impl Parity {
    /// What was made, in `file`.
    pub fn new(report: &parity::ParityReport, file: &str, share: &str) -> Self {
        Parity {
            file: file.into(),
            share: share.into(),
            bytes: report.bytes,
            pieces: report.pieces,
            piece_bytes: report.piece_bytes,
            parity_pieces: report.parity_pieces,
            file_bytes: report.file_bytes,
        }
    }
}

impl From<&parity::HealReport> for HealedPieces {
    fn from(healed: &parity::HealReport) -> Self {
        let parity::HealReport { pieces, bad, healed, bad_parity, is_whole } = *healed;
        HealedPieces { pieces, bad, healed, bad_parity, is_whole }
    }
}
