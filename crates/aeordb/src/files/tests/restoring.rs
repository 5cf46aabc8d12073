//! Restores that cannot do all that was asked for.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path as LocalPath;
use std::sync::Arc;

use super::{Sandbox, at, trees};
use crate::error::Error;
use crate::files::{GetOptions, KeepOptions, Overwrite, PutOptions, Wanted, get};
use crate::monitor::Monitor;

/// A sandbox with `/d/file`, `/link` and `/top`.
fn sandbox() -> (tempfile::TempDir, Sandbox) {
    let place = tempfile::tempdir().unwrap();
    let local = place.path().join("local");
    fs::create_dir_all(local.join("d")).unwrap();
    fs::write(local.join("d/file"), "file").unwrap();
    fs::write(local.join("top"), "top").unwrap();
    symlink("top", local.join("link")).unwrap();
    let sandbox = Sandbox::new();
    sandbox.put(&local);
    (place, sandbox)
}

fn replace() -> GetOptions {
    GetOptions { overwrite: Overwrite::IfChanged, force: true, ..GetOptions::default() }
}

#[test]
fn a_place_that_is_taken_is_refused() {
    let (place, sandbox) = sandbox();
    let out = place.path().join("out");
    sandbox.get(&out);
    assert!(matches!(sandbox.get_with("/", &out, &GetOptions::default()), Err(Error::Exists(_))));
    let top = out.join("top");
    assert!(matches!(
        sandbox.get_with("/top", &top, &GetOptions::default()),
        Err(Error::Exists(_))
    ));
    assert!(matches!(sandbox.get_with("/", &top, &replace()), Err(Error::Exists(_))));
    assert_eq!(fs::read(&top).unwrap(), b"top");
}

#[test]
fn what_is_there_is_replaced_where_that_is_asked_for() {
    let (place, sandbox) = sandbox();
    let out = place.path().join("out");
    sandbox.get(&out);
    let sound = trees::all(&out);
    fs::write(out.join("top"), "another").unwrap();
    fs::remove_dir_all(out.join("d")).unwrap();
    symlink("/", out.join("d")).unwrap();
    fs::remove_file(out.join("link")).unwrap();
    fs::write(out.join("link"), "a file").unwrap();
    let report = sandbox.get_with("/", &out, &replace()).unwrap();
    assert_eq!((report.files, report.failed), (3, 0));
    assert_eq!(trees::all(&out), sound);
}

#[test]
fn what_cannot_be_restored_is_said_and_the_rest_is_restored() {
    let (place, sandbox) = sandbox();
    let out = place.path().join("out");
    fs::create_dir_all(out.join("top/full")).unwrap();
    let reader = sandbox.database.reader().unwrap();
    let monitor = Arc::new(Monitor::new());
    let options = GetOptions { force: false, ..replace() };
    let report = get(&reader, &reader.head(), at("/"), &out, &options, &monitor).unwrap();
    assert_eq!((report.files, report.failed, report.damaged), (2, 1, 0));
    let warnings = monitor.take_warnings();
    assert!(warnings[0].contains("top: not restored"), "{warnings:?}");
    assert_eq!(fs::read(out.join("d/file")).unwrap(), b"file");
    assert!(out.join("top/full").is_dir());
}

#[test]
fn a_file_lands_in_a_directory_that_ends_with_a_slash() {
    let (place, sandbox) = sandbox();
    let mut inside = place.path().join("into").into_os_string();
    fs::create_dir(&inside).unwrap();
    inside.push("/");
    sandbox.get_with("/top", inside.as_ref(), &GetOptions::default()).unwrap();
    assert_eq!(fs::read(place.path().join("into/top")).unwrap(), b"top");
}

#[test]
fn bits_that_give_rights_come_back_with_the_owner_or_when_asked_for() {
    let place = tempfile::tempdir().unwrap();
    let local = place.path().join("local");
    fs::create_dir(&local).unwrap();
    fs::write(local.join("program"), "x").unwrap();
    fs::set_permissions(local.join("program"), fs::Permissions::from_mode(0o4755)).unwrap();
    let sandbox = Sandbox::new();
    sandbox.put(&local);
    let mode = |name: &str| fs::metadata(place.path().join(name)).unwrap().mode() & 0o7777;
    sandbox.get(&place.path().join("plain"));
    assert_eq!(mode("plain/program"), 0o4755);
    let keep = KeepOptions { owner: false, ..KeepOptions::ALL };
    let wanted = Wanted { keep, ..Wanted::default() };
    let mut options = GetOptions { wanted, ..GetOptions::default() };
    sandbox.get_with("/", &place.path().join("without"), &options).unwrap();
    assert_eq!(mode("without/program"), 0o755);
    options.set_ids = true;
    sandbox.get_with("/", &place.path().join("whole"), &options).unwrap();
    assert_eq!(mode("whole/program"), 0o4755);
}

