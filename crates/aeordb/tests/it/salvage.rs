//! Salvage from damaged files: what is sound is saved, what is not is named, nothing is wrong.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};
use std::ops::Range;
use std::sync::Arc;

use aeordb::backup;
use aeordb::db::{Database, FileKind, Reader};
use aeordb::gc;
use aeordb::hash::VersionId;
use aeordb::internals::format::FrameKind;
use aeordb::internals::log::frames::Seen;
use aeordb::internals::log::source::Source;
use aeordb::internals::store::ReadEntries;
use aeordb::media::{Lock, Media, SimulatedDisk, SimulatedMedia};
use aeordb::monitor::Monitor;
use aeordb::object::{Content, Item, Path};
use aeordb::salvage::{self, Part, SalvageReport};
use aeordb::testing::Mutations;
use aeordb::{Error, Result};

use crate::fixture::{self, create, noise, options, put, read};

/// What a version holds: content by path.
type Tree = BTreeMap<Path, Vec<u8>>;

/// A database, and everything that is in it.
struct Original {
    bytes: Vec<u8>,
    head: VersionId,
    names: BTreeMap<String, VersionId>,
    history: Vec<VersionId>,
    trees: BTreeMap<VersionId, Tree>,
}

fn tree(reader: &Reader, version: &VersionId) -> Result<Tree> {
    let mut tree = Tree::new();
    for step in reader.walk(version, &Path::root())? {
        if let (path, Item::File(record)) = step? {
            let mut content = Vec::new();
            reader.file(&record).read_to_end(&mut content).unwrap();
            tree.insert(path, content);
        }
    }
    Ok(tree)
}

impl Original {
    fn new() -> Original {
        let disk = SimulatedDisk::new([]);
        let database = create(&disk);
        let small: Vec<_> = (0..60).map(|n| (format!("/small/{n}"), noise(n, 90))).collect();
        let mut changes: Vec<_> =
            small.iter().map(|(path, bytes)| (path.as_str(), Some(bytes.as_slice()))).collect();
        changes.sort();
        fixture::change(&database, &changes).unwrap();
        let first = put(&database, "/large", &noise(1000, 60_000)).unwrap();
        database.create_snapshot("first", &first, BTreeMap::new()).unwrap();
        gc::collect(&database, false, &Monitor::new()).unwrap();
        put(&database, "/deep/er/later", &noise(1001, 3_000)).unwrap();
        let head = put(&database, "/last", &noise(1002, 300)).unwrap();
        database.create_snapshot("second", &head, BTreeMap::new()).unwrap();
        let original = Original::of(&database, Vec::new());
        database.close().unwrap();
        Original { bytes: disk.durable(), ..original }
    }

    /// Files that do not compress, in blocks that are copied as they are.
    fn large() -> Original {
        let disk = SimulatedDisk::new([]);
        let database = create(&disk);
        let files: Vec<_> = (0..9).map(|n| (format!("/{n}"), noise(n, 300_000))).collect();
        let changes: Vec<_> =
            files.iter().map(|(path, bytes)| (path.as_str(), Some(bytes.as_slice()))).collect();
        fixture::change(&database, &changes).unwrap();
        let original = Original::of(&database, Vec::new());
        database.close().unwrap();
        Original { bytes: disk.durable(), ..original }
    }

    fn of(database: &Database, bytes: Vec<u8>) -> Original {
        let reader = database.reader().unwrap();
        let snapshots = reader.snapshots().unwrap();
        let names: BTreeMap<_, _> = snapshots.into_iter().map(|s| (s.name, s.version)).collect();
        let history: Vec<_> = reader.history().unwrap().map(|one| one.unwrap().version).collect();
        let versions = names.values().chain(&history).copied().chain([reader.head()]);
        let trees = versions.map(|id| (id, tree(&reader, &id).unwrap())).collect();
        Original { bytes, head: reader.head(), names, history, trees }
    }

