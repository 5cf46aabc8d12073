use super::*;
use crate::backup::{MergeReport, OnConflict};
use crate::error::Error;

fn merging(on_conflict: OnConflict) -> ImportOptions {
    ImportOptions { merge: Some(on_conflict), ..promote() }
}

/// Merges the change from `base` to `theirs` onto `ours`, given that the base is in the database.
fn merge(
    base: &Tree,
    ours: &Tree,
    theirs: &Tree,
    on_conflict: OnConflict,
) -> (Tree, MergeReport, Database) {
    let (sandbox, source) = (Sandbox::new(), memory());
    let [vb, vt] = [base, theirs].map(|tree| commit(&source, tree));
    let full = sandbox.full("full", &source, &vb);
    let patch = sandbox.patch("patch", &source, &vb, &vt);
    let database = memory();
    take(&database, &[&full], &promote()).unwrap();
    let head = commit(&database, ours);
    let report = take(&database, &[&patch], &merging(on_conflict)).unwrap();
    let merged = report.merge.unwrap();
    assert_eq!((merged.base, merged.ours, merged.theirs), (vb, head, vt));
    assert_eq!(merged.version, report.version);
    let reader = database.reader().unwrap();
    assert_eq!(reader.head(), report.version);
    assert!(
        crate::graph::prove(reader.view(), &report.version, None, reader.pool(), &Monitor::new())
            .is_ok()
    );
    (tree_of(&reader, &report.version), merged, database)
}

/// A tree as the database has it: parents are there.
fn whole(tree: &Tree) -> Tree {
    let database = memory();
    let version = commit(&database, tree);
    tree_of(&database.reader().unwrap(), &version)
}

fn related(path: &str, other: &str) -> bool {
    let below = |a: &str, b: &str| a.strip_prefix(b).is_some_and(|rest| rest.starts_with('/'));
    path == other || below(path, other) || below(other, path)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_one_side_alone_changed_is_what_it_made_of_it(
        base in trees(),
        ours in trees(),
        theirs in trees(),
        which in 0..3usize,
    ) {
        let on_conflict = [OnConflict::LeaveOut, OnConflict::Ours, OnConflict::Theirs][which];
        let (merged, report, _) = merge(&base, &ours, &theirs, on_conflict);
        let [base, ours, theirs] = [&base, &ours, &theirs].map(whole);
        let conflicts: Vec<String> =
            report.conflicts.iter().map(|conflict| conflict.path.to_string()).collect();
        let leaf = |entry: Option<&Entry>| entry.filter(|e| !matches!(e, Entry::Directory(_))).cloned();
        for path in base.keys().chain(ours.keys()).chain(theirs.keys()) {
            let [b, o, t, m] = [&base, &ours, &theirs, &merged].map(|tree| leaf(tree.get(path)));
            if conflicts.iter().any(|conflict| related(path, conflict)) {
                continue;
            }
            let expected = if o == b { t } else { o.clone() };
            prop_assert_eq!(m, expected, "{} (conflicts {:?})", path, conflicts);
        }
        for conflict in &report.conflicts {
            let path = conflict.path.to_string();
            let side = if on_conflict == OnConflict::Theirs { &theirs } else { &ours };
            prop_assert_eq!(leaf(merged.get(&path)), leaf(side.get(&path)), "{}", path);
        }
    }

    #[test]
    fn a_merge_with_one_side_unchanged_is_the_other_side(base in trees(), other in trees()) {
        for (ours, theirs) in [(&base, &other), (&other, &base), (&other, &other)] {
            let (merged, report, _) = merge(&base, ours, theirs, OnConflict::LeaveOut);
            prop_assert!(report.conflicts.is_empty(), "{:?}", report.conflicts);
            if ours != &base {
                prop_assert_eq!(report.version, report.ours);
            } else {
                prop_assert_eq!(report.version, report.theirs);
            }
            prop_assert_eq!(merged, whole(&other));
        }
    }
}

#[test]
fn both_sides_of_a_conflict_are_told() {
    let base = tree([("/a", file("0")), ("/b", file("0")), ("/gone", file("0"))]);
    let ours = tree([("/a", file("ours")), ("/b", file("0"))]);
    let theirs = tree([("/a", file("theirs")), ("/b", file("1")), ("/gone", file("1"))]);
    let (merged, report, _) = merge(&base, &ours, &theirs, OnConflict::LeaveOut);
    assert_eq!(merged, tree([("/a", file("ours")), ("/b", file("1"))]));
    let hash = |item: &Option<Item>| match item {
        Some(Item::File(record)) => Some(record.content_hash),
        _ => None,
    };
    let [a, gone] = report.conflicts.as_slice() else { panic!("{:?}", report.conflicts) };
    assert_eq!(
        (hash(&a.ours), hash(&a.theirs)),
        (Some(Hash::of(b"ours")), Some(Hash::of(b"theirs")))
    );
    assert_eq!((hash(&gone.ours), hash(&gone.theirs)), (None, Some(Hash::of(b"1"))));
    assert_eq!((report.taken, report.same), (1, 0));
    let (merged, report, _) = merge(&base, &ours, &theirs, OnConflict::Theirs);
    assert_eq!(merged, theirs);
    assert_eq!(report.conflicts.len(), 2);
}

