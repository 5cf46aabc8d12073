//! Another program writes to the file under a writer's hands, as `cp backup live` does: what it put
//! there stays as it is.

use aeordb::backup;
use aeordb::db::{Database, Purpose};
use aeordb::gc;
use aeordb::internals::store::{AppendEntries, Transaction};
use aeordb::media::{Media, SimulatedDisk};
use aeordb::monitor::Monitor;

use crate::fixture::{create, is_read_only, noise, path, put, write};

/// What a person does to a database that others have open.
fn overwrite(disk: &SimulatedDisk, bytes: &[u8]) {
    let media = disk.open();
    media.set_len(0).unwrap();
    media.write_at(bytes, 0).unwrap();
}

/// A database with a few versions, and copies of it from before.
fn with_history() -> (SimulatedDisk, Vec<(&'static str, Vec<u8>)>) {
    let disk = SimulatedDisk::new([]);
    let database = create(&disk);
    put(&database, "/x", &noise(1, 700)).unwrap();
    database.close().unwrap();
    let older = disk.contents();
    let database = write(&disk).unwrap();
    put(&database, "/y", &noise(2, 70_000)).unwrap();
    put(&database, "/z", &noise(3, 70_000)).unwrap();
    database.remove(&[path("/y")], false).unwrap();
    let mut export = Vec::new();
    let reader = database.reader().unwrap();
    backup::export(&reader, &reader.head(), &mut export, &Monitor::new()).unwrap();
    drop(reader);
    database.close().unwrap();

    let elsewhere = SimulatedDisk::new([]);
    let other = create(&elsewhere);
    put(&other, "/other", &noise(4, 400_000)).unwrap();
    other.close().unwrap();
    let half = disk.contents()[..disk.contents().len() / 2].to_vec();
    let copies = vec![
        ("an older copy", older),
        ("an export", export),
        ("a larger database", elsewhere.contents()),
        ("the first half of itself", half),
        ("nothing", Vec::new()),
        ("noise", noise(5, 1_000_000)),
    ];
    (disk, copies)
}

/// Whatever changes a file.
fn deeds() -> Vec<(&'static str, fn(&Database) -> bool)> {
    vec![
        ("put", |database| is_read_only(&put(database, "/new", b"new"))),
        ("remove", |database| is_read_only(&database.remove(&[path("/z")], false))),
        ("gc", |database| is_read_only(&gc::collect(database, false, &Monitor::new()))),
        ("snapshot", |database| {
            let head = database.reader().unwrap().head();
            is_read_only(&database.create_snapshot("s", &head, Default::default()))
        }),
        ("a look", |database| is_read_only(&database.check_writable())),
    ]
}

#[test]
fn what_another_program_wrote_over_an_open_database_is_never_touched() {
    for (name, deed) in deeds() {
        let (disk, copies) = with_history();
        let live = disk.contents();
        for (what, bytes) in copies {
            overwrite(&disk, &live);
            let database = write(&disk).unwrap();
            // A superblock and a tail of its own, as after some work.
            put(&database, "/mine", &noise(6, 3000)).unwrap();
            overwrite(&disk, &bytes);
            assert!(deed(&database), "{name} into {what}");
            assert!(deed(&database), "{name} into {what}, again");
            assert!(disk.contents() == bytes, "{name} has changed {what}");
            database.close().unwrap();
            assert!(disk.contents() == bytes, "closing after {name} has changed {what}");
        }
    }
}

#[test]
fn closing_finds_that_another_program_has_written_to_the_file_and_says_so() {
    let (disk, copies) = with_history();
    let live = disk.contents();
    for (what, bytes) in copies {
        for dropped in [false, true] {
            overwrite(&disk, &live);
            let database = write(&disk).unwrap();
            put(&database, "/mine", &noise(6, 3000)).unwrap();
            overwrite(&disk, &bytes);
            match dropped {
                true => drop(database),
                false => assert!(is_read_only(&database.close()), "{what}"),
            }
            assert!(disk.contents() == bytes, "closing has changed {what}");
        }
    }
}

#[test]
fn a_load_under_way_ends_where_another_program_begins_to_write() {
    let (disk, copies) = with_history();
    let live = disk.contents();
    for (what, bytes) in copies {
        overwrite(&disk, &live);
        let database = write(&disk).unwrap();
        let mut writer = database.writer_for(Purpose::Growth).unwrap();
        let chunk = |seed| noise(seed, 3_000_000);
        writer.entries().append(aeordb::hash::Kind::Chunk, &chunk(7)).unwrap();
        writer.entries().flush().unwrap();
        overwrite(&disk, &bytes);
        let went_on = writer
            .entries()
            .append(aeordb::hash::Kind::Chunk, &chunk(8))
            .and_then(|_| writer.entries().flush());
        assert!(is_read_only(&went_on), "{what}");
        assert!(is_read_only(&writer.commit()), "{what}");
        drop(database);
        assert!(disk.contents() == bytes, "the load has changed {what}");
    }
}
