//! Files that a newer program made: sound bytes that this one does not know are said to need a
//! newer one, wherever they stand. The same bytes without their check or hash are damage.

use std::io::Cursor;

use aeordb::backup::{self, ImportOptions, Input};
use aeordb::db::Database;
use aeordb::hash::{DirectoryId, Hash, Kind, VersionId};
use aeordb::internals::format::FrameKind;
use aeordb::internals::store::AppendEntries;
use aeordb::media::SimulatedDisk;
use aeordb::monitor::Monitor;
use aeordb::object::{Path, Totals, Version};
use aeordb::testing::reseal;
use aeordb::{Error, Result};

use crate::fixture::{Fixture, create, kill, noise, observe, put, read, write};

/// Bytes of a superblock that this program knows one value of, and one that it does not know.
const OF_A_SUPERBLOCK: [(&str, usize, u8); 5] = [
    ("the format version", 8, 2),
    ("the kind of file", 12, 9),
    ("a reserved field", 14, 1),
    ("a required feature", 16, 0x40),
    ("a reserved field at the end", 200, 1),
];

/// The same of frames: their kind, the byte counted from the start of the frame, and how much
/// further it is for each of the entries that the frame counts.
const OF_FRAMES: [(&str, FrameKind, usize, usize, u8); 13] = [
    ("a frame's kind", FrameKind::Block, 4, 0, 12),
    ("the codec of a block", FrameKind::Block, 5, 0, 7),
    ("the class of a block", FrameKind::Block, 6, 0, 9),
    ("a frame's reserved field", FrameKind::Block, 7, 0, 1),
    ("the kind of an entry", FrameKind::Block, 64 + 3, 32, 9),
    ("the reserved field of a commit", FrameKind::Commit, 64 + 256, 0, 1),
    ("the codec of a commit", FrameKind::Commit, 5, 0, 1),
    ("the payload of a commit", FrameKind::Commit, 20, 0, 1),
    ("the class of a delta", FrameKind::Delta, 6, 0, 1),
    ("the codec of a closing superblock", FrameKind::Closing, 5, 0, 1),
    ("the codec of a list of changes", FrameKind::Changes, 5, 0, 7),
    ("a change", FrameKind::Changes, 64, 5, 9),
    ("another kind than a delta", FrameKind::Delta, 4, 0, 12),
];

/// A database whose commits all stand after the last checkpoint.
fn database() -> Vec<u8> {
    let disk = SimulatedDisk::new([]);
    let database = create(&disk);
    put(&database, "/a", &noise(1, 500)).unwrap();
    put(&database, "/b", &noise(2, 500)).unwrap();
    kill(&disk, database);
    disk.durable()
}

/// Where the first frame of a kind stands.
fn first(file: &[u8], start: usize, kind: FrameKind) -> Option<usize> {
    let mut at = start;
    while let Some(header) = file.get(at..at + 64) {
        if header[4] == kind as u8 {
            return Some(at);
        }
        at += 64 + u64::from_le_bytes(header[8..16].try_into().unwrap()) as usize;
    }
    None
}

/// Each way to change a file into one of a newer program; checks and hashes are still the old ones.
fn changed(file: &[u8], start: usize) -> Vec<(&'static str, Vec<u8>)> {
    let slots = if start > 4096 { 2 } else { 1 };
    let superblocks = OF_A_SUPERBLOCK.into_iter().map(|(what, at, value)| {
        let mut bytes = file.to_vec();
        (0..slots).for_each(|slot| bytes[slot * 4096 + at] = value);
        (what, bytes)
    });
    let frames = OF_FRAMES.into_iter().filter_map(|(what, kind, offset, each, value)| {
        let mut bytes = file.to_vec();
        let at = first(file, start, kind)?;
        let count = u32::from_le_bytes(bytes[at + 16..at + 20].try_into().unwrap()) as usize;
        bytes[at + offset + count * each] = value;
        Some((what, bytes))
    });
    superblocks.chain(frames).collect()
}

fn is_newer(error: &Error) -> bool {
    matches!(error, Error::Newer { .. })
}

#[test]
fn what_a_newer_program_wrote_into_a_database_is_named_as_such_and_left_alone() {
    let file = database();
    let all = changed(&file, 8192);
    assert_eq!(all.len(), OF_A_SUPERBLOCK.len() + 8);
    for (what, bytes) in all {
        let sealed = SimulatedDisk::new(reseal(&bytes));
        let error = read(&sealed).and_then(|database| observe(&database)).unwrap_err();
        assert!(is_newer(&error), "{what}: {error}");
        assert!(error.to_string().contains("test.aeordb was made by a newer aeordb"), "{error}");
        let before = sealed.contents();
        let error = write(&sealed).err().unwrap();
        assert!(is_newer(&error), "{what}, written to: {error}");
        assert_eq!(sealed.contents(), before, "{what}");

        // The check or the hash is the other one: then it is a flipped bit.
        let broken = SimulatedDisk::new(bytes);
        if let Err(error) = read(&broken).and_then(|database| observe(&database)) {
            assert!(matches!(error, Error::Damaged { .. }), "{what}, broken: {error}");
        }
    }
}

#[test]
fn one_superblock_of_a_newer_program_is_not_passed_over_for_the_older_one() {
    for slot in [0, 4096] {
        let mut bytes = database();
        bytes[slot + 16] = 2;
        let error = read(&SimulatedDisk::new(reseal(&bytes))).err().unwrap();
        assert!(is_newer(&error), "slot at {slot}: {error}");
    }
}

