use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;
use std::sync::Barrier;

use super::*;

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn fifo(path: &Path) {
    nix::unistd::mkfifo(path, nix::sys::stat::Mode::S_IRWXU).unwrap();
}

/// A new file as it is where unnamed files are unknown.
fn create_named(path: &Path) -> FileMedia {
    FileMedia::from_unpublished(path, Unpublished::create_named(path).unwrap()).unwrap()
}

type Create = fn(&Path) -> FileMedia;
const CREATE: [Create; 2] = [|path| FileMedia::create(path).unwrap(), create_named];

/// Everything that can be at a path already.
fn obstacles(folder: &Path) -> Vec<PathBuf> {
    let database = folder.join("database");
    fs::write(&database, "database").unwrap();
    let at = |name: &str| folder.join(name);
    fs::write(at("file"), "file").unwrap();
    fs::create_dir(at("directory")).unwrap();
    symlink(&database, at("symlink")).unwrap();
    symlink("nowhere", at("dangling")).unwrap();
    fifo(&at("fifo"));
    fs::hard_link(&database, at("hardlink")).unwrap();
    ["file", "directory", "symlink", "dangling", "fifo", "hardlink"].map(at).into()
}

#[test]
fn creating_refuses_whatever_is_there() {
    let folder = folder();
    for path in obstacles(folder.path()) {
        let before = fs::symlink_metadata(&path).unwrap();
        let error = FileMedia::create(&path).unwrap_err();
        assert!(matches!(error, Error::Exists(_)), "{error}");
        assert_eq!(error.to_string(), format!("{} already exists", path.display()));
        assert!(same_file(&before, &fs::symlink_metadata(&path).unwrap()));
    }
    assert_eq!(fs::read(folder.path().join("database")).unwrap(), b"database");
}

#[test]
fn publishing_refuses_whatever_came_meanwhile_and_touches_nothing() {
    for create in CREATE {
        let (folder, elsewhere) = (folder(), folder());
        for obstacle in obstacles(elsewhere.path()) {
            let path = folder.path().join(obstacle.file_name().unwrap());
            let media = create(&path);
            media.write_at(b"new", 0).unwrap();
            fs::rename(&obstacle, &path).unwrap();

            let before = fs::symlink_metadata(&path).unwrap();
            let error = media.publish().unwrap_err();
            assert!(matches!(error, Error::Exists(_)), "{error}");
            assert!(!media.is_published());
            let after = fs::symlink_metadata(&path).unwrap();
            assert!(same_file(&before, &after));
            assert_eq!(before.len(), after.len());

            // The caller may make room and try again.
            fs::rename(&path, &obstacle).unwrap();
            media.publish().unwrap();
            assert_eq!(fs::read(&path).unwrap(), b"new");
        }
        assert_eq!(names(folder.path()).len(), 6);
        assert!(!folder.path().join("nowhere").exists());
        assert_eq!(fs::read(elsewhere.path().join("database")).unwrap(), b"database");
    }
}

#[test]
fn of_two_that_publish_under_one_name_exactly_one_wins() {
    for (first, second) in [(0, 0), (1, 1), (0, 1)] {
        for round in 0..20 {
            let folder = folder();
            let path = folder.path().join(format!("name{round}"));
            let media = [CREATE[first](&path), CREATE[second](&path)];
            let barrier = Barrier::new(2);
            let outcomes: Vec<Result<()>> = std::thread::scope(|scope| {
                let threads: Vec<_> = media
                    .iter()
                    .enumerate()
                    .map(|(index, media)| {
                        let barrier = &barrier;
                        scope.spawn(move || {
                            media.write_at(format!("{index}").as_bytes(), 0).unwrap();
                            barrier.wait();
                            media.publish()
                        })
                    })
                    .collect();
                threads.into_iter().map(|thread| thread.join().unwrap()).collect()
            });
            let winner = outcomes.iter().position(Result::is_ok).unwrap();
            assert!(matches!(outcomes[1 - winner], Err(Error::Exists(_))));
            assert_eq!(fs::read_to_string(&path).unwrap(), winner.to_string());
            drop(media);
            assert_eq!(names(folder.path()), [format!("name{round}")]);
        }
    }
}

