//! A small database, what can be done to it, and what must be seen in it afterwards.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io::{Cursor, Read};
use std::path::Path as LocalPath;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use aeordb::backup::{self, ImportOptions, Input};
use aeordb::clock::Clock;
use aeordb::db::{Database, HistoryEntry, Options, Reader, Snapshot, Writer};
use aeordb::gc;
use aeordb::hash::{ChunkId, DirectoryId, Hash, Kind, VersionId};
use aeordb::internals::graph::Differ;
use aeordb::internals::object::chunker;
use aeordb::internals::store::AppendEntries;
use aeordb::media::SimulatedDisk;
use aeordb::media::simulated::{Failure, Fault, Operation};
use aeordb::monitor::Monitor;
use aeordb::object::{self, ChunkRef, Content, FileRecord, Item, Path};
use aeordb::{Error, Result};
use bytes::Bytes;

/// The day on which every test's clock starts, and how far it steps each time it is asked.
const START: i64 = 1_700_000_000_000_000_000;
const STEP: i64 = 1_000_000_000;

/// Options with a clock of their own, so that the same steps give the same bytes.
pub fn options() -> Options {
    let now = AtomicI64::new(START);
    let clock = Clock::from_fn(move || now.fetch_add(STEP, Ordering::Relaxed));
    Options { clock, workers: 1, ..Options::default() }
}

pub fn name() -> &'static LocalPath {
    LocalPath::new("test.aeordb")
}

pub fn create(disk: &SimulatedDisk) -> Database {
    Database::create_media(Arc::new(disk.open()), name(), *b"0123456789abcdef", &options()).unwrap()
}

pub fn write(disk: &SimulatedDisk) -> Result<Database> {
    Database::write_media(Arc::new(disk.open()), name(), &options())
}

pub fn read(disk: &SimulatedDisk) -> Result<Database> {
    Database::open_media(Arc::new(disk.open_read()), name(), &options())
}

pub fn path(text: &str) -> Path {
    Path::parse(text.as_bytes()).unwrap()
}

/// Ends the process that has the database open: nothing more reaches the disk.
pub fn kill(disk: &SimulatedDisk, database: Database) {
    disk.inject(Fault::after(0, Failure::Io).on(&Operation::CHANGES).lasting());
    drop(database);
    disk.clear_faults();
}

/// Bytes that do not compress, others for every seed.
pub fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    let mut hasher = blake3::Hasher::new();
    hasher.update(&seed.to_le_bytes());
    hasher.finalize_xof().fill(&mut bytes);
    bytes
}

/// Stores a file's chunks and gives its record.
pub fn record(store: &mut dyn AppendEntries, content: &[u8]) -> Result<FileRecord> {
    let mut chunks = Vec::new();
    for chunk in chunker::chunks(content) {
        let id = ChunkId(store.append(Kind::Chunk, chunk)?);
        chunks.push(ChunkRef { id, len: chunk.len() as u32 });
    }
    Ok(FileRecord::new(content.len() as u64, Hash::of(content), Content::Inline(chunks)))
}

/// Puts and removes files in one commit.
pub fn change(database: &Database, changes: &[(&str, Option<&[u8]>)]) -> Result<VersionId> {
    let mut writer = database.writer()?;
    let version = apply(&mut writer, changes)?;
    if version != writer.head() {
        writer.set_head(version, "put")?;
        writer.commit()?;
    }
    Ok(version)
}

/// Stores what HEAD is with these changes.
fn apply(writer: &mut Writer<'_>, changes: &[(&str, Option<&[u8]>)]) -> Result<VersionId> {
    let head = writer.head_version()?;
    let mut items = BTreeMap::new();
    for (at, content) in changes {
        let item = match content {
            Some(content) => Some(Item::File(record(writer.entries(), content)?)),
            None => None,
        };
        items.insert(path(at), item);
    }
    let version = object::apply(writer.entries(), &head.root, items)?;
    writer.add_version(&version)
}

pub fn put(database: &Database, at: &str, content: &[u8]) -> Result<VersionId> {
    change(database, &[(at, Some(content))])
}

