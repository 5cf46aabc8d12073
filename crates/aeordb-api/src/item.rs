//! Files, directories and symbolic links.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{BadName, Digest, Mode, Name, Time};

/// What is at a path.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum Kind {
    /// A file.
    File,
    /// A symbolic link.
    Symlink,
    /// A directory.
    Directory,
    /// A pipe with a name.
    Fifo,
    /// A device of characters.
    Chardev,
    /// A device of blocks.
    Blockdev,
    /// The name of a socket.
    Socket,
}

impl Kind {
    /// Its word.
    pub fn name(self) -> &'static str {
        match self {
            Kind::File => "file",
            Kind::Symlink => "symlink",
            Kind::Directory => "directory",
            Kind::Fifo => "fifo",
            Kind::Chardev => "chardev",
            Kind::Blockdev => "blockdev",
            Kind::Socket => "socket",
        }
    }
}

/// A flag of an inode.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum Flag {
    /// Bytes can only be added.
    Append,
    /// Nothing about it can change.
    Immutable,
    /// `dump` leaves it out.
    Nodump,
}

impl Flag {
    /// Its word.
    pub fn name(self) -> &'static str {
        match self {
            Flag::Append => "append",
            Flag::Immutable => "immutable",
            Flag::Nodump => "nodump",
        }
    }
}

/// An extended attribute.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Xattr {
    /// Its name.
    pub name: String,
    /// The same in base64, where it is not text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name_b64: Option<String>,
    /// Its bytes.
    pub size: u64,
}

/// That a file has several paths. All of the same group below the same directory are one file.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct HardLink {
    /// How many directories that directory is further up than the one that the file is in.
    pub up: u16,
    /// The group, in hexadecimal digits.
    pub group: String,
}

/// What is recorded of a file, symbolic link or directory.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Item {
    /// What it is.
    pub kind: Kind,
    /// Bytes of a file, of all files below a directory, of a link's target.
    pub size: u64,
    /// When its content was last changed.
    pub modified: Option<Time>,
    /// What the bytes of a file are, if that was said.
    pub content_type: Option<String>,
    /// The hash of a file's bytes, or of a directory's index.
    pub hash: Option<Digest>,
    /// Permissions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<Mode>,
    /// What else was said of a file; a value that is no text stands in base64 beside it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
    /// What a symbolic link leads to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// The same in base64, where it is not text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_b64: Option<String>,
    /// Files below a directory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub files: Option<u64>,
    /// Directories below a directory, and itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub directories: Option<u64>,
    /// The number of the user that owns it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<u32>,
    /// The number of the group that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gid: Option<u32>,
    /// The name of that user, where it was put.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The name of that group, where it was put.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Flags of its inode.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub flags: Vec<Flag>,
    /// Its extended attributes, access control lists and capabilities among them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub xattrs: Vec<Xattr>,
    /// That other paths are the same file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hardlink: Option<HardLink>,
    /// Why owner, flags and extended attributes cannot be shown: the type of the problem.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unread: Option<String>,
    /// The number of a device's driver.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub major: Option<u32>,
    /// Which of its devices it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minor: Option<u32>,
}

impl Item {
    /// True of a directory.
    pub fn is_directory(&self) -> bool {
        self.kind == Kind::Directory
    }

    /// The bytes of what a symbolic link leads to.
    pub fn target(&self) -> Result<Option<Vec<u8>>, BadName> {
        let target = self.target.as_deref();
        target.map(|text| Name::bytes(text, self.target_b64.as_deref())).transpose()
    }

    /// True if an access control list says who may do what with it.
    pub fn has_list(&self) -> bool {
        self.xattrs.iter().any(|xattr| xattr.name.starts_with("system.posix_acl_"))
    }

    /// What else was said of a file: names and the bytes of what they say.
    pub fn metadata(&self) -> impl Iterator<Item = (&str, Result<Vec<u8>, BadName>)> {
        let is_beside = |key: &str| {
            key.strip_suffix("_b64").is_some_and(|name| self.metadata.contains_key(name))
        };
        let own = self.metadata.iter().filter(move |(key, _)| !is_beside(key));
        own.map(|(key, value)| {
            let encoded = self.metadata.get(&format!("{key}_b64"));
            (key.as_str(), Name::bytes(value, encoded.map(String::as_str)))
        })
    }
}

/// An entry of a directory.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Entry {
    /// Its name.
    pub name: String,
    /// The same in base64, where it is not text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name_b64: Option<String>,
    /// What is recorded of it.
    #[serde(flatten)]
    pub item: Item,
}

impl Entry {
    /// What is called so.
    pub fn new(name: &[u8], item: Item) -> Self {
        let Name { text, b64 } = Name::new(name);
        Entry { name: text, name_b64: b64, item }
    }

    /// The bytes of its name.
    pub fn name(&self) -> Result<Vec<u8>, BadName> {
        Name::bytes(&self.name, self.name_b64.as_deref())
    }
}

/// What is at a path.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct PathEntry {
    /// The path.
    pub path: String,
    /// The same in base64, where it is not text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path_b64: Option<String>,
    /// What is recorded of what is there.
    #[serde(flatten)]
    pub item: Item,
}

impl PathEntry {
    /// What is there.
    pub fn new(path: &[u8], item: Item) -> Self {
        let Name { text, b64 } = Name::new(path);
        PathEntry { path: text, path_b64: b64, item }
    }

    /// The bytes of the path.
    pub fn path(&self) -> Result<Vec<u8>, BadName> {
        Name::bytes(&self.path, self.path_b64.as_deref())
    }
}

/// What is at a path of a version.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Stat {
    /// The path, and what is there.
    #[serde(flatten)]
    pub entry: PathEntry,
    /// The version.
    pub version: Digest,
}
