use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::store::ReadEntries;
use crate::store::memory::MemoryStore;

type Entries = BTreeMap<Vec<u8>, Vec<u8>>;

fn built(store: &mut MemoryStore, entries: &Entries) -> Built {
    build::<SystemMap, _, _, _>(store, entries).unwrap()
}

fn all(store: &MemoryStore, root: &Hash) -> Entries {
    iterate::<SystemMap, _>(store, root, None)
        .unwrap()
        .map(|entry| entry.map(|(k, v)| (k.to_vec(), v.to_vec())).unwrap())
        .collect()
}

fn numbered(count: u32, value_len: usize) -> Entries {
    (0..count)
        .map(|n| (format!("name-{n:08}").into_bytes(), vec![(n % 251) as u8; value_len]))
        .collect()
}

fn map() -> impl Strategy<Value = Entries> {
    let key = prop::collection::vec(any::<u8>(), 1..12);
    let value = prop_oneof![
        8 => prop::collection::vec(any::<u8>(), 0..200),
        1 => (0usize..20_000).prop_map(|len| vec![7; len]),
    ];
    prop::collection::btree_map(key, value, 0..300)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 120, failure_persistence: None, ..Default::default() })]

    #[test]
    fn an_edit_gives_the_root_that_a_build_of_the_same_entries_gives(
        before in map(), edits in map(), removed in prop::collection::vec(any::<prop::sample::Index>(), 0..100)
    ) {
        let mut store = MemoryStore::new();
        let old = built(&mut store, &before);
        let mut after = before.clone();
        let mut changes: BTreeMap<Vec<u8>, Option<Vec<u8>>> =
            edits.into_iter().map(|(k, v)| (k, Some(v))).collect();
        let keys: Vec<_> = before.keys().cloned().collect();
        if !keys.is_empty() {
            for index in removed {
                changes.insert(index.get(&keys).clone(), None);
            }
        }
        for (key, value) in &changes {
            match value {
                Some(value) => { after.insert(key.clone(), value.clone()); }
                None => { after.remove(key); }
            }
        }
        let edited = edit::<SystemMap, _, _, _>(&mut store, &old.root, changes).unwrap();
        prop_assert_eq!(edited, built(&mut store, &after));
        prop_assert_eq!(&all(&store, &edited.root), &after);

        let mut shown: Vec<(Vec<u8>, Option<Vec<u8>>, Option<Vec<u8>>)> = Vec::new();
        for difference in diff::<SystemMap, _, _>(&store, &old.root, &store, &edited.root).unwrap() {
            if let Difference::Entry { key, before, after } = difference.unwrap() {
                shown.push((key.to_vec(), before.map(|v| v.to_vec()), after.map(|v| v.to_vec())));
            }
        }
        let keys: std::collections::BTreeSet<_> = before.keys().chain(after.keys()).cloned().collect();
        let expected: Vec<_> = keys.into_iter()
            .map(|k| (k.clone(), before.get(&k).cloned(), after.get(&k).cloned()))
            .filter(|(_, a, b)| a != b)
            .collect();
        prop_assert_eq!(shown, expected);
    }

    #[test]
    fn a_node_that_decodes_has_no_second_encoding(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(node) = node::Node::decode(bytes.clone().into()) {
            let mut entries = Vec::new();
            let mut encoder = crate::object::encoding::Encoder::new(&mut entries);
            for index in 0..node.len() {
                encoder.bytes(node.key(index));
                encoder.bytes(node.value(index));
            }
            prop_assert_eq!(node::encode(node.level, node.len(), &entries), bytes);
        }
    }
}

#[test]
fn every_key_is_found_and_no_other() {
    let mut store = MemoryStore::new();
    let entries = numbered(5_000, 40);
    let root = built(&mut store, &entries).root;
    for (key, value) in entries.iter().step_by(97) {
        assert_eq!(get::<SystemMap, _>(&store, &root, key).unwrap().unwrap(), value);
    }
    assert_eq!(get::<SystemMap, _>(&store, &root, b"name-00000001x").unwrap(), None);
    let after = b"name-00004990".as_slice();
    assert_eq!(iterate::<SystemMap, _>(&store, &root, Some(after)).unwrap().count(), 9);
    assert_eq!(iterate::<SystemMap, _>(&store, &root, Some(b"zzz")).unwrap().count(), 0);
}

#[test]
fn an_edit_of_a_large_map_touches_a_path_of_nodes() {
    let mut store = MemoryStore::new();
    let root = built(&mut store, &numbered(100_000, 60)).root;
    let (nodes, reads) = (store.len(), store.reads());
    let edited = edit::<SystemMap, _, _, _>(
        &mut store,
        &root,
        [(b"name-00050000x".to_vec(), Some(vec![1; 60]))],
    )
    .unwrap();
    assert!(store.len() - nodes <= 8, "{} new nodes", store.len() - nodes);
    assert!(store.reads() - reads <= 30, "{} reads", store.reads() - reads);
    let reads = store.reads();
    let differences = diff::<SystemMap, _, _>(&store, &root, &store, &edited.root).unwrap();
    let entries = differences.filter(|d| matches!(d, Ok(Difference::Entry { .. }))).count();
    assert_eq!(entries, 1);
    assert!(store.reads() - reads <= 24, "{} reads", store.reads() - reads);
}

#[test]
fn keys_that_never_end_a_node_still_respect_the_largest_node() {
    let mut store = MemoryStore::new();
    let entries: Entries = (0..2_000_000u64)
        .map(|n| n.to_be_bytes().to_vec())
        .filter(|key| !node::ends_after(0, key, 0, 70_000) || !node::ends_after(0, key, 9000, 9040))
        .take(20_000)
        .map(|key| (key, vec![3; 30]))
        .collect();
    let root = built(&mut store, &entries);
    let mut largest = 0;
    for difference in
        diff::<SystemMap, _, _>(&store, &empty_root(Kind::System), &store, &root.root).unwrap()
    {
        if let Difference::Node { bytes, .. } = difference.unwrap() {
            largest = largest.max(bytes.len());
        }
    }
    assert!(largest <= crate::limits::NODE_LEN_MAX);
    // Taking the first entry of a node away, or changing it, must not leave another split.
    for key in entries.keys().step_by(1500) {
        let mut after = entries.clone();
        after.remove(key);
        let edited =
            edit::<SystemMap, _, _, Vec<u8>>(&mut store, &root.root, [(key.clone(), None)])
                .unwrap();
        assert_eq!(edited, built(&mut store, &after));
    }
}

#[test]
fn the_map_without_entries_needs_no_store() {
    let store = MemoryStore::new();
    let root = empty_root(Kind::Directory);
    assert_eq!(iterate::<Directories, _>(&store, &root, None).unwrap().count(), 0);
    assert_eq!(store.number_limit(), 0);
}
