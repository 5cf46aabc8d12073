//! Directory trees on disk: bring one to the state of another in place, change
//! a few files, compare, count.
//!
//! Works directory by directory and in small buffers, so that this program
//! stays small whatever the tree (see `measure`).

use crate::error::{Doing, Error, Outcome};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, File, FileType};
use std::io::{Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// The name under which a file is written before it takes its place.
const NEW: &str = ".aeordb-bench-new";

/// What a tree holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Regular files and symlinks.
    pub files: u64,
    /// Directories, the root included.
    pub directories: u64,
    /// Bytes of the regular files.
    pub bytes: u64,
}

/// What an update did.
#[derive(Debug, Default)]
pub struct Update {
    /// Paths below the root whose content was written, new ones included.
    pub written: Vec<PathBuf>,
    /// How many entries were removed; a directory counts once.
    pub removed: u64,
}

/// Makes `live` hold what `release` holds. What is equal already is not
/// touched, so it keeps inode, modification and change time; what differs is
/// written beside its place with the time of `release` and renamed over it.
pub fn update(release: &Path, live: &Path) -> Outcome<Update> {
    let mut done = Update::default();
    fs::create_dir_all(live).doing("cannot create", live)?;
    update_directory(release, live, Path::new(""), &mut done)?;
    Ok(done)
}

fn update_directory(release: &Path, live: &Path, below: &Path, done: &mut Update) -> Outcome<()> {
    let wanted = entries(&release.join(below))?;
    let mut present = entries(&live.join(below))?;
    for name in present.keys().filter(|name| !wanted.contains_key(*name)) {
        remove(&live.join(below).join(name))?;
        done.removed += 1;
    }
    for (name, kind) in wanted {
        let path = below.join(&name);
        let (from, to) = (release.join(&path), live.join(&path));
        let same_kind = present.remove(&name).map(|present| present == kind);
        if same_kind == Some(false) {
            remove(&to)?;
        }
        if kind.is_dir() {
            if same_kind != Some(true) {
                fs::create_dir(&to).doing("cannot create", &to)?;
            }
            update_directory(release, live, &path, done)?;
        } else if same_kind != Some(true) || !same_content(&from, &to, kind)? {
            replace(&from, &to, kind)?;
            done.written.push(path);
        }
    }
    Ok(())
}

/// The names in a directory, in order.
fn entries(dir: &Path) -> Outcome<BTreeMap<OsString, FileType>> {
    let mut names = BTreeMap::new();
    for entry in fs::read_dir(dir).doing("cannot list", dir)? {
        let entry = entry.doing("cannot list", dir)?;
        let kind = entry.file_type().doing("cannot list", dir)?;
        names.insert(entry.file_name(), kind);
    }
    Ok(names)
}

/// Removes a file, a symlink or a whole directory.
pub fn remove(path: &Path) -> Outcome<()> {
    let Ok(meta) = fs::symlink_metadata(path) else {
        return Ok(());
    };
    if meta.is_dir() {
        fs::remove_dir_all(path).doing("cannot remove", path)
    } else {
        fs::remove_file(path).doing("cannot remove", path)
    }
}

fn replace(from: &Path, to: &Path, kind: FileType) -> Outcome<()> {
    let new = to.with_file_name(NEW);
    remove(&new)?;
    if kind.is_symlink() {
        let target = fs::read_link(from).doing("cannot read", from)?;
        std::os::unix::fs::symlink(target, &new).doing("cannot create", &new)?;
    } else if kind.is_file() {
        fs::copy(from, &new).doing("cannot copy", from)?;
        let modified = fs::metadata(from).and_then(|meta| meta.modified());
        let modified = modified.doing("cannot read", from)?;
        let file = File::options().append(true).open(&new);
        file.and_then(|file| file.set_modified(modified)).doing("cannot set the time of", &new)?;
    } else {
        return Err(Error::new(format!(
            "{} is neither file, directory nor symlink",
            from.display()
        )));
    }
    fs::rename(&new, to).doing("cannot rename to", to)
}

fn same_content(a: &Path, b: &Path, kind: FileType) -> Outcome<bool> {
    if kind.is_symlink() {
        let (a, b) = (fs::read_link(a), fs::read_link(b));
        return Ok(matches!((a, b), (Ok(a), Ok(b)) if a == b));
    }
    let meta_a = fs::metadata(a).doing("cannot read", a)?;
    let meta_b = fs::metadata(b).doing("cannot read", b)?;
    if meta_a.len() != meta_b.len() || meta_a.mode() != meta_b.mode() {
        return Ok(false);
    }
    same_bytes(a, b)
}

fn same_bytes(a: &Path, b: &Path) -> Outcome<bool> {
    let mut file_a = File::open(a).doing("cannot read", a)?;
    let mut file_b = File::open(b).doing("cannot read", b)?;
    let (mut left, mut right) = (Vec::new(), Vec::new());
    loop {
        left.clear();
        right.clear();
        let part = 1 << 16;
        Read::by_ref(&mut file_a).take(part).read_to_end(&mut left).doing("cannot read", a)?;
        Read::by_ref(&mut file_b).take(part).read_to_end(&mut right).doing("cannot read", b)?;
        if left != right {
            return Ok(false);
        }
        if left.is_empty() {
            return Ok(true);
        }
    }
}

/// Calls `visit` with every entry below `root`, in order, parents first.
pub fn walk(root: &Path, visit: &mut dyn FnMut(&Path, FileType) -> Outcome<()>) -> Outcome<()> {
    for (name, kind) in entries(root)? {
        let path = root.join(name);
        visit(&path, kind)?;
        if kind.is_dir() {
            walk(&path, visit)?;
        }
    }
    Ok(())
}

