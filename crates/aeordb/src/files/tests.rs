//! Local trees in and out, as a whole.

mod back;
mod choosing;
mod damage;
mod machine;
mod racing;
mod restoring;
mod resuming;
mod round_trip;
mod storing;
mod trees;

use std::path::Path as LocalPath;
use std::sync::Arc;

use crate::clock::Clock;
use crate::db::{Database, Options};
use crate::error::Result;
use crate::files::{GetOptions, GetReport, MaxDelete, PutOptions, PutReport, Source, get, put};
use crate::hash::{DirectoryId, VersionId};
use crate::media::MemoryMedia;
use crate::monitor::Monitor;
use crate::object::Path;

/// A database in memory; equal ones have equal bytes.
struct Sandbox {
    media: Arc<MemoryMedia>,
    database: Database,
}

impl Sandbox {
    fn new() -> Self {
        Sandbox::with_workers(2)
    }

    fn with_workers(workers: usize) -> Self {
        // Long after all files were made: their times are old enough to be trusted.
        let clock = Clock::from_fn(|| 9_000_000_000_000_000_000);
        let media = Arc::new(MemoryMedia::new());
        let options = Options { clock, workers, ..Options::default() };
        let name = LocalPath::new("memory");
        let database = Database::create_media(media.clone(), name, [7; 16], &options).unwrap();
        Sandbox { media, database }
    }

    fn put_with(&self, local: &LocalPath, path: &str, options: &PutOptions) -> Result<PutReport> {
        let sources = vec![Source::Path(local.into())];
        put(&self.database, sources, at(path), false, options, &Monitor::new())
    }

    fn put(&self, local: &LocalPath) -> PutReport {
        self.put_with(local, "/", &PutOptions::default()).unwrap()
    }

    fn mirror(&self, local: &LocalPath) -> PutReport {
        let max_delete = MaxDelete::Percent(100);
        let options = PutOptions { mirror: true, max_delete, ..Default::default() };
        self.put_with(local, "/", &options).unwrap()
    }

    fn get_with(&self, path: &str, local: &LocalPath, options: &GetOptions) -> Result<GetReport> {
        let reader = self.database.reader().unwrap();
        get(&reader, &reader.head(), at(path), local, options, &Arc::new(Monitor::new()))
    }

    fn get(&self, local: &LocalPath) -> GetReport {
        self.get_with("/", local, &GetOptions::default()).unwrap()
    }

    /// The root of the tree of a version.
    fn root(&self, version: &VersionId) -> DirectoryId {
        self.database.reader().unwrap().version(version).unwrap().root
    }

    fn head(&self) -> VersionId {
        self.database.reader().unwrap().head()
    }

    /// The bytes of a file.
    fn cat(&self, path: &str) -> Vec<u8> {
        let reader = self.database.reader().unwrap();
        let Some(crate::object::Item::File(record)) =
            reader.item(&reader.head(), at(path)).unwrap()
        else {
            panic!("{path} is not a file")
        };
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut reader.file(&record), &mut bytes).unwrap();
        assert_eq!(record.size, bytes.len() as u64);
        assert_eq!(record.content_hash, crate::hash::Hash::of(&bytes));
        bytes
    }
}

fn at(path: &str) -> Path {
    Path::parse(path.as_bytes()).unwrap()
}
