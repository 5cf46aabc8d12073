//! What a collection gives back, in blocks of a real file system.

use std::io;
use std::ops::Range;
use std::os::unix::fs::MetadataExt;
use std::path::Path as LocalPath;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use aeordb::clock::Clock;
use aeordb::compact;
use aeordb::db::{Database, Options};
use aeordb::gc::{self, GcReport};
use aeordb::media::{FileMedia, Lock, Media, MemoryMedia};
use aeordb::monitor::Monitor;

use crate::fixture::{self, noise, observe, put};

const DAY: i64 = 24 * 3600 * 1_000_000_000;
const MIB: u64 = 1024 * 1024;

/// A file that is never synced, so that thousands of commits take no time.
struct Unsynced(FileMedia);

impl Media for Unsynced {
    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.0.read_at(buffer, offset)
    }
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.0.write_at(bytes, offset)
    }
    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }
    fn sync(&self) -> io::Result<()> {
        Ok(())
    }
    fn release(&self, range: Range<u64>) -> io::Result<bool> {
        self.0.release(range)
    }
    fn reserve(&self, range: Range<u64>) -> io::Result<bool> {
        self.0.reserve(range)
    }
    fn allocated(&self) -> io::Result<u64> {
        self.0.allocated()
    }
    fn block_len(&self) -> u64 {
        self.0.block_len()
    }
    fn free(&self) -> io::Result<u64> {
        self.0.free()
    }
    fn try_lock(&self, range: Range<u64>, lock: Lock) -> io::Result<bool> {
        self.0.try_lock(range, lock)
    }
    fn unlock(&self, range: Range<u64>) -> io::Result<()> {
        self.0.unlock(range)
    }
    fn locked_by_others(&self, range: Range<u64>) -> io::Result<bool> {
        self.0.locked_by_others(range)
    }
}

/// A database in a file whose clock goes forward by `step` whenever it is asked.
fn create(path: &LocalPath, step: i64) -> Database {
    std::fs::write(path, []).unwrap();
    let media = Arc::new(Unsynced(FileMedia::open_write(path).unwrap()));
    let now = AtomicI64::new(0);
    let clock = Clock::from_fn(move || now.fetch_add(step, Ordering::Relaxed));
    let options = Options { clock, workers: 1, ..Options::default() };
    Database::create_media(media, path, [7; 16], &options).unwrap()
}

/// Bytes that the file takes on the disk.
fn taken(path: &LocalPath) -> u64 {
    std::fs::metadata(path).unwrap().blocks() * 512
}

/// Collects, and holds what is reported against what the file takes.
fn collect(database: &Database, path: &LocalPath) -> GcReport {
    let before = taken(path);
    let report = gc::collect(database, false, &Monitor::new()).unwrap();
    let given_back = before.saturating_sub(taken(path));
    assert!(report.bytes_released <= given_back, "{report:?}: {given_back}");
    report
}

/// What lives, as compaction finds it.
fn living(database: &Database) -> u64 {
    let media = MemoryMedia::new();
    compact::copy(database, Arc::new(media.clone()), &fixture::options(), &Monitor::new()).unwrap();
    media.len().unwrap()
}

/// A second collection finds nothing but what the first one left to it, and a third one nothing.
fn settles(database: &Database, path: &LocalPath, first: &GcReport) -> u64 {
    let len = std::fs::metadata(path).unwrap().len();
    let second = collect(database, path);
    assert_eq!((second.entries_collected, second.bytes_collected), (0, 0));
    assert_eq!(second.bytes_deferred, 0);
    assert!(second.bytes_released * 10 >= first.bytes_deferred * 9, "{first:?} {second:?}");
    let before = taken(path);
    let third = collect(database, path);
    assert_eq!((third.bytes_released, third.bytes_deferred), (0, 0));
    assert_eq!((taken(path), std::fs::metadata(path).unwrap().len()), (before, len));
    first.bytes_released + second.bytes_released
}

#[test]
fn the_small_commits_of_one_file_give_back_what_is_said() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("db");
    let database = create(&path, 1);
    for number in 0..300 {
        put(&database, "/tiny", &noise(number, 40)).unwrap();
    }
    let seen = observe(&database).unwrap();
    let before = taken(&path);
    let foreseen = gc::collect(&database, true, &Monitor::new()).unwrap();
    let first = collect(&database, &path);
    assert!(first.entries_collected > 0, "{first:?}");
    assert!(
        foreseen.bytes_deferred.abs_diff(first.bytes_deferred) < 65_536,
        "{foreseen:?} {first:?}"
    );
    let released = settles(&database, &path, &first);
    assert!(released > 300_000, "{released} of {before}: {first:?}");
    assert_eq!(observe(&database).unwrap(), seen);
}

#[test]
fn after_many_small_files_of_which_half_are_gone_little_more_is_taken_than_lives() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("db");
    let database = create(&path, DAY);
    let mut number = 0;
    let name = |number: u64| format!("/{:03}/{number:05}", number / 200);
    while number < 20_000 {
        let files: Vec<_> = (number..number + 8).map(|n| (name(n), noise(n, 400))).collect();
        let files: Vec<_> =
            files.iter().map(|(path, content)| (&path[..], Some(&content[..]))).collect();
        fixture::change(&database, &files).unwrap();
        number += 8;
    }
    for round in 0..10 {
        let gone: Vec<_> = (round * 2000..(round + 1) * 2000)
            .step_by(2)
            .map(|n| fixture::path(&name(n)))
            .collect();
        database.remove(&gone, false).unwrap();
    }
    // History lets go of what was removed.
    for number in 0..1010 {
        put(&database, "/last", &noise(number, 10)).unwrap();
    }
    let head = database.reader().unwrap().head();
    let before = taken(&path);
    let first = collect(&database, &path);
    let (lives, after) = (living(&database), taken(&path));
    assert!(before > 2 * lives + 16 * MIB, "{before} {lives}: nothing to show");
    assert!(after <= lives * 3 / 2 + 16 * MIB, "{after} for {lives}: {first:?}");
    settles(&database, &path, &first);
    assert!(taken(&path) <= lives * 3 / 2 + 4 * MIB, "{} for {lives}", taken(&path));
    let reader = database.reader().unwrap();
    assert_eq!(reader.head(), head);
    assert_eq!(fixture::files(&reader, &head).unwrap().len(), 10_001);
}
