//! Nothing leaves a place that was opened.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

use tempfile::TempDir;

use super::*;

fn keep(new: NewFile<'_>, attributes: &Attributes) -> Result<Lacks> {
    let mut lacks = Lacks::default();
    new.keep(attributes, &Extra::nothing(), false, &mut lacks)?;
    Ok(lacks)
}

fn link_in(place: &Place, at: &str, link: &Symlink) -> Result<()> {
    place.link(&name(at), link, &Extra::nothing(), true, &mut Lacks::default())
}

fn name(text: &str) -> Name {
    Name::new(text.as_bytes()).unwrap()
}

fn link(target: &str) -> Symlink {
    let attributes = Attributes { mtime: Some(5), ..Attributes::default() };
    Symlink { target: target.into(), attributes }
}

/// A directory with `in` to restore into and `outside` that nothing may touch.
fn two() -> (TempDir, Place) {
    let root = tempfile::tempdir().unwrap();
    fs::create_dir(root.path().join("outside")).unwrap();
    fs::write(root.path().join("outside/theirs"), "theirs").unwrap();
    let place = Place::open_or_make(&root.path().join("in"), None, &System::REAL).unwrap();
    (root, place)
}

fn outside_is_untouched(root: &TempDir) {
    let entries: Vec<_> = fs::read_dir(root.path().join("outside")).unwrap().collect();
    assert_eq!(entries.len(), 1);
    assert_eq!(fs::read(root.path().join("outside/theirs")).unwrap(), b"theirs");
}

fn write(place: &Place, file: &str, bytes: &[u8], replace: bool) -> Result<()> {
    let mut new = place.create(&name(file), 0o640, replace)?;
    new.file().write_all(bytes).unwrap();
    keep(new, &Attributes::new(0o640, -1)).map(drop)
}

#[test]
fn a_directory_that_is_swapped_for_a_link_while_it_is_filled_stays_the_directory() {
    let (root, place) = two();
    let below = place.enter(&name("below"), Some(0o700), false).unwrap();
    fs::rename(root.path().join("in/below"), root.path().join("in/moved")).unwrap();
    symlink(root.path().join("outside"), root.path().join("in/below")).unwrap();
    write(&below, "file", b"ours", false).unwrap();
    write(&below, "theirs", b"ours", true).unwrap();
    below.enter(&name("deeper"), Some(0o700), true).unwrap();
    link_in(&below, "link", &link("anywhere")).unwrap();
    let mut lacks = Lacks::default();
    below.set_attributes(&Attributes::new(0o750, 7), &Extra::nothing(), &mut lacks);
    assert_eq!(lacks.told(), None);
    outside_is_untouched(&root);
    assert_eq!(fs::read(root.path().join("in/moved/theirs")).unwrap(), b"ours");
    assert!(root.path().join("in/moved/deeper").is_dir());
}

#[test]
fn links_that_are_there_are_never_followed() {
    let (root, place) = two();
    let inside = root.path().join("in");
    symlink("../outside", inside.join("directory")).unwrap();
    symlink("../outside/theirs", inside.join("file")).unwrap();
    symlink("../outside/new", inside.join("dangling")).unwrap();
    assert!(matches!(place.enter(&name("directory"), Some(0o700), false), Err(Error::Exists(_))));
    assert!(matches!(write(&place, "file", b"ours", false), Err(Error::Exists(_))));
    assert!(matches!(write(&place, "dangling", b"ours", false), Err(Error::Exists(_))));
    assert!(matches!(
        Place::open_or_make(&inside.join("directory"), None, &System::REAL),
        Err(Error::Exists(_))
    ));
    outside_is_untouched(&root);
    // They are replaced where that is asked for, not what they lead to.
    place.enter(&name("directory"), Some(0o700), true).unwrap();
    write(&place, "file", b"ours", true).unwrap();
    write(&place, "dangling", b"ours", true).unwrap();
    link_in(&place, "file", &link("../outside/theirs")).unwrap();
    outside_is_untouched(&root);
    assert!(fs::symlink_metadata(inside.join("directory")).unwrap().is_dir());
    assert_eq!(fs::symlink_metadata(inside.join("file")).unwrap().mtime_nsec(), 5);
}

