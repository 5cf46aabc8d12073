//! Nodes that no builder made.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::object::record::FileRecord;
use crate::store::AppendEntries;

type Entry = (Vec<u8>, Vec<u8>);
type ChildEntry = (Vec<u8>, Child);

fn leaf(entries: &[Entry]) -> Vec<u8> {
    let mut out = vec![0];
    for (key, value) in entries {
        encode_value(key, value, &mut out).unwrap();
    }
    out
}

fn inner(level: u8, entries: &[ChildEntry]) -> Vec<u8> {
    let mut out = vec![level];
    for (key, child) in entries {
        encode_child(key, child, &mut out).unwrap();
    }
    out
}

fn child(store: &mut MemoryStore, entries: &[Entry]) -> ChildEntry {
    let hash = store.append(Kind::System, &leaf(entries)).unwrap();
    let summary = Summary { entries: entries.len() as u64, ..Summary::default() };
    (entries.last().map(|(key, _)| key.clone()).unwrap_or_default(), Child { hash, summary })
}

/// Proves a tree as a whole; that a comparison with another tree says the same is asserted.
fn proof(store: &mut MemoryStore, root: &[u8]) -> Result<Summary> {
    let root = store.append(Kind::System, root).unwrap();
    let whole = verify_tree::<SystemMap, _>(store, &root, |_, _| Ok(()));
    // Beside nothing, the honest tree of the same entries, its first leaf, and all but its first.
    let (entries, first, _) = three_leaves();
    let honest = build::<SystemMap, _, _, _>(store, entries.clone()).unwrap().root;
    let start = build::<SystemMap, _, _, _>(store, entries[..first].to_vec()).unwrap().root;
    let rest = build::<SystemMap, _, _, _>(store, entries[first..].to_vec()).unwrap().root;
    for known in [empty_root(Kind::System), honest, start, rest] {
        let proof = compare(store, &known, &root);
        assert_eq!(proof.is_ok(), whole.is_ok(), "{proof:?} {whole:?}");
    }
    whole
}

fn compare(store: &MemoryStore, a: &Hash, b: &Hash) -> Result<()> {
    diff::<SystemMap, _, _>(store, a, store, b)?.try_for_each(|found| found.map(drop))
}

fn refused(store: &mut MemoryStore, root: &[u8], why: &str) {
    let error = proof(store, root).unwrap_err();
    assert!(matches!(error, Error::Damaged { .. }), "{error}");
    assert!(error.to_string().contains(why), "{error}");
}

/// Entries of two whole leaves and a bit, and where the leaves end.
fn three_leaves() -> (Vec<Entry>, usize, usize) {
    let entries: Vec<_> = model(0..80).into_iter().collect();
    let mut store = MemoryStore::new();
    let root = build::<SystemMap, _, _, _>(&mut store, entries.clone()).unwrap().root;
    let top = Node::read_root::<SystemMap, _>(&store, &root).unwrap();
    let ends: Vec<_> = top
        .children()
        .scan(0, |sum, child| {
            *sum += usize::try_from(child.summary.entries).unwrap();
            Some(*sum)
        })
        .collect();
    (entries[..ends[2]].to_vec(), ends[0], ends[1])
}

#[test]
fn a_tree_that_is_split_otherwise_is_refused() {
    let (entries, first, second) = three_leaves();
    let mut store = MemoryStore::new();
    let mut top = |splits: &[usize]| {
        let mut bounds = vec![0];
        bounds.extend_from_slice(splits);
        bounds.push(entries.len());
        let children: Vec<_> = bounds
            .windows(2)
            .map(|bounds| child(&mut store, &entries[bounds[0]..bounds[1]]))
            .collect();
        inner(1, &children)
    };
    let (right, early, late, joined) = (
        top(&[first, second]),
        top(&[first - 1, second]),
        top(&[first + 1, second]),
        top(&[first]),
    );
    assert_eq!(proof(&mut store, &right).unwrap().entries, entries.len() as u64);
    refused(&mut store, &early, "expected another entry");
    refused(&mut store, &late, "expected the end of the node");
    refused(&mut store, &joined, "expected the end of the node");
    refused(&mut store, &leaf(&entries), "expected the end of the node");
}

