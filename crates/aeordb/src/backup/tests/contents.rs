//! Versions that say what is not so of what files hold. What import calls complete is what every
//! verb can read.

use super::hostile::{Forge, damaged};
use super::*;
use crate::compact;
use crate::gc;
use crate::limits::CHUNK_LEN_MAX;
use crate::object::encoding::Encoder;
use crate::object::list;
use crate::store::memory::MemoryStore;
use crate::store::{Place, ReadEntries};

/// A store that can say what was put into it.
#[derive(Default)]
struct Recorded {
    store: MemoryStore,
    entries: Vec<(Kind, Vec<u8>)>,
}

impl ReadEntries for Recorded {
    fn locate(&self, hash: &Hash) -> Result<Option<Place>> {
        self.store.locate(hash)
    }

    fn read(&self, kind: Kind, hash: &Hash) -> Result<bytes::Bytes> {
        self.store.read(kind, hash)
    }

    fn number_limit(&self) -> u64 {
        self.store.number_limit()
    }
}

impl AppendEntries for Recorded {
    fn append(&mut self, kind: Kind, encoding: &[u8]) -> Result<Hash> {
        let before = self.store.len();
        let hash = self.store.append(kind, encoding)?;
        if self.store.len() > before {
            self.entries.push((kind, encoding.to_vec()));
        }
        Ok(hash)
    }
}

/// What is said of a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Said {
    /// What is so.
    Truth,
    SizeMore,
    SizeLess,
    HashOfAnother,
    /// The first chunk in two.
    CutTwice,
    /// The first two chunks in one.
    NotCut,
    /// Leaves of the list end where the builder would not end them.
    OtherLeaves,
    /// The truth, and the list a second time with another size.
    ListAgain,
    /// The truth in a directory, and the directory a second time with other totals.
    DirectoryAgain,
}

const LIES: [Said; 8] = [
    Said::SizeMore,
    Said::SizeLess,
    Said::HashOfAnother,
    Said::CutTwice,
    Said::NotCut,
    Said::OtherLeaves,
    Said::ListAgain,
    Said::DirectoryAgain,
];

fn chunk(store: &mut Recorded, bytes: &[u8]) -> ChunkRef {
    let id = ChunkId(store.append(Kind::Chunk, bytes).unwrap());
    ChunkRef { id, len: bytes.len() as u32 }
}

fn record_of(store: &mut Recorded, bytes: &[u8], chunks: &[&[u8]]) -> FileRecord {
    let mut list = ListBuilder::new();
    for bytes in chunks {
        let chunk = chunk(store, bytes);
        list.push(store, chunk).unwrap();
    }
    let content = list.finish(store).unwrap();
    FileRecord::new(bytes.len() as u64, Hash::of(bytes), content)
}

/// A file of this list that the builder would not make: two leaves, each half of the chunks.
fn other_leaves(store: &mut Recorded, bytes: &[u8], chunks: &[&[u8]]) -> FileRecord {
    let chunks: Vec<ChunkRef> = chunks.iter().map(|bytes| chunk(store, bytes)).collect();
    let mut top = vec![1u8];
    for half in chunks.chunks(chunks.len().div_ceil(2)) {
        let mut leaf = vec![0u8];
        for chunk in half {
            Encoder::new(&mut leaf).hash(chunk.id.hash());
            Encoder::new(&mut leaf).varint(chunk.len.into());
        }
        let id = store.append(Kind::List, &leaf).unwrap();
        let bytes: u64 = half.iter().map(|chunk| u64::from(chunk.len)).sum();
        Encoder::new(&mut top).hash(&id);
        Encoder::new(&mut top).varint(bytes);
        Encoder::new(&mut top).varint(half.len() as u64);
    }
    let root = crate::hash::ListId(store.append(Kind::List, &top).unwrap());
    let content = object::Content::List { root, chunks: chunks.len() as u64 };
    FileRecord::new(bytes.len() as u64, Hash::of(bytes), content)
}

/// Says that a file is longer or shorter; of chunks in the record, that the last one is.
fn resize(record: &mut FileRecord, by: i32) {
    record.size = record.size.saturating_add_signed(by.into());
    if let object::Content::Inline(chunks) = &mut record.content {
        let last = chunks.last_mut().unwrap();
        last.len = last.len.saturating_add_signed(by);
    }
}