#[test]
fn an_unpublished_file_leaves_nothing_behind() {
    for create in CREATE {
        let folder = folder();
        let media = create(&folder.path().join("new"));
        media.write_at(b"lost", 0).unwrap();
        assert!(!media.is_published());
        drop(media);
        assert_eq!(names(folder.path()), [""; 0]);
    }
}

#[test]
fn an_unnamed_file_is_in_no_directory_so_a_killed_process_leaves_nothing() {
    let folder = folder();
    let path = folder.path().join("new");
    let media = FileMedia::create(&path).unwrap();
    media.write_at(b"x", 0).unwrap();
    assert_eq!(names(folder.path()), [""; 0]);
    assert_eq!(media.file.metadata().unwrap().nlink(), 0);
}

#[test]
fn a_temporary_name_says_what_it_is() {
    let folder = folder();
    let _media = create_named(&folder.path().join("new"));
    let names = names(folder.path());
    assert_eq!(names.len(), 1);
    assert!(names[0].starts_with(".new.") && names[0].ends_with(TEMPORARY_SUFFIX), "{names:?}");
}

#[test]
fn a_published_file_is_its_owners_only_and_has_one_name() {
    for create in CREATE {
        let folder = folder();
        let path = folder.path().join("new");
        let media = create(&path);
        media.write_at(b"bytes", 0).unwrap();
        media.publish().unwrap();
        assert!(media.is_published() && media.still_at_path().unwrap());
        assert!(matches!(media.publish(), Err(Error::Invalid(_))));
        media.write_at(b"B", 0).unwrap();
        drop(media);
        let found = fs::metadata(&path).unwrap();
        assert_eq!(found.permissions().mode() & 0o777, 0o600);
        assert_eq!(found.nlink(), 1);
        assert_eq!(names(folder.path()), ["new"]);
        assert_eq!(fs::read(&path).unwrap(), b"Bytes");
    }
}

#[test]
fn a_file_is_published_where_its_directory_is_now() {
    let folder = folder();
    let (before, after) = (folder.path().join("before"), folder.path().join("after"));
    fs::create_dir(&before).unwrap();
    let media = FileMedia::create(before.join("new")).unwrap();
    fs::rename(&before, &after).unwrap();
    media.publish().unwrap();
    assert_eq!(names(&after), ["new"]);
}

#[test]
fn a_path_without_a_name_or_a_directory_is_refused() {
    let folder = folder();
    for nameless in ["", "/", ".."] {
        assert!(matches!(FileMedia::create(nameless), Err(Error::Invalid(_))), "{nameless:?}");
    }
    let error = FileMedia::create(folder.path().join("missing/new")).unwrap_err();
    assert!(matches!(error, Error::NotFound(_)), "{error}");
}

#[test]
fn only_regular_files_are_opened() {
    let folder = folder();
    let path = folder.path().join("thing");
    let openers: [fn(&Path) -> Result<FileMedia>; 2] =
        [|path| FileMedia::open_read(path), |path| FileMedia::open_write(path)];
    for open in openers {
        assert!(matches!(open(&path), Err(Error::NotFound(_))));
        assert!(!path.exists(), "opening has created a file");

        let refused = |expected: &str, path: &Path| {
            let error = open(path).unwrap_err();
            assert!(matches!(error, Error::Foreign { .. }), "{error}");
            assert!(error.to_string().ends_with(expected), "{error}");
        };
        refused("is a directory, not a regular file", folder.path());
        refused("is a device, not a regular file", Path::new("/dev/null"));
        fifo(&path);
        refused("is a FIFO, not a regular file", &path);
        fs::remove_file(&path).unwrap();
        let socket = std::os::unix::net::UnixListener::bind(&path).unwrap();
        refused("is a socket, not a regular file", &path);
        drop(socket);
        fs::remove_file(&path).unwrap();
    }
}

