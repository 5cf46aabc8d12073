//! Exports and patches: made, kept, taken in.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::item::Item;
use crate::value::BACKUP_PATTERN;
use crate::{BadName, Digest, Name, Time};

/// An export to write to the backup directory.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewExport {
    /// The name of the file.
    #[schemars(regex(pattern = BACKUP_PATTERN))]
    pub output: String,
    /// A snapshot instead of HEAD.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub snapshot: Option<String>,
    /// A version instead of HEAD.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub hash: Option<String>,
    /// Whom it is for, everybody if nobody is named: recipients of age (`age1…`), keys of SSH.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub encrypt_to: Vec<String>,
}

/// What an export holds.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Export {
    /// The version.
    pub version: Digest,
    /// Files of the version.
    pub files: u64,
    /// Chunks in the export.
    pub chunks: u64,
    /// Directories of the version, the root among them.
    pub directories: u64,
    /// The file that it is in.
    pub output: String,
    /// The bytes of that file.
    pub bytes: u64,
}

/// A patch to write to the backup directory.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewPatch {
    /// The name of the file.
    #[schemars(regex(pattern = BACKUP_PATTERN))]
    pub output: String,
    /// The version to start from.
    #[schemars(length(min = 1))]
    pub from: String,
    /// The version to arrive at; HEAD.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub to: Option<String>,
    /// Whom it is for, everybody if nobody is named: recipients of age (`age1…`), keys of SSH.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub encrypt_to: Vec<String>,
}

/// What a patch holds.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Patch {
    /// The version that it starts from.
    pub from: Digest,
    /// The version that it leads to.
    pub to: Digest,
    /// Files that were added.
    pub files_added: u64,
    /// Files that were changed.
    pub files_modified: u64,
    /// Files that were deleted.
    pub files_deleted: u64,
    /// Chunks in the patch.
    pub chunks: u64,
    /// Directories in the patch.
    pub directories: u64,
    /// The file that it is in.
    pub output: String,
    /// The bytes of that file.
    pub bytes: u64,
}

/// What a file of ours is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum FileKind {
    /// A database.
    Database,
    /// One version.
    Export,
    /// The difference of two versions.
    Patch,
}

impl FileKind {
    /// Its word.
    pub fn name(self) -> &'static str {
        match self {
            FileKind::Database => "database",
            FileKind::Export => "export",
            FileKind::Patch => "patch",
        }
    }
}

/// What a file is, of which version, how large.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Info {
    /// What it is.
    pub kind: FileKind,
    /// The version of its format.
    pub format: u32,
    /// HEAD of a database, the version of an export, the one that a patch leads to.
    pub version: Digest,
    /// The version that a patch starts from.
    pub base: Option<Digest>,
    /// Files of the version.
    pub files: u64,
    /// Directories of the version, the root among them.
    pub directories: u64,
    /// Bytes of the version's files.
    pub bytes: u64,
    /// Objects in the file.
    pub objects: u64,
    /// Chunks among them.
    pub chunks: u64,
    /// The bytes of the file.
    pub file_bytes: u64,
    /// The bytes of its blocks, as they are stored.
    pub stored_bytes: u64,
    /// The same before they were compressed.
    pub raw_bytes: u64,
    /// Bytes that no kept version needs.
    pub void_bytes: u64,
    /// Snapshots of a database.
    pub snapshots: u64,
    /// Entries of its history.
    pub history: u64,
    /// Puts that have not come to their end, of a database.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unfinished: Vec<Unfinished>,
    /// Files that a patch adds.
    pub files_added: Option<u64>,
    /// Files that a patch changes.
    pub files_modified: Option<u64>,
    /// Files that a patch deletes.
    pub files_deleted: Option<u64>,
    /// Of what is encrypted, whether it can be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encryption: Option<Encryption>,
}

/// Whether what is encrypted can be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum Encryption {
    /// Its key is at hand.
    Opened,
    /// It is not, and what is said is what is seen without.
    Unopened,
}

/// A put that has not come to its end: the next one at its path goes on with it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Unfinished {
    /// Where it puts.
    pub path: String,
    /// The same in base64, where it is not text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path_b64: Option<String>,
    /// The version that holds what it stored.
    pub version: Digest,
    /// Files that it stored.
    pub files: u64,
    /// Directories, and the root.
    pub directories: u64,
    /// Bytes of those files.
    pub bytes: u64,
    /// When it was last added to.
    pub time: Time,
    /// Until when it is kept.
    pub kept_until: Time,
}