#[test]
fn a_restore_that_is_cancelled_leaves_no_half_file() {
    let place = tempfile::tempdir().unwrap();
    let local = place.path().join("local");
    fs::create_dir(&local).unwrap();
    for number in 0..40 {
        fs::write(local.join(format!("{number}")), trees::noise(number, 500_000)).unwrap();
    }
    let sandbox = Sandbox::new();
    sandbox.put(&local);
    let reader = sandbox.database.reader().unwrap();
    let monitor = Arc::new(Monitor::new());
    let out = place.path().join("out");
    let ended = std::thread::scope(|scope| {
        scope.spawn(|| {
            while monitor.progress().bytes == 0 {
                std::thread::yield_now();
            }
            monitor.cancel();
        });
        get(&reader, &reader.head(), at("/"), &out, &GetOptions::default(), &monitor)
    });
    // It may have been done before the other thread came to it.
    assert!(matches!(ended, Err(Error::Interrupted) | Ok(_)), "{ended:?}");
    for entry in fs::read_dir(&out).unwrap() {
        let entry = entry.unwrap();
        let number = entry.file_name().to_string_lossy().parse().unwrap();
        assert!(fs::read(entry.path()).unwrap() == trees::noise(number, 500_000));
    }
}

#[test]
fn long_runs_of_zeros_take_no_space() {
    let place = tempfile::tempdir().unwrap();
    let local = place.path().join("local");
    fs::create_dir(&local).unwrap();
    fs::File::create(local.join("zeros")).unwrap().set_len(20_000_000).unwrap();
    let sandbox = Sandbox::new();
    sandbox.put(&local);
    sandbox.get(&place.path().join("out"));
    let found = fs::metadata(place.path().join("out/zeros")).unwrap();
    assert_eq!(found.len(), 20_000_000);
    assert!(found.blocks() * 512 < 1_000_000, "{} blocks", found.blocks());
}

#[test]
fn directories_without_a_recorded_mode_are_as_any_that_are_made() {
    let place = tempfile::tempdir().unwrap();
    let (local, usual) = (place.path().join("local"), place.path().join("usual"));
    for directory in [&local, &usual] {
        fs::create_dir(directory).unwrap();
    }
    fs::write(local.join("file"), "x").unwrap();
    fs::set_permissions(&local, fs::Permissions::from_mode(0o711)).unwrap();
    let sandbox = Sandbox::new();
    sandbox.put_with(&local, "/on/the/way", &PutOptions::default()).unwrap();
    let out = place.path().join("out");
    sandbox.get(&out);
    let mode = |path: &LocalPath| fs::metadata(path).unwrap().mode() & 0o7777;
    for made in ["", "on", "on/the"] {
        assert_eq!(mode(&out.join(made)), mode(&usual), "{made:?}");
    }
    assert_eq!(mode(&out.join("on/the/way")), 0o711);
}

#[test]
fn a_place_that_holds_something_keeps_its_mode_and_time() {
    let (place, sandbox) = sandbox();
    let out = place.path().join("out");
    let look = || {
        let found = fs::metadata(&out).unwrap();
        (found.mode() & 0o7777, found.mtime(), found.mtime_nsec())
    };
    // An empty one becomes the directory.
    fs::create_dir(&out).unwrap();
    sandbox.get_with("/d", &out, &GetOptions::default()).unwrap();
    let stored = fs::metadata(place.path().join("local/d")).unwrap();
    assert_eq!(look(), (stored.mode() & 0o7777, stored.mtime(), stored.mtime_nsec()));
    for (mode, seconds) in [(0o500, 77), (0o1777, 99)] {
        fs::set_permissions(&out, fs::Permissions::from_mode(mode)).unwrap();
        let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
        fs::File::open(&out).unwrap().set_modified(time).unwrap();
        sandbox.get_with("/d", &out, &replace()).unwrap();
        assert_eq!(look(), (mode, seconds as i64, 0));
    }
}

#[test]
fn what_is_in_the_way_is_named_for_what_it_is() {
    let (place, sandbox) = sandbox();
    let (out, link) = (place.path().join("out"), place.path().join("link"));
    sandbox.get(&out);
    symlink(&out, &link).unwrap();
    let refused =
        |path: &str, local: &LocalPath, options| match sandbox.get_with(path, local, options) {
            Err(Error::Exists(what)) => what.rsplit('/').next().unwrap().to_owned(),
            other => panic!("{other:?}"),
        };
    let plain = &GetOptions::default();
    assert_eq!(refused("/", &out, plain), "out, which is not empty,");
    let force = replace();
    for options in [plain, &force] {
        assert_eq!(refused("/", &link, options), "link, which is a symbolic link,");
        assert_eq!(refused("/", &out.join("top"), options), "top, which is not a directory,");
        assert_eq!(refused("/top", &out.join("d"), options), "d, which is a directory,");
    }
    assert_eq!(refused("/top", &out.join("top"), plain), "top");
    // A slash says that the link is to be followed.
    let mut inside = link.into_os_string();
    inside.push("/");
    sandbox.get_with("/", inside.as_ref(), &replace()).unwrap();
}
