//! What the verbs promise together, over trees that are made up.

mod chains;
mod contents;
mod cost;
mod encrypted;
mod hostile;
mod importing_at;
mod listings;
mod merging;
mod partial;
mod sweep;
mod undoing;

use std::collections::BTreeMap;
use std::path::{Path as LocalPath, PathBuf};
use std::sync::Arc;

use proptest::prelude::*;
use tempfile::TempDir;

use crate::backup::{ImportOptions, ImportReport, Input, diff, export, import};
use crate::clock::Clock;
use crate::db::{Database, Options, Reader};
use crate::error::Result;
use crate::hash::{ChunkId, DirectoryId, Hash, Kind, VersionId};
use crate::media::MemoryMedia;
use crate::monitor::Monitor;
use crate::object::tree::empty_root;
use crate::object::{
    self, Attributes, ChunkRef, FileRecord, Item, ListBuilder, Path, Subdirectory, Symlink, Totals,
    Version, chunker,
};
use crate::store::AppendEntries;

/// What stands at a path.
#[derive(Clone, PartialEq, Eq)]
pub enum Entry {
    File(Vec<u8>, u32),
    Link(String),
    Directory(u32),
}

impl std::fmt::Debug for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Entry::File(bytes, mode) => {
                let hash = Hash::of(bytes).to_string();
                write!(f, "file {} {} {mode:o}", bytes.len(), &hash[..8])
            }
            Entry::Link(target) => write!(f, "link {target}"),
            Entry::Directory(mode) => write!(f, "directory {mode:o}"),
        }
    }
}

pub type Tree = BTreeMap<String, Entry>;

pub fn file(bytes: impl AsRef<[u8]>) -> Entry {
    Entry::File(bytes.as_ref().to_vec(), 0o644)
}

pub fn tree<const N: usize>(entries: [(&str, Entry); N]) -> Tree {
    entries.into_iter().map(|(path, entry)| (path.to_owned(), entry)).collect()
}

pub fn options() -> Options {
    Options {
        clock: Clock::from_fn(|| 1_700_000_000_000_000_000),
        workers: 2,
        ..Options::default()
    }
}

pub fn memory() -> Database {
    let media = Arc::new(MemoryMedia::new());
    Database::create_media(media, LocalPath::new("memory"), [7; 16], &options()).unwrap()
}

/// Makes HEAD exactly this tree. Missing parents are made without a mode.
pub fn commit(database: &Database, tree: &Tree) -> VersionId {
    let mut writer = database.writer().unwrap();
    let mut changes = BTreeMap::new();
    for (path, entry) in tree {
        let path = Path::parse(path.as_bytes()).unwrap();
        changes.insert(path, Some(item(writer.entries(), entry)));
    }
    let root = Version::empty().root;
    let version = object::apply(writer.entries(), &root, changes).unwrap();
    let version = writer.add_version(&version).unwrap();
    writer.set_head(version, "test").unwrap();
    writer.commit().unwrap();
    version
}

fn item<S: AppendEntries>(store: &mut S, entry: &Entry) -> Item {
    match entry {
        Entry::Link(target) => {
            let attributes = Attributes { mtime: Some(5), ..Attributes::default() };
            Item::Symlink(Symlink { target: target.as_bytes().to_vec(), attributes })
        }
        Entry::Directory(mode) => {
            let attributes = Attributes { mode: Some(*mode), ..Attributes::default() };
            Item::Directory(Subdirectory::empty(attributes))
        }
        Entry::File(bytes, mode) => {
            let mut list = ListBuilder::new();
            for chunk in chunker::chunks(bytes) {
                let id = ChunkId(store.append(Kind::Chunk, chunk).unwrap());
                list.push(store, ChunkRef { id, len: chunk.len() as u32 }).unwrap();
            }
            let content = list.finish(store).unwrap();
            let mut record = FileRecord::new(bytes.len() as u64, Hash::of(bytes), content);
            record.attributes = Attributes::new(*mode, 7);
            Item::File(record)
        }
    }
}

/// The tree of a version, read back byte by byte.
pub fn tree_of(reader: &Reader, version: &VersionId) -> Tree {
    let mut tree = Tree::new();
    for step in reader.walk(version, &Path::root()).unwrap() {
        let (path, item) = step.unwrap();
        let entry = match item {
            Item::File(record) => {
                let mut bytes = Vec::new();
                std::io::copy(&mut reader.file(&record), &mut bytes).unwrap();
                Entry::File(bytes, record.attributes.mode.unwrap())
            }
            Item::Symlink(link) => Entry::Link(String::from_utf8(link.target).unwrap()),
            Item::Directory(directory) => Entry::Directory(directory.attributes.mode.unwrap_or(0)),
            Item::Special(special) => panic!("a {} that nobody put", special.what.name()),
        };
        tree.insert(path.to_string(), entry);
    }
    tree
}

