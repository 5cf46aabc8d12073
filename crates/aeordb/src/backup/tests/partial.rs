use super::*;
use crate::backup::subtree;
use crate::error::Error;

fn path(text: &str) -> Path {
    Path::parse(text.as_bytes()).unwrap()
}

fn source() -> (Database, VersionId, VersionId) {
    let source = memory();
    let shared = [("/docs", Entry::Directory(0o700)), ("/docs/x", Entry::Directory(0o750))];
    let mut first = tree(shared.clone());
    first.extend(tree([("/docs/x/a", file("a")), ("/docs/b", file("b")), ("/other", file("o"))]));
    let mut second = tree(shared);
    second.extend(tree([
        ("/docs/x/a", file("A")),
        ("/docs/x/c", file("c")),
        ("/other", file("O")),
    ]));
    let (first, second) = (commit(&source, &first), commit(&source, &second));
    (source, first, second)
}

#[test]
fn a_part_keeps_its_path_and_the_directories_above_it() {
    let (source, first, _) = source();
    let (reader, parts) = subtree(&source.reader().unwrap(), &[first], &path("/docs/x")).unwrap();
    let expected = tree([
        ("/docs", Entry::Directory(0o700)),
        ("/docs/x", Entry::Directory(0o750)),
        ("/docs/x/a", file("a")),
    ]);
    assert_eq!(tree_of(&reader, &parts[0]), expected);
    let (reader, parts) = subtree(&source.reader().unwrap(), &[first], &path("/other")).unwrap();
    assert_eq!(tree_of(&reader, &parts[0]), tree([("/other", file("o"))]));
}

#[test]
fn the_part_of_everything_is_the_version() {
    let (source, first, _) = source();
    let (_, parts) = subtree(&source.reader().unwrap(), &[first], &Path::root()).unwrap();
    assert_eq!(parts, [first]);
}

#[test]
fn a_path_that_one_version_has_is_nothing_in_the_other() {
    let (source, first, second) = source();
    let reader = source.reader().unwrap();
    let (_, parts) = subtree(&reader, &[first, second], &path("/docs/b")).unwrap();
    assert_eq!(parts[1], Version::empty().id());
    assert_ne!(parts[0], parts[1]);
    let error = subtree(&reader, &[first, second], &path("/none")).err().unwrap();
    assert!(matches!(error, Error::NotFound(_)), "{error}");
}

#[test]
fn partial_exports_and_patches_make_a_chain_of_their_own() {
    let (sandbox, (source, first, second)) = (Sandbox::new(), source());
    let reader = source.reader().unwrap();
    let (part, versions) = subtree(&reader, &[first, second], &path("/docs")).unwrap();
    let (mut full, mut patch) = (Vec::new(), Vec::new());
    export(&part, &versions[0], &mut full, &Monitor::new()).unwrap();
    diff(&part, &versions[0], &versions[1], &mut patch, &Monitor::new()).unwrap();
    let (full, patch) = (sandbox.put("full", &full), sandbox.put("patch", &patch));
    let restored = memory();
    take(&restored, &[&full, &patch], &promote()).unwrap();
    let mut expected = tree_of(&reader, &second);
    expected.remove("/other");
    assert_eq!(tree_of(&restored.reader().unwrap(), &versions[1]), expected);
}
