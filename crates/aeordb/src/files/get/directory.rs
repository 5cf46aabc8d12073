//! Handles of directories that are filled: opened so that their owner can fill them, and closed for
//! a while where too many would be open.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nix::NixPath;
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags, OFlag, openat};
use nix::sys::stat::{FchmodatFlags, FileStat, Mode, fchmodat, fstat};
use nix::unistd::{AccessFlags, faccessat};

/// How directories are opened. A link is another thing than what it leads to.
const FLAGS: OFlag = OFlag::O_DIRECTORY.union(OFlag::O_CLOEXEC);
const NO_LINK: OFlag = OFlag::O_NOFOLLOW;

/// A directory.
pub struct Directory {
    state: State,
    /// Its mode, if the owner had to be given the rights to fill it.
    pub mode_before: Option<Mode>,
}

enum State {
    Open(OwnedFd),
    /// Closed for a while, and which it was: device and inode.
    Closed(u64, u64),
}

impl Directory {
    /// Opens one that is not to be changed, through links too.
    pub fn open<P: NixPath + ?Sized>(path: &P) -> nix::Result<Directory> {
        let handle = openat(AT_FDCWD, path, FLAGS, Mode::empty())?;
        Ok(Directory { state: State::Open(handle), mode_before: None })
    }

    /// Opens one that is not to be changed, and no link.
    pub fn open_to_read<P: NixPath + ?Sized>(at: impl AsFd, name: &P) -> nix::Result<Directory> {
        let handle = openat(at, name, FLAGS | NO_LINK, Mode::empty())?;
        Ok(Directory { state: State::Open(handle), mode_before: None })
    }

    /// Opens one that is to be filled, also where its mode keeps its owner out.
    pub fn open_to_fill<P: NixPath + ?Sized>(at: impl AsFd, name: &P) -> nix::Result<Directory> {
        let at = at.as_fd();
        let open = |flags| openat(at, name, FLAGS | NO_LINK | flags, Mode::empty());
        let (handle, opened_to) = match open(OFlag::O_RDONLY) {
            Err(Errno::EACCES) => {
                let closed = open(OFlag::O_PATH)?;
                let before = allow_owner(closed.as_fd())?;
                (openat(&closed, ".", FLAGS, Mode::empty())?, Some(before))
            }
            opened => (opened?, None),
        };
        let mode_before = match opened_to {
            None if !can_be_filled(handle.as_fd()) => allow_owner(handle.as_fd()).ok(),
            before => before,
        };
        Ok(Directory { state: State::Open(handle), mode_before })
    }

    /// Its handle; [`Errno::EBADF`] while it is closed.
    pub fn handle(&self) -> nix::Result<BorrowedFd<'_>> {
        match &self.state {
            State::Open(handle) => Ok(handle.as_fd()),
            State::Closed(..) => Err(Errno::EBADF),
        }
    }

    /// Closes it for a while.
    pub fn close(&mut self) -> nix::Result<()> {
        let found = fstat(self.handle()?)?;
        self.state = State::Closed(found.st_dev, found.st_ino);
        Ok(())
    }

    /// Opens it again, from a directory in it. [`Errno::ESTALE`] if that was moved elsewhere.
    pub fn open_above(&mut self, below: &Directory) -> nix::Result<()> {
        let State::Closed(device, inode) = self.state else { return Ok(()) };
        let handle = openat(below.handle()?, "..", FLAGS, Mode::empty())?;
        let found = fstat(&handle)?;
        if (found.st_dev, found.st_ino) != (device, inode) {
            return Err(Errno::ESTALE);
        }
        self.state = State::Open(handle);
        Ok(())
    }
}

/// True if whoever runs this can make names in it.
fn can_be_filled(handle: BorrowedFd<'_>) -> bool {
    let rights = AccessFlags::W_OK | AccessFlags::X_OK;
    faccessat(handle, ".", rights, AtFlags::AT_EACCESS) != Err(Errno::EACCES)
}

/// Gives the owner all rights, and returns the mode that it had.
fn allow_owner(handle: BorrowedFd<'_>) -> nix::Result<Mode> {
    let before = mode_of(&fstat(handle)?);
    // A handle that is for the path alone has no mode to change; its entry in /proc does.
    let entry = format!("/proc/self/fd/{}", handle.as_raw_fd());
    let mode = before | Mode::S_IRWXU;
    fchmodat(AT_FDCWD, entry.as_str(), mode, FchmodatFlags::FollowSymlink)?;
    Ok(before)
}

fn mode_of(found: &FileStat) -> Mode {
    Mode::from_bits_truncate(found.st_mode)
}
