//! A file that is not there yet: what it takes to give it its name, or to leave nothing behind.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{self, AT_FDCWD, AtFlags, OFlag};
use nix::libc;
use nix::sys::stat::{self, Mode};
use nix::unistd::{self, UnlinkatFlags};

use super::leavings;
use crate::error::{Context, Error, Result};
use crate::media::elsewhere::check_here;
use crate::random;

/// What the name of a file ends in that was not published yet. One that a killed process left
/// behind can be removed.
pub const TEMPORARY_SUFFIX: &str = ".aeordb-tmp";

/// Bytes of the final name that a temporary name repeats: the rest of 255 is for the additions.
pub(super) const REPEATED_LEN_MAX: usize = 200;
/// Hexadecimal digits that make a temporary name another.
const NUMBER_LEN: usize = 16;
/// Random names that are tried before it is someone else's fault that all of them exist.
const ATTEMPTS: usize = 64;

const NO_FOLLOW: AtFlags = AtFlags::AT_SYMLINK_NOFOLLOW;

/// Where a created file is and what it shall be called. The directory is held open, so that it
/// may be renamed while the file is written.
#[derive(Debug)]
pub(super) struct Unpublished {
    pub(super) directory: File,
    pub(super) name: OsString,
    /// Its name until then, on file systems without unnamed files.
    pub(super) temporary: Option<OsString>,
    /// It keeps that name if it does not get its own.
    pub(super) stays: bool,
}

impl Unpublished {
    /// Creates an empty file for `path`, without a name where that is possible.
    pub(super) fn create(path: &Path) -> Result<(File, Self)> {
        let (directory, name) = Self::prepare(path)?;
        match unnamed(&directory) {
            Ok(file) => Ok((file, Unpublished { directory, name, temporary: None, stays: false })),
            Err(errno) if knows_no_unnamed(errno) => {
                Self::with_temporary_name(path, directory, name)
            }
            Err(errno) => Err(errno).context(|| format!("creating {}", path.display())),
        }
    }

    /// Creates an empty file for `path` under a temporary name.
    #[cfg(test)]
    pub(super) fn create_named(path: &Path) -> Result<(File, Self)> {
        let (directory, name) = Self::prepare(path)?;
        Self::with_temporary_name(path, directory, name)
    }

    /// The open directory and the name in it, which must be free.
    pub(super) fn prepare(path: &Path) -> Result<(File, OsString)> {
        check_here(path)?;
        let name = path.file_name().ok_or_else(|| {
            Error::invalid(format!("'{}' is not the name of a file", path.display()))
        })?;
        if fs::symlink_metadata(path).is_ok() {
            return Err(Error::Exists(path.display().to_string()));
        }
        Ok((open_directory_of(path)?, name.to_owned()))
    }

    fn with_temporary_name(path: &Path, directory: File, name: OsString) -> Result<(File, Self)> {
        let creating = || format!("creating {}", path.display());
        leavings::remove_left(&directory, is_temporary_name);
        for _ in 0..ATTEMPTS {
            let temporary = temporary_name(&name)?;
            match super::uninterrupted(|| create_new(&directory, &temporary)) {
                Err(Errno::EEXIST) => continue,
                Ok(file) if !leavings::hold(&file).context(creating)? => continue,
                created => {
                    let file = created.context(creating)?;
                    return Ok((
                        file,
                        Unpublished { directory, name, temporary: Some(temporary), stays: false },
                    ));
                }
            }
        }
        Err(Errno::EEXIST).context(creating)
    }

    /// Gives `file` its name, which must be free; `path` is for the error.
    pub(super) fn give_name(&self, file: &File, path: &Path) -> Result<()> {
        let given = match &self.temporary {
            None => self.link(file, &self.name),
            Some(temporary) => super::uninterrupted(|| self.rename(temporary)),
        };
        match given {
            Err(Errno::EEXIST) => Err(Error::Exists(path.display().to_string())),
            given => given.context(|| format!("publishing {}", path.display())),
        }
    }

    /// Gives `file`, which has no name, a name that is free.
    pub(super) fn link(&self, file: &File, name: &OsStr) -> nix::Result<()> {
        // A descriptor has no name to link; its entry in /proc does.
        let entry = format!("/proc/self/fd/{}", file.as_raw_fd());
        let follow = AtFlags::AT_SYMLINK_FOLLOW;
        super::uninterrupted(|| {
            unistd::linkat(AT_FDCWD, entry.as_str(), &self.directory, name, follow)
        })
    }

    /// Renames without replacing.
    fn rename(&self, temporary: &OsStr) -> nix::Result<()> {
        #[cfg(all(target_os = "linux", target_env = "gnu"))]
        {
            let (directory, name) = (&self.directory, self.name.as_os_str());
            let flags = fcntl::RenameFlags::RENAME_NOREPLACE;
            match fcntl::renameat2(directory, temporary, directory, name, flags) {
                Err(errno) if knows_no_such_thing(errno) => {}
                renamed => return renamed,
            }
        }
        match self.link_and_unlink(temporary) {
            Err(errno) if knows_no_such_thing(errno) => self.take_and_rename(temporary),
            linked => linked,
        }
    }