#[test]
fn a_parent_that_does_not_tell_the_truth_is_refused() {
    let (entries, first, second) = three_leaves();
    let mut store = MemoryStore::new();
    let children: Vec<_> = [&entries[..first], &entries[first..second], &entries[second..]]
        .map(|part| child(&mut store, part))
        .into();
    let with = |change: &dyn Fn(&mut Vec<ChildEntry>)| {
        let mut children = children.clone();
        change(&mut children);
        inner(1, &children)
    };
    refused(&mut store, &with(&|c| c[0].0.push(0)), "last key");
    refused(&mut store, &with(&|c| c[1].1.summary.entries += 1), "counts");
    refused(&mut store, &with(&|c| c[1].1.summary.totals.bytes += 1), "counts");
    refused(&mut store, &with(&|c| c.truncate(1)), "two entries");
    refused(&mut store, &with(&|c| c[2].1.hash = c[1].1.hash), "last key");
    refused(&mut store, &inner(2, &children), "below level 2");
    refused(&mut store, &inner(1, &[]), "expected 1 bytes");
    let mut empty = children[2].clone();
    empty.1.hash = store.append(Kind::System, &[0]).unwrap();
    refused(&mut store, &inner(1, &[children[0].clone(), empty]), "last key");
}

#[test]
fn the_last_node_of_one_tree_may_not_come_before_others_in_another() {
    let (entries, first, second) = three_leaves();
    let mut store = MemoryStore::new();
    // What is known ends in the middle of the second leaf.
    let known = &entries[..first + (second - first) / 2];
    let known_root = build::<SystemMap, _, _, _>(&mut store, known.to_vec()).unwrap().root;
    let children = [
        child(&mut store, &entries[..first]),
        child(&mut store, &known[first..]),
        child(&mut store, &entries[known.len()..second]),
    ];
    let root = inner(1, &children);
    refused(&mut store, &root, "expected another entry");
    let root = store.append(Kind::System, &root).unwrap();
    let error = compare(&store, &known_root, &root).unwrap_err();
    assert!(error.to_string().contains("expected another entry"), "{error}");
}

#[test]
fn a_leaf_below_another_parent_that_reaches_back_is_refused() {
    let mut store = MemoryStore::new();
    let root = build_model(&mut store, &model(0..20_000));
    let top = Node::read_root::<SystemMap, _>(&store, &root).unwrap();
    assert_eq!(top.level(), 2);
    let parent = top.read_child::<SystemMap, _>(&store, 1).unwrap();
    let leaf_before = parent.read_child::<SystemMap, _>(&store, 0).unwrap();
    // The same lengths, so the same ends: a smaller key in place of the first one.
    let mut entries: Vec<Entry> =
        leaf_before.values().map(|(key, value)| (key.to_vec(), value.to_vec())).collect();
    entries[0].0[0] = 0;
    let swap = |node: &Node, at: usize, hash: Hash| {
        let mut children: Vec<ChildEntry> = (0..node.len())
            .map(|index| (node.key(index).unwrap().to_vec(), *node.child(index).unwrap()))
            .collect();
        children[at].1.hash = hash;
        inner(node.level(), &children)
    };
    let hash = store.append(Kind::System, &leaf(&entries)).unwrap();
    let hash = store.append(Kind::System, &swap(&parent, 0, hash)).unwrap();
    let bad = store.append(Kind::System, &swap(&top, 1, hash)).unwrap();
    let empty = empty_root(Kind::System);
    for error in [
        verify_tree::<SystemMap, _>(&store, &bad, |_, _| Ok(())).unwrap_err(),
        compare(&store, &root, &bad).unwrap_err(),
        compare(&store, &empty, &bad).unwrap_err(),
    ] {
        assert!(error.to_string().contains("expected keys above those before"), "{error}");
    }
}