#[test]
fn what_was_put_into_a_directory_keeps_it() {
    let base = tree([("/d", Entry::Directory(0o700)), ("/d/a", file("a")), ("/d/b", file("b"))]);
    let mut ours = base.clone();
    ours.insert("/d/new".into(), file("new"));
    let (merged, report, _) = merge(&base, &ours, &Tree::new(), OnConflict::LeaveOut);
    assert_eq!(merged, tree([("/d", Entry::Directory(0o700)), ("/d/new", file("new"))]));
    assert!(report.conflicts.is_empty());
    // A file cannot stand where the directory stays.
    let theirs = tree([("/d", file("now a file"))]);
    let (merged, report, _) = merge(&base, &ours, &theirs, OnConflict::LeaveOut);
    assert_eq!(merged, tree([("/d", Entry::Directory(0o700)), ("/d/new", file("new"))]));
    assert_eq!(report.conflicts.len(), 1);
    assert_eq!(merge(&base, &ours, &theirs, OnConflict::Theirs).0, theirs);
}

#[test]
fn what_is_put_into_a_directory_that_is_gone_brings_it_back() {
    let base = tree([("/d", Entry::Directory(0o700)), ("/d/a", file("a"))]);
    let mut theirs = base.clone();
    theirs.insert("/d/new".into(), file("new"));
    let (merged, report, _) = merge(&base, &Tree::new(), &theirs, OnConflict::LeaveOut);
    assert_eq!(merged, tree([("/d", Entry::Directory(0o700)), ("/d/new", file("new"))]));
    assert!(report.conflicts.is_empty());
    let ours = tree([("/d", file("now a file"))]);
    let (merged, report, _) = merge(&base, &ours, &theirs, OnConflict::LeaveOut);
    assert_eq!(merged, ours);
    assert_eq!(report.conflicts.len(), 1);
    assert_eq!(merge(&base, &ours, &theirs, OnConflict::Ours).0, ours);
}

#[test]
fn modes_of_directories_are_merged_and_the_later_time_is_kept() {
    let base = tree([("/d", Entry::Directory(0o700)), ("/e", Entry::Directory(0o700))]);
    let ours = tree([("/d", Entry::Directory(0o750)), ("/e", Entry::Directory(0o750))]);
    let mut theirs = tree([("/d", Entry::Directory(0o700)), ("/e", Entry::Directory(0o711))]);
    theirs.insert("/d/a".into(), file("a"));
    let (merged, report, _) = merge(&base, &ours, &theirs, OnConflict::LeaveOut);
    assert_eq!(merged["/d"], Entry::Directory(0o750));
    assert_eq!(merged["/e"], Entry::Directory(0o750));
    assert_eq!(report.conflicts.len(), 1);
    assert_eq!(report.conflicts[0].path.to_string(), "/e");
    assert_eq!(merge(&base, &ours, &theirs, OnConflict::Theirs).0["/e"], Entry::Directory(0o711));
}

#[test]
fn a_merge_needs_the_base_in_the_database_or_in_the_chain() {
    let (sandbox, source) = (Sandbox::new(), memory());
    let a = commit(&source, &tree([("/a", file("a"))]));
    let b = commit(&source, &tree([("/a", file("b"))]));
    let full = sandbox.full("full", &source, &a);
    let patch = sandbox.patch("patch", &source, &a, &b);
    let database = memory();
    let head = commit(&database, &tree([("/mine", file("mine"))]));
    let error = take(&database, &[&patch], &merging(OnConflict::LeaveOut)).unwrap_err();
    let Error::Incomplete { version, supplier, .. } = error else { panic!("{error}") };
    assert_eq!((version, supplier), (b, Some(a)));
    assert_eq!(database.reader().unwrap().head(), head);
    // A full export alone says nothing of what was changed.
    let error = take(&database, &[&full], &merging(OnConflict::LeaveOut)).unwrap_err();
    assert!(matches!(error, Error::Invalid(_)), "{error}");
    let report = take(&database, &[&full, &patch], &merging(OnConflict::LeaveOut)).unwrap();
    let expected = tree([("/mine", file("mine"))]);
    assert_eq!(tree_of(&database.reader().unwrap(), &report.version), expected);
    assert_eq!(report.merge.unwrap().conflicts.len(), 1);
}

#[test]
fn a_merge_that_is_not_promoted_is_kept_beside_head_and_can_be_undone() {
    let base = tree([("/a", file("a"))]);
    let ours = tree([("/a", file("a")), ("/b", file("b"))]);
    let theirs = tree([("/a", file("A"))]);
    let (sandbox, source) = (Sandbox::new(), memory());
    let [vb, vt] = [&base, &theirs].map(|tree| commit(&source, tree));
    let full = sandbox.full("full", &source, &vb);
    let patch = sandbox.patch("patch", &source, &vb, &vt);
    let database = memory();
    take(&database, &[&full], &promote()).unwrap();
    let head = commit(&database, &ours);
    let beside = ImportOptions { promote: false, ..merging(OnConflict::LeaveOut) };
    let report = take(&database, &[&patch], &beside).unwrap();
    assert_eq!(database.reader().unwrap().head(), head);
    assert!(!report.promoted);
    database.promote(&report.version, None).unwrap();
    database.promote(&head, None).unwrap();
    let undo = ImportOptions { undo: Some(sandbox.path("undo")), ..merging(OnConflict::LeaveOut) };
    take(&database, &[&patch], &undo).unwrap();
    take(&database, &[&sandbox.path("undo")], &promote()).unwrap();
    assert_eq!(database.reader().unwrap().head(), head);
}
