//! The directory of backups: bare names beneath a handle that is opened once. No link is
//! followed, nothing outside is reached, nothing is replaced, and what is not a backup is not removed.
//! A handle leads on to a directory that was renamed or lies under another file system by now, where
//! nobody would find a backup: it is used only as long as the path leads to it too.

use std::fs::{self, DirBuilder, File, Metadata};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf, absolute};

use aeordb::Error;
use aeordb::clock;
use aeordb::db::FileKind;
use aeordb::error::Context;
use aeordb::hash::{Hash, VersionId};
use aeordb::internals::format::seal::{CLOSING_FRAME_LEN, Closing};
use aeordb::internals::format::superblock::{SUPERBLOCK_LEN, Superblock};
use aeordb::internals::format::{FRAME_HEADER_LEN, FrameHeader};
use aeordb::media::{NewFile, sync_directory};
use aeordb_api::Time;
use aeordb_api::backups::{self as api, BackupKind};
use bytes::Bytes;
use nix::errno::Errno;
use nix::fcntl::{self, OFlag, OpenHow, ResolveFlag};
use nix::unistd::{UnlinkatFlags, unlinkat};

use super::pieces::Source;
use super::problem::Problem;
use crate::log;

/// Longest name of a backup, in bytes.
const NAME_LEN_MAX: usize = 128;
/// Bytes that are read at once.
const PIECE_LEN: usize = 256 * 1024;

/// A directory of backups.
#[derive(Debug)]
pub struct BackupDirectory {
    handle: File,
    /// Where it was opened.
    path: PathBuf,
    /// The database, which is no backup, under whatever name.
    database: PathBuf,
}

/// A sealed file of the directory.
pub struct Backup {
    /// The open file.
    pub file: File,
    /// Its bytes.
    pub size: u64,
    /// The hash that it was sealed with: no other file has it.
    pub seal: Hash,
    /// An export or a patch.
    pub kind: FileKind,
    version: VersionId,
    base: Option<VersionId>,
    /// When it was last modified, in nanoseconds since 1970.
    pub modified: i64,
}