#[test]
fn a_child_that_reaches_back_before_its_sibling_is_refused() {
    let (entries, first, second) = three_leaves();
    let mut store = MemoryStore::new();
    let left = child(&mut store, &entries[..first]);
    // The second child holds the last entry of the first once more.
    let mut again = entries[first..second].to_vec();
    again.insert(0, entries[first - 1].clone());
    let right = child(&mut store, &again);
    let root = inner(1, &[left, right]);
    assert!(matches!(proof(&mut store, &root), Err(Error::Damaged { .. })));
}

#[test]
fn an_entry_that_a_directory_cannot_have_is_refused() {
    let good = Item::File(FileRecord::empty()).encode().unwrap();
    let node = |key: &[u8], value: &[u8]| {
        verify_node::<Directories>(leaf(&[(key.to_vec(), value.to_vec())]).into(), true)
    };
    assert!(node(b"name", &good).is_ok());
    for name in [&b"."[..], b"..", b"a/b", b"a\0"] {
        assert!(matches!(node(name, &good), Err(Error::Damaged { .. })), "{name:?}");
    }
    for value in [&b""[..], &good[1..], &[&good[..], &[0]].concat()] {
        let error = node(b"name", value).unwrap_err().to_string();
        assert!(error.contains("'name'"), "{error}");
    }
}

#[test]
fn levels_that_are_not_known_need_a_newer_version() {
    let error = Node::decode::<SystemMap>(vec![16].into()).err().unwrap().to_string();
    assert!(error.contains("newer aeordb"), "{error}");
    assert!(Node::decode::<SystemMap>(vec![].into()).is_err());
    assert!(Node::decode::<SystemMap>(vec![0; NODE_LEN_MAX + 1].into()).is_err());
}

#[test]
fn a_damaged_node_is_named_with_its_place() {
    let mut store = MemoryStore::new();
    let root = store.append(Kind::System, &[0, 9, 1]).unwrap();
    let error = get::<SystemMap, _>(&store, &root, b"a").unwrap_err().to_string();
    let expect = format!("system map {root} is damaged at offset 2: expected 9 bytes, found 1");
    assert_eq!(error, expect);
}

/// The encoding of what was decoded.
fn encode(node: &Node) -> Vec<u8> {
    let mut out = vec![node.level()];
    for index in 0..node.len() {
        let key = node.key(index).unwrap();
        match node.child(index) {
            Some(child) => encode_child(key, child, &mut out).unwrap(),
            None => encode_value(key, node.value(index).unwrap(), &mut out).unwrap(),
        }
    }
    out
}

fn assert_refused_or_same(bytes: Vec<u8>) {
    if let Ok(node) = Node::decode::<SystemMap>(bytes.clone().into()) {
        assert_eq!(encode(&node), bytes);
        assert_eq!(node.last_key(), node.len().checked_sub(1).and_then(|last| node.key(last)));
        let end = node.len().checked_sub(1).map_or(1, |last| node.entry_end(last));
        assert_eq!(end, bytes.len());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn mutated_nodes_are_refused_or_encode_the_same(
        count in 1u64..12, level in 0u8..3, at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<prop::sample::Index>(),
    ) {
        let mut store = MemoryStore::new();
        let entries: Vec<_> = model(0..count).into_iter().collect();
        let mut bytes = if level == 0 {
            leaf(&entries)
        } else {
            let children: Vec<_> = entries.iter().map(|(key, _)| (key.clone(), child(&mut store, &entries).1)).collect();
            inner(level, &children)
        };
        let at = at.index(bytes.len());
        bytes[at] = byte;
        bytes.truncate(1 + cut.index(bytes.len() * 2).min(bytes.len() - 1));
        assert_refused_or_same(bytes);
    }

    #[test]
    fn any_bytes_are_refused_or_encode_the_same(bytes in vec(prop_oneof![0u8..4, any::<u8>()], 0..100)) {
        assert_refused_or_same(bytes);
    }
}
