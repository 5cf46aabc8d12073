//! Local directories, held open. Everything is made under a single name relative to such a handle,
//! anew and never through a link. So what is made stays in the directory that was opened, whatever
//! somebody does to the names above it meanwhile.

use std::ffi::{CStr, OsStr};
use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path as LocalPath, PathBuf};
use std::sync::OnceLock;

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags, OFlag, openat, readlinkat, renameat};
use nix::sys::stat::{Mode, SFlag, fstat, fstatat, mkdirat, mknodat};
use nix::unistd::{UnlinkatFlags, linkat, symlinkat, unlinkat};
use rustix::fs::{Dir, makedev};

use super::attributes::{Lacks, System, mtime_of};
use super::directory::Directory;
use super::links::Made;
use super::names::Names;
use super::sets::{self, Extra};
use crate::error::{Context, Error, Result};
use crate::files::scan::{Entry, Facts};
use crate::files::temporary;
use crate::media::file::leavings;
use crate::object::{Attributes, Name, Special, SpecialKind, Symlink};

/// The mode that a directory is made with, from which the system takes the umask. While it is filled
/// only its owner makes names in it; what is recorded it has from the start as far as it can, since
/// some file systems let nobody change it. One that has none recorded is as any that somebody makes.
fn mode_while_filled(recorded: Option<u32>) -> Mode {
    const OTHERS_WRITE: u32 = 0o022;
    let mode = recorded.map_or(0o777, |mode| mode & !OTHERS_WRITE | Mode::S_IRWXU.bits());
    Mode::from_bits_truncate(mode & 0o777)
}

/// An open directory.
pub struct Place {
    directory: Directory,
    path: PathBuf,
    system: &'static System,
    /// What it held when a name was first found to be there.
    names: OnceLock<Names>,
    /// What is made in it gets access control lists that nobody gave it.
    gives_lists: OnceLock<bool>,
    /// It may have got such lists itself.
    has_lists: bool,
    /// It was made just now: nothing was in it.
    fresh: bool,
    /// Nothing in it is changed.
    is_read: bool,
}

impl Place {
    /// Opens the directory `path`, or makes it, for one with this mode. Its last name must not be
    /// a link.
    pub fn open_or_make(
        path: &LocalPath,
        mode: Option<u32>,
        system: &'static System,
    ) -> Result<Place> {
        let what = || format!("opening directory {}", path.display());
        let fresh = match mkdirat(AT_FDCWD, path, mode_while_filled(mode)) {
            Ok(()) => true,
            Err(Errno::EEXIST) => false,
            Err(errno) => {
                return Err(errno).context(|| format!("making directory {}", path.display()));
            }
        };
        match Directory::open_to_fill(AT_FDCWD, path) {
            Ok(directory) => Ok(Place { fresh, ..Place::new(directory, path.into(), system) }),
            Err(Errno::ELOOP | Errno::ENOTDIR) => {
                Err(Error::Exists(format!("{}, which is not a directory,", path.display())))
            }
            Err(errno) => Err(errno).context(what),
        }
    }

    /// Opens the directory `path`, in which nothing is to be changed; `None` if nothing is there.
    pub fn open_existing(path: &LocalPath, system: &'static System) -> Result<Option<Place>> {
        match Directory::open_to_read(AT_FDCWD, path) {
            Ok(directory) => Ok(Some(Place::read(directory, path.into(), system))),
            Err(Errno::ENOENT) => Ok(None),
            Err(errno) => Err(errno).context(|| format!("opening directory {}", path.display())),
        }
    }

    fn new(directory: Directory, path: PathBuf, system: &'static System) -> Place {
        let (names, gives_lists) = (OnceLock::new(), OnceLock::new());
        let (has_lists, fresh, is_read) = (false, false, false);
        Place { directory, path, system, names, gives_lists, has_lists, fresh, is_read }
    }

    fn read(directory: Directory, path: PathBuf, system: &'static System) -> Place {
        Place { is_read: true, ..Place::new(directory, path, system) }
    }

    /// True if it was made just now.
    pub fn is_fresh(&self) -> bool {
        self.fresh
    }

    /// True if nothing is in it but what a killed restore left.
    pub fn is_empty(&self) -> Result<bool> {
        Ok(self.list()?.is_empty())
    }

