//! What went wrong: RFC 9457 problem documents over HTTP, and one object on the command line. Its
//! type and its members are for programs; `detail` is for people alone.

use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserializer, Error as _};
use serde::ser::SerializeMap;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value};

use crate::Digest;

/// What the types of problems start with over HTTP.
pub const TYPE_PREFIX: &str = "urn:aeordb:problem:";

/// What went wrong, and what a program needs to know of it. What a server keeps to itself is left
/// out.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum Cause {
    /// A request that cannot be meant.
    Invalid {},
    /// Nothing is there.
    NotFound {
        /// What is not.
        #[serde(default)]
        what: String,
        /// What the system said, of a file of one's own.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        system: Option<System>,
    },
    /// Something is there already.
    Exists {
        /// What is.
        #[serde(default)]
        what: String,
    },
    /// A snapshot that stays until it is released.
    Held {
        /// Its name.
        name: String,
    },
    /// What is put has nothing in it, and would take the place of something.
    EmptySource {
        /// What is put.
        name: String,
        /// Where it would land.
        path: String,
        /// How many files would go.
        files: u64,
    },
    /// More files would be deleted than were allowed to be.
    TooManyDeletions {
        /// Where they are.
        path: String,
        /// How many would go.
        deleted: u64,
        /// How many there are.
        files: u64,
        /// How many may go.
        allowed: u64,
    },
    /// Another process writes to the database.
    Locked {
        /// The database.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        file: Option<String>,
        /// Who holds it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        holder: Option<String>,
    },
    /// A patch was made from another version than HEAD.
    BaseMismatch {
        /// The version that is HEAD.
        head: Digest,
        /// The version that the patch starts from.
        base: Digest,
        /// The version that the patch leads to.
        target: Digest,
    },
    /// The files of an import do not follow each other.
    BrokenChain {
        /// The file that does not follow.
        file: String,
        /// The version that it starts from.
        base: Digest,
        /// The file before it.
        after: String,
        /// The version that the file before it leads to.
        found: Digest,
        /// Another of the files, which leads to the version that it starts from.
        misplaced: Option<String>,
    },
    /// HEAD is not what it was expected to be.
    HeadMoved {
        /// The version that is HEAD.
        head: Digest,
        /// What was expected.
        expected: Digest,
    },
    /// What is at a path is not what was expected there.
    Changed {
        /// The path.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        what: Option<String>,
        /// What was expected, and what was found.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        why: Option<String>,
    },
    /// Bytes that came with a request, or of a file of one's own, are not what they must be.
    Damaged {
        /// The file.
        #[serde(default)]
        file: String,
        /// Where in the file; none of what is something else altogether.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        offset: Option<u64>,
        /// What was expected, and what was found.
        #[serde(default)]
        why: String,
    },
    /// Bytes that the server has stored are not what they must be.
    StoredDamaged {
        /// Where in the server's file.
        offset: u64,
    },
    /// Sound bytes that only a newer program reads.
    Newer {
        /// The file, if it came with the request.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        file: Option<String>,
        /// The feature that it takes.
        needs: String,
    },
    /// A file whose key was not found.
    Encrypted {
        /// The file.
        #[serde(default)]
        file: String,
        /// Why it was not found.
        #[serde(default)]
        why: String,
    },
    /// A version cannot be complete.
    Incomplete {
        /// The version.
        version: Digest,
        /// How many entries are missing.
        missing: u64,
        /// The version that holds them, if that is known.
        base: Option<Digest>,
    },
    /// A file is not one of ours.
    Foreign {
        /// The file.
        file: String,
        /// What it is instead.
        why: String,
    },
    /// The file cannot be written to.
    ReadOnly {
        /// The file.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        file: Option<String>,
        /// Why not.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        why: Option<String>,
    },
    /// Something is larger than allowed.
    Limit {
        /// What is.
        #[serde(default)]
        what: String,
        /// The largest that is allowed.
        limit: u64,
        /// How large it is.
        found: u64,
    },
    /// The entries of a version were collected while it was read.
    Collected {
        /// The version.
        version: Digest,
    },
    /// As much of this as is done at once is under way.
    Busy {
        /// Of what.
        #[serde(default)]
        why: String,
    },
    /// Somebody asked to stop.
    Interrupted {},
    /// A disk, a quota or a file size limit is full.
    NoSpace {
        /// What was being done to what.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        what: Option<String>,
        /// What the system said.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        system: Option<System>,
    },
    /// The operating system refused something.
    Io {
        /// What was being done to what.
        what: String,
        /// What the system said.
        system: System,
    },
    /// A key is missing, or does not allow this: what the command line calls either.
    Denied {},
    /// No key, or one that opens nothing.
    Unauthorized {},
    /// The key does not allow this.
    Forbidden {},
    /// Too many failures from one address.
    TooManyFailures {},
    /// A method that the resource does not have.
    MethodNotAllowed {},
    /// A body that is larger than the request may have.
    TooLarge {
        /// The largest that is allowed, in bytes.
        limit: u64,
    },
    /// A body that came too slowly, or not to its end.
    TooSlow {},
    /// A body in a form that is not taken.
    Unsupported {},
    /// A range beyond the end.
    Range {
        /// How many bytes there are.
        size: u64,
    },
    /// The server is not able to do what it should.
    Unavailable {},
    /// The server did something wrong; its log says what.
    Internal {},
    /// What only a newer server says, by its type.
    #[serde(skip)]
    Unknown(String),
}

