//! Damage is never shown as an older state: what was acknowledged is read, or is said to be damaged.

use aeordb::Error;
use aeordb::compact;
use aeordb::db::{Database, Options};
use aeordb::gc;
use aeordb::internals::format::FrameKind;
use aeordb::internals::log::frames::Seen as Stands;
use aeordb::media::SimulatedDisk;
use aeordb::monitor::Monitor;

use crate::fixture::{Seen, create, noise, observe, put, read, write};

/// Databases in which the last commit matters in every way: bytes, and what they are.
fn bases() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("a first load", after(&[("/x", 1)], |_| {})),
        ("four loads of one path", after(&[("/x", 1), ("/x", 2), ("/x", 3), ("/x", 4)], |_| {})),
        (
            "a collection",
            after(&[("/x", 1), ("/y", 2), ("/x", 3)], |database| {
                database.remove(&[crate::fixture::path("/y")], false).unwrap();
                gc::collect(database, false, &Monitor::new()).unwrap();
            }),
        ),
        ("a compaction", compacted(&after(&[("/x", 1), ("/y", 2), ("/x", 3)], |_| {}))),
    ]
}

fn after(puts: &[(&str, u64)], then: impl FnOnce(&Database)) -> Vec<u8> {
    let disk = SimulatedDisk::new([]);
    let database = create(&disk);
    for (path, seed) in puts {
        put(&database, path, &noise(*seed, 700)).unwrap();
    }
    then(&database);
    database.close().unwrap();
    disk.durable()
}

fn compacted(bytes: &[u8]) -> Vec<u8> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("d.aeordb");
    std::fs::write(&path, bytes).unwrap();
    compact::compact(&path, &Options::default(), &Monitor::new()).unwrap();
    std::fs::read(&path).unwrap()
}

/// Where the last commit stands.
fn last_commit(bytes: &[u8]) -> std::ops::Range<usize> {
    let database = read(&SimulatedDisk::new(bytes)).unwrap();
    let commits = database.log().frames().filter_map(|seen| match seen.unwrap() {
        Stands::Frame(at, header) if header.frame_kind() == Some(FrameKind::Commit) => {
            Some(at as usize..(at + header.frame_len()) as usize)
        }
        _ => None,
    });
    commits.last().unwrap()
}

/// Reads and writes a copy. True if it was refused, and else all is there.
fn refused(bytes: &[u8], seen: &Seen, what: &str) -> bool {
    let disk = SimulatedDisk::new(bytes);
    let refused = match read(&disk).and_then(|database| observe(&database)) {
        Ok(found) => {
            assert_eq!(found, *seen, "{what}");
            false
        }
        Err(Error::Damaged { .. }) => true,
        Err(error) => panic!("{what}: {error}"),
    };
    match write(&disk).map(drop) {
        Ok(()) => assert!(!refused, "{what}: it was opened for writing"),
        Err(Error::Damaged { .. }) => {
            assert_eq!(disk.contents(), bytes, "{what}: it was written to");
        }
        Err(error) => panic!("{what}: {error}"),
    }
    refused
}

#[test]
fn whatever_byte_of_the_last_commit_is_flipped_nothing_older_is_shown() {
    for (base, bytes) in bases() {
        let seen = observe(&read(&SimulatedDisk::new(bytes.clone())).unwrap()).unwrap();
        for at in last_commit(&bytes) {
            for bit in [0, 7] {
                let mut damaged = bytes.clone();
                damaged[at] ^= 1 << bit;
                let what = format!("bit {bit} of byte {at} after {base}");
                assert!(refused(&damaged, &seen, &what), "{what}");
            }
        }
    }
}

#[test]
fn wherever_a_file_is_cut_nothing_older_is_shown() {
    for (base, bytes) in bases() {
        let seen = observe(&read(&SimulatedDisk::new(bytes.clone())).unwrap()).unwrap();
        let halves = [bytes.len() / 2, bytes.len() * 3 / 4, 8192, 8191, 4097, 4096, 500];
        let cuts = (1..=400).map(|cut| bytes.len() - cut);
        for len in cuts.chain(halves.into_iter().filter(|len| *len < bytes.len())) {
            let what = format!("{len} of {} bytes after {base}", bytes.len());
            assert!(refused(&bytes[..len], &seen, &what), "{what}");
        }
    }
}

#[test]
fn what_can_still_be_proved_is_read_by_whoever_asks_for_it() {
    let bytes = after(&[("/x", 1), ("/x", 2)], |_| {});
    let cut = SimulatedDisk::new(&bytes[..bytes.len() - 1]);
    let Err(refused) = read(&cut) else { panic!("it was opened") };
    let options = Options { doubtful: true, ..Options::default() };
    let name = std::path::Path::new("test.aeordb");
    let database =
        Database::open_media(std::sync::Arc::new(cut.open_read()), name, &options).unwrap();
    let older = observe(&database).unwrap();
    assert_eq!(older.history.len(), 1);
    assert!(refused.to_string().contains(&older.head.to_string()), "{refused}");
    assert!(database.doubt().is_some());
}
