//! Full disks: what grows is refused, and everything that makes room goes on, for which some space
//! is kept.

use std::collections::BTreeMap;

use aeordb::db::{Database, Purpose};
use aeordb::gc::{self, GcReport};
use aeordb::hash::Kind;
use aeordb::internals::limits::RECENT_ENTRIES_MAX;
use aeordb::internals::store::{AppendEntries, ReadEntries, Transaction};
use aeordb::media::SimulatedDisk;
use aeordb::media::simulated::{Failure, Fault, Operation};
use aeordb::monitor::Monitor;
use aeordb::{Error, Result};

use crate::fixture::{self, Fixture, Step, create, kill, noise, observe, path, put, read, write};

/// Nothing more fits on the disk but what is reserved.
fn fill(disk: &SimulatedDisk) {
    disk.set_capacity(disk.used());
}

fn empty(disk: &SimulatedDisk) {
    disk.set_capacity(1 << 30);
}

fn is_full<T>(result: &Result<T>) -> bool {
    matches!(result, Err(error) if error.is_no_space())
}

fn collect(database: &Database) -> Result<GcReport> {
    gc::collect(database, false, &Monitor::new())
}

/// A block that nothing reaches.
fn litter(database: &Database, bytes: &[u8]) {
    let mut writer = database.writer().unwrap();
    writer.entries().append(Kind::Chunk, bytes).unwrap();
    writer.commit().unwrap();
}

/// A database of many small files on a disk that is filled up with bytes that nothing reaches.
fn full(files: usize) -> (SimulatedDisk, Database) {
    let disk = SimulatedDisk::new([]);
    let database = create(&disk);
    let names: Vec<String> = (0..files).map(|n| format!("/f-{n:05}")).collect();
    let contents: Vec<Vec<u8>> = (0..files).map(|n| noise(n as u64, 20)).collect();
    let changes: Vec<_> = names
        .iter()
        .zip(&contents)
        .map(|(name, content)| (name.as_str(), Some(content.as_slice())))
        .collect();
    fixture::change(&database, &changes).unwrap();
    disk.set_capacity(disk.used() + 3_000_000);
    for number in 0.. {
        let mut writer = database.writer().unwrap();
        let appended = writer.entries().append(Kind::Chunk, &noise(1000 + number, 200_000));
        match appended.and_then(|_| writer.commit()) {
            Ok(_) => {}
            Err(error) => {
                assert!(error.is_no_space(), "{error}");
                fill(&disk);
                return (disk, database);
            }
        }
    }
    unreachable!()
}

#[test]
fn what_grows_is_refused_and_what_makes_room_is_not() {
    let fixture = Fixture::new();
    for step in Step::ALL {
        let disk = SimulatedDisk::new(fixture.base.clone());
        let database = write(&disk).unwrap();
        let before = observe(&database).unwrap();
        fill(&disk);
        let done = fixture.step(&database, step, 0);
        if matches!(step, Step::Delete | Step::Gc) {
            done.unwrap_or_else(|error| panic!("{step:?}: {error}"));
            continue;
        }
        assert!(is_full(&done), "{step:?}: {done:?}");
        assert_eq!(observe(&database).unwrap(), before);
        empty(&disk);
        fixture.step(&database, step, 0).unwrap();
    }
}

#[test]
fn a_full_disk_is_freed_by_a_collection_and_takes_files_again() {
    for files in [1, 20_000] {
        let (disk, database) = full(files);
        assert!(is_full(&put(&database, "/more", &noise(1, 2000))));
        for number in 0..5.min(files) {
            database.remove(&[path(&format!("/f-{number:05}"))], false).unwrap();
        }
        let used = disk.used();
        let report = collect(&database).unwrap();
        assert!(report.bytes_released > 1_000_000, "{report:?}");
        assert!(disk.used() < used, "{files}");
        put(&database, "/more", &noise(1, 200_000)).unwrap();
        let seen = observe(&database).unwrap();
        database.close().unwrap();
        assert_eq!(observe(&read(&disk).unwrap()).unwrap(), seen);
    }
}

