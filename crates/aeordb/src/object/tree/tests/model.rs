//! Trees against the plainest map, whatever is done to them.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

/// Edits as number of the key and number of the new value.
type Edits = Vec<(u64, Option<u64>)>;

/// Scattered edits, and sometimes all keys of a range removed.
fn edits(keys: u64, max: usize) -> impl Strategy<Value = Edits> {
    let scattered = vec((0..keys, prop::option::weighted(0.6, any::<u64>())), 0..max);
    let holes = (0..keys, 0..keys / 2, any::<bool>()).prop_map(move |(start, len, hole)| {
        let end = if hole { start + len } else { start };
        (start..end.min(keys)).map(|number| (number, None)).collect::<Edits>()
    });
    (holes, scattered).prop_map(|(holes, scattered)| [holes, scattered].concat())
}

/// Numbers keys in their order, so that a range of numbers is a range of keys.
fn ordered_key(number: u64) -> Vec<u8> {
    let tail = Hash::of(&number.to_le_bytes()).to_string();
    format!("{number:05}{}", &tail[..(number % 30) as usize]).into_bytes()
}

fn ordered_model(numbers: impl IntoIterator<Item = u64>) -> Model {
    numbers.into_iter().map(|number| (ordered_key(number), value(number))).collect()
}

fn apply_to(model: &mut Model, edits: &Edits) -> BTreeMap<Vec<u8>, Option<Vec<u8>>> {
    let edits: BTreeMap<_, _> =
        edits.iter().map(|(number, new)| (ordered_key(*number), new.map(value))).collect();
    for (key, value) in &edits {
        match value {
            Some(value) => model.insert(key.clone(), value.clone()),
            None => model.remove(key),
        };
    }
    edits
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn a_tree_that_was_edited_is_the_tree_built_anew(
        start in 0u64..900, rounds in vec(edits(1200, 40), 1..5),
    ) {
        let mut store = MemoryStore::new();
        let mut model = ordered_model(0..start);
        let mut root = build_model(&mut store, &model);
        for round in rounds {
            let edits = apply_to(&mut model, &round);
            let built = edit::<SystemMap, _, _, _>(&mut store, &root, edits).unwrap();
            root = built.root;
            prop_assert_eq!(root, build_model(&mut MemoryStore::new(), &model));
            prop_assert_eq!(built.summary.entries, model.len() as u64);
            prop_assert_eq!(summary::<SystemMap, _>(&store, &root).unwrap(), built.summary);
        }
        nodes(&store, &root);
        prop_assert_eq!(read_model(&store, &root), model);
    }

    #[test]
    fn the_order_of_insertion_leaves_no_trace(numbers in vec(0u64..100_000, 1..150), seed in any::<u64>()) {
        let mut store = MemoryStore::new();
        let mut root = empty_root(Kind::System);
        for number in &numbers {
            let (key, value) = entry(*number);
            root = edit::<SystemMap, _, _, _>(&mut store, &root, [(key, Some(value))]).unwrap().root;
        }
        // Something else comes and goes.
        let (key, value) = (b"~".repeat(1 + (seed % 200) as usize), value(seed));
        let more = edit::<SystemMap, _, _, _>(&mut store, &root, [(&key, Some(&value))]).unwrap();
        let less = edit::<SystemMap, _, _, &[u8]>(&mut store, &more.root, [(&key, None)]).unwrap();
        // Keys can be equal: the last value stands.
        prop_assert_eq!(root, build_model(&mut store, &model(numbers)));
        prop_assert_eq!(less.root, root);
    }

    #[test]
    fn a_difference_is_that_of_the_maps_and_its_nodes_are_exactly_the_new_ones(
        a in 0u64..3000, b in 0u64..3000, same in any::<bool>(), edits in edits(3000, 20),
    ) {
        let mut store = MemoryStore::new();
        let before = ordered_model(0..a);
        let mut after = ordered_model(0..if same { a } else { b });
        apply_to(&mut after, &edits);
        let (root_a, root_b) = (build_model(&mut store, &before), build_model(&mut store, &after));
        let (nodes_a, nodes_b) = (nodes(&store, &root_a), nodes(&store, &root_b));

        let reads = store.reads();
        let mut new_nodes = BTreeSet::new();
        let (mut found, mut last) = (Vec::new(), Vec::new());
        for difference in diff::<SystemMap, _, _>(&store, &root_a, &store, &root_b).unwrap() {
            match difference.unwrap() {
                Difference::Node { hash, bytes, near } => {
                    prop_assert_eq!(Kind::System.hash(&bytes), hash);
                    prop_assert!(new_nodes.insert(hash));
                    prop_assert!(near.is_none_or(|near| nodes_a.contains(&near)));
                }
                Difference::Entry { key, before, after } => {
                    prop_assert!(last < key.to_vec());
                    last = key.to_vec();
                    found.push((last.clone(), before.map(|v| v.to_vec()), after.map(|v| v.to_vec())));
                }
            }
        }
        let reads = store.reads() - reads;
        let keys: BTreeSet<_> = before.keys().chain(after.keys()).collect();
        let expect: Vec<_> = keys
            .into_iter()
            .filter(|key| before.get(*key) != after.get(*key))
            .map(|key| (key.clone(), before.get(key).cloned(), after.get(key).cloned()))
            .collect();
        prop_assert_eq!(found, expect);
        let expect_nodes: BTreeSet<_> = nodes_b.difference(&nodes_a).copied().collect();
        prop_assert_eq!(&new_nodes, &expect_nodes);
        // Every node that one side alone has is read once. Nodes of both are opened only where
        // the other side is in the middle of what surrounds them: once for each end that moved.
        let alone = nodes_a.symmetric_difference(&nodes_b).count() as u64;
        prop_assert!(reads <= 2 * alone, "{} reads for {} nodes", reads, alone);
    }

    #[test]
    fn trees_of_any_two_heights_are_compared(a in 0usize..6, b in 0usize..6, from in 0u64..20_000) {
        let sizes = [0u64, 1, 5, 60, 900, 9000];
        let mut store = MemoryStore::new();
        let before = ordered_model(0..sizes[a]);
        // A part of the other map: its root may be a node of the other tree.
        let after = ordered_model((from..from + sizes[b]).map(|number| number % 20_000));
        let (root_a, root_b) = (build_model(&mut store, &before), build_model(&mut store, &after));
        let mut patched = before.clone();
        for difference in diff::<SystemMap, _, _>(&store, &root_a, &store, &root_b).unwrap() {
            if let Difference::Entry { key, after, .. } = difference.unwrap() {
                match after {
                    Some(value) => patched.insert(key.to_vec(), value.to_vec()),
                    None => patched.remove(&key[..]),
                };
            }
        }
        prop_assert_eq!(patched, after);
    }
}

