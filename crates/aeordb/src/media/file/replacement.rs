//! A file that takes the place of another in one step: whole and synced first, then renamed over
//! it. Whoever has the old file open keeps it.
//!
//! Until then it has no name, or a temporary one that follows from the name of the other. So what
//! a killed process left behind is known to the next writer, who alone may use that name.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{self, OFlag};
use nix::unistd::{self, UnlinkatFlags};

use super::unpublished::{
    REPEATED_LEN_MAX, TEMPORARY_SUFFIX, Unpublished, knows_no_unnamed, open_directory_of,
    owner_only, unnamed,
};
use super::{FileMedia, leavings, uninterrupted};
use crate::error::{Context, Error, Result};
use crate::hash::Hash;

impl FileMedia {
    /// Creates an empty file that is to take the place of `old`, with its owner and mode. If the
    /// path of `old` is a symbolic link, that stays, and the file that it leads to is replaced.
    ///
    /// [`Error::Invalid`] if `old` has several names: the others would go on leading to it.
    pub fn create_in_place_of(old: &FileMedia) -> Result<Self> {
        Self::in_place_of(old, true)
    }

    pub(super) fn in_place_of(old: &FileMedia, without_name: bool) -> Result<Self> {
        old.check_replaceable()?;
        let path = old.real_path()?;
        let (file, unpublished) = Unpublished::in_place_of(&path, without_name)?;
        let media = Self::from_unpublished(&path, (file, unpublished))?;
        let found = old.file.metadata().context(|| format!("examining {}", path.display()))?;
        media.own_as(&found)?;
        Ok(media)
    }

    /// Gives the file the owner and mode of another, where these differ: some file systems let
    /// nobody set them.
    fn own_as(&self, other: &fs::Metadata) -> Result<()> {
        let path = self.path.display();
        let own = self.file.metadata().context(|| format!("examining the new {path}"))?;
        if (own.uid(), own.gid()) != (other.uid(), other.gid()) {
            let (user, group) = (other.uid(), other.gid());
            fchown(&self.file, Some(user), Some(group)).context(|| {
                format!(
                    "giving the new {path} the owner of the old one (user {user}, group {group})"
                )
            })?;
        }
        // The owner may have changed it: some bits are lost with that.
        let own = self.file.metadata().context(|| format!("examining the new {path}"))?;
        let mode = other.mode() & 0o7777;
        if own.mode() & 0o7777 != mode {
            let permissions = fs::Permissions::from_mode(mode);
            self.file.set_permissions(permissions).context(|| {
                format!("giving the new {path} the mode of the old one ({mode:04o})")
            })?;
        }
        Ok(())
    }

    /// Makes this file, which was created for that, durable and puts it in the place of `old`, in
    /// one step. After an error `old` is in its place, except when the directory could not be
    /// synced: then either may be there after a crash, whole.
    pub fn take_place_of(&self, old: &FileMedia) -> Result<()> {
        let mut unpublished = self.unpublished();
        let Some(waiting) = unpublished.as_ref() else {
            return Err(Error::invalid(format!("{} is published already", self.path.display())));
        };
        self.file.sync_all().context(|| format!("syncing the new {}", self.path.display()))?;
        old.check_replaceable()?;
        waiting.take_place(&self.file).context(|| format!("replacing {}", self.path.display()))?;
        leavings::release(&self.file);
        match unpublished.take() {
            Some(named) => named.sync_directory(&self.path),
            None => Ok(()),
        }
    }

    /// Removes what a process left behind that was killed while it replaced this file. Only the
    /// holder of the writer's lock may do that.
    pub fn remove_leftover(&self) {
        if let Ok(path) = self.real_path()
            && let Some(name) = path.file_name()
        {
            // It is in nobody's way, and the next compaction says what hinders it.
            let _ = fs::remove_file(path.with_file_name(replacement_name(name)));
        }
    }

    /// Where the file itself is, symbolic links followed.
    fn real_path(&self) -> Result<PathBuf> {
        fs::canonicalize(&self.path).context(|| format!("examining {}", self.path.display()))
    }

    fn check_replaceable(&self) -> Result<()> {
        let path = self.path.display();
        if !self.still_at_path()? {
            let what = self.path.display().to_string();
            let detail = "another file has been put in its place meanwhile".into();
            return Err(Error::Changed { what, detail });
        }
        let found = self.file.metadata().context(|| format!("examining {path}"))?;
        match found.nlink() {
            0 | 1 => Ok(()),
            names => Err(Error::invalid(format!(
                "{path} has {names} names (hard links), expected one: the others would go on \
                 leading to the old file; remove them, or work on a copy"
            ))),
        }
    }
}

