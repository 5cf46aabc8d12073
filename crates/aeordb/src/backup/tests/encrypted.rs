//! Encrypted backups: read as others are by whom they are for, whole or not at all; closed to everybody
//! else, who still sees that they are whole.

use super::sweep::{frames, reseal, sweep, target};
use super::*;
use crate::backup::{Encryption, combine_for, diff_for, export_for, info, verify};
use crate::error::Error;
use crate::format::seal::CLOSING_FRAME_LEN;
use crate::format::superblock::SUPERBLOCK_LEN;
use crate::format::{FRAME_HEADER_LEN, FrameHeader, FrameKind};
use crate::testing::Mailbox;

fn sealed_export(database: &Database, version: &VersionId, whose: Mailbox) -> Vec<u8> {
    let (reader, mut out) = (database.reader().unwrap(), Vec::new());
    export_for(&reader, version, Some(&whose), &mut out, &Monitor::new()).unwrap();
    out
}

fn sealed_patch(database: &Database, from: &VersionId, to: &VersionId, whose: Mailbox) -> Vec<u8> {
    let (reader, mut out) = (database.reader().unwrap(), Vec::new());
    diff_for(&reader, (from, to), Some(&whose), &mut out, &Monitor::new()).unwrap();
    out
}

/// The tree of an export as it is read where it lies.
fn tree_in(bytes: &[u8]) -> Result<Tree> {
    let media = MemoryMedia::new();
    crate::media::Media::write_at(&media, bytes, 0).unwrap();
    let database = Database::open_media(Arc::new(media), LocalPath::new("sealed"), &options())?;
    let reader = database.reader()?;
    let head = reader.head();
    let mut tree = Tree::new();
    for step in reader.walk(&head, &Path::root())? {
        let (path, item) = step?;
        let entry = match item {
            Item::File(record) => {
                let mut bytes = Vec::new();
                std::io::copy(&mut reader.file(&record), &mut bytes)
                    .map_err(|error| Error::Io { what: "reading".into(), source: error })?;
                Entry::File(bytes, record.attributes.mode.unwrap())
            }
            Item::Directory(directory) => Entry::Directory(directory.attributes.mode.unwrap_or(0)),
            other => panic!("{other:?}"),
        };
        tree.insert(path.to_string(), entry);
    }
    Ok(tree)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn what_is_encrypted_for_us_is_imported_as_what_is_not(a in trees(), b in trees()) {
        let whose = Mailbox::ours();
        let source = memory();
        let (from, to) = (commit(&source, &a), commit(&source, &b));
        let into = memory();
        take_bytes(&into, &sealed_export(&source, &from, whose), &promote()).unwrap();
        take_bytes(&into, &sealed_patch(&source, &from, &to, whose), &promote()).unwrap();
        let (there, here) = (source.reader().unwrap(), into.reader().unwrap());
        for version in [from, to] {
            prop_assert_eq!(tree_of(&here, &version), tree_of(&there, &version));
        }
    }
}

#[test]
fn no_spoilt_copy_of_an_encrypted_export_is_imported() {
    let whose = Mailbox::ours();
    let (database, media) = target();
    let source = memory();
    let version = commit(&source, &tree([("/x", file("x")), ("/y", Entry::Link("x".into()))]));
    sweep(&sealed_export(&source, &version, whose), &database, &media);
}

#[test]
fn whatever_byte_of_an_encrypted_export_is_flipped_a_reader_in_place_sees_the_truth_or_an_error() {
    let whose = Mailbox::ours();
    let source = memory();
    let version = commit(&source, &tree([("/x", file("x")), ("/d/b", file(content(5, 900, 1)))]));
    let sealed = sealed_export(&source, &version, whose);
    let expected = tree_in(&sealed).unwrap();
    assert_eq!(expected, tree_of(&source.reader().unwrap(), &version));
    let mut refused = 0;
    for at in 0..sealed.len() {
        let mut flipped = sealed.clone();
        flipped[at] ^= 1 << (at % 8);
        match tree_in(&flipped) {
            Ok(tree) => assert_eq!(tree, expected, "byte {at}"),
            Err(_) => refused += 1,
        }
    }
    assert!(refused > sealed.len() / 2, "{refused} of {}", sealed.len());
}

