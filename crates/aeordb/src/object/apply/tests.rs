use std::collections::BTreeMap;

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;

use super::*;
use crate::hash::ChunkId;
use crate::object::record::ChunkRef;
use crate::object::record::{Attributes, Content, FileRecord, Symlink, Totals};
use crate::store::memory::MemoryStore;

fn path(text: &str) -> Path {
    text.parse().unwrap()
}

fn file(len: u32) -> Item {
    let id = ChunkId::of(&len.to_le_bytes());
    let content = Content::Inline(vec![ChunkRef { id, len }]);
    Item::File(FileRecord::new(len.into(), id.0, content))
}

fn empty_directory(mode: Option<u32>) -> Item {
    Item::Directory(Subdirectory::empty(Attributes { mode, ..Attributes::default() }))
}

fn run(
    store: &mut MemoryStore,
    base: &Version,
    changes: &[(&str, Option<Item>)],
) -> Result<Version> {
    apply(store, &base.root, changes.iter().map(|(text, item)| (path(text), item.clone())))
}

/// All paths of a tree with their sizes; `None` for directories.
fn list(store: &MemoryStore, version: &Version) -> BTreeMap<String, Option<u64>> {
    let mut found = BTreeMap::new();
    let mut open = vec![(Path::root(), version.root)];
    while let Some((at, root)) = open.pop() {
        for entry in tree::iterate::<Directories, _>(store, root.hash(), None).unwrap() {
            let (name, value) = entry.unwrap();
            let at = at.join(&crate::object::Name::new(&name).unwrap()).unwrap();
            let size = match Item::decode(&value).unwrap() {
                Item::File(file) => Some(file.size),
                Item::Symlink(_) | Item::Special(_) => Some(0),
                Item::Directory(directory) => {
                    open.push((at.clone(), directory.root));
                    None
                }
            };
            found.insert(at.to_string(), size);
        }
    }
    found
}

fn names(store: &MemoryStore, version: &Version) -> Vec<String> {
    list(store, version).into_keys().collect()
}

#[test]
fn no_change_of_nothing_is_the_empty_version() {
    let mut store = MemoryStore::new();
    let empty = Version::empty();
    assert_eq!(run(&mut store, &empty, &[]).unwrap(), empty);
    assert_eq!(run(&mut store, &empty, &[("/a/b", None), ("/c", None)]).unwrap(), empty);
    assert_eq!(run(&mut store, &empty, &[("/", None)]).unwrap(), empty);
    assert!(store.is_empty());
}

#[test]
fn parents_are_made_without_attributes_and_counted() {
    let mut store = MemoryStore::new();
    let changes = [("/a/b/c", Some(file(10))), ("/a/d", Some(file(5))), ("/a.x", Some(file(1)))];
    let version = run(&mut store, &Version::empty(), &changes).unwrap();
    assert_eq!(version.totals, Totals { files: 3, directories: 3, bytes: 16 });
    assert_eq!(names(&store, &version), ["/a", "/a.x", "/a/b", "/a/b/c", "/a/d"]);
    let Item::Directory(a) = resolve(&store, &version.root, &path("/a")).unwrap().unwrap() else {
        unreachable!()
    };
    assert_eq!(a.attributes, Attributes::default());
    assert_eq!(a.totals, Totals { files: 2, directories: 2, bytes: 15 });
    let root = resolve(&store, &version.root, &Path::root()).unwrap().unwrap();
    assert_eq!(root, Item::Directory(version.root_directory()));
}

#[test]
fn a_path_through_a_file_or_nothing_leads_nowhere() {
    let mut store = MemoryStore::new();
    let version = run(&mut store, &Version::empty(), &[("/a/b", Some(file(1)))]).unwrap();
    for text in ["/x", "/a/x", "/a/b/c", "/a/b/c/d", "/x/y"] {
        assert_eq!(resolve(&store, &version.root, &path(text)).unwrap(), None, "{text}");
    }
    assert_eq!(resolve(&store, &version.root, &path("/a/b")).unwrap(), Some(file(1)));
}

