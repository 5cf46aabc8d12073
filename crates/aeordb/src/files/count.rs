//! How much there is to put, counted beside the work so that progress can say how long it takes.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use crate::files::beneath::Tree;
use crate::files::extended::{Keep, KeepOptions};
use crate::files::scan::{self, Entries, Entry, Found};
use crate::watch::Watch;

/// Counts files and bytes at and below `paths` and says what to expect, unless `done` comes first.
/// What cannot be looked at is not counted.
pub fn count(paths: &[PathBuf], done: &AtomicBool, watch: &Watch) {
    let (mut files, mut bytes) = (0u64, 0u64);
    let keep = Keep::new(KeepOptions::NOTHING);
    for path in paths {
        match fs::metadata(path) {
            Ok(found) if found.is_dir() => {}
            Ok(found) => (files, bytes) = (files + 1, bytes + found.len()),
            Err(_) => {}
        }
        let Some(tree) = fs::canonicalize(path).ok().and_then(|path| Tree::open(&path).ok()) else {
            continue;
        };
        let (tree, mut waiting) = (Arc::new(tree), vec![PathBuf::new()]);
        while let Some(directory) = waiting.pop() {
            let take = |entry: Entry| match entry.found {
                Found::Directory => waiting.push(scan::join(&directory, &entry.name)),
                Found::File(stat) => (files, bytes) = (files + 1, bytes + stat.size),
                Found::Symlink(_) | Found::Special(_) => files += 1,
                Found::Unreadable(_) => {}
            };
            let scanned = scan::scan(&tree, &directory, &keep);
            if done.load(Relaxed) {
                return;
            }
            match scanned.map(|scanned| scanned.entries) {
                Ok(Entries::Few(entries)) => entries.into_iter().for_each(take),
                Ok(Entries::Many(names)) => {
                    (0..names.pages())
                        .take_while(|_| !done.load(Relaxed))
                        .flat_map(|page| names.page(page, &keep))
                        .for_each(take);
                }
                Err(_) => {}
            }
        }
    }
    if !done.load(Relaxed) {
        watch.expect(files, bytes);
    }
}