    /// The names in it, in order, without those of ours. What a killed restore left goes.
    pub fn list(&self) -> Result<Vec<Name>> {
        let what = || format!("listing {}", self.path.display());
        let handle = self.directory.handle().context(what)?;
        let mut names = Vec::new();
        for entry in Dir::read_from(handle).map_err(io::Error::from).context(what)? {
            let entry = entry.map_err(io::Error::from).context(what)?;
            match entry.file_name().to_bytes() {
                b"." | b".." => {}
                name if temporary::is(name) => {
                    if temporary::is_left(name) && !self.is_read {
                        // It is in nobody's way, and `put` passes it over.
                        let _ = remove_left(handle, entry.file_name());
                    }
                }
                name => names.push(Name::new(name)?),
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    /// What is called `name` here, as far as the system says.
    pub fn entry(&self, name: &Name) -> Result<Option<Entry>> {
        let what = || format!("looking at {}", self.path_of(name).display());
        let handle = self.directory.handle().context(what)?;
        match Facts::of_entry(handle, name.as_bytes()) {
            Ok(facts) => {
                let target = || Ok(readlinkat(handle, name.as_bytes())?.into_vec());
                Ok(Some(Entry::new(name.as_bytes(), &facts, target)))
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).context(what),
        }
    }

    /// What the system says of the directory, and its handle.
    pub fn facts(&self) -> Result<(BorrowedFd<'_>, Facts)> {
        let what = || format!("looking at {}", self.path.display());
        let handle = self.directory.handle().context(what)?;
        Ok((handle, Facts::of_handle(handle).context(what)?))
    }

    /// Opens the file `name` to read it.
    pub fn open_file(&self, name: &Name) -> Result<File> {
        let what = || format!("opening {}", self.path_of(name).display());
        let flags = OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let handle = self.directory.handle().context(what)?;
        Ok(openat(handle, name.as_bytes(), flags, Mode::empty()).context(what)?.into())
    }

    /// Opens the directory `name`, in which nothing is to be changed.
    pub fn enter_to_read(&self, name: &Name) -> Result<Place> {
        let what = || format!("opening directory {}", self.path_of(name).display());
        let handle = self.directory.handle().context(what)?;
        let directory = Directory::open_to_read(handle, name.as_bytes()).context(what)?;
        Ok(Place::read(directory, self.path_of(name), self.system))
    }

    /// Opens the directory `name`, which is to go with all that is in it.
    pub fn enter_to_remove(&self, name: &Name) -> Result<Place> {
        let what = || format!("opening directory {}", self.path_of(name).display());
        let handle = self.directory.handle().context(what)?;
        let directory = Directory::open_to_fill(handle, name.as_bytes()).context(what)?;
        let place = Place::new(directory, self.path_of(name), self.system);
        let (here, there) = (self.facts()?.1, place.facts()?.1);
        if !here.is_on_the_file_system_of(&there) {
            let path = place.path.display();
            let why = "another file system is mounted there, and what is in it stays";
            return Err(Error::Exists(format!("{path} ({why})")));
        }
        Ok(place)
    }

    /// Removes the empty directory `name`.
    pub fn remove_directory(&self, name: &Name) -> Result<()> {
        let what = || format!("removing directory {}", self.path_of(name).display());
        let handle = self.directory.handle().context(what)?;
        unlinkat(handle, name.as_bytes(), UnlinkatFlags::RemoveDir).context(what)
    }

    /// Removes `name`, which is no directory.
    pub fn remove_file(&self, name: &Name) -> Result<()> {
        self.remove(name).context(|| format!("removing {}", self.path_of(name).display()))
    }

    /// Opens the directory that the file `path` is in, and the file's name.
    pub fn around(path: &LocalPath, system: &'static System) -> Result<(Place, Name)> {
        let name = path.file_name().map(OsStr::as_bytes).unwrap_or_default();
        let name = Name::new(name)?;
        let parent = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => LocalPath::new("."),
        };
        let what = || format!("opening directory {}", parent.display());
        let directory = Directory::open(parent).context(what)?;
        Ok((Place::new(directory, parent.into(), system), name))
    }

    /// Closes the directory for a while: there may be too many on the way.
    pub fn close(&mut self) -> Result<()> {
        self.directory.close().context(|| format!("looking at {}", self.path.display()))
    }

    /// Opens the directory again, from one that is in it.
    pub fn open_above(&mut self, below: &Place) -> Result<()> {
        let what = || format!("opening directory {} again", self.path.display());
        self.directory.open_above(&below.directory).context(what)
    }

    /// The path by which people know it.
    pub fn path(&self) -> &LocalPath {
        &self.path
    }

    /// The path by which people know what is called `name` here.
    pub fn path_of(&self, name: &Name) -> PathBuf {
        self.path.join(OsStr::from_bytes(name.as_bytes()))
    }

    /// Makes the directory `name`, which will get this mode, and opens it. With `replace`, one that
    /// is there is opened, and a file or link that is in its place is removed.
    pub fn enter(&self, name: &Name, mode: Option<u32>, replace: bool) -> Result<Place> {
        let what = || format!("making directory {}", self.path_of(name).display());
        let handle = self.directory.handle().context(what)?;
        let make = || mkdirat(handle, name.as_bytes(), mode_while_filled(mode));
        let open = || Directory::open_to_fill(handle, name.as_bytes());
        let (fresh, opened) = match make() {
            Err(Errno::EEXIST) if replace => {
                self.check_spelling(name)?;
                match open() {
                    Err(Errno::ELOOP | Errno::ENOTDIR) => {
                        self.remove(name).context(what)?;
                        (true, make().and_then(|()| open()))
                    }
                    opened => (false, opened),
                }
            }
            Err(Errno::EEXIST) => return Err(self.exists(name)),
            made => (true, made.and_then(|()| open())),
        };
        let place = Place::new(opened.context(what)?, self.path_of(name), self.system);
        Ok(Place { has_lists: self.gives_lists(), fresh, ..place })
    }

    fn gives_lists(&self) -> bool {
        let look = || self.directory.handle().is_ok_and(sets::has_default_list);
        *self.gives_lists.get_or_init(look)
    }

    fn remove(&self, name: &Name) -> nix::Result<()> {
        unlinkat(self.directory.handle()?, name.as_bytes(), UnlinkatFlags::NoRemoveDir)
    }

    /// The error that something is called `name` already.
    pub fn exists(&self, name: &Name) -> Error {
        let which = if self.is_directory(name) { ", which is a directory," } else { "" };
        Error::Exists(format!("{}{which}", self.path_of(name).display()))
    }

    /// An error if what is in the way of `name` has another name, which this file system takes for
    /// the same: then it is not what is to be replaced.
    pub fn check_spelling(&self, name: &Name) -> Result<()> {
        let names = match self.names.get() {
            Some(names) => names,
            None => {
                let what = || format!("listing {}", self.path.display());
                let handle = self.directory.handle().context(what)?;
                let (listed, left) = Names::list(handle).context(what)?;
                for name in left.into_iter().filter(|_| !self.is_read) {
                    // It is in nobody's way, and `put` passes it over.
                    let _ = remove_left(handle, &name);
                }
                self.names.get_or_init(|| listed)
            }
        };
        match names.has(name) {
            true => Ok(()),
            false => Err(Error::Exists(format!(
                "{} in another spelling, which is the same name to this file system,",
                self.path_of(name).display()
            ))),
        }
    }

    /// Begins the file `name`. With `replace` it takes the place of a file or link that is there
    /// once it is complete.
    pub fn create(&self, name: &Name, mode: u32, replace: bool) -> Result<NewFile<'_>> {
        let what = || format!("making file {}", self.path_of(name).display());
        let new = |file, own, replaces| {
            let unkept = Unkept::new(self, own);
            NewFile { file, unkept, replaces }
        };
        match self.create_new(name, mode) {
            Ok(file) => return Ok(new(file, name.clone(), None)),
            Err(Errno::EEXIST) if replace && !self.is_directory(name) => {
                self.check_spelling(name)?
            }
            Err(Errno::EEXIST) => return Err(self.exists(name)),
            Err(errno) => return Err(errno).context(what),
        }
        loop {
            let temporary = temporary::name()?;
            match self.create_new(&temporary, mode) {
                Err(Errno::EEXIST) => {}
                Ok(file) if !leavings::hold(&file).context(what)? => {}
                made => return Ok(new(made.context(what)?, temporary, Some(name.clone()))),
            }
        }
    }

    fn create_new(&self, name: &Name, mode: u32) -> nix::Result<File> {
        let flags = OFlag::O_RDWR | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_CLOEXEC;
        let mode = Mode::from_bits_truncate(mode & 0o777);
        // A file system of a program may be interrupted while it makes a file.
        loop {
            match openat(self.directory.handle()?, name.as_bytes(), flags, mode) {
                Err(Errno::EINTR) => {}
                made => return made.map(File::from),
            }
        }
    }

    fn is_directory(&self, name: &Name) -> bool {
        let flags = AtFlags::AT_SYMLINK_NOFOLLOW;
        let look = |handle| fstatat(handle, name.as_bytes(), flags);
        self.directory.handle().and_then(look).is_ok_and(|found| {
            SFlag::from_bits_truncate(found.st_mode) & SFlag::S_IFMT == SFlag::S_IFDIR
        })
    }

    /// Makes the symbolic link `name`. With `replace` it takes the place of a file or link that is
    /// there.
    pub fn link(
        &self,
        name: &Name,
        link: &Symlink,
        extra: &Extra<'_>,
        replace: bool,
        lacks: &mut Lacks,
    ) -> Result<()> {
        let what = || format!("making link {}", self.path_of(name).display());
        let handle = self.directory.handle().context(what)?;
        let make = |name: &Name| symlinkat(link.target.as_slice(), handle, name.as_bytes());
        let set = |name: &Name| {
            self.system.set_of_link((handle, name), &link.attributes, extra, lacks);
        };
        self.make(name, make, set, replace, what)
    }

    /// Makes the pipe, device or socket `name`. With `replace` it takes the place of a file or link
    /// that is there.
    pub fn special(
        &self,
        name: &Name,
        special: &Special,
        extra: &Extra<'_>,
        replace: bool,
        lacks: &mut Lacks,
    ) -> Result<()> {
        let kind = special.what.name();
        let what = || format!("making {kind} {}", self.path_of(name).display());
        let handle = self.directory.handle().context(what)?;
        let mode = special.attributes.mode.unwrap_or(0o666) & 0o777;
        let sort = match special.what {
            SpecialKind::Fifo => SFlag::S_IFIFO,
            SpecialKind::CharacterDevice(_) => SFlag::S_IFCHR,
            SpecialKind::BlockDevice(_) => SFlag::S_IFBLK,
            SpecialKind::Socket => SFlag::S_IFSOCK,
        };
        let device = special.what.device().unwrap_or_default();
        let device = makedev(device.major, device.minor);
        let make = |name: &Name| {
            mknodat(handle, name.as_bytes(), sort, Mode::from_bits_truncate(mode), device)
        };
        let set = |name: &Name| {
            self.system.set_of_entry((handle, name), &special.attributes, extra, lacks);
        };
        self.make(name, make, set, replace, what)
    }

    /// Makes `name` one more path of a file that was restored before. The inner error says why not:
    /// then it can still be a file of its own. With `replace` it takes the place of a file or link
    /// that is there.
    pub fn hard_link(
        &self,
        top: Option<BorrowedFd<'_>>,
        made: &Made,
        name: &Name,
        replace: bool,
    ) -> Result<std::result::Result<(), &'static str>> {
        let what = || format!("linking {}", self.path_of(name).display());
        let handle = self.directory.handle().context(what)?;
        // Renaming a path of a file to another of its paths does nothing.
        if replace && self.look(name) == Some(made.file) {
            return Ok(Ok(()));
        }
        let make = |name: &Name| {
            let top = top.ok_or(Errno::EBADF)?;
            linkat(top, &made.path, handle, name.as_bytes(), AtFlags::empty())?;
            // Somebody may have put another file where that was.
            if self.look(name) == Some(made.file) {
                return Ok(());
            }
            self.remove(name)?;
            Err(Errno::ESTALE)
        };
        match self.make(name, make, |_| (), replace, what) {
            Ok(()) => Ok(Ok(())),
            Err(Error::Io { source, .. }) if source.raw_os_error().is_some() => {
                Ok(Err(Errno::from_raw(source.raw_os_error().unwrap_or_default()).desc()))
            }
            Err(error) => Err(error),
        }
    }

