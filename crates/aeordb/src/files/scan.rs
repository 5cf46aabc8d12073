//! What the file system says of a directory's entries, without following links.

use std::ffi::OsStr;
use std::fs::Metadata;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::{Path as LocalPath, PathBuf};
use std::sync::Arc;

use nix::dir::Dir;
use nix::fcntl::{AtFlags, readlinkat};
use nix::sys::stat::{FileStat, SFlag, fstat, fstatat};
use rustix::fs::{Statx, StatxAttributes, StatxFlags, makedev, statx};
use rustix::io::Errno;

use crate::error::{Context, Result};
use crate::files::beneath::Tree;
use crate::files::extended::{Keep, Kept};
use crate::files::rights;
use crate::object::attributes::flags;
use crate::object::{Attributes, Device, SpecialKind};

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

fn device_of(number: u64) -> Device {
    Device { major: rustix::fs::major(number), minor: rustix::fs::minor(number) }
}

/// What the system says of an inode.
#[derive(Clone, Copy, Default, Debug)]
pub struct Facts {
    mode: u32,
    stat: Stat,
    /// Numbers of user and group.
    owner: (u32, u32),
    /// Bits of [`flags`].
    flags: u64,
    /// The numbers, if it is a device.
    device: Device,
    /// How many paths it has.
    paths: u64,
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
        let owner = (metadata.uid(), metadata.gid());
        let device = device_of(metadata.rdev());
        Facts { mode: metadata.mode(), stat, owner, flags: 0, device, paths: metadata.nlink() }
    }

    /// The facts of what is open.
    pub fn of_handle(handle: impl AsFd) -> io::Result<Facts> {
        match statx(&handle, c"", rustix::fs::AtFlags::EMPTY_PATH, StatxFlags::BASIC_STATS) {
            Ok(found) => Ok(Facts::extended(&found)),
            Err(Errno::NOSYS) => Ok(Facts::at(&fstat(&handle)?)),
            Err(error) => Err(error.into()),
        }
    }

    /// The facts of what is called `name` in an open directory. A link is not followed.
    fn of_entry(directory: impl AsFd, name: &[u8]) -> io::Result<Facts> {
        match statx(
            &directory,
            name,
            rustix::fs::AtFlags::SYMLINK_NOFOLLOW,
            StatxFlags::BASIC_STATS,
        ) {
            Ok(found) => Ok(Facts::extended(&found)),
            // A kernel before 4.11, or a sandbox that does not know the call: no flags are seen.
            Err(Errno::NOSYS) => {
                Ok(Facts::at(&fstatat(&directory, name, AtFlags::AT_SYMLINK_NOFOLLOW)?))
            }
            Err(error) => Err(error.into()),
        }
    }

    fn extended(found: &Statx) -> Facts {
        let time = |at: rustix::fs::StatxTimestamp| nanoseconds(at.tv_sec, at.tv_nsec.into());
        let stat = Stat {
            size: found.stx_size,
            mtime: time(found.stx_mtime),
            ctime: time(found.stx_ctime),
            inode: found.stx_ino,
            device: makedev(found.stx_dev_major, found.stx_dev_minor),
        };
        let flag = |attribute, flag| {
            if found.stx_attributes.contains(attribute) { flag } else { 0 }
        };
        let flags = flag(StatxAttributes::APPEND, flags::APPEND)
            | flag(StatxAttributes::IMMUTABLE, flags::IMMUTABLE)
            | flag(StatxAttributes::NODUMP, flags::NODUMP);
        let (major, minor) = (found.stx_rdev_major, found.stx_rdev_minor);
        Facts {
            mode: found.stx_mode.into(),
            stat,
            owner: (found.stx_uid, found.stx_gid),
            flags,
            device: Device { major, minor },
            paths: found.stx_nlink.into(),
        }
    }

    fn at(found: &FileStat) -> Facts {
        let stat = Stat {
            size: u64::try_from(found.st_size).unwrap_or(0),
            mtime: nanoseconds(found.st_mtime, found.st_mtime_nsec),
            ctime: nanoseconds(found.st_ctime, found.st_ctime_nsec),
            inode: found.st_ino,
            device: found.st_dev,
        };
        let owner = (found.st_uid, found.st_gid);
        let (device, paths) = (device_of(found.st_rdev), found.st_nlink);
        Facts { mode: found.st_mode, stat, owner, flags: 0, device, paths }
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

    /// Numbers of the user and the group that own it.
    pub fn owner(&self) -> (u32, u32) {
        self.owner
    }

    /// Bits of [`flags`].
    pub fn flags(&self) -> u64 {
        self.flags
    }

    /// Device and inode of what has several paths, and is no directory.
    pub fn linked(&self) -> Option<(u64, u64)> {
        let linked = self.paths > 1 && self.sort() != SFlag::S_IFDIR;
        linked.then_some((self.stat.device, self.stat.inode))
    }

    /// True if the mode may be the mask of an access control list.
    pub fn may_have_list(&self) -> bool {
        self.sort() != SFlag::S_IFLNK && rights::may_be_mask(self.mode)
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
    /// A pipe, device or socket.
    Special(SpecialKind),
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
    /// What the system says of it.
    pub facts: Facts,
    /// What is kept of what is not opened; of files and directories that is read then.
    pub kept: Kept,
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
            Found::Special(SpecialKind::Socket)
        } else if sort == SFlag::S_IFIFO {
            Found::Special(SpecialKind::Fifo)
        } else if sort == SFlag::S_IFCHR {
            Found::Special(SpecialKind::CharacterDevice(facts.device))
        } else {
            Found::Special(SpecialKind::BlockDevice(facts.device))
        };
        let kept = Kept { attributes: facts.attributes(), ..Kept::default() };
        Entry { name: name.to_vec(), found, facts: *facts, kept }
    }

    /// What is called `name` in an open directory, as far as the system says.
    fn at(directory: impl AsFd, name: &[u8], keep: &Keep) -> Entry {
        let facts = match Facts::of_entry(&directory, name) {
            Ok(facts) => facts,
            Err(error) => return Entry::unreadable(name, &error),
        };
        let target = || readlinkat(&directory, name).map(OsStringExt::into_vec);
        let mut entry = Entry::new(name, &facts, target);
        if matches!(entry.found, Found::Symlink(_) | Found::Special(_)) {
            entry.kept = keep.of_entry(directory.as_fd(), name, &facts);
        }
        entry
    }

    fn unreadable(name: &[u8], error: &io::Error) -> Entry {
        let found = Found::Unreadable(error.to_string());
        Entry { name: name.to_vec(), found, facts: Facts::default(), kept: Kept::default() }
    }
}

