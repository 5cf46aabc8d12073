//! What is left out of a put, kept, or taken back.

use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::Arc;

use super::{Sandbox, at, trees};
use crate::error::Error;
use crate::files::{GetOptions, PutOptions, Source, put};
use crate::monitor::Monitor;
use crate::object::Item;

/// A stream that asks for the end of the work when some of it was read.
struct Cancelling {
    monitor: Arc<Monitor>,
    left: usize,
}

impl Read for Cancelling {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 {
            self.monitor.cancel();
        }
        self.left = self.left.saturating_sub(1);
        let noise = trees::noise(self.left as u64, buffer.len());
        buffer.copy_from_slice(&noise);
        Ok(buffer.len())
    }
}

#[test]
fn a_put_that_is_cancelled_leaves_the_database_as_it_was() {
    let place = tempfile::tempdir().unwrap();
    fs::write(place.path().join("file"), "before").unwrap();
    let sandbox = Sandbox::new();
    sandbox.put(place.path());
    let (head, bytes) = (sandbox.head(), sandbox.media.to_vec());
    let monitor = Arc::new(Monitor::new());
    let stream = Cancelling { monitor: monitor.clone(), left: 20 };
    let sources = vec![Source::Stream(Box::new(stream))];
    let ended =
        put(&sandbox.database, sources, at("/stream"), false, &PutOptions::default(), &monitor);
    assert!(matches!(ended, Err(Error::Interrupted)), "{ended:?}");
    assert_eq!(sandbox.head(), head);
    assert!(sandbox.media.to_vec() == bytes, "the file is another");
    sandbox.put(place.path());
    assert_eq!(sandbox.cat("/file"), b"before");
}

#[test]
fn what_has_no_content_is_kept_for_what_it_is() {
    let place = tempfile::tempdir().unwrap();
    let local = place.path().join("local");
    fs::create_dir(&local).unwrap();
    let _socket = UnixListener::bind(local.join("socket")).unwrap();
    nix::unistd::mkfifo(&local.join("fifo"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    fs::write(local.join("file"), "x").unwrap();
    let sandbox = Sandbox::new();
    let report = sandbox.put(&local);
    assert_eq!((report.files, report.skipped, report.unreadable), (3, 0, 0));
    assert_eq!(sandbox.put(&local).files_unchanged, 3);
    let out = place.path().join("out");
    assert_eq!(sandbox.get(&out).failed, 0);
    let sort = |name: &str| fs::symlink_metadata(out.join(name)).unwrap().file_type();
    assert!(sort("socket").is_socket() && sort("fifo").is_fifo() && sort("file").is_file());
    let replace =
        GetOptions { overwrite: crate::files::Overwrite::IfChanged, ..GetOptions::default() };
    assert_eq!(sandbox.get_with("/", &out, &replace).unwrap().failed, 0);
    assert!(sort("fifo").is_fifo());
}

#[test]
fn temporary_files_of_ours_are_passed_over_and_said() {
    let place = tempfile::tempdir().unwrap();
    let local = place.path().join("local");
    fs::create_dir(&local).unwrap();
    for name in [".aeordb-7-0", ".d.aeordb.0123456789abcdef.aeordb-tmp", ".aeordb-notes"] {
        fs::write(local.join(name), "x").unwrap();
    }
    symlink("to", local.join(".aeordb-7-1")).unwrap();
    fs::create_dir(local.join(".aeordb-7-2")).unwrap();
    let report = Sandbox::new().put(&local);
    assert_eq!((report.files, report.directories, report.skipped), (1, 2, 3));
}

#[test]
fn what_would_have_too_long_a_path_is_left_out_and_said() {
    let place = tempfile::tempdir().unwrap();
    let local = place.path().join("local");
    fs::create_dir_all(local.join("n".repeat(250)).join("d")).unwrap();
    fs::write(local.join("n".repeat(250)).join("d/file"), "x").unwrap();
    fs::write(local.join("f"), "y").unwrap();
    let sandbox = Sandbox::new();
    let monitor = Monitor::new();
    // What is at most 4,096 bytes long is stored: the directory is, the file in it is not.
    let target = at(&format!("{}/{}", format!("/{}", "t".repeat(239)).repeat(16), "u"));
    assert_eq!(target.as_bytes().len(), 3842);
    let sources = vec![Source::Path(local)];
    let report =
        put(&sandbox.database, sources, &target, false, &PutOptions::default(), &monitor).unwrap();
    assert_eq!((report.files, report.unreadable), (1, 1));
    let warnings = monitor.take_warnings();
    assert!(warnings[0].contains("its path has 4100 bytes, the limit is 4096"), "{warnings:?}");
    assert_eq!(sandbox.cat(&format!("{target}/f")), b"y");
}

#[test]
fn mirroring_puts_a_pipe_in_the_place_of_the_file_that_was_there() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("entry");
    fs::write(&path, "x").unwrap();
    let sandbox = Sandbox::new();
    sandbox.put(place.path());
    fs::remove_file(&path).unwrap();
    nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let report = sandbox.mirror(place.path());
    assert_eq!((report.files_changed, report.files_deleted, report.skipped), (1, 0, 0));
    let reader = sandbox.database.reader().unwrap();
    let item = reader.item(&reader.head(), at("/entry")).unwrap();
    assert!(matches!(item, Some(Item::Special(_))), "{item:?}");
}

#[test]
fn a_link_is_kept_and_one_that_is_named_is_followed() {
    let place = tempfile::tempdir().unwrap();
    let local = place.path().join("local");
    fs::create_dir(&local).unwrap();
    fs::write(local.join("file"), "content").unwrap();
    symlink("file", local.join("link")).unwrap();
    symlink(&local, place.path().join("named")).unwrap();
    let sandbox = Sandbox::new();
    let report = sandbox.put(&place.path().join("named"));
    assert_eq!(report.files, 2);
    sandbox.put_with(&local.join("link"), "/copy", &PutOptions::default()).unwrap();
    assert_eq!(sandbox.cat("/copy"), b"content");
}

#[test]
fn a_replaced_file_keeps_its_content_type() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("page");
    let sandbox = Sandbox::new();
    fs::write(&path, "one").unwrap();
    let typed = PutOptions { content_type: Some("text/html".into()), ..PutOptions::default() };
    sandbox.put_with(&path, "/page", &typed).unwrap();
    fs::write(&path, "two, longer").unwrap();
    sandbox.put_with(&path, "/page", &PutOptions::default()).unwrap();
    sandbox.mirror(place.path());
    let reader = sandbox.database.reader().unwrap();
    let item = reader.item(&reader.head(), at("/page")).unwrap();
    let Some(crate::object::Item::File(record)) = item else { panic!("{item:?}") };
    assert_eq!(record.content_type.as_deref(), Some("text/html"));
    assert_eq!(sandbox.cat("/page"), b"two, longer");
}