/// Counts a tree.
pub fn totals(root: &Path) -> Outcome<Totals> {
    let mut totals = Totals { directories: 1, ..Totals::default() };
    walk(root, &mut |path, kind| {
        if kind.is_dir() {
            totals.directories += 1;
        } else {
            totals.files += 1;
        }
        if kind.is_file() {
            totals.bytes += fs::metadata(path).doing("cannot read", path)?.len();
        }
        Ok(())
    })?;
    Ok(totals)
}

/// The bytes of a file, or of all files of a directory; 0 of what is not there.
pub fn size(path: &Path) -> Outcome<u64> {
    match fs::symlink_metadata(path) {
        Err(_) => Ok(0),
        Ok(meta) if meta.is_dir() => Ok(totals(path)?.bytes),
        Ok(meta) => Ok(meta.len()),
    }
}

/// Reads every file once, so that all peers find the tree in the page cache.
pub fn warm(root: &Path) -> Outcome<()> {
    walk(root, &mut |path, kind| {
        if kind.is_file() {
            let mut file = File::open(path).doing("cannot read", path)?;
            std::io::copy(&mut file, &mut std::io::sink()).doing("cannot read", path)?;
        }
        Ok(())
    })
}

/// Inserts a line in the middle of `count` files of ordinary size, spread
/// evenly over the tree, each written anew and renamed over its old self.
pub fn change_some(root: &Path, count: usize) -> Outcome<Vec<PathBuf>> {
    let mut ordinary = Vec::new();
    walk(root, &mut |path, kind| {
        if kind.is_file() {
            let meta = fs::metadata(path).doing("cannot read", path)?;
            if (1 << 10..=1 << 20).contains(&meta.len()) {
                ordinary.push(path.to_owned());
            }
        }
        Ok(())
    })?;
    let stride = (ordinary.len() / count.max(1)).max(1);
    let chosen: Vec<PathBuf> =
        ordinary.into_iter().skip(stride / 2).step_by(stride).take(count).collect();
    for path in &chosen {
        insert_line(path)?;
    }
    Ok(chosen)
}

fn insert_line(path: &Path) -> Outcome<()> {
    let old = fs::read(path).doing("cannot read", path)?;
    let mode = fs::metadata(path).doing("cannot read", path)?.permissions();
    let (head, tail) = old.split_at(old.len() / 2);
    let new = path.with_file_name(NEW);
    let mut file = File::create(&new).doing("cannot write", &new)?;
    [head, b"\nchanged by the benchmark\n", tail]
        .iter()
        .try_for_each(|part| file.write_all(part))
        .and_then(|()| file.set_permissions(mode))
        .doing("cannot write", &new)?;
    fs::rename(&new, path).doing("cannot rename to", path)
}

/// How closely two trees are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closeness {
    /// Files and symlinks with their content: what every peer keeps.
    Content,
    /// All of that, and directories, modes and modification times.
    Everything,
}

/// Describes the first differences between two trees; none when they are equal.
pub fn differences(a: &Path, b: &Path, closeness: Closeness) -> Outcome<Vec<String>> {
    let mut found = Vec::new();
    compare_directory(a, b, closeness, &mut found)?;
    Ok(found)
}

const DIFFERENCES_MAX: usize = 20;

fn compare_directory(a: &Path, b: &Path, how: Closeness, found: &mut Vec<String>) -> Outcome<()> {
    let left = entries(a)?;
    let mut right = entries(b)?;
    for (name, kind) in left {
        if found.len() >= DIFFERENCES_MAX {
            return Ok(());
        }
        let (path_a, path_b) = (a.join(&name), b.join(&name));
        let shown = path_a.display();
        match right.remove(&name) {
            None if how == Closeness::Content && kind.is_dir() && size(&path_a)? == 0 => {}
            None => found.push(format!("{shown}: missing")),
            Some(other) if other != kind => found.push(format!("{shown}: of another kind")),
            Some(_) => compare_entry(&path_a, &path_b, kind, how, found)?,
        }
    }
    for name in right.keys() {
        found.push(format!("{}: not in the original", b.join(name).display()));
    }
    Ok(())
}

fn compare_entry(
    a: &Path,
    b: &Path,
    kind: FileType,
    how: Closeness,
    found: &mut Vec<String>,
) -> Outcome<()> {
    let shown = a.display();
    if kind.is_symlink() {
        let (to_a, to_b) = (fs::read_link(a), fs::read_link(b));
        let same = matches!((&to_a, &to_b), (Ok(x), Ok(y))
            if x.as_os_str().as_bytes() == y.as_os_str().as_bytes());
        if !same {
            found.push(format!("{shown}: symlink {to_a:?}, restored as {to_b:?}"));
        }
        return Ok(());
    }
    if kind.is_dir() {
        compare_directory(a, b, how, found)?;
    } else if !same_bytes(a, b)? {
        found.push(format!("{shown}: other bytes"));
    }
    if how == Closeness::Everything {
        let x = fs::metadata(a).doing("cannot read", a)?;
        let y = fs::metadata(b).doing("cannot read", b)?;
        if x.permissions().mode() != y.permissions().mode() {
            found.push(format!("{shown}: mode {:o} became {:o}", x.mode(), y.mode()));
        }
        if (x.mtime(), x.mtime_nsec()) != (y.mtime(), y.mtime_nsec()) {
            found.push(format!("{shown}: another modification time"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
