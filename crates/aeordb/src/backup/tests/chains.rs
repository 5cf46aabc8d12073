use super::*;
use crate::backup::import::chain::Head;
use crate::backup::{Combined, VerifyReport, combine, open_with, verify};
use crate::error::Error;
use crate::format::change_list::ChangeRecord;
use crate::log::stream::{Part, StreamReader};

fn combined(sandbox: &Sandbox, name: &str, files: &[&PathBuf]) -> Result<(PathBuf, Combined)> {
    let files: Vec<PathBuf> = files.iter().map(|file| (*file).clone()).collect();
    let mut out = Vec::new();
    let report = combine(&files, None, &mut out, sandbox.scratch(), &options(), &Monitor::new())?;
    Ok((sandbox.put(name, &out), report))
}

/// The list of changes that a patch carries.
fn list(path: &PathBuf) -> Vec<ChangeRecord> {
    let mut input = std::fs::File::open(path).unwrap();
    let mut stream = StreamReader::new(&mut input, "patch").unwrap();
    let mut list = Vec::new();
    loop {
        match stream.next_part().unwrap() {
            Part::Changes(part) => list.extend(part.map(|change| change.unwrap())),
            Part::End(_) => return list,
            _ => {}
        }
    }
}

fn sound(path: &LocalPath) -> VerifyReport {
    let report = verify(path, true, &Monitor::new()).unwrap();
    assert!(report.damages.is_empty(), "{:?}", report.damages);
    report
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_chain_reads_imports_and_combines_to_its_last_version(a in trees(), b in trees(), c in trees()) {
        let (sandbox, source) = (Sandbox::new(), memory());
        let [va, vb, vc] = [&a, &b, &c].map(|tree| commit(&source, tree));
        let full = sandbox.full("full", &source, &va);
        let ab = sandbox.patch("ab", &source, &va, &vb);
        let bc = sandbox.patch("bc", &source, &vb, &vc);
        let expected = tree_of(&source.reader().unwrap(), &vc);

        // Read in place.
        let patches = [ab.clone(), bc.clone()];
        let layered = open_with(&full, &patches, sandbox.scratch(), &options(), &Monitor::new()).unwrap();
        let reader = layered.reader().unwrap();
        prop_assert_eq!(reader.head(), vc);
        prop_assert_eq!(&tree_of(&reader, &vc), &expected);

        // One import.
        let restored = memory();
        prop_assert_eq!(take(&restored, &[&full, &ab, &bc], &promote()).unwrap().version, vc);

        // Patches alone.
        let (ac, report) = combined(&sandbox, "ac", &[&ab, &bc]).unwrap();
        let Combined::Patch(report) = report else { panic!("{report:?}") };
        let direct = sandbox.patch("direct", &source, &va, &vc);
        prop_assert_eq!(list(&ac), list(&direct));
        let mut counts = Vec::new();
        let told = diff(&source.reader().unwrap(), &va, &vc, &mut counts, &Monitor::new()).unwrap();
        prop_assert_eq!((report.from, report.to), (va, vc));
        prop_assert_eq!(
            (report.files_added, report.files_modified, report.files_deleted, report.directories),
            (told.files_added, told.files_modified, told.files_deleted, told.directories)
        );
        sound(&ac);
        let patches = [ab.clone(), bc.clone()];
        let mut over = Vec::new();
        combine(&patches, Some(&full), &mut over, sandbox.scratch(), &options(), &Monitor::new()).unwrap();
        let over = sandbox.put("over", &over);
        prop_assert_eq!(list(&over), list(&direct));
        let patched = memory();
        prop_assert_eq!(take(&patched, &[&full, &over], &promote()).unwrap().version, vc);
        let patched = memory();
        take(&patched, &[&full], &promote()).unwrap();
        prop_assert_eq!(take(&patched, &[&ac], &promote()).unwrap().version, vc);
        prop_assert_eq!(&tree_of(&patched.reader().unwrap(), &vc), &expected);

        // A full of a full and patches, also of a patch that was put together.
        let exported = sandbox.full("exported", &source, &vc);
        for (name, files) in [("new", vec![&full, &ab, &bc]), ("newer", vec![&full, &ac])] {
            let (new, report) = combined(&sandbox, name, &files).unwrap();
            let Combined::Export(report) = report else { panic!("{report:?}") };
            let told = crate::backup::info(&exported).unwrap();
            let info = crate::backup::info(&new).unwrap();
            prop_assert_eq!(report.version, vc);
            prop_assert_eq!(
                (info.kind, info.version, info.files, info.directories, info.chunks, info.entries, info.bytes),
                (told.kind, told.version, told.files, told.directories, told.chunks, told.entries, told.bytes)
            );
            prop_assert_eq!(sound(&new).versions, 1);
            let restored = memory();
            take(&restored, &[&new], &promote()).unwrap();
            prop_assert_eq!(&tree_of(&restored.reader().unwrap(), &vc), &expected);
        }

        // There and back is no change.
        let ba = sandbox.patch("ba", &source, &vb, &va);
        let (nothing, _) = combined(&sandbox, "nothing", &[&ab, &ba]).unwrap();
        prop_assert!(list(&nothing).is_empty());
        prop_assert_eq!(take(&patched, &[&nothing], &ImportOptions { force: true, ..promote() }).unwrap().version, va);
    }
}