/// Entries of a directory that are looked at together.
pub const PAGE: usize = 1024;

/// What a directory is.
pub struct Scanned {
    /// What is kept of it.
    pub kept: Kept,
    /// What it holds.
    pub entries: Entries,
}

/// What a directory holds, by the bytes of the names.
pub enum Entries {
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
    pub fn page(&self, number: usize, keep: &Keep) -> Vec<Entry> {
        match self.tree.directory(&self.directory) {
            Ok(directory) => self.look(number, |name| Entry::at(&directory, name, keep)),
            Err(errno) => self.look(number, |name| Entry::unreadable(name, &errno.into())),
        }
    }

    fn look(&self, number: usize, entry: impl Fn(&[u8]) -> Entry) -> Vec<Entry> {
        let places = self.places.chunks(PAGE).nth(number).unwrap_or_default();
        let names = places.iter().filter_map(|place| self.bytes.get(place.0..place.1));
        names.map(entry).collect()
    }
}

/// What the directory `below` of a tree is and holds.
pub fn scan(tree: &Arc<Tree>, below: &LocalPath, keep: &Keep) -> Result<Scanned> {
    let what = || format!("listing {}", tree.path_of(below).display());
    let mut directory = Dir::from_fd(tree.directory(below).context(what)?).context(what)?;
    let kept = keep.of_handle(&directory, &Facts::of_handle(&directory).context(what)?);
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
    let entries = match names.pages() {
        0 | 1 => Entries::Few(names.look(0, |name| Entry::at(&directory, name, keep))),
        _ => Entries::Many(names),
    };
    Ok(Scanned { kept, entries })
}

/// The path of what is called `name` in the directory `below`.
pub fn join(below: &LocalPath, name: &[u8]) -> PathBuf {
    below.join(OsStr::from_bytes(name))
}
