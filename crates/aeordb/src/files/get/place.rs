//! Local directories, held open. Everything is made under a single name relative to such a handle,
//! anew and never through a link. So what is made stays in the directory that was opened, whatever
//! somebody does to the names above it meanwhile.

use std::ffi::OsStr;
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path as LocalPath, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags, OFlag, open, openat, renameat};
use nix::sys::stat::{Mode, SFlag, UtimensatFlags};
use nix::sys::stat::{fchmod, fstat, fstatat, futimens, mkdirat, utimensat};
use nix::sys::time::TimeSpec;
use nix::unistd::{UnlinkatFlags, symlinkat, unlinkat};

use crate::error::{Context, Error, Result};
use crate::object::Name;

/// While it is filled, a directory is its owner's alone.
const PRIVATE: Mode = Mode::S_IRWXU;

/// An open directory.
pub struct Place {
    handle: OwnedFd,
    path: PathBuf,
}

impl Place {
    /// Opens the directory `path`, or makes it. Its last name must not be a link.
    pub fn open_or_make(path: &LocalPath) -> Result<Place> {
        let what = || format!("opening directory {}", path.display());
        match mkdirat(AT_FDCWD, path, PRIVATE) {
            Ok(()) | Err(Errno::EEXIST) => {}
            Err(errno) => {
                return Err(errno).context(|| format!("making directory {}", path.display()));
            }
        }
        match open(path, directory_flags() | OFlag::O_NOFOLLOW, Mode::empty()) {
            Ok(handle) => Ok(Place { handle, path: path.into() }),
            Err(Errno::ELOOP | Errno::ENOTDIR) => {
                Err(Error::Exists(format!("{}, which is not a directory,", path.display())))
            }
            Err(errno) => Err(errno).context(what),
        }
    }

    /// Opens the directory that the file `path` is in, and the file's name.
    pub fn around(path: &LocalPath) -> Result<(Place, Name)> {
        let name = path.file_name().map(OsStr::as_bytes).unwrap_or_default();
        let name = Name::new(name)?;
        let parent = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => LocalPath::new("."),
        };
        let what = || format!("opening directory {}", parent.display());
        let handle = open(parent, directory_flags(), Mode::empty()).context(what)?;
        Ok((Place { handle, path: parent.into() }, name))
    }

    /// The path by which people know it.
    pub fn path(&self) -> &LocalPath {
        &self.path
    }

    /// The path by which people know what is called `name` here.
    pub fn path_of(&self, name: &Name) -> PathBuf {
        self.path.join(OsStr::from_bytes(name.as_bytes()))
    }

    /// Makes the directory `name` and opens it. With `replace`, one that is there is opened, and a
    /// file or link that is in its place is removed.
    pub fn enter(&self, name: &Name, replace: bool) -> Result<Place> {
        let what = || format!("making directory {}", self.path_of(name).display());
        match mkdirat(&self.handle, name.as_bytes(), PRIVATE) {
            Err(Errno::EEXIST) if replace => match self.open_directory(name) {
                Err(Errno::ELOOP | Errno::ENOTDIR) => {
                    self.remove(name).context(what)?;
                    mkdirat(&self.handle, name.as_bytes(), PRIVATE).context(what)?;
                }
                opened => return self.entered(name, opened.context(what)?),
            },
            Err(Errno::EEXIST) => return Err(self.exists(name)),
            made => made.context(what)?,
        }
        self.entered(name, self.open_directory(name).context(what)?)
    }

    fn entered(&self, name: &Name, handle: OwnedFd) -> Result<Place> {
        Ok(Place { handle, path: self.path_of(name) })
    }

    fn open_directory(&self, name: &Name) -> nix::Result<OwnedFd> {
        let flags = directory_flags() | OFlag::O_NOFOLLOW;
        openat(&self.handle, name.as_bytes(), flags, Mode::empty())
    }

    fn remove(&self, name: &Name) -> nix::Result<()> {
        unlinkat(&self.handle, name.as_bytes(), UnlinkatFlags::NoRemoveDir)
    }

    fn exists(&self, name: &Name) -> Error {
        Error::Exists(self.path_of(name).display().to_string())
    }

    /// Begins the file `name`. With `replace` it takes the place of a file or link that is there
    /// once it is complete.
    pub fn create(&self, name: &Name, mode: u32, replace: bool) -> Result<NewFile<'_>> {
        let what = || format!("making file {}", self.path_of(name).display());
        let new = |file, temporary| NewFile {
            place: self,
            name: name.clone(),
            file,
            temporary,
            kept: false,
        };
        match self.create_new(name, mode) {
            Ok(file) => return Ok(new(file, None)),
            Err(Errno::EEXIST) if replace && !self.is_directory(name) => {}
            Err(Errno::EEXIST) => return Err(self.exists(name)),
            Err(errno) => return Err(errno).context(what),
        }
        loop {
            let temporary = temporary_name()?;
            match self.create_new(&temporary, mode) {
                Err(Errno::EEXIST) => {}
                made => return Ok(new(made.context(what)?, Some(temporary))),
            }
        }
    }

    fn create_new(&self, name: &Name, mode: u32) -> nix::Result<File> {
        let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_CLOEXEC;
        let mode = Mode::from_bits_truncate(mode & 0o777);
        openat(&self.handle, name.as_bytes(), flags, mode).map(File::from)
    }

    fn is_directory(&self, name: &Name) -> bool {
        let flags = AtFlags::AT_SYMLINK_NOFOLLOW;
        fstatat(&self.handle, name.as_bytes(), flags).is_ok_and(|found| {
            SFlag::from_bits_truncate(found.st_mode) & SFlag::S_IFMT == SFlag::S_IFDIR
        })
    }

    /// Makes the symbolic link `name`. With `replace`, a file or link that is there is removed.
    pub fn link(
        &self,
        name: &Name,
        target: &[u8],
        mtime: Option<i64>,
        replace: bool,
    ) -> Result<()> {
        let what = || format!("making link {}", self.path_of(name).display());
        match symlinkat(target, &self.handle, name.as_bytes()) {
            Err(Errno::EEXIST) if replace && !self.is_directory(name) => {
                self.remove(name).context(what)?;
                symlinkat(target, &self.handle, name.as_bytes()).context(what)?;
            }
            Err(Errno::EEXIST) => return Err(self.exists(name)),
            made => made.context(what)?,
        }
        if let Some(mtime) = mtime {
            let (accessed, modified) = times(mtime);
            let flags = UtimensatFlags::NoFollowSymlink;
            utimensat(&self.handle, name.as_bytes(), &accessed, &modified, flags).context(what)?;
        }
        Ok(())
    }

    /// Gives the directory its mode and time.
    pub fn set_attributes(&self, mode: Option<u32>, mtime: Option<i64>) -> Result<()> {
        let what = || format!("setting the attributes of {}", self.path.display());
        set_attributes(&self.handle, mode, mtime).context(what)
    }
}

