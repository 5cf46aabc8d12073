//! Files: put, changed, removed.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::value::PATH_PATTERN;
use crate::{Digest, Name};

/// A file that was put.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct StoredFile {
    /// Its path.
    pub path: String,
    /// The same in base64, where it is not text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path_b64: Option<String>,
    /// Its bytes.
    pub size: u64,
    /// Their hash.
    pub content_hash: Digest,
    /// The version that has it.
    pub version: Digest,
    /// What the bytes are, if that was said.
    pub content_type: Option<String>,
}

/// A directory that is there now.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct StoredDirectory {
    /// Its path.
    pub path: String,
    /// The same in base64, where it is not text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path_b64: Option<String>,
    /// The version that has it.
    pub version: Digest,
}

impl StoredDirectory {
    /// The directory at a path.
    pub fn new(path: &[u8], version: Digest) -> Self {
        let Name { text, b64 } = Name::new(path);
        StoredDirectory { path: text, path_b64: b64, version }
    }
}

/// A tree that was put as a patch.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct StoredTree {
    /// The version that has it.
    pub version: Digest,
    /// The version before.
    pub previous: Digest,
    /// Bytes that the database did not have before.
    pub new_bytes: u64,
}

/// What a change of paths did.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Edit {
    /// The version after it.
    pub version: Digest,
    /// The version before it.
    pub previous: Digest,
    /// Files that it changed.
    pub files: u64,
    /// Directories that it changed.
    pub directories: u64,
    /// The bytes of those files.
    pub bytes: u64,
}

/// Many changes that are one.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Batch {
    /// The changes, in order.
    pub changes: Vec<BatchChange>,
}

/// One change. A path comes as text or, where it is none, in base64.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "op", rename_all = "lowercase", deny_unknown_fields)]
pub enum BatchChange {
    /// Put a file.
    Put {
        /// Its path.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schemars(length(min = 1), regex(pattern = PATH_PATTERN))]
        path: Option<String>,
        /// The same in base64.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        path_b64: Option<String>,
        /// Its bytes, where they are text.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        content: Option<String>,
        /// Its bytes in base64.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        content_b64: Option<String>,
        /// What the bytes are.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        content_type: Option<String>,
    },
    /// Remove a file or directory.
    Delete {
        /// Its path.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schemars(length(min = 1), regex(pattern = PATH_PATTERN))]
        path: Option<String>,
        /// The same in base64.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        path_b64: Option<String>,
        /// Also a directory, with everything in it.
        #[serde(default)]
        recursive: bool,
    },
    /// Rename a file or directory.
    Rename {
        /// Its path.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schemars(length(min = 1), regex(pattern = PATH_PATTERN))]
        from: Option<String>,
        /// The same in base64.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        from_b64: Option<String>,
        /// The new path.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schemars(length(min = 1), regex(pattern = PATH_PATTERN))]
        to: Option<String>,
        /// The same in base64.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        to_b64: Option<String>,
        /// Replace a file that is there.
        #[serde(default)]
        force: bool,
    },
    /// Copy a file or directory.
    Copy {
        /// Its path.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schemars(length(min = 1), regex(pattern = PATH_PATTERN))]
        from: Option<String>,
        /// The same in base64.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        from_b64: Option<String>,
        /// The path of the copy.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schemars(length(min = 1), regex(pattern = PATH_PATTERN))]
        to: Option<String>,
        /// The same in base64.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        to_b64: Option<String>,
        /// Copy out of this version.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schemars(length(min = 1))]
        version: Option<String>,
        /// Replace a file that is there.
        #[serde(default)]
        force: bool,
    },
}
