//! How much a put may take away. A mount point without its file system and a dump that failed look
//! like a user who deleted everything; whoever means it says so.

use std::str::FromStr;

use crate::error::{Error, Result};

/// How many of the files at the target a put may delete.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum MaxDelete {
    /// Half of them, and of fewer than [`MaxDelete::FEW`] all, unless what is put is empty.
    #[default]
    Usual,
    /// This many.
    Files(u64),
    /// So many of a hundred.
    Percent(u8),
}

impl MaxDelete {
    /// Of fewer files than this, more than half may go: that happens every day.
    pub const FEW: u64 = 10;

    /// How many of so many files may be deleted.
    fn of(self, files: u64) -> u64 {
        match self {
            MaxDelete::Usual if files < Self::FEW => files,
            MaxDelete::Usual => files / 2,
            MaxDelete::Files(most) => most,
            MaxDelete::Percent(percent) => {
                let most = u128::from(files) * u128::from(percent.min(100)) / 100;
                u64::try_from(most).unwrap_or(files)
            }
        }
    }
}

impl FromStr for MaxDelete {
    type Err = Error;

    /// Reads `N` or `N%`.
    fn from_str(text: &str) -> Result<Self> {
        let number = text.strip_suffix('%');
        let digits = number.unwrap_or(text);
        let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        let found = match number {
            Some(digits) => {
                let percent = digits.parse().ok().filter(|percent| *percent <= 100);
                percent.map(MaxDelete::Percent)
            }
            None => digits.parse().ok().map(MaxDelete::Files),
        };
        found.filter(|_| plain).ok_or_else(|| {
            Error::invalid(format!("'{text}' is neither a number of files nor a share such as 20%"))
        })
    }
}

/// What one source took the place of.
pub struct Replaced<'r> {
    /// What was put.
    pub source: &'r str,
    /// Where.
    pub path: &'r str,
    /// Files that were put.
    pub put: u64,
    /// Files that go.
    pub deleted: u64,
    /// Files that were there.
    pub files: u64,
}

impl Replaced<'_> {
    /// An error if that is more than was agreed to.
    pub fn check(&self, max_delete: MaxDelete, allow_empty: bool) -> Result<()> {
        let Replaced { source, path, put, deleted, files } = *self;
        let (path, empty) = (path.to_owned(), put == 0 && deleted > 0);
        if empty && allow_empty {
            return Ok(());
        }
        if empty && max_delete == MaxDelete::Usual {
            return Err(Error::EmptySource { name: source.to_owned(), path, files: deleted });
        }
        let allowed = max_delete.of(files);
        if deleted > allowed {
            return Err(Error::TooManyDeletions { path, deleted, files, allowed });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deletes(deleted: u64, files: u64, max_delete: MaxDelete) -> bool {
        let replaced = Replaced { source: "s", path: "/", put: 1, deleted, files };
        replaced.check(max_delete, false).is_ok()
    }

    #[test]
    fn more_than_half_of_ten_or_more_files_is_more_than_usual() {
        for (deleted, files, allowed) in
            [(9, 9, true), (5, 10, true), (6, 10, false), (5, 11, true), (6, 11, false)]
        {
            assert_eq!(deletes(deleted, files, MaxDelete::Usual), allowed, "{deleted} of {files}");
        }
    }

    #[test]
    fn a_bound_is_a_number_of_files_or_a_share_of_them() {
        assert_eq!("0".parse::<MaxDelete>().unwrap(), MaxDelete::Files(0));
        assert!(!deletes(1, 1000, MaxDelete::Files(0)));
        assert!(deletes(20, 100, "20%".parse().unwrap()));
        assert!(!deletes(21, 100, "20%".parse().unwrap()));
        assert!(deletes(u64::MAX, u64::MAX, "100%".parse().unwrap()));
        for text in
            ["", "%", "-1", "+1", "101%", "256%", "1.5%", "many", "1 %", "99999999999999999999"]
        {
            assert!(text.parse::<MaxDelete>().is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_empty_takes_the_place_of_nothing_unless_it_may() {
        let replaced = Replaced { source: "s", path: "/", put: 0, deleted: 1, files: 1 };
        assert!(replaced.check(MaxDelete::Usual, false).is_err());
        assert!(replaced.check(MaxDelete::Files(0), false).is_err());
        replaced.check(MaxDelete::Files(1), false).unwrap();
        replaced.check(MaxDelete::Usual, true).unwrap();
    }
}
