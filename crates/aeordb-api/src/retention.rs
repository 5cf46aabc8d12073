//! Which snapshots stay.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::versions::Snapshot;

fn is_zero(count: &i64) -> bool {
    *count == 0
}

/// Rules, and which snapshots they are for. A count of -1 has no end.
#[derive(Clone, Default, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// Only snapshots whose name fits this pattern.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Only snapshots with this metadata.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
    /// Groups that are judged by themselves: `prefix`, which is a name up to its last slash, or keys
    /// of metadata.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub group_by: Vec<String>,
    /// So many of the newest stay.
    #[serde(default, skip_serializing_if = "is_zero")]
    #[schemars(range(min = -1))]
    pub last: i64,
    /// The newest of so many hours that have any.
    #[serde(default, skip_serializing_if = "is_zero")]
    #[schemars(range(min = -1))]
    pub hourly: i64,
    /// The same of days.
    #[serde(default, skip_serializing_if = "is_zero")]
    #[schemars(range(min = -1))]
    pub daily: i64,
    /// The same of weeks.
    #[serde(default, skip_serializing_if = "is_zero")]
    #[schemars(range(min = -1))]
    pub weekly: i64,
    /// The same of months.
    #[serde(default, skip_serializing_if = "is_zero")]
    #[schemars(range(min = -1))]
    pub monthly: i64,
    /// The same of years.
    #[serde(default, skip_serializing_if = "is_zero")]
    #[schemars(range(min = -1))]
    pub yearly: i64,
    /// All that are no older than this, as in `30d`, seen from the newest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub within: Option<String>,
}

/// The policies of a database, by the pattern of names.
#[derive(Clone, Default, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Policies {
    /// Each of them.
    pub items: Vec<Policy>,
}

/// Snapshots to judge.
#[derive(Clone, Default, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Keep {
    /// By what; by the policies of the database.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<Policy>,
    /// Only say what would go.
    #[serde(default)]
    pub dry_run: bool,
}

/// What became of the snapshots that the rules are for, or would.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Kept {
    /// True if nothing was changed.
    pub dry_run: bool,
    /// How many stay.
    pub stay: u64,
    /// How many go.
    pub go: u64,
    /// Each of them, by name.
    pub judged: Vec<Judged>,
}

/// What became of a snapshot.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Judged {
    /// Why it stays; it goes if there is no reason.
    pub reasons: Vec<String>,
    /// The snapshot.
    #[serde(flatten)]
    pub snapshot: Snapshot,
}
