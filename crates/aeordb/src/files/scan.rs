//! What the file system says of a directory's entries, without following links.

use std::ffi::OsString;
use std::fs::{self, Metadata};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path as LocalPath, PathBuf};

use crate::error::{Context, Result};

/// What decides whether a file is surely the one that was read before.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Stat {
    /// Bytes.
    pub size: u64,
    /// Last modification, in nanoseconds since 1970.
    pub mtime: i64,
    /// Last change of the inode, in nanoseconds since 1970: no program can set it back.
    pub ctime: i64,
    /// Inode.
    pub inode: u64,
    /// Device.
    pub device: u64,
}

fn nanoseconds(seconds: i64, nanoseconds: i64) -> i64 {
    seconds.saturating_mul(1_000_000_000).saturating_add(nanoseconds)
}

impl Stat {
    /// The facts of these metadata.
    pub fn of(metadata: &Metadata) -> Stat {
        Stat {
            size: metadata.size(),
            mtime: nanoseconds(metadata.mtime(), metadata.mtime_nsec()),
            ctime: nanoseconds(metadata.ctime(), metadata.ctime_nsec()),
            inode: metadata.ino(),
            device: metadata.dev(),
        }
    }
}

/// What an entry of a local directory is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Found {
    /// A file.
    File(Stat),
    /// A symbolic link and its target.
    Symlink(Vec<u8>),
    /// A directory.
    Directory,
    /// Something that has no content to keep: a socket, a FIFO or a device.
    Special(&'static str),
    /// Something that could not be looked at.
    Unreadable(String),
}

/// An entry of a local directory.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its name.
    pub name: Vec<u8>,
    /// What it is.
    pub found: Found,
    /// Permission bits.
    pub mode: u32,
    /// Last modification, in nanoseconds since 1970.
    pub mtime: i64,
}

impl Entry {
    /// What is at `path`, whose entry is called `name`.
    pub fn look(path: &LocalPath, name: &[u8], metadata: &Metadata) -> Entry {
        let file_type = metadata.file_type();
        let found = if file_type.is_file() {
            Found::File(Stat::of(metadata))
        } else if file_type.is_dir() {
            Found::Directory
        } else if file_type.is_symlink() {
            match fs::read_link(path) {
                Ok(target) => Found::Symlink(OsString::from(target).into_vec()),
                Err(error) => Found::Unreadable(error.to_string()),
            }
        } else if file_type.is_socket() {
            Found::Special("a socket")
        } else if file_type.is_fifo() {
            Found::Special("a FIFO")
        } else {
            Found::Special("a device")
        };
        let mtime = nanoseconds(metadata.mtime(), metadata.mtime_nsec());
        Entry { name: name.to_vec(), found, mode: metadata.mode() & 0o7777, mtime }
    }
}

/// The entries of a directory, by the bytes of their names.
pub fn scan(path: &PathBuf) -> Result<Vec<Entry>> {
    let what = || format!("listing {}", path.display());
    let mut entries = Vec::new();
    for entry in fs::read_dir(path).context(what)? {
        let entry = entry.context(what)?;
        let name = entry.file_name();
        let entry = match entry.metadata() {
            Ok(metadata) => Entry::look(&entry.path(), name.as_bytes(), &metadata),
            Err(error) => {
                let found = Found::Unreadable(error.to_string());
                Entry { name: name.into_vec(), found, mode: 0, mtime: 0 }
            }
        };
        entries.push(entry);
    }
    entries.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    Ok(entries)
}
