//! Get: what a version has, as local files.
//!
//! Nothing is written outside the place that was named: every name is a single component by
//! construction, and everything is made relative to the open handle of its directory
//! ([`place`]). What cannot be restored is reported and left out, the rest is restored; what is whole
//! but for its mode or time stays, and is reported, too. Files are not synced one by one: like tar,
//! a restore that was cut off by a crash is run again.

mod attributes;
mod directory;
mod links;
mod names;
mod place;
mod sets;
mod walk;
mod write;

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path as LocalPath, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nix::errno::Errno;

use crate::db::Reader;
use crate::error::{Context, Error, Result};
use crate::hash::VersionId;
use crate::object::{Item, Name, Path, Special, Subdirectory, Symlink};
use crate::watch::Watch;
use attributes::{Lacks, System};
use place::Place;
use sets::Sets;
pub use sets::{OwnerMap, Wanted};
use walk::Walk;
use write::Job;

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
#[derive(Clone, Default, Debug)]
pub struct GetOptions {
    /// What happens where a file is already.
    pub overwrite: Overwrite,
    /// Whether files get their setuid and setgid bits back even if their owner does not come back:
    /// such a file runs with the rights of whoever restores it.
    pub set_ids: bool,
    /// What is restored beside bytes, mode and time.
    pub wanted: Wanted,
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
    /// Files and directories that could not be restored: one warning each. What is in such a
    /// directory is not counted.
    pub failed: u64,
    /// Those of them whose stored bytes are damaged.
    pub damaged: u64,
    /// Those of them that only a newer program reads.
    pub newer: u64,
    /// Files and directories that were restored without all that is recorded of them: one warning
    /// each for mode and time, one for each kind of what the caller may not set.
    pub lacking: u64,
}

/// Restores what `path` is in `version` to `local`: a directory's contents into it, a file as it,
/// or in it under its own name where `local` ends with a slash. A file that cannot be restored is
/// an error where it is all that was asked for, else a warning and counted.
pub fn get(
    reader: &Reader,
    version: &VersionId,
    path: &Path,
    local: &LocalPath,
    options: &GetOptions,
    watch: &Arc<Watch>,
) -> Result<GetReport> {
    get_on(&System::REAL, reader, (version, path), local, options, watch)
}

/// The same, on a system that may do otherwise than the real one.
fn get_on(
    system: &'static System,
    reader: &Reader,
    (version, path): (&VersionId, &Path),
    local: &LocalPath,
    options: &GetOptions,
    watch: &Arc<Watch>,
) -> Result<GetReport> {
    let item = reader
        .item(version, path)?
        .ok_or_else(|| Error::not_found(format!("{path} in version {version}")))?;
    let totals = item.totals();
    watch.expect(totals.files, totals.bytes);
    let shared = Arc::new(Shared::new(reader, options, watch)?);
    match item {
        Item::File(record) => {
            let (place, name) = single(local, path, system)?;
            let job = Job { filling: shared.fill(place, None), name, path: path.clone(), record };
            write::restore(&shared, &job)?;
        }
        Item::Symlink(link) => {
            let (place, name) = single(local, path, system)?;
            shared.link(&place, &name, &link)?;
        }
        Item::Special(special) => {
            let (place, name) = single(local, path, system)?;
            shared.special(&place, &name, &special)?;
        }
        Item::Directory(mut directory) => {
            let taken = check_free(local, options)?;
            let place = Place::open_or_make(local, directory.attributes.mode, system)?;
            if taken {
                // What is restored goes into it, beside what else it holds.
                directory.attributes = place.attributes()?;
            }
            let walked = Walk::new(shared.clone()).run(place, path.clone(), directory);
            walked.map_err(|error| shared.fatal().take().unwrap_or(error))?;
        }
    }
    shared.tell_counted();
    Ok(shared.report(*version))
}

/// Where the one file at `path` lands.
fn single(local: &LocalPath, path: &Path, system: &'static System) -> Result<(Place, Name)> {
    let inside =
        local.as_os_str().as_encoded_bytes().ends_with(b"/") || local.file_name().is_none();
    match path.name() {
        Some(name) if inside => {
            Place::around(&local.join(std::ffi::OsStr::from_bytes(name)), system)
        }
        _ => Place::around(local, system),
    }
}

