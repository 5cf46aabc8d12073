//! Garbage collection: what is reached stays, what is not goes, and readers are left in peace.

use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use aeordb::Error;
use aeordb::clock::Clock;
use aeordb::db::{Database, Options};
use aeordb::gc::{self, GcReport};
use aeordb::hash::Kind;
use aeordb::internals::store::AppendEntries;
use aeordb::media::simulated::Operation;
use aeordb::media::{Lock, Media, SimulatedDisk, SimulatedMedia};
use aeordb::monitor::Monitor;
use aeordb::object::{Item, Path};

use crate::fixture::{self, Fixture, Step, create, noise, observe, put, read, write};

const DAY: i64 = 24 * 3600 * 1_000_000_000;

fn collect(database: &Database) -> GcReport {
    gc::collect(database, false, &Monitor::new()).unwrap()
}

/// A database whose clock goes forward by `step` whenever it is asked.
fn create_with_clock(disk: &SimulatedDisk, step: i64) -> Database {
    let now = AtomicI64::new(0);
    let clock = Clock::from_fn(move || now.fetch_add(step, Ordering::Relaxed));
    let options = Options { clock, workers: 1, ..Options::default() };
    Database::create_media(Arc::new(disk.open()), fixture::name(), [7; 16], &options).unwrap()
}

#[test]
fn a_second_collection_finds_nothing() {
    for steps in fixture::sequences().into_iter().step_by(11) {
        let fixture = Fixture::new();
        let disk = SimulatedDisk::new(fixture.base.clone());
        let database = write(&disk).unwrap();
        for (number, step) in steps.iter().enumerate() {
            fixture.step(&database, *step, number).unwrap();
        }
        let before = observe(&database).unwrap();
        let first = collect(&database);
        let len = disk.contents().len();
        let second = collect(&database);
        assert!(first.entries_collected > 0 || steps.contains(&Step::Gc), "{steps:?}: {first:?}");
        assert_eq!((second.entries_collected, second.bytes_collected), (0, 0), "{steps:?}");
        assert_eq!(second.bytes_deferred, 0, "{steps:?}");
        assert_eq!(disk.contents().len(), len, "{steps:?}: the second one wrote");
        assert!(first.bytes_deferred == 0 || second.bytes_released > 0, "{steps:?}: {second:?}");
        let changes = disk.count_all(&Operation::CHANGES);
        let third = collect(&database);
        assert_eq!((third.entries_collected, third.bytes_collected), (0, 0), "{steps:?}");
        assert_eq!((third.bytes_released, third.bytes_deferred), (0, 0), "{steps:?}");
        assert_eq!(disk.count_all(&Operation::CHANGES), changes, "{steps:?}");
        assert_eq!(observe(&database).unwrap(), before, "{steps:?}");
        drop(database);
        assert_eq!(observe(&read(&disk).unwrap()).unwrap(), before, "{steps:?}");
    }
}

#[test]
fn history_is_kept_for_a_thousand_entries_and_for_thirty_days() {
    for (step, kept) in [(DAY, 1000), (DAY / 10_000, 1010)] {
        let disk = SimulatedDisk::new([]);
        let database = create_with_clock(&disk, step);
        let versions: Vec<_> =
            (0..1010).map(|n| put(&database, "/file", &noise(n, 40)).unwrap()).collect();
        collect(&database);
        let seen = observe(&database).unwrap();
        let found: Vec<_> = seen.history.iter().map(|(version, ..)| *version).collect();
        assert_eq!(found, versions[1010 - kept..]);
        let reader = database.reader().unwrap();
        assert_eq!(reader.version(&versions[0]).is_ok(), kept == 1010);
    }
}

#[test]
fn a_snapshot_and_an_import_that_was_not_promoted_keep_what_they_reach() {
    let fixture = Fixture::new();
    let disk = SimulatedDisk::new(fixture.base.clone());
    let database = write(&disk).unwrap();
    fixture.step(&database, Step::Import, 0).unwrap();
    fixture.step(&database, Step::Snapshot, 1).unwrap();
    fixture.step(&database, Step::Delete, 2).unwrap();
    let before = observe(&database).unwrap();
    assert!(before.history.iter().any(|(_, _, promoted)| !promoted));
    assert!(collect(&database).entries_collected > 0);
    assert_eq!(observe(&database).unwrap(), before);
}

