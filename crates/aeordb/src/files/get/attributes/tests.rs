//! What file systems do to modes and times, and when they say what was not written.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path as LocalPath;

use tempfile::TempDir;

use super::super::place::Place;
use super::*;
use crate::error::{Error, Result};
use crate::object::Symlink;

const REFUSES_MODES: System = System { set_mode: |_, _| Err(Errno::EPERM), ..System::REAL };
const IGNORES_MODES: System = System { set_mode: |_, _| Ok(()), ..System::REAL };
const REFUSES_TIMES: System = System {
    set_times: |_, _| Err(Errno::EOPNOTSUPP),
    set_times_of: |_, _, _| Err(Errno::EOPNOTSUPP),
    ..System::REAL
};
const IGNORES_TIMES: System =
    System { set_times: |_, _| Ok(()), set_times_of: |_, _, _| Ok(()), ..System::REAL };
const RESETS_TIMES: System = System { close: close_now, ..System::REAL };
const KEEPS_RESETTING: System =
    System { close: close_now, set_times_of: |_, _, _| Ok(()), ..System::REAL };
const WRITES_LATE: System = System {
    close: |file| {
        let _ = close(file);
        Err(Errno::EDQUOT)
    },
    ..System::REAL
};

fn close_now(file: OwnedFd) -> nix::Result<()> {
    futimens(&file, &TimeSpec::UTIME_OMIT, &TimeSpec::UTIME_NOW)?;
    close(file)
}

/// Restores `file` and `link` into `in`, with mode 0666 and a time of 1 s; what they lack.
fn restore(system: &'static System, root: &LocalPath, replace: bool) -> Result<[Lacks; 2]> {
    let place = Place::open_or_make(&root.join("in"), None, system)?;
    let mut new = place.create(&Name::new(b"file").unwrap(), 0o666, replace)?;
    new.file().write_all(b"whole").unwrap();
    let (nothing, mut file, mut lacks) = (Extra::nothing(), Lacks::default(), Lacks::default());
    new.keep(&Attributes::new(0o666, 1_000_000_000), &nothing, false, &mut file)?;
    let attributes = Attributes { mtime: Some(1_000_000_000), ..Attributes::default() };
    let link = Symlink { target: b"to".to_vec(), attributes };
    place.link(&Name::new(b"link").unwrap(), &link, &nothing, replace, &mut lacks)?;
    Ok([file, lacks])
}

fn set(place: &Place, attributes: &Attributes) -> Lacks {
    let mut lacks = Lacks::default();
    place.set_attributes(attributes, &Extra::nothing(), &mut lacks);
    lacks
}

fn told(lacks: &Lacks) -> String {
    lacks.told().unwrap_or_default()
}

/// Mode and time of `name`, after the bytes of the file and the target of the link were checked.
fn found(root: &TempDir, name: &str) -> (u32, i64) {
    let inside = root.path().join("in");
    assert_eq!(fs::read(inside.join("file")).unwrap(), b"whole");
    assert_eq!(fs::read_link(inside.join("link")).unwrap(), LocalPath::new("to"));
    let found = fs::symlink_metadata(inside.join(name)).unwrap();
    (found.permissions().mode() & 0o7777, found.mtime())
}

#[test]
fn a_file_whose_mode_is_refused_stays_and_has_its_time() {
    for system in [&REFUSES_MODES, &IGNORES_MODES] {
        let root = tempfile::tempdir().unwrap();
        for replace in [false, true] {
            let [file, link] = restore(system, root.path(), replace).unwrap();
            assert!(told(&file).starts_with("without its mode 0666: "), "{file:?}");
            assert!(!told(&file).contains("time"), "{file:?}");
            assert_eq!(told(&link), "");
            let (mode, time) = found(&root, "file");
            assert_eq!((mode & !0o666, time), (0, 1), "no right that was not recorded");
        }
    }
}

#[test]
fn a_file_or_link_whose_time_is_refused_stays_and_has_its_mode() {
    for system in [&REFUSES_TIMES, &IGNORES_TIMES] {
        let root = tempfile::tempdir().unwrap();
        for replace in [false, true] {
            for lacks in restore(system, root.path(), replace).unwrap() {
                let lacks = told(&lacks);
                assert!(lacks.starts_with("without its time of modification: "), "{lacks}");
            }
            assert_eq!(found(&root, "file").0, 0o666);
        }
    }
}

#[test]
fn a_time_that_is_kept_in_coarse_steps_is_no_lack() {
    const COARSE: System = System {
        set_times: |file, times| futimens(file, &times.accessed, &cut(&times.modified)),
        ..System::REAL
    };
    fn cut(time: &TimeSpec) -> TimeSpec {
        TimeSpec::new(time.tv_sec() / 2 * 2, 0)
    }
    let root = tempfile::tempdir().unwrap();
    let place = Place::open_or_make(root.path(), None, &COARSE).unwrap();
    let attributes = Attributes { mtime: Some(1_999_999_999), ..Attributes::default() };
    assert_eq!(told(&set(&place, &attributes)), "");
    assert_eq!(fs::metadata(root.path()).unwrap().mtime(), 0);
}

#[test]
fn a_directory_lacks_each_of_mode_and_time_by_itself() {
    let root = tempfile::tempdir().unwrap();
    let set = |system, name: &str| {
        let path = root.path().join(name);
        let place = Place::open_or_make(&path, None, system).unwrap();
        let lacks = set(&place, &Attributes::new(0o750, 1_000_000_000));
        let found = fs::metadata(&path).unwrap();
        (told(&lacks), found.permissions().mode() & 0o7777, found.mtime())
    };
    let (lacks, _, time) = set(&REFUSES_MODES, "modes");
    assert!(lacks.contains("mode 0750") && !lacks.contains("time"), "{lacks}");
    assert_eq!(time, 1);
    let (lacks, mode, _) = set(&REFUSES_TIMES, "times");
    assert!(!lacks.contains("mode 0750") && lacks.contains("time"), "{lacks}");
    assert_eq!(mode, 0o750);
}

#[test]
fn a_time_that_is_taken_back_when_the_file_is_closed_is_set_again() {
    let root = tempfile::tempdir().unwrap();
    for replace in [false, true] {
        let [file, _] = restore(&RESETS_TIMES, root.path(), replace).unwrap();
        assert_eq!(told(&file), "");
        assert_eq!(found(&root, "file").1, 1);
    }
    let [file, _] = restore(&KEEPS_RESETTING, root.path(), true).unwrap();
    assert!(told(&file).contains("time of modification"), "{file:?}");
}

#[test]
fn bytes_that_could_not_be_written_when_the_file_was_closed_are_no_file() {
    let root = tempfile::tempdir().unwrap();
    let refused = restore(&WRITES_LATE, root.path(), false);
    assert!(
        matches!(&refused, Err(error @ Error::Io { .. }) if error.is_no_space()),
        "{refused:?}"
    );
    assert_eq!(fs::read_dir(root.path().join("in")).unwrap().count(), 0);
    restore(&System::REAL, root.path(), false).unwrap();
    restore(&WRITES_LATE, root.path(), true).unwrap_err();
    assert_eq!(found(&root, "file"), (0o666, 1), "the old one is whole");
    assert_eq!(fs::read_dir(root.path().join("in")).unwrap().count(), 2);
}
