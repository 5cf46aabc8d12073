//! Temporary files that a killed process left behind.
//!
//! Whoever makes one holds a lock on it until it has its name. The system frees locks with their
//! holder, however that ends and in whatever container it ran: who gets the lock knows that the file
//! is nobody's. Where a file system knows no locks, nothing is removed.

use std::ffi::{CString, OsStr};
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;

use nix::NixPath;
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl, openat};
use nix::libc;
use nix::sys::stat::{Mode, SFlag, fstat};
use nix::unistd::{UnlinkatFlags, unlinkat};
use rustix::fs::Dir;

use super::{LOCK_BYTES, system_lock, uninterrupted};

/// The lock byte of a maker: the last there is.
const MAKER: Range<u64> = LOCK_BYTES - 1..LOCK_BYTES;

/// Makes a new temporary file known as that of somebody who lives. False if somebody came between
/// and has removed it.
pub fn hold(file: &File) -> io::Result<bool> {
    // Without locks nobody removes it either.
    let _ = lock(file, libc::F_WRLCK);
    Ok(file.metadata()?.nlink() > 0)
}

/// Lets go of a file that is no temporary one any more.
pub fn release(file: &File) {
    let _ = lock(file, libc::F_UNLCK);
}

fn lock(file: impl AsFd, kind: libc::c_int) -> nix::Result<()> {
    let wanted = system_lock(&MAKER, kind).ok().flatten().ok_or(Errno::EINVAL)?;
    uninterrupted(|| fcntl(&file, FcntlArg::F_OFD_SETLK(&wanted))).map(drop)
}

/// Removes the file `name` if it is nobody's. [`Errno::ELOOP`] if it is a link.
pub fn remove_if_left<P: NixPath + ?Sized>(directory: impl AsFd, name: &P) -> nix::Result<()> {
    let flags = OFlag::O_RDWR | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
    let file = openat(&directory, name, flags, Mode::empty())?;
    if SFlag::from_bits_truncate(fstat(&file)?.st_mode) & SFlag::S_IFMT == SFlag::S_IFREG {
        lock(&file, libc::F_WRLCK)?;
        unlinkat(&directory, name, UnlinkatFlags::NoRemoveDir)?;
    }
    Ok(())
}

/// Removes from a directory the files that are nobody's and whose names are temporary.
pub(super) fn remove_left(directory: &File, is_temporary: impl Fn(&OsStr) -> bool) {
    // They are in nobody's way: what hinders their removal is no reason to make nothing.
    let Ok(listed) = Dir::read_from(directory) else { return };
    let names = listed.map_while(Result::ok).map(|entry| CString::from(entry.file_name()));
    let left = names.filter(|name| is_temporary(OsStr::from_bytes(name.as_bytes())));
    for name in left.collect::<Vec<_>>() {
        let _ = remove_if_left(directory, name.as_c_str());
    }
}
