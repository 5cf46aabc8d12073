use super::*;
use crate::error::Error;
use crate::media::simulated::{Failure, Fault, Operation, SimulatedDisk};

fn with_undo(path: PathBuf) -> ImportOptions {
    ImportOptions { undo: Some(path), ..promote() }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn what_an_import_did_is_undone_exactly(a in trees(), b in trees()) {
        let (sandbox, source) = (Sandbox::new(), memory());
        let [va, vb] = [&a, &b].map(|tree| commit(&source, tree));
        let full = sandbox.full("full", &source, &va);
        let patch = sandbox.patch("patch", &source, &va, &vb);
        let undo = sandbox.path("undo");
        // Into the database where the old version is, and into one that has the new one alone.
        let database = memory();
        take(&database, &[&full], &promote()).unwrap();
        let report = take(&database, &[&patch], &with_undo(undo.clone())).unwrap();
        prop_assert_eq!(report.undo_bytes, Some(std::fs::metadata(&undo).unwrap().len()));
        let other = memory();
        take(&other, &[&sandbox.full("new", &source, &vb)], &promote()).unwrap();
        for database in [database, other] {
            prop_assert_eq!(database.reader().unwrap().head(), vb);
            prop_assert_eq!(take(&database, &[&undo], &promote()).unwrap().version, va);
            let reader = database.reader().unwrap();
            prop_assert_eq!(reader.head(), va);
            prop_assert_eq!(tree_of(&reader, &va), tree_of(&source.reader().unwrap(), &va));
        }
    }
}

#[test]
fn an_import_that_fails_leaves_no_way_back() {
    let (sandbox, source) = (Sandbox::new(), memory());
    let a = commit(&source, &tree([("/a", file("a"))]));
    let b = commit(&source, &tree([("/a", file("b"))]));
    let full = sandbox.full("full", &source, &a);
    let patch = sandbox.patch("patch", &source, &a, &b);
    let undo = sandbox.path("undo");
    let database = memory();
    // Another base.
    assert!(take(&database, &[&patch], &with_undo(undo.clone())).is_err());
    assert!(!undo.exists());
    // Found out last: the name is taken.
    let named = ImportOptions { snapshot: Some("v1".into()), ..with_undo(undo.clone()) };
    take(&database, &[&full], &named).unwrap();
    // Back to the empty version, as it was at first.
    let nothing = memory();
    take(&nothing, &[&full], &promote()).unwrap();
    take(&nothing, &[&undo], &promote()).unwrap();
    assert_eq!(nothing.reader().unwrap().head(), Version::empty().id());
    std::fs::remove_file(&undo).unwrap();
    let error = take(&database, &[&patch], &named).unwrap_err();
    assert!(matches!(error, Error::Exists(_)), "{error}");
    assert!(!undo.exists());
    assert_eq!(database.reader().unwrap().head(), a);
    // Found out first: the file is there.
    sandbox.put("undo", b"mine");
    assert!(matches!(
        take(&database, &[&patch], &with_undo(undo.clone())).unwrap_err(),
        Error::Exists(_)
    ));
    assert_eq!(std::fs::read(&undo).unwrap(), b"mine");
    assert_eq!(database.reader().unwrap().head(), a);
}

#[test]
fn where_head_does_not_move_there_is_nothing_to_undo() {
    let (sandbox, source) = (Sandbox::new(), memory());
    let a = commit(&source, &tree([("/a", file("a"))]));
    let full = sandbox.full("full", &source, &a);
    let kept = ImportOptions { promote: false, ..with_undo(sandbox.path("undo")) };
    assert!(matches!(take(&memory(), &[&full], &kept).unwrap_err(), Error::Invalid(_)));
    assert!(!sandbox.path("undo").exists());
}

#[test]
fn an_import_of_which_nobody_knows_whether_it_happened_leaves_its_way_back() {
    let (sandbox, source) = (Sandbox::new(), memory());
    let version = commit(&source, &tree([("/a", file("a"))]));
    let full = sandbox.full("full", &source, &version);
    let mut moved = 0;
    for nth in 0..4 {
        let disk = SimulatedDisk::new([]);
        let media = Arc::new(disk.open());
        let path = LocalPath::new("simulated");
        let database = Database::create_media(media, path, [7; 16], &options()).unwrap();
        let undo = sandbox.path(&format!("undo-{nth}"));
        disk.inject(Fault::after(nth, Failure::Io).on(&[Operation::Sync]));
        if take(&database, &[&full], &with_undo(undo.clone())).is_ok() {
            continue;
        }
        drop(database);
        let after = Database::open_media(Arc::new(disk.open_read()), path, &options()).unwrap();
        if after.reader().unwrap().head() == version {
            assert!(undo.exists(), "sync {nth} failed, HEAD moved, and nothing leads back");
            moved += 1;
        }
    }
    assert_ne!(moved, 0);
}
