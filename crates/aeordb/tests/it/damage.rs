//! Damaged files: every byte flipped, every length, blocks zeroed and swapped, junk at the end.
//! Never a panic, never a wrong byte; damage is reported and nothing is written over it.

use std::collections::BTreeMap;

use aeordb::Error;
use aeordb::backup::{self, ImportOptions, Input};
use aeordb::gc;
use aeordb::hash::{Hash, VersionId};
use aeordb::internals::format::FrameKind;
use aeordb::internals::log::frames::Seen as Stands;
use aeordb::internals::store::ReadEntries;
use aeordb::media::SimulatedDisk;
use aeordb::monitor::Monitor;
use aeordb::object::{Content, Item, Path};

use crate::fixture::{self, Fixture, Seen, create, noise, observe, put, read, write};

/// A database with everything that a file can hold, and what it shows.
struct Reference {
    bytes: Vec<u8>,
    seen: Seen,
}

impl Reference {
    fn new() -> Reference {
        let disk = SimulatedDisk::new([]);
        let database = create(&disk);
        let small: Vec<_> = (0..180).map(|n| (format!("/small/{n}"), noise(n, 20))).collect();
        let mut changes: Vec<_> =
            small.iter().map(|(path, content)| (path.as_str(), Some(content.as_slice()))).collect();
        changes.sort();
        fixture::change(&database, &changes).unwrap();
        put(&database, "/large", &noise(1000, 40_000)).unwrap();
        // A run of several pages and a checkpoint, with voids before them.
        gc::collect(&database, false, &Monitor::new()).unwrap();
        put(&database, "/later", &noise(1001, 9_000)).unwrap();
        let head = database.reader().unwrap().head();
        database.create_snapshot("named", &head, BTreeMap::new()).unwrap();
        put(&database, "/last", &noise(1002, 300)).unwrap();
        let seen = observe(&database).unwrap();
        database.close().unwrap();
        let bytes = disk.durable();
        assert!(bytes.len() >= 64 * 1024, "{}", bytes.len());
        Reference { bytes, seen }
    }

    /// The frames of one kind: offset and length.
    fn frames(&self, kind: FrameKind) -> Vec<(usize, usize)> {
        let database = read(&SimulatedDisk::new(self.bytes.clone())).unwrap();
        let frames = database.log().frames().map(|seen| seen.unwrap());
        frames
            .filter_map(|seen| match seen {
                Stands::Frame(at, header) if header.frame_kind() == Some(kind) => {
                    Some((at as usize, header.frame_len() as usize))
                }
                _ => None,
            })
            .collect()
    }

    /// Looks at a damaged copy. What it shows is right, or is said to be damaged.
    fn examine(&self, bytes: &[u8], what: &str) -> Outcome {
        let database = match read(&SimulatedDisk::new(bytes)) {
            Ok(database) => database,
            Err(error) => return refused(error, what),
        };
        let damages = database.log().damages().len();
        match observe(&database) {
            Ok(seen) if seen == self.seen && damages == 0 => Outcome::Same,
            Ok(seen) => {
                assert_eq!(seen, self.seen, "{what}: another state");
                assert!(damages > 0, "{what}");
                Outcome::Reported
            }
            Err(error) => refused(error, what),
        }
    }

