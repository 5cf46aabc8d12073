//! Trees of files: random ones, made on the local disk and read from there.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, File, FileTimes, Permissions};
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path as LocalPath;
use std::time::{Duration, UNIX_EPOCH};

use nix::fcntl::AT_FDCWD;
use nix::sys::stat::{UtimensatFlags, utimensat};
use nix::sys::time::TimeSpec;
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;

/// A directory's entries by name.
pub type Tree = BTreeMap<Vec<u8>, Node>;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Node {
    File { content: Content, mode: u32, mtime: (i64, u32) },
    Link { target: Vec<u8>, mtime: (i64, u32) },
    Directory { tree: Tree, mode: u32, mtime: (i64, u32) },
}

/// Bytes that are long where they need not be stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    Bytes(Vec<u8>),
    Noise {
        seed: u64,
        len: usize,
    },
    /// Zeros with a few bytes somewhere in them.
    Sparse {
        len: u64,
        at: u64,
    },
}

/// Few names, so that trees meet, and some that are not text.
fn name() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => "[a-d]{1,2}(\\.b)?".prop_map(String::into_bytes),
        1 => vec(prop_oneof![1u8..=46, 48u8..=255], 1..20)
            .prop_filter("a name", |name| name != b"." && name != b".."),
        1 => vec(128u8..=255, 250..=255),
    ]
}

fn mtime() -> impl Strategy<Value = (i64, u32)> {
    prop_oneof![
        (-2_000_000_000i64..9_000_000_000, 0u32..1_000_000_000),
        Just((0, 0)),
        Just((-1, 999_999_999)),
        Just((9_000_000_000, 1)),
    ]
}

fn content() -> impl Strategy<Value = Content> {
    prop_oneof![
        4 => vec(any::<u8>(), 0..64).prop_map(Content::Bytes),
        2 => (any::<u64>(), 0usize..400_000).prop_map(|(seed, len)| Content::Noise { seed, len }),
        1 => (any::<u64>(), 1_000_000usize..3_000_000)
            .prop_map(|(seed, len)| Content::Noise { seed, len }),
        1 => (1u64..3_000_000, any::<u64>())
            .prop_map(|(len, at)| Content::Sparse { len, at: at % len }),
    ]
}

fn leaf() -> impl Strategy<Value = Node> {
    prop_oneof![
        4 => (content(), 0o400u32..=0o777, mtime())
            .prop_map(|(content, mode, mtime)| Node::File { content, mode, mtime }),
        1 => (vec(1u8..=255, 1..40), mtime())
            .prop_map(|(target, mtime)| Node::Link { target, mtime }),
    ]
}

/// A random tree.
pub fn tree() -> impl Strategy<Value = Tree> {
    let node = leaf().prop_recursive(4, 24, 6, |node| {
        (btree_map(name(), node, 0..6), 0o700u32..=0o777, mtime())
            .prop_map(|(tree, mode, mtime)| Node::Directory { tree, mode, mtime })
    });
    btree_map(name(), node, 0..8)
}

/// What putting `over` onto `tree` makes of it.
pub fn overlay(tree: &Tree, over: &Tree) -> Tree {
    let mut merged = tree.clone();
    for (name, node) in over {
        let node = match (tree.get(name), node) {
            (
                Some(Node::Directory { tree: old, .. }),
                Node::Directory { tree: new, mode, mtime },
            ) => Node::Directory { tree: overlay(old, new), mode: *mode, mtime: *mtime },
            _ => node.clone(),
        };
        merged.insert(name.clone(), node);
    }
    merged
}

/// Makes the tree in `root`, which is made anew.
pub fn make(tree: &Tree, root: &LocalPath) {
    let _ = fs::remove_dir_all(root);
    fs::create_dir(root).unwrap();
    fill(tree, root);
}

fn fill(tree: &Tree, root: &LocalPath) {
    for (name, node) in tree {
        let path = root.join(OsStr::from_bytes(name));
        match node {
            Node::File { content, mode, mtime } => {
                let mut file = File::create(&path).unwrap();
                content.write(&mut file);
                file.set_permissions(Permissions::from_mode(*mode)).unwrap();
                set_time(&path, *mtime);
            }
            Node::Link { target, mtime } => {
                symlink(OsStr::from_bytes(target), &path).unwrap();
                set_time(&path, *mtime);
            }
            Node::Directory { tree, mode, mtime } => {
                fs::create_dir(&path).unwrap();
                fill(tree, &path);
                fs::set_permissions(&path, Permissions::from_mode(*mode)).unwrap();
                set_time(&path, *mtime);
            }
        }
    }
}

fn set_time(path: &LocalPath, (seconds, nanoseconds): (i64, u32)) {
    let time = TimeSpec::new(seconds, i64::from(nanoseconds));
    utimensat(AT_FDCWD, path, &time, &time, UtimensatFlags::NoFollowSymlink).unwrap();
}

/// Sets the time of a file's last modification, in seconds.
pub fn set_modified(path: &LocalPath, seconds: u64) {
    let time = FileTimes::new().set_modified(UNIX_EPOCH + Duration::from_secs(seconds));
    File::options().write(true).open(path).unwrap().set_times(time).unwrap();
}

impl Content {
    fn write(&self, file: &mut File) {
        match self {
            Content::Bytes(bytes) => file.write_all(bytes).unwrap(),
            Content::Noise { seed, len } => file.write_all(&noise(*seed, *len)).unwrap(),
            Content::Sparse { len, at } => {
                file.seek(SeekFrom::Start(*at)).unwrap();
                file.write_all(b"x").unwrap();
                file.set_len(*len).unwrap();
            }
        }
    }
}

/// Bytes without a pattern, the same for the same seed.
pub fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    let mut hasher = blake3::Hasher::new();
    hasher.update(&seed.to_le_bytes()).finalize_xof().fill(&mut bytes);
    bytes
}

/// Everything that is kept of what is below `root`, by path.
pub fn all(root: &LocalPath) -> BTreeMap<Vec<u8>, String> {
    let mut found = BTreeMap::new();
    let mut waiting = vec![root.to_owned()];
    while let Some(directory) = waiting.pop() {
        for entry in fs::read_dir(&directory).unwrap() {
            let path = entry.unwrap().path();
            let metadata = fs::symlink_metadata(&path).unwrap();
            let time = (metadata.mtime(), metadata.mtime_nsec());
            let shown = if metadata.is_symlink() {
                format!("{time:?} -> {:?}", fs::read_link(&path).unwrap())
            } else if metadata.is_dir() {
                waiting.push(path.clone());
                format!("{time:?} {:o} directory", metadata.mode())
            } else {
                let hash = blake3::hash(&fs::read(&path).unwrap());
                format!("{time:?} {:o} {} {hash}", metadata.mode(), metadata.len())
            };
            let below = path.strip_prefix(root).unwrap().as_os_str().as_bytes().to_vec();
            found.insert(below, shown);
        }
    }
    found
}
