//! A content-addressed, versioned file database in one file, made for backup and restore.
//!
//! Every state of a tree of files is a *version*, named by the hash of its content. *HEAD* is the
//! present one; snapshots and history name others. A version becomes one portable file, an *export*; the
//! difference of two versions becomes one small file, a *patch*. Either is imported elsewhere, proved by
//! hash before anything becomes visible, and promoted to HEAD.
//!
//! The library is synchronous, and has no terminal, no network and no `unsafe` of its own. What it does
//! is durable when the call returns: a process that is killed, or a power cut, takes nothing back.
//!
//! # A whole life
//!
//! ```
//! use std::collections::BTreeMap;
//! use std::fs::{self, File};
//! use std::sync::Arc;
//!
//! use aeordb::backup::{self, ImportOptions};
//! use aeordb::files::{self, GetOptions, PutOptions};
//! use aeordb::{Database, Options, Monitor};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let scratch = tempfile::tempdir()?;
//! # std::env::set_current_dir(&scratch)?;
//! // Beside every long call: progress out, cancellation in, warnings.
//! let monitor = Arc::new(Monitor::new());
//! let database = Database::open_or_create("data.aeordb", &Options::default())?;
//!
//! // Put: a local directory becomes a version, which is HEAD then.
//! fs::create_dir("notes")?;
//! fs::write("notes/a.txt", "first")?;
//! let put = || files::put(&database, ["notes"], "/notes", false, &PutOptions::default(), &monitor);
//! let first = put()?.version;
//!
//! // Snapshot: a name for it, which collection leaves alone.
//! database.create_snapshot("monday", &first, BTreeMap::new())?;
//!
//! // Export: that version as one file.
//! let mut export = File::create_new("full.aeordb")?;
//! backup::export(&database.reader()?, &first, &mut export, &monitor)?;
//!
//! // Diff: what changed since, as one small file.
//! fs::write("notes/a.txt", "second")?;
//! let second = put()?.version;
//! let mut patch = File::create_new("change.patch")?;
//! backup::diff(&database.reader()?, &first, &second, &mut patch, &monitor)?;
//!
//! // Import: elsewhere, both, as one change, all or nothing. HEAD stays what it was.
//! let other = Database::open_or_create("other.aeordb", &Options::default())?;
//! let files = ["full.aeordb", "change.patch"];
//! let imported = backup::import(&other, files, &ImportOptions::default(), &monitor)?;
//! assert_eq!(imported.version, second);
//! assert_ne!(other.reader()?.head(), second);
//!
//! // Promote: now it is HEAD.
//! other.promote(&second, None)?;
//!
//! // Read: a reader stays at one commit, whatever others write meanwhile.
//! let reader = other.reader()?;
//! let text = std::io::read_to_string(reader.open(&reader.head(), "/notes/a.txt")?)?;
//! assert_eq!(text, "second");
//! for entry in reader.list(&second, "/notes", None)? {
//!     let (name, item) = entry?;
//!     println!("{name}: {} bytes", item.totals().bytes);
//! }
//!
//! // And files again, of any version: `monday` is still what it was.
//! let (reader, options) = (database.reader()?, GetOptions::default());
//! files::get(&reader, &reader.resolve("monday")?, "/notes", "restored", &options, &monitor)?;
//! assert_eq!(fs::read_to_string("restored/a.txt")?, "first");
//! # Ok(())
//! # }
//! ```
//!
//! `examples/embed.rs` keeps versions of a directory, and says what changed; `examples/http.rs` of
//! `aeordb-client` does as much through a server.
//!
//! # Where what is
//!
//! | to | go to |
//! |---|---|
//! | open, read, write, name versions | [`Database`], [`Reader`], [`db`] |
//! | move local files in and out | [`files`] |
//! | export, compare, import, merge, verify | [`backup`] |
//! | give space back, and say what takes it | [`gc`], [`compact`], [`space`] |
//! | save what is sound in a damaged file, heal it | [`salvage`], [`parity`] |
//! | say what a path holds | [`object`] |
//! | show progress, stop a call | [`Monitor`] |
//! | keep a database on other storage | [`Media`], [`Database::create_media`] |
//! | decide by what went wrong | [`Error`] |
//!
//! Paths are bytes, as the file system has them; text stands for a [`Path`] wherever one is asked for
//! ([`AsPath`]). Times are nanoseconds since 1970-01-01 UTC, lengths are bytes.
//!
//! A database has one writer at a time, in one process, and any number of readers in any number of
//! processes. [`Database`] is shared by threads as it is: writers wait for their turn.
#![cfg_attr(
    test,
    allow(
        clippy::cast_possible_truncation,
        clippy::type_complexity,
        reason = "numbers of tests are small, and their tuples are read once"
    )
)]

pub mod backup;
pub mod clock;
pub mod compact;
pub mod db;
pub mod encryption;
pub mod error;
pub mod files;
pub(crate) mod format;
pub mod gc;
pub(crate) mod graph;
pub mod hash;
pub(crate) mod limits;
pub(crate) mod log;
pub mod media;
pub mod moment;
pub mod monitor;
pub mod object;
pub mod parity;
pub(crate) mod pool;
pub(crate) mod random;
pub mod retention;
pub mod salvage;
pub mod space;
pub(crate) mod store;
#[cfg(any(test, feature = "testing"))]
#[doc(hidden)]
pub mod testing;

pub use clock::Clock;
pub use db::{
    Committer, Database, Draft, Edit, EditReport, FileKind, FileReader, HistoryEntry, Naming,
    Options, Promotion, Reader, Snapshot, Upload, Writer,
};
pub use error::{Error, Result};
pub use hash::VersionId;
pub use media::Media;
pub use monitor::Monitor;
pub use object::{AsPath, Item, Name, Path};

/// What the server, the command line and the test suites of this project use beside the interface. It
/// may change in any version; nobody else should stand on it.
#[doc(hidden)]
pub mod internals {
    /// Bytes and values of the file format.
    pub mod format {
        pub use crate::format::*;
    }
    /// Walks and proofs.
    pub mod graph {
        pub use crate::graph::*;
    }
    /// Every maximum.
    pub mod limits {
        pub use crate::limits::*;
    }
    /// The single-file home.
    pub mod log {
        pub use crate::log::*;
    }
    /// Encodings of what versions are made of.
    pub mod object {
        /// Attribute sets.
        pub mod attributes {
            pub use crate::object::attributes::*;
        }
        /// Where files are cut.
        pub mod chunker {
            pub use crate::object::chunker::*;
        }
        /// Numbers, bytes and hashes as they are encoded.
        pub mod encoding {
            pub use crate::object::encoding::*;
        }
        /// Files of several names.
        pub mod hard_link {
            pub use crate::object::hard_link::*;
        }
        /// Lists of chunks.
        pub mod list {
            pub use crate::object::list::*;
        }
        /// Trees of nodes.
        pub mod tree {
            pub use crate::object::tree::*;
        }
    }
    /// Random bytes.
    pub mod random {
        pub use crate::random::*;
    }
    /// The seam between objects and their home.
    pub mod store {
        pub use crate::store::*;
    }
}

/// The example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct Readme;