#[test]
fn the_living_rest_of_a_mostly_dead_block_is_moved() {
    let disk = SimulatedDisk::new([]);
    let database = create(&disk);
    let mut writer = database.writer().unwrap();
    for n in 0..20 {
        writer.entries().append(Kind::Chunk, &noise(n, 5000)).unwrap();
    }
    writer.commit().unwrap();
    // The first of these chunks now lives.
    put(&database, "/living", &noise(0, 5000)).unwrap();
    let place = || {
        let reader = database.reader().unwrap();
        let item = reader.item(&reader.head(), fixture::path("/living")).unwrap();
        let Some(Item::File(record)) = item else { panic!("no file") };
        assert_eq!(fixture::read_all(&reader, &record).unwrap(), noise(0, 5000));
        aeordb::internals::store::ReadEntries::locate(reader.view(), &record.content_hash)
            .unwrap()
            .unwrap()
    };
    let before = place();
    let report = collect(&database);
    assert_ne!(place().block, before.block);
    assert!(report.bytes_live < 15_000, "{report:?}");
    assert!(report.bytes_released == 0 && report.bytes_deferred > 95_000, "{report:?}");
    let used = disk.used();
    let report = collect(&database);
    assert_eq!((report.bytes_collected, report.bytes_deferred), (0, 0));
    assert!(report.bytes_released > 95_000, "{report:?}");
    assert_eq!(report.bytes_released, used - disk.used());
    drop(database);
    observe(&read(&disk).unwrap()).unwrap();
}

#[test]
fn a_block_of_which_more_than_two_thirds_live_stays() {
    let disk = SimulatedDisk::new([]);
    let database = create(&disk);
    let mut writer = database.writer().unwrap();
    writer.entries().append(Kind::Chunk, &noise(0, 4000)).unwrap();
    writer.entries().append(Kind::Chunk, &noise(1, 1800)).unwrap();
    writer.commit().unwrap();
    put(&database, "/living", &noise(0, 4000)).unwrap();
    let view = || database.reader().unwrap().view().clone();
    let hash = Kind::Chunk.hash(&noise(0, 4000));
    let before = aeordb::internals::store::ReadEntries::locate(&view(), &hash).unwrap().unwrap();
    collect(&database);
    let after = aeordb::internals::store::ReadEntries::locate(&view(), &hash).unwrap().unwrap();
    assert_eq!((before.block, before.ordinal), (after.block, after.ordinal));
}

#[test]
fn a_dry_run_writes_nothing_and_needs_no_writer() {
    let fixture = Fixture::new();
    let disk = SimulatedDisk::new(fixture.base.clone());
    let writing = write(&disk).unwrap();
    disk.settle();
    let foreseen = gc::collect(&read(&disk).unwrap(), true, &Monitor::new()).unwrap();
    assert_eq!(disk.count_all(&Operation::CHANGES), 0);
    assert_eq!(gc::collect(&writing, true, &Monitor::new()).unwrap(), foreseen);
    assert_eq!(disk.count_all(&Operation::CHANGES), 0);
    let done = collect(&writing);
    assert_eq!(done.entries_collected, foreseen.entries_collected);
    assert_eq!(done.entries_live, foreseen.entries_live);
    assert!(foreseen.bytes_collected > 3000, "{foreseen:?}");
}

/// Also where the file has grown since it was opened, and voids of a collection before are in it.
#[test]
fn a_dry_run_foresees_what_a_collection_does() {
    let disk = SimulatedDisk::new([]);
    let database = create(&disk);
    for round in 0..3 {
        let mut writer = database.writer().unwrap();
        for n in 0..20 {
            writer.entries().append(Kind::Chunk, &noise(100 * round + n, 5000)).unwrap();
        }
        writer.commit().unwrap();
        // One of these chunks lives, so its block is moved.
        put(&database, "/living", &noise(100 * round, 5000)).unwrap();
        let monitor = Monitor::new();
        let foreseen = gc::collect(&database, true, &monitor).unwrap();
        assert!(foreseen.bytes_collected > 90_000, "{foreseen:?}");
        let progress = monitor.progress();
        assert!(progress.files > 0 && progress.bytes > 0, "{progress:?}");
        assert!(progress.bytes <= progress.bytes_expected, "{progress:?}");
        let done = collect(&database);
        let counts = |report: &GcReport| {
            (report.entries_live, report.entries_collected, report.bytes_collected)
        };
        assert_eq!(counts(&foreseen), counts(&done));
        // Each void keeps a header, and the block that is written anew is of another length.
        let released = foreseen.bytes_released.saturating_sub(done.bytes_released);
        assert!(released < 10_000, "{foreseen:?} {done:?}");
        assert!(
            foreseen.bytes_deferred.abs_diff(done.bytes_deferred) < 1000,
            "{foreseen:?} {done:?}"
        );
        assert!(foreseen.bytes_live.abs_diff(done.bytes_live) < 1000, "{foreseen:?} {done:?}");
    }
}

#[test]
fn a_deep_verification_counts_each_byte_once() {
    let disk = SimulatedDisk::new([]);
    let database = create(&disk);
    let big = noise(0, 50_000);
    for n in 0..5 {
        put(&database, &format!("/{n}"), &big).unwrap();
    }
    drop(database);
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), disk.contents()).unwrap();
    let monitor = Monitor::new();
    aeordb::backup::verify(file.path(), true, &monitor).unwrap();
    let progress = monitor.progress();
    assert_eq!((progress.files, progress.bytes), (5, progress.bytes_expected), "{progress:?}");
}

