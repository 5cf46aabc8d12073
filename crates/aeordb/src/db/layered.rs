//! A database that lies on another file: what it does not have itself is read from there. It lives
//! in memory or in a file without a name, and goes with whoever holds it.

use std::path::{Path as LocalPath, PathBuf};
use std::sync::Arc;

use crate::db::{Database, Options, Reader};
use crate::error::Result;
use crate::hash::VersionId;
use crate::log::Log;
use crate::log::home::LogHome;
use crate::media::{FileMedia, Media, MemoryMedia};
use crate::random;

impl Database {
    /// Begins a database that lies on what `reader` sees, and whose HEAD is `head`, a version that
    /// is complete there. What is written to it goes to a file without a name in `directory`, or to
    /// memory if there is none.
    pub fn over(
        reader: &Reader,
        head: VersionId,
        directory: Option<&LocalPath>,
        options: &Options,
    ) -> Result<Database> {
        let media: Arc<dyn Media> = match directory {
            Some(directory) => {
                let number = u128::from_le_bytes(random::bytes()?);
                Arc::new(FileMedia::create(directory.join(format!("{number:032x}.aeordb")))?)
            }
            None => Arc::new(MemoryMedia::new()),
        };
        let below = reader.view().clone();
        let path = PathBuf::from(below.source().name());
        let pool = match options.compression.is_usual() {
            true => reader.pool().clone(),
            false => options.pool(),
        };
        let clock = options.clock.clone();
        let name = "what lies on it";
        let opened = Log::open_over(media, name, below, head, pool.clone(), clock)?;
        Ok(Database::new(LogHome::writing(opened), &path, pool, options))
    }
}
