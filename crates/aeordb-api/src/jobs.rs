//! Long work: verification and collection.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::backups::FileKind;
use crate::retention::Kept;
use crate::space::Space;
use crate::{BadName, Digest, Name, Problem, Time};

/// A verification to start.
#[derive(Clone, Default, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Verify {
    /// Also hash every entry, and prove every version.
    #[serde(default)]
    pub deep: bool,
    /// Go on with the pass over the database for so long, as `10m`, from where it is. Implies `deep`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<String>,
    /// Look at this share of the blocks, as `5%`, at random. Implies `deep`; not with `budget`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sample: Option<String>,
}

/// A collection to start.
#[derive(Clone, Default, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Collect {
    /// Only say what would be collected.
    #[serde(default)]
    pub dry_run: bool,
}

/// Versions to drop.
#[derive(Clone, Default, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Forget {
    /// Versions, by whatever names them; of a snapshot the name goes too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub versions: Vec<String>,
    /// All of history but HEAD.
    #[serde(default)]
    pub history: bool,
    /// Of history only what is older than this, as in `30d`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub older: Option<String>,
    /// Only say what would be dropped.
    #[serde(default)]
    pub dry_run: bool,
}

/// Long work, and how far it is.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Job {
    /// Its name.
    pub id: String,
    /// What it does: `verify`, `gc`, `forget`, `keep` or `space`.
    pub kind: String,
    /// Whether it has ended, and how.
    pub state: State,
    /// When it was started.
    pub started_at: Time,
    /// When it ended.
    pub ended_at: Option<Time>,
    /// How far it is.
    pub progress: Progress,
    /// What it found or did, once it is done.
    pub result: Option<Outcome>,
    /// Why it failed, if it did.
    pub problem: Option<Problem>,
}

/// Whether a job has ended, and how.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum State {
    /// It has not.
    Running,
    /// It has done what it was to do.
    Done,
    /// It could not.
    Failed,
    /// Somebody cancelled it.
    Cancelled,
}

/// How far work is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Progress {
    /// Files so far.
    pub files: u64,
    /// Bytes so far.
    pub bytes: u64,
    /// Files in the end; 0 if that is not known.
    pub files_expected: u64,
    /// Bytes in the end; 0 if that is not known.
    pub bytes_expected: u64,
}

/// What a job found or did.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Outcome {
    /// What a verification found.
    Verify(Verification),
    /// What a collection did.
    Collect(Collection),
    /// What was dropped.
    Forget(Forgotten),
    /// What stays, and what went.
    Keep(Kept),
    /// What takes space.
    Space(Space),
}

/// What a verification found.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Verification {
    /// What the file is.
    pub kind: FileKind,
    /// True if every entry was hashed.
    pub deep: bool,
    /// Versions that were proved.
    pub versions: u64,
    /// Objects that were looked at.
    pub objects: u64,
    /// Blocks that were looked at.
    pub blocks: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Entries that are proved by an import alone: deltas against the base of a patch.
    pub unproved: u64,
    /// Bytes after the last commit, of a write that was cut.
    pub torn_tail: u64,
    /// What is damaged.
    pub damages: Vec<Damage>,
    /// What a newer program made.
    pub newer: Vec<Newer>,
    /// The share of the blocks that was looked at, if it was a sample.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sample: Option<String>,
    /// How far the pass is that this was a part of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pass: Option<Pass>,
    /// True if it is encrypted and was not opened: that it is whole was looked at alone.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unopened: bool,
}

/// How far a pass over a database is.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Pass {
    /// When it began.
    pub began_at: Time,
    /// Bytes of the file up to the place where it is.
    pub bytes: u64,
    /// Bytes of the file.
    pub bytes_expected: u64,
    /// True if it has ended.
    pub is_whole: bool,
    /// Passes that have ended.
    pub ended: u64,
    /// When the last of them ended.
    pub ended_at: Option<Time>,
    /// Damages and broken versions that it knows of.
    pub damages: u64,
}

/// Bytes that are not what they must be.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Damage {
    /// Where they are in the file.
    pub offset: u64,
    /// What was expected, and what was found.
    pub what: String,
    /// The files and directories that they hit.
    pub paths: Vec<Hit>,
}

/// A file or directory that is damaged.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Hit {
    /// Its path.
    pub path: String,
    /// The same in base64, where it is not text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path_b64: Option<String>,
    /// The version that has it.
    pub version: Digest,
}

impl Hit {
    /// The bytes of the path.
    pub fn path(&self) -> Result<Vec<u8>, BadName> {
        Name::bytes(&self.path, self.path_b64.as_deref())
    }
}

/// Sound bytes that only a newer program reads.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Newer {
    /// Where they are in the file.
    pub offset: u64,
    /// What they are.
    pub what: String,
    /// The feature that it takes.
    pub needs: String,
}

/// What a collection did, or would do.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Collection {
    /// True if nothing was changed.
    pub dry_run: bool,
    /// Entries that a kept version needs.
    pub entries_live: u64,
    /// Their bytes.
    pub bytes_live: u64,
    /// Entries that no kept version needs.
    pub entries_collected: u64,
    /// Their bytes.
    pub bytes_collected: u64,
    /// Bytes that the file system got back.
    pub bytes_released: u64,
    /// Bytes that it gets back with the next collection.
    pub bytes_deferred: u64,
}

/// What was dropped, or would be.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Forgotten {
    /// True if nothing was changed.
    pub dry_run: bool,
    /// Names of versions that went.
    pub snapshots: Vec<String>,
    /// How many entries of history went.
    pub history_entries: u64,
    /// Versions that nothing names any more.
    pub versions: Vec<Digest>,
}
