//! The local cache of unchanged files: what the file system said of each file when it was last read,
//! and its token: the hash of its bytes, with that of what else is kept of it. It is outside the
//! database and never decides alone: a file is taken as unchanged only if the database has just that
//! at that path. Any defect of it means that files are read.
//!
//! It is read and written in the order of the walk. What a run saw that did not come to its end is kept
//! beside until one does.

mod blocks;

use std::fs;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path as LocalPath, PathBuf};

use self::blocks::{Blocks, KEY_LEN_MAX, Stream};
use crate::files::scan::Stat;
use crate::hash::Hash;
use crate::object::FileRecord;

/// What the cache is called while it is written, and what of runs is called that did not end.
const TEMPORARY: &str = "tmp";
const PART: &str = "part";
const MERGED: &str = "merged";

/// The key of what is called `name` in the directory with the key `directory`. Names are parted by
/// a byte that is in none and below all others, so that keys ascend as the walk goes.
pub fn key(directory: &[u8], name: &[u8]) -> Vec<u8> {
    [directory, b"\0", name].concat()
}

/// What a file that was read is known by: the hash of its bytes, and that of its attribute set.
pub fn token(record: &FileRecord) -> Hash {
    let mut token = *record.content_hash.as_bytes();
    if let Some(set) = &record.attributes.set {
        token.iter_mut().zip(set.hash().as_bytes()).for_each(|(byte, other)| *byte ^= other);
    }
    Hash::new(token)
}

/// Where the cache of one local tree is.
#[derive(Clone)]
pub struct CacheFile(Option<PathBuf>);

impl CacheFile {
    /// The cache in `directory` for the tree that `identity` names; with `None` there is none.
    pub fn new(directory: Option<&LocalPath>, identity: &[u8]) -> Self {
        CacheFile(directory.map(|directory| directory.join(Hash::of(identity).to_string())))
    }

    /// What was known when the cache was last written, and what runs saw since that did not end.
    pub fn known(&self) -> Known {
        let Some(path) = &self.0 else { return Known::nothing() };
        take_up(path);
        let paths = [path.clone(), path.with_extension(PART)];
        Known { streams: paths.iter().filter_map(|path| Stream::open(path)).collect() }
    }

    /// Begins a new cache. `started`: the time at which the tree is looked at. What is remembered
    /// `stays` for the next run also if this one does not save it.
    pub fn remember(&self, started: i64, stays: bool) -> Remembered {
        let begin = |path: &PathBuf| {
            own_directory(path.parent()?)?;
            Some((path.clone(), Blocks::create(&path.with_extension(TEMPORARY))?))
        };
        Remembered { file: self.0.as_ref().and_then(begin), started, stays }
    }
}

/// What a run left that did not end joins what those before it left.
fn take_up(path: &LocalPath) {
    let (left, part) = (path.with_extension(TEMPORARY), path.with_extension(PART));
    let Some(newer) = Stream::open(&left) else { return };
    let merged = match Stream::open(&part) {
        None => fs::rename(&left, &part),
        Some(older) => {
            let merged = path.with_extension(MERGED);
            match blocks::merge(newer, older, &merged) {
                Some(()) => fs::rename(merged, &part).and_then(|()| fs::remove_file(&left)),
                None => fs::remove_file(merged),
            }
        }
    };
    // Then files are read again, no more.
    drop(merged);
}

/// Makes a directory that is its owner's alone: names and sizes of files that others may not read
/// are in it.
fn own_directory(path: &LocalPath) -> Option<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path).ok()?;
    let mode = fs::metadata(path).ok()?.mode();
    match mode & 0o077 {
        0 => Some(()),
        _ => fs::set_permissions(path, fs::Permissions::from_mode(mode & 0o700)).ok(),
    }
}

/// What of a file may be another although it is the same file.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Ignored {
    /// The device: a snapshot of a file system is mounted as one of its own.
    pub device: bool,
    /// The number of the inode: some file systems give another one at every mount.
    pub inode: bool,
    /// The time of the inode's change: a copy has one of its own.
    pub ctime: bool,
}

impl Ignored {
    /// What is left to tell a file by.
    fn of(self, stat: Stat) -> Stat {
        Stat {
            device: if self.device { 0 } else { stat.device },
            inode: if self.inode { 0 } else { stat.inode },
            ctime: if self.ctime { 0 } else { stat.ctime },
            ..stat
        }
    }
}

/// What is known of files.
pub struct Known {
    streams: Vec<Stream>,
}

impl Known {
    /// Nothing is known.
    pub fn nothing() -> Self {
        Known { streams: Vec::new() }
    }

    /// The token that the file had when it looked just like this, but for what is ignored. Keys ascend
    /// from call to call.
    pub fn find(&mut self, key: &[u8], stat: &Stat, ignored: Ignored) -> Option<Hash> {
        self.streams.iter_mut().find_map(|stream| {
            let (_, known, hash) = stream.find(key)?;
            (ignored.of(*known) == ignored.of(*stat)).then_some(*hash)
        })
    }
}

/// What is to be known the next time. Whatever goes wrong with it costs time later, nothing else.
pub struct Remembered {
    file: Option<(PathBuf, Blocks)>,
    started: i64,
    stays: bool,
}

impl Remembered {
    /// Remembers a file, unless it changed within `tick` nanoseconds before the start, so that its
    /// times might not tell of another change. Keys ascend.
    pub fn push(&mut self, key: &[u8], stat: &Stat, tick: i64, hash: &Hash) {
        let changed = stat.mtime.max(stat.ctime);
        if key.len() > KEY_LEN_MAX || changed.saturating_add(tick) >= self.started {
            return;
        }
        if let Some((_, blocks)) = &mut self.file
            && blocks.add(key, stat, hash).is_err()
        {
            self.give_up();
        }
    }

    /// Has the next run find what was remembered so far, however this one ends.
    pub fn flush(&mut self) {
        if let Some((_, blocks)) = &mut self.file
            && blocks.flush().is_err()
        {
            self.give_up();
        }
    }

    /// Puts the new cache in the place of the old one.
    pub fn save(mut self) {
        self.flush();
        let Some((path, _)) = &self.file else { return };
        if fs::rename(path.with_extension(TEMPORARY), path).is_ok() {
            let _ = fs::remove_file(path.with_extension(PART));
            self.file = None;
        }
    }

    fn give_up(&mut self) {
        if let Some((path, _)) = self.file.take() {
            let _ = fs::remove_file(path.with_extension(TEMPORARY));
        }
    }
}

impl Drop for Remembered {
    fn drop(&mut self) {
        if self.stays {
            self.flush();
        } else {
            self.give_up();
        }
    }
}
