//! What a run of a profile did, and how old its backups are.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::backups::FileKind;
use crate::command::Failure;
use crate::{Digest, Time};

/// How a run ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum Ending {
    /// All was done.
    Done,
    /// There is a backup, but some of what was to be put could not be read.
    Incomplete,
    /// Something was not done.
    Failed,
}

impl Ending {
    /// Its word.
    pub fn name(self) -> &'static str {
        match self {
            Ending::Done => "done",
            Ending::Incomplete => "incomplete",
            Ending::Failed => "failed",
        }
    }
}

/// What a run did.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Run {
    /// The profile.
    pub profile: String,
    /// True if nothing was changed, and this is what would be done.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
    /// When it began.
    pub started_at: Time,
    /// How long it took.
    pub seconds: f64,
    /// How it ended.
    pub outcome: Ending,
    /// How the program ends: by the worst that happened.
    pub exit_code: u8,
    /// What the version is called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<String>,
    /// The version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<Digest>,
    /// What was put.
    pub sources: Vec<SourceRun>,
    /// The backup files.
    pub targets: Vec<TargetRun>,
    /// The names of versions that stay, and those that went.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept: Option<KeptNames>,
    /// What went wrong beside those: hooks, the name of the version.
    pub errors: Vec<Failure>,
    /// When it is due next, if its profile says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_at: Option<Time>,
}

/// What the rules of a profile came to.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct KeptNames {
    /// How many of its versions keep their names.
    pub stay: u64,
    /// The names that went.
    pub removed: Vec<String>,
}

/// What was put of a source.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct SourceRun {
    /// The file or directory.
    pub path: String,
    /// Files that were looked at.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Files that were not there before.
    pub files_new: u64,
    /// Files that were others before.
    pub files_changed: u64,
    /// Files that went.
    pub files_deleted: u64,
    /// Bytes that the database did not have before.
    pub new_bytes: u64,
    /// What could not be read, or changed while it was.
    pub unreadable: u64,
    /// Why it was not put.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Failure>,
}

/// What was written to a target.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct TargetRun {
    /// The directory.
    pub directory: String,
    /// An export or a patch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<FileKind>,
    /// The file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<String>,
    /// The file that a patch starts from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub follows: Option<String>,
    /// Its bytes.
    pub bytes: u64,
    /// True if it was read again, and everything can be restored from it and what it stands on.
    pub verified: bool,
    /// Files that were removed, as newer ones make them superfluous.
    pub removed: Vec<String>,
    /// Why something of this was not done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Failure>,
}

/// Whether backups are young enough.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum Freshness {
    /// The newest is young enough.
    Ok,
    /// It is too old.
    Old,
    /// There is none.
    None,
}

impl Freshness {
    /// Its word.
    pub fn name(self) -> &'static str {
        match self {
            Freshness::Ok => "ok",
            Freshness::Old => "old",
            Freshness::None => "none",
        }
    }
}

/// How old the backups of a profile are.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Check {
    /// The profile.
    pub profile: String,
    /// The worst of all places.
    pub state: Freshness,
    /// How old the newest may be, in seconds.
    pub max_age: u64,
    /// The database, and each target.
    pub places: Vec<PlaceCheck>,
}

/// How old the newest backup of a place is.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct PlaceCheck {
    /// The database or the directory.
    pub place: String,
    /// Whether it is young enough.
    pub state: Freshness,
    /// What it is called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub newest: Option<String>,
    /// When it was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub made_at: Option<Time>,
    /// How many seconds ago that is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub age: Option<u64>,
}