impl BackupDirectory {
    /// Opens the directory, made with mode 0700 if it is not there. It must not be the one that
    /// `database` is in: a key that may remove backups could remove that.
    pub fn open(path: &Path, database: &Path) -> aeordb::Result<Self> {
        let what = || format!("opening the backup directory {}", path.display());
        match DirBuilder::new().mode(0o700).create(path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(Error::Io { what: what(), source: error });
            }
            _ => {}
        }
        let flags = (OFlag::O_DIRECTORY | OFlag::O_CLOEXEC).bits();
        let handle = fs::OpenOptions::new().read(true).custom_flags(flags).open(path);
        let handle = handle.context(what)?;
        let (path, database) = (absolute(path).context(what)?, absolute(database).context(what)?);
        let whole = fs::canonicalize(&database).unwrap_or_else(|_| database.clone());
        let home = whole.parent().map(fs::metadata).and_then(Result::ok);
        let own = inode(&handle.metadata().context(what)?);
        if home.is_some_and(|home| inode(&home) == own) {
            return Err(Error::invalid(format!(
                "the backup directory {} holds the database itself: another directory is needed, \
                 --backup-dir names it",
                path.display()
            )));
        }
        Ok(BackupDirectory { handle, path, database })
    }

    /// An error once the path leads to another directory than the one that was opened.
    pub fn check_place(&self) -> Result<(), Problem> {
        let there = fs::metadata(&self.path).map(|found| inode(&found));
        let own = self.handle.metadata().map(|found| inode(&found)).map_err(io_problem)?;
        if there.is_ok_and(|there| there == own) {
            return Ok(());
        }
        let detail = "the backup directory was renamed, removed, or hidden by a file system that was \
                      mounted over it: no backup is kept or read until the server is started again";
        let path = self.path.display().to_string();
        log::event("error", &[("file", path.into()), ("detail", detail.into())]);
        Err(Problem::unavailable(detail))
    }

    /// The handle as a path.
    pub fn handle_path(&self) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}", self.handle.as_raw_fd()))
    }

    /// Starts a new file, which appears under `name` when it is published.
    pub fn create(&self, name: &str) -> Result<NewFile, Problem> {
        NewFile::create(self.place(name)?).map_err(|error| named(error, name))
    }

    /// Where a file of this name is, for what makes it itself.
    pub fn place(&self, name: &str) -> Result<PathBuf, Problem> {
        check_name(name)?;
        if name.starts_with('-') {
            // Programs that are given the name take it for an option.
            return Err(Problem::invalid("the name of a new backup does not begin with '-'"));
        }
        self.check_place()?;
        Ok(self.handle_path().join(name))
    }

    /// Gives a new file its name.
    pub fn publish(&self, file: NewFile, name: &str) -> Result<(), Problem> {
        self.check_place()?;
        file.publish().map_err(|error| named(error, name))
    }

    /// Where files without a name may be made.
    pub fn scratch(&self) -> PathBuf {
        self.handle_path()
    }

    /// A file without a name, gone when it is closed.
    pub fn spool(&self) -> aeordb::Result<File> {
        let spool = tempfile::tempfile_in(self.handle_path());
        spool.context(|| "making a temporary file beside the backups".into())
    }

    /// Opens a regular file for reading.
    pub fn open_file(&self, name: &str) -> Result<File, Problem> {
        check_name(name)?;
        self.check_place()?;
        let flags = OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let beneath = ResolveFlag::RESOLVE_BENEATH
            | ResolveFlag::RESOLVE_NO_SYMLINKS
            | ResolveFlag::RESOLVE_NO_MAGICLINKS;
        let how = OpenHow::new().flags(flags).resolve(beneath);
        let opened = match fcntl::openat2(&self.handle, name, how) {
            // An older kernel: a bare name that is not followed stays beneath as well.
            Err(Errno::ENOSYS | Errno::EPERM) => {
                fcntl::openat(&self.handle, name, flags, nix::sys::stat::Mode::empty())
            }
            opened => opened,
        };
        let file = match opened {
            Ok(opened) => File::from(opened),
            Err(Errno::ENOENT) => return Err(Problem::not_found(format!("backup '{name}'"))),
            Err(Errno::ELOOP | Errno::EXDEV | Errno::ENXIO) => return Err(not_regular(name)),
            Err(errno) => return Err(io_problem(errno.into())),
        };
        match file.metadata() {
            Ok(metadata) if self.is_database(&metadata) => {
                Err(Problem::invalid(format!("'{name}' is the database itself")))
            }
            Ok(metadata) if metadata.is_file() => Ok(file),
            Ok(_) => Err(not_regular(name)),
            Err(error) => Err(io_problem(error)),
        }
    }

    fn is_database(&self, found: &Metadata) -> bool {
        fs::metadata(&self.database).is_ok_and(|database| inode(&database) == inode(found))
    }

    /// Opens a sealed file.
    pub fn get(&self, name: &str) -> Result<Backup, Problem> {
        let file = self.open_file(name)?;
        Backup::read(file).map_err(|error| match error {
            Error::Io { source, .. } if source.kind() != io::ErrorKind::UnexpectedEof => {
                io_problem(source)
            }
            _ => {
                Problem::not_found(format!("a whole backup '{name}': DELETE removes what is there"))
            }
        })
    }

    /// What is there after the name `after`, by name, at most `limit`, and whether there is more.
    /// A regular file that is no whole backup is listed as of an unknown kind.
    pub fn list(
        &self,
        after: Option<&str>,
        limit: usize,
    ) -> Result<(Vec<api::Backup>, bool), Problem> {
        let names = self.names(after)?;
        let mut files = names.into_iter().filter_map(|name| {
            let file = self.open_file(&name).ok()?;
            let (size, modified) = size_and_time(&file).ok()?;
            Some(match Backup::read(file) {
                Ok(backup) => backup.shown(name),
                Err(_) => unknown(name, size, modified),
            })
        });
        let found = files.by_ref().take(limit).collect();
        Ok((found, files.next().is_some()))
    }

    /// The age of what is there.
    pub fn newest(&self) -> Result<Newest, Problem> {
        let backups = self.names(None)?.into_iter().filter_map(|name| self.get(&name).ok());
        let (mut newest, mut patches) = (Newest::default(), Vec::new());
        for backup in backups {
            let modified = Some(backup.modified);
            match backup.kind {
                FileKind::Export => newest.export = newest.export.max(modified),
                FileKind::Patch => patches.push(backup.modified),
                FileKind::Database => {}
            }
        }
        newest.patch = patches.iter().max().copied();
        let since = |patch: &&i64| newest.export.is_none_or(|export| **patch > export);
        newest.patches_since = patches.iter().filter(since).count() as u64;
        Ok(newest)
    }

    /// The names of backups after the name `after`, sorted.
    fn names(&self, after: Option<&str>) -> Result<Vec<String>, Problem> {
        self.check_place()?;
        let mut names = Vec::new();
        for entry in fs::read_dir(self.handle_path()).map_err(io_problem)? {
            let name = entry.map_err(io_problem)?.file_name().into_string().unwrap_or_default();
            if check_name(&name).is_ok() && after.is_none_or(|after| name.as_str() > after) {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }

    /// Removes a backup, whole or cut off. Other files are somebody's who put them there.
    pub fn remove(&self, name: &str) -> Result<(), Problem> {
        if !is_ours(&self.open_file(name)?).map_err(io_problem)? {
            return Err(Problem::invalid(format!(
                "'{name}' is no export and no patch, and not what is left of one: it is not removed"
            )));
        }
        match unlinkat(&self.handle, name, UnlinkatFlags::NoRemoveDir) {
            Ok(()) => sync_directory(&self.handle).map_err(io_problem),
            Err(Errno::ENOENT) => Err(Problem::not_found(format!("backup '{name}'"))),
            Err(errno) => Err(io_problem(errno.into())),
        }
    }
}

impl Backup {
    fn read(file: File) -> aeordb::Result<Self> {
        let what = || "reading a backup".to_owned();
        let (size, modified) = size_and_time(&file).context(what)?;
        let mut head = [0; SUPERBLOCK_LEN];
        file.read_exact_at(&mut head, 0).context(what)?;
        let superblock = Superblock::parse("the backup", 0, &head)?;
        let at = size.saturating_sub(CLOSING_FRAME_LEN as u64);
        let mut frame = [0; CLOSING_FRAME_LEN];
        file.read_exact_at(&mut frame, at).context(what)?;
        let cut_off = || Error::damaged("the backup", at, "expected the closing superblock");
        let header = FrameHeader::parse(&frame).ok_or_else(cut_off)?;
        let closing = Closing::parse(at, &header, frame.get(FRAME_HEADER_LEN..).unwrap_or(&[]))?;
        let version = VersionId(Hash::new(superblock.target));
        let base = VersionId(Hash::new(superblock.base));
        let kind = superblock.file_kind().ok_or_else(cut_off)?;
        Ok(Backup {
            size,
            seal: Hash::new(closing.content),
            kind,
            version,
            base: (kind == FileKind::Patch).then_some(base),
            modified,
            file,
        })
    }

    fn shown(&self, name: String) -> api::Backup {
        api::Backup {
            name,
            kind: match self.kind {
                FileKind::Export => BackupKind::Export,
                FileKind::Patch => BackupKind::Patch,
                FileKind::Database => BackupKind::Unknown,
            },
            version: Some(self.version.into()),
            base: self.base.map(Into::into),
            size: self.size,
            modified: Time(self.modified),
            seal: Some(self.seal.into()),
        }
    }
}

/// When the newest backups were made, in nanoseconds since 1970.
#[derive(Clone, Copy, Default, Debug)]
pub struct Newest {
    /// The newest export.
    pub export: Option<i64>,
    /// The newest patch.
    pub patch: Option<i64>,
    /// Patches that are newer than the newest export.
    pub patches_since: u64,
}

fn inode(found: &Metadata) -> (u64, u64) {
    (found.dev(), found.ino())
}

/// True if a file begins as an export or a patch does, or not at all: a crash leaves zeros.
fn is_ours(file: &File) -> io::Result<bool> {
    let mut head = [0; SUPERBLOCK_LEN];
    let mut len = 0;
    while let Some(rest) = head.get_mut(len..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, len as u64)? {
            0 => break,
            read => len += read,
        }
    }
    let kind = || Superblock::parse("the backup", 0, &head).ok()?.file_kind();
    Ok(head == [0; SUPERBLOCK_LEN] || kind().is_some_and(|kind| kind != FileKind::Database))
}

