//! What the file system says of a directory's entries, without following links.

use std::ffi::OsStr;
use std::fs::Metadata;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::{Path as LocalPath, PathBuf};
use std::sync::Arc;

use nix::dir::{Dir, Type};
use nix::fcntl::{AtFlags, readlinkat};
use nix::sys::stat::{FileStat, SFlag, fstat, fstatat};
use rustix::fs::{Statx, StatxAttributes, StatxFlags, makedev, statx};
use rustix::io::Errno;

use crate::error::{Context, Result};
use crate::files::beneath::Tree;
use crate::files::choose::Within;
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

/// What the system is asked of an inode.
const ASKED: StatxFlags = StatxFlags::BASIC_STATS.union(StatxFlags::MNT_ID);

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
    /// The mount that it is seen through; 0 where the system does not say.
    mount: u64,
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
        let (paths, mount) = (metadata.nlink(), 0);
        Facts { mode: metadata.mode(), stat, owner, flags: 0, device, paths, mount }
    }

    /// The facts of what is open.
    pub fn of_handle(handle: impl AsFd) -> io::Result<Facts> {
        match statx(&handle, c"", rustix::fs::AtFlags::EMPTY_PATH, ASKED) {
            Ok(found) => Ok(Facts::extended(&found)),
            Err(Errno::NOSYS) => Ok(Facts::at(&fstat(&handle)?)),
            Err(error) => Err(error.into()),
        }
    }

    /// The facts of what is called `name` in an open directory. A link is not followed.
    pub fn of_entry(directory: impl AsFd, name: &[u8]) -> io::Result<Facts> {
        match statx(&directory, name, rustix::fs::AtFlags::SYMLINK_NOFOLLOW, ASKED) {
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
            mount: found.stx_mnt_id,
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
        Facts { mode: found.st_mode, stat, owner, flags: 0, device, paths, mount: 0 }
    }

    /// What it looks like, if it is a file.
    pub fn file(&self) -> Option<Stat> {
        (self.sort() == SFlag::S_IFREG).then_some(self.stat)
    }

    /// The time of its last modification, in nanoseconds since 1970.
    pub fn mtime(&self) -> Option<i64> {
        Some(self.stat.mtime)
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

    /// The device that it is on.
    pub fn device(&self) -> u64 {
        self.stat.device
    }

    /// Device and inode of what has several paths, and is no directory.
    pub fn linked(&self) -> Option<(u64, u64)> {
        let linked = self.paths > 1 && self.sort() != SFlag::S_IFDIR;
        linked.then_some((self.stat.device, self.stat.inode))
    }

    /// True if both are on one file system, and mounted at one place, if the system says where.
    pub fn is_on_the_file_system_of(&self, other: &Facts) -> bool {
        self.stat.device == other.stat.device && self.mount == other.mount
    }

    /// True if the mode may be the mask of an access control list.
    pub fn may_have_list(&self) -> bool {
        self.sort() != SFlag::S_IFLNK && rights::may_be_mask(self.mode)
    }

    /// True of a directory.
    fn is_directory(&self) -> bool {
        self.sort() == SFlag::S_IFDIR
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
    /// What it holds of what was chosen.
    pub entries: Entries,
    /// What decides in it.
    pub within: Within,
    /// How much of it is left out.
    pub left_out: u64,
    /// What was listed, and is not there.
    pub lacking: Vec<Vec<u8>>,
    /// What it says of what is to be left out, and cannot be followed.
    pub told: Vec<String>,
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
    places: Vec<Place>,
}

/// A name, by where it is.
#[derive(Clone, Copy)]
struct Place {
    start: usize,
    len: u32,
    /// Whether it is that of a directory, if that was said.
    is_directory: Option<bool>,
}

impl Place {
    fn name(self, bytes: &[u8]) -> &[u8] {
        bytes.get(self.start..).and_then(|rest| rest.get(..self.len as usize)).unwrap_or_default()
    }
}

impl Names {
    fn push(&mut self, name: &[u8], sort: Option<Type>) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(name);
        let len = u32::try_from(name.len()).unwrap_or(u32::MAX);
        let is_directory = sort.map(|sort| sort == Type::Directory);
        self.places.push(Place { start, len, is_directory });
    }

    fn sort(&mut self) {
        let Names { bytes, places, .. } = self;
        places.sort_unstable_by(|a, b| a.name(bytes).cmp(b.name(bytes)));
    }

    fn has(&self, name: &[u8]) -> bool {
        self.places.binary_search_by(|place| place.name(&self.bytes).cmp(name)).is_ok()
    }

    /// Keeps what `chosen` wants, which is told whether it is a directory. Nothing is asked of what
    /// the listing said enough of: a file system that is to be left out may not answer.
    fn choose(&mut self, directory: &Dir, mut chosen: impl FnMut(&[u8], bool) -> bool) {
        let Names { bytes, places, .. } = self;
        places.retain(|place| {
            let name = place.name(bytes);
            let ask = || Facts::of_entry(directory, name).is_ok_and(|facts| facts.is_directory());
            chosen(name, place.is_directory.unwrap_or_else(ask))
        });
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
        places.iter().map(|place| entry(place.name(&self.bytes))).collect()
    }
}

/// What the directory `below` of a tree is and holds of what was chosen; `within` knows of that what
/// is known before it is opened.
pub fn scan(
    tree: &Arc<Tree>,
    below: &LocalPath,
    keep: &Keep,
    mut within: Within,
) -> Result<Scanned> {
    let what = || format!("listing {}", tree.path_of(below).display());
    let mut directory = Dir::from_fd(tree.directory(below).context(what)?).context(what)?;
    let kept = keep.of_handle(&directory, &Facts::of_handle(&directory).context(what)?);
    let (bytes, places) = (Vec::new(), Vec::new());
    let mut names = Names { tree: tree.clone(), directory: below.into(), bytes, places };
    for entry in directory.iter() {
        let entry = entry.context(what)?;
        match entry.file_name().to_bytes() {
            b"." | b".." => {}
            name => names.push(name, entry.file_type()),
        }
    }
    names.sort();
    let (mut left_out, mut lacking, mut told) = (0, Vec::new(), Vec::new());
    if within.by_name() {
        told = within.look(tree, below, |name| names.has(name));
        lacking = within.lacks(|name| names.has(name));
        names.choose(&directory, |name, is_directory| {
            let (listed, out) = (within.lists(name), within.leaves_out(name, is_directory));
            left_out += u64::from(listed && out);
            listed && !out
        });
    }
    let entries = match names.pages() {
        0 | 1 => Entries::Few(names.look(0, |name| Entry::at(&directory, name, keep))),
        _ => Entries::Many(names),
    };
    Ok(Scanned { kept, entries, within, left_out, lacking, told })
}

/// What is kept of the directory `below` of a tree, whatever it holds.
pub fn itself(tree: &Tree, below: &LocalPath, keep: &Keep) -> Result<Kept> {
    let what = || format!("looking at {}", tree.path_of(below).display());
    let directory = tree.directory(below).context(what)?;
    Ok(keep.of_handle(&directory, &Facts::of_handle(&directory).context(what)?))
}

/// The path of what is called `name` in the directory `below`.
pub fn join(below: &LocalPath, name: &[u8]) -> PathBuf {
    below.join(OsStr::from_bytes(name))
}