/// What stands at `path`, and beside it, for a file of these bytes. `None` if it cannot be said of
/// them.
fn say(store: &mut Recorded, path: &str, bytes: &[u8], said: Said) -> Option<Vec<(String, Item)>> {
    let chunks: Vec<&[u8]> = chunker::chunks(bytes).collect();
    let mut record = record_of(store, bytes, &chunks);
    let mut more = Vec::new();
    match said {
        Said::Truth => {}
        Said::SizeMore => resize(&mut record, 1),
        Said::SizeLess => resize(&mut record, -1),
        // That of one chunk is its own, and a record says it once.
        Said::HashOfAnother if chunks.len() < 2 => return None,
        Said::HashOfAnother => record.content_hash = Hash::of(b"another"),
        Said::CutTwice => {
            let (first, rest) = chunks.split_first()?;
            let (head, tail) = first.split_at_checked(first.len() / 2)?;
            if head.len() < crate::limits::CHUNK_LEN_MIN {
                return None;
            }
            let chunks = [&[head, tail], rest].concat();
            record = record_of(store, bytes, &chunks);
        }
        Said::NotCut => {
            let [first, second, rest @ ..] = &*chunks else { return None };
            let joined = bytes.get(..first.len() + second.len())?;
            if joined.len() > CHUNK_LEN_MAX {
                return None;
            }
            let chunks = [&[joined], rest].concat();
            record = record_of(store, bytes, &chunks);
        }
        Said::OtherLeaves => {
            if chunks.len() < 40 {
                return None;
            }
            record = other_leaves(store, bytes, &chunks);
        }
        Said::ListAgain => {
            if !matches!(record.content, object::Content::List { .. }) {
                return None;
            }
            let mut again = record.clone();
            again.size += 1;
            more.push((format!("{path}-again"), Item::File(again)));
        }
        Said::DirectoryAgain => {
            let entries = [(at("/file"), Some(Item::File(record.clone())))];
            let root = Version::empty().root;
            let directory = object::apply(store, &root, entries).unwrap();
            let mut item = directory.root_directory();
            more.push((format!("{path}-directory"), Item::Directory(item.clone())));
            item.totals.bytes += 1;
            more.push((format!("{path}-directory-again"), Item::Directory(item)));
        }
    }
    more.push((path.to_owned(), Item::File(record)));
    Some(more)
}

fn at(path: &str) -> Path {
    Path::parse(path.as_bytes()).unwrap()
}

/// A sealed file of all this, and whether it is all true.
fn sealed(files: &[(Vec<u8>, Said)]) -> (Vec<u8>, VersionId, bool) {
    let mut store = Recorded::default();
    let mut items = BTreeMap::new();
    let mut honest = true;
    for (number, (bytes, said)) in files.iter().enumerate() {
        let path = format!("/d{}/{number}", number % 2);
        let lie = say(&mut store, &path, bytes, *said);
        honest &= *said == Said::Truth || lie.is_none();
        let truth = || say(&mut Recorded::default(), &path, bytes, Said::Truth);
        for (path, item) in lie.or_else(truth).unwrap() {
            items.insert(at(&path), Some(item));
        }
    }
    let version = object::apply(&mut store, &Version::empty().root, items).unwrap();
    let forge = Forge::from_nothing(&store.store, version.root, store.entries);
    (forge.seal_as_full(version.totals), version.id(), honest)
}

/// Bytes of one chunk, of several, and of a list.
fn contents() -> [Vec<u8>; 4] {
    [content(1, 500, 0), content(2, 60_000, 1), content(3, 400_000, 2), content(4, 6_000_000, 3)]
}

#[test]
fn what_can_be_proved_of_a_file_is_proved() {
    for said in LIES {
        let mut tried = 0;
        for bytes in contents() {
            let (sealed, _, honest) = sealed(&[(bytes, said)]);
            if !honest {
                damaged(&memory(), &sealed, &format!("{said:?}"));
                tried += 1;
            }
        }
        assert!(tried > 0, "{said:?} was said of no file");
    }
}

/// Every verb that reads or keeps HEAD.
fn every_verb_succeeds(database: &Database, version: &VersionId, bytes: &[u8]) {
    let reader = database.reader().unwrap();
    for step in reader.walk(version, &Path::root()).unwrap() {
        if let (_, Item::File(record)) = step.unwrap() {
            let mut read = Vec::new();
            std::io::copy(&mut reader.file(&record), &mut read).unwrap();
            assert_eq!(Hash::of(&read), record.content_hash);
            assert_eq!(read.len() as u64, record.size);
        }
    }
    every_verb_keeps(database, version, bytes);
}

/// Every verb that keeps HEAD without reading what files hold in their order.
fn every_verb_keeps(database: &Database, version: &VersionId, bytes: &[u8]) {
    let monitor = Monitor::new();
    let again = export_bytes(database, version);
    let sandbox = Sandbox::new();
    let parts = [sandbox.put("one", bytes)];
    let mut combined = Vec::new();
    let scratch = sandbox.scratch();
    crate::backup::combine(&parts, None, &mut combined, scratch, &options(), &monitor).unwrap();
    assert!(combined == again, "combine and export differ");
    gc::collect(database, false, &monitor).unwrap();
    compact::foresee(database, &monitor).unwrap();
    let new = Arc::new(MemoryMedia::new());
    compact::copy(database, new, &options(), &monitor).unwrap();
    let other = memory();
    assert_eq!(take_bytes(&other, &again, &promote()).unwrap().version, *version);
    patch_bytes(&other, &Version::empty().id(), version);
}

