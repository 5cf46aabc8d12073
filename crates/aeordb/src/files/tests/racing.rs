//! Files that change under our hands: what is stored is what was read, and its hash is of that.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use super::{Desk, trees};
use crate::files::PutOptions;

#[test]
fn a_file_that_grows_while_it_is_read_is_stored_with_its_own_hash() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("growing");
    fs::write(&path, trees::noise(1, 600_000)).unwrap();
    let desk = Desk::new();
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
            let put = desk.put(place.path());
            // Checks size and hash of what was stored.
            let stored = desk.cat("/growing");
            assert!(put.unsettled <= 1 && put.bytes == stored.len() as u64);
        }
        done.store(true, Relaxed);
    });
    let settled = desk.put(place.path());
    assert_eq!(settled.unsettled, 0);
    assert_eq!(desk.cat("/growing"), fs::read(&path).unwrap());
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
    let desk = Desk::new();
    desk.put_with(&local, "/", &options).unwrap();
    change_in_secret(&local.join("file"), b"two");
    let put = desk.put_with(&local, "/", &options).unwrap();
    assert_eq!(put.files_changed, 1);
    assert_eq!(desk.cat("/file"), b"two");
}

#[test]
fn what_the_cache_knows_counts_only_while_the_database_has_it() {
    let place = tempfile::tempdir().unwrap();
    let (local, cache) = (place.path().join("local"), place.path().join("cache"));
    fs::create_dir(&local).unwrap();
    fs::write(local.join("file"), "content").unwrap();
    let options = PutOptions { cache: Some(cache), ..PutOptions::default() };
    let desk = Desk::new();
    let first = desk.put_with(&local, "/", &options).unwrap();
    desk.database.remove(&[super::at("/file")], false).unwrap();
    let again = desk.put_with(&local, "/", &options).unwrap();
    assert_eq!((again.version, again.files_new), (first.version, 1));
    assert_eq!(desk.cat("/file"), b"content");
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
    let version = Desk::new().put_with(&local, "/", &options).unwrap().version;
    let file = fs::read_dir(&cache).unwrap().next().unwrap().unwrap().path();
    let sound = fs::read(&file).unwrap();
    assert!(sound.len() > 50 * 60, "nothing was remembered");
    let mut damaged: Vec<Vec<u8>> =
        (0..sound.len()).step_by(37).map(|at| flipped(&sound, at)).collect();
    damaged.extend((0..sound.len()).step_by(41).map(|len| sound[..len].to_vec()));
    damaged.push(trees::noise(3, 10_000));
    for bytes in damaged {
        fs::write(&file, bytes).unwrap();
        let desk = Desk::new();
        assert_eq!(desk.put_with(&local, "/", &options).unwrap().version, version);
        fs::write(&file, &sound).unwrap();
    }
}

fn flipped(bytes: &[u8], at: usize) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[at] = !bytes[at];
    bytes
}