#[test]
fn a_full_disk_can_be_closed_opened_and_collected() {
    let (disk, database) = full(1000);
    database.remove(&[path("/f-00007")], false).unwrap();
    let seen = observe(&database).unwrap();
    database.close().unwrap();
    let database = write(&disk).unwrap();
    assert_eq!(observe(&database).unwrap(), seen);
    assert!(is_full(&put(&database, "/more", &noise(1, 300_000))));
    database.remove(&[path("/f-00008")], false).unwrap();
    assert!(collect(&database).unwrap().bytes_released > 1_000_000);
    put(&database, "/more", &noise(1, 2000)).unwrap();
}

#[test]
fn a_process_that_was_killed_on_a_full_disk_is_followed_by_another() {
    let (disk, mut database) = full(1000);
    for round in 0..4 {
        database.remove(&[path(&format!("/f-{round:05}"))], false).unwrap();
        let seen = observe(&database).unwrap();
        kill(&disk, database);
        assert_eq!(observe(&read(&disk).unwrap()).unwrap(), seen);
        database = write(&disk).unwrap();
        assert_eq!(observe(&database).unwrap(), seen);
    }
    kill(&disk, database);
    let database = write(&disk).unwrap();
    assert!(collect(&database).unwrap().bytes_released > 1_000_000);
    put(&database, "/more", &noise(1, 2000)).unwrap();
}

#[test]
fn removals_end_before_a_collection_has_no_space_left() {
    let (disk, database) = full(3000);
    let removed = (0..3000).take_while(|number| {
        let removed = database.remove(&[path(&format!("/f-{number:05}"))], false);
        assert!(removed.is_ok() || is_full(&removed), "{removed:?}");
        removed.is_ok()
    });
    let removed = removed.count();
    assert!((20..3000).contains(&removed), "{removed}");
    kill(&disk, database);
    let database = write(&disk).unwrap();
    assert!(collect(&database).unwrap().bytes_released > 1_000_000);
    database.remove(&[path("/f-02999")], false).unwrap();
}

#[test]
fn snapshots_are_removed_on_a_full_disk() {
    let fixture = Fixture::new();
    let disk = SimulatedDisk::new(fixture.base.clone());
    let database = write(&disk).unwrap();
    database.create_snapshot("old", &fixture.first, BTreeMap::new()).unwrap();
    fill(&disk);
    let mut refused = (0..1000).map(|number| {
        database.create_snapshot(&format!("new-{number}"), &fixture.first, BTreeMap::new())
    });
    assert!(refused.find(Result::is_err).is_some_and(|last| is_full(&last)));
    database.delete_snapshot("old").unwrap();
    let left = database.reader().unwrap().snapshots().unwrap();
    assert!(left.iter().all(|snapshot| snapshot.name != "old"));
}

/// Without a reserve, what opening must write waits: reads go on, and so does everything once there
/// is room.
#[test]
fn what_cannot_be_restored_for_want_of_space_is_read_and_restored_later() {
    let fixture = Fixture::new();
    for torn in [false, true] {
        let disk = SimulatedDisk::new(fixture.base.clone());
        disk.set_reserves(false);
        let database = write(&disk).unwrap();
        fixture::put(&database, "/unproven", &noise(3, 5000)).unwrap();
        let seen = observe(&database).unwrap();
        if torn {
            let mut writer = database.writer().unwrap();
            writer.entries().append(Kind::Chunk, &noise(4, 700)).unwrap();
            writer.entries().flush().unwrap();
            std::mem::forget(writer);
        }
        let bytes = disk.contents();
        let disk = SimulatedDisk::new(bytes);
        disk.set_reserves(false);
        disk.set_capacity(fixture.base.len() as u64);
        let database = write(&disk).unwrap();
        assert_eq!(observe(&database).unwrap(), seen);
        assert!(is_full(&database.remove(&[path("/old-0")], false)));
        assert!(is_full(&collect(&database)));
        assert_eq!(observe(&database).unwrap(), seen);
        database.close().unwrap();
        assert_eq!(observe(&read(&disk).unwrap()).unwrap(), seen);

        let database = write(&disk).unwrap();
        empty(&disk);
        database.remove(&[path("/old-0")], false).unwrap();
        let seen = observe(&database).unwrap();
        kill(&disk, database);
        let left = SimulatedDisk::new(disk.durable());
        assert_eq!(observe(&read(&left).unwrap()).unwrap(), seen);
    }
}

