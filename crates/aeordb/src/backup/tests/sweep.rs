//! Every byte of a backup, cut off and changed.

use zerocopy::{FromBytes, IntoBytes};

use super::*;
use crate::backup::combine;
use crate::error::Error;
use crate::format::seal::{CLOSING_FRAME_LEN, Closing};
use crate::format::superblock::{SUPERBLOCK_LEN, Superblock};
use crate::format::{FRAME_HEADER_LEN, FrameHeader};

/// A database with a version and a snapshot, and its bytes.
pub(super) fn target() -> (Database, MemoryMedia) {
    let media = MemoryMedia::new();
    let path = LocalPath::new("memory");
    let database =
        Database::create_media(Arc::new(media.clone()), path, [7; 16], &options()).unwrap();
    let head = commit(&database, &tree([("/a", file("a")), ("/d/b", file(content(5, 900, 0)))]));
    database.create_snapshot("kept", &head, BTreeMap::new()).unwrap();
    (database, media)
}

/// Takes every spoilt copy of `backup` for what it is, and leaves everything as it was.
pub(super) fn sweep(backup: &[u8], database: &Database, media: &MemoryMedia) {
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

/// Where the frames of a sealed file start and end, the closing one left out.
pub(super) fn frames(file: &[u8]) -> Vec<std::ops::Range<usize>> {
    let mut frames = Vec::new();
    let mut at = SUPERBLOCK_LEN;
    while at < file.len() - CLOSING_FRAME_LEN {
        let header = FrameHeader::parse(&file[at..]).unwrap();
        let end = at + header.frame_len() as usize;
        frames.push(at..end);
        at = end;
    }
    frames
}

/// Makes every check and hash of a file right that was changed somewhere.
pub(super) fn reseal(file: &mut [u8], frames: &[std::ops::Range<usize>]) {
    let superblock = Superblock::read_from_bytes(&file[..SUPERBLOCK_LEN]).unwrap().sealed();
    file[..SUPERBLOCK_LEN].copy_from_slice(superblock.as_bytes());
    for frame in frames {
        let (header, body) = file[frame.clone()].split_at(FRAME_HEADER_LEN);
        let header = FrameHeader::read_from_bytes(header).unwrap().sealed([body]);
        file[frame.start..frame.start + FRAME_HEADER_LEN].copy_from_slice(header.as_bytes());
    }
    let start = file.len() - CLOSING_FRAME_LEN;
    let closing = Closing::read_from_bytes(&file[start + FRAME_HEADER_LEN..]).unwrap();
    let content = *blake3::hash(&file[..start]).as_bytes();
    let (base, target) = (superblock.base, superblock.target);
    let closing = Closing { content, base, target, ..closing }.encode();
    file[start..].copy_from_slice(&closing);
}

/// Changes every byte of a patch from `base` to `target` and seals it anew: it is refused, or what
/// comes out is what it promises, and a refusal leaves nothing behind.
fn sweep_resealed(patch: &[u8], full: &[u8], target: &VersionId, expected: &Tree) {
    let frames = frames(patch);
    let fresh = || {
        let media = MemoryMedia::new();
        let name = LocalPath::new("memory");
        let shared = Arc::new(media.clone());
        let database = Database::create_media(shared, name, [7; 16], &options()).unwrap();
        take_bytes(&database, full, &promote()).unwrap();
        (database, media.to_vec(), media)
    };
    let (mut database, mut before, mut media) = fresh();
    let mut taken = 0;
    for at in 0..patch.len() {
        for mask in [1 << (at % 8), 0xff] {
            let mut changed = patch.to_vec();
            changed[at] ^= mask;
            reseal(&mut changed, &frames);
            match take_bytes(&database, &changed, &promote()) {
                Err(_) => assert!(media.to_vec() == before, "byte {at} left something behind"),
                Ok(report) => {
                    assert_eq!(report.version, *target, "byte {at}");
                    let reader = database.reader().unwrap();
                    assert_eq!(&tree_of(&reader, target), expected, "byte {at}");
                    taken += 1;
                    (database, before, media) = fresh();
                }
            }
        }
    }
    // Bytes that mean nothing, as the checks themselves, which were made anew.
    assert!(taken < patch.len(), "{taken} were taken");
}

#[test]
fn no_patch_that_was_changed_and_sealed_anew_leads_elsewhere() {
    let (sandbox, source) = (Sandbox::new(), memory());
    let long = |edit| file(content(5, 900, edit));
    let a = commit(&source, &tree([("/a", file("a")), ("/d/b", long(0)), ("/gone", file("g"))]));
    let b = commit(&source, &tree([("/a", file("A")), ("/d/b", long(1)), ("/new", file("n"))]));
    let c = commit(&source, &tree([("/a", file("A")), ("/d/b", long(2)), ("/d/c", file("c"))]));
    let full = export_bytes(&source, &a);
    let reader = source.reader().unwrap();
    sweep_resealed(&patch_bytes(&source, &a, &b), &full, &b, &tree_of(&reader, &b));
    let parts = [sandbox.patch("ab", &source, &a, &b), sandbox.patch("bc", &source, &b, &c)];
    let mut whole = Vec::new();
    combine(&parts, None, &mut whole, sandbox.scratch(), &options(), &Monitor::new()).unwrap();
    sweep_resealed(&whole, &full, &c, &tree_of(&reader, &c));
}