/// A directory for the files of one test.
pub struct Sandbox(TempDir);

impl Sandbox {
    pub fn new() -> Sandbox {
        Sandbox(tempfile::tempdir().unwrap())
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn scratch(&self) -> &LocalPath {
        self.0.path()
    }

    pub fn put(&self, name: &str, bytes: &[u8]) -> PathBuf {
        std::fs::write(self.path(name), bytes).unwrap();
        self.path(name)
    }

    pub fn full(&self, name: &str, database: &Database, version: &VersionId) -> PathBuf {
        self.put(name, &export_bytes(database, version))
    }

    pub fn patch(
        &self,
        name: &str,
        database: &Database,
        from: &VersionId,
        to: &VersionId,
    ) -> PathBuf {
        self.put(name, &patch_bytes(database, from, to))
    }
}

pub fn export_bytes(database: &Database, version: &VersionId) -> Vec<u8> {
    let mut out = Vec::new();
    export(&database.reader().unwrap(), version, &mut out, &Monitor::new()).unwrap();
    out
}

pub fn patch_bytes(database: &Database, from: &VersionId, to: &VersionId) -> Vec<u8> {
    let mut out = Vec::new();
    diff(&database.reader().unwrap(), from, to, &mut out, &Monitor::new()).unwrap();
    out
}

pub fn promote() -> ImportOptions {
    ImportOptions { promote: true, ..ImportOptions::default() }
}

pub fn take(
    database: &Database,
    files: &[&PathBuf],
    options: &ImportOptions,
) -> Result<ImportReport> {
    let inputs = files.iter().map(|file| Input::File((*file).clone()));
    import(database, inputs, options, &Monitor::new())
}

/// Takes the bytes of one sealed file.
pub fn take_bytes(
    database: &Database,
    bytes: &[u8],
    options: &ImportOptions,
) -> Result<ImportReport> {
    let input = Input::Stream(Box::new(std::io::Cursor::new(bytes.to_vec())));
    import(database, vec![input], options, &Monitor::new())
}

/// Bytes that compress badly, the same for the same seed, with an edit in their middle.
pub fn content(seed: u64, len: usize, edit: u8) -> Vec<u8> {
    let mut bytes = vec![0; len];
    let mut reader = blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof();
    reader.fill(&mut bytes);
    if let Some(byte) = bytes.get_mut(len / 2) {
        *byte = edit;
    }
    bytes
}

fn entries() -> impl Strategy<Value = Entry> {
    let lens = prop_oneof![4 => Just(40usize), 2 => Just(3000), 1 => Just(0), 1 => Just(400_000)];
    prop_oneof![
        6 => (0..4u64, lens, 0..3u8, any::<bool>()).prop_map(|(seed, len, edit, private)| {
            Entry::File(content(seed, len, edit), if private { 0o600 } else { 0o644 })
        }),
        1 => "[xy]{1,3}".prop_map(Entry::Link),
        2 => prop_oneof![Just(0o755u32), Just(0o700)].prop_map(Entry::Directory),
    ]
}

/// Trees of few names, so that two of them have many in common.
pub fn trees() -> impl Strategy<Value = Tree> {
    let names = prop_oneof!["/[ab]", "/[ab]/[cd]", "/[ab]/[cd]/[ef]", "/[ab]/[cd]/[ef]/g"];
    proptest::collection::vec((names, entries()), 0..12).prop_map(|all| {
        let mut tree = Tree::new();
        for (path, entry) in all {
            let path = Path::parse(path.as_bytes()).unwrap();
            let mut above = Vec::new();
            let mut next = path.parent();
            while let Some(parent) = next.filter(|parent| !parent.is_root()) {
                next = parent.parent();
                above.push(parent.to_string());
            }
            let is_directory = |entry: &Entry| matches!(entry, Entry::Directory(_));
            if !above.iter().all(|parent| tree.get(parent).is_none_or(is_directory)) {
                continue;
            }
            let holds = tree.keys().any(|key| key.starts_with(&format!("{path}/")));
            if !holds || is_directory(&entry) {
                for parent in above {
                    tree.entry(parent).or_insert(Entry::Directory(0o755));
                }
                tree.insert(path.to_string(), entry);
            }
        }
        tree
    })
}