#[test]
fn what_a_newer_program_wrote_into_an_export_or_a_patch_is_named_as_such_and_leaves_no_trace() {
    let fixture = Fixture::new();
    let disk = SimulatedDisk::new(fixture.base.clone());
    let database = write(&disk).unwrap();
    let before = observe(&database).unwrap();
    let take = |files: &[&[u8]]| {
        let stream = |bytes: &&[u8]| Input::Stream(Box::new(Cursor::new(bytes.to_vec())));
        let options = ImportOptions { promote: true, force: true, ..ImportOptions::default() };
        backup::import(&database, files.iter().map(stream), &options, &Monitor::new())
    };
    let mut tried = 0;
    for (file, first) in [(&fixture.export, None), (&fixture.patch, Some(&fixture.export))] {
        for (what, bytes) in changed(file, 256) {
            let resealed = reseal(&bytes);
            let files =
                |last| first.into_iter().map(Vec::as_slice).chain([last]).collect::<Vec<_>>();
            let error = take(&files(&resealed)).unwrap_err();
            assert!(is_newer(&error), "{what}: {error}");
            let error = take(&files(&bytes)).unwrap_err();
            assert!(!is_newer(&error), "{what}, broken: {error}");
            tried += 1;
        }
    }
    assert!(tried > 15, "{tried}");
    assert_eq!(observe(&database).unwrap(), before);
}

/// What makes HEAD of a database a version that only a newer program reads.
type Make = fn(&mut dyn AppendEntries) -> Result<VersionId>;

fn tree(store: &mut dyn AppendEntries, root: &[u8]) -> Result<VersionId> {
    let root = DirectoryId(store.append(Kind::Directory, root)?);
    let totals = Totals { files: 1, directories: 1, bytes: 1 << 20 };
    store.append(Kind::Version, &Version::new(root, totals).encode()).map(VersionId)
}

/// A directory with one name, `a`, and this item.
fn leaf(item: &[u8]) -> Vec<u8> {
    [&[0, 1, b'a', item.len() as u8], item].concat()
}

const VERSIONS: [(&str, Make); 6] = [
    ("flags of a version", |store| {
        let mut bytes = Version::empty().encode();
        bytes[0] = 2;
        store.append(Kind::Version, &bytes).map(VersionId)
    }),
    ("a type of item", |store| tree(store, &leaf(&[9, 0]))),
    ("a field", |store| tree(store, &leaf(&[1, 0x80, 0x20, 0]))),
    ("a field of a link", |store| tree(store, &leaf(&[2, 1, 1, b'x']))),
    ("a level of a directory", |store| tree(store, &[16, 1, 2, 3])),
    ("a level of a list", |store| {
        let list: Hash = store.append(Kind::List, &[16, 1, 2, 3])?;
        let hash = Hash::of(b"no matter");
        let item =
            [&[1, 0x30, 0x80, 0x80, 0x40][..], hash.as_bytes(), list.as_bytes(), &[64]].concat();
        tree(store, &leaf(&item))
    }),
];

fn with_head(make: Make) -> (SimulatedDisk, Database, VersionId) {
    let disk = SimulatedDisk::new([]);
    let database = create(&disk);
    let mut writer = database.writer().unwrap();
    let version = make(writer.entries()).unwrap();
    writer.set_head(version, "put").unwrap();
    writer.commit().unwrap();
    (disk, database, version)
}

#[test]
fn trees_and_versions_of_a_newer_program_are_named_as_such_and_not_damaged() {
    for (what, make) in VERSIONS {
        let (_, database, version) = with_head(make);
        let reader = database.reader().unwrap();
        let read = reader.read_all(&version);
        assert!(read.as_ref().is_err_and(is_newer), "{what}, read: {read:?}");
        let exported = backup::export(&reader, &version, &mut Vec::new(), &Monitor::new());
        assert!(exported.as_ref().is_err_and(is_newer), "{what}, export: {exported:?}");
        let collected = aeordb::gc::collect(&database, false, &Monitor::new());
        assert!(collected.as_ref().is_err_and(is_newer), "{what}, gc: {collected:?}");
    }
}

#[test]
fn verify_says_what_a_newer_program_made_beside_what_is_damaged() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("test.aeordb");
    for (what, make) in VERSIONS {
        let (disk, database, version) = with_head(make);
        database.close().unwrap();
        std::fs::write(&file, disk.durable()).unwrap();
        let report = backup::verify(&file, true, &Monitor::new()).unwrap();
        assert!(report.damages.is_empty(), "{what}: {report:?}");
        assert!(!report.newer.is_empty(), "{what}");
        assert!(report.newer[0].what.contains(&version.to_string()), "{what}: {report:?}");
    }
}

/// Reads everything of a version.
trait ReadAll {
    fn read_all(&self, version: &VersionId) -> Result<()>;
}

impl ReadAll for aeordb::db::Reader {
    fn read_all(&self, version: &VersionId) -> Result<()> {
        for step in self.walk(version, &Path::root())? {
            if let (_, aeordb::object::Item::File(record)) = step? {
                std::io::copy(&mut self.file(&record), &mut std::io::sink())
                    .map_err(|error| error.downcast::<Error>().unwrap())?;
            }
        }
        Ok(())
    }
}
