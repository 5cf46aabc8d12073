//! The cost of a change follows the change: with one file changed, the nodes that are read grow
//! with the depth of the tree alone.

use std::io;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::*;
use crate::backup::listing;
use crate::graph;
use crate::media::{Lock, Media};
use crate::store::{Place, ReadEntries};

/// Counts the reads of a file.
struct Metered {
    media: MemoryMedia,
    reads: AtomicU64,
}

impl Media for Metered {
    fn len(&self) -> io::Result<u64> {
        self.media.len()
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.reads.fetch_add(1, Relaxed);
        self.media.read_at(buffer, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.media.write_at(bytes, offset)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.media.set_len(len)
    }

    fn sync(&self) -> io::Result<()> {
        self.media.sync()
    }

    fn release(&self, range: Range<u64>) -> io::Result<bool> {
        self.media.release(range)
    }

    fn try_lock(&self, range: Range<u64>, lock: Lock) -> io::Result<bool> {
        self.media.try_lock(range, lock)
    }

    fn unlock(&self, range: Range<u64>) -> io::Result<()> {
        self.media.unlock(range)
    }

    fn locked_by_others(&self, range: Range<u64>) -> io::Result<bool> {
        self.media.locked_by_others(range)
    }
}

/// Counts the entries that are read of a store.
#[derive(Clone)]
struct Counting<S: ReadEntries> {
    store: S,
    reads: Arc<AtomicU64>,
}

impl<S: ReadEntries> Counting<S> {
    fn new(store: &S) -> Self
    where
        S: Clone,
    {
        Counting { store: store.clone(), reads: Arc::default() }
    }
}

impl<S: ReadEntries> ReadEntries for Counting<S> {
    fn locate(&self, hash: &Hash) -> Result<Option<Place>> {
        self.store.locate(hash)
    }

    fn read(&self, kind: Kind, hash: &Hash) -> Result<bytes::Bytes> {
        self.reads.fetch_add(1, Relaxed);
        self.store.read(kind, hash)
    }

    fn len_of(&self, place: &Place, kind: Kind, hash: &Hash) -> Result<u64> {
        self.store.len_of(place, kind, hash)
    }