    /// Device and inode of what is called `name` here.
    pub fn look(&self, name: &Name) -> Option<(u64, u64)> {
        let handle = self.directory.handle().ok()?;
        let found = fstatat(handle, name.as_bytes(), AtFlags::AT_SYMLINK_NOFOLLOW).ok()?;
        Some((found.st_dev, found.st_ino))
    }

    /// One more handle of it.
    pub fn own_handle(&self) -> std::io::Result<OwnedFd> {
        self.directory.handle()?.try_clone_to_owned()
    }

    /// Makes what is whole from the start, and then sets its attributes. With `replace` it is made
    /// under another name first, if there is something in its place.
    fn make(
        &self,
        name: &Name,
        make: impl Fn(&Name) -> nix::Result<()>,
        mut set: impl FnMut(&Name),
        replace: bool,
        what: impl Fn() -> String + Copy,
    ) -> Result<()> {
        match make(name) {
            Ok(()) => {
                set(name);
                return Ok(());
            }
            Err(Errno::EEXIST) if replace && !self.is_directory(name) => {
                self.check_spelling(name)?
            }
            Err(Errno::EEXIST) => return Err(self.exists(name)),
            Err(errno) => return Err(errno).context(what),
        }
        loop {
            let temporary = temporary::name()?;
            match make(&temporary) {
                Err(Errno::EEXIST) => {}
                made => {
                    made.context(what)?;
                    set(&temporary);
                    return Unkept::new(self, temporary).rename(name).context(what);
                }
            }
        }
    }