fn size_and_time(file: &File) -> io::Result<(u64, i64)> {
    let metadata = file.metadata()?;
    Ok((metadata.len(), metadata.modified().map_or(0, clock::nanoseconds)))
}

/// A file that is no whole backup, with the members that one has.
fn unknown(name: String, size: u64, modified: i64) -> api::Backup {
    let (kind, modified) = (BackupKind::Unknown, Time(modified));
    api::Backup { name, kind, version: None, base: None, size, modified, seal: None }
}

/// Bytes of a file from a place on.
pub struct FileBytes {
    /// The file.
    pub file: File,
    /// Where the next piece starts.
    pub offset: u64,
}

impl Source for FileBytes {
    fn next_piece(&mut self) -> io::Result<Bytes> {
        let mut piece = vec![0; PIECE_LEN];
        let read = self.file.read_at(&mut piece, self.offset)?;
        piece.truncate(read);
        self.offset += read as u64;
        Ok(piece.into())
    }
}

/// Bare names of letters, digits, `.`, `_` and `-`, that do not begin with a dot.
fn check_name(name: &str) -> Result<(), Problem> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    let good = (1..=NAME_LEN_MAX).contains(&name.len())
        && name.bytes().all(plain)
        && !name.starts_with('.');
    if good {
        return Ok(());
    }
    Err(Problem::invalid(
        "a backup is named by 1 to 128 letters, digits, '.', '_' and '-', not beginning with '.': \
         no path",
    ))
}

fn not_regular(name: &str) -> Problem {
    Problem::invalid(format!("'{name}' is not a regular file"))
}

fn io_problem(source: io::Error) -> Problem {
    Error::Io { what: "in the backup directory".into(), source }.into()
}

/// An error about a file of the directory, by its bare name.
fn named(error: Error, name: &str) -> Problem {
    match error {
        Error::Exists(_) => Problem::exists(format!("backup '{name}'")),
        other => other.into(),
    }
}
