//! The server itself.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Digest;

/// A process that runs.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Health {
    /// `ok`.
    pub status: String,
}

/// A server that serves.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Ready {
    /// `ready`.
    pub status: String,
    /// The version that is HEAD.
    pub head: Digest,
}

/// A patch that lies on the database.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Overlay {
    /// Its name: the parameter `with` of what is read with it.
    pub id: String,
    /// The version that is HEAD in it.
    pub version: Digest,
}