#[test]
fn readers_go_on_reading_and_the_next_collection_releases_what_they_held() {
    let fixture = Fixture::new();
    let disk = SimulatedDisk::new(fixture.base.clone());
    let other = read(&disk).unwrap();
    let database = write(&disk).unwrap();
    let before = observe(&database).unwrap();
    for own in [true, false] {
        fixture.step(&database, Step::Snapshot, usize::from(own)).unwrap();
        let reader = database.reader().unwrap();
        let report = collect(&database);
        assert!(report.bytes_deferred > 0 && report.bytes_released == 0, "{report:?}");
        assert_eq!(disk.count(Operation::Release), 0);
        assert_eq!(observe(&other).unwrap(), before);
        drop(reader);
    }
    drop(other);
    let report = collect(&database);
    assert!(report.bytes_released > 0 && report.bytes_deferred == 0, "{report:?}");
    assert!(disk.count(Operation::Release) > 0);
    assert_eq!(observe(&database).unwrap().head, before.head);
    assert_eq!(collect(&database).bytes_released, 0);
}

/// A file system without locks.
struct WithoutLocks(SimulatedMedia);

impl Media for WithoutLocks {
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
        self.0.sync()
    }
    fn release(&self, range: Range<u64>) -> io::Result<bool> {
        self.0.release(range)
    }
    fn allocated(&self) -> io::Result<u64> {
        self.0.allocated()
    }
    fn try_lock(&self, _: Range<u64>, _: Lock) -> io::Result<bool> {
        Ok(true)
    }
    fn unlock(&self, _: Range<u64>) -> io::Result<()> {
        Ok(())
    }
    fn locked_by_others(&self, _: Range<u64>) -> io::Result<bool> {
        Ok(false)
    }
}

#[test]
fn a_reader_from_whom_entries_were_collected_says_so() {
    let disk = SimulatedDisk::new([]);
    let database = create_with_clock(&disk, DAY);
    put(&database, "/file", &noise(1, 5000)).unwrap();
    let media = Arc::new(WithoutLocks(disk.open_read()));
    let other = Database::open_media(media, fixture::name(), &fixture::options()).unwrap();
    for n in 0..1010 {
        put(&database, "/file", &noise(2 + n, 50)).unwrap();
    }
    collect(&database);
    assert!(collect(&database).bytes_released > 5000);
    let reader = other.reader().unwrap();
    let head = reader.head();
    let found = reader.walk(&head, &Path::root()).and_then(|mut walk| walk.next().transpose());
    assert!(matches!(found, Err(Error::Collected(_))), "{found:?}");
    drop(database);
    observe(&read(&disk).unwrap()).unwrap();
}

#[test]
fn what_was_collected_can_be_stored_again() {
    let disk = SimulatedDisk::new([]);
    let database = create(&disk);
    let junk = noise(1, 6000);
    for _ in 0..3 {
        let mut writer = database.writer().unwrap();
        writer.entries().append(Kind::Chunk, &junk).unwrap();
        writer.commit().unwrap();
        collect(&database);
    }
    put(&database, "/junk", &junk).unwrap();
    drop(database);
    let database = read(&disk).unwrap();
    let reader = database.reader().unwrap();
    let files = fixture::files(&reader, &reader.head()).unwrap();
    assert_eq!(files, BTreeMap::from([("/junk".to_owned(), junk)]));
}

/// Readers of the same process and of others, beside a writer that changes and collects.
#[test]
fn readers_beside_a_writer_that_collects_see_whole_states() {
    let disk = SimulatedDisk::new([]);
    let database = create(&disk);
    put(&database, "/0", &noise(0, 3000)).unwrap();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let inside = scope.spawn(|| {
            let mut seen = 0;
            while !done.load(Ordering::Relaxed) {
                observe(&database).unwrap();
                seen += 1;
            }
            seen
        });
        let outside = scope.spawn(|| {
            let mut seen = 0;
            while !done.load(Ordering::Relaxed) {
                let database = read(&disk).unwrap();
                assert_eq!(database.log().damages(), []);
                observe(&database).unwrap();
                seen += 1;
            }
            seen
        });
        for n in 0..120 {
            put(&database, &format!("/{}", n % 7), &noise(n, 2000)).unwrap();
            // Bytes that nobody needs, and an attempt that is taken back.
            let mut writer = database.writer().unwrap();
            writer.entries().append(Kind::Chunk, &noise(1000 + n, 3000)).unwrap();
            if n % 2 == 0 {
                writer.commit().unwrap();
            } else {
                drop(writer);
            }
            if n % 5 == 0 {
                collect(&database);
            }
        }
        done.store(true, Ordering::Relaxed);
        assert!(inside.join().unwrap() > 0 && outside.join().unwrap() > 0);
    });
    observe(&database).unwrap();
}
