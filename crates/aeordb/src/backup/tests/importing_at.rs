use super::*;
use crate::backup::{diff_from_outline, export_outline, import_at};
use crate::db::Replacing;
use crate::error::Error;

fn at(text: &str) -> Path {
    Path::parse(text.as_bytes()).unwrap()
}

/// What somebody elsewhere makes of the outline of what is at a path.
struct Elsewhere {
    over: Database,
    base: VersionId,
}

impl Elsewhere {
    fn of(database: &Database, path: &str) -> Elsewhere {
        let reader = database.reader().unwrap();
        let mut outline = Vec::new();
        export_outline(&reader, &reader.head(), &at(path), &mut outline, &Monitor::new()).unwrap();
        let media = Arc::new(MemoryMedia::with_limit(outline, u64::MAX));
        let outline = Database::open_media(media, LocalPath::new("outline"), &options()).unwrap();
        let reader = outline.reader().unwrap();
        let base = reader.head();
        Elsewhere { over: Database::over(&reader, base, None, &options()).unwrap(), base }
    }

    fn patch_to(&self, tree: &Tree) -> Vec<u8> {
        let (to, mut out) = (commit(&self.over, tree), Vec::new());
        let reader = self.over.reader().unwrap();
        diff_from_outline(&reader, &self.base, &to, &mut out, &Monitor::new()).unwrap();
        out
    }
}

fn put(database: &Database, path: &str, patch: &[u8]) -> Result<VersionId> {
    put_with(database, path, patch, false)
}

fn put_with(database: &Database, path: &str, patch: &[u8], only_adds: bool) -> Result<VersionId> {
    let input = Input::Stream(Box::new(std::io::Cursor::new(patch.to_vec())));
    let put = import_at(database, [input], &at(path), only_adds, |_| Ok(()), None, &Monitor::new());
    put.map(|report| report.version)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn what_is_made_of_an_outline_is_put_exactly(a in trees(), b in trees()) {
        let database = memory();
        commit(&database, &a);
        let elsewhere = Elsewhere::of(&database, "/");
        let patch = elsewhere.patch_to(&b);
        let expected = commit(&memory(), &b);
        prop_assert_eq!(put(&database, "/", &patch).unwrap(), expected);
        let reader = database.reader().unwrap();
        prop_assert_eq!(tree_of(&reader, &expected), b);
    }
}

#[test]
fn only_what_is_at_the_path_changes_and_only_if_nothing_else_changed_it() {
    let database = memory();
    let docs = ("/docs", Entry::Directory(0o700));
    commit(&database, &tree([docs.clone(), ("/docs/a", file("a")), ("/other", file("o"))]));
    let elsewhere = Elsewhere::of(&database, "/docs");
    let patch = elsewhere.patch_to(&tree([docs.clone(), ("/docs/a", file("A"))]));
    let late = elsewhere.patch_to(&tree([docs.clone(), ("/docs/a", file("late"))]));
    // What happens elsewhere is no matter.
    commit(&database, &tree([docs.clone(), ("/docs/a", file("a")), ("/other", file("O"))]));
    let version = put(&database, "/docs", &patch).unwrap();
    let expected = tree([docs, ("/docs/a", file("A")), ("/other", file("O"))]);
    assert_eq!(tree_of(&database.reader().unwrap(), &version), expected);
    let error = put(&database, "/docs", &late).unwrap_err();
    assert!(matches!(error, Error::Changed { .. }), "{error}");
    assert_eq!(database.reader().unwrap().head(), version);
}

#[test]
fn what_is_not_there_yet_has_an_empty_outline() {
    let database = memory();
    commit(&database, &tree([("/a", file("a"))]));
    let elsewhere = Elsewhere::of(&database, "/new/b");
    assert_eq!(elsewhere.base, Version::empty().id());
    let patch = elsewhere.patch_to(&tree([("/new/b", file("b"))]));
    let version = put(&database, "/new/b", &patch).unwrap();
    let found = tree_of(&database.reader().unwrap(), &version);
    assert_eq!(found.keys().collect::<Vec<_>>(), ["/a", "/new", "/new/b"]);
    let error = put(&database, "/c", &elsewhere.patch_to(&tree([("/d", file("d"))]))).unwrap_err();
    assert!(matches!(error, Error::Invalid(_)), "{error}");
    // A file is no directory.
    let error = put(&database, "/a/b", &elsewhere.patch_to(&tree([("/a/b", file("b"))])));
    assert!(error.is_err());
    assert_eq!(database.reader().unwrap().head(), version);
}

#[test]
fn chunks_that_the_old_file_has_are_not_sent_again() {
    let database = memory();
    let (old, new) = (content(1, 4_000_000, 0), content(1, 4_000_000, 1));
    commit(&database, &tree([("/large", file(old))]));
    let patch = Elsewhere::of(&database, "/").patch_to(&tree([("/large", file(&new))]));
    assert!(patch.len() < 600_000, "{}", patch.len());
    let version = put(&database, "/", &patch).unwrap();
    assert_eq!(tree_of(&database.reader().unwrap(), &version), tree([("/large", file(new))]));
}

