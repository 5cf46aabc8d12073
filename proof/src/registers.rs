//! A stopped thread's registers: which call it is about to make, and another course for it. Only
//! this file knows the machine.

use nix::errno::Errno;
use nix::sys::ptrace;
use nix::unistd::Pid;

use crate::error::{Doing, Outcome};

/// The registers of a stopped thread.
pub struct Registers {
    thread: Pid,
    values: nix::libc::user_regs_struct,
}

impl Registers {
    pub fn of(thread: Pid) -> nix::Result<Self> {
        Ok(Registers { thread, values: ptrace::getregs(thread)? })
    }

    /// The number of the call.
    pub fn number(&self) -> i64 {
        self.values.orig_rax.cast_signed()
    }

    pub fn arguments(&self) -> [u64; 6] {
        let r = &self.values;
        [r.rdi, r.rsi, r.rdx, r.r10, r.r8, r.r9]
    }

    /// What the call returned, once it was made.
    pub fn result(&self) -> i64 {
        self.values.rax.cast_signed()
    }

    /// The call is not made and returns this error.
    pub fn fail(mut self, error: Errno) -> Outcome<()> {
        self.values.orig_rax = u64::MAX;
        self.values.rax = i64::from(error as i32).wrapping_neg().cast_unsigned();
        self.set()
    }

    /// The call is made with another length of its buffer.
    pub fn shorten(mut self, len: u64) -> Outcome<()> {
        self.values.rdx = len;
        self.set()
    }

    fn set(self) -> Outcome<()> {
        ptrace::setregs(self.thread, self.values).doing("cannot set registers")
    }
}
