//! The system calls at which the program is stopped.

use nix::libc;

/// What a call does to files.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Class {
    /// It changes bytes, names or attributes, or makes them durable.
    Change,
    /// It reads bytes.
    Read,
}

/// What the first arguments of a call are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Form {
    /// A descriptor.
    Descriptor,
    /// A descriptor, a buffer and its length.
    Buffer,
    /// Anything else.
    Other,
}

/// A system call by its number.
#[derive(Debug)]
pub struct Kind {
    pub number: i64,
    pub name: &'static str,
    pub class: Class,
    pub form: Form,
}

impl Kind {
    /// True if a signal can interrupt it: it waits for a device. Names and attributes do not.
    pub fn waits(&self) -> bool {
        matches!(self.form, Form::Buffer | Form::Descriptor)
            && !self.name.contains("attr")
            && !self.name.contains("fch")
            || opens(self.number)
    }

    /// True if a full disk refuses it.
    pub fn needs_room(&self) -> bool {
        let makes =
            ["write", "fallocate", "creat", "mkdir", "link", "setxattr", "sendfile", "copy"];
        let name = self.name;
        opens(self.number)
            || (makes.iter().any(|m| name.contains(m)) && !name.starts_with("unlink"))
    }
}

const fn kind(number: i64, name: &'static str, class: Class, form: Form) -> Kind {
    Kind { number, name, class, form }
}

/// Everything that a program can do to a file by a call. What opens counts where it can create.
pub const KINDS: [Kind; 42] = {
    use Class::{Change, Read};
    use Form::{Buffer, Descriptor, Other};
    [
        kind(libc::SYS_write, "write", Change, Buffer),
        kind(libc::SYS_pwrite64, "pwrite64", Change, Buffer),
        kind(libc::SYS_writev, "writev", Change, Descriptor),
        kind(libc::SYS_pwritev, "pwritev", Change, Descriptor),
        kind(libc::SYS_pwritev2, "pwritev2", Change, Descriptor),
        kind(libc::SYS_sendfile, "sendfile", Change, Descriptor),
        kind(libc::SYS_copy_file_range, "copy_file_range", Change, Other),
        kind(libc::SYS_fdatasync, "fdatasync", Change, Descriptor),
        kind(libc::SYS_fsync, "fsync", Change, Descriptor),
        kind(libc::SYS_sync_file_range, "sync_file_range", Change, Descriptor),
        kind(libc::SYS_ftruncate, "ftruncate", Change, Descriptor),
        kind(libc::SYS_truncate, "truncate", Change, Other),
        kind(libc::SYS_fallocate, "fallocate", Change, Descriptor),
        kind(libc::SYS_open, "open", Change, Other),
        kind(libc::SYS_openat, "openat", Change, Other),
        kind(libc::SYS_creat, "creat", Change, Other),
        kind(libc::SYS_rename, "rename", Change, Other),
        kind(libc::SYS_renameat, "renameat", Change, Other),
        kind(libc::SYS_renameat2, "renameat2", Change, Other),
        kind(libc::SYS_link, "link", Change, Other),
        kind(libc::SYS_linkat, "linkat", Change, Other),
        kind(libc::SYS_symlink, "symlink", Change, Other),
        kind(libc::SYS_symlinkat, "symlinkat", Change, Other),
        kind(libc::SYS_unlink, "unlink", Change, Other),
        kind(libc::SYS_unlinkat, "unlinkat", Change, Other),
        kind(libc::SYS_mkdir, "mkdir", Change, Other),
        kind(libc::SYS_mkdirat, "mkdirat", Change, Other),
        kind(libc::SYS_rmdir, "rmdir", Change, Other),
        kind(libc::SYS_chmod, "chmod", Change, Other),
        kind(libc::SYS_fchmod, "fchmod", Change, Descriptor),
        kind(libc::SYS_fchmodat, "fchmodat", Change, Other),
        kind(libc::SYS_chown, "chown", Change, Other),
        kind(libc::SYS_fchown, "fchown", Change, Descriptor),
        kind(libc::SYS_fchownat, "fchownat", Change, Other),
        kind(libc::SYS_utimensat, "utimensat", Change, Other),
        kind(libc::SYS_setxattr, "setxattr", Change, Other),
        kind(libc::SYS_fsetxattr, "fsetxattr", Change, Descriptor),
        kind(libc::SYS_read, "read", Read, Buffer),
        kind(libc::SYS_pread64, "pread64", Read, Buffer),
        kind(libc::SYS_readv, "readv", Read, Descriptor),
        kind(libc::SYS_preadv, "preadv", Read, Descriptor),
        kind(libc::SYS_preadv2, "preadv2", Read, Descriptor),
    ]
};

/// The call of this number.
pub fn known(number: i64) -> Option<&'static Kind> {
    KINDS.iter().find(|kind| kind.number == number)
}

/// True if a call that opens with these arguments may make a file.
pub fn creates(number: i64, arguments: &[u64; 6]) -> bool {
    let flags = match number {
        libc::SYS_open => arguments[1],
        libc::SYS_openat => arguments[2],
        _ => return number == libc::SYS_creat,
    };
    let has = |flag: libc::c_int| {
        flags & u64::from(flag.cast_unsigned()) == u64::from(flag.cast_unsigned())
    };
    has(libc::O_CREAT) || has(libc::O_TMPFILE)
}

/// True for the calls that open.
pub fn opens(number: i64) -> bool {
    [libc::SYS_open, libc::SYS_openat, libc::SYS_creat].contains(&number)
}