#[test]
fn the_last_entry_that_goes_leaves_an_empty_directory_with_its_attributes() {
    let mut store = MemoryStore::new();
    let changes = [("/d", Some(empty_directory(Some(0o700)))), ("/d/x", Some(file(1)))];
    let full = run(&mut store, &Version::empty(), &changes).unwrap();
    let version = run(&mut store, &full, &[("/d/x", None)]).unwrap();
    let found = resolve(&store, &version.root, &path("/d")).unwrap();
    assert_eq!(found, Some(empty_directory(Some(0o700))));
    let gone = run(&mut store, &full, &[("/d", None)]).unwrap();
    assert_eq!(gone, Version::empty());
}

#[test]
fn a_removed_or_replaced_path_can_be_filled_in_the_same_pass() {
    let mut store = MemoryStore::new();
    let link = Item::Symlink(Symlink { target: b"x".to_vec(), attributes: Attributes::default() });
    let base = [("/a", Some(file(1))), ("/d/x", Some(file(2))), ("/d/y/z", Some(link))];
    let base = run(&mut store, &Version::empty(), &base).unwrap();
    let changes = [
        ("/a", None),
        ("/a/b", Some(file(3))),
        ("/d", Some(empty_directory(None))),
        ("/d/new", Some(file(4))),
    ];
    let version = run(&mut store, &base, &changes).unwrap();
    assert_eq!(names(&store, &version), ["/a", "/a/b", "/d", "/d/new"]);
    // A directory gives way to a file, if that is what was asked for.
    let version = run(&mut store, &base, &[("/d", Some(file(9)))]).unwrap();
    assert_eq!(names(&store, &version), ["/a", "/d"]);
    // A directory that is put keeps what its root holds, and takes the changes below.
    let old = resolve(&store, &base.root, &path("/d")).unwrap();
    let copied = [("/copy", old), ("/copy/more", Some(file(1)))];
    let version = run(&mut store, &base, &copied).unwrap();
    assert_eq!(names(&store, &version)[1..5], ["/copy", "/copy/more", "/copy/x", "/copy/y"]);
    // The root too.
    let version = run(&mut store, &base, &[("/", None), ("/only", Some(file(1)))]).unwrap();
    assert_eq!(names(&store, &version), ["/only"]);
}

#[test]
fn a_file_in_the_way_is_named() {
    let mut store = MemoryStore::new();
    let base = run(&mut store, &Version::empty(), &[("/a/b", Some(file(1)))]).unwrap();
    let error = run(&mut store, &base, &[("/a/b/c/d", Some(file(1)))]).unwrap_err();
    assert_eq!(error.to_string(), "/a/b/c/d cannot be put: /a/b is no directory");
    let both = [("/x", Some(file(1))), ("/x/y", Some(file(1)))];
    let error = run(&mut store, &base, &both).unwrap_err();
    assert_eq!(error.to_string(), "/x/y cannot be put: /x is no directory");
    // Removing what is below a file removes nothing.
    assert_eq!(run(&mut store, &base, &[("/a/b/c/d", None)]).unwrap(), base);
}

#[test]
fn what_cannot_be_done_is_refused_with_its_path() {
    let mut store = MemoryStore::new();
    let empty = Version::empty();
    let Item::File(record) = file(1) else { unreachable!() };
    let bad_mode = Item::File(FileRecord { attributes: Attributes::new(0o170_000, 0), ..record });
    for (changes, expect) in [
        (vec![("/", Some(file(1)))], "/ is a directory"),
        (vec![("/b", None), ("/a", None)], "/a is not above the path before"),
        (vec![("/b", None), ("/b", None)], "/b is not above the path before"),
        (vec![("/m", Some(bad_mode))], "/m: mode 170000"),
    ] {
        let error = run(&mut store, &empty, &changes).unwrap_err().to_string();
        assert!(error.starts_with(expect), "{error}");
    }
}

