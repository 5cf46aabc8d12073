//! Directory trees of the local disk: made, changed, compared.

use std::collections::BTreeMap;
use std::fs::{self, File, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

/// Makes a tree of every sort of thing that is backed up.
pub fn make(root: &Path) {
    fs::create_dir_all(root.join("deep/er/still")).unwrap();
    fs::create_dir(root.join("empty")).unwrap();
    fs::write(root.join("nothing"), "").unwrap();
    fs::write(root.join("small.txt"), "small\n").unwrap();
    fs::write(root.join("deep/er/still/here.bin"), noise(1, 300_000)).unwrap();
    fs::write(root.join("deep/large.bin"), noise(2, 3_000_000)).unwrap();
    fs::write(root.join("run.sh"), "#!/bin/sh\n").unwrap();
    fs::set_permissions(root.join("run.sh"), Permissions::from_mode(0o750)).unwrap();
    fs::set_permissions(root.join("empty"), Permissions::from_mode(0o700)).unwrap();
    symlink("small.txt", root.join("link")).unwrap();
    symlink("/nowhere/at all", root.join("dangling")).unwrap();
    let old = UNIX_EPOCH + Duration::new(981_173_106, 987_654_321);
    File::options().write(true).open(root.join("small.txt")).unwrap().set_modified(old).unwrap();
    File::open(root.join("deep/er")).unwrap().set_modified(old).unwrap();
}

/// Changes the tree: something of it is new, modified, deleted, and of another kind.
pub fn change(root: &Path) {
    fs::write(root.join("added.txt"), "added\n").unwrap();
    let mut large = noise(2, 3_000_000);
    large.splice(1_500_000..1_500_000, *b"in the middle");
    fs::write(root.join("deep/large.bin"), large).unwrap();
    fs::remove_file(root.join("nothing")).unwrap();
    fs::remove_file(root.join("link")).unwrap();
    fs::create_dir(root.join("link")).unwrap();
    fs::write(root.join("link/inside"), "a directory now\n").unwrap();
    fs::set_permissions(root.join("run.sh"), Permissions::from_mode(0o700)).unwrap();
}

/// Bytes without a pattern, the same for the same seed.
pub fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut step = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    let mut bytes: Vec<u8> =
        std::iter::repeat_with(&mut step).take(len / 8 + 1).flatten().collect();
    bytes.truncate(len);
    bytes
}

/// Everything that a backup keeps of a path, by path.
fn all(root: &Path) -> BTreeMap<Vec<u8>, String> {
    let mut found = BTreeMap::new();
    let mut waiting = vec![root.to_owned()];
    while let Some(directory) = waiting.pop() {
        for entry in fs::read_dir(&directory).unwrap() {
            let path = entry.unwrap().path();
            let metadata = fs::symlink_metadata(&path).unwrap();
            let kind = metadata.file_type();
            let content = if kind.is_symlink() {
                format!("-> {}", fs::read_link(&path).unwrap().display())
            } else if kind.is_dir() {
                waiting.push(path.clone());
                String::new()
            } else {
                aeordb::hash::Hash::of(&fs::read(&path).unwrap()).to_string()
            };
            let time = (metadata.mtime(), metadata.mtime_nsec());
            let shown = match kind.is_symlink() {
                // A symbolic link has no mode of its own.
                true => format!("{time:?} {content}"),
                false => format!("{:o} {time:?} {content}", metadata.mode()),
            };
            let below = path.strip_prefix(root).unwrap().as_os_str();
            found.insert(below.as_encoded_bytes().to_vec(), shown);
        }
    }
    found
}

/// Checks that two trees have the same names, bytes, modes, times and links.
pub fn assert_same(one: &Path, other: &Path) {
    let (one, other) = (all(one), all(other));
    assert!(!one.is_empty());
    for (path, shown) in &one {
        let path_shown = String::from_utf8_lossy(path);
        assert_eq!(Some(shown), other.get(path), "{path_shown}");
    }
    assert_eq!(one.len(), other.len());
}
