//! What takes the space of a database.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::versions::Snapshot;

/// What takes space is to be measured.
#[derive(Clone, Default, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Measure {}

/// Some of the entries.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Amount {
    /// How many.
    pub entries: u64,
    /// Their bytes before compression.
    pub raw_bytes: u64,
    /// Bytes of the file that account for them.
    pub stored_bytes: u64,
}

/// Entries of one kind.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct KindAmount {
    /// The kind.
    pub kind: String,
    /// How many, and their bytes.
    #[serde(flatten)]
    pub amount: Amount,
}

/// What a snapshot alone holds.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct SnapshotAmount {
    /// The snapshot.
    #[serde(flatten)]
    pub snapshot: Snapshot,
    /// What would be free without it.
    pub alone: Amount,
}

/// What takes the space of a database.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Space {
    /// Bytes of the file.
    pub file_bytes: u64,
    /// What it takes on the disk.
    pub allocated_bytes: u64,
    /// Entries that something reaches.
    pub live: Amount,
    /// Entries that nothing reaches, which the next collection makes voids of.
    pub dead: Amount,
    /// Bytes of voids.
    pub void_bytes: u64,
    /// Those that still take space, which the next collection releases.
    pub releasable_bytes: u64,
    /// What lives, by kind.
    pub kinds: Vec<KindAmount>,
    /// What each snapshot alone holds.
    pub snapshots: Vec<SnapshotAmount>,
}
