//! The fuzz targets over a small corpus and random mutations of it. `AEORDB_MUTATIONS=1000000`
//! makes so many of them for each target; `AEORDB_WRITE_CORPUS=1` writes the corpus anew.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path as LocalPath, PathBuf};

use aeordb::hash::Kind;
use aeordb::internals::format::{FrameKind, run};
use aeordb::internals::limits::INLINE_CHUNKS_MAX;
use aeordb::internals::log::frames::Seen;
use aeordb::internals::object::chunker;
use aeordb::internals::store::{AppendEntries, ReadEntries};
use aeordb::media::{MemoryMedia, SimulatedDisk};
use aeordb::object::{AttributeSet, Owner, XattrValue};
use aeordb::testing::{Mailbox, Mutations, TARGETS, reseal};

use crate::fixture::{self, Fixture, Step, create, noise, put, read, write};

/// Seeds of one target that are kept.
const SEEDS_MAX: usize = 6;

fn corpus() -> PathBuf {
    LocalPath::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus")
}

/// Bytes for each target, taken from files with everything in them.
fn seeds() -> BTreeMap<&'static str, Vec<Vec<u8>>> {
    let mut seeds = Seeds::default();
    let fixture = Fixture::new();
    let disk = SimulatedDisk::new(fixture.base.clone());
    let database = write(&disk).unwrap();
    for (number, step) in [Step::Snapshot, Step::Gc, Step::Patch, Step::Put].iter().enumerate() {
        fixture.step(&database, *step, number).unwrap();
    }
    database.close().unwrap();
    seeds.database(&disk.durable());
    seeds.database(&long_file());
    for sealed in [&fixture.export, &fixture.patch] {
        seeds.add("import", sealed);
        seeds.add("file", sealed);
        seeds.add("salvage", sealed);
        seeds.frames(sealed);
    }
    let encrypted = encrypted(&fixture.export);
    seeds.add("import", &encrypted);
    seeds.add("file", &encrypted);
    seeds.frames(&encrypted);
    for path in ["/", "/a/b", "/caf\u{e9}/x", "/..", "relative"] {
        seeds.add("path", path.as_bytes());
    }
    for set in attribute_sets() {
        seeds.add("attributes", &set.encode().unwrap());
    }
    seeds.0
}

/// What an export holds, encrypted for us.
fn encrypted(export: &[u8]) -> Vec<u8> {
    let reader = read(&SimulatedDisk::new(export)).unwrap().reader().unwrap();
    let (whose, mut out) = (Mailbox::ours(), Vec::new());
    let monitor = aeordb::Monitor::new();
    aeordb::backup::export_for(&reader, &reader.head(), Some(&whose), &mut out, &monitor).unwrap();
    out
}

/// Sets with each of the fields, and with all.
fn attribute_sets() -> Vec<AttributeSet> {
    let owner =
        Owner { user: 1000, group: 50, user_name: b"ada".to_vec(), group_name: b"staff".to_vec() };
    let chunk = aeordb::object::ChunkRef { id: aeordb::hash::ChunkId::of(b"long"), len: 700 };
    let xattrs = [
        (b"system.posix_acl_access".to_vec(), XattrValue::Inline(vec![2; 44])),
        (b"user.comment".to_vec(), XattrValue::Inline(b"text".to_vec())),
        (b"user.long".to_vec(), XattrValue::Chunk(chunk)),
    ];
    let whole = AttributeSet { owner: Some(owner), flags: 4, xattrs: xattrs.into() };
    let none = AttributeSet::default();
    vec![
        AttributeSet { owner: whole.owner.clone(), ..none.clone() },
        AttributeSet { flags: 2, ..none.clone() },
        AttributeSet { xattrs: whole.xattrs.clone(), ..none },
        whole,
    ]
}

/// A database with a file whose chunks are in a tree of lists.
fn long_file() -> Vec<u8> {
    let disk = SimulatedDisk::new([]);
    let database = create(&disk);
    let mut writer = database.writer().unwrap();
    let mut list = aeordb::object::ListBuilder::new();
    // Bytes that compress to nearly nothing, cut where the chunker would.
    let content = vec![7; chunker::chunks(&vec![7; 1 << 20]).next().unwrap().len()];
    for _ in 0..4 * INLINE_CHUNKS_MAX {
        let id = aeordb::hash::ChunkId(writer.entries().append(Kind::Chunk, &content).unwrap());
        let chunk = aeordb::object::ChunkRef { id, len: content.len() as u32 };
        list.push(writer.entries(), chunk).unwrap();
    }
    list.finish(writer.entries()).unwrap();
    writer.commit().unwrap();
    put(&database, "/short", &noise(1, 100)).unwrap();
    database.close().unwrap();
    disk.durable()
}

