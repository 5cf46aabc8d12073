//! The tests of trees, and what they share.

mod damage;
mod large;
mod model;

use std::collections::{BTreeMap, BTreeSet};

use super::node::{encode_child, encode_value};
use super::*;
use crate::limits::{NODE_LEN_MAX, VALUE_LEN_MAX};
use crate::store::memory::MemoryStore;

type Model = BTreeMap<Vec<u8>, Vec<u8>>;

/// A key of 1 to 40 bytes and a value of 0 to 400, both following from a number.
fn entry(number: u64) -> (Vec<u8>, Vec<u8>) {
    (key(number), value(number))
}

fn key(number: u64) -> Vec<u8> {
    let hash = Hash::of(&number.to_le_bytes());
    hash.to_string().as_bytes()[..1 + (hash.low_u64() % 40) as usize].to_vec()
}

fn value(number: u64) -> Vec<u8> {
    let hash = Hash::of(&(!number).to_le_bytes());
    hash.as_bytes().repeat(13)[..(hash.low_u64() % 400) as usize].to_vec()
}

fn model(numbers: impl IntoIterator<Item = u64>) -> Model {
    numbers.into_iter().map(entry).collect()
}

fn build_model(store: &mut MemoryStore, model: &Model) -> Hash {
    let built = build::<SystemMap, _, _, _>(store, model).unwrap();
    assert_eq!(built.summary.entries, model.len() as u64);
    built.root
}

fn read_model(store: &MemoryStore, root: &Hash) -> Model {
    let entries = iterate::<SystemMap, _>(store, root, None).unwrap();
    entries.map(|entry| entry.map(|(k, v)| (k.to_vec(), v.to_vec())).unwrap()).collect()
}

/// All nodes of a tree that is proved canonical.
fn nodes(store: &MemoryStore, root: &Hash) -> BTreeSet<Hash> {
    let mut nodes = BTreeSet::new();
    verify_tree::<SystemMap, _>(store, root, |hash, node| {
        assert!(node.bytes().len() <= NODE_LEN_MAX);
        assert!(nodes.insert(*hash), "a node is twice in a tree");
        Ok(())
    })
    .unwrap();
    nodes
}

fn height(store: &MemoryStore, root: &Hash) -> u64 {
    u64::from(Node::read_root::<SystemMap, _>(store, root).unwrap().level()) + 1
}

#[test]
fn the_empty_map_is_a_constant_that_is_never_stored() {
    let mut store = MemoryStore::new();
    let empty = build_model(&mut store, &Model::new());
    assert_eq!(empty, empty_root(Kind::System));
    assert_ne!(empty, empty_root(Kind::Directory));
    assert_eq!(get::<SystemMap, _>(&store, &empty, b"a").unwrap(), None);
    assert_eq!(read_model(&store, &empty), Model::new());
    assert_eq!(summary::<SystemMap, _>(&store, &empty).unwrap(), Summary::default());
    verify_tree::<SystemMap, _>(&store, &empty, |_, _| unreachable!()).unwrap();
    let gone = edit::<SystemMap, _, _, &[u8]>(&mut store, &empty, [(b"a", None)]).unwrap();
    assert_eq!(gone.root, empty);
    assert!(store.is_empty());
}

#[test]
fn every_key_is_found_and_no_other() {
    let mut store = MemoryStore::new();
    let model = model(0..3000);
    let root = build_model(&mut store, &model);
    for (key, value) in &model {
        assert_eq!(get::<SystemMap, _>(&store, &root, key).unwrap().unwrap(), value);
        let mut near = key.clone();
        near.push(0);
        assert_eq!(get::<SystemMap, _>(&store, &root, &near).unwrap(), None);
    }
    assert_eq!(get::<SystemMap, _>(&store, &root, &[0xff; 255]).unwrap(), None);
    assert_eq!(get::<SystemMap, _>(&store, &root, b"").unwrap(), None);
}

#[test]
fn a_page_starts_after_any_key_whether_it_is_there_or_not() {
    let mut store = MemoryStore::new();
    let model = model(0..3000);
    let root = build_model(&mut store, &model);
    let mut afters: Vec<Vec<u8>> = model.keys().step_by(37).cloned().collect();
    afters.extend((0..100).map(|number| key(number + 1_000_000)));
    afters.extend([vec![], vec![0], vec![0xff; 3]]);
    for after in afters {
        let page = iterate::<SystemMap, _>(&store, &root, Some(&after)).unwrap();
        let page: Vec<_> = page.take(50).map(|entry| entry.unwrap().0.to_vec()).collect();
        let expect: Vec<_> = model.keys().filter(|key| **key > after).take(50).cloned().collect();
        assert_eq!(page, expect);
    }
}

#[test]
fn the_trees_of_format_version_1_never_change() {
    let mut store = MemoryStore::new();
    let root = build_model(&mut store, &model(0..20_000));
    assert_eq!(height(&store, &root), 3);
    assert_eq!(
        root.to_string(),
        "29fca50f7a62ca8adc608a141fe09b4f160594405fb9fc9b4f4557a826f24e3e"
    );
}

#[test]
fn nodes_are_four_kib_on_average() {
    let mut store = MemoryStore::new();
    let root = build_model(&mut store, &model(0..20_000));
    let (mut leaves, mut bytes) = (0, 0);
    verify_tree::<SystemMap, _>(&store, &root, |_, node| {
        leaves += usize::from(node.level() == 0);
        bytes += if node.level() == 0 { node.bytes().len() } else { 0 };
        Ok(())
    })
    .unwrap();
    let average = bytes / leaves;
    assert!((3600..4600).contains(&average), "{average} bytes in a leaf");
}

#[test]
fn keys_that_never_end_a_node_and_the_largest_values_respect_the_maximum() {
    let mut store = MemoryStore::new();
    // Of 200,000 keys, those whose number is in the highest hundredth: what an attacker picks.
    let stubborn = |key: &[u8]| !node::ends_after(0, key, 8, 10_400);
    let keys: Vec<_> =
        (0..400_000u32).map(|n| n.to_be_bytes()).filter(|key| stubborn(key)).collect();
    assert!(keys.len() > 1000, "{} keys", keys.len());
    let empty = keys.iter().map(|key| (key.to_vec(), Vec::new())).collect();
    let root = build_model(&mut store, &empty);
    let nodes_found = nodes(&store, &root).len();
    assert!(nodes_found * 16_000 > keys.len() * 6, "nodes stay below 16 KB");

    let largest = keys.iter().take(50).map(|key| (key.to_vec(), vec![1; VALUE_LEN_MAX])).collect();
    let root = build_model(&mut store, &largest);
    nodes(&store, &root);
    assert_eq!(read_model(&store, &root), largest);
}

#[test]
fn what_cannot_be_an_entry_is_refused() {
    let mut store = MemoryStore::new();
    for (key, len) in [(vec![], 0), (vec![1; 256], 0), (vec![1], VALUE_LEN_MAX + 1)] {
        assert!(build::<SystemMap, _, _, _>(&mut store, [(key, vec![0; len])]).is_err());
    }
    let unsorted = [(b"b", b""), (b"a", b"")];
    assert!(build::<SystemMap, _, _, _>(&mut store, unsorted).is_err());
    let twice = [(b"a", Some(b"")), (b"a", None)];
    assert!(edit::<SystemMap, _, _, _>(&mut store, &empty_root(Kind::System), twice).is_err());
}
