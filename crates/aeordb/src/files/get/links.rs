//! Files that have several paths: where the first of them was restored. Memory grows with the number
//! of such files, some 200 bytes and a path each.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path as LocalPath, PathBuf};

use super::place::Place;
use crate::error::{Context, Result};
use crate::hash::Hash;
use crate::object::{HardLink, Item, Path};

/// A file: the directory that has all its paths, its group there, and what it is. Items that differ
/// are not one file, whatever they say.
pub type Key = (Path, [u8; 8], Hash);

/// Where a file was restored.
pub struct Made {
    /// The path from the top of the restore.
    pub path: PathBuf,
    /// Device and inode.
    pub file: (u64, u64),
}

/// Files with several paths, by where they are in the version.
#[derive(Default)]
pub struct Links {
    top: Option<OwnedFd>,
    start: usize,
    made: HashMap<Key, Made>,
}

impl Links {
    /// Begins at `place`, which is `path` in the version.
    pub fn start(&mut self, place: &Place, path: &Path) -> Result<()> {
        let what = || format!("looking at {}", place.path().display());
        self.top = Some(place.own_handle().context(what)?);
        self.start = if path.is_root() { 1 } else { path.as_bytes().len() + 1 };
        Ok(())
    }

    /// What says that an item of the directory `at` is the same file as another.
    pub fn key(at: &Path, item: &Item, link: HardLink) -> Result<Key> {
        let mut above = at.clone();
        for _ in 0..link.up {
            above = above.parent().unwrap_or_else(Path::root);
        }
        let same = Hash::of(&item.clone().with_link(None).encode()?);
        Ok((above, link.group, same))
    }

    /// Where it was restored first.
    pub fn get(&self, key: &Key) -> Option<&Made> {
        self.made.get(key)
    }

    /// The directory that paths of what was made start from.
    pub fn top(&self) -> Option<BorrowedFd<'_>> {
        self.top.as_ref().map(AsFd::as_fd)
    }

    /// Notes that `path` was restored as this `file`.
    pub fn made(&mut self, key: Key, path: &Path, file: Option<(u64, u64)>) {
        let below = path.as_bytes().get(self.start..).unwrap_or_default();
        if let Some(file) = file {
            let path = LocalPath::new(OsStr::from_bytes(below)).to_path_buf();
            self.made.entry(key).or_insert(Made { path, file });
        }
    }
}
