//! A content-addressed, versioned file database in one file, made for backup and restore.

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
pub mod crew;
pub mod db;
pub mod error;
pub mod files;
pub mod format;
pub mod gc;
pub mod graph;
pub mod hash;
pub mod limits;
pub mod log;
pub mod media;
pub mod object;
pub mod salvage;
pub mod store;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod watch;

pub use error::{Error, Result};