    fn frames(&self, kind: FrameKind) -> Vec<(usize, usize)> {
        let database = read(&SimulatedDisk::new(self.bytes.clone())).unwrap();
        let frames = database.log().frames().map(|seen| seen.unwrap());
        let of_kind = frames.filter_map(|seen| match seen {
            Seen::Frame(at, header) if header.frame_kind() == Some(kind) => {
                Some((at as usize, header.frame_len() as usize))
            }
            _ => None,
        });
        of_kind.collect()
    }

    fn with(&self, change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
        let mut bytes = self.bytes.clone();
        change(&mut bytes);
        bytes
    }

    /// Salvages a damaged copy, and holds what comes out against what was there.
    fn examine(&self, bytes: Vec<u8>, others: &[&[u8]], what: &str) -> Option<Salvaged> {
        self.hold(Salvaged::from(bytes, others), what)
    }

    fn hold(&self, salvaged: Result<Salvaged>, what: &str) -> Option<Salvaged> {
        let salvaged = match salvaged {
            Ok(salvaged) => salvaged,
            Err(error @ Error::Damaged { .. }) => {
                println!("{what}: {error}");
                return None;
            }
            Err(error) => panic!("{what}: {error}"),
        };
        let Salvaged { report, found, .. } = &salvaged;
        let was: BTreeMap<_, _> = report.partial.iter().map(|(was, left)| (*left, *was)).collect();
        let orphans = report.orphans.as_ref().map(|orphans| found.names[&orphans.snapshot]);
        for (version, tree) in &found.trees {
            if Some(*version) == orphans {
                self.hold_orphans(tree, what);
                continue;
            }
            let was = was.get(version).unwrap_or(version);
            let original = self.trees.get(was).unwrap_or_else(|| panic!("{what}: {was}"));
            for (path, content) in tree {
                assert_eq!(original.get(path), Some(content), "{what}: {path}");
            }
            for path in original.keys().filter(|path| !tree.contains_key(path)) {
                let said = report.lost.iter().any(|lost| {
                    lost.version == *was
                        && match lost.part {
                            Part::File => lost.path == *path,
                            Part::Directory | Part::Names => lost.path.contains(path),
                            Part::Attributes => false,
                        }
                });
                assert!(said, "{what}: {path} of {was} is gone, and nobody says so: {report:?}");
            }
        }
        Some(salvaged)
    }

    /// What has lost the names above it is a file of some version below there.
    fn hold_orphans(&self, tree: &Tree, what: &str) {
        for (path, content) in tree {
            let below = Path::parse(&path.as_bytes()[65..]).unwrap().to_string();
            let of = |original: &Tree| {
                original
                    .iter()
                    .any(|(at, bytes)| at.to_string().ends_with(&below) && bytes == content)
            };
            assert!(self.trees.values().any(of), "{what}: {path}");
        }
    }
}

struct Salvaged {
    report: SalvageReport,
    found: Original,
}

impl Salvaged {
    fn from(bytes: Vec<u8>, others: &[&[u8]]) -> Result<Salvaged> {
        Salvaged::of(Arc::new(SimulatedDisk::new(bytes).open_read()), others)
    }

    fn of(media: Arc<dyn Media>, others: &[&[u8]]) -> Result<Salvaged> {
        let source = Source::new(media, "damaged.aeordb");
        let open = |bytes: &&[u8]| {
            let media = Arc::new(SimulatedDisk::new(bytes.to_vec()).open_read());
            Database::open_media(media, fixture::name(), &options()).unwrap()
        };
        let others: Vec<Database> = others.iter().map(open).collect();
        let readers = others.iter().map(|other| other.reader().unwrap()).collect();
        let disk = SimulatedDisk::new([]);
        let new = create(&disk);
        let report = salvage::copy(&source, readers, &new, &Monitor::new())?;
        new.close()?;
        // Whatever comes out is a sound database.
        let database = read(&SimulatedDisk::new(disk.durable()))?;
        assert_eq!(database.log().damages(), []);
        let found = Original::of(&database, Vec::new());
        assert_eq!(Some(found.head), report.head);
        fixture::write(&disk).unwrap().close().unwrap();
        Ok(Salvaged { report, found })
    }

