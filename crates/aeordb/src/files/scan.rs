//! What the file system says of a directory's entries, without following links.

use std::ffi::{OsStr, OsString};
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path as LocalPath, PathBuf};

use crate::error::{Context, Result};
use crate::files::rights;

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
    /// What is at `path`, as far as the system says.
    fn of(path: &LocalPath, name: &[u8], metadata: io::Result<Metadata>) -> Entry {
        match metadata {
            Ok(metadata) => Entry::look(path, name, &metadata),
            Err(error) => {
                let found = Found::Unreadable(error.to_string());
                Entry { name: name.to_vec(), found, mode: 0, mtime: 0 }
            }
        }
    }

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
        Entry { name: name.to_vec(), found, mode: rights::of_path(path, metadata), mtime }
    }
}

/// Entries of a directory that are looked at together.
pub const PAGE: usize = 1024;

/// What a directory holds, by the bytes of the names.
pub enum Scanned {
    /// All of it.
    Few(Vec<Entry>),
    /// The names alone: the rest is looked at page by page.
    Many(Names),
}

/// The names in a directory, in order.
pub struct Names {
    directory: PathBuf,
    bytes: Vec<u8>,
    /// Where each name is in `bytes`.
    places: Vec<(usize, usize)>,
}

impl Names {
    fn new(directory: &LocalPath) -> Names {
        Names { directory: directory.into(), bytes: Vec::new(), places: Vec::new() }
    }

    fn push(&mut self, name: &[u8]) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(name);
        self.places.push((start, self.bytes.len()));
    }

    fn sort(&mut self) {
        let Names { bytes, places, .. } = self;
        let name = |place: &(usize, usize)| bytes.get(place.0..place.1);
        places.sort_unstable_by(|a, b| name(a).cmp(&name(b)));
    }

    /// Number of pages.
    pub fn pages(&self) -> usize {
        self.places.len().div_ceil(PAGE)
    }

    /// The entries of a page, which are looked at now.
    pub fn page(&self, number: usize) -> Vec<Entry> {
        let places = self.places.chunks(PAGE).nth(number).unwrap_or_default();
        let names = places.iter().filter_map(|place| self.bytes.get(place.0..place.1));
        let entries = names.map(|name| {
            let path = self.directory.join(OsStr::from_bytes(name));
            Entry::of(&path, name, fs::symlink_metadata(&path))
        });
        entries.collect()
    }
}

/// What the directory `path` holds.
pub fn scan(path: &LocalPath) -> Result<Scanned> {
    let what = || format!("listing {}", path.display());
    let mut few = Vec::new();
    let mut listed = fs::read_dir(path).context(what)?;
    for entry in listed.by_ref().take(PAGE) {
        few.push(entry.context(what)?);
    }
    if let Some(next) = listed.next() {
        let mut names = Names::new(path);
        few.drain(..).for_each(|entry| names.push(entry.file_name().as_bytes()));
        names.push(next.context(what)?.file_name().as_bytes());
        for entry in listed {
            names.push(entry.context(what)?.file_name().as_bytes());
        }
        names.sort();
        return Ok(Scanned::Many(names));
    }
    let look = |entry: fs::DirEntry| {
        Entry::of(&entry.path(), entry.file_name().as_bytes(), entry.metadata())
    };
    let mut entries: Vec<Entry> = few.into_iter().map(look).collect();
    entries.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    Ok(Scanned::Few(entries))
}