#[test]
fn a_file_opened_for_reading_can_be_share_locked_but_not_changed() {
    let folder = folder();
    let path = folder.path().join("file");
    fs::write(&path, "bytes").unwrap();
    let media = FileMedia::open_read(&path).unwrap();
    media.advise_sequential();
    assert!(media.write_at(b"x", 0).is_err());
    assert!(media.set_len(0).is_err());
    assert!(media.release(0..5).is_err());
    assert!(media.try_lock(0..1, Lock::Exclusive).is_err());
    assert!(media.try_lock(0..1, Lock::Shared).unwrap());
    assert!(FileMedia::open_write(&path).unwrap().locked_by_others(0..1).unwrap());
    assert_eq!(fs::read(&path).unwrap(), b"bytes");
}

#[test]
fn an_open_file_knows_when_its_path_leads_elsewhere() {
    let folder = folder();
    let (path, link) = (folder.path().join("file"), folder.path().join("link"));
    fs::write(&path, "old").unwrap();
    symlink(&path, &link).unwrap();
    let (media, linked) =
        (FileMedia::open_write(&path).unwrap(), FileMedia::open_read(&link).unwrap());
    assert!(media.still_at_path().unwrap() && linked.still_at_path().unwrap());

    let replacement = folder.path().join("replacement");
    fs::write(&replacement, "new").unwrap();
    fs::rename(&replacement, &path).unwrap();
    assert!(!media.still_at_path().unwrap() && !linked.still_at_path().unwrap());
    fs::remove_file(&path).unwrap();
    assert!(!media.still_at_path().unwrap());
}

#[test]
fn a_lock_holds_through_another_name_of_the_file() {
    let folder = folder();
    let (path, other) = (folder.path().join("file"), folder.path().join("other"));
    fs::write(&path, "").unwrap();
    fs::hard_link(&path, &other).unwrap();
    let media = FileMedia::open_write(&path).unwrap();
    assert!(media.try_lock(0..1, Lock::Exclusive).unwrap());
    let other = FileMedia::open_write(&other).unwrap();
    assert!(!other.try_lock(0..1, Lock::Exclusive).unwrap());
}

#[test]
fn the_holder_of_an_exclusive_lock_is_named() {
    let folder = folder();
    let path = folder.path().join("file");
    assert_eq!(lock_holder(&path), "another process");
    fs::write(&path, "").unwrap();
    let media = FileMedia::open_write(&path).unwrap();
    assert!(media.try_lock(3..4, Lock::Shared).unwrap());
    assert_eq!(lock_holder(&path), "another process");
    assert!(media.try_lock(0..1, Lock::Exclusive).unwrap());
    assert_eq!(lock_holder(&path), "this process");
}

#[test]
fn a_new_file_appears_whole_or_not_at_all() {
    let folder = folder();
    let path = folder.path().join("export");
    let mut expected = Vec::new();
    let mut file = NewFile::create(&path).unwrap();
    for len in [0, 1, 1000, 262_143, 2, 262_144, 300_000, 5, 262_139, 1] {
        let bytes: Vec<u8> = (0..=250).cycle().take(len).collect();
        file.write_all(&bytes).unwrap();
        expected.extend_from_slice(&bytes);
        assert_eq!(file.written(), expected.len() as u64);
    }
    assert_eq!(file.path(), path);
    assert_eq!(names(folder.path()), [""; 0]);
    file.publish().unwrap();
    assert!(fs::read(&path).unwrap() == expected);

    let mut dropped = NewFile::create(folder.path().join("dropped")).unwrap();
    dropped.write_all(&expected).unwrap();
    drop(dropped);
    assert_eq!(names(folder.path()), ["export"]);
}

#[test]
fn a_new_file_on_a_full_disk_leaves_nothing() {
    // Beyond the largest file of any file system, the write is refused as for want of space.
    let folder = folder();
    let mut file = NewFile::create(folder.path().join("export")).unwrap();
    file.write_all(b"some").unwrap();
    file.offset = i64::MAX as u64;
    let error = file.publish().unwrap_err();
    assert!(error.is_no_space(), "{error}");
    assert_eq!(names(folder.path()), [""; 0]);
}