#[test]
fn a_file_that_is_replaced_is_whole_the_old_one_or_the_new_one() {
    let (root, place) = two();
    let (file, other) = (root.path().join("in/file"), root.path().join("in/other"));
    write(&place, "file", b"old", false).unwrap();
    fs::hard_link(&file, &other).unwrap();
    let mut new = place.create(&name("file"), 0o600, true).unwrap();
    new.file().write_all(b"half").unwrap();
    assert_eq!(fs::read(&file).unwrap(), b"old");
    drop(new);
    assert_eq!(fs::read(&file).unwrap(), b"old");
    assert_eq!(fs::read_dir(root.path().join("in")).unwrap().count(), 2, "a file was left");
    write(&place, "file", b"new", true).unwrap();
    assert_eq!(fs::read(&file).unwrap(), b"new");
    assert_eq!(fs::read(&other).unwrap(), b"old", "its other name is another file now");
}

#[test]
fn a_new_file_that_is_not_kept_goes() {
    let (root, place) = two();
    let mut new = place.create(&name("file"), 0o600, false).unwrap();
    new.file().write_all(b"half").unwrap();
    drop(new);
    assert!(!root.path().join("in/file").exists());
}

#[test]
fn a_directory_is_not_replaced_by_a_file() {
    let (root, place) = two();
    place.enter(&name("directory"), Some(0o700), false).unwrap();
    assert!(matches!(write(&place, "directory", b"", true), Err(Error::Exists(_))));
    assert!(matches!(link_in(&place, "directory", &link("x")), Err(Error::Exists(_))));
    assert!(root.path().join("in/directory").is_dir());
}

#[test]
fn attributes_are_exact_whatever_the_umask_is() {
    let (root, place) = two();
    let mut new = place.create(&name("file"), 0o666, false).unwrap();
    new.file().write_all(b"x").unwrap();
    keep(new, &Attributes::new(0o666, -1_500_000_000)).unwrap();
    let found = fs::metadata(root.path().join("in/file")).unwrap();
    assert_eq!(found.permissions().mode() & 0o7777, 0o666);
    assert_eq!((found.mtime(), found.mtime_nsec()), (-2, 500_000_000));
}

#[test]
fn a_link_takes_the_place_of_a_file_in_one_step_or_not_at_all() {
    let (root, place) = two();
    write(&place, "file", b"old", false).unwrap();
    let too_long = "x".repeat(5_000);
    assert!(link_in(&place, "file", &link(&too_long)).is_err());
    assert_eq!(fs::read(root.path().join("in/file")).unwrap(), b"old");
    link_in(&place, "file", &link("to")).unwrap();
    assert!(fs::symlink_metadata(root.path().join("in/file")).unwrap().is_symlink());
    assert_eq!(fs::read_dir(root.path().join("in")).unwrap().count(), 1, "a name was left");
}

#[test]
fn what_a_killed_restore_left_is_removed_and_what_a_living_one_makes_is_not() {
    let (root, place) = two();
    let at = |name: &str| root.path().join("in").join(name);
    write(&place, "file", b"old", false).unwrap();
    let (nobody, own) = (2_000_000_000_u32, std::process::id());
    let left = [format!(".aeordb-{nobody}-0"), format!(".aeordb-{own}-9000000")];
    let theirs = [format!(".aeordb-1-{nobody}"), ".aeordb-notes".into(), ".aeordb-1".into()];
    for name in left.iter().chain(&theirs) {
        fs::write(at(name), "half").unwrap();
    }
    let link = format!(".aeordb-{nobody}-1");
    std::os::unix::fs::symlink("to", at(&link)).unwrap();
    // One that another restore of this process is at.
    let mut new = place.create(&name("file"), 0o600, true).unwrap();
    new.file().write_all(b"new").unwrap();
    let again = Place::open_or_make(&root.path().join("in"), None, &System::REAL).unwrap();
    write(&again, "file", b"newer", true).unwrap();
    keep(new, &Attributes { mode: Some(0o600), ..Attributes::default() }).unwrap();
    assert_eq!(fs::read(at("file")).unwrap(), b"new");
    assert!(left.iter().all(|name| !at(name).exists()));
    assert!(fs::symlink_metadata(at(&link)).is_err());
    assert!(theirs.iter().all(|name| at(name).exists()));
    assert_eq!(fs::read_dir(root.path().join("in")).unwrap().count(), 4);
}
