//! What shall go wrong, and when.

use std::io;

use nix::libc;

/// A call that the disk counts and that can be made to fail.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Operation {
    /// `read_at`
    Read,
    /// `write_at`
    Write,
    /// `set_len`
    SetLen,
    /// `sync`
    Sync,
    /// `release`
    Release,
    /// `reserve`
    Reserve,
}

impl Operation {
    /// Every kind of operation.
    pub const ALL: [Operation; 6] = [
        Operation::Read,
        Operation::Write,
        Operation::SetLen,
        Operation::Sync,
        Operation::Release,
        Operation::Reserve,
    ];
    /// Those that change what is on the disk, or promise that it stays.
    pub const CHANGES: [Operation; 4] =
        [Operation::Write, Operation::SetLen, Operation::Sync, Operation::Release];
}

/// How an operation goes wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Failure {
    /// EIO, and nothing happens. For a sync see [`FailedSync`].
    Io,
    /// ENOSPC, and nothing happens.
    NoSpace,
    /// EINTR, and nothing happens.
    Interrupted,
    /// A write of more than one byte: some of its first bytes arrive, then ENOSPC. Any other
    /// operation: as [`Failure::NoSpace`].
    Short,
    /// A write succeeds, and reads show it where it belongs while the cache lives, but on the
    /// disk it lands this many sectors further on (further back where there is room for that).
    /// Any other operation succeeds.
    Misdirected {
        /// Sectors of 512 bytes.
        sectors: i64,
    },
}

impl Failure {
    /// The error that the caller sees; `None` if the operation seems to succeed.
    pub(super) fn error(self) -> Option<io::Error> {
        let number = match self {
            Failure::Io => libc::EIO,
            Failure::NoSpace | Failure::Short => libc::ENOSPC,
            Failure::Interrupted => libc::EINTR,
            Failure::Misdirected { .. } => return None,
        };
        Some(io::Error::from_raw_os_error(number))
    }
}

/// An operation that goes wrong: the one after `skip` others of the chosen kinds, counted from
/// when the fault was injected.
#[derive(Clone, Debug)]
pub struct Fault {
    pub(super) operations: Vec<Operation>,
    pub(super) skip: u64,
    pub(super) lasting: bool,
    pub(super) failure: Failure,
}

impl Fault {
    /// The operation after `skip` others, of any kind, fails once.
    pub fn after(skip: u64, failure: Failure) -> Self {
        Fault { operations: Operation::ALL.to_vec(), skip, lasting: false, failure }
    }

    /// Counts and hits only operations of these kinds.
    pub fn on(mut self, operations: &[Operation]) -> Self {
        self.operations = operations.to_vec();
        self
    }

    /// Every such operation fails from then on.
    pub fn lasting(mut self) -> Self {
        self.lasting = true;
        self
    }
}

/// What becomes of the unsynced changes when a sync fails.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum FailedSync {
    /// They are lost, and later syncs say `Ok` without saving them: what ext4 was measured to do.
    /// Any of them may have reached the disk all the same. Reads go on to show them.
    #[default]
    Loses,
    /// They stay unsynced, and the next sync that succeeds saves them.
    Keeps,
}