impl Unpublished {
    /// Creates an empty file that will be renamed over the one at `path`.
    fn in_place_of(path: &Path, without_name: bool) -> Result<(File, Self)> {
        let name = path.file_name().unwrap_or_default().to_owned();
        let directory = open_directory_of(path)?;
        let temporary = replacement_name(&name);
        let creating = || format!("creating {}", path.with_file_name(&temporary).display());
        match unistd::unlinkat(&directory, temporary.as_os_str(), UnlinkatFlags::NoRemoveDir) {
            Ok(()) | Err(Errno::ENOENT) => {}
            Err(errno) => return Err(errno).context(creating),
        }
        match if without_name { unnamed(&directory) } else { Err(Errno::EOPNOTSUPP) } {
            Ok(file) => {
                // It has the temporary name for a moment before it takes the other's place.
                leavings::hold(&file).context(creating)?;
                return Ok((file, Unpublished { directory, name, temporary: None, stays: false }));
            }
            Err(errno) if knows_no_unnamed(errno) => {}
            Err(errno) => return Err(errno).context(creating),
        }
        let flags = OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_RDWR | OFlag::O_CLOEXEC;
        let created =
            uninterrupted(|| fcntl::openat(&directory, temporary.as_os_str(), flags, owner_only()));
        let file = File::from(created.context(creating)?);
        leavings::hold(&file).context(creating)?;
        Ok((file, Unpublished { directory, name, temporary: Some(temporary), stays: false }))
    }

    /// Renames `file` over what has its name.
    fn take_place(&self, file: &File) -> nix::Result<()> {
        let temporary = replacement_name(&self.name);
        if self.temporary.is_none() {
            self.link(file, &temporary)?;
        }
        let (directory, name) = (&self.directory, self.name.as_os_str());
        let renamed =
            uninterrupted(|| fcntl::renameat(directory, temporary.as_os_str(), directory, name));
        if renamed.is_err() && self.temporary.is_none() {
            self.remove_name(&temporary);
        }
        renamed
    }
}

/// `.NAME.HASH.aeordb-tmp`: another for every name, at most 255 bytes.
fn replacement_name(name: &OsStr) -> OsString {
    let repeated = &name.as_bytes()[..name.len().min(REPEATED_LEN_MAX)];
    let hash = Hash::of(name.as_bytes()).to_string();
    let mut temporary = OsString::from(".");
    temporary.push(OsStr::from_bytes(repeated));
    temporary.push(format!(".{}{TEMPORARY_SUFFIX}", hash.get(..16).unwrap_or(&hash)));
    temporary
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::media::Media;

    fn names(folder: &Path) -> Vec<OsString> {
        let mut names: Vec<_> =
            fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_takes_the_place_of_another_in_one_step() {
        for without_name in [true, false] {
            let folder = tempfile::tempdir().unwrap();
            let (path, link) = (folder.path().join("file"), folder.path().join("link"));
            fs::write(&path, "old").unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
            symlink("file", &link).unwrap();
            let old = FileMedia::open_write(&link).unwrap();
            let new = FileMedia::in_place_of(&old, without_name).unwrap();
            new.write_at(b"new", 0).unwrap();
            assert_eq!(names(folder.path()).len(), if without_name { 2 } else { 3 });
            assert_eq!(fs::read(&link).unwrap(), b"old");
            new.take_place_of(&old).unwrap();
            assert!(new.is_published() && new.still_at_path().unwrap());
            assert!(!old.still_at_path().unwrap());
            assert!(matches!(new.take_place_of(&old), Err(Error::Invalid(_))));
            drop(new);
            assert_eq!(fs::read(&path).unwrap(), b"new");
            assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o640);
            assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
            assert_eq!(names(folder.path()), ["file", "link"]);
        }
    }

    #[test]
    fn what_cannot_be_replaced_stays_and_nothing_is_left_beside_it() {
        for without_name in [true, false] {
            let folder = tempfile::tempdir().unwrap();
            let (path, other) = (folder.path().join("file"), folder.path().join("other"));
            fs::write(&path, "old").unwrap();
            let old = FileMedia::open_write(&path).unwrap();
            drop(FileMedia::in_place_of(&old, without_name).unwrap());
            assert_eq!(names(folder.path()), ["file"]);

            let new = FileMedia::in_place_of(&old, without_name).unwrap();
            fs::hard_link(&path, &other).unwrap();
            assert!(matches!(new.take_place_of(&old), Err(Error::Invalid(_))));
            assert!(matches!(FileMedia::in_place_of(&old, without_name), Err(Error::Invalid(_))));
            fs::rename(&other, folder.path().join("theirs")).unwrap();
            fs::remove_file(folder.path().join("theirs")).unwrap();
            fs::write(&other, "theirs").unwrap();
            fs::rename(&other, &path).unwrap();
            assert!(matches!(new.take_place_of(&old), Err(Error::Changed { .. })));
            drop(new);
            assert_eq!(names(folder.path()), ["file"]);
            assert_eq!(fs::read(&path).unwrap(), b"theirs");
        }
    }

    #[test]
    fn a_leftover_is_known_by_its_name_whatever_the_length_of_that() {
        let folder = tempfile::tempdir().unwrap();
        let long = "n".repeat(254);
        let (a, b) = (
            replacement_name(OsStr::new(&format!("{long}a"))),
            replacement_name(OsStr::new(&format!("{long}b"))),
        );
        assert!(a.len() <= 255 && a != b);
        for leftover in [&a, &b] {
            fs::write(folder.path().join(leftover), "half").unwrap();
        }
        let path = folder.path().join(format!("{long}a"));
        fs::write(&path, "old").unwrap();
        let old = FileMedia::open_write(&path).unwrap();
        old.remove_leftover();
        assert_eq!(names(folder.path()).len(), 2);
        fs::write(folder.path().join(&a), "half").unwrap();
        let new = FileMedia::in_place_of(&old, false).unwrap();
        assert_eq!(new.len().unwrap(), 0);
        drop(new);
        assert_eq!(names(folder.path()).len(), 2);
    }
}
