//! The attributes of what was restored. Some file systems take them from nobody (CIFS, many of FUSE,
//! volumes of containers) and some take them back when a file is closed. What was restored stays
//! then, and what it lacks is told.

use std::ffi::CStr;
use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags, OFlag, openat};
use nix::sys::stat::{FchmodatFlags, FileStat, Mode, UtimensatFlags, fchmodat};
use nix::sys::stat::{fchmod, fstat, fstatat, futimens, utimensat};
use nix::sys::time::TimeSpec;
use nix::unistd::{Gid, Uid, close, fchown, fchownat};
use rustix::fs::{XattrFlags, fsetxattr, lsetxattr};

use super::sets::Extra;
use crate::files::extended::entry_path;
use crate::object::{Attributes, Name};

/// The coarsest that a file system keeps times (FAT), in nanoseconds.
const COARSEST: i128 = 2_000_000_000;

/// Permission bits that let a program run with the rights of another than who runs it.
const SET_IDS: Mode = Mode::S_ISUID.union(Mode::S_ISGID);

/// What gets attributes.
#[derive(Clone, Copy)]
pub enum Target<'t> {
    /// What is open.
    Open(BorrowedFd<'t>),
    /// What has this name in an open directory, and is not followed if it is a link.
    Entry(BorrowedFd<'t>, &'t Name),
}