/// The place must be free, or an empty directory, unless files may be replaced. True if it is a
/// directory that holds something.
fn check_free(local: &LocalPath, options: &GetOptions) -> Result<bool> {
    let exists = |which| Err(Error::Exists(format!("{}, which is {which},", local.display())));
    match fs::symlink_metadata(local) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
        Ok(found) if found.is_symlink() => return exists("a symbolic link"),
        Ok(found) if !found.is_dir() => return exists("not a directory"),
        found => found.context(|| format!("looking at {}", local.display()))?,
    };
    let taken = fs::read_dir(local).map(|mut entries| entries.next().is_some());
    match (options.overwrite, taken) {
        (Overwrite::Refuse, Ok(true)) => exists("not empty"),
        // One that keeps its owner out is opened all the same.
        (Overwrite::Replace, Err(error)) if error.kind() == ErrorKind::PermissionDenied => Ok(true),
        (_, taken) => taken.context(|| format!("listing {}", local.display())),
    }
}

/// True if one file is larger than the file system can hold: there may be room for others.
fn is_too_large(error: &Error) -> bool {
    matches!(error, Error::Io { source, .. } if source.kind() == ErrorKind::FileTooLarge)
}

/// Why the system does not let the caller make something.
fn refused(error: &Error) -> Option<&'static str> {
    let Error::Io { source, .. } = error else { return None };
    let errno = Errno::from_raw(source.raw_os_error()?);
    matches!(errno, Errno::EPERM | Errno::EOPNOTSUPP | Errno::EINVAL).then(|| errno.desc())
}

/// Kinds of what may be missing that are told apart: names of attributes come from anywhere.
const KINDS_MAX: usize = 16;

