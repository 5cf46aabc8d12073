//! API keys.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::{BadName, Name, Time};

/// One thing that a key may do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scope {
    /// Read files, versions and what there is of them.
    Read,
    /// Change files.
    Write,
    /// Name versions.
    Snapshot,
    /// Make and fetch backups.
    Export,
    /// Take backups in.
    Import,
    /// Move HEAD to another version.
    Promote,
    /// Collect garbage.
    Gc,
    /// Make and revoke keys.
    Keys,
    /// All of it.
    Admin,
}

impl Scope {
    /// All of them.
    pub const ALL: [Scope; 9] = [
        Scope::Read,
        Scope::Write,
        Scope::Snapshot,
        Scope::Export,
        Scope::Import,
        Scope::Promote,
        Scope::Gc,
        Scope::Keys,
        Scope::Admin,
    ];

    /// Its word.
    pub const fn name(self) -> &'static str {
        match self {
            Scope::Read => "read",
            Scope::Write => "write",
            Scope::Snapshot => "snapshot",
            Scope::Export => "export",
            Scope::Import => "import",
            Scope::Promote => "promote",
            Scope::Gc => "gc",
            Scope::Keys => "keys",
            Scope::Admin => "admin",
        }
    }
}

/// What a key is made with: the scopes, and the presets that stand for several.
pub fn scope_words() -> Vec<&'static str> {
    Scope::ALL.into_iter().map(Scope::name).chain(["append-only", "backup"]).collect()
}

/// A key to make.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewKey {
    /// What its owner calls it.
    #[schemars(length(min = 1))]
    pub name: String,
    /// What it may do.
    #[schemars(schema_with = "scopes")]
    pub scopes: Vec<String>,
    /// The path at and below which it may do that: it opens nothing else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The same in base64, where it is not text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path_b64: Option<String>,
    /// From when on it opens nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Time>,
}

impl NewKey {
    /// The bytes of the path.
    pub fn path(&self) -> Result<Option<Vec<u8>>, BadName> {
        let path = self.path.as_deref();
        path.map(|path| Name::bytes(path, self.path_b64.as_deref())).transpose()
    }
}

fn scopes(_: &mut SchemaGenerator) -> Schema {
    let scope = json_schema!({ "type": "string", "enum": scope_words() });
    json_schema!({ "type": "array", "items": scope, "minItems": 1 })
}

/// A key, without its secret, which nobody has.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Key {
    /// The public part of it, which names it.
    pub id: String,
    /// What its owner calls it.
    pub name: String,
    /// What it may do.
    pub scopes: Vec<String>,
    /// The path at and below which it may do that, if it opens nothing else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The same in base64, where it is not text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path_b64: Option<String>,
    /// When it was made.
    pub created_at: Time,
    /// From when on it opens nothing.
    pub expires_at: Option<Time>,
    /// Since when it opens nothing.
    pub revoked_at: Option<Time>,
}

/// A key that was made.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct CreatedKey {
    /// What is known of it.
    #[serde(flatten)]
    pub of: Key,
    /// The key itself, shown this once.
    pub key: String,
}
