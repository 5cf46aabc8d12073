//! Files that have several paths: where the first of them was restored. Memory grows with the number
//! of such files, some 200 bytes and a path each.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path as LocalPath, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{OFlag, openat};
use nix::sys::stat::{Mode, fstat};

use super::place::Place;
use crate::error::{Context, Result};
use crate::hash::AttributesId;
use crate::object::Path;
use crate::object::hard_link::InodeKey;

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
    /// The path by which people know it.
    shown: PathBuf,
    start: usize,
    made: HashMap<InodeKey, Made>,
    fixed_later: Vec<(Made, Option<AttributesId>)>,
}

impl Links {
    /// Begins at `place`, which is `path` in the version. What was made before stays known, if it was
    /// from the same place.
    pub fn start(&mut self, place: Option<&Place>, path: &Path) -> Result<()> {
        if let (Some(place), None) = (place, &self.top) {
            let what = || format!("looking at {}", place.path().display());
            self.top = Some(place.own_handle().context(what)?);
            self.shown = place.path().to_owned();
        }
        self.start = if path.is_root() { 1 } else { path.as_bytes().len() + 1 };
        Ok(())
    }

    /// Where it was restored first.
    pub fn get(&self, key: &InodeKey) -> Option<&Made> {
        self.made.get(key)
    }

    /// The directory that paths of what was made start from.
    pub fn top(&self) -> Option<BorrowedFd<'_>> {
        self.top.as_ref().map(AsFd::as_fd)
    }

    /// Notes that `path` was restored as this `file`.
    pub fn made(&mut self, key: InodeKey, path: &Path, file: Option<(u64, u64)>) {
        if let Some(file) = file {
            let path = self.below(path);
            self.made.entry(key).or_insert(Made { path, file });
        }
    }

    fn below(&self, path: &Path) -> PathBuf {
        let below = path.as_bytes().get(self.start..).unwrap_or_default();
        LocalPath::new(OsStr::from_bytes(below)).to_path_buf()
    }

    /// Notes that the flags of this set are for `path`, once the file has all its paths.
    pub fn fix_later(&mut self, path: &Path, file: Option<(u64, u64)>, set: Option<AttributesId>) {
        if let Some(file) = file {
            self.fixed_later.push((Made { path: self.below(path), file }, set));
        }
    }

    /// The files that are to get their flags.
    pub fn take_fixed(&mut self) -> Vec<(Made, Option<AttributesId>)> {
        std::mem::take(&mut self.fixed_later)
    }

    /// Opens what was restored, unless somebody put another file there.
    pub fn open(&self, made: &Made) -> nix::Result<OwnedFd> {
        let flags = OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let top = self.top.as_ref().ok_or(Errno::EBADF)?;
        let file = openat(top, &made.path, flags, Mode::empty())?;
        let found = fstat(&file)?;
        if (found.st_dev, found.st_ino) == made.file { Ok(file) } else { Err(Errno::ESTALE) }
    }

    /// The path by which people know what was restored.
    pub fn shown(&self, made: &Made) -> PathBuf {
        self.shown.join(&made.path)
    }
}