    fn assert_nothing_lost(&self, original: &Original, what: &str) {
        assert_eq!(self.report.lost, [], "{what}");
        assert!(self.report.partial.is_empty() && self.report.head_is_last, "{what}");
        assert_eq!(self.found.head, original.head, "{what}");
        assert_eq!(self.found.names, original.names, "{what}");
        let found: BTreeSet<_> = self.found.history.iter().collect();
        let missing = original.history.iter().find(|version| !found.contains(version));
        assert_eq!(missing, None, "{what}");
    }
}

#[test]
fn a_sound_database_is_copied_with_all_its_versions_and_names() {
    let original = Original::new();
    let salvaged = original.examine(original.bytes.clone(), &[], "sound").unwrap();
    salvaged.assert_nothing_lost(&original, "sound");
    assert_eq!(salvaged.found.history, original.history);
    assert!(salvaged.report.is_complete() && salvaged.report.broken.is_empty());
    assert!(!salvaged.report.names_uncertain);
}

#[test]
fn without_superblocks_nothing_is_lost() {
    let original = Original::new();
    for slots in [&[0][..], &[4096], &[0, 4096]] {
        let bytes = original.with(|bytes| slots.iter().for_each(|slot| bytes[slot + 40] ^= 1));
        let salvaged = original.examine(bytes, &[], "superblocks").unwrap();
        salvaged.assert_nothing_lost(&original, "superblocks");
        assert_eq!(salvaged.report.broken.len(), slots.len());
    }
    let bytes = original.with(|bytes| bytes[..8192].fill(0));
    original.examine(bytes, &[], "zeros").unwrap().assert_nothing_lost(&original, "zeros");
}

#[test]
fn a_broken_commit_checkpoint_run_or_void_costs_nothing_but_keys() {
    let original = Original::new();
    for kind in [FrameKind::Commit, FrameKind::Checkpoint, FrameKind::Run, FrameKind::Void] {
        let frames = original.frames(kind);
        assert!(kind == FrameKind::Void || !frames.is_empty(), "{kind:?}");
        for (at, len) in frames {
            for offset in [at, at + 9, at + 30, at + 40, at + 64 + 20, at + len - 1] {
                let what = format!("{kind:?} at {at}, byte {offset}");
                let bytes = original.with(|bytes| bytes[offset] ^= 4);
                let salvaged = original.examine(bytes, &[], &what).unwrap();
                salvaged.assert_nothing_lost(&original, &what);
            }
        }
    }
    // All of them.
    let bytes = original.with(|bytes| {
        for (at, len) in original.frames(FrameKind::Commit) {
            bytes[at..at + len].fill(0);
        }
    });
    let salvaged = original.examine(bytes, &[], "all commits").unwrap();
    salvaged.assert_nothing_lost(&original, "all commits");
    assert!(salvaged.report.names_uncertain && salvaged.report.system_lost);
    assert!(!salvaged.report.is_complete());
}

#[test]
fn a_flipped_bit_costs_at_most_the_entries_of_its_block() {
    let original = Original::new();
    let database = read(&SimulatedDisk::new(original.bytes.clone())).unwrap();
    let reader = database.reader().unwrap();
    let blocks = original.frames(FrameKind::Block);
    let block_of = |offset: usize| {
        blocks.iter().find(|(at, len)| (*at..at + len).contains(&offset)).map(|(at, _)| *at as u64)
    };
    for offset in (0..original.bytes.len()).step_by(211) {
        let what = format!("byte {offset} flipped");
        let bytes = original.with(|bytes| bytes[offset] ^= 1 << (offset % 8));
        let salvaged = original.examine(bytes, &[], &what);
        let Some(block) = block_of(offset) else {
            salvaged.unwrap().assert_nothing_lost(&original, &what);
            continue;
        };
        // All that a single bit takes with it is in the block that it is in.
        for lost in salvaged.unwrap().report.lost {
            if let (Part::File, Ok(Some(Item::File(record)))) =
                (lost.part, reader.item(&lost.version, &lost.path))
            {
                let Content::Inline(chunks) = record.content else { continue };
                let place = |id| reader.view().locate(id).unwrap().unwrap().block;
                let hit = chunks.iter().any(|chunk| place(&chunk.id.0) == block);
                assert!(hit, "{what}: {} has nothing in that block", lost.path);
            }
        }
    }
}