#[test]
fn the_database_is_not_put_into_itself() {
    let place = tempfile::tempdir().unwrap();
    fs::write(place.path().join("file"), "x").unwrap();
    let path = place.path().join("data.aeordb");
    let options = crate::db::Options::default();
    for _ in 0..2 {
        let database = crate::db::Database::open_or_create(&path, &options).unwrap();
        let sources = vec![Source::Path(place.path().into())];
        let report =
            put(&database, sources, at("/"), false, &PutOptions::default(), &Monitor::new());
        assert_eq!(report.unwrap().files, 1);
        database.close().unwrap();
    }
}

#[test]
fn what_is_to_come_is_counted_for_those_who_look() {
    let place = tempfile::tempdir().unwrap();
    fs::create_dir(place.path().join("below")).unwrap();
    fs::write(place.path().join("file"), "123").unwrap();
    fs::write(place.path().join("below/file"), "12345").unwrap();
    let monitor = Monitor::new();
    let done = std::sync::atomic::AtomicBool::new(false);
    crate::files::count::count(&[place.path().into()], &std::sync::Arc::default(), &done, &monitor);
    let progress = monitor.progress();
    assert_eq!((progress.files_expected, progress.bytes_expected), (2, 8));
}

#[test]
fn a_file_whose_length_nobody_knows_is_read_to_its_end() {
    let system = Path::new("/proc/sys/vm");
    let Ok(expected) = fs::read(system.join("overcommit_memory")) else { return };
    let sandbox = Sandbox::new();
    sandbox.put_with(system, "/vm", &PutOptions::default()).unwrap();
    assert_eq!(sandbox.cat("/vm/overcommit_memory"), expected);
    let single = PutOptions::default();
    let put = sandbox.put_with(Path::new("/proc/version"), "/version", &single).unwrap();
    assert_eq!((put.files, put.unsettled), (1, 0));
    assert_eq!(sandbox.cat("/version"), fs::read("/proc/version").unwrap());
}
