//! Files that change under our hands: what is stored is what was read, and its hash is of that.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use nix::fcntl::AT_FDCWD;

use super::{Sandbox, trees};
use crate::files::PutOptions;
use crate::files::beneath::Tree;
use crate::files::extended::{Keep, KeepOptions};
use crate::files::read::{Wanted, read_small};

#[test]
fn a_file_that_grows_while_it_is_read_is_stored_with_its_own_hash() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("growing");
    fs::write(&path, trees::noise(1, 600_000)).unwrap();
    let sandbox = Sandbox::new();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut bytes = trees::noise(2, 1);
            while !done.load(Relaxed) && bytes.len() < 900_000 {
                bytes.extend(trees::noise(bytes.len() as u64, 100));
                fs::write(&path, &bytes).unwrap();
            }
        });
        for _ in 0..20 {
            let put = sandbox.put(place.path());
            // Checks size and hash of what was stored.
            let stored = sandbox.cat("/growing");
            assert!(put.unsettled <= 1 && put.bytes == stored.len() as u64);
        }
        done.store(true, Relaxed);
    });
    let settled = sandbox.put(place.path());
    assert_eq!(settled.unsettled, 0);
    assert_eq!(sandbox.cat("/growing"), fs::read(&path).unwrap());
}

/// Changes the bytes of a file so that only the time of the inode's change tells.
fn change_in_secret(path: &std::path::Path, bytes: &[u8]) {
    let before = fs::metadata(path).unwrap();
    assert_eq!(before.len(), bytes.len() as u64);
    // The clock of the file system may tick slower than we write.
    loop {
        let file = File::options().write(true).open(path).unwrap();
        std::os::unix::fs::FileExt::write_all_at(&file, bytes, 0).unwrap();
        file.set_modified(before.modified().unwrap()).unwrap();
        let after = fs::metadata(path).unwrap();
        assert_eq!(after.mtime(), before.mtime());
        if (after.ctime(), after.ctime_nsec()) != (before.ctime(), before.ctime_nsec()) {
            break;
        }
    }
}

#[test]
fn a_change_that_keeps_size_and_time_is_not_missed() {
    let place = tempfile::tempdir().unwrap();
    let (local, cache) = (place.path().join("local"), place.path().join("cache"));
    fs::create_dir(&local).unwrap();
    fs::write(local.join("file"), "one").unwrap();
    trees::set_modified(&local.join("file"), 1_000_000);
    let options = PutOptions { cache: Some(cache), ..PutOptions::default() };
    let sandbox = Sandbox::new();
    sandbox.put_with(&local, "/", &options).unwrap();
    change_in_secret(&local.join("file"), b"two");
    let put = sandbox.put_with(&local, "/", &options).unwrap();
    assert_eq!(put.files_changed, 1);
    assert_eq!(sandbox.cat("/file"), b"two");
}

#[test]
fn what_the_cache_knows_counts_only_while_the_database_has_it() {
    let place = tempfile::tempdir().unwrap();
    let (local, cache) = (place.path().join("local"), place.path().join("cache"));
    fs::create_dir(&local).unwrap();
    fs::write(local.join("file"), "content").unwrap();
    let options = PutOptions { cache: Some(cache), ..PutOptions::default() };
    let sandbox = Sandbox::new();
    let first = sandbox.put_with(&local, "/", &options).unwrap();
    sandbox.database.remove(&[super::at("/file")], false).unwrap();
    let again = sandbox.put_with(&local, "/", &options).unwrap();
    assert_eq!((again.version, again.files_new), (first.version, 1));
    assert_eq!(sandbox.cat("/file"), b"content");
}

#[test]
fn a_cache_of_any_bytes_changes_nothing() {
    let place = tempfile::tempdir().unwrap();
    let (local, cache) = (place.path().join("local"), place.path().join("cache"));
    for number in 0..50u64 {
        fs::create_dir_all(local.join(format!("{}", number % 5))).unwrap();
        let path = local.join(format!("{}/{number}", number % 5));
        fs::write(path, trees::noise(number, 100)).unwrap();
    }
    let options = PutOptions { cache: Some(cache.clone()), ..PutOptions::default() };
    let version = Sandbox::new().put_with(&local, "/", &options).unwrap().version;
    let file = fs::read_dir(&cache).unwrap().next().unwrap().unwrap().path();
    let sound = fs::read(&file).unwrap();
    assert!(sound.len() > 50 * 60, "nothing was remembered");
    let mut damaged: Vec<Vec<u8>> =
        (0..sound.len()).step_by(37).map(|at| flipped(&sound, at)).collect();
    damaged.extend((0..sound.len()).step_by(41).map(|len| sound[..len].to_vec()));
    damaged.push(trees::noise(3, 10_000));
    for bytes in damaged {
        fs::write(&file, bytes).unwrap();
        let sandbox = Sandbox::new();
        assert_eq!(sandbox.put_with(&local, "/", &options).unwrap().version, version);
        fs::write(&file, &sound).unwrap();
    }
}

