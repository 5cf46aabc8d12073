//! Damaged databases: what is sound is restored, what is not is named and never data.

use std::fs;
use std::path::Path as LocalPath;
use std::sync::Arc;

use super::{Sandbox, at, trees};
use crate::db::{Database, Options};
use crate::files::{GetOptions, get};
use crate::media::MemoryMedia;
use crate::monitor::Monitor;

#[test]
fn files_of_damaged_blocks_are_left_out_and_all_others_restored() {
    let place = tempfile::tempdir().unwrap();
    let local = place.path().join("local");
    fs::create_dir_all(local.join("d")).unwrap();
    for number in 0..12 {
        fs::write(local.join(format!("d/{number:02}")), trees::noise(number, 900_000)).unwrap();
    }
    let sandbox = Sandbox::new();
    sandbox.put(&local);
    let Sandbox { media, database } = sandbox;
    // Closed, it knows that all of it was synced: what is broken is damage, not a torn tail.
    database.close().unwrap();
    let mut bytes = media.to_vec();
    bytes[5_000_000] ^= 1;
    let media = Arc::new(MemoryMedia::with_limit(bytes, u64::MAX));
    let name = LocalPath::new("damaged");
    let database = Database::open_media(media, name, &Options::default()).unwrap();
    let reader = database.reader().unwrap();
    let monitor = Arc::new(Monitor::new());
    let out = place.path().join("out");
    let options = GetOptions::default();
    let report = get(&reader, &reader.head(), at("/"), &out, &options, &monitor).unwrap();
    assert!(report.failed >= 1 && report.failed <= 4, "{report:?}");
    assert_eq!((report.damaged, report.files), (report.failed, 12 - report.failed));
    let warnings = monitor.take_warnings();
    assert!(warnings.iter().all(|warning| warning.contains("is damaged")), "{warnings:?}");
    let (whole, restored) = (trees::all(&local), trees::all(&out));
    assert_eq!(restored.len() as u64, 1 + report.files);
    assert!(restored.iter().all(|(path, shown)| whole.get(path) == Some(shown)));
}