#[derive(Default)]
struct Seeds(BTreeMap<&'static str, Vec<Vec<u8>>>);

impl Seeds {
    fn add(&mut self, target: &'static str, bytes: &[u8]) {
        let known = self.0.entry(target).or_default();
        if known.len() < SEEDS_MAX && !known.iter().any(|one| one == bytes) {
            known.push(bytes.to_vec());
        }
    }

    fn database(&mut self, bytes: &[u8]) {
        self.add("file", bytes);
        self.add("salvage", bytes);
        self.frames(bytes);
        let database = read(&SimulatedDisk::new(bytes)).unwrap();
        let reader = database.reader().unwrap();
        let view = reader.view();
        for record in view.index().all_records() {
            let hash = aeordb::hash::Hash::new(record.unwrap().hash);
            let read = |kind| view.read(kind, &hash).ok();
            if let Some(bytes) = read(Kind::Directory) {
                self.add("directory_node", &bytes);
            } else if let Some(bytes) = read(Kind::System) {
                self.add("system_node", &bytes);
            } else if let Some(bytes) = read(Kind::List) {
                self.add("list_node", &bytes);
            } else if let Some(bytes) = read(Kind::Version) {
                self.add("version", &bytes);
            }
        }
        for entry in reader.walk(&reader.head(), &aeordb::object::Path::root()).unwrap() {
            self.add("item", &entry.unwrap().1.encode().unwrap());
        }
        for snapshot in reader.snapshots().unwrap() {
            let mut name = snapshot.name.clone().into_bytes();
            name.resize(8, b'-');
            self.add("journal", &[name, snapshot.encode()].concat());
        }
        for entry in reader.history().unwrap() {
            let entry = entry.unwrap();
            let key = entry.sequence.to_be_bytes();
            self.add("journal", &[&key[..], &entry.encode()].concat());
        }
    }

    /// The frames of a file, by their kinds.
    fn frames(&mut self, bytes: &[u8]) {
        self.add("superblock", &bytes[..256]);
        let database = read(&SimulatedDisk::new(bytes)).unwrap();
        for seen in database.log().frames() {
            let Seen::Frame(at, header) = seen.unwrap() else { continue };
            let frame = &bytes[at as usize..(at + header.frame_len()) as usize];
            self.add("sealed", frame);
            match header.frame_kind().unwrap() {
                FrameKind::Block => self.add("block", frame),
                FrameKind::Run => self.add("run_page", &frame[64..][..run::RECORD_LEN * 3]),
                FrameKind::Checkpoint => self.add("checkpoint", frame),
                FrameKind::Commit => self.add("commit", frame),
                FrameKind::Closing => self.add("closing", frame),
                FrameKind::Delta => self.add("delta", frame),
                FrameKind::Changes => self.add("changes", frame),
                FrameKind::Link => self.add("link", frame),
                FrameKind::Keys | FrameKind::Proof => self.add("keys", frame),
                FrameKind::Void => {}
            }
        }
        self.add(
            "link",
            &aeordb::internals::format::link::Link { base: [1; 32], target: [2; 32] }.encode(),
        );
    }
}

/// The corpus of a target, by the names of its files.
fn corpus_of(target: &str) -> BTreeMap<PathBuf, Vec<u8>> {
    let Ok(files) = fs::read_dir(corpus().join(target)) else { return BTreeMap::new() };
    files
        .map(|file| file.unwrap().path())
        .map(|path| (path.clone(), fs::read(path).unwrap()))
        .collect()
}

fn write_corpus() {
    for (target, seeds) in seeds() {
        let directory = corpus().join(target);
        fs::create_dir_all(&directory).unwrap();
        for seed in seeds {
            let name = &blake3::hash(&seed).to_hex()[..16];
            fs::write(directory.join(name), seed).unwrap();
        }
    }
}

#[test]
fn no_mutation_of_the_corpus_makes_a_target_panic() {
    if std::env::var_os("AEORDB_WRITE_CORPUS").is_some() {
        write_corpus();
    }
    let wanted = std::env::var("AEORDB_MUTATIONS").ok().and_then(|text| text.parse().ok());
    for (target, body) in TARGETS {
        // Whole files cost a thousand times what a decoder does.
        let usual = if ["file", "import", "salvage"].contains(&target) { 400 } else { 20_000 };
        let corpus = corpus_of(target);
        assert!(!corpus.is_empty(), "{target} has no corpus");
        for (number, (path, seed)) in corpus.iter().enumerate() {
            body(seed);
            let mut mutations = Mutations::new(number as u64);
            for count in 0..wanted.unwrap_or(usual) / corpus.len() {
                let mutated = mutations.mutate(seed);
                let ran = std::panic::catch_unwind(|| body(&mutated));
                assert!(ran.is_ok(), "{target}: mutation {count} of {}", path.display());
            }
        }
    }
}

#[test]
fn sound_files_stay_what_they_are_when_their_checks_are_made_again() {
    let fixture = Fixture::new();
    for bytes in [&fixture.export, &fixture.patch] {
        assert!(reseal(bytes) == *bytes);
    }
    // A database has commits before the first that is not void, so chains may begin anew.
    let resealed = reseal(&fixture.base);
    let database = aeordb::db::Database::open_media(
        std::sync::Arc::new(MemoryMedia::with_limit(resealed, 1 << 20)),
        fixture::name(),
        &fixture::options(),
    );
    let seen = fixture::observe(&database.unwrap()).unwrap();
    assert_eq!(seen, fixture::observe(&read(&SimulatedDisk::new(fixture.base)).unwrap()).unwrap());
}
