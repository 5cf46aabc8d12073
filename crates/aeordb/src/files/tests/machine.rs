//! A whole machine: owners, extended attributes, access control lists. Most of it needs root, and is
//! not tried without.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, lchown, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path as LocalPath, PathBuf};
use std::sync::Arc;

use nix::sys::stat::{Mode, SFlag, makedev, mknod};
use rustix::fs::{IFlags, XattrFlags, ioctl_getflags, ioctl_setflags};
use rustix::fs::{lgetxattr, llistxattr, lsetxattr};

use super::{Sandbox, at};
use crate::backup;
use crate::db::Reader;
use crate::files::rights::tests::list;
use crate::files::{GetOptions, KeepOptions, PutOptions, Wanted, get};
use crate::hash::Kind;
use crate::monitor::Monitor;
use crate::object::{AttributeSet, Item, Owner};
use crate::store::ReadEntries;

const LIST: &str = "system.posix_acl_access";
const DEFAULT: &str = "system.posix_acl_default";

fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

fn set(path: &LocalPath, name: &str, value: &[u8]) {
    lsetxattr(path, name, value, XattrFlags::empty()).unwrap();
}

/// Owner, mode, time and attributes of everything in a tree, by path.
fn facts(root: &LocalPath) -> BTreeMap<PathBuf, String> {
    let mut facts = BTreeMap::new();
    let mut waiting = vec![root.to_path_buf()];
    while let Some(path) = waiting.pop() {
        let found = fs::symlink_metadata(&path).unwrap();
        let mut names = vec![0; 4096];
        let len = llistxattr(&path, &mut names).unwrap();
        names.truncate(len);
        let mut xattrs = BTreeMap::new();
        for name in names.split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
            let mut value = vec![0; 65_536];
            let len = lgetxattr(&path, name, &mut value).unwrap();
            xattrs.insert(String::from_utf8_lossy(name).into_owned(), value[..len].to_vec());
        }
        let (user, group, mode) = (found.uid(), found.gid(), found.mode());
        let (time, device) = (found.mtime_nsec(), found.rdev());
        let text = format!("{user} {group} {mode:o} {device} {time} {xattrs:?}");
        facts.insert(path.strip_prefix(root).unwrap().to_path_buf(), text);
        if found.is_dir() {
            waiting.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        }
    }
    facts
}

fn assert_same(restored: &LocalPath, local: &LocalPath) {
    let (mut restored, local) = (facts(restored), facts(local));
    for (path, expected) in local {
        let found = restored.remove(&path).unwrap_or_default();
        assert!(found == expected, "{path:?}: {found:.300}, not {expected:.300}");
    }
    assert!(restored.is_empty(), "{:?}", restored.keys());
}

