//! Whole files: opened, looked at, written to, imported.

use std::io::Cursor;
use std::path::Path as LocalPath;
use std::sync::Arc;

use crate::backup::{self, ImportOptions, Input};
use crate::db::{Database, Options};
use crate::error::Result;
use crate::gc;
use crate::graph;
use crate::hash::Kind;
use crate::log::source::Source;
use crate::media::MemoryMedia;
use crate::monitor::Monitor;
use crate::object::{Item, Path};
use crate::salvage as rescue;
use crate::store::AppendEntries;
use crate::testing::{Mailbox, reseal};

/// By how much a file may grow.
const GROWTH_MAX: u64 = 16 * 1024 * 1024;
/// How many items of a version are looked at, and how many bytes of a file: small files can unfold
/// to a great many.
const ITEMS_MAX: usize = 2000;
const BYTES_MAX: usize = 4 * 1024 * 1024;

fn options() -> Options {
    Options { workers: 1, ..Options::default() }
}

fn media(bytes: Vec<u8>) -> Arc<MemoryMedia> {
    let len_max = bytes.len() as u64 + GROWTH_MAX;
    Arc::new(MemoryMedia::with_limit(bytes, len_max))
}

/// Opens a file, as it is and with its checks made right, to read and to write.
pub fn file(data: &[u8]) {
    Mailbox::ours();
    for bytes in [data.to_vec(), reseal(data)] {
        let name = LocalPath::new("fuzz.aeordb");
        if let Ok(database) = Database::open_media(media(bytes.clone()), name, &options()) {
            let _ = look(&database);
            let _ = gc::collect(&database, true, &Monitor::new());
        }
        if let Ok(database) = Database::write_media(media(bytes), name, &options()) {
            let _ = change(&database);
            let _ = look(&database);
        }
    }
}

fn look(database: &Database) -> Result<()> {
    let reader = database.reader()?;
    let _ = reader.snapshots();
    let versions: Vec<_> = reader.history()?.take(20).collect();
    let named = versions.into_iter().flatten().map(|entry| entry.version);
    for version in std::iter::once(reader.head()).chain(named) {
        let Ok(walk) = reader.walk(&version, Path::root()) else { continue };
        for step in walk.take(ITEMS_MAX) {
            let (_, Item::File(record)) = step? else { continue };
            let mut file = reader.file(&record);
            let mut read = 0;
            while let Ok(bytes) = file.next_bytes()
                && !bytes.is_empty()
                && read < BYTES_MAX
            {
                read += bytes.len();
            }
        }
    }
    Ok(())
}

fn change(database: &Database) -> Result<()> {
    let mut writer = database.writer()?;
    writer.entries().append(Kind::Chunk, b"something new")?;
    writer.commit()?;
    gc::collect(database, false, &Monitor::new())?;
    Ok(())
}

/// Imports a sealed file, as it is and with its checks made right. What is refused leaves no
/// trace; what is taken is complete.
pub fn import(data: &[u8]) {
    Mailbox::ours();
    for bytes in [data.to_vec(), reseal(data)] {
        let name = LocalPath::new("fuzz.aeordb");
        let Ok(database) = Database::create_media(media(Vec::new()), name, [1; 16], &options())
        else {
            return;
        };
        let input = Input::Stream(Box::new(Cursor::new(bytes)));
        let options = ImportOptions { promote: true, force: true, ..ImportOptions::default() };
        let head = database.reader().map(|reader| reader.head()).ok();
        let imported = backup::import(&database, vec![input], &options, &Monitor::new());
        let Ok(reader) = database.reader() else { return };
        match imported {
            Ok(report) => {
                assert_eq!(reader.head(), report.version);
                assert!(
                    graph::prove(
                        reader.view(),
                        &report.version,
                        None,
                        reader.pool(),
                        &Monitor::new()
                    )
                    .is_ok()
                );
                let _ = look(&database);
            }
            Err(_) => assert_eq!(Some(reader.head()), head),
        }
    }
}

/// Makes a new database of what is left of a file, as it is and with its checks made right. Whatever
/// is named in it is complete.
pub fn salvage(data: &[u8]) {
    for bytes in [data.to_vec(), reseal(data)] {
        let name = LocalPath::new("fuzz.aeordb");
        let Ok(database) = Database::create_media(media(Vec::new()), name, [1; 16], &options())
        else {
            return;
        };
        let source = Source::new(media(bytes), "fuzz.aeordb");
        if rescue::copy(&source, Vec::new(), &database, &Monitor::new()).is_err() {
            continue;
        }
        let (reader, names) = (database.reader(), database.reader().map(|one| one.snapshots()));
        let (Ok(reader), Ok(Ok(names))) = (reader, names) else {
            unreachable!("what was salvaged is not to be read");
        };
        let named = names.into_iter().map(|snapshot| snapshot.version);
        for version in std::iter::once(reader.head()).chain(named) {
            let (view, pool) = (reader.view(), reader.pool());
            let proved = graph::prove(view, &version, None, pool, &Monitor::new());
            assert!(proved.is_ok(), "{version} was salvaged and is not complete");
        }
        let _ = look(&database);
    }
}
