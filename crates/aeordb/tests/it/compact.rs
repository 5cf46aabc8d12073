//! Compaction: what is reached is in the new file, nothing else is, and at every moment the name
//! leads to the old file or to the new one.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path as LocalPath, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use aeordb::backup;
use aeordb::clock::Clock;
use aeordb::compact::{self, CompactReport};
use aeordb::db::{Database, FileKind, Options};
use aeordb::hash::{Hash, Kind};
use aeordb::internals::limits::RECENT_ENTRIES_MAX;
use aeordb::internals::store::AppendEntries;
use aeordb::media::simulated::{Budget, Failure, Fault, Operation};
use aeordb::media::{FileMedia, Media, SimulatedDisk};
use aeordb::monitor::Monitor;
use aeordb::object::{self, Item};
use aeordb::{Error, Result};

use crate::crash;
use crate::fixture::{self, Fixture, Names, create, noise, observe, put, read, whole, write};
use crate::locks::Other;

fn copy(old: &Database, disk: &SimulatedDisk) -> Result<CompactReport> {
    compact::copy(old, Arc::new(disk.open()), &fixture::options(), &Monitor::new())
}

fn compact(path: &LocalPath) -> Result<CompactReport> {
    compact::compact(path, &Options::default(), &Monitor::new())
}

/// What `database` keeps as system data under `key`.
fn secret() -> [(bytes::Bytes, bytes::Bytes); 1] {
    [("key".into(), "secret".into())]
}

/// A database in a directory of its own, of which most is garbage, and what it shows.
fn database() -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("data.aeordb");
    let database = Database::open_or_create(&path, &Options::default()).unwrap();
    put(&database, "/first", &noise(0, 5000)).unwrap();
    let mut writer = database.writer().unwrap();
    writer.entries().append(Kind::Chunk, &noise(1, 60_000)).unwrap();
    writer.set_system(b"key", Some(b"secret".to_vec())).unwrap();
    writer.commit().unwrap();
    put(&database, "/first", &noise(2, 5000)).unwrap();
    let head = database.reader().unwrap().head();
    database.create_snapshot("named", &head, BTreeMap::new()).unwrap();
    database.close().unwrap();
    (directory, path)
}