    /// What does the same as a rename without replacing where there is none: a link is never
    /// made over anything.
    fn link_and_unlink(&self, temporary: &OsStr) -> nix::Result<()> {
        let (directory, name) = (&self.directory, self.name.as_os_str());
        unistd::linkat(directory, temporary, directory, name, AtFlags::empty())?;
        self.remove_name(temporary);
        Ok(())
    }

    /// What does the same where there are no links either: the name, which must be free, is taken
    /// by an empty file of ours, and only that is renamed over.
    fn take_and_rename(&self, temporary: &OsStr) -> nix::Result<()> {
        let (directory, name) = (&self.directory, self.name.as_os_str());
        let taken = create_new(directory, name)?;
        let is_ours = || {
            let (own, found) = (stat::fstat(&taken)?, stat::fstatat(directory, name, NO_FOLLOW)?);
            Ok((own.st_dev, own.st_ino, 0) == (found.st_dev, found.st_ino, found.st_size))
        };
        if !is_ours()? {
            return Err(Errno::EEXIST);
        }
        let renamed = fcntl::renameat(directory, temporary, directory, name);
        if renamed.is_err() && is_ours() == Ok(true) {
            self.remove_name(name);
        }
        renamed
    }

    /// Makes the name survive a crash.
    pub(super) fn sync_directory(&self, path: &Path) -> Result<()> {
        sync_directory(&self.directory).context(|| {
            let path = path.display();
            format!(
                "{path} is there, whole, but may be gone after a power cut: syncing its directory"
            )
        })
    }

    /// Leaves nothing behind.
    pub(super) fn remove(self) {
        if let Some(temporary) = self.temporary.as_ref().filter(|_| !self.stays) {
            self.remove_name(temporary);
        }
    }

    pub(super) fn remove_name(&self, temporary: &OsStr) {
        // There is nobody to tell, and the name says by itself that it can be removed.
        let _ = unistd::unlinkat(&self.directory, temporary, UnlinkatFlags::NoRemoveDir);
    }
}

/// Makes the names in a directory survive a crash.
pub fn sync_directory(directory: &File) -> io::Result<()> {
    match directory.sync_all() {
        Err(error) if has_nothing_to_sync(&error) => Ok(()),
        synced => synced,
    }
}

/// True if the error says that this file system has nothing to sync in a directory.
fn has_nothing_to_sync(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EINVAL | libc::EOPNOTSUPP | libc::ENOSYS))
}

/// Creates a file of a name that must be free.
fn create_new(directory: &File, name: &OsStr) -> nix::Result<File> {
    let flags = OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_RDWR | OFlag::O_CLOEXEC;
    fcntl::openat(directory, name, flags, owner_only()).map(File::from)
}

/// The directory that `path` is in.
pub(super) fn open_directory_of(path: &Path) -> Result<File> {
    let directory = match path.parent() {
        Some(parent) if parent != Path::new("") => parent.to_owned(),
        _ => PathBuf::from("."),
    };
    let flags = libc::O_DIRECTORY | libc::O_CLOEXEC;
    match OpenOptions::new().read(true).custom_flags(flags).open(&directory) {
        Ok(opened) => Ok(opened),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err(Error::not_found(format!("directory {}", directory.display())))
        }
        Err(error) => Err(error).context(|| format!("opening {}", directory.display())),
    }
}

/// True if the error may say that the file system has no renames that replace nothing, or no links:
/// what is tried next says itself whether it is forbidden.
fn knows_no_such_thing(errno: Errno) -> bool {
    matches!(errno, Errno::EPERM | Errno::EOPNOTSUPP | Errno::ENOSYS | Errno::EINVAL)
}

/// True if the error says that there is no such thing here, or in other words: directory, option or
/// flag not known.
pub(super) fn knows_no_unnamed(errno: Errno) -> bool {
    matches!(
        errno,
        Errno::EOPNOTSUPP | Errno::ENOSYS | Errno::EISDIR | Errno::ENOENT | Errno::EINVAL
    )
}

pub(super) fn owner_only() -> Mode {
    Mode::S_IRUSR | Mode::S_IWUSR
}

/// A file in `directory` without a name. An error too where it could not get one later, because
/// there is no /proc.
pub(super) fn unnamed(directory: &File) -> nix::Result<File> {
    let flags = OFlag::O_TMPFILE | OFlag::O_RDWR | OFlag::O_CLOEXEC;
    let file = super::uninterrupted(|| fcntl::openat(directory, ".", flags, owner_only()))?;
    let file = File::from(file);
    match fs::symlink_metadata(format!("/proc/self/fd/{}", file.as_raw_fd())) {
        Ok(_) => Ok(file),
        Err(_) => Err(Errno::EOPNOTSUPP),
    }
}