/// What an operating system said.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct System {
    /// In words.
    pub said: String,
    /// Its number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<i32>,
    /// The sort of error, where it has no number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
}

impl Cause {
    /// Its type, without what stands before it over HTTP.
    pub fn kind(&self) -> &str {
        match self {
            Cause::Invalid {} => "invalid",
            Cause::NotFound { .. } => "not-found",
            Cause::Exists { .. } => "exists",
            Cause::Held { .. } => "held",
            Cause::EmptySource { .. } => "empty-source",
            Cause::TooManyDeletions { .. } => "too-many-deletions",
            Cause::Locked { .. } => "locked",
            Cause::BaseMismatch { .. } => "base-mismatch",
            Cause::BrokenChain { .. } => "broken-chain",
            Cause::HeadMoved { .. } => "head-moved",
            Cause::Changed { .. } => "changed",
            Cause::Damaged { .. } => "damaged",
            Cause::StoredDamaged { .. } => "stored-damaged",
            Cause::Newer { .. } => "newer",
            Cause::Encrypted { .. } => "encrypted",
            Cause::Incomplete { .. } => "incomplete",
            Cause::Foreign { .. } => "foreign",
            Cause::ReadOnly { .. } => "read-only",
            Cause::Limit { .. } => "limit",
            Cause::Collected { .. } => "collected",
            Cause::Busy { .. } => "busy",
            Cause::Interrupted {} => "interrupted",
            Cause::NoSpace { .. } => "no-space",
            Cause::Io { .. } => "io",
            Cause::Denied {} => "denied",
            Cause::Unauthorized {} => "unauthorized",
            Cause::Forbidden {} => "forbidden",
            Cause::TooManyFailures {} => "too-many-failures",
            Cause::MethodNotAllowed {} => "method-not-allowed",
            Cause::TooLarge { .. } => "too-large",
            Cause::TooSlow {} => "too-slow",
            Cause::Unsupported {} => "unsupported",
            Cause::Range { .. } => "range",
            Cause::Unavailable {} => "unavailable",
            Cause::Internal {} => "internal",
            Cause::Unknown(kind) => kind,
        }
    }