fn names(directory: &tempfile::TempDir) -> Vec<String> {
    let entries = fs::read_dir(directory.path()).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn open(path: &LocalPath) -> Database {
    Database::open(path, &Options::default()).unwrap()
}

#[test]
fn a_compacted_file_crashes_as_any_other_and_loses_nothing() {
    for steps in fixture::sequences().into_iter().step_by(13) {
        let fixture = Fixture::new();
        let disk = SimulatedDisk::new(fixture.base.clone());
        let old = write(&disk).unwrap();
        for (number, step) in steps.iter().enumerate() {
            fixture.step(&old, *step, number).unwrap();
        }
        let before = observe(&old).unwrap();
        let new = SimulatedDisk::new([]);
        copy(&old, &new).unwrap();
        // Whatever a crash leaves from now on is whole.
        new.for_each_image(new.crash_points() - 1, &Budget::at_most(50), 1, |image| {
            crash::look(image, &[&before]).unwrap();
        });
        new.settle();
        let database = write(&new).unwrap();
        fixture.step(&database, steps[0], 5).unwrap();
        let after = observe(&database).unwrap();
        database.close().unwrap();
        new.for_each_crash(&Budget::at_most(20), 1, |image| {
            if let Err(why) = crash::look(image, &[&before, &after]) {
                panic!("{}: {image:?}: {why}", Names(&steps));
            }
        });
    }
}

#[test]
fn whichever_operation_fails_the_old_file_is_not_touched() {
    let fixture = Fixture::new();
    let disk = SimulatedDisk::new(fixture.base.clone());
    let old = write(&disk).unwrap();
    let before = whole(&old).unwrap();
    disk.settle();
    for failure in [Failure::Io, Failure::NoSpace, Failure::Short] {
        for skip in 0.. {
            let new = SimulatedDisk::new([]);
            new.inject(Fault::after(skip, failure).lasting());
            let outcome = copy(&old, &new);
            if new.count_all(&Operation::ALL) <= skip {
                outcome.unwrap();
                break;
            }
            // A superblock that the closing writes once more may fail.
            if outcome.is_ok() {
                assert_eq!(whole(&read(&new).unwrap()).unwrap(), before);
            }
        }
    }
    let full = SimulatedDisk::new([]);
    full.set_capacity(fixture.base.len() as u64 / 3);
    assert!(copy(&old, &full).unwrap_err().is_no_space());
    assert_eq!(disk.count_all(&Operation::CHANGES), 0);
    assert_eq!(whole(&old).unwrap(), before);
    put(&old, "/after", &noise(3, 100)).unwrap();
}

#[test]
fn damage_of_what_is_reached_stops_a_compaction_and_of_garbage_does_not() {
    let disk = SimulatedDisk::new([]);
    let database = create(&disk);
    let mut writer = database.writer().unwrap();
    writer.entries().append(Kind::Chunk, &noise(1, 9000)).unwrap();
    writer.commit().unwrap();
    let garbage_end = disk.contents().len();
    put(&database, "/file", &noise(2, 9000)).unwrap();
    database.close().unwrap();
    for (offset, sound) in [(garbage_end - 2000, true), (garbage_end + 2000, false)] {
        let disk = SimulatedDisk::new(disk.durable());
        let old = write(&disk).unwrap();
        disk.flip(offset, 3);
        let outcome = copy(&old, &SimulatedDisk::new([]));
        assert_eq!(outcome.is_ok(), sound, "{outcome:?}");
        if let Err(error) = outcome {
            assert!(matches!(error, Error::Damaged { .. }), "{error}");
        }
    }
}

#[test]
fn history_that_has_outlived_its_use_is_not_copied() {
    const DAY: i64 = 24 * 3600 * 1_000_000_000;
    let disk = SimulatedDisk::new([]);
    let now = std::sync::atomic::AtomicI64::new(0);
    let clock = Clock::from_fn(move || now.fetch_add(DAY, Ordering::Relaxed));
    let options = Options { clock, workers: 1, ..Options::default() };
    let media = Arc::new(disk.open());
    let database = Database::create_media(media, fixture::name(), [7; 16], &options).unwrap();
    for n in 0..1010 {
        put(&database, "/file", &noise(n, 40)).unwrap();
    }
    let before = whole(&database).unwrap();
    let new = SimulatedDisk::new([]);
    copy(&database, &new).unwrap();
    let after = whole(&read(&new).unwrap()).unwrap();
    assert_eq!(after.history, before.history[..1000]);
    assert_eq!(after.seen.head, before.seen.head);
    let garbage = aeordb::gc::collect(&write(&new).unwrap(), true, &Monitor::new()).unwrap();
    assert_eq!(garbage.entries_collected, 0);
}

/// More entries than the index holds in memory: what the runs on the way took is given back.
#[test]
fn a_compaction_of_more_entries_than_memory_holds_has_one_run() {
    let files = RECENT_ENTRIES_MAX + 2000;
    let disk = SimulatedDisk::new([]);
    let database = create(&disk);
    let mut writer = database.writer().unwrap();
    let mut items = BTreeMap::new();
    for file in 0..files {
        let record = fixture::record(writer.entries(), &file.to_le_bytes()).unwrap();
        items.insert(fixture::path(&format!("/{}/{file}", file % 50)), Some(Item::File(record)));
    }
    let root = writer.head_version().unwrap().root;
    let version = object::apply(writer.entries(), &root, items).unwrap();
    let version = writer.add_version(&version).unwrap();
    writer.set_head(version, "put").unwrap();
    writer.commit().unwrap();
    let before = whole(&database).unwrap();
    let new = SimulatedDisk::new([]);
    let report = copy(&database, &new).unwrap();
    assert!(report.entries_live > RECENT_ENTRIES_MAX as u64);
    let compacted = read(&SimulatedDisk::new(new.durable())).unwrap();
    assert_eq!(compacted.reader().unwrap().view().index().runs().len(), 1);
    assert!(!compacted.log().voids().is_empty());
    assert_eq!(compacted.log().unreleased(compacted.log().voids()).unwrap(), []);
    assert_eq!(whole(&compacted).unwrap(), before);
}

#[test]
fn a_real_file_gets_smaller_and_keeps_mode_and_identity() {
    let (directory, path) = database();
    for mode in [0o600, 0o640, 0o664] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let (before, old) = (fs::metadata(&path).unwrap(), open(&path));
        let foreseen = compact::foresee(&old, &Monitor::new()).unwrap();
        let report = compact(&path).unwrap();
        let (after, new) = (fs::metadata(&path).unwrap(), open(&path));
        assert_eq!((report.bytes_before, report.bytes_after), (before.len(), after.len()));
        assert_eq!(
            (foreseen.entries_live, foreseen.bytes_before),
            (report.entries_live, report.bytes_before)
        );
        assert!(
            foreseen.bytes_after.abs_diff(report.bytes_after) < 2000,
            "{foreseen:?} {report:?}"
        );
        assert_eq!(after.mode() & 0o7777, mode);
        assert_eq!((after.uid(), after.gid()), (before.uid(), before.gid()));
        assert_ne!(after.ino(), before.ino());
        assert_eq!(new.file_id(), old.file_id());
        assert_eq!(new.sequence(), old.sequence() + 1);
        assert_eq!(whole(&new).unwrap(), whole(&old).unwrap());
        assert_eq!(new.reader().unwrap().system(b"key").unwrap(), secret());
        assert_eq!(backup::verify(&path, true, &Monitor::new()).unwrap().damages.len(), 0);
        assert_eq!(names(&directory), ["data.aeordb"]);
    }
    assert!(fs::metadata(&path).unwrap().len() < 25_000);
    let database = Database::open_writer(&path, &Options::default()).unwrap();
    put(&database, "/second", &noise(3, 3000)).unwrap();
    let sequence = database.sequence();
    database.close().unwrap();
    assert_eq!(
        open(&path).reader().unwrap().history().unwrap().next().unwrap().unwrap().sequence,
        sequence
    );
}