/// A file that is removed again unless it is kept.
pub struct NewFile<'p> {
    place: &'p Place,
    name: Name,
    file: File,
    temporary: Option<Name>,
    kept: bool,
}

impl NewFile<'_> {
    /// Where its bytes go.
    pub fn file(&mut self) -> &mut File {
        &mut self.file
    }

    /// Gives the file its mode, its time and its name.
    pub fn keep(mut self, mode: u32, mtime: Option<i64>) -> Result<()> {
        let what = || format!("finishing file {}", self.place.path_of(&self.name).display());
        set_attributes(&self.file, Some(mode), mtime).context(what)?;
        if let Some(temporary) = &self.temporary {
            let handle = &self.place.handle;
            renameat(handle, temporary.as_bytes(), handle, self.name.as_bytes()).context(what)?;
        }
        self.kept = true;
        Ok(())
    }
}

impl Drop for NewFile<'_> {
    fn drop(&mut self) {
        if !self.kept {
            // Nothing more can be done about it if this fails, too.
            let _ = self.place.remove(self.temporary.as_ref().unwrap_or(&self.name));
        }
    }
}

fn directory_flags() -> OFlag {
    OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC
}

/// A name that nothing else has, as far as can be known before it is tried.
fn temporary_name() -> Result<Name> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Relaxed);
    Name::new(format!(".aeordb-{}-{number}", std::process::id()).as_bytes())
}

fn set_attributes(handle: impl AsFd, mode: Option<u32>, mtime: Option<i64>) -> nix::Result<()> {
    let handle = handle.as_fd();
    if let Some(mode) = mode.map(Mode::from_bits_truncate) {
        // Looking is cheaper than changing, and most files have their mode from the start.
        let found = Mode::from_bits_truncate(fstat(handle)?.st_mode);
        if found != mode {
            fchmod(handle, mode)?;
        }
    }
    match mtime.map(times) {
        Some((accessed, modified)) => futimens(handle, &accessed, &modified),
        None => Ok(()),
    }
}

/// Leaves the time of the last access alone and sets that of the last modification.
fn times(mtime: i64) -> (TimeSpec, TimeSpec) {
    let modified = TimeSpec::new(mtime.div_euclid(1_000_000_000), mtime.rem_euclid(1_000_000_000));
    (TimeSpec::UTIME_OMIT, modified)
}

#[cfg(test)]
mod tests;
