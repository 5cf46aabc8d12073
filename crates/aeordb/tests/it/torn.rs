//! Torn tails: of what was written since the last sync any sector may be missing, within whatever
//! frame. Nothing of it was acknowledged, so the file opens as if none of it had been written.

use std::collections::BTreeSet;

use aeordb::db::Database;
use aeordb::gc;
use aeordb::internals::format::FrameKind;
use aeordb::internals::log::frames::Seen as Stands;
use aeordb::media::SimulatedDisk;
use aeordb::media::simulated::{Budget, Failure, Fault, Operation, SECTOR_LEN};
use aeordb::monitor::Monitor;

use crate::crash::look;
use crate::fixture::{self, create, noise, observe, put, read, write};

/// A database whose next collection leaves so many voids that its checkpoint takes many sectors.
fn many_voids() -> Vec<u8> {
    let disk = SimulatedDisk::new([]);
    let database = create(&disk);
    for number in 0..60 {
        put(&database, &format!("/kept-{number}"), &noise(number, 150)).unwrap();
        let mut writer = database.writer().unwrap();
        let dead = noise(1000 + number, 150);
        aeordb::internals::store::AppendEntries::append(
            writer.entries(),
            aeordb::hash::Kind::Chunk,
            &dead,
        )
        .unwrap();
        writer.commit().unwrap();
    }
    database.close().unwrap();
    disk.durable()
}

/// Puts files of a megabyte together: so long a tail is closed with a checkpoint.
fn put_many(database: &Database) {
    let contents: Vec<_> = (0..400).map(|n| (format!("/{n:03}"), noise(n, 3000))).collect();
    let changes: Vec<_> =
        contents.iter().map(|(path, content)| (path.as_str(), Some(&content[..]))).collect();
    fixture::change(database, &changes).unwrap();
}

fn collect(database: Database) {
    let _ = gc::collect(&database, false, &Monitor::new());
}

/// Does something up to its next sync, which fails, and takes from what was written one sector
/// after another: it holds what was there before, or zeros, or anything. Returns the kinds of the
/// frames that were torn.
fn tear(disk: &SimulatedDisk, what: impl FnOnce(Database), database: Database) -> BTreeSet<String> {
    let before = observe(&database).unwrap();
    disk.inject(Fault::after(0, Failure::Io).on(&[Operation::Sync]).lasting());
    what(database);
    let (whole, durable) = (disk.contents(), disk.durable());
    let frames = frames(&whole, durable.len() as u64);
    let mut torn = BTreeSet::new();
    for sector in 0..whole.len().div_ceil(SECTOR_LEN) {
        let range = sector * SECTOR_LEN..whole.len().min((sector + 1) * SECTOR_LEN);
        let old = durable.get(range.start..range.end.min(durable.len())).unwrap_or_default();
        let hit = |frame: &&(u64, u64, FrameKind)| {
            frame.0 < range.end as u64 && (range.start as u64) < frame.1
        };
        let hit: Vec<_> = frames.iter().filter(hit).map(|(.., kind)| format!("{kind:?}")).collect();
        // What is reserved after the last frame holds nothing.
        let reserved = range.start >= durable.len() && hit.is_empty();
        if reserved || whole[range.clone()] == *old {
            continue;
        }
        for filler in [vec![0; SECTOR_LEN], noise(sector as u64, SECTOR_LEN)] {
            let mut image = whole.clone();
            image[range.clone()].copy_from_slice(&filler[..range.len()]);
            if let Some(place) = image.get_mut(range.start..range.start + old.len()) {
                place.copy_from_slice(old);
            }
            if image == whole {
                continue;
            }
            if let Err(why) = look(&image, &[&before]) {
                panic!("sector {sector}, of {hit:?}, is missing: {why}");
            }
        }
        torn.extend(hit);
    }
    torn
}

/// The frames from an offset on: where each starts and ends, and its kind.
fn frames(bytes: &[u8], from: u64) -> Vec<(u64, u64, FrameKind)> {
    let database = read(&SimulatedDisk::new(bytes)).unwrap();
    let source = database.log().source();
    aeordb::internals::log::frames::Frames::new(source, from..bytes.len() as u64, &[])
        .filter_map(|seen| match seen.unwrap() {
            Stands::Frame(at, header) => {
                Some((at, at + header.frame_len(), header.frame_kind().unwrap()))
            }
            Stands::Gap(..) => None,
        })
        .collect()
}

#[test]
fn any_sector_of_an_unsynced_collection_may_be_missing() {
    let base = many_voids();
    let disk = SimulatedDisk::new(base.clone());
    collect(write(&disk).unwrap());
    let voids = read(&disk).unwrap().log().voids().len();
    assert!(voids >= 40, "{voids}");
    let disk = SimulatedDisk::new(base);
    let torn = tear(&disk, collect, write(&disk).unwrap());
    assert!(["Checkpoint", "Commit", "Run"].iter().all(|kind| torn.contains(*kind)), "{torn:?}");
}

#[test]
fn any_sector_of_an_unsynced_load_may_be_missing() {
    let disk = SimulatedDisk::new([]);
    let torn = tear(
        &disk,
        |database| {
            let _ = put(&database, "/more", &noise(7, 30_000));
        },
        create(&disk),
    );
    assert!(["Block", "Commit"].iter().all(|kind| torn.contains(*kind)), "{torn:?}");
}

#[test]
fn any_sector_of_the_checkpoint_of_a_close_may_be_missing() {
    let disk = SimulatedDisk::new([]);
    let database = create(&disk);
    put_many(&database);
    let torn = tear(&disk, |database| drop(database.close()), database);
    assert!(["Checkpoint", "Commit", "Run"].iter().all(|kind| torn.contains(*kind)), "{torn:?}");
}

#[test]
fn a_crash_within_a_collection_with_many_voids_leaves_the_state_before_it() {
    let disk = SimulatedDisk::new(many_voids());
    let database = write(&disk).unwrap();
    let before = observe(&database).unwrap();
    // The second one releases what the first one freed.
    collect(database);
    collect(write(&disk).unwrap());
    assert!(disk.count(Operation::Release) > 40);
    let mut images = 0;
    disk.for_each_crash(&Budget::at_most(40), 1, |image| {
        images += 1;
        if let Err(why) = look(image, &[&before]) {
            panic!("{image:?}: {why}");
        }
    });
    assert!(images > 200, "{images}");
}
