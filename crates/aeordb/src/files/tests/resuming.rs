//! Puts that do not come to their end, and those that go on from there.

use std::fs;
use std::io::{self, Read};
use std::path::Path as LocalPath;
use std::sync::Arc;

use super::*;
use crate::clock::Clock;
use crate::db::Unfinished;
use crate::error::Error;
use crate::files::put_telling;
use crate::gc;

const INTERVAL: u64 = 256 * 1024;
const DAY: i64 = 24 * 3600 * 1_000_000_000;

/// Bytes that no compression makes less, and no two numbers give alike.
fn bytes(number: u64, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    let mut reader = blake3::Hasher::new().update(&number.to_le_bytes()).finalize_xof();
    reader.fill(&mut bytes);
    bytes
}

/// Bytes of the source.
const LEN: u64 = 40 * 64 * 1024 + 2 * 1024 * 1024;

/// Forty files of 64 KiB in four directories, and one of 2 MiB behind them.
fn source(folder: &LocalPath) -> std::path::PathBuf {
    let source = folder.join("source");
    for number in 0..40u64 {
        let directory = source.join(format!("d{}", number / 10));
        fs::create_dir_all(&directory).unwrap();
        fs::write(directory.join(format!("f{number}")), bytes(number, 64 * 1024)).unwrap();
    }
    fs::write(source.join("large"), bytes(1000, 2 * 1024 * 1024)).unwrap();
    source
}

fn options(folder: &LocalPath) -> PutOptions {
    PutOptions {
        checkpoint: Some(INTERVAL),
        cache: Some(folder.join("cache")),
        ..PutOptions::default()
    }
}

/// A database whose clock is some days ahead, so that what was written a moment ago is old.
fn opened(folder: &LocalPath, days: i64) -> Database {
    let clock = Clock::from_fn(move || Clock::system().now() + days * DAY);
    Database::open_or_create(folder.join("d.aeordb"), &Options { clock, ..Options::default() })
        .unwrap()
}

/// Puts, and is stopped as soon as so many bytes were looked at.
fn stopped(database: &Database, source: &LocalPath, options: &PutOptions, bytes: u64) {
    let monitor = Arc::new(Monitor::new());
    let mut seen = 0;
    let mut tell = |told: crate::files::Told<'_>| {
        seen += told.item.totals().bytes;
        if seen >= bytes {
            monitor.cancel();
        }
        Ok(())
    };
    let sources = vec![source.into()];
    let tell: crate::files::Tell<'_> = Some(&mut tell);
    let to = Path::root();
    let put = put_telling(database, sources, &to, false, options, &monitor, tell);
    assert!(matches!(put, Err(Error::Interrupted)), "{put:?}");
}

fn unfinished(database: &Database) -> Vec<Unfinished> {
    database.reader().unwrap().unfinished().unwrap()
}

/// The version that the source makes where nothing disturbs it.
fn expected(source: &LocalPath) -> VersionId {
    let folder = tempfile::tempdir().unwrap();
    let database = opened(folder.path(), 1);
    put(&database, [source], "/", false, &PutOptions::default(), &Monitor::new()).unwrap().version
}

#[test]
fn a_put_that_was_stopped_is_seen_by_nobody_and_goes_on_where_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let (source, options) = (source(folder.path()), options(folder.path()));
    let database = opened(folder.path(), 1);
    stopped(&database, &source, &options, 2 * 1024 * 1024);
    let reader = database.reader().unwrap();
    assert_eq!(reader.head(), crate::object::Version::empty().id());
    assert_eq!(reader.history().unwrap().count(), 0);
    let kept = unfinished(&database);
    assert_eq!(kept.len(), 1);
    let there = reader.version(&kept[0].version).unwrap().totals;
    assert!(there.bytes >= 1024 * 1024, "{there:?}");
    drop(reader);

    let monitor = Monitor::new();
    let before = database.log().source().file_len().unwrap();
    let report = put(&database, [source.as_path()], "/", false, &options, &monitor).unwrap();
    let grown = database.log().source().file_len().unwrap() - before;
    assert_eq!((report.files, report.files_new), (41, 41));
    assert_eq!(report.version, expected(&source));
    assert!(grown < LEN - there.bytes + 256 * 1024, "{grown}");
    assert_eq!(unfinished(&database), []);
}

#[test]
fn a_file_that_was_read_in_part_is_not_stored_again() {
    let folder = tempfile::tempdir().unwrap();
    let database = opened(folder.path(), 1);
    struct Failing(Vec<u8>, usize);
    impl Read for Failing {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            if self.1 >= self.0.len() / 2 {
                return Err(io::Error::other("cut"));
            }
            let len = buffer.len().min(self.0.len() / 2 - self.1);
            buffer[..len].copy_from_slice(&self.0[self.1..self.1 + len]);
            self.1 += len;
            Ok(len)
        }
    }
    let (all, options) = (bytes(7, 4 * 1024 * 1024), options(folder.path()));
    let stream = Source::Stream(Box::new(Failing(all.clone(), 0)));
    put(&database, [stream], "/dump", false, &options, &Monitor::new()).unwrap_err();
    assert_eq!(unfinished(&database).len(), 1);
    let before = database.log().source().file_len().unwrap();
    let stream = Source::Stream(Box::new(io::Cursor::new(all.clone())));
    let report = put(&database, [stream], "/dump", false, &options, &Monitor::new()).unwrap();
    let grown = database.log().source().file_len().unwrap() - before;
    assert!(grown < 5 * 1024 * 1024 / 2, "{grown}");
    assert_eq!(report.bytes, all.len() as u64);
    assert_eq!(unfinished(&database), []);
}

