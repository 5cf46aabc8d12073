//! What travels between the server and its clients, and what the command line prints as JSON: every
//! shape once, in the order that its members have. Types alone: no HTTP, no terminal, no database.
//!
//! A name or path may be any bytes. It stands as text under its own name, and where it is no text,
//! whole and in base64 beside it, under the same name with `_b64` behind it.

pub mod backups;
pub mod command;
pub mod endpoint;
pub mod files;
pub mod item;
pub mod jobs;
pub mod keys;
#[cfg(feature = "library")]
pub mod library;
pub mod openapi;
pub mod parameter;
pub mod problem;
pub mod profiles;
pub mod retention;
pub mod server;
pub mod space;
pub mod table;
pub mod value;
pub mod versions;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use problem::{Cause, Problem};
pub use value::{BadName, Digest, Mode, Name, Time};

/// A reply that is one page of several.
pub trait Pages {
    /// What it lists.
    type Item;
    /// What it lists, and where the next page starts.
    fn into_items(self) -> (Vec<Self::Item>, Option<String>);
}

impl<T> Pages for Page<T> {
    type Item = T;

    fn into_items(self) -> (Vec<T>, Option<String>) {
        (self.items, self.next)
    }
}

/// A page of items.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "PageOf{T}")]
pub struct Page<T> {
    /// The items, in order.
    pub items: Vec<T>,
    /// Where the next page starts, if there is one: the parameter `cursor`.
    pub next: Option<String>,
}