#[test]
fn a_large_commit_is_proven_at_once_so_that_no_opening_has_to_write_it_again() {
    let disk = SimulatedDisk::new([]);
    let database = create(&disk);
    put(&database, "/small", &noise(1, 100)).unwrap();
    let mut writer = database.writer().unwrap();
    for number in 0..45 {
        writer.entries().append(Kind::Chunk, &noise(number, 200_000)).unwrap();
    }
    writer.commit().unwrap();
    kill(&disk, database);
    let len = disk.contents().len();
    let database = write(&disk).unwrap();
    assert_eq!(disk.contents().len(), len);
    database.close().unwrap();
}

#[test]
fn a_disk_that_cannot_reserve_frees_what_it_can() {
    let fixture = Fixture::new();
    let disk = SimulatedDisk::new(fixture.base.clone());
    disk.set_reserves(false);
    let database = write(&disk).unwrap();
    litter(&database, &noise(5, 50_000));
    // Less than what mostly dead blocks have that lives, and room for an index.
    disk.set_capacity(disk.used() + 2500);
    let report = collect(&database).unwrap();
    assert!(report.bytes_released > 40_000, "{report:?}");
    put(&database, "/more", &noise(6, 10_000)).unwrap();
}

#[test]
fn what_another_took_of_the_reserve_is_taken_back_when_there_is_room() {
    let fixture = Fixture::new();
    let disk = SimulatedDisk::new(fixture.base.clone());
    disk.set_capacity(fixture.base.len() as u64 + 4000);
    let database = write(&disk).unwrap();
    assert!(is_full(&put(&database, "/new", &noise(1, 100))));
    database.remove(&[path("/old-0")], false).unwrap();
    empty(&disk);
    put(&database, "/new", &noise(1, 100)).unwrap();
    let used = disk.used();
    // What is given back from now on, others take.
    disk.set_capacity(0);
    assert!(is_full(&put(&database, "/more", &noise(2, 200_000))));
    database.remove(&[path("/old-1")], false).unwrap();
    collect(&database).unwrap();
    assert!(used > 600_000, "{used}");
}

#[test]
fn after_a_sync_that_failed_for_want_of_space_nothing_is_written() {
    let fixture = Fixture::new();
    let disk = SimulatedDisk::new(fixture.base.clone());
    let database = write(&disk).unwrap();
    disk.inject(Fault::after(0, Failure::NoSpace).on(&[Operation::Sync]));
    assert!(is_full(&database.remove(&[path("/old-0")], false)));
    let purposes = [Purpose::Growth, Purpose::Removal, Purpose::Collection];
    for purpose in purposes {
        let refused = database.writer_for(purpose).map(drop);
        assert!(matches!(refused, Err(Error::ReadOnly { .. })), "{purpose:?}: {refused:?}");
    }
}

#[test]
fn what_is_taken_back_while_there_is_room_leaves_the_file_as_it_was() {
    let fixture = Fixture::new();
    let disk = SimulatedDisk::new(fixture.base.clone());
    let database = write(&disk).unwrap();
    let before = disk.contents();
    let mut writer = database.writer().unwrap();
    writer.entries().append(Kind::Chunk, &noise(1, 5000)).unwrap();
    writer.entries().flush().unwrap();
    drop(writer);
    assert_eq!(disk.contents(), before);
    fill(&disk);
    database.remove(&[path("/old-0")], false).unwrap();
}

/// What the last block of a commit brings may make a run, which only a checkpoint names.
#[test]
fn a_run_that_the_end_of_a_commit_writes_has_a_checkpoint() {
    let disk = SimulatedDisk::new([]);
    let database = create(&disk);
    let mut last = None;
    for entries in [0..RECENT_ENTRIES_MAX + 1, RECENT_ENTRIES_MAX + 1..RECENT_ENTRIES_MAX + 70_000]
    {
        let mut writer = database.writer().unwrap();
        for number in entries {
            let appended = writer.entries().append(Kind::Chunk, &(number as u64).to_le_bytes());
            last = Some(appended.unwrap());
        }
        writer.commit().unwrap();
    }
    kill(&disk, database);
    let reader = read(&disk).unwrap().reader().unwrap();
    assert!(reader.view().locate(&last.unwrap()).unwrap().is_some());
}