#[test]
fn a_tree_can_be_the_first_node_of_another() {
    let mut store = MemoryStore::new();
    let whole = ordered_model(0..2000);
    let root = build_model(&mut store, &whole);
    let top = Node::read_root::<SystemMap, _>(&store, &root).unwrap();
    assert!(top.level() > 0);
    let first = *top.child(0).unwrap();
    let part: Model =
        whole.into_iter().take(usize::try_from(first.summary.entries).unwrap()).collect();
    assert_eq!(build_model(&mut store, &part), first.hash);
    let new_nodes = |a: &Hash, b: &Hash| {
        diff::<SystemMap, _, _>(&store, a, &store, b)
            .unwrap()
            .filter(|found| matches!(found, Ok(Difference::Node { .. })))
            .count()
    };
    assert_eq!(new_nodes(&root, &first.hash), 0);
    let all = nodes(&store, &root).len();
    assert_eq!(new_nodes(&first.hash, &root), all - nodes(&store, &first.hash).len());
}

#[test]
fn a_missing_node_ends_every_walk_with_an_error() {
    let mut store = MemoryStore::new();
    let root = build_model(&mut store, &ordered_model(0..2000));
    let top = Node::read_root::<SystemMap, _>(&store, &root).unwrap();
    store.forget(&top.child(1).unwrap().hash);
    let missing = |error: &Error| matches!(error, Error::NotFound(_));
    let mut entries = iterate::<SystemMap, _>(&store, &root, None).unwrap();
    assert!(entries.by_ref().find_map(Result::err).is_some_and(|error| missing(&error)));
    assert!(entries.next().is_none());
    let empty = empty_root(Kind::System);
    let mut found = diff::<SystemMap, _, _>(&store, &root, &store, &empty).unwrap();
    assert!(found.by_ref().find_map(Result::err).is_some_and(|error| missing(&error)));
    assert!(found.next().is_none());
    assert!(verify_tree::<SystemMap, _>(&store, &root, |_, _| Ok(())).is_err());
}
