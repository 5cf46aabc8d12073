//! Temporary names in the directories of users: what `get` writes before it takes the place of what
//! is there, and what is made where the file system has no files without a name.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::process;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use nix::errno::Errno;
use nix::sys::signal::kill;
use nix::unistd::Pid;

use crate::error::Result;
use crate::media;
use crate::object::Name;

const PREFIX: &str = ".aeordb-";

/// `.aeordb-PROCESS-NUMBER`: a name that nothing else has, as far as can be known before it is
/// tried.
pub fn name() -> Result<Name> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Relaxed);
    Name::new(format!("{PREFIX}{}-{number}", process::id()).as_bytes())
}

/// True for every temporary name of ours.
pub fn is(name: &[u8]) -> bool {
    let text = OsStr::from_bytes(name);
    maker(name).is_some() || media::is_temporary_name(text) || media::is_unfinished_name(text)
}

/// True if `get` made what has this name, in a process that is not there any more. One with the
/// number of this process was another's, unless this one holds it.
pub fn is_left(name: &[u8]) -> bool {
    is_gone(name) || maker(name) == Some(Pid::this())
}

/// True if the process that made what has this name is surely not there any more.
pub fn is_gone(name: &[u8]) -> bool {
    maker(name).is_some_and(|maker| kill(maker, None) == Err(Errno::ESRCH))
}

/// The process that a name of `get` is of.
fn maker(name: &[u8]) -> Option<Pid> {
    let rest = std::str::from_utf8(name).ok()?.strip_prefix(PREFIX)?;
    let (process, number) = rest.split_once('-')?;
    let is_number = |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number(process) || !is_number(number) {
        return None;
    }
    // A process has a number above 0: others stand for groups of them.
    process.parse().ok().filter(|process| *process > 0).map(Pid::from_raw)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn temporary_names_are_told_from_others_and_their_makers_known() {
        let own = name().unwrap();
        assert!(is(own.as_bytes()) && name().unwrap() != own);
        assert_eq!(maker(own.as_bytes()), Some(Pid::this()));
        assert!(is(b".aeordb-7-0") && is(b".new.0123456789abcdef.aeordb-tmp"));
        assert!(is(b".new.aeordb-unfinished") && !is(b"..aeordb-unfinished"));
        for other in
            [".aeordb-", ".aeordb-7", ".aeordb-7-", ".aeordb--7", ".aeordb-0-1", "aeordb-7-0"]
        {
            assert!(!is(other.as_bytes()), "{other}");
        }
        for other in [".aeordb-+7-0", ".aeordb-7-0.txt", ".aeordb-99999999999-0", ".aeordb-7-0-1"] {
            assert!(!is(other.as_bytes()), "{other}");
        }
    }

    #[test]
    fn only_what_nobody_alive_makes_is_left() {
        // Above the largest number that a process can have.
        assert!(is_left(b".aeordb-2000000000-0"));
        assert!(!is_left(b".aeordb-1-0"));
        assert!(!is_left(b"file"));
    }
}
