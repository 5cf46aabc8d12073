//! Get: what a version has, as local files.
//!
//! Nothing is written outside the place that was named: names are single components by
//! construction, files are made anew and never through a link, and a directory that is there
//! already must be one itself. Files are not synced one by one: like tar, a restore that was cut
//! off by a crash is run again.

use std::collections::VecDeque;
use std::fs::{self, File, FileTimes, OpenOptions, Permissions};
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path as LocalPath, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nix::fcntl::AT_FDCWD;
use nix::sys::stat::{UtimensatFlags, utimensat};
use nix::sys::time::TimeSpec;

use crate::crew::Ticket;
use crate::db::Reader;
use crate::error::{Context, Error, Result};
use crate::hash::VersionId;
use crate::object::{FileRecord, Item, Path, Subdirectory, Symlink};
use crate::watch::Watch;

/// Bytes and files of one writing job.
const BATCH_LEN_TARGET: u64 = 2 * 1024 * 1024;
const BATCH_FILES_MAX: usize = 256;

/// What happens where a file is already.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Overwrite {
    /// The restore is refused.
    #[default]
    Refuse,
    /// Files and links are replaced; a directory in the way of a file is not.
    Replace,
}

/// How files are restored.
#[derive(Clone, Copy, Default, Debug)]
pub struct GetOptions {
    /// What happens where a file is already.
    pub overwrite: Overwrite,
}

/// What was restored.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct GetReport {
    /// From which version.
    pub version: VersionId,
    /// Files, symbolic links included.
    pub files: u64,
    /// Directories.
    pub directories: u64,
    /// Bytes of those files.
    pub bytes: u64,
}

/// Restores what `path` is in `version` to `local`: a directory's contents into it, a file as it.
pub fn get(
    reader: &Reader,
    version: &VersionId,
    path: &Path,
    local: &LocalPath,
    options: &GetOptions,
    watch: &Watch,
) -> Result<GetReport> {
    let item = reader
        .item(version, path)?
        .ok_or_else(|| Error::not_found(format!("{path} in version {version}")))?;
    let totals = item.totals();
    watch.expect(totals.files, totals.bytes);
    let replace = options.overwrite == Overwrite::Replace;
    let mut restore = Restore {
        reader,
        watch,
        replace,
        under_way: VecDeque::new(),
        batch: Vec::new(),
        batch_len: 0,
        directories: Vec::new(),
        report: GetReport { version: *version, files: 0, directories: 0, bytes: 0 },
    };
    match item {
        Item::File(record) => restore.file(local.into(), path.clone(), record)?,
        Item::Symlink(link) => restore.symlink(local, &link)?,
        Item::Directory(directory) => {
            restore.target(local)?;
            restore.directory(local.into(), &directory)?;
            restore.contents(version, path, local)?;
        }
    }
    restore.finish()
}

struct Job {
    local: PathBuf,
    path: Path,
    record: FileRecord,
}

struct Restore<'r> {
    reader: &'r Reader,
    watch: &'r Watch,
    replace: bool,
    under_way: VecDeque<Ticket<Result<(u64, u64)>>>,
    batch: Vec<Job>,
    batch_len: u64,
    /// Directories whose mode and time are set when everything is in them.
    directories: Vec<(PathBuf, Subdirectory)>,
    report: GetReport,
}

