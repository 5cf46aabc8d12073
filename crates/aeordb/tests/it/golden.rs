//! Files of format version 1, made once: whatever else changes, they can be read.
//!
//! They hold four versions of a small tree: a file in eleven chunks, small files, an empty one, an
//! empty directory, a link, a name that is no text, times and modes. `zero` is what a `put` of the
//! tree made, `one` adds a file with a content type, `two` changes, moves and deletes, `three`
//! adds one more. The export is of `one`, the patch leads from there to `two`, and the combined
//! patch from `one` to `three`.

use std::path::PathBuf;
use std::sync::Arc;

use aeordb::backup::{self, ImportOptions, Input};
use aeordb::db::{Database, FileKind, Options};
use aeordb::files::{self, GetOptions, KeepOptions, PutOptions, Source};
use aeordb::hash::{Hash, VersionId};
use aeordb::monitor::Monitor;
use aeordb::object::{Item, Path};

const ZERO: &str = "e5a8359f70707435d978f687350a3c700ed6bad50dd815df85c58f63d633f095";
const ONE: &str = "728da0a32f20b7c064b9e151485b1b4062eb719ff0babfac36a9acecd2fbd0e6";
const TWO: &str = "8317df3515ec8be7df8b30c264b0d9b8c3a012f79b0eda9c733e6deddb9a4305";
const THREE: &str = "3aec5a9ccb0ea095ec8af9ba85b49acda425b3f4773c942203035df66379e535";

fn golden(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

fn version(hash: &str) -> VersionId {
    hash.parse().unwrap()
}

fn open(name: &str) -> Database {
    Database::open(golden(name), &Options::default()).unwrap()
}

#[test]
fn every_golden_file_is_sound() {
    for (name, kind) in [
        ("database.aeordb", FileKind::Database),
        ("export.aeordb", FileKind::Export),
        ("patch.aeordb", FileKind::Patch),
        ("combined.aeordb", FileKind::Patch),
    ] {
        let report = backup::verify(golden(name), true, &Monitor::new()).unwrap();
        assert_eq!(report.kind, kind, "{name}");
        assert!(report.damages.is_empty(), "{name}: {:?}", report.damages);
    }
}

#[test]
fn the_golden_database_has_its_versions_names_history_and_files() {
    let database = open("database.aeordb");
    let reader = database.reader().unwrap();
    assert_eq!(reader.head(), version(THREE));
    for (name, hash) in [("zero", ZERO), ("one", ONE), ("two", TWO), ("three", THREE)] {
        assert_eq!(reader.resolve(name).unwrap(), version(hash), "{name}");
    }
    assert_eq!(reader.history().unwrap().count(), 4);
    let item = |at: &str, path: &str| {
        let path = Path::parse(path.as_bytes()).unwrap();
        reader.item(&version(at), &path).unwrap()
    };
    let Some(Item::File(numbers)) = item(ONE, "/docs/numbers.txt") else { panic!("no file") };
    let expected: String = (1..=160_000).map(|n| format!("{n}\n")).collect();
    assert_eq!(numbers.content_hash, Hash::of(expected.as_bytes()));
    assert_eq!(numbers.attributes.mtime, Some(1_705_320_000_123_456_789));
    let mut found = Vec::new();
    let mut file = reader.file(&numbers);
    loop {
        let bytes = file.next_bytes().unwrap();
        if bytes.is_empty() {
            break;
        }
        found.extend_from_slice(&bytes);
    }
    assert_eq!(found, expected.as_bytes());
    let Some(Item::File(typed)) = item(ONE, "/typed.html") else { panic!("no file") };
    assert_eq!(typed.content_type.as_deref(), Some("text/html"));
    let Some(Item::Symlink(link)) = item(TWO, "/docs/link") else { panic!("no link") };
    assert_eq!(link.target, b"../hello.txt");
    assert!(item(TWO, "/many").is_none() && item(TWO, "/lots/f300").is_some());
    let odd = Path::parse(b"/\xff\xfe odd").unwrap();
    assert!(reader.item(&version(ZERO), &odd).unwrap().is_some());
}

#[test]
fn golden_exports_and_patches_lead_to_the_versions_that_they_promise() {
    let directory = tempfile::tempdir().unwrap();
    for (files, expected) in [
        (&["export.aeordb"][..], ONE),
        (&["export.aeordb", "patch.aeordb"], TWO),
        (&["export.aeordb", "combined.aeordb"], THREE),
    ] {
        let path = directory.path().join(expected);
        let database = Database::open_or_create(&path, &Options::default()).unwrap();
        let inputs = files.iter().map(|name| Input::File(golden(name)));
        let promote = ImportOptions { promote: true, ..ImportOptions::default() };
        let report = backup::import(&database, inputs, &promote, &Monitor::new()).unwrap();
        assert_eq!(report.version, version(expected));
        assert_eq!(database.reader().unwrap().head(), version(expected));
    }
}

#[test]
fn the_tree_of_the_golden_database_still_makes_the_same_version() {
    let directory = tempfile::tempdir().unwrap();
    let tree = directory.path().join("tree");
    let monitor = Arc::new(Monitor::new());
    let reader = open("database.aeordb").reader().unwrap();
    let options = GetOptions::default();
    files::get(&reader, &version(ZERO), Path::root(), &tree, &options, &monitor).unwrap();
    let path = directory.path().join("new.aeordb");
    let database = Database::open_or_create(&path, &Options::default()).unwrap();
    let sources = vec![Source::Path(tree)];
    let options = PutOptions { keep: KeepOptions::NOTHING, ..PutOptions::default() };
    let report = files::put(&database, sources, Path::root(), true, &options, &monitor).unwrap();
    assert_eq!(report.version, version(ZERO));
}