/// What a database shows.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Seen {
    pub head: VersionId,
    pub snapshots: Vec<(String, VersionId)>,
    pub history: Vec<(VersionId, String, bool)>,
}

/// What the database shows, every byte of every version of it read.
pub fn observe(database: &Database) -> Result<Seen> {
    let reader = database.reader()?;
    let history: Vec<_> =
        reader.history()?.collect::<Result<Vec<_>>>()?.into_iter().rev().collect();
    let seen = Seen {
        head: reader.head(),
        snapshots: reader.snapshots()?.into_iter().map(|one| (one.name, one.version)).collect(),
        history: history.into_iter().map(|one| (one.version, one.what, one.promoted)).collect(),
    };
    let mut versions: Vec<VersionId> = seen.history.iter().map(|(one, ..)| *one).collect();
    versions.extend(seen.snapshots.iter().map(|(_, one)| *one));
    versions.push(seen.head);
    let (mut done, mut before) = (BTreeSet::new(), None);
    for version in versions {
        if done.insert(version) {
            before = Some(read_version(&reader, &version, before.as_ref())?);
        }
    }
    Ok(seen)
}

/// Everything that the roots of a database say.
#[derive(PartialEq, Eq, Debug)]
pub struct Whole {
    pub seen: Seen,
    pub snapshots: Vec<Snapshot>,
    pub history: Vec<HistoryEntry>,
    pub system: Vec<(Bytes, Bytes)>,
}

/// Everything that the roots say, every byte of every version read.
pub fn whole(database: &Database) -> Result<Whole> {
    let reader = database.reader()?;
    Ok(Whole {
        seen: observe(database)?,
        snapshots: reader.snapshots()?,
        history: reader.history()?.collect::<Result<Vec<_>>>()?,
        system: reader.system(b"")?,
    })
}

/// Reads every file of a version that is not in the tree `before` just so.
fn read_version(
    reader: &Reader,
    version: &VersionId,
    before: Option<&DirectoryId>,
) -> Result<DirectoryId> {
    let root = reader.version(version)?.root;
    let view = reader.view();
    for step in Differ::new(view, before, view, Some(&root)).paths() {
        if let (path, _, Some(Item::File(record))) = step? {
            let bytes = read_all(reader, &record)?;
            assert_eq!(Hash::of(&bytes), record.content_hash, "wrong bytes of {path}");
        }
    }
    Ok(root)
}

pub fn read_all(reader: &Reader, record: &FileRecord) -> Result<Vec<u8>> {
    let mut file = reader.file(record);
    let mut bytes = Vec::new();
    loop {
        let next = file.next_bytes()?;
        if next.is_empty() {
            return Ok(bytes);
        }
        bytes.extend_from_slice(&next);
    }
}

/// The files of a version with their contents.
pub fn files(reader: &Reader, version: &VersionId) -> Result<BTreeMap<String, Vec<u8>>> {
    let mut files = BTreeMap::new();
    for entry in reader.walk(version, &Path::root())? {
        if let (path, Item::File(record)) = entry? {
            files.insert(path.to_string(), read_all(reader, &record)?);
        }
    }
    Ok(files)
}

/// A disk with a small database that has a past, and files to import into it.
pub struct Fixture {
    pub base: Vec<u8>,
    pub first: VersionId,
    pub export: Vec<u8>,
    pub patch: Vec<u8>,
}

/// What is done to the database.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    Put,
    Overwrite,
    Delete,
    Snapshot,
    Import,
    Patch,
    Promote,
    Gc,
}

impl Step {
    pub const ALL: [Step; 8] = [
        Step::Put,
        Step::Overwrite,
        Step::Delete,
        Step::Snapshot,
        Step::Import,
        Step::Patch,
        Step::Promote,
        Step::Gc,
    ];
}

/// Every sequence of one, two and three steps.
pub fn sequences() -> Vec<Vec<Step>> {
    let mut all: Vec<Vec<Step>> = vec![Vec::new()];
    let mut from = 0;
    for _ in 0..3 {
        let until = all.len();
        for index in from..until {
            for step in Step::ALL {
                let mut longer = all[index].clone();
                longer.push(step);
                all.push(longer);
            }
        }
        from = until;
    }
    all.remove(0);
    all
}

