//! What large directories cost, in nodes.

use super::*;
use crate::hash::ChunkId;
use crate::object::record::ChunkRef;
use crate::object::record::{Attributes, Content, FileRecord};

fn record(number: u64) -> Vec<u8> {
    let id = ChunkId::of(&number.to_le_bytes());
    let content = Content::Inline(vec![ChunkRef { id, len: 1000 }]);
    let file = FileRecord {
        attributes: Attributes::new(0o644, 1_700_000_000_000_000_000),
        ..FileRecord::new(1000, id.0, content)
    };
    Item::File(file).encode().unwrap()
}

fn directory(store: &mut MemoryStore, files: u64) -> Built {
    let value = record(0);
    let names = (0..files).map(|number| (format!("file-{number:07}.json"), &value));
    build::<Directories, _, _, _>(store, names).unwrap()
}

fn directory_height(store: &MemoryStore, root: &Hash) -> usize {
    usize::from(Node::read_root::<Directories, _>(store, root).unwrap().level()) + 1
}

#[test]
fn an_edit_among_100_000_names_reads_and_writes_a_few_nodes() {
    let mut store = MemoryStore::new();
    let built = directory(&mut store, 100_000);
    assert_eq!(built.summary.totals, Totals { files: 100_000, directories: 0, bytes: 100_000_000 });
    let height = directory_height(&store, &built.root);
    let mut written = 0;
    for number in (0..100_000u64).step_by(997) {
        let (value, old, new) =
            (record(number + 1), format!("file-{number:07}.json"), format!("file-{number:07}.xml"));
        for edits in [vec![(&old, Some(&value))], vec![(&old, None)], vec![(&new, Some(&value))]] {
            let (reads, entries) = (store.reads(), store.len());
            edit::<Directories, _, _, _>(&mut store, &built.root, edits).unwrap();
            assert!(store.reads() - reads <= 4 * height as u64, "{} reads", store.reads() - reads);
            assert!(store.len() - entries <= 4 * height);
            written += store.len() - entries;
        }
    }
    assert!(written as f64 <= 303.0 * height as f64 * 1.1, "{written} nodes written by 303 edits");
}

#[test]
fn a_directory_of_a_million_names_is_an_ordinary_thing() {
    let mut store = MemoryStore::new();
    let built = directory(&mut store, 1_000_000);
    let height = directory_height(&store, &built.root);
    assert!(height <= 4, "{height} levels");

    let (reads, entries) = (store.reads(), store.len());
    let put = [("file-0500000.more", Some(record(7)))];
    let put = edit::<Directories, _, _, _>(&mut store, &built.root, put).unwrap();
    assert_eq!(put.summary.entries, 1_000_001);
    assert!(store.reads() - reads <= 2 * height as u64);
    assert!(store.len() - entries <= 2 * height);

    let reads = store.reads();
    let remove = [("file-0500000.more", None::<&[u8]>)];
    let removed = edit::<Directories, _, _, _>(&mut store, &put.root, remove).unwrap();
    assert_eq!(removed, built);
    assert!(store.reads() - reads <= 2 * height as u64);

    let reads = store.reads();
    let page = iterate::<Directories, _>(&store, &built.root, Some(b"file-0700000")).unwrap();
    let page: Vec<_> = page.take(100).map(Result::unwrap).collect();
    assert_eq!(page[0].0, "file-0700000.json");
    assert_eq!(page[99].0, "file-0700099.json");
    assert!(store.reads() - reads <= height as u64 + 8, "{} reads", store.reads() - reads);

    let reads = store.reads();
    let found = diff::<Directories, _, _>(&store, &built.root, &store, &put.root).unwrap();
    let found: Vec<_> = found.map(Result::unwrap).collect();
    let changes = found.iter().filter(|found| matches!(found, Difference::Entry { .. })).count();
    assert_eq!((changes, found.len() - changes), (1, height));
    assert!(store.reads() - reads <= 4 * height as u64, "{} reads", store.reads() - reads);
}