    /// Writes to a copy that looks undamaged, and looks at it again.
    fn write_to(&self, bytes: &[u8], what: &str) {
        let disk = SimulatedDisk::new(bytes);
        let database = write(&disk).unwrap_or_else(|error| panic!("{what}: {error}"));
        let head = put(&database, "/more", &noise(1, 10)).unwrap();
        observe(&database).unwrap();
        drop(database);
        let database = read(&disk).unwrap();
        let seen = observe(&database).unwrap();
        assert_eq!((seen.head, database.log().damages()), (head, &[][..]), "{what}");
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Outcome {
    Same,
    Reported,
    Refused,
}

fn refused(error: Error, what: &str) -> Outcome {
    match error {
        Error::Damaged { .. } | Error::Foreign { .. } | Error::Limit { .. } => Outcome::Refused,
        other => panic!("{what}: {other}"),
    }
}

/// A writer must not touch what is damaged.
fn assert_not_written(bytes: &[u8], what: &str) {
    let disk = SimulatedDisk::new(bytes);
    match write(&disk) {
        Ok(_) => panic!("{what}: it was opened for writing"),
        Err(Error::Damaged { .. } | Error::Foreign { .. } | Error::Limit { .. }) => {}
        Err(error) => panic!("{what}: {error}"),
    }
    assert_eq!(disk.contents(), bytes, "{what}: it was written to");
}

#[test]
fn a_flipped_bit_is_found_out_or_does_not_matter() {
    let reference = Reference::new();
    let commits = reference.frames(FrameKind::Commit);
    let every_bit = |at: usize| {
        at < 256
            || (4096..4352).contains(&at)
            || commits.iter().any(|(start, len)| (*start..start + len).contains(&at))
    };
    let mut outcomes = BTreeMap::new();
    for at in 0..reference.bytes.len() {
        let bits = if every_bit(at) { 0..8 } else { at as u8 % 8..at as u8 % 8 + 1 };
        for bit in bits {
            let mut bytes = reference.bytes.clone();
            bytes[at] ^= 1 << bit;
            let what = format!("bit {bit} of byte {at}");
            let outcome = reference.examine(&bytes, &what);
            *outcomes.entry(format!("{outcome:?}")).or_insert(0) += 1;
            match outcome {
                Outcome::Same if at % 16 == 0 || every_bit(at) => {
                    reference.write_to(&bytes, &what);
                }
                Outcome::Reported => assert_not_written(&bytes, &what),
                _ => {}
            }
        }
    }
    eprintln!("flipped bits: {outcomes:?}");
}

#[test]
fn a_file_that_is_cut_off_says_so_and_is_not_written_to() {
    let reference = Reference::new();
    for len in 0..reference.bytes.len() {
        let bytes = &reference.bytes[..len];
        let what = format!("{len} bytes");
        let outcome = reference.examine(bytes, &what);
        assert_ne!(outcome, Outcome::Same, "{what}");
        if len % 8 == 0 {
            assert_not_written(bytes, &what);
        }
    }
}

#[test]
fn zeroed_and_swapped_blocks_of_the_disk_are_found_out() {
    let reference = Reference::new();
    let blocks = reference.bytes.len() / 4096;
    for one in 0..blocks {
        let range = one * 4096..(one + 1) * 4096;
        let mut bytes = reference.bytes.clone();
        bytes[range.clone()].fill(0);
        reference.examine(&bytes, &format!("block {one} is zero"));
        for other in 0..one {
            let mut bytes = reference.bytes.clone();
            bytes[range.clone()].copy_from_slice(&reference.bytes[other * 4096..][..4096]);
            bytes[other * 4096..][..4096].copy_from_slice(&reference.bytes[range.clone()]);
            reference.examine(&bytes, &format!("blocks {one} and {other} are swapped"));
        }
    }
}

#[test]
fn junk_at_the_end_is_ignored_and_given_back() {
    let reference = Reference::new();
    let tail = &reference.bytes[reference.bytes.len() - 3000..];
    for junk in [&noise(5, 5000)[..], &[0; 700][..], tail, &b"aeoF"[..]] {
        let bytes = [&reference.bytes, junk].concat();
        assert_eq!(reference.examine(&bytes, "junk"), Outcome::Same);
        reference.write_to(&bytes, "junk");
    }
}

#[test]
fn the_index_is_read_from_the_blocks_where_it_is_damaged() {
    let reference = Reference::new();
    let runs = reference.frames(FrameKind::Run);
    let checkpoints = reference.frames(FrameKind::Checkpoint);
    assert!(runs.iter().any(|(_, len)| *len > 2 * 4096), "{runs:?}");
    for (start, len) in runs.iter().chain(&checkpoints) {
        for at in (start + 64..start + len).step_by(101) {
            let mut bytes = reference.bytes.clone();
            bytes[at] ^= 0x10;
            let what = format!("byte {at} of the index");
            assert_eq!(reference.examine(&bytes, &what), Outcome::Same, "{what}");
            reference.write_to(&bytes, &what);
            let disk = SimulatedDisk::new(bytes);
            gc::collect(&write(&disk).unwrap(), false, &Monitor::new()).unwrap();
            assert_eq!(observe(&read(&disk).unwrap()).unwrap(), reference.seen, "{what}");
        }
        // All of it, its header too.
        let mut bytes = reference.bytes.clone();
        bytes[*start..start + len].fill(0xaa);
        assert_eq!(reference.examine(&bytes, "a whole part of the index"), Outcome::Same);
        reference.write_to(&bytes, "a whole part of the index");
    }
}

#[test]
fn a_writer_that_met_damage_in_the_index_writes_it_anew() {
    let reference = Reference::new();
    let (start, len) = reference.frames(FrameKind::Run)[0];
    let mut bytes = reference.bytes.clone();
    bytes[start + 64..start + len].fill(0);
    let disk = SimulatedDisk::new(bytes);
    let sound = |database: &aeordb::db::Database| {
        let reader = database.reader().unwrap();
        observe(database).unwrap();
        let index = reader.view().index();
        index.sound_runs() == index.runs().len()
    };
    let database = write(&disk).unwrap();
    assert!(!sound(&database));
    put(&database, "/anew", &noise(2, 10)).unwrap();
    assert!(sound(&database));
    drop(database);
    assert!(sound(&read(&disk).unwrap()));
}

#[test]
fn what_is_intact_can_be_read_whatever_else_is_damaged() {
    let reference = Reference::new();
    let pristine = read(&SimulatedDisk::new(reference.bytes.clone())).unwrap();
    let reader = pristine.reader().unwrap();
    let place = |hash: &Hash| reader.view().locate(hash).unwrap().unwrap().block;
    let mut chunks: BTreeMap<u64, Vec<Path>> = BTreeMap::new();
    for entry in reader.walk(&reader.head(), &Path::root()).unwrap() {
        let (path, item) = entry.unwrap();
        let Item::File(record) = item else { continue };
        let Content::Inline(list) = record.content else { continue };
        chunks.entry(place(&list[0].id.0)).or_default().push(path);
    }
    assert!(chunks.len() >= 3);
    for (block, hit) in &chunks {
        let mut bytes = reference.bytes.clone();
        // The last byte of the block's frame: of its payload.
        let (_, len) = reference
            .frames(FrameKind::Block)
            .into_iter()
            .find(|(at, _)| *at as u64 == *block)
            .unwrap();
        bytes[*block as usize + len - 1] ^= 1;
        let database = read(&SimulatedDisk::new(bytes)).unwrap();
        let reader = database.reader().unwrap();
        for entry in reader.walk(&reader.head(), &Path::root()).unwrap() {
            if let (path, Item::File(record)) = entry.unwrap() {
                let content = fixture::read_all(&reader, &record);
                assert!(content.is_ok() || hit.contains(&path), "{path}: {content:?}");
            }
        }
    }
}

#[test]
fn verify_finds_every_flipped_bit_of_what_is_needed() {
    let reference = Reference::new();
    let database = read(&SimulatedDisk::new(reference.bytes.clone())).unwrap();
    let voids: Vec<_> = database
        .log()
        .voids()
        .iter()
        .map(|void| void.offset.get() as usize..(void.offset.get() + void.len.get()) as usize)
        .collect();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("damaged.aeordb");
    for at in (8192..reference.bytes.len()).step_by(23) {
        if voids.iter().any(|void| void.contains(&at)) {
            continue;
        }
        let mut bytes = reference.bytes.clone();
        bytes[at] ^= 1 << (at % 8);
        std::fs::write(&path, &bytes).unwrap();
        match backup::verify(&path, true, &Monitor::new()) {
            Ok(report) => assert!(!report.damages.is_empty(), "byte {at} was not found"),
            Err(Error::Damaged { .. }) => {}
            Err(error) => panic!("byte {at}: {error}"),
        }
    }
}

#[test]
fn a_damaged_export_or_patch_is_refused_and_leaves_no_trace() {
    let fixture = Fixture::new();
    let disk = SimulatedDisk::new(fixture.base.clone());
    let database = write(&disk).unwrap();
    let before = observe(&database).unwrap();
    let take = |files: Vec<Vec<u8>>| {
        let stream = |bytes| Input::Stream(Box::new(std::io::Cursor::new(bytes)));
        let options = ImportOptions { promote: true, force: true, ..ImportOptions::default() };
        let inputs = files.into_iter().map(stream);
        backup::import(&database, inputs, &options, &Monitor::new())
    };
    for (file, before_it) in
        [(&fixture.export, vec![]), (&fixture.patch, vec![fixture.export.clone()])]
    {
        let check = |bytes: Vec<u8>, what: String| {
            let found = take([before_it.clone(), vec![bytes]].concat());
            match found {
                Err(
                    Error::Damaged { .. }
                    | Error::Foreign { .. }
                    | Error::Limit { .. }
                    | Error::Invalid(_)
                    | Error::Incomplete { .. },
                ) => {}
                other => panic!("{what}: {other:?}"),
            }
        };
        for at in 0..file.len() {
            let mut bytes = file.clone();
            bytes[at] ^= 1 << (at % 8);
            check(bytes, format!("byte {at} flipped"));
            check(file[..at].to_vec(), format!("cut off at {at}"));
        }
        check([&file[..], &[0]].concat(), "a byte more".into());
    }
    assert_eq!(observe(&database).unwrap(), before);
    drop(database);
    let head: VersionId = observe(&read(&disk).unwrap()).unwrap().head;
    assert_eq!(head, before.head);
}