#[test]
fn the_deepest_path_is_put_found_and_removed() {
    let mut store = MemoryStore::new();
    let deepest = "/x".repeat(2048);
    let version = run(&mut store, &Version::empty(), &[(&deepest, Some(file(1)))]).unwrap();
    assert_eq!(version.totals.directories, 2048);
    assert!(resolve(&store, &version.root, &path(&deepest)).unwrap().is_some());
    assert_eq!(run(&mut store, &version, &[("/x", None)]).unwrap(), Version::empty());
}

#[test]
fn one_change_in_a_large_tree_touches_the_way_to_it_only() {
    let mut store = MemoryStore::new();
    let files: Vec<_> = (0..5000)
        .map(|n| (path(&format!("/{}/{}/{n:04}", n % 7, n % 31)), Some(file(n + 1))))
        .collect();
    let sorted: BTreeMap<_, _> = files.into_iter().collect();
    let version = apply(&mut store, &Version::empty().root, sorted).unwrap();
    let (reads, entries) = (store.reads(), store.len());
    run(&mut store, &version, &[("/3/5/new", Some(file(9)))]).unwrap();
    assert!(store.reads() - reads <= 12, "{} reads", store.reads() - reads);
    assert!(store.len() - entries <= 6, "{} new nodes", store.len() - entries);
}

/// Few names and depths, so that changes meet.
fn any_path() -> impl Strategy<Value = String> {
    vec(prop_oneof!["[ab]", Just("a.".to_owned()), Just("b-".to_owned())], 1..4)
        .prop_map(|names| format!("/{}", names.join("/")))
}

/// What `apply` does, on a map of paths.
fn naive(base: &mut BTreeMap<String, Option<u64>>, changes: &BTreeMap<Path, Option<u32>>) -> bool {
    for (path, len) in changes {
        let mut parents = Vec::new();
        let mut parent = path.parent();
        while let Some(directory) = parent.filter(|parent| !parent.is_root()) {
            parents.push(directory.to_string());
            parent = directory.parent();
        }
        if len.is_some() && parents.iter().any(|parent| matches!(base.get(parent), Some(Some(_)))) {
            return false;
        }
        let below = format!("{path}/");
        if len.is_some() || !parents.iter().any(|parent| matches!(base.get(parent), Some(Some(_))))
        {
            base.retain(|found, _| *found != path.to_string() && !found.starts_with(&below));
        }
        if let Some(len) = len {
            base.extend(parents.into_iter().map(|parent| (parent, None)));
            // 0 stands for an empty directory.
            base.insert(path.to_string(), Some(u64::from(*len)).filter(|len| *len > 0));
        }
    }
    true
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn passes_over_many_paths_do_what_they_do_to_a_map(
        rounds in vec(btree_map(any_path(), prop::option::weighted(0.7, 0u32..50), 0..12), 1..5),
    ) {
        let mut store = MemoryStore::new();
        let mut version = Version::empty();
        let mut expect = BTreeMap::new();
        for round in rounds {
            let changes: BTreeMap<Path, Option<u32>> =
                round.into_iter().map(|(text, len)| (path(&text), len)).collect();
            let items = changes.iter().map(|(path, len)| {
                let item = len.map(|len| if len == 0 { empty_directory(None) } else { file(len) });
                (path.clone(), item)
            });
            let before = expect.clone();
            match (apply(&mut store, &version.root, items), naive(&mut expect, &changes)) {
                (Ok(next), true) => version = next,
                (Err(Error::Invalid(_)), false) => expect = before,
                (result, expect) => prop_assert!(false, "{:?} where {} was expected", result, expect),
            }
            prop_assert_eq!(list(&store, &version), expect.clone());
            let files = expect.values().flatten().count() as u64;
            let bytes = expect.values().flatten().sum();
            let directories = 1 + expect.len() as u64 - files;
            prop_assert_eq!(version.totals, Totals { files, directories, bytes });
        }
        // The same tree in one pass, directories first.
        let items = expect.iter().map(|(text, size)| {
            let item = size.map_or(empty_directory(None), |size| file(u32::try_from(size).unwrap()));
            (path(text), Some(item))
        });
        let items: BTreeMap<_, _> = items.collect();
        prop_assert_eq!(apply(&mut store, &Version::empty().root, items).unwrap(), version);
    }
}
