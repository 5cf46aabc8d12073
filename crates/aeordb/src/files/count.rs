//! How much there is to put, counted beside the work so that progress can say how long it takes.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use crate::watch::Watch;

/// Counts files and bytes at and below `paths` and says what to expect, unless `done` comes first.
/// What cannot be looked at is not counted.
pub fn count(paths: &[PathBuf], done: &AtomicBool, watch: &Watch) {
    let (mut files, mut bytes) = (0u64, 0u64);
    let mut waiting = Vec::new();
    for path in paths {
        match fs::metadata(path) {
            Ok(found) if found.is_dir() => waiting.push(path.clone()),
            Ok(found) => (files, bytes) = (files + 1, bytes + found.len()),
            Err(_) => {}
        }
    }
    while let Some(directory) = waiting.pop() {
        for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
            if done.load(Relaxed) {
                return;
            }
            match entry.metadata() {
                Ok(found) if found.is_dir() => waiting.push(entry.path()),
                Ok(found) if found.is_file() => (files, bytes) = (files + 1, bytes + found.len()),
                Ok(found) if found.is_symlink() => files += 1,
                _ => {}
            }
        }
    }
    if !done.load(Relaxed) {
        watch.expect(files, bytes);
    }
}
