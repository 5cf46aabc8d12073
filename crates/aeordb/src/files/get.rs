//! Get: what a version has, as local files.
//!
//! Nothing is written outside the place that was named: every name is a single component by
//! construction, and everything is made relative to the open handle of its directory
//! ([`place`]). What cannot be restored is reported and left out, the rest is restored; what is whole
//! but for its mode or time stays, and is reported, too. Files are not synced one by one: like tar,
//! a restore that was cut off by a crash is run again.
//!
//! What happens with each path is decided in one place ([`present`]), for a restore as for one that
//! is only foreseen, and for the comparison of a version with a local tree.

mod attributes;
mod directory;
mod foresee;
mod links;
mod names;
mod place;
mod present;
mod remove;
mod sets;
mod shared;
mod walk;
mod write;

use std::collections::HashSet;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;
use std::path::Path as LocalPath;
use std::sync::Arc;

use crate::db::Reader;
use crate::error::{Context, Error, Result};
use crate::files::bound::{MaxDelete, Replaced};
use crate::files::choose::Patterns;
use crate::hash::VersionId;
use crate::monitor::Monitor;
use crate::object::{AsPath, Item, Name, Path};
use attributes::System;
use foresee::Each;
pub use foresee::{Foreseen, Found};
use links::Links;
use place::Place;
pub use sets::{OwnerMap, Wanted};
use shared::{Purpose, Shared};
use walk::Walk;

/// The treatment of files that are there already.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Overwrite {
    /// The restore is refused.
    #[default]
    Refuse,
    /// It stays.
    Never,
    /// It is replaced if the stored file is newer.
    IfNewer,
    /// It is replaced unless it is the same.
    IfChanged,
    /// It is replaced.
    Always,
}

/// How files are restored.
#[derive(Clone, Default, Debug)]
pub struct GetOptions {
    /// The treatment of files that are there already.
    pub overwrite: Overwrite,
    /// Replace entries of another kind, too: a directory with its contents by a file, and a file by a
    /// directory.
    pub force: bool,
    /// Read the files that are there to tell whether they are the same; size and time say so otherwise.
    pub checksum: bool,
    /// Read the written files again and compare them.
    pub verify: bool,
    /// The paths that are restored, below the directory that they are restored to.
    pub patterns: Patterns,
    /// Delete paths that the version does not have.
    pub mirror: bool,
    /// How many files that may be.
    pub max_delete: MaxDelete,
    /// Whether all may be deleted for a directory without files.
    pub allow_empty: bool,
    /// Files that must stay as they are, by device and inode: the database is one.
    pub protected: Vec<(u64, u64)>,
    /// Whether files get their setuid and setgid bits back even if their owner does not come back:
    /// such a file runs with the rights of the caller.
    pub set_ids: bool,
    /// Attributes that are restored beside bytes, mode and time.
    pub wanted: Wanted,
}

/// The result of a restore.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct GetReport {
    /// From which version.
    pub version: VersionId,
    /// Files that are there now as they are stored, symbolic links included.
    pub files: u64,
    /// Directories.
    pub directories: u64,
    /// Bytes of those files.
    pub bytes: u64,
    /// Those of them that were there before.
    pub unchanged: u64,
    /// Files that were there and stay, whatever they are.
    pub kept: u64,
    /// Entries that patterns left out; a directory counts once, without its contents.
    pub excluded: u64,
    /// Files that were deleted.
    pub deleted: u64,
    /// Files and directories that could not be restored: one warning each. The contents of such a
    /// directory are not counted.
    pub failed: u64,
    /// Those of them whose stored bytes are damaged.
    pub damaged: u64,
    /// Those of them that only a newer program reads.
    pub newer: u64,
    /// Files and directories that were restored without all that is recorded of them: one warning
    /// each for mode and time, one for each kind of attribute that the caller may not set.
    pub lacking: u64,
}

/// Something that is restored.
#[derive(Clone)]
pub struct Part {
    /// The reader of its version.
    pub reader: Reader,
    /// The version that it is of, as this reader knows it.
    pub version: VersionId,
    /// Its path there.
    pub path: Path,
}

/// A restore.
pub struct Getting<'g> {
    /// The parts that are restored, all of one version.
    pub parts: &'g [Part],
    /// Whether each lands in `local` under its own name; otherwise there is one, and it becomes
    /// `local`.
    pub inside: bool,
    /// Where it lands.
    pub local: &'g LocalPath,
    /// How.
    pub options: &'g GetOptions,
}