/// Sets the owner, where it is another one.
type SetOwner = fn(Target<'_>, Option<Uid>, Option<Gid>) -> nix::Result<()>;
type SetXattr = fn(Target<'_>, &CStr, &[u8]) -> nix::Result<()>;

/// The system calls that file systems differ in. Tests put others in their place.
pub struct System {
    pub set_mode: fn(BorrowedFd<'_>, Mode) -> nix::Result<()>,
    pub set_owner: SetOwner,
    pub set_xattr: SetXattr,
    pub set_times: fn(BorrowedFd<'_>, &Times) -> nix::Result<()>,
    pub set_times_of: fn(BorrowedFd<'_>, &Name, &Times) -> nix::Result<()>,
    pub close: fn(OwnedFd) -> nix::Result<()>,
}

/// Both times of a file. There is a way to leave one alone, but not every file system keeps to it.
pub struct Times {
    pub accessed: TimeSpec,
    pub modified: TimeSpec,
}

impl System {
    /// Those of the system that this runs on.
    pub const REAL: System = System {
        set_mode: |file, mode| fchmod(file, mode),
        set_owner: |target, user, group| match target {
            Target::Open(handle) => fchown(handle, user, group),
            Target::Entry(directory, name) => {
                let flags = AtFlags::AT_SYMLINK_NOFOLLOW;
                fchownat(directory, name.as_bytes(), user, group, flags)
            }
        },
        set_xattr: |target, name, value| {
            let set = match target {
                Target::Open(handle) => fsetxattr(handle, name, value, XattrFlags::empty()),
                Target::Entry(directory, entry) => {
                    let path = entry_path(directory, entry.as_bytes());
                    lsetxattr(path, name, value, XattrFlags::empty())
                }
            };
            set.map_err(|error| Errno::from_raw(error.raw_os_error()))
        },
        set_times: |file, times| futimens(file, &times.accessed, &times.modified),
        set_times_of: |directory, name, Times { accessed, modified }| {
            let flags = UtimensatFlags::NoFollowSymlink;
            utimensat(directory, name.as_bytes(), accessed, modified, flags)
        },
        close,
    };
}

/// What a file, link or directory had to be left without.
#[derive(Default, Debug)]
pub struct Lacks {
    /// One sentence each.
    told: Vec<String>,
    /// Kinds of what whoever restores may not have the right to set, and why: they are counted.
    counted: Vec<(String, &'static str)>,
    /// It was left without its setuid and setgid bits.
    pub without_set_ids: bool,
}

impl Lacks {
    /// Nothing, or the sentences as one.
    pub fn told(&self) -> Option<String> {
        (!self.told.is_empty()).then(|| self.told.join("; "))
    }

    /// Kinds of what is missing and counted, and why.
    pub fn counted(&self) -> &[(String, &'static str)] {
        &self.counted
    }

    /// Says one more thing that it was left without.
    pub fn tell(&mut self, lack: String) {
        self.told.push(lack);
    }

    /// Counts one more thing that it was left without.
    pub fn count(&mut self, kind: &str, why: &'static str) {
        self.counted.push((kind.to_owned(), why));
    }

    fn mode(&mut self, mode: Mode, why: &str) {
        self.tell(format!("without its mode {:04o}: {why}", mode.bits()));
    }

    fn time(&mut self, why: &str) {
        self.tell(format!("without its time of modification: {why}"));
    }

    /// That neither could be set.
    pub fn both(why: Errno) -> Lacks {
        let told = vec![format!("without its mode and time: {}", why.desc())];
        Lacks { told, ..Lacks::default() }
    }

    fn has_time(&self) -> bool {
        self.told.iter().all(|lack| !lack.starts_with("without its time"))
    }
}

impl System {
    /// Gives an open file or directory its attributes and what its set says, but for the flags. It
    /// gets setuid and setgid bits only with `set_ids` or with the owner that it had.
    pub fn set(
        &self,
        handle: impl AsFd,
        attributes: &Attributes,
        extra: &Extra<'_>,
        set_ids: bool,
        lacks: &mut Lacks,
    ) {
        let handle = handle.as_fd();
        let target = Target::Open(handle);
        extra.set_xattrs(self, target, true, lacks);
        // Looking is cheaper than changing, and most files have all from the start.
        let same_owner = match fstat(handle) {
            Ok(found) => extra.set_owner(self, target, &found, lacks),
            Err(_) => false,
        };
        if let Some(mut mode) = attributes.mode.map(Mode::from_bits_truncate) {
            if mode.intersects(SET_IDS) && !set_ids && !same_owner {
                mode.remove(SET_IDS);
                lacks.without_set_ids = true;
            }
            match self.change_mode(handle, mode) {
                Ok(found) if found == mode => {}
                Ok(found) => {
                    lacks.mode(mode, &format!("the file system made it {:04o}", found.bits()));
                }
                Err(errno) => lacks.mode(mode, errno.desc()),
            }
        }
        // After the owner and the mode: a change of either takes capabilities and lists away.
        extra.set_xattrs(self, target, false, lacks);
        let look = || fstat(handle);
        lacks.change_time(attributes.mtime, look, |times| (self.set_times)(handle, times));
    }

    /// Changes the mode where it is another, and returns what it then is.
    fn change_mode(&self, handle: BorrowedFd<'_>, mode: Mode) -> nix::Result<Mode> {
        let found = mode_of(&fstat(handle)?);
        if found == mode {
            return Ok(found);
        }
        (self.set_mode)(handle, mode)?;
        Ok(mode_of(&fstat(handle)?))
    }

    /// Gives a symbolic link its attributes and what its set says.
    pub fn set_of_link(
        &self,
        at: (BorrowedFd<'_>, &Name),
        attributes: &Attributes,
        extra: &Extra<'_>,
        lacks: &mut Lacks,
    ) {
        let target = Target::Entry(at.0, at.1);
        if let Ok(found) = fstatat(at.0, at.1.as_bytes(), AtFlags::AT_SYMLINK_NOFOLLOW) {
            extra.set_owner(self, target, &found, lacks);
        }
        extra.set_xattrs(self, target, false, lacks);
        self.set_time_of(at, attributes.mtime, lacks);
    }

    /// Gives what cannot be opened its attributes and what its set says.
    pub fn set_of_entry(
        &self,
        at: (BorrowedFd<'_>, &Name),
        attributes: &Attributes,
        extra: &Extra<'_>,
        lacks: &mut Lacks,
    ) {
        let target = Target::Entry(at.0, at.1);
        let look = || fstatat(at.0, at.1.as_bytes(), AtFlags::AT_SYMLINK_NOFOLLOW);
        if let Ok(found) = look() {
            extra.set_owner(self, target, &found, lacks);
        }
        if let (Some(mode), Ok(found)) = (attributes.mode, look())
            && let mode = Mode::from_bits_truncate(mode)
            && mode_of(&found) != mode
            && let Err(errno) = change_mode_of(at, mode)
        {
            lacks.mode(mode, errno.desc());
        }
        extra.set_xattrs(self, target, false, lacks);
        self.set_time_of(at, attributes.mtime, lacks);
    }

    /// Gives what is called `name` in `directory` its time; a link is not followed.
    fn set_time_of(
        &self,
        (directory, name): (BorrowedFd<'_>, &Name),
        mtime: Option<i64>,
        lacks: &mut Lacks,
    ) {
        let look = || fstatat(directory, name.as_bytes(), AtFlags::AT_SYMLINK_NOFOLLOW);
        lacks.change_time(mtime, look, |times| (self.set_times_of)(directory, name, times));
    }

    /// Closes a file, and sets its time again if that took it away. An error is one of writing:
    /// some file systems write only now.
    pub fn close_keeping(
        &self,
        file: File,
        at: (BorrowedFd<'_>, &Name),
        attributes: &Attributes,
        lacks: &mut Lacks,
    ) -> nix::Result<()> {
        match (self.close)(file.into()) {
            Ok(()) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno),
        }
        let mtime = attributes.mtime.filter(|_| lacks.has_time());
        self.set_time_of(at, mtime, lacks);
        Ok(())
    }
}

impl Lacks {
    /// Changes the time where it is another, and looks whether it then is the one.
    fn change_time(
        &mut self,
        mtime: Option<i64>,
        look: impl Fn() -> nix::Result<FileStat>,
        set: impl FnOnce(&Times) -> nix::Result<()>,
    ) {
        let Some(mtime) = mtime else { return };
        let change = || {
            let found = look()?;
            if is_time(&found, mtime, 1) {
                return Ok(true);
            }
            let accessed = TimeSpec::new(found.st_atime, found.st_atime_nsec);
            set(&Times { accessed, modified: time(mtime) })?;
            Ok(is_time(&look()?, mtime, COARSEST))
        };
        match change() {
            Ok(true) => {}
            Ok(false) => self.time("the file system made it another"),
            Err(errno) => self.time(Errno::desc(errno)),
        }
    }
}

/// True if the time of modification is this one, cut to whole `ticks` as file systems do.
fn is_time(found: &FileStat, mtime: i64, ticks: i128) -> bool {
    let found = i128::from(found.st_mtime) * 1_000_000_000 + i128::from(found.st_mtime_nsec);
    (0..ticks).contains(&(i128::from(mtime) - found))
}

/// The time of modification, in nanoseconds since 1970.
pub fn mtime_of(found: &FileStat) -> i64 {
    found.st_mtime.saturating_mul(1_000_000_000).saturating_add(found.st_mtime_nsec)
}

/// Changes the mode of what cannot be opened, and is no link. A handle that is for the path alone has
/// no mode to change; its entry in /proc does.
fn change_mode_of((directory, name): (BorrowedFd<'_>, &Name), mode: Mode) -> nix::Result<()> {
    let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let handle = openat(directory, name.as_bytes(), flags, Mode::empty())?;
    let entry = format!("/proc/self/fd/{}", handle.as_raw_fd());
    fchmodat(AT_FDCWD, entry.as_str(), mode, FchmodatFlags::FollowSymlink)
}

fn mode_of(found: &FileStat) -> Mode {
    Mode::from_bits_truncate(found.st_mode)
}

fn time(mtime: i64) -> TimeSpec {
    TimeSpec::new(mtime.div_euclid(1_000_000_000), mtime.rem_euclid(1_000_000_000))
}

#[cfg(test)]
mod tests;
