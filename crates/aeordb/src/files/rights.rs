//! Permission bits. Where a file has an access control list, the system shows the mask of that list
//! in the place of the group's bits: what anybody at all that it names may have. As the list is not
//! kept, these would give the group what somebody else was given.

use std::ffi::OsStr;
use std::fs::File;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path as LocalPath;

use rustix::fs::{FileType, fgetxattr, lgetxattr};
use rustix::io::{Errno, Result};

const LIST: &str = "system.posix_acl_access";
const VERSION: u32 = 2;
/// Version, then entries of tag, rights and user or group, all little-endian.
const HEADER_LEN: usize = 4;
const ENTRY_LEN: usize = 8;
const TAG_OWNING_GROUP: u16 = 0x04;

/// Entries of lists as they are; the system allows longer ones.
const LEN_USUAL: usize = HEADER_LEN + 32 * ENTRY_LEN;
const LEN_MAX: usize = 64 * 1024;

const GROUP_SHIFT: u32 = 3;
const GROUP: u32 = 0o070;

/// The permission bits of what is at `path`, which is not followed if it is a link and whose mode
/// is `mode`.
pub fn of_path(path: &LocalPath, mode: u32) -> u32 {
    of(mode, |list| lgetxattr(path, LIST, list))
}

/// The permission bits of what is called `name` in an open directory. Systems before Linux 6.13 read
/// lists by paths alone: this one leads through the handle.
pub fn of_entry(directory: impl AsFd, name: &[u8], mode: u32) -> u32 {
    let handle = directory.as_fd().as_raw_fd();
    let read = |list: &mut [u8]| {
        let path = LocalPath::new("/proc/self/fd").join(handle.to_string());
        lgetxattr(path.join(OsStr::from_bytes(name)), LIST, list)
    };
    of(mode, read)
}

/// The permission bits of an open file.
pub fn of_file(file: &File, mode: u32) -> u32 {
    of(mode, |list| fgetxattr(file, LIST, list))
}

fn of(mode: u32, read: impl Fn(&mut [u8]) -> Result<usize>) -> u32 {
    let is_link = FileType::from_raw_mode(mode) == FileType::Symlink;
    let mode = mode & 0o7777;
    // What the mask forbids nobody has.
    if mode & GROUP == 0 || is_link {
        return mode;
    }
    let mut usual = [0; LEN_USUAL];
    let group = match read(&mut usual) {
        Ok(len) => usual.get(..len).and_then(group_of),
        Err(Errno::RANGE) => {
            let mut long = vec![0; LEN_MAX];
            read(&mut long).ok().and_then(|len| group_of(long.get(..len)?))
        }
        // No list, or a file system that knows none.
        Err(_) => None,
    };
    match group {
        Some(group) => mode & (!GROUP | group << GROUP_SHIFT),
        None => mode,
    }
}

/// What the list gives the group that owns the file.
fn group_of(list: &[u8]) -> Option<u32> {
    let (version, entries) = list.split_first_chunk::<HEADER_LEN>()?;
    if u32::from_le_bytes(*version) != VERSION {
        return None;
    }
    let (entries, _) = entries.as_chunks::<ENTRY_LEN>();
    let rights = entries.iter().find_map(|[tag @ .., a, b, _, _, _, _]| {
        (u16::from_le_bytes(*tag) == TAG_OWNING_GROUP).then(|| u16::from_le_bytes([*a, *b]))
    });
    rights.map(|rights| u32::from(rights) & 0o7)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    use rustix::fs::{XattrFlags, setxattr};

    use super::*;

    const TAG_OWNER: u16 = 0x01;
    const TAG_USER: u16 = 0x02;
    const TAG_MASK: u16 = 0x10;
    const TAG_OTHERS: u16 = 0x20;
    const NOBODY: u32 = u32::MAX;

    /// A list that gives the owner all, `users` users and the mask `named`, and the group `group`.
    fn list(users: u32, named: u16, group: u16) -> Vec<u8> {
        let mut list = VERSION.to_le_bytes().to_vec();
        let mut push = |tag: u16, rights: u16, who: u32| {
            list.extend([tag.to_le_bytes(), rights.to_le_bytes()].concat());
            list.extend(who.to_le_bytes());
        };
        push(TAG_OWNER, 7, NOBODY);
        (0..users).for_each(|user| push(TAG_USER, named, 1000 + user));
        push(TAG_OWNING_GROUP, group, NOBODY);
        push(TAG_MASK, named, NOBODY);
        push(TAG_OTHERS, 0, NOBODY);
        list
    }

    /// Bits of a file with this list, by path, by its handle and by that of its directory; `None` where lists are not known.
    fn bits(list: &[u8]) -> Option<u32> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let file = File::create(&path).unwrap();
        file.set_permissions(fs::Permissions::from_mode(0o700)).unwrap();
        match setxattr(&path, LIST, list, XattrFlags::empty()) {
            Err(Errno::OPNOTSUPP) => return None,
            set => set.unwrap(),
        }
        let mode = file.metadata().unwrap().mode();
        let by_path = of_path(&path, mode);
        assert_eq!(by_path, of_file(&file, mode));
        let directory = File::open(folder.path()).unwrap();
        assert_eq!(by_path, of_entry(&directory, b"file", mode));
        Some(by_path)
    }

    #[test]
    fn the_group_has_what_the_list_gives_it_and_not_what_it_gives_others() {
        for users in [1, 31, 400] {
            for (named, group, expected) in [(6, 0, 0o700), (6, 4, 0o740), (4, 6, 0o740)] {
                let Some(bits) = bits(&list(users, named, group)) else { return };
                assert_eq!(bits, expected, "{users} users with {named}, the group with {group}");
            }
        }
    }

    #[test]
    fn a_list_that_is_none_changes_nothing() {
        let whole = list(1, 6, 4);
        assert_eq!(group_of(&whole), Some(4));
        assert_eq!(group_of(&[]), None);
        assert_eq!(group_of(&whole[..HEADER_LEN + ENTRY_LEN + 7]), None);
        let mut other = whole;
        other[0] = 3;
        assert_eq!(group_of(&other), None);
    }
}
