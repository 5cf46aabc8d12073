//! What the system keeps of a file beside its bytes, mode and time, as it is read: owner, flags,
//! extended attributes.

use std::collections::BTreeMap;
use std::ffi::{CStr, OsStr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path as LocalPath, PathBuf};

use rustix::fs::{fgetxattr, flistxattr, lgetxattr, llistxattr};
use rustix::io::{Errno, Result as SystemResult};

use crate::files::owners::Owners;
use crate::files::rights;
use crate::files::scan::Facts;
use crate::limits::{XATTR_LEN_MAX, XATTR_NAMES_LEN_MAX};
use crate::object::Attributes;
pub use crate::object::attributes::Extended;
use crate::object::attributes::is_list;

/// Names and values that most files have fit here.
const LEN_USUAL: usize = 512;

/// What is kept of a local file beside its content.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Kept {
    /// Mode and time; the set is stored later.
    pub attributes: Attributes,
    /// What will be the set.
    pub extended: Extended,
    /// Why some of it could not be read.
    pub lacks: Option<String>,
}

/// Which of it is to be kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct KeepOptions {
    /// Who owns files.
    pub owner: bool,
    /// Owners by their numbers alone.
    pub numeric: bool,
    /// Extended attributes, access control lists and capabilities among them, and flags.
    pub xattrs: bool,
}

impl KeepOptions {
    /// All of it.
    pub const ALL: KeepOptions = KeepOptions { owner: true, numeric: false, xattrs: true };
    /// Nothing of it.
    pub const NOTHING: KeepOptions = KeepOptions { owner: false, numeric: false, xattrs: false };

    /// What tells a tree that was put so from one that was put otherwise; empty for nothing.
    pub fn identity(self) -> Vec<u8> {
        match self {
            KeepOptions { owner: false, xattrs: false, .. } => Vec::new(),
            KeepOptions { owner, numeric, xattrs } => {
                vec![0, u8::from(owner) + 2 * u8::from(owner && numeric) + 4 * u8::from(xattrs)]
            }
        }
    }
}

impl Default for KeepOptions {
    fn default() -> Self {
        KeepOptions::ALL
    }
}

/// Reads what is to be kept.
pub struct Keep {
    options: KeepOptions,
    owners: Owners,
}

impl Keep {
    pub fn new(options: KeepOptions) -> Self {
        Keep { options, owners: Owners::new(options.numeric) }
    }

    /// That of an open file or directory.
    pub fn of_handle(&self, handle: impl AsFd, facts: &Facts) -> Kept {
        let handle = handle.as_fd();
        self.read(
            facts,
            |list| flistxattr(handle, list),
            |name, value| fgetxattr(handle, name, value),
        )
    }

    /// That of what is called `name` in an open directory, which is not followed if it is a link.
    /// Systems before Linux 6.13 read attributes by paths alone: this one leads through the handle.
    pub fn of_entry(&self, directory: BorrowedFd<'_>, name: &[u8], facts: &Facts) -> Kept {
        let path = entry_path(directory, name);
        self.read(
            facts,
            |list| llistxattr(&path, list),
            |name, value| lgetxattr(&path, name, value),
        )
    }

    fn read(
        &self,
        facts: &Facts,
        list: impl Fn(&mut [u8]) -> SystemResult<usize>,
        get: impl Fn(&CStr, &mut [u8]) -> SystemResult<usize>,
    ) -> Kept {
        let mut kept = Kept { attributes: facts.attributes(), ..Kept::default() };
        if self.options.owner {
            let (user, group) = facts.owner();
            kept.extended.owner = Some(self.owners.of(user, group));
        }
        let with_list = |attributes: &mut Attributes, list: Option<&[u8]>| {
            let group = |mode| list.map_or(mode, |list| rights::with_list(mode, list));
            attributes.mode = attributes.mode.map(group);
        };
        if self.options.xattrs {
            kept.extended.flags = facts.flags();
            match read_xattrs(list, get) {
                Ok(xattrs) => kept.extended.xattrs = xattrs,
                Err(why) => kept.lacks = Some(why.to_string()),
            }
            let list = kept.extended.xattrs.get(rights::LIST.as_bytes());
            with_list(&mut kept.attributes, list.map(Vec::as_slice));
        } else if facts.may_have_list()
            && let Ok(Some(list)) = value(|value| get(LIST_NAME, value))
        {
            with_list(&mut kept.attributes, Some(&list));
        }
        kept
    }
}

const LIST_NAME: &CStr = c"system.posix_acl_access";

/// The way to what is called `name` in an open directory.
pub fn entry_path(directory: BorrowedFd<'_>, name: &[u8]) -> PathBuf {
    let handle = LocalPath::new("/proc/self/fd").join(directory.as_raw_fd().to_string());
    handle.join(OsStr::from_bytes(name))
}

/// Reads what may be long: into `usual` bytes, and into more where these are too few.
fn long(most: usize, read: impl Fn(&mut [u8]) -> SystemResult<usize>) -> SystemResult<Vec<u8>> {
    let mut usual = [0; LEN_USUAL];
    match read(&mut usual) {
        Ok(len) => Ok(usual.get(..len).unwrap_or_default().to_vec()),
        Err(Errno::RANGE) => {
            let mut bytes = vec![0; most];
            let len = read(&mut bytes)?;
            bytes.truncate(len);
            bytes.shrink_to_fit();
            Ok(bytes)
        }
        Err(error) => Err(error),
    }
}

/// A value; `None` if there is none, or none that the caller may read.
fn value(get: impl Fn(&mut [u8]) -> SystemResult<usize>) -> SystemResult<Option<Vec<u8>>> {
    match long(XATTR_LEN_MAX, get) {
        Ok(value) => Ok(Some(value)),
        Err(Errno::NODATA | Errno::OPNOTSUPP | Errno::PERM | Errno::ACCESS | Errno::NOENT) => {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

fn read_xattrs(
    list: impl Fn(&mut [u8]) -> SystemResult<usize>,
    get: impl Fn(&CStr, &mut [u8]) -> SystemResult<usize>,
) -> SystemResult<BTreeMap<Vec<u8>, Vec<u8>>> {
    let mut xattrs = BTreeMap::new();
    let names = match long(XATTR_NAMES_LEN_MAX, list) {
        Ok(names) => names,
        // A file system that knows none, or a file that went away: what reads it says so.
        Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::NOENT) => return Ok(xattrs),
        Err(error) => return Err(error),
    };
    for name in names.split_inclusive(|byte| *byte == 0) {
        let Ok(name) = CStr::from_bytes_with_nul(name) else { continue };
        if !is_kept(name.to_bytes()) {
            continue;
        }
        if let Some(value) = value(|value| get(name, value))? {
            xattrs.insert(name.to_bytes().to_vec(), value);
        }
    }
    Ok(xattrs)
}

/// Whether an attribute is the file's own. Those of the system are ways to see what is kept
/// elsewhere, but for the lists, which XFS shows to root a second time.
pub fn is_kept(name: &[u8]) -> bool {
    match name {
        b"" => false,
        name if name.starts_with(b"system.") => is_list(name),
        name => !name.starts_with(b"trusted.SGI_ACL_"),
    }
}

#[cfg(test)]
mod tests;
