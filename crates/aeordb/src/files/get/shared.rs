//! What the walk and the jobs that write files have in common: how it is done, and what was done.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path as LocalPath, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nix::errno::Errno;
use nix::unistd::geteuid;

use super::attributes::Lacks;
use super::place::Place;
use super::sets::Sets;
use super::{Counted, GetOptions, GetReport, Overwrite};
use crate::db::Reader;
use crate::error::{Error, Result};
use crate::files::extended::{Keep, KeepOptions};
use crate::hash::VersionId;
use crate::monitor::Monitor;
use crate::object::{Name, Special, Subdirectory, Symlink};

/// True if one file is larger than the file system can hold: there may be room for others.
fn is_too_large(error: &Error) -> bool {
    matches!(error, Error::Io { source, .. } if source.kind() == ErrorKind::FileTooLarge)
}

/// Why the system does not let the caller make something.
pub fn refused(error: &Error) -> Option<&'static str> {
    let Error::Io { source, .. } = error else { return None };
    let errno = Errno::from_raw(source.raw_os_error()?);
    matches!(errno, Errno::EPERM | Errno::EOPNOTSUPP | Errno::EINVAL).then(|| errno.desc())
}

/// Kinds of what may be missing that are told apart: names of attributes come from anywhere.
const KINDS_MAX: usize = 16;

/// A kind of what is missing and why, how often it is, and where first.
type Missing = BTreeMap<(String, &'static str), (u64, PathBuf)>;

/// What a pass is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Purpose {
    /// To make what differs so.
    Restore,
    /// To count what would go. What fails is told by the next pass.
    Count,
    /// To say what would be made so.
    Foresee,
    /// To say what differs.
    Compare,
}

/// What the walk and the jobs that write files have in common.
pub struct Shared {
    pub reader: Reader,
    pub options: GetOptions,
    pub monitor: Arc<Monitor>,
    pub purpose: Purpose,
    /// The rest is not worth trying, and why.
    pub stopped: AtomicBool,
    fatal: Mutex<Option<Error>>,
    files: AtomicU64,
    pub directories: AtomicU64,
    unchanged: AtomicU64,
    kept: AtomicU64,
    pub excluded: AtomicU64,
    pub deleted: AtomicU64,
    /// Files that were there.
    pub present: AtomicU64,
    bytes: AtomicU64,
    failed: AtomicU64,
    damaged: AtomicU64,
    newer: AtomicU64,
    pub lacking: AtomicU64,
    /// What the caller may not set.
    counted: Mutex<Missing>,
    pub sets: Sets,
    /// Reads what is there.
    pub keep: Keep,
    /// Whether whoever restores may give files to anybody.
    pub is_root: bool,
    /// Directories that are open.
    pub open: AtomicU64,
}

impl Shared {
    pub fn new(
        reader: &Reader,
        options: &GetOptions,
        monitor: &Arc<Monitor>,
        purpose: Purpose,
    ) -> Result<Self> {
        Ok(Shared {
            reader: reader.clone(),
            options: options.clone(),
            monitor: monitor.clone(),
            purpose,
            stopped: AtomicBool::new(false),
            fatal: Mutex::new(None),
            files: AtomicU64::new(0),
            directories: AtomicU64::new(0),
            unchanged: AtomicU64::new(0),
            kept: AtomicU64::new(0),
            excluded: AtomicU64::new(0),
            deleted: AtomicU64::new(0),
            present: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            damaged: AtomicU64::new(0),
            newer: AtomicU64::new(0),
            lacking: AtomicU64::new(0),
            counted: Mutex::new(BTreeMap::new()),
            sets: Sets::new(reader, &options.wanted)?,
            keep: Keep::new(KeepOptions { owner: false, ..options.wanted.keep }),
            is_root: geteuid().is_root(),
            open: AtomicU64::new(0),
        })
    }

    pub fn fatal(&self) -> MutexGuard<'_, Option<Error>> {
        self.fatal.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn replace(&self) -> bool {
        self.options.overwrite != Overwrite::Refuse
    }

    /// Whether anything is changed.
    pub fn alters(&self) -> bool {
        self.purpose == Purpose::Restore
    }

    /// Whether only what goes is counted.
    pub fn is_count(&self) -> bool {
        self.purpose == Purpose::Count
    }

    /// Whether only that is compared which whoever restores may set.
    pub fn compares_what_can_be(&self) -> bool {
        self.purpose != Purpose::Compare && !self.is_root
    }

    /// Whether the directory that everything lands in becomes what is stored. One that holds
    /// something keeps its mode and time, but in a mirror.
    pub fn sets_top(&self, place: &Place) -> Result<bool> {
        Ok(self.options.mirror || place.is_fresh() || place.is_empty()?)
    }