/// Restores the file or directory at `path` in `version` to `local`: a directory's contents into it,
/// a file as it, or in it under its own name where `local` ends with a slash. A file that cannot be
/// restored is an error where it is all that was asked for, else a warning and counted.
pub fn get(
    reader: &Reader,
    version: &VersionId,
    path: impl AsPath,
    local: impl AsRef<LocalPath>,
    options: &GetOptions,
    monitor: &Arc<Monitor>,
) -> Result<GetReport> {
    let path = path.as_path()?.into_owned();
    let parts = [Part { reader: reader.clone(), version: *version, path }];
    Getting { parts: &parts, inside: false, local: local.as_ref(), options }.run(monitor)
}

/// What differs between the directory that `part` is and the local directory `local`, as changes that
/// lead from the first to the second, in the order of paths.
pub fn compare(
    part: &Part,
    local: &LocalPath,
    options: &GetOptions,
    monitor: &Arc<Monitor>,
    each: &mut dyn FnMut(Foreseen) -> Result<()>,
) -> Result<()> {
    let options = GetOptions { overwrite: Overwrite::IfChanged, mirror: true, ..options.clone() };
    let found = fs::metadata(local).context(|| format!("looking at {}", local.display()))?;
    let getting =
        Getting { parts: std::slice::from_ref(part), inside: false, local, options: &options };
    if found.is_dir() != matches!(getting.items()?.first(), Some(Item::Directory(_))) {
        let (path, local) = (&part.path, local.display());
        let why = "compared are two directories, or two files";
        return Err(Error::invalid(format!("{path} and {local}: {why}")));
    }
    let turned = &mut |foreseen: Foreseen| each(foreseen.turned());
    let totals = getting.pass(&System::REAL, monitor, Each::Compare(turned))?;
    match totals.failed {
        0 => Ok(()),
        failed => Err(Error::invalid(format!("{failed} paths could not be compared"))),
    }
}

