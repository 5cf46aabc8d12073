//! What the file system says of a directory's entries, without following links.

use std::ffi::OsStr;
use std::fs::Metadata;
use std::os::fd::AsFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::{Path as LocalPath, PathBuf};
use std::sync::Arc;

use nix::dir::Dir;
use nix::fcntl::{AtFlags, readlinkat};
use nix::sys::stat::{FileStat, SFlag, fstatat};

use crate::error::{Context, Result};
use crate::files::beneath::Tree;
use crate::object::Attributes;

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

/// What the system says of an inode.
#[derive(Clone, Copy)]
pub struct Facts {
    mode: u32,
    stat: Stat,
}

impl Facts {
    /// The facts of these metadata.
    pub fn of(metadata: &Metadata) -> Facts {
        let stat = Stat {
            size: metadata.size(),
            mtime: nanoseconds(metadata.mtime(), metadata.mtime_nsec()),
            ctime: nanoseconds(metadata.ctime(), metadata.ctime_nsec()),
            inode: metadata.ino(),
            device: metadata.dev(),
        };
        Facts { mode: metadata.mode(), stat }
    }

    fn at(found: &FileStat) -> Facts {
        let stat = Stat {
            size: u64::try_from(found.st_size).unwrap_or(0),
            mtime: nanoseconds(found.st_mtime, found.st_mtime_nsec),
            ctime: nanoseconds(found.st_ctime, found.st_ctime_nsec),
            inode: found.st_ino,
            device: found.st_dev,
        };
        Facts { mode: found.st_mode, stat }
    }

    /// What it looks like, if it is a file.
    pub fn file(&self) -> Option<Stat> {
        (self.sort() == SFlag::S_IFREG).then_some(self.stat)
    }

    /// Its attributes, as far as the system shows them unasked.
    pub fn attributes(&self) -> Attributes {
        let shown = Attributes::new(self.mode & 0o7777, self.stat.mtime);
        if self.sort() == SFlag::S_IFLNK { shown.of_link() } else { shown }
    }

    fn sort(&self) -> SFlag {
        SFlag::from_bits_truncate(self.mode) & SFlag::S_IFMT
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
    /// Its attributes as the system shows them: [`attributes`](super::attributes) knows better.
    pub attributes: Attributes,
}

impl Entry {
    /// What is called `name`, of which `facts` are known.
    pub fn new(name: &[u8], facts: &Facts, target: impl FnOnce() -> nix::Result<Vec<u8>>) -> Entry {
        let sort = facts.sort();
        let found = if sort == SFlag::S_IFREG {
            Found::File(facts.stat)
        } else if sort == SFlag::S_IFDIR {
            Found::Directory
        } else if sort == SFlag::S_IFLNK {
            match target() {
                Ok(target) => Found::Symlink(target),
                Err(errno) => Found::Unreadable(std::io::Error::from(errno).to_string()),
            }
        } else if sort == SFlag::S_IFSOCK {
            Found::Special("a socket")
        } else if sort == SFlag::S_IFIFO {
            Found::Special("a FIFO")
        } else {
            Found::Special("a device")
        };
        Entry { name: name.to_vec(), found, attributes: facts.attributes() }
    }

    /// What is called `name` in an open directory, as far as the system says.
    fn at(directory: impl AsFd, name: &[u8]) -> Entry {
        match fstatat(&directory, name, AtFlags::AT_SYMLINK_NOFOLLOW) {
            Ok(found) => {
                let facts = Facts::at(&found);
                let target = || readlinkat(&directory, name).map(OsStringExt::into_vec);
                Entry::new(name, &facts, target)
            }
            Err(errno) => Entry::unreadable(name, errno),
        }
    }

    fn unreadable(name: &[u8], errno: nix::Error) -> Entry {
        let found = Found::Unreadable(std::io::Error::from(errno).to_string());
        Entry { name: name.to_vec(), found, attributes: Attributes::default() }
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
    tree: Arc<Tree>,
    directory: PathBuf,
    bytes: Vec<u8>,
    /// Where each name is in `bytes`.
    places: Vec<(usize, usize)>,
}

impl Names {
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
        match self.tree.directory(&self.directory) {
            Ok(directory) => self.look(number, |name| Entry::at(&directory, name)),
            Err(errno) => self.look(number, |name| Entry::unreadable(name, errno)),
        }
    }

    fn look(&self, number: usize, entry: impl Fn(&[u8]) -> Entry) -> Vec<Entry> {
        let places = self.places.chunks(PAGE).nth(number).unwrap_or_default();
        let names = places.iter().filter_map(|place| self.bytes.get(place.0..place.1));
        names.map(entry).collect()
    }
}

/// What the directory `below` of a tree holds.
pub fn scan(tree: &Arc<Tree>, below: &LocalPath) -> Result<Scanned> {
    let what = || format!("listing {}", tree.path_of(below).display());
    let mut directory = Dir::from_fd(tree.directory(below).context(what)?).context(what)?;
    let (bytes, places) = (Vec::new(), Vec::new());
    let mut names = Names { tree: tree.clone(), directory: below.into(), bytes, places };
    for entry in directory.iter() {
        let entry = entry.context(what)?;
        match entry.file_name().to_bytes() {
            b"." | b".." => {}
            name => names.push(name),
        }
    }
    names.sort();
    match names.pages() {
        0 | 1 => Ok(Scanned::Few(names.look(0, |name| Entry::at(&directory, name)))),
        _ => Ok(Scanned::Many(names)),
    }
}

/// The path of what is called `name` in the directory `below`.
pub fn join(below: &LocalPath, name: &[u8]) -> PathBuf {
    below.join(OsStr::from_bytes(name))
}
