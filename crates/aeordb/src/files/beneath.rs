//! A local tree that is read. Everything in it is opened beneath one directory that is held open, and
//! through no link: so what is read lies in the tree, whatever somebody does to the names in it
//! meanwhile.

use std::ffi::OsStr;
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path as LocalPath, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, OFlag, OpenHow, ResolveFlag, openat, openat2};
use nix::sys::stat::Mode;

use crate::error::{Context, Result};
use crate::files::scan::Facts;

/// A directory that is held open.
pub struct Tree {
    root: OwnedFd,
    path: PathBuf,
}

impl Tree {
    /// Opens the directory `path`, whose last name must not be a link.
    pub fn open(path: &LocalPath) -> Result<Tree> {
        let what = || format!("listing {}", path.display());
        let root = openat(AT_FDCWD, path, directory_flags(), Mode::empty()).context(what)?;
        Ok(Tree { root, path: path.into() })
    }

    /// Opens the directory that `path` is in; gives the name of `path` there as well.
    pub fn around(path: &LocalPath) -> Result<(Tree, PathBuf)> {
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        let tree = Tree::open(parent.unwrap_or_else(|| LocalPath::new(".")))?;
        Ok((tree, path.file_name().map(PathBuf::from).unwrap_or_default()))
    }

    /// The path by which people know what is at `below`.
    pub fn path_of(&self, below: &LocalPath) -> PathBuf {
        self.path.join(below)
    }

    /// The facts of the directory that it starts with.
    pub fn facts(&self) -> Result<Facts> {
        Facts::of_handle(&self.root).context(|| format!("looking at {}", self.path.display()))
    }

    /// Opens a directory; the root if `below` is empty.
    pub fn directory(&self, below: &LocalPath) -> nix::Result<OwnedFd> {
        self.open_below(below, directory_flags())
    }

    /// Opens a file. A FIFO in its place does not hang us.
    pub fn file(&self, below: &LocalPath) -> nix::Result<File> {
        let flags = OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        self.open_below(below, flags).map(File::from)
    }

    fn open_below(&self, below: &LocalPath, flags: OFlag) -> nix::Result<OwnedFd> {
        let below = if below.as_os_str().is_empty() { LocalPath::new(".") } else { below };
        let within = ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_SYMLINKS;
        let how = OpenHow::new().flags(flags).resolve(within);
        match openat2(&self.root, below, how) {
            // A kernel before 5.6, or a sandbox that does not know the call.
            Err(Errno::ENOSYS | Errno::EPERM) => step_by_step(self.root.as_fd(), below, flags),
            opened => opened,
        }
    }
}

/// Opens name after name, each without following a link.
fn step_by_step(root: BorrowedFd<'_>, below: &LocalPath, flags: OFlag) -> nix::Result<OwnedFd> {
    let on_the_way = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let mut names = below.iter().peekable();
    let mut at: Option<OwnedFd> = None;
    while let Some(name) = names.next() {
        let flags = if names.peek().is_none() { flags } else { on_the_way };
        let here = at.as_ref().map_or(root, AsFd::as_fd);
        at = Some(openat(here, name, flags, Mode::empty())?);
    }
    match at {
        Some(opened) => Ok(opened),
        None => openat(root, OsStr::new("."), flags, Mode::empty()),
    }
}

fn directory_flags() -> OFlag {
    OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_link_is_followed_on_the_way_with_and_without_the_call_for_it() {
        let place = tempfile::tempdir().unwrap();
        let path = |name: &str| place.path().join(name);
        std::fs::create_dir_all(path("tree/a/b")).unwrap();
        std::fs::create_dir_all(path("outside/b")).unwrap();
        std::fs::write(path("tree/a/b/file"), "in").unwrap();
        std::fs::write(path("outside/b/file"), "out").unwrap();
        std::os::unix::fs::symlink("../outside", path("tree/link")).unwrap();
        std::os::unix::fs::symlink("file", path("tree/a/b/alias")).unwrap();
        let tree = Tree::open(&path("tree")).unwrap();
        let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW;
        let both = |below: &str| {
            let below = LocalPath::new(below);
            let opened = tree.open_below(below, flags).is_ok();
            assert_eq!(step_by_step(tree.root.as_fd(), below, flags).is_ok(), opened, "{below:?}");
            opened
        };
        assert!(both("a/b/file") && both("a") && both("."));
        assert!(!both("link/b/file") && !both("a/b/alias") && !both("link") && !both("none"));
        assert!(tree.directory(LocalPath::new("link")).is_err());
        assert!(tree.directory(LocalPath::new("")).is_ok());
        assert!(tree.file(LocalPath::new("../outside/b/file")).is_err());
        // A tree that is a link itself is none.
        assert!(Tree::open(&path("tree/link")).is_err());
    }
}
