//! A database that lies on another file: what it does not have itself is read from there. It lives
//! in memory or in a file without a name, and goes with whoever holds it.

use std::path::Path as LocalPath;
use std::sync::{Arc, Mutex};

use crate::db::turn::Turns;
use crate::db::{Database, Options, Reader, random_id};
use crate::error::Result;
use crate::hash::VersionId;
use crate::log::Log;
use crate::media::{FileMedia, Media, MemoryMedia};

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
                let number = u128::from_le_bytes(random_id()?);
                Arc::new(FileMedia::create(directory.join(format!("{number:032x}.aeordb")))?)
            }
            None => Arc::new(MemoryMedia::new()),
        };
        let below = reader.view().clone();
        let path = below.source().name().into();
        let (crew, clock) = (reader.crew().clone(), options.clock.clone());
        let name = "what lies on it";
        let (log, appender) = Log::open_over(media, name, below, head, crew.clone(), clock)?;
        let opened_at = appender.root().sequence;
        Ok(Database {
            log,
            path,
            crew,
            clock: options.clock.clone(),
            appender: Some(Mutex::new(appender)),
            file: None,
            unpublished: None,
            uploads: Arc::default(),
            turns: Turns::default(),
            patience: options.patience,
            opened_at,
        })
    }
}