#[test]
fn readers_keep_the_file_that_they_have_open() {
    let (_directory, path) = database();
    let (reading, before) = (open(&path), whole(&open(&path)).unwrap());
    let mut other = Other::start("read", &path);
    other.committed();
    compact(&path).unwrap();
    let database = Database::open_writer(&path, &Options::default()).unwrap();
    put(&database, "/first", &noise(4, 100)).unwrap();
    aeordb::gc::collect(&database, false, &Monitor::new()).unwrap();
    assert_eq!(whole(&reading).unwrap(), before);
    other.look_again();
}

#[test]
fn a_writer_that_locks_the_replaced_file_notices() {
    let (_directory, path) = database();
    let opened = Arc::new(FileMedia::open_write(&path).unwrap());
    compact(&path).unwrap();
    // What it had opened can be locked, but is no longer the database.
    let late = Database::write_media(opened.clone(), &path, &Options::default()).unwrap();
    assert!(!opened.still_at_path().unwrap());
    let database = Database::open_writer(&path, &Options::default()).unwrap();
    put(&database, "/found", &noise(5, 100)).unwrap();
    drop(late);
    database.close().unwrap();
    let reader = open(&path).reader().unwrap();
    assert!(reader.item(&reader.head(), fixture::path("/found")).unwrap().is_some());
}

#[test]
fn writers_beside_compactions_lose_nothing() {
    let (directory, path) = database();
    let done = AtomicBool::new(false);
    let compactions = std::thread::scope(|scope| {
        let compacting = scope.spawn(|| {
            let mut compactions = 0;
            while !done.load(Ordering::Relaxed) {
                match compact(&path) {
                    Ok(_) => compactions += 1,
                    Err(Error::Locked { .. } | Error::Changed { .. }) => {}
                    Err(error) => panic!("{error}"),
                }
            }
            compactions
        });
        let mut written = 0;
        for _ in 0..1_000_000 {
            match Database::open_writer(&path, &Options::default()) {
                Ok(database) => {
                    put(&database, &format!("/{written}"), &noise(written, 500)).unwrap();
                    written += 1;
                }
                Err(Error::Locked { .. }) => {}
                Err(error) => panic!("{error}"),
            }
            if written == 60 {
                break;
            }
        }
        done.store(true, Ordering::Relaxed);
        compacting.join().unwrap()
    });
    eprintln!("{compactions} compactions");
    let reader = open(&path).reader().unwrap();
    let files = fixture::files(&reader, &reader.head()).unwrap();
    for number in 0..60 {
        assert_eq!(files[&format!("/{number}")], noise(number, 500));
    }
    assert_eq!(names(&directory), ["data.aeordb"]);
}

#[test]
fn a_killed_compaction_leaves_the_old_file_or_the_new_one() {
    for commits in [1, 2, 3, 5, 8, 13, 21] {
        let (directory, path) = database();
        let mut other = Other::start("compact", &path);
        let last = (0..commits).map(|_| other.committed()).last().unwrap();
        other.kill();
        let database = Database::open_writer(&path, &Options::default()).unwrap();
        assert_eq!(database.log().damages(), []);
        let reader = database.reader().unwrap();
        assert_eq!(reader.system(b"key").unwrap(), secret());
        for number in 0..=last {
            let item = reader.item(&reader.head(), fixture::path(&format!("/{number}"))).unwrap();
            assert!(item.is_some(), "commit {number} of {last} is lost");
        }
        drop(reader);
        put(&database, "/after", &noise(1, 100)).unwrap();
        database.close().unwrap();
        assert_eq!(backup::verify(&path, true, &Monitor::new()).unwrap().damages.len(), 0);
        assert_eq!(names(&directory), ["data.aeordb"]);
    }
}