#[test]
fn a_flipped_bit_in_a_header_or_a_table_costs_nothing() {
    let original = Original::new();
    for (at, len) in original.frames(FrameKind::Block) {
        let count = u32::from_le_bytes(original.bytes[at + 16..at + 20].try_into().unwrap());
        let table = 64 + 36 * count as usize;
        assert!(table <= len);
        for offset in (0..table).step_by(table / 23 + 1).chain(64 + 32 * count as usize..table) {
            let what = format!("block at {at}, byte {offset}");
            let bytes = original.with(|bytes| bytes[at + offset] ^= 1 << (offset % 8));
            let salvaged = original.examine(bytes, &[], &what).unwrap();
            salvaged.assert_nothing_lost(&original, &what);
            assert!(salvaged.report.is_complete(), "{what}: {:?}", salvaged.report);
        }
    }
}

#[test]
fn a_lost_directory_costs_the_names_in_it_and_nothing_below() {
    let disk = SimulatedDisk::new([]);
    let database = create(&disk);
    let content = |n: usize| noise(n as u64, if n % 1000 == 999 { 60_000 } else { 40 });
    let files: Vec<_> = (0..6000).map(|n| (format!("/many/{n:04}/file"), content(n))).collect();
    let changes: Vec<_> =
        files.iter().map(|(path, bytes)| (path.as_str(), Some(bytes.as_slice()))).collect();
    fixture::change(&database, &changes).unwrap();
    let original = Original::of(&database, Vec::new());
    let reader = database.reader().unwrap();
    let block_of = |n: usize| {
        let path: Path = format!("/many/{n:04}").parse().unwrap();
        let Ok(Some(Item::Directory(directory))) = reader.item(&original.head, &path) else {
            panic!("{path}")
        };
        reader.view().locate(&directory.root.0).unwrap().unwrap().block as usize
    };
    let blocks: Vec<_> = (0..files.len()).map(block_of).collect();
    drop(reader);
    database.close().unwrap();
    let original = Original { bytes: disk.durable(), ..original };
    let frames = original.frames(FrameKind::Block);
    let (nodes, chunks): (Vec<_>, Vec<_>) =
        frames.into_iter().partition(|(at, _)| original.bytes[at + 6] == 2);
    assert!(nodes.len() > 1, "{nodes:?}");
    let (mut rescued, mut told) = (0, 0);
    for (at, len) in nodes {
        let what = format!("block at {at}");
        let bytes = original.with(|bytes| {
            // What is in the block, and a chunk besides.
            let count = u32::from_le_bytes(bytes[at + 16..at + 20].try_into().unwrap());
            bytes[at + 64 + 36 * count as usize..at + len].fill(0x55);
            let (at, len) = chunks[0];
            bytes[at + len - 30_000] ^= 1;
        });
        let Salvaged { report, found, .. } = original.examine(bytes, &[], &what).unwrap();
        let trees = found.trees.values().flat_map(BTreeMap::values);
        let contents: BTreeSet<&[u8]> = trees.map(Vec::as_slice).collect();
        let is_found = |n: usize| contents.contains(content(n).as_slice());
        let (below, beside): (Vec<_>, Vec<_>) =
            (0..blocks.len()).partition(|n: &usize| blocks[*n] != at);
        assert!(!beside.into_iter().any(is_found), "{what}");
        let missing = below.into_iter().filter(|n| !is_found(*n)).count();
        let is_file = |lost: &&salvage::Lost| lost.part == Part::File;
        assert_eq!(report.lost.iter().filter(is_file).count(), missing, "{what}: {missing}");
        told += missing;
        rescued += report.orphans.map_or(0, |orphans| orphans.files);
    }
    assert!(told > 0);
    assert!(rescued > 100, "{rescued}");
}