impl Restore<'_> {
    /// The place must be free, or an empty directory, unless files may be replaced.
    fn target(&self, local: &LocalPath) -> Result<()> {
        let taken = match fs::read_dir(local) {
            Ok(mut entries) => entries.next().is_some() && !self.replace,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => false,
            Err(_) => true,
        };
        match taken {
            true => Err(Error::Exists(local.display().to_string())),
            false => Ok(()),
        }
    }

    fn contents(&mut self, version: &VersionId, path: &Path, local: &LocalPath) -> Result<()> {
        let skip = if path.is_root() { 1 } else { path.as_bytes().len() + 1 };
        for entry in self.reader.walk(version, path)? {
            self.watch.check()?;
            let (path, item) = entry?;
            let below = path.as_bytes().get(skip..).unwrap_or_default();
            let place = local.join(std::ffi::OsStr::from_bytes(below));
            match item {
                Item::File(record) => self.file(place, path, record)?,
                Item::Symlink(link) => self.symlink(&place, &link)?,
                Item::Directory(directory) => self.directory(place, &directory)?,
            }
        }
        Ok(())
    }

    fn directory(&mut self, local: PathBuf, directory: &Subdirectory) -> Result<()> {
        let what = || format!("making directory {}", local.display());
        match fs::create_dir(&local) {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                // A link to a directory is not a directory: what is written must stay here.
                let own = fs::symlink_metadata(&local).context(what)?;
                let first = self.report.directories == 0;
                if !(own.is_dir() && (self.replace || first)) {
                    return Err(Error::Exists(local.display().to_string()));
                }
            }
            made => made.context(what)?,
        }
        self.report.directories += 1;
        self.directories.push((local, directory.clone()));
        Ok(())
    }

    fn symlink(&mut self, local: &LocalPath, link: &Symlink) -> Result<()> {
        let what = || format!("making link {}", local.display());
        clear(local, self.replace)?;
        let target = std::ffi::OsStr::from_bytes(&link.target);
        std::os::unix::fs::symlink(target, local).map_err(|error| exists(error, local, what))?;
        if let Some(mtime) = link.mtime {
            let time = time_spec(mtime);
            utimensat(AT_FDCWD, local, &time, &time, UtimensatFlags::NoFollowSymlink)
                .context(what)?;
        }
        self.report.files += 1;
        self.watch.advance(1, 0);
        Ok(())
    }

    fn file(&mut self, local: PathBuf, path: Path, record: FileRecord) -> Result<()> {
        self.batch_len += record.size;
        self.batch.push(Job { local, path, record });
        if self.batch_len >= BATCH_LEN_TARGET || self.batch.len() >= BATCH_FILES_MAX {
            self.submit()?;
        }
        Ok(())
    }

    fn submit(&mut self) -> Result<()> {
        self.batch_len = 0;
        let batch = std::mem::take(&mut self.batch);
        let (reader, replace) = (self.reader.clone(), self.replace);
        self.under_way.push_back(self.reader.crew().submit(move || {
            let (mut files, mut bytes) = (0, 0);
            for job in batch {
                write_file(&reader, &job, replace)?;
                files += 1;
                bytes += job.record.size;
            }
            Ok((files, bytes))
        }));
        while self.under_way.len() > self.reader.crew().depth() {
            self.wait_next()?;
        }
        Ok(())
    }

    fn wait_next(&mut self) -> Result<()> {
        if let Some(ticket) = self.under_way.pop_front() {
            let (files, bytes) = ticket.wait()?;
            self.watch.advance(files, bytes);
            self.report.files += files;
            self.report.bytes += bytes;
        }
        Ok(())
    }

    fn finish(mut self) -> Result<GetReport> {
        if !self.batch.is_empty() {
            self.submit()?;
        }
        while !self.under_way.is_empty() {
            self.wait_next()?;
        }
        // From the leaves up: filling a directory changes its time.
        for (local, directory) in self.directories.iter().rev() {
            let what = || format!("setting the attributes of {}", local.display());
            if let Some(mode) = directory.mode {
                fs::set_permissions(local, Permissions::from_mode(mode)).context(what)?;
            }
            if let Some(mtime) = directory.mtime {
                let time = time_spec(mtime);
                utimensat(AT_FDCWD, local, &time, &time, UtimensatFlags::NoFollowSymlink)
                    .context(what)?;
            }
        }
        Ok(self.report)
    }
}

/// Makes room for a file or link where one may be replaced.
fn clear(local: &LocalPath, replace: bool) -> Result<()> {
    if replace {
        match fs::remove_file(local) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(Error::Io {
                    what: format!("replacing {}", local.display()),
                    source: error,
                });
            }
            _ => {}
        }
    }
    Ok(())
}

fn exists(error: std::io::Error, local: &LocalPath, what: impl FnOnce() -> String) -> Error {
    match error.kind() {
        std::io::ErrorKind::AlreadyExists => Error::Exists(local.display().to_string()),
        _ => Error::Io { what: what(), source: error },
    }
}

fn write_file(reader: &Reader, job: &Job, replace: bool) -> Result<()> {
    let Job { local, path, record } = job;
    let what = || format!("writing {}", local.display());
    clear(local, replace)?;
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(local)
        .map_err(|error| exists(error, local, what))?;
    let written = fill(reader, &mut file, path, record, what);
    if written.is_err() {
        // No file with half its bytes is left under its name.
        let _ = fs::remove_file(local);
    }
    written
}

fn fill(
    reader: &Reader,
    file: &mut File,
    path: &Path,
    record: &FileRecord,
    what: impl Fn() -> String,
) -> Result<()> {
    let mut bytes = reader.file(record);
    loop {
        let part = bytes.next_bytes().map_err(|error| match error {
            Error::Damaged { what, offset, detail } => {
                Error::Damaged { what, offset, detail: format!("{detail}, which {path} needs") }
            }
            other => other,
        })?;
        if part.is_empty() {
            break;
        }
        file.write_all(&part).context(&what)?;
    }
    let mode = record.mode.unwrap_or(0o644);
    if mode != 0o600 {
        file.set_permissions(Permissions::from_mode(mode)).context(&what)?;
    }
    if let Some(mtime) = record.mtime {
        let time = system_time(mtime);
        file.set_times(FileTimes::new().set_modified(time).set_accessed(time)).context(&what)?;
    }
    Ok(())
}

fn system_time(nanoseconds: i64) -> SystemTime {
    let span = Duration::from_nanos(nanoseconds.unsigned_abs());
    if nanoseconds < 0 { UNIX_EPOCH - span } else { UNIX_EPOCH + span }
}

fn time_spec(nanoseconds: i64) -> TimeSpec {
    TimeSpec::new(nanoseconds.div_euclid(1_000_000_000), nanoseconds.rem_euclid(1_000_000_000))
}