/// A tree with an owner for everything and an attribute of each sort.
fn tree(place: &LocalPath) -> PathBuf {
    let local = place.join("local");
    fs::create_dir_all(local.join("top/d")).unwrap();
    for name in ["top/plain", "top/program", "top/listed", "top/capable", "top/d/secret"] {
        fs::write(local.join(name), name).unwrap();
    }
    symlink("nowhere", local.join("top/link")).unwrap();
    let _ = UnixListener::bind(local.join("top/socket")).unwrap();
    for (name, sort, device) in [
        ("top/fifo", SFlag::S_IFIFO, 0),
        ("top/null", SFlag::S_IFCHR, makedev(1, 3)),
        ("top/loop", SFlag::S_IFBLK, makedev(7, 300)),
    ] {
        mknod(&local.join(name), sort, Mode::from_bits_truncate(0o640), device).unwrap();
        lchown(local.join(name), Some(40_020), Some(40_021)).unwrap();
    }
    set(&local.join("top/fifo"), LIST, &list(1, 6, 4));
    lchown(&local, Some(40_030), Some(40_031)).unwrap();
    set(&local, "user.root", b"of the root");
    let owners = [("top/plain", 1, 2), ("top/program", 3, 4), ("top/link", 5, 6), ("top/d", 7, 8)];
    for (name, user, group) in owners {
        lchown(local.join(name), Some(40_000 + user), Some(40_000 + group)).unwrap();
    }
    let mode = |name: &str, mode| {
        fs::set_permissions(local.join(name), fs::Permissions::from_mode(mode)).unwrap();
    };
    mode("top/program", 0o6755);
    mode("top/d/secret", 0o400);
    set(&local.join("top/plain"), "user.comment", b"text");
    set(&local.join("top/d/secret"), "user.long", &[7; 3000]);
    set(&local.join("top/d"), "trusted.sort", b"");
    set(&local.join("top/link"), "trusted.of_link", b"link");
    set(&local.join("top/listed"), LIST, &list(2, 6, 4));
    set(&local.join("top/d"), DEFAULT, &list(1, 4, 0));
    // Version 2, effective, cap_net_bind_service.
    let capability = [1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    set(&local.join("top/capable"), "security.capability", &capability);
    local
}

/// Paths that are one file, each of them in order.
fn same_files(root: &LocalPath) -> Vec<Vec<PathBuf>> {
    let mut files: BTreeMap<(u64, u64), Vec<PathBuf>> = BTreeMap::new();
    for path in facts(root).into_keys() {
        let found = fs::symlink_metadata(root.join(&path)).unwrap();
        if !found.is_dir() && found.nlink() > 1 {
            files.entry((found.dev(), found.ino())).or_default().push(path);
        }
    }
    let mut files: Vec<_> = files.into_values().collect();
    files.sort();
    files
}

#[test]
fn what_is_one_file_comes_back_as_one_also_of_a_part() {
    let place = tempfile::tempdir().unwrap();
    let local = place.path().join("local");
    fs::create_dir_all(local.join("a/b")).unwrap();
    fs::create_dir_all(local.join("c")).unwrap();
    for (name, others) in [("a/1", vec!["a/2", "a/b/3"]), ("c/4", vec!["a/b/5", "a/6"])] {
        fs::write(local.join(name), name).unwrap();
        others.iter().for_each(|other| fs::hard_link(local.join(name), local.join(other)).unwrap());
    }
    fs::write(local.join("alone"), "a/1").unwrap();
    let sandbox = Sandbox::new();
    sandbox.put(&local);
    let head = sandbox.head();
    sandbox.put(&local);
    assert_eq!(sandbox.head(), head, "nothing changed");
    let out = place.path().join("out");
    sandbox.get(&out);
    let whole = same_files(&local);
    assert_eq!(whole.len(), 2);
    assert_eq!(same_files(&out), whole);
    let replace =
        GetOptions { overwrite: crate::files::Overwrite::IfChanged, ..GetOptions::default() };
    assert_eq!(sandbox.get_with("/", &out, &replace).unwrap().failed, 0);
    assert_eq!(same_files(&out), whole);
    assert_eq!(facts(&out).len(), facts(&local).len(), "nothing is left");
    // Of a part, those that are in it.
    let part = place.path().join("part");
    sandbox.get_with("/a", &part, &GetOptions::default()).unwrap();
    let paths = |names: &[&str]| names.iter().map(PathBuf::from).collect::<Vec<_>>();
    assert_eq!(same_files(&part), [paths(&["1", "2", "b/3"]), paths(&["6", "b/5"])]);
    // A tree put elsewhere is the same tree.
    sandbox.put_with(&local, "/elsewhere", &PutOptions::default()).unwrap();
    let reader = sandbox.database.reader().unwrap();
    let Some(Item::Directory(copy)) = reader.item(&reader.head(), at("/elsewhere")).unwrap() else {
        panic!("no directory")
    };
    assert_eq!(copy.root, reader.version(&head).unwrap().root);
    // One that goes leaves two, one that stays alone is a file.
    fs::remove_file(local.join("a/2")).unwrap();
    fs::remove_file(local.join("a/b/5")).unwrap();
    fs::remove_file(local.join("a/6")).unwrap();
    sandbox.mirror(&local);
    let reader = sandbox.database.reader().unwrap();
    let link = |path: &str| {
        reader.item(&reader.head(), at(path)).unwrap().unwrap().attributes().link.map(|l| l.up)
    };
    assert_eq!(
        (link("/a/1"), link("/a/b/3"), link("/c/4"), link("/alone")),
        (Some(0), Some(1), None, None)
    );
}

#[test]
fn a_file_that_nothing_can_be_linked_to_comes_back_with_all_its_paths() {
    let place = tempfile::tempdir().unwrap();
    let local = place.path().join("local");
    fs::create_dir_all(local.join("d")).unwrap();
    fs::write(local.join("a"), "x").unwrap();
    fs::hard_link(local.join("a"), local.join("d/b")).unwrap();
    let flags = |path: &LocalPath| ioctl_getflags(fs::File::open(path).unwrap());
    let change = |path: &LocalPath, flags| ioctl_setflags(fs::File::open(path).unwrap(), flags);
    let Ok(before) = flags(&local.join("a")) else { return };
    if !is_root() || change(&local.join("a"), before | IFlags::IMMUTABLE).is_err() {
        return;
    }
    let sandbox = Sandbox::new();
    sandbox.put(&local);
    let out = place.path().join("out");
    let report = sandbox.get(&out);
    let files = same_files(&out);
    let found = flags(&out.join("a")).unwrap();
    // What cannot be changed cannot be removed with the test.
    for path in [local.join("a"), out.join("a")] {
        change(&path, before).unwrap();
    }
    assert_eq!((report.failed, report.lacking), (0, 0));
    assert_eq!(files, [["a", "d/b"].map(PathBuf::from)]);
    assert!(found.contains(IFlags::IMMUTABLE));
}

fn keep(keep: KeepOptions) -> PutOptions {
    PutOptions { keep, ..PutOptions::default() }
}

/// The set of what is at a path.
fn set_of(reader: &Reader, path: &str) -> Option<AttributeSet> {
    let item = reader.item(&reader.head(), at(path)).unwrap().unwrap();
    item.attributes().set.map(|set| AttributeSet::read(reader.view(), &set).unwrap())
}

#[test]
fn everything_comes_back_as_root() {
    if !is_root() {
        return;
    }
    let place = tempfile::tempdir().unwrap();
    let local = tree(place.path());
    let sandbox = Sandbox::new();
    assert_eq!(sandbox.put(&local).unreadable, 0);
    let out = place.path().join("out");
    let report = sandbox.get(&out);
    assert_eq!((report.failed, report.lacking), (0, 0));
    assert_same(&out, &local);
    // Again, over what is there; and of a part.
    let replace =
        GetOptions { overwrite: crate::files::Overwrite::IfChanged, ..GetOptions::default() };
    assert_eq!(sandbox.get_with("/", &out, &replace).unwrap().lacking, 0);
    assert_same(&out.join("top"), &local.join("top"));
    let part = place.path().join("part");
    sandbox.get_with("/top/d", &part, &GetOptions::default()).unwrap();
    assert_same(&part, &local.join("top/d"));
}

#[test]
fn an_export_and_a_patch_carry_it_and_a_collection_keeps_it() {
    if !is_root() {
        return;
    }
    let place = tempfile::tempdir().unwrap();
    let local = tree(place.path());
    let sandbox = Sandbox::new();
    sandbox.put(&local);
    let first = sandbox.head();
    set(&local.join("top/plain"), "user.more", &[9; 2000]);
    lchown(local.join("top/listed"), Some(40_011), None).unwrap();
    let report = sandbox.put(&local);
    assert_eq!((report.files_changed, report.files_unchanged), (2, 8));
    let reader = sandbox.database.reader().unwrap();
    let second = reader.head();
    let (mut export, mut patch) = (Vec::new(), Vec::new());
    backup::export(&reader, &first, &mut export, &Monitor::new()).unwrap();
    backup::diff(&reader, &first, &second, &mut patch, &Monitor::new()).unwrap();
    assert!([&export, &patch].iter().all(|file| file[16] == 1), "the feature is named");
    drop(reader);
    let other = Sandbox::new();
    let inputs =
        [export, patch].map(|bytes| backup::Input::Stream(Box::new(std::io::Cursor::new(bytes))));
    let options = backup::ImportOptions { promote: true, ..Default::default() };
    backup::import(&other.database, inputs, &options, &Monitor::new()).unwrap();
    assert_eq!(other.head(), second);
    crate::gc::collect(&other.database, false, &Monitor::new()).unwrap();
    let out = place.path().join("out");
    let reader = other.database.reader().unwrap();
    let options = GetOptions::default();
    let monitor = Arc::new(Monitor::new());
    get(&reader, &reader.head(), at("/"), &out, &options, &monitor).unwrap();
    assert_same(&out, &local);
}

#[test]
fn what_is_not_to_be_kept_is_not_and_files_without_it_need_no_feature() {
    let place = tempfile::tempdir().unwrap();
    fs::write(place.path().join("file"), "x").unwrap();
    let sandbox = Sandbox::new();
    sandbox.put_with(place.path(), "/", &keep(KeepOptions::NOTHING)).unwrap();
    assert_eq!(set_of(&sandbox.database.reader().unwrap(), "/file"), None);
    assert_eq!(sandbox.media.to_vec()[16], 0);
    let numeric = KeepOptions { numeric: true, ..KeepOptions::ALL };
    let report = sandbox.put_with(place.path(), "/", &keep(numeric)).unwrap();
    assert_eq!(report.files_changed, 1);
    let found = fs::metadata(place.path().join("file")).unwrap();
    let owner = Owner { user: found.uid(), group: found.gid(), ..Owner::default() };
    let set = set_of(&sandbox.database.reader().unwrap(), "/file").unwrap();
    assert_eq!(set.owner, Some(owner));
    let bytes = sandbox.media.to_vec();
    assert!(bytes[16] == 1 || bytes[4096 + 16] == 1);
    assert_eq!(sandbox.put_with(place.path(), "/", &keep(numeric)).unwrap().files_unchanged, 1);
}

#[test]
fn what_the_cache_knows_of_one_way_to_put_is_nothing_to_another() {
    let place = tempfile::tempdir().unwrap();
    let (local, cache) = (place.path().join("local"), place.path().join("cache"));
    fs::create_dir(&local).unwrap();
    fs::write(local.join("file"), "x").unwrap();
    let sandbox = Sandbox::new();
    let put = |kept| {
        let options = PutOptions { cache: Some(cache.clone()), ..keep(kept) };
        sandbox.put_with(&local, "/", &options).unwrap().files_changed
    };
    put(KeepOptions::NOTHING);
    assert_eq!((put(KeepOptions::NOTHING), put(KeepOptions::ALL)), (0, 1));
    assert_eq!((put(KeepOptions::ALL), put(KeepOptions::NOTHING)), (0, 1));
    assert_eq!((put(KeepOptions::ALL), put(KeepOptions::ALL)), (1, 0));
}

#[test]
fn owners_are_others_where_that_is_asked_for() {
    if !is_root() {
        return;
    }
    let place = tempfile::tempdir().unwrap();
    let local = place.path().join("local");
    fs::create_dir(&local).unwrap();
    fs::write(local.join("file"), "x").unwrap();
    lchown(local.join("file"), Some(40_001), Some(40_002)).unwrap();
    fs::set_permissions(local.join("file"), fs::Permissions::from_mode(0o4755)).unwrap();
    let sandbox = Sandbox::new();
    sandbox.put(&local);
    let get = |name: &str, wanted| {
        let out = place.path().join(name);
        let options = GetOptions { wanted, ..GetOptions::default() };
        sandbox.get_with("/", &out, &options).map(|_| {
            let found = fs::metadata(out.join("file")).unwrap();
            (found.uid(), found.gid(), found.mode() & 0o7777)
        })
    };
    let map = |text: &str| vec![text.parse().unwrap()];
    let all = Wanted::default();
    assert_eq!(get("same", all.clone()).unwrap(), (40_001, 40_002, 0o4755));
    let mapped = Wanted { users: map("40001:40009"), groups: map("40002:root"), ..all.clone() };
    assert_eq!(get("mapped", mapped).unwrap(), (40_009, 0, 0o755));
    let other = Wanted { users: map("40002:40009"), ..all.clone() };
    assert_eq!(get("other", other).unwrap(), (40_001, 40_002, 0o4755));
    let unknown = Wanted { users: map("40001:nobody of this name"), ..all };
    assert!(get("unknown", unknown).is_err());
    for bad in ["", "a", ":", "a:", ":b", "a:b:c"] {
        assert!(bad.parse::<crate::files::OwnerMap>().is_err(), "{bad}");
    }
}

#[test]
fn a_set_that_is_lost_makes_a_version_incomplete() {
    let place = tempfile::tempdir().unwrap();
    fs::write(place.path().join("file"), "x").unwrap();
    let sandbox = Sandbox::new();
    sandbox.put(place.path());
    let reader = sandbox.database.reader().unwrap();
    let Some(Item::File(record)) = reader.item(&reader.head(), at("/file")).unwrap() else {
        panic!("no file")
    };
    let set = record.attributes.set.unwrap();
    assert!(reader.view().read(Kind::Attributes, set.hash()).is_ok());
    let mut store = crate::store::memory::MemoryStore::new();
    let mut copy = |kind, hash: &crate::hash::Hash| {
        let bytes = reader.view().read(kind, hash).unwrap();
        crate::store::AppendEntries::append(&mut store, kind, &bytes).unwrap();
    };
    let head = reader.head();
    copy(Kind::Version, &head.0);
    copy(Kind::Directory, &reader.version(&head).unwrap().root.0);
    copy(Kind::Chunk, &record.content_hash);
    copy(Kind::Attributes, set.hash());
    let missing = |store: &_| crate::graph::missing(store, &head, None, &Monitor::new()).unwrap();
    assert_eq!(missing(&store), 0);
    store.forget(set.hash());
    assert_eq!(missing(&store), 1);
}