#[test]
fn what_a_killed_compaction_left_is_removed_by_the_next_writer() {
    let (directory, path) = database();
    let link = directory.path().join("link");
    symlink("data.aeordb", &link).unwrap();
    let hash = Hash::of(b"data.aeordb").to_string();
    let leftover = directory.path().join(format!(".data.aeordb.{}.aeordb-tmp", &hash[..16]));
    for through in [&path, &link] {
        fs::write(&leftover, "half a database").unwrap();
        drop(open(through));
        assert!(leftover.exists(), "a reader removed it");
        let writing = Database::open_writer(through, &Options::default()).unwrap();
        assert!(!leftover.exists());
        drop(writing);
        fs::write(&leftover, "half a database").unwrap();
        compact(through).unwrap();
        assert_eq!(names(&directory), ["data.aeordb", "link"]);
    }
}

#[test]
fn a_symbolic_link_stays_and_hard_links_are_refused() {
    let (directory, path) = database();
    let before = whole(&open(&path)).unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let link = elsewhere.path().join("link.aeordb");
    symlink(&path, &link).unwrap();
    compact(&link).unwrap();
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert!(fs::symlink_metadata(&path).unwrap().is_file());
    assert_eq!(whole(&open(&link)).unwrap(), before);
    assert_eq!(names(&elsewhere), ["link.aeordb"]);

    let hard = directory.path().join("hard.aeordb");
    fs::hard_link(&path, &hard).unwrap();
    let bytes = fs::read(&path).unwrap();
    let error = compact(&path).unwrap_err();
    assert!(matches!(&error, Error::Invalid(why) if why.contains("2 names")), "{error}");
    assert_eq!(fs::read(&path).unwrap(), bytes);
    assert_eq!(names(&directory), ["data.aeordb", "hard.aeordb"]);
}

#[test]
fn a_cancelled_compaction_and_one_beside_a_writer_change_nothing() {
    let (directory, path) = database();
    let before = (fs::read(&path).unwrap(), fs::metadata(&path).unwrap().ino());
    let monitor = Monitor::new();
    monitor.cancel();
    let cancelled = compact::compact(&path, &Options::default(), &monitor);
    assert!(matches!(cancelled, Err(Error::Interrupted)), "{cancelled:?}");
    let writing = Database::open_writer(&path, &Options::default()).unwrap();
    assert!(matches!(compact(&path), Err(Error::Locked { .. })));
    drop(writing);
    assert_eq!((fs::read(&path).unwrap(), fs::metadata(&path).unwrap().ino()), before);
    assert_eq!(names(&directory), ["data.aeordb"]);
}

#[test]
fn sealed_files_are_not_compacted() {
    let (directory, path) = database();
    let export = directory.path().join("export.aeordb");
    let reader = open(&path).reader().unwrap();
    let mut bytes = Vec::new();
    backup::export(&reader, &reader.head(), &mut bytes, &Monitor::new()).unwrap();
    fs::write(&export, &bytes).unwrap();
    assert!(matches!(compact(&export), Err(Error::ReadOnly { .. })));
    let database = open(&export);
    assert_eq!(database.kind(), FileKind::Export);
    let foreseen = compact::foresee(&database, &Monitor::new());
    assert!(matches!(foreseen, Err(Error::ReadOnly { .. })), "{foreseen:?}");
    assert_eq!(fs::read(&export).unwrap(), bytes);
}

#[test]
fn blocks_that_live_wholly_are_copied_as_they_are() {
    let disk = SimulatedDisk::new([]);
    let database = create(&disk);
    let contents: Vec<_> = (0..20).map(|n| noise(n, 250_000)).collect();
    let paths: Vec<_> = (0..20).map(|n| format!("/{n}")).collect();
    let changes: Vec<_> = paths
        .iter()
        .zip(&contents)
        .map(|(at, content)| (at.as_str(), Some(&content[..])))
        .collect();
    fixture::change(&database, &changes).unwrap();
    let chunk_blocks = |disk: &SimulatedDisk| {
        let database = read(disk).unwrap();
        let source = database.log().source().clone();
        let index = database.reader().unwrap().view().index().clone();
        let mut tags = BTreeMap::new();
        for record in index.all_records() {
            let record = record.unwrap();
            let block = source.raw_block(record.block_offset(), None).unwrap();
            tags.insert(block.hash, block.head.raw_len);
        }
        tags.retain(|_, raw_len| *raw_len > 1_000_000);
        tags
    };
    let new = SimulatedDisk::new([]);
    copy(&database, &new).unwrap();
    let (before, after) = (chunk_blocks(&disk), chunk_blocks(&new));
    assert!(before.len() > 1 && before.keys().all(|hash| after.contains_key(hash)));
    assert!(new.open().len().unwrap() > 5_000_000);
}