/// Three versions, a full export of the first, and the patches between them.
fn chain(sandbox: &Sandbox) -> ([VersionId; 3], PathBuf, PathBuf, PathBuf) {
    let source = memory();
    let versions = [0u8, 1, 2].map(|edit| {
        commit(&source, &tree([("/a", file(content(1, 5000, edit))), ("/b", file([edit]))]))
    });
    let full = sandbox.full("full.aeordb", &source, &versions[0]);
    let first = sandbox.patch("p1.aeordb", &source, &versions[0], &versions[1]);
    let second = sandbox.patch("p2.aeordb", &source, &versions[1], &versions[2]);
    (versions, full, first, second)
}

#[test]
fn a_missing_link_is_named_with_the_versions_between_which_it_is_missing() {
    let sandbox = Sandbox::new();
    let (versions, full, _, second) = chain(&sandbox);
    let database = memory();
    let error = take(&database, &[&full, &second], &promote()).unwrap_err();
    let Error::BrokenChain(broken) = &error else { panic!("{error}") };
    assert_eq!((broken.base, broken.found), (versions[1], versions[0]));
    assert_eq!(broken.misplaced, None);
    assert!(error.to_string().contains("the patch between them is missing"), "{error}");
    assert_eq!(database.reader().unwrap().history().unwrap().count(), 0);
    let error = combined(&sandbox, "c", &[&full, &second]).unwrap_err();
    assert!(matches!(error, Error::BrokenChain(_)), "{error}");
    let error =
        open_with(&full, &[second], sandbox.scratch(), &options(), &Monitor::new()).err().unwrap();
    assert!(matches!(error, Error::BrokenChain(_)), "{error}");
}

#[test]
fn misordered_files_are_told_which_belongs_before_which() {
    let sandbox = Sandbox::new();
    let (_, full, first, second) = chain(&sandbox);
    let error = take(&memory(), &[&full, &second, &first], &promote()).unwrap_err();
    let first = first.display().to_string();
    assert!(error.to_string().contains(&format!("{first} belongs before it")), "{error}");
}

#[test]
fn a_stream_holds_one_file_after_another_and_a_file_only_itself() {
    let sandbox = Sandbox::new();
    let (versions, full, first, second) = chain(&sandbox);
    let all: Vec<u8> = [&full, &first, &second]
        .into_iter()
        .flat_map(|path| std::fs::read(path).unwrap())
        .collect();
    let database = memory();
    let report = take_bytes(&database, &all, &promote()).unwrap();
    assert_eq!(report, take(&memory(), &[&full, &first, &second], &promote()).unwrap());
    assert_eq!(database.reader().unwrap().head(), versions[2]);
    let error = take_bytes(&memory(), &all[..all.len() - 1], &promote()).unwrap_err();
    assert!(error.to_string().starts_with("the input, file 3 is damaged"), "{error}");
    std::fs::write(&full, &all).unwrap();
    let error = take(&memory(), &[&full], &promote()).unwrap_err();
    assert!(error.to_string().contains("expected the end of the file"), "{error}");
}