#[test]
fn a_little_put_that_was_stopped_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let source = source(folder.path());
    let options = PutOptions { checkpoint: Some(1 << 30), ..options(folder.path()) };
    let database = opened(folder.path(), 1);
    stopped(&database, &source, &options, 1024 * 1024);
    assert_eq!(unfinished(&database), []);
    assert_eq!(database.sequence(), 0);
    drop(database);
    let names = fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(names, 2, "the source and the cache");
}

#[test]
fn a_new_database_that_has_no_name_yet_is_gone_on_with() {
    let folder = tempfile::tempdir().unwrap();
    let (source, options) = (source(folder.path()), options(folder.path()));
    for bytes in [1, 2] {
        let database = opened(folder.path(), 1);
        stopped(&database, &source, &options, bytes * 1024 * 1024);
    }
    let path = folder.path().join("d.aeordb");
    assert!(!path.exists() && folder.path().join(".d.aeordb.aeordb-unfinished").exists());
    let database = opened(folder.path(), 1);
    assert_eq!(unfinished(&database).len(), 1);
    put(&database, [source.as_path()], "/", false, &options, &Monitor::new()).unwrap();
    assert!(path.exists() && !folder.path().join(".d.aeordb.aeordb-unfinished").exists());
    assert_eq!(database.reader().unwrap().head(), expected(&source));
}

#[test]
fn a_new_database_that_was_whole_but_for_its_name_has_it_when_it_is_opened() {
    let folder = tempfile::tempdir().unwrap();
    let (source, options) = (source(folder.path()), options(folder.path()));
    let path = folder.path().join("d.aeordb");
    let database = opened(folder.path(), 1);
    put(&database, [source.as_path()], "/", false, &options, &Monitor::new()).unwrap();
    drop(database);
    // As a kill between the commit and the name leaves it.
    fs::rename(&path, folder.path().join(".d.aeordb.aeordb-unfinished")).unwrap();
    let database = opened(folder.path(), 1);
    assert!(path.exists());
    let again = put(&database, [source.as_path()], "/", false, &options, &Monitor::new()).unwrap();
    assert_eq!(again.version, expected(&source));
    drop(database);
    assert_eq!(
        Database::open(&path, &Options::default()).unwrap().reader().unwrap().head(),
        expected(&source)
    );
}

#[test]
fn a_new_database_that_was_not_gone_on_with_for_too_long_is_begun_anew() {
    let folder = tempfile::tempdir().unwrap();
    let (source, options) = (source(folder.path()), options(folder.path()));
    stopped(&opened(folder.path(), 1), &source, &options, 1024 * 1024);
    let database = opened(folder.path(), 8);
    assert_eq!((database.sequence(), unfinished(&database)), (0, vec![]));
    assert!(!folder.path().join(".d.aeordb.aeordb-unfinished").exists());
}

#[test]
fn what_was_kept_outlives_collections_for_a_week_and_no_longer() {
    let folder = tempfile::tempdir().unwrap();
    let (source, options) = (source(folder.path()), options(folder.path()));
    let first = folder.path().join("first");
    fs::write(&first, "first").unwrap();
    let database = opened(folder.path(), 1);
    put(&database, [first.as_path()], "/first", false, &options, &Monitor::new()).unwrap();
    stopped(&database, &source, &options, 2 * 1024 * 1024);
    let kept = unfinished(&database);
    gc::collect(&database, false, &Monitor::new()).unwrap();
    assert_eq!(unfinished(&database), kept);
    let whole = |database: &Database| {
        let reader = database.reader().unwrap();
        crate::graph::missing(reader.view(), &kept[0].version, None, &Monitor::new())
    };
    assert_eq!(whole(&database).unwrap(), 0);
    drop(database);

    let database = opened(folder.path(), 9);
    let foreseen = gc::collect(&database, true, &Monitor::new()).unwrap();
    assert!(foreseen.entries_collected > 20, "{foreseen:?}");
    gc::collect(&database, false, &Monitor::new()).unwrap();
    assert_eq!(unfinished(&database), []);
    assert!(matches!(whole(&database), Err(Error::NotFound(_))));
    // The put begins anew.
    put(&database, [source.as_path()], "/", false, &options, &Monitor::new()).unwrap();
}

#[test]
fn what_a_shorter_run_kept_does_not_replace_what_a_longer_one_did() {
    let folder = tempfile::tempdir().unwrap();
    let (source, options) = (source(folder.path()), options(folder.path()));
    let database = opened(folder.path(), 1);
    stopped(&database, &source, &options, 2 * 1024 * 1024);
    let size = |database: &Database| {
        let (reader, kept) = (database.reader().unwrap(), unfinished(database));
        reader.version(&kept[0].version).unwrap().totals.bytes
    };
    let before = size(&database);
    // Some of it is another now, and is read again.
    for number in 0..10 {
        fs::write(source.join(format!("d0/f{number}")), bytes(100 + number, 64 * 1024)).unwrap();
    }
    stopped(&database, &source, &options, 10 * 64 * 1024);
    let kept = size(&database);
    assert!(kept >= before);
    let before = database.log().source().file_len().unwrap();
    let report = put(&database, [source.as_path()], "/", false, &options, &Monitor::new()).unwrap();
    let grown = database.log().source().file_len().unwrap() - before;
    assert_eq!(report.version, expected(&source));
    assert!(grown < LEN - kept + 256 * 1024, "{grown}, {kept}");
}