/// `.NAME.RANDOM.aeordb-tmp`, at most 255 bytes.
fn temporary_name(name: &OsStr) -> Result<OsString> {
    let repeated = &name.as_bytes()[..name.len().min(REPEATED_LEN_MAX)];
    let random = u64::from_le_bytes(random::bytes()?);
    let mut temporary = OsString::from(".");
    temporary.push(OsStr::from_bytes(repeated));
    temporary.push(format!(".{random:016x}{TEMPORARY_SUFFIX}"));
    Ok(temporary)
}

/// True for the names of files that are not published yet.
pub fn is_temporary_name(name: &OsStr) -> bool {
    let middle = || {
        let rest = name.as_bytes().strip_prefix(b".")?;
        let rest = rest.strip_suffix(TEMPORARY_SUFFIX.as_bytes())?;
        let (rest, number) = rest.split_last_chunk::<NUMBER_LEN>()?;
        Some((rest.strip_suffix(b".")?, number))
    };
    middle().is_some_and(|(repeated, number)| {
        !repeated.is_empty() && number.iter().all(u8::is_ascii_hexdigit)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_temporary_name_fits_any_file_system_and_is_another_each_time() {
        let name = "ä".repeat(127);
        let (a, b) = (
            temporary_name(OsStr::new(&name)).unwrap(),
            temporary_name(OsStr::new(&name)).unwrap(),
        );
        assert!(a.len() <= 255);
        assert_ne!(a, b);
    }

    #[test]
    fn temporary_names_are_told_from_others() {
        let is = |name: &str| is_temporary_name(OsStr::new(name));
        assert!(is(".new.0123456789abcdef.aeordb-tmp"));
        assert!(is_temporary_name(&temporary_name(OsStr::new("a.b c")).unwrap()));
        for other in [
            "new.0123456789abcdef.aeordb-tmp",
            ".0123456789abcdef.aeordb-tmp",
            "..0123456789abcdef.aeordb-tmp",
            ".new.0123456789abcdef",
            ".new.123456789abcdef.aeordb-tmp",
            ".new.0123456789abcdeg.aeordb-tmp",
            ".new.aeordb-tmp",
            ".aeordb-tmp",
            "",
        ] {
            assert!(!is(other), "{other}");
        }
    }

    #[test]
    fn no_way_to_a_name_replaces_what_has_it_and_each_leaves_one_name() {
        type Way = fn(&Unpublished, &OsStr) -> nix::Result<()>;
        let ways: [Way; 3] =
            [Unpublished::rename, Unpublished::link_and_unlink, Unpublished::take_and_rename];
        for way in ways {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("new");
            let (_file, unpublished) = Unpublished::create_named(&path).unwrap();
            let temporary = unpublished.temporary.clone().unwrap();
            fs::write(folder.path().join(&temporary), "whole").unwrap();

            fs::write(&path, "").unwrap();
            assert_eq!(way(&unpublished, &temporary), Err(Errno::EEXIST));
            fs::remove_file(&path).unwrap();
            std::os::unix::fs::symlink("nowhere", &path).unwrap();
            assert_eq!(way(&unpublished, &temporary), Err(Errno::EEXIST));
            fs::remove_file(&path).unwrap();
            way(&unpublished, &temporary).unwrap();

            let names: Vec<_> = fs::read_dir(folder.path())
                .unwrap()
                .map(|entry| entry.unwrap().file_name())
                .collect();
            assert_eq!(names, ["new"]);
            assert_eq!(fs::read(&path).unwrap(), b"whole");
        }
    }

    #[test]
    fn a_name_that_was_taken_is_given_back_if_nothing_can_be_renamed_to_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new");
        let (_file, unpublished) = Unpublished::create_named(&path).unwrap();
        let temporary = unpublished.temporary.clone().unwrap();
        fs::remove_file(folder.path().join(&temporary)).unwrap();
        assert_eq!(unpublished.take_and_rename(&temporary), Err(Errno::ENOENT));
        assert!(fs::symlink_metadata(&path).is_err());
    }

    #[test]
    fn only_an_error_that_says_there_is_nothing_to_sync_is_none() {
        let is = |number| has_nothing_to_sync(&io::Error::from_raw_os_error(number));
        assert!(is(libc::EINVAL) && is(libc::EOPNOTSUPP) && is(libc::ENOSYS));
        assert!(!is(libc::EIO) && !is(libc::ENOSPC) && !is(libc::EACCES));
    }

    #[test]
    fn what_a_killed_process_left_is_removed_and_what_a_living_one_makes_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let left = folder.path().join(".old.0123456789abcdef.aeordb-tmp");
        let theirs = folder.path().join(".old.aeordb-tmp");
        for path in [&left, &theirs] {
            fs::write(path, "half").unwrap();
        }
        let (file, living) = Unpublished::create_named(&folder.path().join("a")).unwrap();
        let (_other, _) = Unpublished::create_named(&folder.path().join("b")).unwrap();
        assert!(!left.exists() && theirs.exists());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3);
        // Its maker is gone.
        drop(file);
        let (_file, _) = Unpublished::create_named(&folder.path().join("c")).unwrap();
        assert!(!folder.path().join(living.temporary.unwrap()).exists());
    }
}
