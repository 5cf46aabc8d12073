//! A new file that has something to keep before it gets its name: it is called
//! `.NAME.aeordb-unfinished` until then, so that whoever makes the same file next goes on with it,
//! however this process ends.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{self, OFlag};

use super::unpublished::{REPEATED_LEN_MAX, Unpublished, owner_only};
use super::{FileMedia, leavings, same_file, uninterrupted};
use crate::error::{Context, Error, Result};
use crate::hash::Hash;

/// What the name of a file ends in that is to be gone on with.
const SUFFIX: &str = ".aeordb-unfinished";

/// The name until then of the file that will be called `name`. It follows from that one.
fn unfinished_name(name: &OsStr) -> OsString {
    let mut unfinished = OsString::from(".");
    if name.len() <= REPEATED_LEN_MAX {
        unfinished.push(name);
    } else {
        unfinished.push(Hash::of(name.as_bytes()).to_string());
    }
    unfinished.push(SUFFIX);
    unfinished
}

/// True for the names of files that are to be gone on with.
pub fn is_unfinished_name(name: &OsStr) -> bool {
    let inner = name.as_bytes().strip_prefix(b".");
    let inner = inner.and_then(|inner| inner.strip_suffix(SUFFIX.as_bytes()));
    inner.is_some_and(|inner| !inner.is_empty())
}

impl FileMedia {
    /// Gives a file without its name yet one by which [`FileMedia::open_unfinished`] finds it, and
    /// which stays when it is dropped. [`Error::Locked`] if another has that name.
    pub fn keep_unfinished(&self) -> Result<()> {
        let mut unpublished = self.unpublished();
        let Some(waiting) = unpublished.as_mut().filter(|waiting| !waiting.stays) else {
            return Ok(());
        };
        let name = unfinished_name(&waiting.name);
        let named = match &waiting.temporary {
            None => waiting.link(&self.file, &name),
            Some(temporary) => uninterrupted(|| {
                let directory = &waiting.directory;
                // What is there already is another's work.
                match fcntl::openat(directory, name.as_os_str(), OFlag::O_PATH, owner_only()) {
                    Err(Errno::ENOENT) => {}
                    found => return found.and(Err(Errno::EEXIST)),
                }
                fcntl::renameat(directory, temporary.as_os_str(), directory, name.as_os_str())
            }),
        };
        if named == Err(Errno::EEXIST) {
            let holder = "a process that makes it as well".into();
            return Err(Error::Locked { path: self.path.clone(), holder });
        }
        named.context(|| format!("naming {} until it is whole", self.path.display()))?;
        leavings::release(&self.file);
        (waiting.temporary, waiting.stays) = (Some(name), true);
        waiting.sync_directory(&self.path)
    }

    /// Opens what was kept of a new file for `path` that did not get its name; `None` if there is
    /// nothing.
    pub fn open_unfinished(path: &Path) -> Result<Option<Self>> {
        let (directory, name) = Unpublished::prepare(path)?;
        let temporary = unfinished_name(&name);
        let flags = OFlag::O_RDWR | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
        let open = || fcntl::openat(&directory, temporary.as_os_str(), flags, owner_only());
        let file = match uninterrupted(open) {
            Err(Errno::ENOENT) => return Ok(None),
            opened => opened.context(|| format!("going on with {}", path.display()))?,
        };
        let file = File::from(file);
        let found = file.metadata().context(|| format!("examining {}", path.display()))?;
        super::refuse_irregular(path, Some(found))?;
        let temporary = Some(temporary);
        let unpublished = Unpublished { directory, name, temporary, stays: true };
        Self::from_unpublished(path, (file, unpublished)).map(Some)
    }

    /// True if a file that was opened to be gone on with is still what has that name, now that it is
    /// locked: whoever made it may have come to the end, or have given it up.
    pub fn still_unfinished(&self) -> bool {
        let unpublished = self.unpublished();
        let temporary = unpublished.as_ref().and_then(|waiting| waiting.temporary.as_ref());
        let Some(temporary) = temporary else { return false };
        let found = fs::symlink_metadata(self.path.with_file_name(temporary));
        let own = self.file.metadata();
        found.is_ok_and(|found| own.is_ok_and(|own| same_file(&found, &own)))
    }

    /// When the file was last written to, in nanoseconds since 1970.
    pub fn written_at(&self) -> Result<i64> {
        let found =
            self.file.metadata().context(|| format!("examining {}", self.path.display()))?;
        Ok(found.mtime().saturating_mul(1_000_000_000).saturating_add(found.mtime_nsec()))
    }

    /// Gives up a file that was to be gone on with, whose writer's lock is held.
    pub fn give_up_unfinished(&self) {
        if let Some(waiting) = self.unpublished().as_mut() {
            waiting.stays = false;
        }
    }
}