#[test]
fn force_does_not_skip_the_links_of_a_chain() {
    let sandbox = Sandbox::new();
    let (_, full, _, second) = chain(&sandbox);
    let force = ImportOptions { force: true, ..promote() };
    let error = take(&memory(), &[&full, &second], &force).unwrap_err();
    assert!(matches!(error, Error::BrokenChain(_)), "{error}");
}

#[test]
fn a_chain_is_read_from_any_version_that_a_database_holds() {
    let sandbox = Sandbox::new();
    let (versions, full, first, second) = chain(&sandbox);
    let path = sandbox.path("data.aeordb");
    let database = Database::open_or_create(&path, &options()).unwrap();
    take(&database, &[&full, &first, &second], &promote()).unwrap();
    database.close().unwrap();
    // HEAD is the last version, the patch starts from one before it.
    let force = ImportOptions { force: true, ..promote() };
    let database = Database::open_writer(&path, &options()).unwrap();
    take(&database, &[&full, &first], &force).unwrap();
    take(&database, &[&second], &promote()).unwrap();
    database.close().unwrap();
    let before = std::fs::read(&path).unwrap();
    let layered =
        open_with(&path, &[first], sandbox.scratch(), &options(), &Monitor::new()).unwrap();
    assert_eq!(layered.reader().unwrap().head(), versions[1]);
    drop(layered);
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

#[test]
fn entries_that_several_patches_bring_are_in_their_combination_once() {
    let (sandbox, source) = (Sandbox::new(), memory());
    let bulk = file(content(9, 900_000, 0));
    let a = commit(&source, &tree([("/a", file("a"))]));
    let b = commit(&source, &tree([("/a", file("a")), ("/bulk", bulk.clone())]));
    let c = commit(&source, &tree([("/a", file("c"))]));
    let d = commit(&source, &tree([("/a", file("c")), ("/again", bulk)]));
    let full = sandbox.full("full", &source, &a);
    let patches =
        [(a, b), (b, c), (c, d)].map(|(x, y)| sandbox.patch(&x.to_string(), &source, &x, &y));
    let files: Vec<&PathBuf> = patches.iter().collect();
    let (ad, report) = combined(&sandbox, "ad", &files).unwrap();
    let Combined::Patch(report) = report else { panic!("{report:?}") };
    assert!(report.bytes < 1_000_000, "{} bytes", report.bytes);
    let restored = memory();
    take(&restored, &[&full, &ad], &promote()).unwrap();
    assert_eq!(tree_of(&restored.reader().unwrap(), &d), tree_of(&source.reader().unwrap(), &d));
}

#[test]
fn only_the_first_of_what_is_combined_may_be_full() {
    let sandbox = Sandbox::new();
    let (_, full, first, _) = chain(&sandbox);
    for files in [[&first, &full], [&full, &full]] {
        let error = combined(&sandbox, "c", &files).unwrap_err();
        assert!(error.to_string().contains("only the first file may be full"), "{error}");
    }
}

#[test]
fn a_file_that_is_damaged_is_not_combined() {
    let sandbox = Sandbox::new();
    let (_, full, first, second) = chain(&sandbox);
    let bytes = std::fs::read(&second).unwrap();
    for at in [300, bytes.len() / 2, bytes.len() - 1] {
        let mut bytes = bytes.clone();
        bytes[at] ^= 1;
        sandbox.put("p2.aeordb", &bytes);
        for files in [&[&full, &first, &second][..], &[&first, &second]] {
            assert!(combined(&sandbox, "c", files).is_err(), "a flip at {at}");
        }
    }
}

#[test]
fn the_head_of_a_file_says_where_it_stands_in_a_chain() {
    let sandbox = Sandbox::new();
    let (versions, full, first, _) = chain(&sandbox);
    let head = Head::read(&first).unwrap().unwrap();
    assert_eq!((head.base, head.target), (Some(versions[0]), versions[1]));
    assert_eq!(Head::read(&full).unwrap().unwrap().base, None);
    assert_eq!(Head::read(&sandbox.put("text", b"no backup")).unwrap(), None);
}
