//! The attributes of what was restored. Some file systems take them from nobody (CIFS, many of FUSE,
//! volumes of containers) and some take them back when a file is closed. What was restored stays
//! then, and what it lacks is told.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::AtFlags;
use nix::sys::stat::{FileStat, Mode, UtimensatFlags};
use nix::sys::stat::{fchmod, fstat, fstatat, futimens, utimensat};
use nix::sys::time::TimeSpec;
use nix::unistd::close;

use crate::object::{Attributes, Name};

/// The coarsest that a file system keeps times (FAT), in nanoseconds.
const COARSEST: i128 = 2_000_000_000;

/// The system calls that file systems differ in. Tests put others in their place.
pub struct System {
    pub set_mode: fn(BorrowedFd<'_>, Mode) -> nix::Result<()>,
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
        set_times: |file, times| futimens(file, &times.accessed, &times.modified),
        set_times_of: |directory, name, Times { accessed, modified }| {
            let flags = UtimensatFlags::NoFollowSymlink;
            utimensat(directory, name.as_bytes(), accessed, modified, flags)
        },
        close,
    };
}

/// What a file, link or directory had to be left without, one sentence each.
#[derive(Default, Debug)]
pub struct Lacks(Vec<String>);

impl Lacks {
    /// Nothing, or the sentences as one.
    pub fn told(&self) -> Option<String> {
        (!self.0.is_empty()).then(|| self.0.join("; "))
    }

    fn mode(&mut self, mode: Mode, why: &str) {
        self.0.push(format!("without its mode {:04o}: {why}", mode.bits()));
    }

    fn time(&mut self, why: &str) {
        self.0.push(format!("without its time of modification: {why}"));
    }

    /// That neither could be set.
    pub fn both(why: Errno) -> Lacks {
        Lacks(vec![format!("without its mode and time: {}", why.desc())])
    }

    fn has_time(&self) -> bool {
        self.0.iter().all(|lack| !lack.starts_with("without its time"))
    }
}

impl System {
    /// Gives an open file or directory its attributes.
    pub fn set(&self, handle: impl AsFd, attributes: &Attributes) -> Lacks {
        let handle = handle.as_fd();
        let mut lacks = Lacks::default();
        if let Some(mode) = attributes.mode.map(Mode::from_bits_truncate) {
            match self.change_mode(handle, mode) {
                Ok(found) if found == mode => {}
                Ok(found) => {
                    lacks.mode(mode, &format!("the file system made it {:04o}", found.bits()));
                }
                Err(errno) => lacks.mode(mode, errno.desc()),
            }
        }
        let look = || fstat(handle);
        lacks.change_time(attributes.mtime, look, |times| (self.set_times)(handle, times));
        lacks
    }

    /// Changes the mode where it is another, and returns what it then is.
    fn change_mode(&self, handle: BorrowedFd<'_>, mode: Mode) -> nix::Result<Mode> {
        // Looking is cheaper than changing, and most files have their mode from the start.
        let found = mode_of(&fstat(handle)?);
        if found == mode {
            return Ok(found);
        }
        (self.set_mode)(handle, mode)?;
        Ok(mode_of(&fstat(handle)?))
    }

    /// Gives a symbolic link its attributes.
    pub fn set_of_link(&self, at: (BorrowedFd<'_>, &Name), attributes: &Attributes) -> Lacks {
        let mut lacks = Lacks::default();
        self.set_time_of(at, attributes.mtime, &mut lacks);
        lacks
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

fn mode_of(found: &FileStat) -> Mode {
    Mode::from_bits_truncate(found.st_mode)
}

fn time(mtime: i64) -> TimeSpec {
    TimeSpec::new(mtime.div_euclid(1_000_000_000), mtime.rem_euclid(1_000_000_000))
}

#[cfg(test)]
mod tests;
