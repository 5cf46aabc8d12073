//! Every byte of a backup, cut off and changed.

use super::*;
use crate::error::Error;

/// A database with a version and a snapshot, and its bytes.
fn target() -> (Database, MemoryMedia) {
    let media = MemoryMedia::new();
    let path = LocalPath::new("memory");
    let database =
        Database::create_media(Arc::new(media.clone()), path, [7; 16], &options()).unwrap();
    let head = commit(&database, &tree([("/a", file("a")), ("/d/b", file(content(5, 900, 0)))]));
    database.create_snapshot("kept", &head, BTreeMap::new()).unwrap();
    (database, media)
}

/// Takes every spoilt copy of `backup` for what it is, and leaves everything as it was.
fn sweep(backup: &[u8], database: &Database, media: &MemoryMedia) {
    let before = media.to_vec();
    let reader = database.reader().unwrap();
    let expected = tree_of(&reader, &reader.head());
    let refused = |bytes: &[u8], what: String| {
        let error = match take_bytes(database, bytes, &promote()) {
            Err(error) => error,
            Ok(report) => panic!("{what} was imported: {report:?}"),
        };
        let sort = matches!(
            error,
            Error::Damaged { .. }
                | Error::Foreign { .. }
                | Error::Limit { .. }
                | Error::Incomplete { .. }
                | Error::BaseMismatch { .. }
        );
        assert!(sort, "{what}: {error:?}");
        assert!(media.to_vec() == before, "{what} left something behind");
    };
    for at in 0..backup.len() {
        refused(&backup[..at], format!("a file of {at} bytes"));
        let mut flipped = backup.to_vec();
        flipped[at] ^= 1 << (at % 8);
        refused(&flipped, format!("a flip at {at}"));
    }
    refused(&[backup, b"\0"].concat(), "a byte too many".into());
    let reader = database.reader().unwrap();
    assert_eq!(tree_of(&reader, &reader.head()), expected);
    assert_eq!(reader.snapshots().unwrap().len(), 1);
    // What was refused so often is taken once it is whole.
    assert_ne!(take_bytes(database, backup, &promote()).unwrap().new_entries, 0);
}

#[test]
fn no_spoilt_copy_of_an_export_is_imported() {
    let (database, media) = target();
    let source = memory();
    let version = commit(&source, &tree([("/x", file("x")), ("/y", Entry::Link("x".into()))]));
    sweep(&export_bytes(&source, &version), &database, &media);
}

#[test]
fn no_spoilt_copy_of_a_patch_is_imported() {
    let (database, media) = target();
    let source = memory();
    let head = database.reader().unwrap().head();
    take_bytes(&source, &export_bytes(&database, &head), &promote()).unwrap();
    let changed = tree([("/a", file("A")), ("/d/b", file(content(5, 900, 1)))]);
    let version = commit(&source, &changed);
    let patch = patch_bytes(&source, &head, &version);
    assert!(patch.len() < 3000, "{} bytes: make it smaller", patch.len());
    sweep(&patch, &database, &media);
}