    /// The attributes that the directory had.
    pub fn attributes(&self) -> Result<Attributes> {
        let what = || format!("looking at {}", self.path.display());
        let found = self.directory.handle().and_then(fstat).context(what)?;
        let mode = self.directory.mode_before.unwrap_or(Mode::from_bits_truncate(found.st_mode));
        Ok(Attributes::new(mode.bits(), mtime_of(&found)))
    }

    /// Gives the directory its attributes and what its set says. Without a mode it has the one that
    /// it had.
    pub fn set_attributes(&self, attributes: &Attributes, extra: &Extra<'_>, lacks: &mut Lacks) {
        let before = self.directory.mode_before.map(|mode| mode.bits());
        let attributes = Attributes { mode: attributes.mode.or(before), ..*attributes };
        match self.directory.handle() {
            Ok(handle) => {
                if self.has_lists {
                    extra.remove_lists(handle);
                }
                self.system.set(handle, &attributes, extra, true, lacks);
                extra.set_flags(handle, lacks);
            }
            Err(errno) => *lacks = Lacks::both(errno),
        }
    }

    /// Sets the flags of the file `name`, if it has any.
    fn set_flags(&self, name: &Name, extra: &Extra<'_>, lacks: &mut Lacks) {
        if extra.flags() == 0 {
            return;
        }
        let flags = OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let handle = self.directory.handle();
        match handle.and_then(|handle| openat(handle, name.as_bytes(), flags, Mode::empty())) {
            Ok(file) => extra.set_flags(file.as_fd(), lacks),
            Err(errno) => lacks.count("flags", errno.desc()),
        }
    }
}