#[test]
fn blocks_that_are_copied_as_they_are_lose_nothing() {
    let original = Original::large();
    let salvaged = original.examine(original.bytes.clone(), &[], "large").unwrap();
    salvaged.assert_nothing_lost(&original, "large");
    assert!(salvaged.report.is_complete());
}

#[test]
fn a_file_that_ends_before_what_was_acknowledged_is_not_complete() {
    let original = Original::new();
    let commits = original.frames(FrameKind::Commit);
    let (last, before) = commits.split_last().unwrap();
    for (at, len) in before {
        let what = format!("cut after the commit at {at}");
        let cut = original.bytes[..at + len].to_vec();
        if let Some(salvaged) = original.examine(cut, &[], &what) {
            assert!(!salvaged.report.is_complete(), "{what}");
            assert!(salvaged.report.names_lacking, "{what}");
        }
    }
    assert_eq!(last.0 + last.1, original.bytes.len());
}

#[test]
fn a_file_that_is_cut_off_or_zeroed_in_parts_gives_what_is_left() {
    let original = Original::new();
    let len = original.bytes.len();
    let mut saved = 0;
    for part in 1..24 {
        let cut = original.bytes[..len * part / 24].to_vec();
        saved += usize::from(original.examine(cut, &[], &format!("{part}/24")).is_some());
        let zeroed = original.with(|bytes| bytes[len * part / 25..len * (part + 1) / 25].fill(0));
        saved += usize::from(original.examine(zeroed, &[], &format!("zeros {part}")).is_some());
    }
    assert!(saved > 30, "{saved}");
}

#[test]
fn what_is_missing_is_taken_from_other_files() {
    let original = Original::new();
    let database = read(&SimulatedDisk::new(original.bytes.clone())).unwrap();
    let mut export = Vec::new();
    let reader = database.reader().unwrap();
    backup::export(&reader, &original.head, &mut export, &Monitor::new()).unwrap();
    let mut lost = 0;
    for (at, len) in original.frames(FrameKind::Block) {
        let bytes = original.with(|bytes| bytes[at..at + len].fill(0x55));
        let what = format!("block at {at}");
        let alone = original.examine(bytes.clone(), &[], &what);
        let helped = original.examine(bytes, &[&export], &what).unwrap();
        let of_head = helped.report.lost.iter().filter(|lost| lost.version == original.head);
        assert_eq!(of_head.count(), 0, "{what}: {:?}", helped.report);
        lost += alone.map_or(1, |alone| alone.report.lost.len());
    }
    assert!(lost > 10, "{lost}");
}

#[test]
fn a_damaged_export_gives_its_version_or_what_is_left_of_it() {
    let original = Original::new();
    let database = read(&SimulatedDisk::new(original.bytes.clone())).unwrap();
    let mut export = Vec::new();
    let reader = database.reader().unwrap();
    backup::export(&reader, &original.head, &mut export, &Monitor::new()).unwrap();
    let sealed = Original { bytes: export, ..Original::new() };
    // Blocks of nodes.
    let mut tree = sealed.frames(FrameKind::Block);
    tree.retain(|(at, _)| sealed.bytes[at + 6] == 2);
    let mut whole = 0;
    for offset in (0..sealed.bytes.len()).step_by(307) {
        let bytes = sealed.with(|bytes| bytes[offset] ^= 8);
        let what = format!("byte {offset} of an export");
        // All nodes of so small a tree may be in one block.
        match sealed.examine(bytes, &[], &what) {
            Some(salvaged) => whole += u32::from(salvaged.found.head == original.head),
            None => {
                assert!(tree.iter().any(|(at, len)| (*at..at + len).contains(&offset)), "{what}")
            }
        }
        let cut = sealed.bytes[..offset].to_vec();
        sealed.examine(cut, &[], &format!("an export cut at {offset}"));
    }
    assert!(whole > 3, "{whole}");
    let mut patch = Vec::new();
    let first = original.names["first"];
    backup::diff(&reader, &first, &original.head, &mut patch, &Monitor::new()).unwrap();
    let error = Salvaged::from(patch, &[]).err().unwrap();
    assert!(!matches!(error, Error::Damaged { .. }), "{error}");
    assert_eq!(database.kind(), FileKind::Database);
}