fn said() -> impl Strategy<Value = Said> {
    prop_oneof![20 => Just(Said::Truth), 1 => proptest::sample::select(&LIES)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_imported_is_what_every_verb_can_read(
        files in proptest::collection::vec((0..4usize, 0..3u64, said()), 1..6)
    ) {
        let lens = [500, 40_000, 300_000, 4_500_000];
        let files: Vec<(Vec<u8>, Said)> = files
            .into_iter()
            .map(|(len, seed, said)| (content(seed, lens[len], 0), said))
            .collect();
        let (bytes, version, honest) = sealed(&files);
        let database = memory();
        if honest {
            take_bytes(&database, &bytes, &promote()).unwrap();
            every_verb_succeeds(&database, &version, &bytes);
        } else {
            damaged(&database, &bytes, "a lie");
        }
    }
}

#[test]
fn a_list_that_repeats_itself_costs_what_it_stores() {
    // Up to 2^40 chunks in four nodes.
    let mut store = Recorded::default();
    let zeros = vec![0; CHUNK_LEN_MAX];
    let ChunkRef { id, len } = chunk(&mut store, &zeros);
    let (mut node, mut bytes, mut chunks) = (*id.hash(), u64::from(len), 1);
    for level in 0..4u8 {
        let closes = node.low_u64() < list::THRESHOLD;
        let count = if closes { list::ENTRIES_MIN } else { list::ENTRIES_MAX } as u64;
        let mut encoding = vec![level];
        for _ in 0..count {
            Encoder::new(&mut encoding).hash(&node);
            Encoder::new(&mut encoding).varint(bytes);
            if level > 0 {
                Encoder::new(&mut encoding).varint(chunks);
            }
        }
        node = store.append(Kind::List, &encoding).unwrap();
        (bytes, chunks) = (bytes * count, chunks * count);
    }
    assert!(chunks > 1 << 30);
    let content = object::Content::List { root: crate::hash::ListId(node), chunks };
    let record = FileRecord::new(bytes, Hash::of(b"nobody can tell"), content);
    let items = [(at("/endless"), Some(Item::File(record)))];
    let version = object::apply(&mut store, &Version::empty().root, items).unwrap();
    let forge = Forge::from_nothing(&store.store, version.root, store.entries);
    let database = memory();
    let sealed = forge.seal_as_full(version.totals);
    take_bytes(&database, &sealed, &promote()).unwrap();
    every_verb_keeps(&database, &version.id(), &sealed);
}

/// A version with paths that are too long, made by a program that did not look: `/a/a/…` with the
/// last directory deep below it.
fn too_deep(database: &Database) -> VersionId {
    let mut writer = database.writer().unwrap();
    let long = |count: usize| at(&format!("/{}", vec!["x".repeat(200); count].join("/")));
    let file = item(writer.entries(), &file("deep"));
    let empty = Version::empty().root;
    let mut below = object::apply(writer.entries(), &empty, [(long(12), Some(file))]).unwrap();
    for _ in 0..2 {
        let directory = Item::Directory(below.root_directory());
        below = object::apply(writer.entries(), &empty, [(long(10), Some(directory))]).unwrap();
    }
    let version = writer.add_version(&below).unwrap();
    writer.set_head(version, "an older program").unwrap();
    writer.commit().unwrap();
    version
}

#[test]
fn a_version_with_paths_that_are_too_long_can_be_kept_exported_and_mended() {
    let database = memory();
    let version = too_deep(&database);
    gc::collect(&database, false, &Monitor::new()).unwrap();
    compact::copy(&database, Arc::new(MemoryMedia::new()), &options(), &Monitor::new()).unwrap();
    let exported = export_bytes(&database, &version);
    let sandbox = Sandbox::new();
    let report =
        crate::backup::verify(sandbox.put("full", &exported), true, &Monitor::new()).unwrap();
    assert!(report.damages.is_empty(), "{report:?}");
    // Whoever imports it would have the same trouble.
    let refused = take_bytes(&memory(), &exported, &promote()).unwrap_err();
    assert!(refused.to_string().contains("longest path"), "{refused}");
    let top = at(&format!("/{}", "x".repeat(200)));
    database.remove(&[top], true).unwrap();
    let head = database.reader().unwrap().head();
    assert!(tree_of(&database.reader().unwrap(), &head).is_empty());
}

#[test]
fn nothing_is_moved_or_copied_so_deep_that_it_could_not_be_named() {
    let names =
        |letter: &str, count: usize| format!("/{}", vec![letter.repeat(250); count].join("/"));
    let database = memory();
    let start = commit(&database, &tree([(names("n", 12).as_str(), file("a"))]));
    // Sixteen names of 250 bytes fit, seventeen do not.
    let from = at(&names("n", 1));
    let to = at(&names("p", 6));
    for refused in [database.rename(&from, &to, false), database.copy(&start, &from, &to, false)] {
        let error = refused.unwrap_err();
        assert!(error.to_string().contains("the limit is 4096"), "{error}");
        assert_eq!(database.reader().unwrap().head(), start);
    }
    let to = at(&names("p", 5));
    database.copy(&start, &from, &to, false).unwrap();
    database.rename(&from, at("/short"), false).unwrap();
    let reader = database.reader().unwrap();
    let there = tree_of(&reader, &reader.head());
    assert_eq!(there.values().filter(|entry| **entry == file("a")).count(), 2);
}
