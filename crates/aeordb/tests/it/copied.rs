//! A plain copy of a file that is written to and collected meanwhile: it holds what was there at the
//! start up to some place, and what is there later after that.

use std::collections::BTreeMap;

use aeordb::backup;
use aeordb::db::{Database, Options};
use aeordb::gc;
use aeordb::hash::{Kind, VersionId};
use aeordb::internals::store::AppendEntries;
use aeordb::media::SimulatedDisk;
use aeordb::media::simulated::Operation;
use aeordb::monitor::Monitor;
use aeordb::{Error, Result};

use crate::fixture::{self, Fixture, Step, create, noise, observe, put, read, write};

type Contents = BTreeMap<VersionId, BTreeMap<String, Vec<u8>>>;

/// What HEAD holds.
fn head(database: &Database) -> (VersionId, BTreeMap<String, Vec<u8>>) {
    let reader = database.reader().unwrap();
    let head = reader.head();
    (head, fixture::files(&reader, &head).unwrap())
}

/// Where a copy may have been when the file changed: what begins a file, and all over the rest.
fn cuts(len: usize) -> Vec<usize> {
    let step = (len / 40).max(1);
    [4096, 8192].into_iter().chain((8192 + step / 2..len).step_by(step)).chain([len]).collect()
}

/// What `copy` shows: nothing if it says that it is damaged.
fn shown(copy: &[u8]) -> Option<(Database, VersionId)> {
    let disk = SimulatedDisk::new(copy);
    let opened = read(&disk).and_then(|database| {
        let head = database.reader()?.head();
        Ok((database, head))
    });
    match opened {
        Ok(found) => Some(found),
        Err(Error::Damaged { .. }) => None,
        Err(error) => panic!("{error}"),
    }
}

fn verify(copy: &[u8]) -> Result<Vec<String>> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), copy).unwrap();
    let report = backup::verify(file.path(), true, &Monitor::new())?;
    Ok(report.damages.into_iter().map(|damage| damage.what).collect())
}

/// What a copy shows is a state that was there since it began, with every byte of every version.
/// False if it says that it is damaged, when it is opened, read or verified.
fn is_whole(copy: &[u8], states: &Contents, what: &str) -> bool {
    let Some((database, head)) = shown(copy) else { return false };
    match observe(&database) {
        Ok(_) => {}
        Err(Error::Damaged { .. }) => return false,
        Err(error) => panic!("{what}: {error}"),
    }
    let files = states.get(&head).unwrap_or_else(|| panic!("{what}: a state from before"));
    let reader = database.reader().unwrap();
    assert_eq!(fixture::files(&reader, &head).unwrap(), *files, "{what}");
    drop((reader, database));
    if !verify(copy).unwrap().is_empty() {
        return false;
    }
    // It can be written to, and what it calls void can be collected.
    let disk = SimulatedDisk::new(copy);
    let database = write(&disk).unwrap();
    for _ in 0..2 {
        gc::collect(&database, false, &Monitor::new()).unwrap();
    }
    assert_eq!(observe(&database).unwrap().head, head, "{what}");
    true
}

/// Histories of a file before it is copied.
fn pasts() -> Vec<(&'static str, SimulatedDisk)> {
    let fixture = Fixture::new();
    let disk = |bytes: &[u8]| SimulatedDisk::new(bytes);
    let never_closed = SimulatedDisk::new([]);
    let database = create(&never_closed);
    for number in 0..12 {
        put(&database, "/one", &noise(number, 900)).unwrap();
    }
    fixture::kill(&never_closed, database);
    let closed = disk(&fixture.base);
    let collected = disk(&fixture.base);
    let database = write(&collected).unwrap();
    gc::collect(&database, false, &Monitor::new()).unwrap();
    fixture.step(&database, Step::Overwrite, 0).unwrap();
    fixture.step(&database, Step::Delete, 1).unwrap();
    database.close().unwrap();
    let twice = disk(&collected.contents());
    let database = write(&twice).unwrap();
    gc::collect(&database, false, &Monitor::new()).unwrap();
    fixture.step(&database, Step::Overwrite, 2).unwrap();
    drop(database);
    vec![
        ("never closed", never_closed),
        ("closed", closed),
        ("collected", collected),
        ("collected twice", twice),
    ]
}

/// Copies the file while files are put and collections run between them.
fn copies(disk: &SimulatedDisk, collections: usize, mut see: impl FnMut(&[u8], &Contents, usize)) {
    let database = write(disk).unwrap();
    let before = disk.contents();
    let mut states = Contents::from([head(&database)]);
    for number in 0..collections {
        for file in 0..3 {
            let at = format!("/put-{}", (number + file) % 4);
            put(&database, &at, &noise((100 * number + file) as u64, 800)).unwrap();
            states.extend([head(&database)]);
        }
        gc::collect(&database, false, &Monitor::new()).unwrap();
    }
    put(&database, "/last", b"last").unwrap();
    states.extend([head(&database)]);
    let after = disk.contents();
    for cut in cuts(before.len()) {
        let copy = [&before[..cut], &after[cut..]].concat();
        see(&copy, &states, cut);
        if cut >= 8192 {
            // As `rsync` and `cp` of a sparse file do: no longer than the file was at the start.
            see(&copy[..before.len()], &states, cut);
        }
    }
}

#[test]
fn a_copy_across_a_collection_is_whole() {
    for (past, disk) in pasts() {
        copies(&disk, 1, |copy, states, cut| {
            let what = format!("{past}, {} bytes, cut at {cut}", copy.len());
            assert!(is_whole(copy, states, &what), "{what}: damaged");
        });
    }
}

#[test]
fn a_copy_across_more_collections_is_whole_or_says_that_it_is_not() {
    let (mut whole, mut damaged) = (0, 0);
    for collections in [2, 3] {
        for (past, disk) in pasts() {
            copies(&disk, collections, |copy, states, cut| {
                let what = format!("{past}, {} bytes, cut at {cut}", copy.len());
                match is_whole(copy, states, &what) {
                    true => whole += 1,
                    false => damaged += 1,
                }
            });
            assert!(disk.count(Operation::Release) > 0);
        }
    }
    assert!(whole > 10 && damaged > 100, "{whole} {damaged}");
}

/// The superblocks of a new database know of no commit, and what was released is more than recovery
/// searches for one after a torn tail.
#[test]
fn a_copy_that_began_with_a_new_database_is_not_taken_for_an_empty_one() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("live.aeordb");
    let database = Database::open_or_create(&path, &Options::default()).unwrap();
    put(&database, "/living", b"not yet").unwrap();
    let before = std::fs::read(&path).unwrap();
    let mut writer = database.writer().unwrap();
    for number in 0..110 {
        writer.entries().append(Kind::Chunk, &noise(number, 1024 * 1024)).unwrap();
    }
    writer.commit().unwrap();
    put(&database, "/living", b"living").unwrap();
    let report = gc::collect(&database, false, &Monitor::new()).unwrap();
    // So much is not kept.
    assert!(report.bytes_released > 80_000_000, "{report:?}");
    let after = std::fs::read(&path).unwrap();
    let copy = [&before[..8192], &after[8192..]].concat();
    std::fs::write(directory.path().join("copy.aeordb"), copy).unwrap();
    let opened = Database::open(directory.path().join("copy.aeordb"), &Options::default());
    let shown = opened.and_then(|database| database.reader().map(|reader| reader.head()));
    assert!(matches!(shown, Err(Error::Damaged { .. })), "{shown:?}");
}