fn flipped(bytes: &[u8], at: usize) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[at] = !bytes[at];
    bytes
}

#[test]
fn a_file_that_grew_since_it_was_listed_is_stored_whole() {
    let place = tempfile::tempdir().unwrap();
    let bytes = trees::noise(5, 5_000_000);
    fs::write(place.path().join("file"), &bytes).unwrap();
    let tree = Arc::new(Tree::open(place.path()).unwrap());
    let wanted =
        || Wanted { tree: tree.clone(), below: "file".into(), name: b"file".to_vec(), old: None };
    // Listed as small, it is handed on to what reads in pieces.
    let keep = Keep::new(KeepOptions::ALL);
    assert!(read_small(wanted(), &keep).outcome.unwrap().is_none());
    fs::write(place.path().join("file"), &bytes[..1000]).unwrap();
    assert_eq!(read_small(wanted(), &keep).outcome.unwrap().unwrap().bytes, &bytes[..1000]);
}

#[test]
fn a_large_file_that_keeps_changing_is_named_and_has_its_own_hash() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("log");
    fs::write(&path, trees::noise(1, 3_000_000)).unwrap();
    let sandbox = Sandbox::new();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut log = File::options().append(true).open(&path).unwrap();
            for line in 0..2_000_000 {
                if done.load(Relaxed) {
                    break;
                }
                writeln!(log, "{line}").unwrap();
            }
        });
        let mut seen = 0;
        for _ in 0..50 {
            seen += sandbox.put(place.path()).unsettled;
            // Checks size and hash of what was stored.
            sandbox.cat("/log");
            if seen > 0 {
                break;
            }
        }
        done.store(true, Relaxed);
        assert_eq!(seen, 1);
    });
    assert_eq!(sandbox.put(place.path()).unsettled, 0);
    assert_eq!(sandbox.cat("/log"), fs::read(&path).unwrap());
}

#[test]
fn a_directory_that_turns_into_a_link_is_not_followed() {
    let place = tempfile::tempdir().unwrap();
    let path = |name: &str| place.path().join(name);
    fs::create_dir_all(path("tree/sub/deep")).unwrap();
    fs::create_dir_all(path("outside/deep")).unwrap();
    fs::write(path("tree/sub/deep/file"), "mine").unwrap();
    fs::write(path("outside/deep/file"), "a secret").unwrap();
    std::os::unix::fs::symlink(path("outside"), path("link")).unwrap();
    let sandbox = Sandbox::new();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..1_000_000 {
                if done.load(Relaxed) {
                    break;
                }
                // The directory and the link change places.
                let exchange = nix::fcntl::RenameFlags::RENAME_EXCHANGE;
                let (a, b) = (path("link"), path("tree/sub"));
                nix::fcntl::renameat2(AT_FDCWD, &a, AT_FDCWD, &b, exchange).unwrap();
            }
        });
        let mut stored = 0;
        for _ in 0..200 {
            // While it is a link, nothing is there.
            let options = PutOptions { allow_empty: true, ..PutOptions::default() };
            sandbox.put_with(&path("tree"), "/", &options).unwrap();
            let reader = sandbox.database.reader().unwrap();
            let file = reader.item(&reader.head(), super::at("/sub/deep/file")).unwrap();
            if file.is_some() {
                stored += 1;
                assert_eq!(sandbox.cat("/sub/deep/file"), b"mine");
                sandbox.database.remove(&[super::at("/sub")], true).unwrap();
            }
        }
        done.store(true, Relaxed);
        assert!(stored > 0, "the directory was never seen");
    });
}

#[test]
fn what_is_remembered_is_for_its_owner_alone() {
    let place = tempfile::tempdir().unwrap();
    let (local, cache) = (place.path().join("local"), place.path().join("cache"));
    fs::create_dir_all(&local).unwrap();
    fs::write(local.join("file"), "x").unwrap();
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().mode() & 0o777;
    let options = PutOptions { cache: Some(cache.clone()), ..PutOptions::default() };
    for before in [None, Some(0o755)] {
        if let Some(before) = before {
            // As older programs made them.
            fs::set_permissions(&cache, fs::Permissions::from_mode(before)).unwrap();
        }
        desk_put(&local, &options);
        assert_eq!(mode(&cache), 0o700);
        let file = fs::read_dir(&cache).unwrap().next().unwrap().unwrap().path();
        assert_eq!(mode(&file), 0o600);
    }
}

fn desk_put(local: &std::path::Path, options: &PutOptions) {
    Sandbox::new().put_with(local, "/", options).unwrap();
}
