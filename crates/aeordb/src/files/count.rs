//! How much there is to put, counted beside the work so that progress can say how long it takes.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use crate::files::beneath::Tree;
use crate::files::choose::{Choice, Within};
use crate::files::extended::{Keep, KeepOptions};
use crate::files::scan::{self, Entries, Entry, Facts, Found, Scanned};
use crate::monitor::Monitor;

/// Counts files and bytes of what is chosen at and below `paths` and says what to expect, unless `done`
/// comes first. What cannot be looked at is not counted.
pub fn count(paths: &[PathBuf], choice: &Arc<Choice>, done: &AtomicBool, monitor: &Monitor) {
    let mut counted = Counted::default();
    let keep = Keep::new(KeepOptions::NOTHING);
    for path in paths {
        let (Ok(found), Ok(path)) = (fs::metadata(path), fs::canonicalize(path)) else { continue };
        let name = path.file_name().filter(|_| paths.len() > 1).unwrap_or_default();
        let start = Within::start(choice, PathBuf::new(), &Facts::of(&found));
        if !name.is_empty() && start.leaves_out(name.as_bytes(), found.is_dir()) {
            continue;
        }
        let Some(tree) = found.is_dir().then(|| Tree::open(&path).ok()).flatten() else {
            counted.add(found.len());
            continue;
        };
        let start = Within::start(choice, name.into(), &Facts::of(&found));
        let (tree, mut waiting) = (Arc::new(tree), vec![(PathBuf::new(), start)]);
        while let Some((directory, within)) = waiting.pop() {
            let scanned = scan::scan(&tree, &directory, &keep, within);
            if done.load(Relaxed) {
                return;
            }
            let Ok(Scanned { entries, within, .. }) = scanned else { continue };
            let take = |entry: Entry| match entry.found {
                Found::Directory if within.is_elsewhere(&entry.facts) => {}
                Found::Directory => {
                    let below = scan::join(&directory, &entry.name);
                    waiting.push((below, within.enter(&entry.name)));
                }
                Found::File(stat) if within.is_too_large(stat.size) => {}
                Found::File(stat) => counted.add(stat.size),
                Found::Symlink(_) | Found::Special(_) => counted.add(0),
                Found::Unreadable(_) => {}
            };
            match entries {
                Entries::Few(entries) => entries.into_iter().for_each(take),
                Entries::Many(names) => (0..names.pages())
                    .take_while(|_| !done.load(Relaxed))
                    .flat_map(|page| names.page(page, &keep))
                    .for_each(take),
            }
        }
    }
    if !done.load(Relaxed) {
        monitor.expect(counted.files, counted.bytes);
    }
}

#[derive(Default)]
struct Counted {
    files: u64,
    bytes: u64,
}

impl Counted {
    fn add(&mut self, bytes: u64) {
        self.files += 1;
        self.bytes += bytes;
    }
}