/// Removes what a killed restore left. Nobody can hold a link: there the process decides.
fn remove_left(directory: BorrowedFd<'_>, name: &CStr) -> nix::Result<()> {
    match leavings::remove_if_left(directory, name) {
        Err(Errno::ELOOP) if temporary::is_gone(name.to_bytes()) => {
            unlinkat(directory, name, UnlinkatFlags::NoRemoveDir)
        }
        removed => removed,
    }
}

/// A file that is removed again unless it is kept.
pub struct NewFile<'p> {
    file: File,
    unkept: Unkept<'p>,
    /// The name of the file whose place it takes.
    replaces: Option<Name>,
}

impl NewFile<'_> {
    /// Where its bytes go.
    pub fn file(&mut self) -> &mut File {
        &mut self.file
    }

    /// Gives the file its attributes, what its set says, and its name. It gets setuid and setgid
    /// bits only with `set_ids` or with the owner that it had.
    pub fn keep(
        self,
        attributes: &Attributes,
        extra: &Extra<'_>,
        set_ids: bool,
        lacks: &mut Lacks,
    ) -> Result<()> {
        let NewFile { file, mut unkept, replaces } = self;
        let (place, own) = (unkept.place, &unkept.name);
        let shown = place.path_of(replaces.as_ref().unwrap_or(own));
        let what = || format!("finishing file {}", shown.display());
        if place.gives_lists() {
            extra.remove_lists(file.as_fd());
        }
        place.system.set(&file, attributes, extra, set_ids, lacks);
        let at = (place.directory.handle().context(what)?, own);
        place.system.close_keeping(file, at, attributes, lacks).context(what)?;
        match replaces {
            Some(name) => {
                unkept.rename(&name).context(what)?;
                place.set_flags(&name, extra, lacks);
            }
            None => {
                unkept.kept = true;
                place.set_flags(&unkept.name, extra, lacks);
            }
        }
        Ok(())
    }
}

/// A name that is removed again unless it is kept.
struct Unkept<'p> {
    place: &'p Place,
    name: Name,
    kept: bool,
}

impl<'p> Unkept<'p> {
    fn new(place: &'p Place, name: Name) -> Self {
        Unkept { place, name, kept: false }
    }

    /// Gives what has it the name `name` instead, whatever file or link had that until now.
    fn rename(mut self, name: &Name) -> nix::Result<()> {
        let handle = self.place.directory.handle()?;
        renameat(handle, self.name.as_bytes(), handle, name.as_bytes())?;
        self.kept = true;
        Ok(())
    }
}

impl Drop for Unkept<'_> {
    fn drop(&mut self) {
        if !self.kept {
            // Nothing more can be done about it if this fails, too.
            let _ = self.place.remove(&self.name);
        }
    }
}

#[cfg(test)]
mod tests;
