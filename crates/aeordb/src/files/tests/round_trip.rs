//! What is put comes back, and a tree has one version whatever its past.

use proptest::prelude::*;

use super::{MaxDelete, PutOptions, Sandbox, trees};

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn a_tree_comes_back_as_it_was(tree in trees::tree()) {
        let place = tempfile::tempdir().unwrap();
        let (local, back) = (place.path().join("local"), place.path().join("back"));
        trees::make(&tree, &local);
        let sandbox = Sandbox::new();
        let put = sandbox.put(&local);
        let got = sandbox.get(&back);
        prop_assert_eq!(trees::all(&local), trees::all(&back));
        prop_assert_eq!((put.files, put.directories), (got.files, got.directories));
        prop_assert_eq!((put.bytes, 0), (got.bytes, got.failed));
        // The copy is the same tree, and so the same version.
        prop_assert_eq!(Sandbox::new().put(&back).version, put.version);
    }

    #[test]
    fn mirroring_makes_the_version_of_the_tree_alone(
        old in trees::tree(),
        new in trees::tree(),
    ) {
        let place = tempfile::tempdir().unwrap();
        let local = place.path().join("local");
        let sandbox = Sandbox::new();
        trees::make(&old, &local);
        sandbox.put(&local);
        trees::make(&new, &local);
        let mirrored = sandbox.mirror(&local);
        prop_assert_eq!(mirrored.version, Sandbox::new().put(&local).version);
        let again = sandbox.mirror(&local);
        prop_assert_eq!(again.version, mirrored.version);
        prop_assert_eq!((again.files_unchanged, again.new_bytes), (again.files, 0));
    }

    #[test]
    fn putting_over_a_tree_makes_the_union_of_both(
        old in trees::tree(),
        new in trees::tree(),
    ) {
        let place = tempfile::tempdir().unwrap();
        let local = place.path().join("local");
        let sandbox = Sandbox::new();
        trees::make(&old, &local);
        sandbox.put(&local);
        trees::make(&new, &local);
        // Files where directories were may be more than half of them.
        let options = PutOptions { max_delete: MaxDelete::Percent(100), ..Default::default() };
        let put = sandbox.put_with(&local, "/", &options).unwrap();
        trees::make(&trees::overlay(&old, &new), &local);
        // The root has the time at which the directory was made again.
        let alone = Sandbox::new();
        let version = alone.put(&local).version;
        prop_assert_eq!(sandbox.root(&put.version), alone.root(&version));
    }
}

#[test]
fn the_bytes_do_not_depend_on_the_number_of_workers() {
    let place = tempfile::tempdir().unwrap();
    for number in 0..300u64 {
        let directory = place.path().join(format!("{:02}", number % 17));
        std::fs::create_dir_all(&directory).unwrap();
        let len = usize::try_from(number * number * 7 % 40_000).unwrap();
        std::fs::write(directory.join(format!("{number}")), trees::noise(number, len)).unwrap();
    }
    std::fs::write(place.path().join("large"), trees::noise(0, 5_000_000)).unwrap();
    let (one, four) = (Sandbox::with_workers(1), Sandbox::with_workers(4));
    assert_eq!(one.put(place.path()).version, four.put(place.path()).version);
    assert!(one.media.to_vec() == four.media.to_vec(), "the databases differ");
}

#[test]
fn a_large_directory_is_put_page_by_page() {
    let place = tempfile::tempdir().unwrap();
    let local = place.path().join("local");
    std::fs::create_dir_all(local.join("1500.directory")).unwrap();
    for number in 0..3000 {
        std::fs::write(local.join(format!("{number}")), format!("{number}")).unwrap();
    }
    let sandbox = Sandbox::new();
    let put = sandbox.put(&local);
    assert_eq!((put.files, put.directories), (3000, 2));
    // A few more names beside many that stay: they are found without reading all.
    let more = place.path().join("more");
    std::fs::create_dir(&more).unwrap();
    for number in [7, 1499, 2999, 3000] {
        std::fs::write(more.join(format!("{number}")), "changed").unwrap();
    }
    let put = sandbox.put(&more);
    assert_eq!((put.files_new, put.files_changed), (1, 3));
    for number in [7, 1499, 2999, 3000] {
        std::fs::write(local.join(format!("{number}")), "changed").unwrap();
        let from = std::fs::metadata(more.join(format!("{number}"))).unwrap().modified().unwrap();
        let file = std::fs::File::options().write(true).open(local.join(format!("{number}")));
        file.unwrap().set_modified(from).unwrap();
    }
    let alone = Sandbox::new();
    let version = alone.put(&local).version;
    assert_eq!(sandbox.root(&put.version), alone.root(&version));
    // All but two go.
    for number in (0..3000).filter(|number| ![7, 2000].contains(number)) {
        std::fs::remove_file(local.join(format!("{number}"))).unwrap();
    }
    let mirrored = sandbox.mirror(&local);
    assert_eq!((mirrored.files, mirrored.files_deleted), (3, 2998));
    assert_eq!(mirrored.version, Sandbox::new().put(&local).version);
}
