//! Files whose checks are right and that no writer of ours writes: numbers at the ends of their
//! ranges, superblocks of other files. They are refused or read rightly; nothing overflows.

use std::sync::Arc;

use aeordb::backup;
use aeordb::db::Database;
use aeordb::gc;
use aeordb::internals::format::superblock::{SLOTS, SUPERBLOCK_LEN, Superblock};
use aeordb::internals::format::{FRAME_HEADER_LEN, FrameHeader, FrameKind};
use aeordb::internals::limits::NUMBER_LIMIT;
use aeordb::internals::log::frames::Seen as Stands;
use aeordb::media::SimulatedDisk;
use aeordb::monitor::Monitor;
use aeordb::{Error, Result};
use zerocopy::IntoBytes;

use crate::fixture::{self, create, noise, observe, put, read, write};

/// A database that was collected and closed: its superblocks lead to its last commit.
fn collected() -> Vec<u8> {
    let disk = SimulatedDisk::new([]);
    let database = create(&disk);
    for (path, seed) in [("/a", 1), ("/b", 2), ("/a", 3)] {
        put(&database, path, &noise(seed, 900)).unwrap();
    }
    database.remove(&[fixture::path("/b")], false).unwrap();
    gc::collect(&database, false, &Monitor::new()).unwrap();
    database.close().unwrap();
    disk.durable()
}

/// The frames of these kinds: where each stands.
fn frames(bytes: &[u8], kinds: &[FrameKind]) -> Vec<(usize, FrameKind)> {
    let database = read(&SimulatedDisk::new(bytes)).unwrap();
    let frames = database.log().frames().filter_map(|seen| match seen.unwrap() {
        Stands::Frame(at, header) => Some((at as usize, header.frame_kind()?)),
        Stands::Gap(..) => None,
    });
    frames.filter(|(_, kind)| kinds.contains(kind)).collect()
}

/// Gives the frame at `at` the checks that its bytes should have.
fn reseal(bytes: &mut [u8], at: usize) {
    let header = FrameHeader::parse(&bytes[at..]).unwrap();
    let body = at + FRAME_HEADER_LEN..at + header.frame_len() as usize;
    let sealed = header.sealed([&bytes[body]]);
    bytes[at..at + FRAME_HEADER_LEN].copy_from_slice(sealed.as_bytes());
}

/// Does everything with a file. What fails says that the file is damaged.
fn try_all(bytes: &[u8], what: &str) -> Result<()> {
    let damaged = |result: Result<()>| match result {
        Err(Error::Damaged { .. } | Error::Limit { .. } | Error::Foreign { .. }) | Ok(()) => {}
        // Names of entries, and bytes that are zero, are changed as numbers are.
        Err(Error::NotFound(_) | Error::Newer { .. }) => {}
        Err(error) => panic!("{what}: {error}"),
    };
    let opened = read(&SimulatedDisk::new(bytes)).and_then(|database| observe(&database));
    let verbs: [&dyn Fn(&Database) -> Result<()>; 3] = [
        &|database| put(database, "/more", &noise(9, 500)).map(drop),
        &|database| gc::collect(database, false, &Monitor::new()).map(drop),
        &|database| {
            let head = database.reader()?.head();
            database.create_snapshot("s", &head, Default::default()).map(drop)
        },
    ];
    for verb in verbs {
        let disk = SimulatedDisk::new(bytes);
        damaged(write(&disk).and_then(|database| {
            verb(&database)?;
            database.close()
        }));
    }
    let checked = read(&SimulatedDisk::new(bytes));
    damaged(checked.map(drop));
    opened.map(drop)
}

#[test]
fn numbers_at_the_ends_of_their_ranges_are_damage_whatever_is_done() {
    let base = collected();
    let ends = [u64::MAX, u64::MAX - 5, 1 << 63, (1 << 63) - 1, (1 << 63) - 2, 1 << 62];
    let mut refused = 0;
    for (at, kind) in frames(&base, &[FrameKind::Commit, FrameKind::Checkpoint]) {
        let len = FrameHeader::parse(&base[at..]).unwrap().frame_len() as usize;
        for field in (at + FRAME_HEADER_LEN..at + len - 7).step_by(8) {
            for end in ends {
                let mut forged = base.clone();
                forged[field..field + 8].copy_from_slice(&end.to_le_bytes());
                reseal(&mut forged, at);
                let what = format!("{end} in a {kind:?} at {at}, byte {}", field - at);
                refused += usize::from(try_all(&forged, &what).is_err());
            }
        }
    }
    assert!(refused > 0);
    for end in ends {
        type Field = fn(&mut Superblock) -> &mut zerocopy::little_endian::U64;
        let fields: [Field; 3] =
            [|block| &mut block.sequence, |block| &mut block.commit, |block| &mut block.durable_to];
        for (number, field) in fields.into_iter().enumerate() {
            for slots in [&SLOTS[..1], &SLOTS[1..], &SLOTS] {
                let mut forged = base.clone();
                for slot in slots {
                    let slot = *slot as usize..*slot as usize + SUPERBLOCK_LEN;
                    let mut superblock = Superblock::whole(&forged[slot.clone()]).unwrap();
                    *field(&mut superblock) = end.into();
                    forged[slot].copy_from_slice(superblock.sealed().as_bytes());
                }
                let what = format!("{end} in field {number} of the superblocks {slots:?}");
                let tried = try_all(&forged, &what);
                let none_has = end >= NUMBER_LIMIT;
                assert!(slots.len() == 1 || tried.is_err() || !none_has, "{what}");
            }
        }
    }
}

#[test]
fn a_superblock_of_another_file_is_passed_over_reported_and_replaced() {
    let ours = collected();
    let seen = observe(&read(&SimulatedDisk::new(ours.clone())).unwrap()).unwrap();
    let disk = SimulatedDisk::new([]);
    let other = Database::create_media(
        Arc::new(disk.open()),
        fixture::name(),
        [7; 16],
        &Default::default(),
    );
    let other = other.unwrap();
    for seed in 0..40 {
        put(&other, "/theirs", &noise(seed, 30)).unwrap();
    }
    gc::collect(&other, false, &Monitor::new()).unwrap();
    other.close().unwrap();
    let theirs = disk.durable();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("d.aeordb");
    for from in SLOTS {
        for to in SLOTS {
            let mut mixed = ours.clone();
            let (from, to) = (from as usize, to as usize);
            mixed[to..to + SUPERBLOCK_LEN].copy_from_slice(&theirs[from..from + SUPERBLOCK_LEN]);
            let what = format!("the superblock at {from} of another file at {to}");
            let disk = SimulatedDisk::new(mixed.clone());
            assert_eq!(observe(&read(&disk).unwrap()).unwrap(), seen, "{what}");

            std::fs::write(&path, &mixed).unwrap();
            let report = backup::verify(&path, true, &Monitor::new()).unwrap();
            let offsets: Vec<u64> = report.damages.iter().map(|damage| damage.offset).collect();
            assert_eq!(offsets, [to as u64], "{what}");

            let database = write(&disk).unwrap();
            put(&database, "/more", &noise(1, 10)).unwrap();
            database.close().unwrap();
            std::fs::write(&path, disk.durable()).unwrap();
            let report = backup::verify(&path, true, &Monitor::new()).unwrap();
            assert!(report.damages.is_empty(), "{what}: {:?}", report.damages);
        }
    }
}