/// A file on a disk that does not read some of its sectors.
struct Unreadable(SimulatedMedia, Range<u64>);

impl Media for Unreadable {
    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        match offset < self.1.end && offset + buffer.len() as u64 > self.1.start {
            true => Err(io::Error::other("a sector that cannot be read")),
            false => self.0.read_at(buffer, offset),
        }
    }

    fn write_at(&self, _: &[u8], _: u64) -> io::Result<()> {
        panic!("a damaged file is never written to")
    }

    fn set_len(&self, _: u64) -> io::Result<()> {
        panic!("a damaged file is never written to")
    }

    fn sync(&self) -> io::Result<()> {
        panic!("a damaged file is never written to")
    }

    fn release(&self, _: Range<u64>) -> io::Result<bool> {
        panic!("a damaged file is never written to")
    }

    fn try_lock(&self, range: Range<u64>, lock: Lock) -> io::Result<bool> {
        self.0.try_lock(range, lock)
    }

    fn unlock(&self, range: Range<u64>) -> io::Result<()> {
        self.0.unlock(range)
    }

    fn locked_by_others(&self, range: Range<u64>) -> io::Result<bool> {
        self.0.locked_by_others(range)
    }
}

#[test]
fn a_sector_that_the_disk_does_not_read_costs_the_chunks_in_it() {
    let original = Original::large();
    let mut lost = 0;
    for (at, len) in original.frames(FrameKind::Block) {
        for start in (at..at + len).step_by(50 * 4096) {
            let bad = start as u64 / 4096 * 4096..(start as u64 / 4096 + 1) * 4096;
            let media = SimulatedDisk::new(original.bytes.clone()).open_read();
            let media = Arc::new(Unreadable(media, bad.clone()));
            let what = format!("block at {at}, bytes {bad:?}");
            let salvaged = original.hold(Salvaged::of(media, &[]), &what);
            // The header and the table are at the start, and all nodes may be in one sector.
            if start == at || len < 4096 {
                continue;
            }
            let report = salvaged.unwrap().report;
            assert!((1..=2).contains(&report.lost.len()), "{what}: {:?}", report.lost);
            lost += report.lost.len();
        }
    }
    assert!(lost > 5, "{lost}");
}

#[test]
fn frames_of_a_stored_database_are_not_taken_for_frames_of_this_one() {
    let stored = Original::new();
    let disk = SimulatedDisk::new([]);
    let database = create(&disk);
    put(&database, "/stored.aeordb", &stored.bytes).unwrap();
    put(&database, "/beside", &noise(7, 400)).unwrap();
    let mut original = Original::of(&database, Vec::new());
    database.close().unwrap();
    original.bytes = disk.durable();
    for (at, _) in original.frames(FrameKind::Block) {
        // The header is broken, so what is in the block is searched for frames.
        let bytes = original.with(|bytes| bytes[at + 8] ^= 1);
        let salvaged = original.examine(bytes, &[], &format!("block at {at}")).unwrap();
        let names: BTreeSet<_> = salvaged.found.names.keys().collect();
        assert!(names.is_empty(), "{names:?}");
    }
}

#[test]
fn random_damage_never_makes_salvage_wrong() {
    let original = Original::new();
    let mut mutations = Mutations::new(41);
    let mut saved = 0;
    for round in 0..150 {
        let mut bytes = original.bytes.clone();
        for _ in 0..=round % 3 {
            bytes = mutations.mutate(&bytes);
        }
        saved += usize::from(original.examine(bytes, &[], &format!("round {round}")).is_some());
    }
    assert!(saved > 75, "{saved}");
}
