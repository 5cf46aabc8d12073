//! The cost of a change follows the change: with one file changed, the nodes that are read grow
//! with the depth of the tree alone.

use std::cell::Cell;

use super::*;
use crate::backup::listing;
use crate::graph;
use crate::store::{Place, ReadEntries};

/// Counts the entries that are read of a store.
struct Counting<'s, S: ReadEntries> {
    store: &'s S,
    reads: Cell<u64>,
}

impl<S: ReadEntries> ReadEntries for Counting<'_, S> {
    fn locate(&self, hash: &Hash) -> Result<Option<Place>> {
        self.store.locate(hash)
    }

    fn read(&self, kind: Kind, hash: &Hash) -> Result<bytes::Bytes> {
        self.reads.set(self.reads.get() + 1);
        self.store.read(kind, hash)
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
    let record = Item::File(FileRecord::new(1, id.0, content));
    let changes = (0..files).map(|number| {
        let path = format!("/{:04}/{:03}", number / 1000, number % 1000);
        (Path::parse(path.as_bytes()).unwrap(), Some(record.clone()))
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
    let counting = Counting { store: view, reads: Cell::new(0) };
    assert_eq!(listing::sum_of(&counting, &from, &to, u64::MAX).unwrap().changes, 1);
    let listed = counting.reads.replace(0);
    graph::prove(&counting, &to, Some(&from), &Watch::new()).unwrap();
    let proved = counting.reads.get();
    let patch = patch_bytes(&source, &from, &to);
    let database = memory();
    take_bytes(&database, &full, &promote()).unwrap();
    let report = take_bytes(&database, &patch, &promote()).unwrap();
    assert_eq!((report.version, report.files, report.chunks), (to, 1, 1));
    [listed, proved, report.new_entries, patch.len() as u64]
}

#[test]
fn one_changed_file_costs_what_the_depth_of_the_tree_asks_for() {
    let small = costs(1_000);
    let large = costs(100_000);
    for (what, (small, large)) in
        ["listing", "proof", "entries", "bytes"].into_iter().zip(small.into_iter().zip(large))
    {
        assert!(large <= 2 * small + 4, "{what}: {small} for 1,000 files, {large} for 100,000");
    }
    assert!(large[0] < 40 && large[1] < 40, "{large:?}");
}