/// Somebody without the key who makes every check and hash anew is found out all the same: whatever
/// is changed, the file is refused, but for those checks and hashes themselves.
#[test]
fn an_encrypted_patch_that_was_changed_and_sealed_anew_is_refused_whatever_was_changed() {
    let whose = Mailbox::ours();
    let (database, media) = target();
    let source = memory();
    let head = database.reader().unwrap().head();
    take_bytes(&source, &export_bytes(&database, &head), &promote()).unwrap();
    let changed = tree([("/a", file("A")), ("/d/b", file(content(5, 900, 1)))]);
    let version = commit(&source, &changed);
    let patch = sealed_patch(&source, &head, &version, whose);
    let (frames, before) = (frames(&patch), media.to_vec());
    for at in 0..patch.len() {
        for mask in [1 << (at % 8), 0xff] {
            let mut changed = patch.clone();
            changed[at] ^= mask;
            reseal(&mut changed, &frames);
            if changed != patch {
                let taken = take_bytes(&database, &changed, &promote());
                assert!(taken.is_err(), "byte {at} was taken: {taken:?}");
                assert!(media.to_vec() == before, "byte {at} left something behind");
            }
        }
    }
    take_bytes(&database, &patch, &promote()).unwrap();
}

/// The blocks of an export, and what closes it.
fn blocks_of(file: &[u8]) -> Vec<std::ops::Range<usize>> {
    let is_block = |frame: &std::ops::Range<usize>| {
        FrameHeader::parse(&file[frame.clone()]).unwrap().frame_kind() == Some(FrameKind::Block)
    };
    frames(file).into_iter().filter(is_block).collect()
}

/// Closes a file anew that somebody put together.
fn closed(parts: &[&[u8]], end: &[u8]) -> Vec<u8> {
    let mut file = parts.concat();
    let mut closing = crate::format::seal::Closing::default();
    let body = &end[FRAME_HEADER_LEN..];
    zerocopy::IntoBytes::as_mut_bytes(&mut closing).copy_from_slice(body);
    closing.offset = (file.len() as u64).into();
    closing.content = *blake3::hash(&file).as_bytes();
    file.extend_from_slice(&closing.encode());
    file
}

#[test]
fn frames_that_were_dropped_swapped_repeated_or_taken_from_another_file_are_found_out() {
    let whose = Mailbox::ours();
    let source = memory();
    // Two blocks of chunks of one length.
    let large = |seed| file(content(seed, 1_500_000, 0));
    let version = commit(&source, &tree([("/a", large(1)), ("/b", large(2)), ("/c", large(3))]));
    let one = sealed_export(&source, &version, whose);
    let other = sealed_export(&source, &version, whose);
    assert_eq!(one.len(), other.len());
    let blocks = blocks_of(&one);
    assert!(blocks.len() >= 3, "{}", blocks.len());
    let end = one.len() - CLOSING_FRAME_LEN;
    let (head, closing) = (&one[..], &one[end..]);
    let [first, second] = [blocks[1].clone(), blocks[2].clone()];
    let rest = second.end..end;
    let forged = [
        ("dropped", closed(&[&head[..second.start], &one[rest.clone()]], closing)),
        (
            "swapped",
            closed(
                &[
                    &head[..first.start],
                    &one[second.clone()],
                    &one[first.clone()],
                    &one[rest.clone()],
                ],
                closing,
            ),
        ),
        (
            "repeated",
            closed(
                &[
                    &head[..second.start],
                    &one[first.clone()],
                    &one[second.clone()],
                    &one[rest.clone()],
                ],
                closing,
            ),
        ),
        (
            "taken from another",
            closed(&[&head[..first.start], &other[first.clone()], &one[first.end..end]], closing),
        ),
        ("cut off after a block", closed(&[&head[..second.end]], closing)),
    ];
    for (what, file) in forged {
        let database = memory();
        let error = take_bytes(&database, &file, &promote()).expect_err(what);
        assert!(matches!(error, Error::Damaged { .. }), "{what}: {error}");
        assert!(tree_in(&file).is_err(), "{what} was read in place");
    }
}

#[test]
fn two_encrypted_exports_of_one_version_have_nothing_in_common_and_no_name_in_the_clear() {
    let whose = Mailbox::ours();
    let source = memory();
    let version = commit(&source, &tree([("/a", file(content(1, 40_000, 0))), ("/b", file("b"))]));
    let plain = export_bytes(&source, &version);
    let [one, other] = [(); 2].map(|()| sealed_export(&source, &version, whose));
    // What is random agrees in some bytes, but not in eight that follow each other.
    let start = SUPERBLOCK_LEN + FRAME_HEADER_LEN + 8;
    let windows: std::collections::HashSet<&[u8]> = one[start..].windows(8).collect();
    for frame in blocks_of(&other) {
        let body = &other[frame.start + FRAME_HEADER_LEN..frame.end];
        assert!(!body.windows(8).any(|window| windows.contains(window)));
    }
    for name in blocks_of(&plain).iter().map(|block| &plain[block.start + FRAME_HEADER_LEN..]) {
        let name = &name[..32];
        let told = one.windows(32).any(|window| window == name);
        assert!(!told || name == version.0.as_bytes(), "a name is in the clear");
    }
}

