//! What only the command line prints, with `--json`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::backups::Info;
use crate::item::{Item, Kind, PathEntry};
use crate::versions::ChangeKind;
use crate::{Digest, Name, Time};

/// A line of `ls`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Listed {
    /// The path.
    pub path: String,
    /// The same in base64, where it is not text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path_b64: Option<String>,
    /// The last name of the path.
    pub name: String,
    /// The same in base64, where it is not text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name_b64: Option<String>,
    /// What is recorded of what is there.
    #[serde(flatten)]
    pub item: Item,
}

impl Listed {
    /// What is at a path, whose last name is `name`.
    pub fn new(path: &[u8], name: &[u8], item: Item) -> Self {
        let (path, name) = (Name::new(path), Name::new(name));
        Listed { path: path.text, path_b64: path.b64, name: name.text, name_b64: name.b64, item }
    }
}

/// A line of `du`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Usage {
    /// The path.
    pub path: String,
    /// The same in base64, where it is not text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path_b64: Option<String>,
    /// What is there.
    pub kind: Kind,
    /// Bytes of a file, of all files below a directory, of a link's target.
    pub bytes: u64,
    /// Files below a directory.
    pub files: u64,
    /// Directories below a directory, and itself.
    pub directories: u64,
}

impl From<PathEntry> for Usage {
    fn from(entry: PathEntry) -> Self {
        let PathEntry { path, path_b64, item } = entry;
        Usage {
            path,
            path_b64,
            kind: item.kind,
            bytes: item.size,
            files: item.files.unwrap_or_default(),
            directories: item.directories.unwrap_or_default(),
        }
    }
}

/// What `put -v` does, as it goes.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Doing {
    /// The path.
    pub path: String,
    /// The same in base64, where it is not text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path_b64: Option<String>,
    /// What becomes of it.
    pub change: ChangeKind,
    /// What is there, or was.
    pub kind: Kind,
    /// Bytes of a file, of all files below a directory, of a link's target.
    pub size: u64,
}

/// What `put` did.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Put {
    /// The version after it.
    pub version: Digest,
    /// The version before it.
    pub previous: Digest,
    /// Files that were put.
    pub files: u64,
    /// Directories that were put.
    pub directories: u64,
    /// The bytes of the files.
    pub bytes: u64,
    /// Files that were not there before.
    pub files_new: u64,
    /// Files that were others before.
    pub files_changed: u64,
    /// Files that were the same before.
    pub files_unchanged: u64,
    /// Files that went.
    pub files_deleted: u64,
    /// Bytes that the database did not have before.
    pub new_bytes: u64,
    /// Names that cannot be kept, temporary files of this program, the database itself.
    pub skipped: u64,
    /// What could not be read.
    pub unreadable: u64,
    /// What was left out because it was not chosen; of a directory not what is in it.
    pub excluded: u64,
    /// Directories that other file systems are mounted at, which were not entered.
    pub mount_points: u64,
    /// Files that changed while they were read.
    pub unsettled: u64,
    /// What the version is called now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<String>,
}

/// What `get` wrote.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Get {
    /// The version.
    pub version: Digest,
    /// Files that are there now as they are stored.
    pub files: u64,
    /// Directories.
    pub directories: u64,
    /// The bytes of the files.
    pub bytes: u64,
    /// Those of them that were there before.
    pub unchanged: u64,
    /// Files that were there and stay, whatever they are.
    pub kept: u64,
    /// What patterns left out.
    pub excluded: u64,
    /// Files that were deleted.
    pub deleted: u64,
    /// What was not restored.
    pub failed: u64,
    /// What of it is damaged in the database.
    pub damaged: u64,
    /// What of it only a newer program reads.
    pub newer: u64,
    /// What is there without its mode or time.
    pub lacking: u64,
}

/// What `find` found in all versions.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct FoundIn {
    /// The newest version that has it so.
    pub version: Digest,
    /// When that became HEAD, was imported or named.
    pub time: Option<Time>,
    /// Its names.
    pub snapshots: Vec<String>,
    /// What is there.
    #[serde(flatten)]
    pub found: Listed,
}

/// A path of which a local tree has something else than a version.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct LocalChange {
    /// The path, as one of the database.
    pub path: String,
    /// The same in base64, where it is not text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path_b64: Option<String>,
    /// What becomes of it.
    pub change: ChangeKind,
}

impl LocalChange {
    /// What becomes of `path`.
    pub fn new(path: &[u8], change: ChangeKind) -> Self {
        let Name { text, b64 } = Name::new(path);
        LocalChange { path: text, path_b64: b64, change }
    }
}

/// A file that `info` looked at.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct FileInfo {
    /// Its name, as it was given.
    pub file: String,
    /// The same in base64, where it is not text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file_b64: Option<String>,
    /// What it is.
    #[serde(flatten)]
    pub info: Info,
    /// Of a patch among several files: the file that leads to its base, or null if none does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub follows: Option<Option<String>>,
    /// The same in base64, where it is not text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub follows_b64: Option<String>,
}

/// A change that a patch lists.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ListedChange {
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
    /// The patch.
    pub patch: String,
    /// The same in base64, where it is not text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patch_b64: Option<String>,
}

/// What was done, and how long it took.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "Timed{T}")]
pub struct Timed<T> {
    /// What was done.
    #[serde(flatten)]
    pub done: T,
    /// How long it took.
    pub seconds: f64,
}