/// Steps as they are named in a message.
pub struct Names<'a>(pub &'a [Step]);

impl fmt::Display for Names<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, step) in self.0.iter().enumerate() {
            let comma = if index > 0 { ", " } else { "" };
            write!(f, "{comma}{step:?}")?;
        }
        Ok(())
    }
}

impl Fixture {
    pub fn new() -> Fixture {
        let (export, patch) = Fixture::to_import();
        let disk = SimulatedDisk::new([]);
        let database = create(&disk);
        let first = put(&database, "/base", &noise(1, 900)).unwrap();
        let olds: Vec<Vec<u8>> = (0..3).map(|n| noise(10 + n, 300)).collect();
        let changes: Vec<_> = ["/old-0", "/old-1", "/dir/old-2"]
            .into_iter()
            .zip(&olds)
            .map(|(path, content)| (path, Some(content.as_slice())))
            .collect();
        // Bytes that nothing reaches, for collection: a block of their own, and most of the one
        // that the next files are in.
        let mut writer = database.writer().unwrap();
        writer.entries().append(Kind::Chunk, &noise(20, 1000)).unwrap();
        writer.commit().unwrap();
        let mut writer = database.writer().unwrap();
        writer.entries().append(Kind::Chunk, &noise(21, 2000)).unwrap();
        let version = apply(&mut writer, &changes).unwrap();
        writer.set_head(version, "put").unwrap();
        writer.commit().unwrap();
        database.close().unwrap();
        Fixture { base: disk.durable(), first, export, patch }
    }

    /// An export of another database, and a patch from its version to a later one.
    fn to_import() -> (Vec<u8>, Vec<u8>) {
        let database = create(&SimulatedDisk::new([]));
        let from = put(&database, "/theirs", &noise(30, 500)).unwrap();
        let to = put(&database, "/theirs-too", &noise(31, 200)).unwrap();
        let reader = database.reader().unwrap();
        let (mut export, mut patch) = (Vec::new(), Vec::new());
        backup::export(&reader, &from, &mut export, &Monitor::new()).unwrap();
        backup::diff(&reader, &from, &to, &mut patch, &Monitor::new()).unwrap();
        (export, patch)
    }

    /// Does one step; `number` makes repetitions differ.
    pub fn step(&self, database: &Database, step: Step, number: usize) -> Result<()> {
        let seed = number as u64;
        match step {
            Step::Put => {
                put(database, &format!("/new-{number}"), &noise(40 + seed, 700))?;
            }
            Step::Overwrite => {
                put(database, "/base", &noise(50 + seed, 600))?;
            }
            Step::Delete => {
                let at = ["/old-0", "/old-1", "/dir/old-2"][number % 3];
                match database.remove(&[path(at)], false) {
                    // A version without it was promoted.
                    Err(Error::NotFound(_)) => {}
                    removed => drop(removed?),
                }
            }
            Step::Snapshot => {
                let head = database.reader()?.head();
                database.create_snapshot(&format!("s{number}"), &head, BTreeMap::new())?;
            }
            Step::Import => self.import(database, &[&self.export], false)?,
            Step::Patch => self.import(database, &[&self.export, &self.patch], true)?,
            Step::Promote => {
                database.promote(&self.first, None)?;
            }
            Step::Gc => {
                gc::collect(database, false, &Monitor::new())?;
            }
        }
        Ok(())
    }

    fn import(&self, database: &Database, files: &[&Vec<u8>], promote: bool) -> Result<()> {
        let stream = |bytes: &&Vec<u8>| {
            let stream: Box<dyn Read + Send> = Box::new(Cursor::new((*bytes).clone()));
            Input::Stream(stream)
        };
        let options = ImportOptions { promote, ..ImportOptions::default() };
        backup::import(database, files.iter().map(stream), &options, &Monitor::new())?;
        Ok(())
    }
}

/// True if the error says that the file is not to be written to.
pub fn is_read_only<T>(result: &Result<T>) -> bool {
    matches!(result, Err(Error::ReadOnly { .. }))
}