/// A kind of what is missing and why, how often it is, and where first.
type Counted = BTreeMap<(String, &'static str), (u64, PathBuf)>;

/// What the walk and the jobs that write files have in common.
struct Shared {
    reader: Reader,
    options: GetOptions,
    watch: Arc<Watch>,
    /// The rest is not worth trying, and why.
    stopped: AtomicBool,
    fatal: Mutex<Option<Error>>,
    files: AtomicU64,
    directories: AtomicU64,
    bytes: AtomicU64,
    failed: AtomicU64,
    damaged: AtomicU64,
    newer: AtomicU64,
    lacking: AtomicU64,
    /// What the caller may not set.
    counted: Mutex<Counted>,
    sets: Sets,
    /// Directories that are open.
    open: AtomicU64,
}

impl Shared {
    fn new(reader: &Reader, options: &GetOptions, watch: &Arc<Watch>) -> Result<Self> {
        Ok(Shared {
            reader: reader.clone(),
            options: options.clone(),
            watch: watch.clone(),
            stopped: AtomicBool::new(false),
            fatal: Mutex::new(None),
            files: AtomicU64::new(0),
            directories: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            damaged: AtomicU64::new(0),
            newer: AtomicU64::new(0),
            lacking: AtomicU64::new(0),
            counted: Mutex::new(BTreeMap::new()),
            sets: Sets::new(reader, &options.wanted)?,
            open: AtomicU64::new(0),
        })
    }

    fn fatal(&self) -> MutexGuard<'_, Option<Error>> {
        self.fatal.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn replace(&self) -> bool {
        self.options.overwrite == Overwrite::Replace
    }

    /// [`Error::Interrupted`] once nothing more is to be done.
    fn check(&self) -> Result<()> {
        if self.stopped.load(Relaxed) { Err(Error::Interrupted) } else { self.watch.check() }
    }

    /// Takes note of what could not be restored; [`Error::Interrupted`] if that ends everything.
    fn failed(&self, shown: &LocalPath, error: Error) -> Result<()> {
        if matches!(error, Error::Interrupted) || (error.is_no_space() && !is_too_large(&error)) {
            // The first one counts: what comes after it follows from it.
            self.fatal().get_or_insert(error);
            self.stopped.store(true, Relaxed);
            return Err(Error::Interrupted);
        }
        self.failed.fetch_add(1, Relaxed);
        match error {
            Error::Damaged { .. } => self.damaged.fetch_add(1, Relaxed),
            Error::Newer { .. } => self.newer.fetch_add(1, Relaxed),
            _ => 0,
        };
        self.watch.warn(format!("{}: not restored: {error}", shown.display()));
        Ok(())
    }

    /// Takes note of what was restored, but for some of what is recorded of it.
    fn lacking(&self, shown: &LocalPath, lacks: &Lacks) {
        if lacks.without_set_ids {
            self.watch.warn(format!("{}: without its setuid and setgid bits", shown.display()));
        }
        let told = lacks.told();
        if told.is_some() || !lacks.counted().is_empty() {
            self.lacking.fetch_add(1, Relaxed);
        }
        if let Some(told) = told {
            self.watch.warn(format!("{}: restored {told}", shown.display()));
        }
        for (kind, why) in lacks.counted() {
            self.count(shown, &format!("restored without {kind}"), why);
        }
    }

    /// Counts one more path that lacks something of this kind.
    fn count(&self, shown: &LocalPath, kind: &str, why: &'static str) {
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        let mut key = (kind.to_owned(), why);
        if counted.len() >= KINDS_MAX && !counted.contains_key(&key) {
            key.0 = "restored without other attributes".into();
        }
        counted.entry(key).or_insert_with(|| (0, shown.into())).0 += 1;
    }

    /// Tells what the caller was not allowed to set, one line for each kind.
    fn tell_counted(&self) {
        let counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        for ((kind, why), (count, first)) in counted.iter() {
            let told = match count {
                1 => format!("{}: {kind}: {why}", first.display()),
                more => format!("{more} paths {kind}: {why} (the first is {})", first.display()),
            };
            self.watch.warn(told);
        }
    }

    fn link(&self, place: &Place, name: &Name, link: &Symlink) -> Result<()> {
        let mut lacks = Lacks::default();
        let extra = self.sets.of(link.attributes.set.as_ref(), &mut lacks);
        place.link(name, link, &extra, self.replace(), &mut lacks)?;
        self.lacking(&place.path_of(name), &lacks);
        self.done(0);
        Ok(())
    }

    /// What the caller may not make is counted.
    fn special(&self, place: &Place, name: &Name, special: &Special) -> Result<()> {
        let shown = place.path_of(name);
        let mut lacks = Lacks::default();
        let extra = self.sets.of(special.attributes.set.as_ref(), &mut lacks);
        match place.special(name, special, &extra, self.replace(), &mut lacks) {
            Ok(()) => {
                self.lacking(&shown, &lacks);
                self.done(0);
                Ok(())
            }
            Err(error) => match refused(&error) {
                Some(why) => {
                    self.failed.fetch_add(1, Relaxed);
                    self.count(&shown, &format!("not restored as a {}", special.what.name()), why);
                    Ok(())
                }
                None => Err(error),
            },
        }
    }

    /// Counts a file that was restored.
    fn done(&self, bytes: u64) {
        self.files.fetch_add(1, Relaxed);
        self.bytes.fetch_add(bytes, Relaxed);
        self.watch.advance(1, 0);
    }

    fn fill(self: &Arc<Self>, place: Place, directory: Option<Subdirectory>) -> Arc<Filling> {
        self.open.fetch_add(1, Relaxed);
        Arc::new(Filling { place, directory, shared: self.clone() })
    }

    fn report(&self, version: VersionId) -> GetReport {
        GetReport {
            version,
            files: self.files.load(Relaxed),
            directories: self.directories.load(Relaxed),
            bytes: self.bytes.load(Relaxed),
            failed: self.failed.load(Relaxed),
            damaged: self.damaged.load(Relaxed),
            newer: self.newer.load(Relaxed),
            lacking: self.lacking.load(Relaxed),
        }
    }
}

/// A directory that is being filled. It gets its attributes when nobody has anything to make in
/// it any more: filling it changes its time, and its mode may forbid it.
struct Filling {
    place: Place,
    directory: Option<Subdirectory>,
    shared: Arc<Shared>,
}

impl Drop for Filling {
    fn drop(&mut self) {
        self.shared.open.fetch_sub(1, Relaxed);
        let Some(directory) = &self.directory else { return };
        let mut lacks = Lacks::default();
        let extra = self.shared.sets.of(directory.attributes.set.as_ref(), &mut lacks);
        self.place.set_attributes(&directory.attributes, &extra, &mut lacks);
        self.shared.lacking(self.place.path(), &lacks);
    }
}