    /// Its title, the same for all of its type.
    pub fn title(&self) -> &'static str {
        match self {
            Cause::Invalid {} => "Invalid request",
            Cause::NotFound { .. } => "Not found",
            Cause::Exists { .. } => "Already exists",
            Cause::Held { .. } => "The snapshot is held",
            Cause::EmptySource { .. } => "What is put is empty",
            Cause::TooManyDeletions { .. } => "More would be deleted than may",
            Cause::Locked { .. } => "Locked by another writer",
            Cause::BaseMismatch { .. } => "HEAD is not the patch's base",
            Cause::BrokenChain { .. } => "The files do not follow each other",
            Cause::HeadMoved { .. } => "HEAD is not what was expected",
            Cause::Changed { .. } => "Not what was expected",
            Cause::Damaged { .. } => "Damaged",
            Cause::StoredDamaged { .. } => "Stored bytes are damaged",
            Cause::Newer { .. } => "Made by a newer program",
            Cause::Encrypted { .. } => "Encrypted for others",
            Cause::Incomplete { .. } => "The version would be incomplete",
            Cause::Foreign { .. } => "Not a file of this format",
            Cause::ReadOnly { .. } => "Cannot be written to",
            Cause::Limit { .. } => "Larger than allowed",
            Cause::Collected { .. } => "Collected while it was read",
            Cause::Busy { .. } => "Busy",
            Cause::Interrupted {} => "Interrupted",
            Cause::NoSpace { .. } => "No space left",
            Cause::Io { .. } => "The operating system refused",
            Cause::Denied {} => "The key does not allow this",
            Cause::Unauthorized {} => "Not authorised",
            Cause::Forbidden {} => "Not allowed with this key",
            Cause::TooManyFailures {} => "Too many failures",
            Cause::MethodNotAllowed {} => "No such method",
            Cause::TooLarge { .. } => "Too large",
            Cause::TooSlow {} => "Too slow",
            Cause::Unsupported {} => "Not taken in this form",
            Cause::Range { .. } => "Range not satisfiable",
            Cause::Unavailable {} => "Not available",
            Cause::Internal {} => "Server error",
            Cause::Unknown(_) => "Failed",
        }
    }

    /// What a program needs to know of it, beside its type.
    pub fn members(&self) -> Map<String, Value> {
        match serde_json::to_value(self) {
            Ok(Value::Object(mut members)) => {
                members.shift_remove("type");
                members
            }
            // Of what has no members in this program.
            _ => Map::new(),
        }
    }
}

/// A problem document.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Problem {
    /// What went wrong.
    pub cause: Cause,
    /// The status that it goes with.
    pub status: u16,
    /// What went wrong, in words.
    pub detail: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

impl std::error::Error for Problem {}

impl Serialize for Problem {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut document = serializer.serialize_map(None)?;
        document.serialize_entry("type", &format!("{TYPE_PREFIX}{}", self.cause.kind()))?;
        document.serialize_entry("title", self.cause.title())?;
        document.serialize_entry("status", &self.status)?;
        document.serialize_entry("detail", &self.detail)?;
        for (name, value) in self.cause.members() {
            document.serialize_entry(&name, &value)?;
        }
        document.end()
    }
}

impl<'de> Deserialize<'de> for Problem {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut document = Map::deserialize(deserializer)?;
        let kind = document.get("type").and_then(Value::as_str).unwrap_or_default();
        let kind = kind.rsplit(':').next().unwrap_or_default().to_owned();
        let status = document.remove("status").and_then(|status| status.as_u64());
        let detail = document.remove("detail");
        let detail = detail.as_ref().and_then(Value::as_str).unwrap_or_default().to_owned();
        let status = u16::try_from(status.unwrap_or_default()).map_err(D::Error::custom)?;
        document.insert("type".into(), kind.as_str().into());
        // A newer server may know more types, and more of those that there are.
        let cause = Cause::deserialize(Value::Object(document)).unwrap_or(Cause::Unknown(kind));
        Ok(Problem { cause, status, detail })
    }
}

impl JsonSchema for Problem {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Problem".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "object",
            "properties": {
                "type": { "type": "string" },
                "title": { "type": "string" },
                "status": { "type": "integer" },
                "detail": { "type": "string" },
            },
            "required": ["type", "title", "status", "detail"],
        })
    }
}