/// A file of the backup directory.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Backup {
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: BackupKind,
    /// The version of an export, or the one that a patch leads to.
    pub version: Option<Digest>,
    /// The version that a patch starts from.
    pub base: Option<Digest>,
    /// Its bytes.
    pub size: u64,
    /// When it was last changed.
    pub modified: Time,
    /// The hash that it was sealed with: no other file has it.
    pub seal: Option<Digest>,
}

/// What a file of the backup directory is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum BackupKind {
    /// One version.
    Export,
    /// The difference of two versions.
    Patch,
    /// No whole backup.
    Unknown,
}

/// Files of the backup directory to import, in order, as one change.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewImport {
    /// The name of the file, or the names of the files.
    pub file: OneOrMany,
    /// Make the imported version HEAD.
    #[serde(default)]
    pub promote: bool,
    /// Apply a patch whatever HEAD is.
    #[serde(default)]
    pub force: bool,
    /// Name the imported version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub snapshot: Option<String>,
    /// Apply the changes of a patch to HEAD; what both changed is left out, or becomes what one
    /// side has.
    #[serde(default)]
    pub merge: OnConflict,
    /// With `promote`: first make a patch of this name in the backup directory, which leads back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = BACKUP_PATTERN))]
    pub undo: Option<String>,
}

/// One name of a backup, or several.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub enum OneOrMany {
    /// One.
    One(String),
    /// Several, in order.
    Many(Vec<String>),
}

impl JsonSchema for OneOrMany {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "OneOrMany".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let one = json_schema!({ "type": "string", "pattern": BACKUP_PATTERN });
        let many = json_schema!({ "type": "array", "items": one, "minItems": 1 });
        json_schema!({ "anyOf": [one, many] })
    }
}

/// Whether the changes of a patch are applied to HEAD, and which side wins.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(inline)]
pub enum OnConflict {
    /// True: what both changed is left out. False: they are not applied.
    Merge(bool),
    /// What both changed becomes what this side has.
    Side(Side),
}

impl Default for OnConflict {
    fn default() -> Self {
        OnConflict::Merge(false)
    }
}

/// A side of a merge.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum Side {
    /// What is in the database.
    Ours,
    /// What is in the patch.
    Theirs,
}

/// What an import did.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Import {
    /// The version that was imported.
    pub version: Digest,
    /// What the last of the files is.
    pub kind: FileKind,
    /// Entries of the files.
    pub entries: u64,
    /// Chunks among them.
    pub chunks: u64,
    /// File records among them.
    pub files: u64,
    /// Directories among them.
    pub directories: u64,
    /// Files that a patch deletes.
    pub deletions: u64,
    /// True if the version became HEAD.
    pub promoted: bool,
    /// Entries that the database did not have before.
    pub new_entries: u64,
    /// Their bytes.
    pub new_bytes: u64,
    /// What became of a merge.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub merge: Option<Merge>,
    /// The bytes of the patch that leads back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undo_bytes: Option<u64>,
}

impl Import {
    /// True if something that both changed was left out.
    pub fn has_open_conflicts(&self) -> bool {
        let open = |merge: &Merge| merge.resolved.is_none() && !merge.conflicts.is_empty();
        self.merge.as_ref().is_some_and(open)
    }
}

/// What a merge did.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Merge {
    /// The version that the patch starts from.
    pub base: Digest,
    /// The version that its changes were applied to.
    pub ours: Digest,
    /// The version that the patch leads to.
    pub theirs: Digest,
    /// Changes that were applied.
    pub taken: u64,
    /// Changes that were there already.
    pub same: u64,
    /// The side that won; null where what both changed was left out.
    pub resolved: Option<Side>,
    /// What both changed.
    pub conflicts: Vec<Conflict>,
}

/// A path that both sides of a merge changed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Conflict {
    /// The path.
    pub path: String,
    /// The same in base64, where it is not text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path_b64: Option<String>,
    /// What was there.
    pub base: Option<Item>,
    /// What is there in the database.
    pub ours: Option<Item>,
    /// What is there in the patch.
    pub theirs: Option<Item>,
}

impl Conflict {
    /// The bytes of the path.
    pub fn path(&self) -> Result<Vec<u8>, BadName> {
        Name::bytes(&self.path, self.path_b64.as_deref())
    }
}