    fn number_limit(&self) -> u64 {
        self.store.number_limit()
    }
}

/// A version of so many files of one chunk, a thousand in a directory.
fn large(database: &Database, files: u64) -> VersionId {
    let mut writer = database.writer().unwrap();
    let id = ChunkId(writer.entries().append(Kind::Chunk, b"x").unwrap());
    let content = object::Content::Inline(vec![ChunkRef { id, len: 1 }]);
    let changes = (0..files).map(|number| {
        let path = format!("/{:04}/{:03}", number / 1000, number % 1000);
        let mut record = FileRecord::new(1, id.0, content.clone());
        record.attributes.mtime = Some(number as i64);
        (Path::parse(path.as_bytes()).unwrap(), Some(Item::File(record)))
    });
    let version = object::apply(writer.entries(), &Version::empty().root, changes).unwrap();
    let id = writer.add_version(&version).unwrap();
    writer.set_head(id, "test").unwrap();
    writer.commit().unwrap();
    id
}

/// HEAD with one file changed.
fn with_one_change(database: &Database) -> VersionId {
    let mut writer = database.writer().unwrap();
    let root = writer.head_version().unwrap().root;
    let change = item(writer.entries(), &file("changed"));
    let changes = [(Path::parse(b"/0000/500").unwrap(), Some(change))];
    let version = object::apply(writer.entries(), &root, changes).unwrap();
    let id = writer.add_version(&version).unwrap();
    writer.set_head(id, "test").unwrap();
    writer.commit().unwrap();
    id
}

/// Nodes read for the list of changes, nodes read for the proof, entries of the patch, its bytes.
fn costs(files: u64) -> [u64; 4] {
    let source = memory();
    let from = large(&source, files);
    let full = export_bytes(&source, &from);
    let to = with_one_change(&source);
    let reader = source.reader().unwrap();
    let view = reader.view();
    let counting = Counting::new(view);
    assert_eq!(listing::sum_of(&counting, &from, &to, u64::MAX).unwrap().changes, 1);
    let listed = counting.reads.swap(0, Relaxed);
    graph::prove(&counting, &to, Some(&from), reader.pool(), &Monitor::new()).unwrap();
    let proved = counting.reads.load(Relaxed);
    let patch = patch_bytes(&source, &from, &to);
    let database = memory();
    take_bytes(&database, &full, &promote()).unwrap();
    let report = take_bytes(&database, &patch, &promote()).unwrap();
    assert_eq!((report.version, report.files, report.chunks), (to, 1, 1));
    [listed, proved, report.new_entries, patch.len() as u64]
}

/// Reads of the file, opened anew, by making a patch and by importing it.
fn reads(files: u64) -> [u64; 2] {
    let open = |media: &MemoryMedia| {
        let metered = Metered { media: media.clone(), reads: AtomicU64::new(0) };
        let metered = Arc::new(metered);
        let name = LocalPath::new("metered");
        let database = Database::write_media(metered.clone(), name, &options()).unwrap();
        // What opening costs is another matter.
        metered.reads.store(0, Relaxed);
        (database, metered)
    };
    let media = MemoryMedia::new();
    let name = LocalPath::new("memory");
    let source =
        Database::create_media(Arc::new(media.clone()), name, [7; 16], &options()).unwrap();
    let from = large(&source, files);
    source.close().unwrap();
    // A copy as it was before the change, to import into.
    let before = MemoryMedia::with_limit(media.to_vec(), u64::MAX);
    let (source, _) = open(&media);
    let to = with_one_change(&source);
    source.close().unwrap();
    let (source, metered) = open(&media);
    let patch = patch_bytes(&source, &from, &to);
    let made = metered.reads.load(Relaxed);
    let (database, metered) = open(&before);
    take_bytes(&database, &patch, &promote()).unwrap();
    assert_eq!(database.reader().unwrap().head(), to);
    [made, metered.reads.load(Relaxed)]
}

#[test]
fn a_patch_of_one_file_reads_what_the_depth_of_the_tree_asks_for() {
    for files in [1_000, 100_000, 1_000_000] {
        let [made, imported] = reads(files);
        assert!(made <= 60 && imported <= 60, "{files} files: {made} and {imported} reads");
    }
}

#[test]
fn a_list_of_changes_goes_on_without_reading_what_comes_before() {
    let source = memory();
    let from = large(&source, 100_000);
    let to = {
        let mut writer = source.writer().unwrap();
        let root = writer.head_version().unwrap().root;
        let change = item(writer.entries(), &file("changed"));
        let paths = (0..100).flat_map(|directory| {
            (0..1000).map(move |number| format!("/{directory:04}/{number:03}"))
        });
        let changes =
            paths.map(|path| (Path::parse(path.as_bytes()).unwrap(), Some(change.clone())));
        let version = object::apply(writer.entries(), &root, changes).unwrap();
        let id = writer.add_version(&version).unwrap();
        writer.set_head(id, "test").unwrap();
        writer.commit().unwrap();
        id
    };
    let reader = source.reader().unwrap();
    let [from, to] = [from, to].map(|id| reader.version(&id).unwrap().root);
    let counting = Counting::new(reader.view());
    let mut differ = graph::Differ::new(&counting, Some(&from), &counting, Some(&to));
    differ.seek_after(Path::parse(b"/0098/500").unwrap().components()).unwrap();
    let (path, ..) = differ.paths().next().unwrap().unwrap();
    assert_eq!(path.as_bytes(), b"/0098/501");
    assert!(counting.reads.load(Relaxed) <= 16, "{} reads", counting.reads.load(Relaxed));
}

#[test]
fn one_changed_file_costs_what_the_depth_of_the_tree_asks_for() {
    let small = costs(1_000);
    for files in [100_000, 1_000_000] {
        let large = costs(files);
        // Two levels more of nodes, at either side.
        for (what, most) in [(0, 4), (1, 4), (2, 2), (3, 300)] {
            assert!(large[what] <= small[what] + most, "{files} files: {small:?}, {large:?}");
        }
    }
}
