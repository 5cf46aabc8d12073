//! The names in a directory that was there before.
//!
//! A file system that folds case, or takes several spellings for one name, says of a name that it is
//! there when it has another spelling of it: perhaps that of a file which was restored a moment ago.
//! Only the list of its names tells.

use std::collections::HashSet;
use std::ffi::CString;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::os::fd::AsFd;

use rustix::fs::Dir;

use crate::files::temporary;
use crate::object::Name;

/// Names, each as a number: there may be millions.
#[derive(Default)]
pub struct Names {
    numbers: HashSet<u64>,
    state: RandomState,
}

impl Names {
    /// Those that the directory has now, and those among them that a killed `get` may have left
    /// there.
    pub fn list(directory: impl AsFd) -> io::Result<(Names, Vec<CString>)> {
        let (mut names, mut left) = (Names::default(), Vec::new());
        for entry in Dir::read_from(directory)? {
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            names.numbers.insert(names.state.hash_one(name));
            if temporary::is_left(name) {
                left.push(entry.file_name().into());
            }
        }
        Ok((names, left))
    }

    /// True if this very name is among them.
    pub fn has(&self, name: &Name) -> bool {
        self.numbers.contains(&self.state.hash_one(name.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};

    use super::*;

    #[test]
    fn names_are_told_apart_by_every_byte() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["README", "caf\u{e9}"] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        let (names, _) = Names::list(File::open(folder.path()).unwrap()).unwrap();
        let has = |name: &str| names.has(&Name::new(name.as_bytes()).unwrap());
        assert!(has("README") && has("caf\u{e9}"));
        assert!(!has("readme") && !has("cafe\u{301}") && !has("README ") && !has("new"));
    }
}