/// What `compact` did, or would do.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Compaction {
    /// True if nothing was changed.
    pub dry_run: bool,
    /// Entries that a kept version needs.
    pub entries_live: u64,
    /// The bytes of the file before.
    pub bytes_before: u64,
    /// The bytes of the file after.
    pub bytes_after: u64,
}

/// What `parity` made.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Parity {
    /// The file.
    pub file: String,
    /// How much can be healed.
    pub share: String,
    /// Bytes that it is for.
    pub bytes: u64,
    /// Pieces that they are cut into.
    pub pieces: u64,
    /// Bytes of a piece.
    pub piece_bytes: u64,
    /// Pieces of parity.
    pub parity_pieces: u64,
    /// Bytes of the file.
    pub file_bytes: u64,
}

/// What was done, and the parity that was made of it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "WithParity{T}")]
pub struct WithParity<T> {
    /// What was done.
    #[serde(flatten)]
    pub done: T,
    /// The parity.
    pub parity: Parity,
}

/// What parity healed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct HealedPieces {
    /// Pieces in all.
    pub pieces: u64,
    /// Pieces that were not what they were.
    pub bad: u64,
    /// Those of them that are again.
    pub healed: u64,
    /// Pieces of parity that are bad.
    pub bad_parity: u64,
    /// True if all is as it was when the parity was made.
    pub is_whole: bool,
}

/// What `salvage` saved.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Salvage {
    /// The version that is HEAD in the new database.
    pub version: Option<Digest>,
    /// True if nothing is lost.
    pub complete: bool,
    /// False if nothing is left of what was HEAD.
    pub head_is_last: bool,
    /// True if names may be older than what was last called so.
    pub names_uncertain: bool,
    /// True if there may have been names that nobody knows.
    pub names_lacking: bool,
    /// True if keys of a server are lost, if there were any.
    pub system_lost: bool,
    /// Versions that are whole.
    pub versions: u64,
    /// Versions of which something is left.
    pub partial: Vec<Partial>,
    /// Snapshots.
    pub snapshots: u64,
    /// Entries of history.
    pub history: u64,
    /// Entries that were saved.
    pub entries: u64,
    /// Entries that came from other files.
    pub taken: u64,
    /// What is lost.
    pub lost: Vec<Lost>,
    /// True if more is lost than is listed.
    pub more_lost: bool,
    /// Where the file is broken.
    pub broken: Vec<Broken>,
    /// Directories that nothing named any more, and are kept.
    pub orphans: Option<Orphans>,
    /// The new database.
    pub output: String,
}

/// What `repair` healed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Repair {
    /// True if nothing is lost any more.
    pub complete: bool,
    /// True if the file is another now.
    pub changed: bool,
    /// Versions that are whole.
    pub versions: u64,
    /// Entries that came from others.
    pub taken: u64,
    /// What was lost, and is there again.
    pub healed: Vec<Lost>,
    /// What is still lost.
    pub lost: Vec<Lost>,
    /// True if more is lost than is listed.
    pub more_lost: bool,
    /// Where the file was broken.
    pub broken: Vec<Broken>,
    /// What its parity gave.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parity: Option<HealedPieces>,
}

/// Directories that nothing named any more, each called by its hash.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Orphans {
    /// The snapshot that they are in.
    pub snapshot: String,
    /// How many there are.
    pub directories: u64,
    /// Files in them.
    pub files: u64,
}

/// A version of which something is left.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Partial {
    /// The version.
    pub version: Digest,
    /// What is left of it, as a version.
    pub left: Digest,
}

/// Something that is lost.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Lost {
    /// Its path.
    pub path: String,
    /// The same in base64, where it is not text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path_b64: Option<String>,
    /// The version that had it.
    pub version: Digest,
    /// What of it is lost.
    pub part: Part,
}

/// What of a path is lost.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum Part {
    /// A file.
    File,
    /// A directory.
    Directory,
    /// Names of a directory, nobody knows which.
    Names,
    /// Owner, flags and extended attributes of what is there.
    Attributes,
}

/// Where a file is broken.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Broken {
    /// Where in the file.
    pub offset: u64,
    /// What was expected, and what was found.
    pub detail: String,
}

/// A server that was started.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Listening {
    /// Where it listens.
    pub url: String,
    /// Its first key, if it made one.
    pub key: Option<String>,
}

/// Why a command failed.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Failure {
    /// The type, as in a problem document, without what stands before it there.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its title.
    pub title: String,
    /// What went wrong, in words.
    pub detail: String,
    /// How the program ends.
    pub exit_code: u8,
    /// The command or flag that helps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// What a program needs to know of it.
    #[serde(flatten)]
    pub members: Map<String, Value>,
}

/// How far a command is: a line now and then, and one at its end.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ProgressLine {
    /// `progress`.
    #[serde(rename = "type")]
    pub kind: String,
    /// What it does: the command, or a part of its work.
    pub phase: String,
    /// Files done.
    pub files: u64,
    /// Bytes done.
    pub bytes: u64,
    /// Files in all, once that is known.
    pub files_expected: Option<u64>,
    /// Bytes in all, once that is known.
    pub bytes_expected: Option<u64>,
    /// The path at which it is, where it goes by paths.
    pub path: Option<String>,
    /// The bytes of the path in Base64, if they are no text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path_b64: Option<String>,
    /// Whether the work has ended, well or not: the last line.
    pub ended: bool,
}

/// Something that did not stop a command.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Warning {
    /// `warning`.
    #[serde(rename = "type")]
    pub kind: String,
    /// What it was, in words.
    pub detail: String,
}