#[test]
fn where_only_adding_is_allowed_nothing_is_replaced_or_removed() {
    let database = memory();
    let head = commit(&database, &tree([("/d", Entry::Directory(0o755)), ("/d/a", file("a"))]));
    let elsewhere = Elsewhere::of(&database, "/");
    for other in [
        tree([("/d", Entry::Directory(0o755)), ("/d/a", file("A"))]),
        tree([("/d", Entry::Directory(0o755))]),
        tree([("/d", file("d"))]),
    ] {
        let error = put_with(&database, "/", &elsewhere.patch_to(&other), true).unwrap_err();
        assert!(matches!(error, Error::Exists(_)), "{error}");
        assert_eq!(database.reader().unwrap().head(), head);
    }
    let more = tree([("/d", Entry::Directory(0o700)), ("/d/a", file("a")), ("/d/b", file("b"))]);
    let version = put_with(&database, "/", &elsewhere.patch_to(&more), true).unwrap();
    assert_eq!(tree_of(&database.reader().unwrap(), &version), more);
}

#[test]
fn what_would_go_is_said_before_it_goes() {
    let directory = |path| (path, Entry::Directory(0o755));
    let there = [directory("/d"), ("/d/a", file("a")), ("/d/b", file("b")), ("/c", file("c"))];
    for (came, expected) in [
        (tree([]), (0, 3)),
        (tree([("/c", file("C")), ("/e", file("e"))]), (2, 2)),
        (tree([("/c", file("c")), ("/d", file("d"))]), (2, 2)),
        (tree([directory("/c"), ("/c/x", file("x")), directory("/d")]), (1, 3)),
        (
            tree([directory("/d"), ("/d/a", file("A")), ("/d/b", file("b")), ("/c", file("c"))]),
            (3, 0),
        ),
    ] {
        let database = memory();
        let head = commit(&database, &tree(there.clone()));
        let patch = Elsewhere::of(&database, "/").patch_to(&came);
        let input = Input::Stream(Box::new(std::io::Cursor::new(patch)));
        let mut told = None;
        let refuse = |replacing: &Replacing| {
            told = Some(*replacing);
            Err(Error::invalid("no"))
        };
        assert!(
            import_at(&database, [input], &at("/"), false, refuse, None, &Monitor::new()).is_err()
        );
        let (put, deleted) = expected;
        assert_eq!(told, Some(Replacing { put, deleted, files: 3 }), "{came:?}");
        assert_eq!(database.reader().unwrap().head(), head);
    }
}

#[test]
fn a_patch_that_was_damaged_or_cut_off_changes_nothing() {
    let database = memory();
    let head = commit(&database, &tree([("/a", file("a"))]));
    let patch = Elsewhere::of(&database, "/").patch_to(&tree([("/a", file("b"))]));
    for len in (0..patch.len()).step_by(61) {
        assert!(put(&database, "/", &patch[..len]).is_err(), "{len}");
    }
    for place in (0..patch.len()).step_by(67) {
        let mut damaged = patch.clone();
        damaged[place] ^= 1;
        assert!(put(&database, "/", &damaged).is_err(), "{place}");
    }
    assert_eq!(database.reader().unwrap().head(), head);
    // An outline is no export: what it lacks is told.
    let reader = database.reader().unwrap();
    let mut outline = Vec::new();
    export_outline(&reader, &head, &Path::root(), &mut outline, &Monitor::new()).unwrap();
    let error = take_bytes(&memory(), &outline, &promote()).unwrap_err();
    assert!(matches!(error, Error::Incomplete { missing: 1, .. }), "{error}");
}

#[test]
fn several_files_are_put_as_one_and_those_that_lead_to_what_is_there_are_passed_over() {
    let trees = ["a", "b", "c"].map(|content| tree([("/x", file(content)), ("/y", file("y"))]));
    let source = memory();
    let [a, b, c] = trees.clone().map(|tree| commit(&source, &tree));
    let chain =
        [export_bytes(&source, &a), patch_bytes(&source, &a, &b), patch_bytes(&source, &b, &c)];
    for known in 0..3 {
        let database = memory();
        commit(&database, &trees[known]);
        let files = if known == 0 { chain.concat() } else { chain[known..].concat() };
        let version = put(&database, "/", &files).unwrap();
        assert_eq!(version, c, "from {known}");
        assert_eq!(tree_of(&database.reader().unwrap(), &version), trees[2]);
        // Once more: there is nothing to do, but what is sent has to be whole all the same.
        let last = &chain[2];
        assert_eq!(put(&database, "/", last).unwrap(), c);
        assert!(put(&database, "/", &last[..last.len() - 1]).is_err());
    }
    let database = memory();
    let head = commit(&database, &trees[0]);
    let gap = [&chain[0][..], &chain[2][..]].concat();
    assert!(matches!(put(&database, "/", &gap), Err(Error::Changed { .. })));
    assert_eq!(database.reader().unwrap().head(), head);
}