#[test]
fn whoever_has_no_key_sees_that_it_is_whole_and_what_it_leads_to_and_no_more() {
    Mailbox::ours();
    let sandbox = Sandbox::new();
    let (source, into) = (memory(), memory());
    let a = commit(&source, &tree([("/a", file(content(1, 90_000, 0)))]));
    let b = commit(&source, &tree([("/a", file(content(1, 90_000, 1))), ("/b", file("b"))]));
    let full = sandbox.put("full", &sealed_export(&source, &a, Mailbox::Theirs));
    let patch = sandbox.put("patch", &sealed_patch(&source, &a, &b, Mailbox::Theirs));
    for (path, base, version) in [(&full, None, a), (&patch, Some(a), b)] {
        let seen = info(path).unwrap();
        assert_eq!(
            (seen.encryption, seen.base, seen.version),
            (Encryption::Unopened, base, version)
        );
        let report = verify(path, false, &Monitor::new()).unwrap();
        assert!(report.unopened && report.damages.is_empty(), "{report:?}");
        assert_eq!(report.bytes, std::fs::metadata(path).unwrap().len());
        for error in [
            verify(path, true, &Monitor::new()).map(drop).expect_err("deep"),
            take(&into, &[path], &promote()).map(drop).expect_err("imported"),
            Database::open(path, &options()).map(drop).expect_err("opened"),
        ] {
            assert!(matches!(error, Error::Encrypted { .. }), "{error}");
        }
        // Every byte is held against its hash.
        let mut spoilt = std::fs::read(path).unwrap();
        for at in (0..spoilt.len()).step_by(97) {
            spoilt[at] ^= 1;
            let file = sandbox.put("spoilt", &spoilt);
            let found = verify(file, false, &Monitor::new());
            assert!(!found.is_ok_and(|report| report.damages.is_empty()), "byte {at}");
            spoilt[at] ^= 1;
        }
    }
}

#[test]
fn encrypted_files_combine_to_one_that_is_encrypted_or_not_as_it_is_asked_for() {
    let whose = Mailbox::ours();
    let sandbox = Sandbox::new();
    let source = memory();
    let versions: Vec<VersionId> = (0..3)
        .map(|edit| {
            commit(&source, &tree([("/a", file(content(1, 90_000, edit))), ("/b", file([edit]))]))
        })
        .collect();
    let [a, b, c] = versions[..] else { panic!() };
    let full = sandbox.put("full", &sealed_export(&source, &a, whose));
    let patches = [
        sandbox.put("ab", &sealed_patch(&source, &a, &b, whose)),
        sandbox.put("bc", &sealed_patch(&source, &b, &c, whose)),
    ];
    let all: Vec<PathBuf> = std::iter::once(full.clone()).chain(patches.clone()).collect();
    let combined = |files: &[PathBuf], for_us: bool| {
        let (mut out, monitor) = (Vec::new(), Monitor::new());
        let readers: Option<&dyn crate::encryption::Recipients> =
            if for_us { Some(&whose) } else { None };
        combine_for(files, None, readers, (&mut out, sandbox.scratch()), &options(), &monitor)
            .unwrap();
        out
    };
    for for_us in [true, false] {
        let whole = sandbox.put("whole", &combined(&all, for_us));
        let patch = sandbox.put("patch", &combined(&patches, for_us));
        let expected = if for_us { Encryption::Opened } else { Encryption::None };
        assert_eq!(info(&whole).unwrap().encryption, expected);
        assert_eq!(info(&patch).unwrap().encryption, expected);
        for files in [vec![&whole], vec![&full, &patch]] {
            let into = memory();
            take(&into, &files, &promote()).unwrap();
            let (there, here) = (source.reader().unwrap(), into.reader().unwrap());
            assert_eq!(tree_of(&here, &here.head()), tree_of(&there, &c));
        }
        assert_eq!(
            export_bytes(&Database::open(&whole, &options()).unwrap(), &c),
            export_bytes(&source, &c)
        );
    }
}