impl Getting<'_> {
    /// Restores it.
    pub fn run(&self, monitor: &Arc<Monitor>) -> Result<GetReport> {
        self.run_on(&System::REAL, monitor)
    }

    /// The same, on a system that may do otherwise than the real one.
    fn run_on(&self, system: &'static System, monitor: &Arc<Monitor>) -> Result<GetReport> {
        if self.options.mirror {
            let counted = self.pass(system, monitor, Each::Count)?;
            self.check_deletions(&counted)?;
        }
        Ok(self.pass(system, monitor, Each::Restore)?.report)
    }

    /// Hands `each` what it would change, in order, and changes nothing. The error is why it would be
    /// refused.
    pub fn foresee(
        &self,
        monitor: &Arc<Monitor>,
        each: &mut dyn FnMut(Foreseen) -> Result<()>,
    ) -> Result<GetReport> {
        let counted = self.pass(&System::REAL, monitor, Each::Foresee(each))?;
        if self.options.mirror {
            self.check_deletions(&counted)?;
        }
        Ok(counted.report)
    }

    fn check_deletions(&self, counted: &Counted) -> Result<()> {
        let path = self.parts.first().map(|part| part.path.to_string()).unwrap_or_default();
        let replaced = Replaced {
            source: &path,
            path: &self.local.to_string_lossy(),
            put: counted.stored,
            deleted: counted.report.deleted,
            files: counted.present,
        };
        replaced.check(self.options.max_delete, self.options.allow_empty)
    }

    /// What is at the paths.
    fn items(&self) -> Result<Vec<Item>> {
        let item = |part: &Part| {
            let Part { reader, version, path } = part;
            let found = reader.item(version, path)?;
            found.ok_or_else(|| Error::not_found(format!("{path} in version {version}")))
        };
        self.parts.iter().map(item).collect()
    }

    /// Goes through all of it once.
    fn pass(
        &self,
        system: &'static System,
        monitor: &Arc<Monitor>,
        mut each: Each<'_>,
    ) -> Result<Counted> {
        let items = self.items()?;
        let totals = items.iter().map(Item::totals);
        let sum = totals.clone().fold((0_u64, 0_u64), |(files, bytes), more| {
            (files.saturating_add(more.files), bytes.saturating_add(more.bytes))
        });
        monitor.expect(sum.0, sum.1);
        self.check_names()?;
        let mut counted: Option<Counted> = None;
        let mut links = Links::default();
        for (part, item) in self.parts.iter().zip(items) {
            let shared =
                Arc::new(Shared::new(&part.reader, self.options, monitor, each.purpose())?);
            let mut walk = Walk::new(shared.clone(), &mut links, each.again());
            let walked = self.part(system, &mut walk, &part.path, item);
            walked.map_err(|error| shared.fatal().take().unwrap_or(error))?;
            shared.tell_counted();
            let more = shared.counted(part.version);
            counted = Some(counted.map_or(more, |counted| counted.and(more)));
        }
        let mut counted = counted.ok_or_else(|| Error::invalid("nothing is to be restored"))?;
        counted.stored = sum.0;
        Ok(counted)
    }

    fn part(
        &self,
        system: &'static System,
        walk: &mut Walk<'_>,
        path: &Path,
        item: Item,
    ) -> Result<()> {
        let (local, shared) = (self.local, walk.shared.clone());
        let alters = shared.alters();
        if self.inside {
            let place = match alters {
                true => Some(Place::open_or_make(local, None, system)?),
                false => Place::open_existing(local, system)?,
            };
            return walk.inside(place, local, path, item);
        }
        let Item::Directory(mut directory) = item else {
            if self.options.mirror && shared.purpose != Purpose::Compare {
                let path = path.to_string();
                return Err(Error::invalid(format!("{path}: --mirror takes a directory")));
            }
            let (place, name) = single(local, path, system)?;
            return walk.alone(place, name, path, item);
        };
        if !alters {
            let place = Place::open_existing(local, system)?;
            return walk.contents(place, local, path, directory);
        }
        let place = Place::open_or_make(local, directory.attributes.mode, system)?;
        if !shared.sets_top(&place)? {
            // What is restored goes into it, beside what else it holds.
            directory.attributes = place.attributes()?;
        }
        walk.contents(Some(place), local, path, directory)
    }

    /// What lands under its own name needs one that nothing else has, and room; where it lands must
    /// be free, or empty, unless files may be replaced.
    fn check_names(&self) -> Result<()> {
        let options = self.options;
        if options.mirror && (self.inside || self.parts.len() != 1) {
            return Err(Error::invalid("a mirror is that of one directory"));
        }
        let items = self.items()?;
        if !self.inside {
            return match items.first() {
                Some(Item::Directory(_)) => check_free(self.local, options),
                _ => Ok(()),
            };
        }
        let mut names = HashSet::new();
        for (part, item) in self.parts.iter().zip(items) {
            let Some(name) = part.path.name() else {
                let why = "the root has no name to land under beside others: get it alone";
                return Err(Error::invalid(why));
            };
            if !names.insert(name) {
                let name = String::from_utf8_lossy(name).into_owned();
                let why = "two of the paths end with it: get them one by one";
                return Err(Error::Exists(format!("{} ({why})", self.local.join(name).display())));
            }
            let local = self.local.join(std::ffi::OsStr::from_bytes(name));
            match item {
                Item::Directory(_) => check_free(&local, options)?,
                _ if options.overwrite == Overwrite::Refuse
                    && fs::symlink_metadata(&local).is_ok() =>
                {
                    return Err(Error::Exists(local.display().to_string()));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// What a pass went through.
#[derive(Clone, Copy)]
struct Counted {
    report: GetReport,
    /// Files that were there.
    present: u64,
    /// Files of the version.
    stored: u64,
    /// Paths that could not be looked at.
    failed: u64,
}

impl Counted {
    fn and(self, more: Counted) -> Counted {
        let (all, one) = (self.report, more.report);
        let report = GetReport {
            version: all.version,
            files: all.files + one.files,
            directories: all.directories + one.directories,
            bytes: all.bytes + one.bytes,
            unchanged: all.unchanged + one.unchanged,
            kept: all.kept + one.kept,
            excluded: all.excluded + one.excluded,
            deleted: all.deleted + one.deleted,
            failed: all.failed + one.failed,
            damaged: all.damaged + one.damaged,
            newer: all.newer + one.newer,
            lacking: all.lacking + one.lacking,
        };
        Counted {
            report,
            present: self.present + more.present,
            stored: self.stored + more.stored,
            failed: self.failed + more.failed,
        }
    }
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

/// The place must be free, or an empty directory, unless files may be replaced.
fn check_free(local: &LocalPath, options: &GetOptions) -> Result<()> {
    let exists = |which| Err(Error::Exists(format!("{}, which is {which},", local.display())));
    match fs::symlink_metadata(local) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Ok(found) if found.is_symlink() => return exists("a symbolic link"),
        Ok(found) if !found.is_dir() => return exists("not a directory"),
        found => found.context(|| format!("looking at {}", local.display()))?,
    };
    if options.overwrite != Overwrite::Refuse {
        return Ok(());
    }
    let taken = fs::read_dir(local).map(|mut entries| entries.next().is_some());
    match taken.context(|| format!("listing {}", local.display()))? {
        true => exists("not empty"),
        false => Ok(()),
    }
}
