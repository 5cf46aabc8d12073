//! Versions: their names, the history of HEAD, and what changed between two of them.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::item::Item;
use crate::{BadName, Digest, Name, Pages, Time};

/// A name of a version.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Snapshot {
    /// The name.
    pub name: String,
    /// The version.
    pub version: Digest,
    /// When it was given.
    pub created_at: Time,
    /// What else was said of it.
    pub metadata: BTreeMap<String, String>,
    /// True if it stays until it is released.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub held: bool,
}

/// What is to be another of a snapshot.
#[derive(Clone, Default, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EditSnapshot {
    /// Its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub name: Option<String>,
    /// Metadata to set, or with null to remove.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, Option<String>>,
    /// True to hold it until it is released, false to release it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<bool>,
}

/// A name to give.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewSnapshot {
    /// The name.
    #[schemars(length(min = 1))]
    pub name: String,
    /// The version; HEAD.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub version: Option<String>,
    /// What else is to be said of it.
    #[serde(default)]
    pub metadata: BTreeMap<String, String>,
}

/// What HEAD was, or a version that was imported.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct HistoryEntry {
    /// Its number: newer ones have higher ones.
    pub sequence: u64,
    /// When that was.
    pub time: Time,
    /// The version.
    pub version: Digest,
    /// What made it.
    pub what: String,
    /// True if it became HEAD.
    pub promoted: bool,
}

/// What became of a path.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum ChangeKind {
    /// It was not there before.
    Added,
    /// Its content, or what is recorded of it, is another.
    Modified,
    /// It is not there any more.
    Deleted,
    /// It was elsewhere before.
    Renamed,
}

/// A path that changed, and what is there now, or was.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Change {
    /// The path.
    pub path: String,
    /// The same in base64, where it is not text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path_b64: Option<String>,
    /// What became of it.
    pub change: ChangeKind,
    /// Where it was before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// The same in base64, where it is not text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_b64: Option<String>,
    /// What of it is another than it was, where it was modified: `kind`, `size`, `content`,
    /// `target`, `device`, `mode`, `owner`, `group`, `time`, `flags`, `acl`, `xattr NAME`,
    /// `hard link`, `content type`, `metadata`; `attributes` where that cannot be read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub differs: Vec<String>,
    /// What is recorded of what is there, or was.
    #[serde(flatten)]
    pub item: Item,
}

impl Change {
    /// The bytes of the path.
    pub fn path(&self) -> Result<Vec<u8>, BadName> {
        Name::bytes(&self.path, self.path_b64.as_deref())
    }

    /// The bytes of the path before, of what was renamed.
    pub fn old_path(&self) -> Result<Option<Vec<u8>>, BadName> {
        let from = self.from.as_deref();
        from.map(|text| Name::bytes(text, self.from_b64.as_deref())).transpose()
    }
}

/// A version that changed what is at a path, and what that is since, or was.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct PathVersion {
    /// The version.
    pub version: Digest,
    /// When it became HEAD, was imported or named, if that is known.
    pub time: Option<Time>,
    /// What made it.
    pub what: String,
    /// Its names.
    pub snapshots: Vec<String>,
    /// What became of the path.
    #[serde(flatten)]
    pub change: Change,
}

/// A page of the changes between two versions.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Changes {
    /// The version to start from.
    pub from: Digest,
    /// The version to arrive at.
    pub to: Digest,
    /// The changes, by path.
    pub items: Vec<Change>,
    /// Where the next page starts, if there is one: the parameter `cursor`.
    pub next: Option<String>,
}

impl Pages for Changes {
    type Item = Change;

    fn into_items(self) -> (Vec<Change>, Option<String>) {
        (self.items, self.next)
    }
}

/// A version that is to be HEAD.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Promote {
    /// What names it.
    #[schemars(length(min = 1))]
    pub hash: String,
}

/// A version that became HEAD.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Promotion {
    /// The version that is HEAD now.
    pub head: Digest,
    /// The version that was HEAD before.
    pub previous: Digest,
}
