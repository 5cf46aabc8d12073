//! A content-addressed, versioned file database in one file, made for backup and restore.

pub mod clock;
pub mod error;
pub mod hash;
pub mod limits;
pub mod media;
pub mod object;
pub mod store;

pub use error::{Error, Result};