    /// [`Error::Interrupted`] once nothing more is to be done.
    pub fn check(&self) -> Result<()> {
        if self.stopped.load(Relaxed) { Err(Error::Interrupted) } else { self.monitor.check() }
    }

    /// Takes note of what could not be restored; [`Error::Interrupted`] if that ends everything.
    pub fn failed(&self, shown: &LocalPath, error: Error) -> Result<()> {
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
        if !self.is_count() {
            let done = if self.alters() { "not restored" } else { "not compared" };
            self.monitor.warn(format!("{}: {done}: {error}", shown.display()));
        }
        Ok(())
    }

    /// Takes note of what was restored, but for some of what is recorded of it.
    pub fn lacking(&self, shown: &LocalPath, lacks: &Lacks) {
        if lacks.without_set_ids {
            self.monitor.warn(format!("{}: without its setuid and setgid bits", shown.display()));
        }
        let told = lacks.told();
        if told.is_some() || !lacks.counted().is_empty() {
            self.lacking.fetch_add(1, Relaxed);
        }
        if let Some(told) = told {
            self.monitor.warn(format!("{}: restored {told}", shown.display()));
        }
        for (kind, why) in lacks.counted() {
            self.count(shown, &format!("restored without {kind}"), why);
        }
    }

    /// Counts one more path that lacks something of this kind.
    pub fn count(&self, shown: &LocalPath, kind: &str, why: &'static str) {
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        let mut key = (kind.to_owned(), why);
        if counted.len() >= KINDS_MAX && !counted.contains_key(&key) {
            key.0 = "restored without other attributes".into();
        }
        counted.entry(key).or_insert_with(|| (0, shown.into())).0 += 1;
    }

    /// Tells what the caller was not allowed to set, one line for each kind.
    pub fn tell_counted(&self) {
        let counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        for ((kind, why), (count, first)) in counted.iter() {
            let told = match count {
                1 => format!("{}: {kind}: {why}", first.display()),
                more => format!("{more} paths {kind}: {why} (the first is {})", first.display()),
            };
            self.monitor.warn(told);
        }
    }

    pub fn link(&self, place: &Place, name: &Name, link: &Symlink) -> Result<()> {
        let mut lacks = Lacks::default();
        let extra = self.sets.of(link.attributes.set.as_ref(), &mut lacks);
        place.link(name, link, &extra, self.replace(), &mut lacks)?;
        self.lacking(&place.path_of(name), &lacks);
        self.done(0);
        Ok(())
    }

    /// What the caller may not make is counted.
    pub fn special(&self, place: &Place, name: &Name, special: &Special) -> Result<()> {
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

    /// Counts a file that is there now as it is stored.
    pub fn done(&self, bytes: u64) {
        self.files.fetch_add(1, Relaxed);
        self.bytes.fetch_add(bytes, Relaxed);
        self.monitor.advance(1, 0);
    }

    /// Counts a file that is there as it is stored.
    pub fn unchanged(&self, bytes: u64) {
        self.unchanged.fetch_add(1, Relaxed);
        self.monitor.advance(0, bytes);
        self.done(bytes);
    }

    /// Counts what is there and stays, whatever it is.
    pub fn kept(&self, bytes: u64) {
        self.kept.fetch_add(1, Relaxed);
        self.monitor.advance(1, bytes);
    }

    pub fn fill(self: &Arc<Self>, place: Place, directory: Option<Subdirectory>) -> Arc<Filling> {
        self.open.fetch_add(1, Relaxed);
        let directory = directory.filter(|_| self.alters());
        Arc::new(Filling { place, directory, shared: self.clone() })
    }

    /// What was gone through, of this version.
    pub fn counted(&self, version: VersionId) -> Counted {
        let of = |number: &AtomicU64| number.load(Relaxed);
        let report = GetReport {
            version,
            files: of(&self.files),
            directories: of(&self.directories),
            bytes: of(&self.bytes),
            unchanged: of(&self.unchanged),
            kept: of(&self.kept),
            excluded: of(&self.excluded),
            deleted: of(&self.deleted),
            failed: of(&self.failed),
            damaged: of(&self.damaged),
            newer: of(&self.newer),
            lacking: of(&self.lacking),
        };
        Counted { report, present: of(&self.present), stored: 0, failed: report.failed }
    }
}

/// A directory that is being filled. It gets its attributes when nobody has anything to make in
/// it any more: filling it changes its time, and its mode may forbid it.
pub struct Filling {
    pub place: Place,
    /// What it is to become.
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
