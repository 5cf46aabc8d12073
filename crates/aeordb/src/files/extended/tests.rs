use std::fs::{self, File};
use std::os::unix::fs::{PermissionsExt, symlink};

use rustix::fs::{XattrFlags, setxattr};

use super::*;
use crate::files::rights::tests::list;

const NAME: &[u8] = b"file";

/// A directory with a file, and the way to it.
fn place() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    File::create(&path).unwrap().set_permissions(fs::Permissions::from_mode(0o700)).unwrap();
    (folder, path)
}

/// What is kept of the file, by its handle and by that of its directory.
fn read(folder: &tempfile::TempDir, options: KeepOptions) -> Kept {
    let keep = Keep::new(options);
    let file = File::open(folder.path().join("file")).unwrap();
    let facts = Facts::of_handle(&file).unwrap();
    let by_handle = keep.of_handle(&file, &facts);
    let directory = File::open(folder.path()).unwrap();
    assert_eq!(by_handle, keep.of_entry(directory.as_fd(), NAME, &facts));
    by_handle
}

/// Sets an attribute; false where the file system has none.
fn set(path: &LocalPath, name: &str, value: &[u8]) -> bool {
    match setxattr(path, name, value, XattrFlags::empty()) {
        Err(Errno::OPNOTSUPP | Errno::PERM) => false,
        set => set.map(|()| true).unwrap(),
    }
}

#[test]
fn the_group_has_what_the_list_gives_it_and_not_what_it_gives_others() {
    for users in [1, 31, 400] {
        for (named, group, expected) in [(6, 0, 0o700), (6, 4, 0o740), (4, 6, 0o740)] {
            let (folder, path) = place();
            let list = list(users, named, group);
            if !set(&path, rights::LIST, &list) {
                return;
            }
            // Whether or not the list itself is kept.
            let kept = read(&folder, KeepOptions::ALL);
            assert_eq!(kept.attributes.mode, Some(expected), "{users} {named} {group}");
            assert_eq!(kept.extended.xattrs[rights::LIST.as_bytes()], list);
            let kept = read(&folder, KeepOptions::NOTHING);
            assert_eq!(kept.attributes.mode, Some(expected), "{users} {named} {group}");
            assert_eq!(kept.extended, Extended::default());
        }
    }
}

#[test]
fn attributes_of_any_length_are_read_and_no_others_than_those_of_the_file() {
    let (folder, path) = place();
    let values = [("user.empty", vec![]), ("user.short", vec![1; 3]), ("user.long", vec![2; 2000])];
    for (name, value) in &values {
        if !set(&path, name, value) {
            return;
        }
    }
    let read = || read(&folder, KeepOptions::ALL).extended.xattrs;
    let found = read();
    assert_eq!(found.len(), values.len());
    for (name, value) in &values {
        assert_eq!(&found[name.as_bytes()], value);
    }
    // More names than usually fit.
    let many = (0..40).all(|number| set(&path, &format!("user.{number:020}"), b"x"));
    assert!(!many || read().len() == 43);
    assert!(
        is_kept(b"security.capability")
            && is_kept(b"trusted.x")
            && is_kept(b"system.posix_acl_default")
    );
    for other in [&b"trusted.SGI_ACL_FILE"[..], b"system.nfs4_acl", b"system.sockprotoname", b""] {
        assert!(!is_kept(other), "{other:?}");
    }
}

#[test]
fn the_owner_is_that_of_the_link_and_not_of_what_it_leads_to() {
    let (folder, _) = place();
    symlink("/", folder.path().join("link")).unwrap();
    let directory = File::open(folder.path()).unwrap();
    let facts = Facts::of_handle(&directory).unwrap();
    let kept = Keep::new(KeepOptions::ALL).of_entry(directory.as_fd(), b"link", &facts);
    let owner = kept.extended.owner.unwrap();
    assert_eq!((owner.user, owner.group), facts.owner());
    assert!(kept.lacks.is_none());
}

#[test]
fn a_tree_that_is_kept_otherwise_is_another_to_the_cache() {
    let numeric = KeepOptions { numeric: true, ..KeepOptions::ALL };
    let alone = KeepOptions { xattrs: true, ..KeepOptions::NOTHING };
    let mut identities: Vec<_> =
        [KeepOptions::ALL, KeepOptions::NOTHING, numeric, alone].map(KeepOptions::identity).into();
    assert!(KeepOptions::NOTHING.identity().is_empty());
    identities.sort();
    identities.dedup();
    assert_eq!(identities.len(), 4);
}
