//! Put: local files, directories and streams into a new version.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use crate::db::{Database, Writer};
use crate::error::{Context, Error, Result};
use crate::files::bound::{MaxDelete, Replaced};
use crate::files::cache::{CacheFile, Remembered};
use crate::files::count;
use crate::files::extended::KeepOptions;
use crate::files::links::Links;
use crate::files::load::Loader;
use crate::files::scan::{Entry, Facts, Found};
use crate::format::superblock::EXTENDED;
use crate::hash::VersionId;
use crate::object::{self, Attributes, Item, Name, Path, Symlink, Version};
use crate::store::Transaction;
use crate::watch::Watch;

/// What is put.
pub enum Source {
    /// A local file or directory. A symbolic link named here is followed; links below are kept.
    Path(PathBuf),
    /// Bytes that come in order.
    Stream(Box<dyn Read + Send>),
}

/// How files are put.
#[derive(Clone, Default, Debug)]
pub struct PutOptions {
    /// Delete what the local tree does not have.
    pub mirror: bool,
    /// How many of the files at the target may be deleted.
    pub max_delete: MaxDelete,
    /// What is empty may take the place of what is not.
    pub allow_empty: bool,
    /// Keep no bytes of files: what is put can be compared, not read. It makes a version beside
    /// HEAD's, and what a bound forbids is in [`PutReport::refused`] instead of an error.
    pub outline: bool,
    /// What is kept of files beside their bytes, mode and time.
    pub keep: KeepOptions,
    /// Read every file, whatever the cache says.
    pub rehash: bool,
    /// The content type of what is put; else what is replaced keeps its own.
    pub content_type: Option<String>,
    /// Where the cache of unchanged files is.
    pub cache: Option<PathBuf>,
    /// What the cache knows the database by, where that is not its file id.
    pub identity: Option<Vec<u8>>,
}

/// What was put.
#[derive(Debug)]
pub struct PutReport {
    /// HEAD now.
    pub version: VersionId,
    /// HEAD before.
    pub previous: VersionId,
    /// Files looked at, symbolic links included.
    pub files: u64,
    /// Directories looked at.
    pub directories: u64,
    /// Bytes of those files.
    pub bytes: u64,
    /// Files that the database did not have at their path.
    pub files_new: u64,
    /// Files that differ from what the database had.
    pub files_changed: u64,
    /// Files that do not.
    pub files_unchanged: u64,
    /// Files that went: mirroring deleted them, or a file and a directory changed places.
    pub files_deleted: u64,
    /// Bytes by which the database grew.
    pub new_bytes: u64,
    /// Names that cannot be kept, our own files, the database itself: one warning each.
    pub skipped: u64,
    /// Files and directories that could not be read: one warning each. What the database has in
    /// their place stays.
    pub unreadable: u64,
    /// Files that changed while they were read, so that what was put may be neither the old nor
    /// the new: one warning each.
    pub unsettled: u64,
    /// Why this would not be put, where only an outline of it was made.
    pub refused: Option<Error>,
}

impl PutReport {
    fn new(head: VersionId) -> Self {
        PutReport {
            version: head,
            previous: head,
            files: 0,
            directories: 0,
            bytes: 0,
            files_new: 0,
            files_changed: 0,
            files_unchanged: 0,
            files_deleted: 0,
            new_bytes: 0,
            skipped: 0,
            unreadable: 0,
            unsettled: 0,
            refused: None,
        }
    }

    /// Counts a file or link by what the database has at its place.
    pub(super) fn count(&mut self, old: Option<&Item>, new: &Item) {
        match old {
            None => self.files_new += 1,
            Some(Item::Directory(directory)) => {
                self.files_new += 1;
                self.files_deleted += directory.totals.files;
            }
            Some(old) if old == new => self.files_unchanged += 1,
            Some(_) => self.files_changed += 1,
        }
    }
}

/// Puts `sources` at `target`, as one commit. A directory's contents land under `target`; one file
/// lands at `target`, or in it where that is a directory or `target_is_directory`; several land
/// in it under their own names.
pub fn put(
    database: &Database,
    sources: Vec<Source>,
    target: &Path,
    target_is_directory: bool,
    options: &PutOptions,
    watch: &Watch,
) -> Result<PutReport> {
    let counted: Vec<PathBuf> = match watch.is_observed() {
        true => sources.iter().filter_map(Source::path).collect(),
        false => Vec::new(),
    };
    // Nobody waits for the count; it stops when there is nothing left to be expected.
    let done = AtomicBool::new(counted.len() < sources.len());
    std::thread::scope(|scope| {
        scope.spawn(|| count::count(&counted, &done, watch));
        let put = put_all(database, sources, target, target_is_directory, options, watch);
        done.store(true, Relaxed);
        put
    })
}

impl Source {
    /// What errors call it.
    fn name(&self) -> String {
        match self {
            Source::Path(path) => path.display().to_string(),
            Source::Stream(_) => "the input".into(),
        }
    }

    fn path(&self) -> Option<PathBuf> {
        match self {
            Source::Path(path) => Some(path.clone()),
            Source::Stream(_) => None,
        }
    }
}

fn put_all(
    database: &Database,
    sources: Vec<Source>,
    target: &Path,
    target_is_directory: bool,
    options: &PutOptions,
    watch: &Watch,
) -> Result<PutReport> {
    let mut writer = database.writer()?;
    let previous = writer.head();
    let head = writer.head_version()?;
    let start = writer.entries().end();
    let mut report = PutReport::new(previous);
    let into = target_is_directory
        || sources.len() > 1
        || matches!(object::resolve(&writer, &head, target)?, Some(Item::Directory(_)));
    let many = sources.len() > 1;
    let mut changes: BTreeMap<Path, Option<Item>> = BTreeMap::new();
    let mut caches = Vec::new();
    let mut links = Links::default();
    for source in sources {
        let place = Place { head: &head, target, into, many };
        let name = source.name();
        let (put, deleted) = (report.files, report.files_deleted);
        let landed =
            put_one(&mut writer, source, &place, options, watch, (&mut report, &mut links))?;
        let Some((path, item, cache)) = landed else { continue };
        let there = object::resolve(&writer, &head, &path)?;
        let replaced = Replaced {
            source: &name,
            path: &path.to_string(),
            put: report.files - put,
            deleted: report.files_deleted - deleted,
            files: there.as_ref().map_or(0, |there| there.totals().files),
        };
        match replaced.check(options.max_delete, options.allow_empty) {
            Err(refused) if options.outline => report.refused = report.refused.or(Some(refused)),
            checked => checked?,
        }
        if changes.insert(path.clone(), Some(item)).is_some() {
            return Err(Error::invalid(format!("two of the sources would land at {path}")));
        }
        caches.extend(cache);
    }
    let version = object::apply(writer.entries(), &head, changes)?;
    let links = links.changes(&writer, &version)?;
    let version = if links.is_empty() {
        version
    } else {
        writer.entries().require(EXTENDED);
        object::apply(writer.entries(), &version, links)?
    };
    report.version = writer.add_version(&version)?;
    if report.version != previous {
        writer.set_head(report.version, "put")?;
        report.new_bytes = writer.commit_and_end()?.saturating_sub(start);
    }
    if !options.outline {
        caches.into_iter().for_each(Remembered::save);
    }
    Ok(report)
}

/// Where things land.
struct Place<'p> {
    head: &'p Version,
    target: &'p Path,
    into: bool,
    many: bool,
}

impl Place<'_> {
    fn of(&self, name: Option<&[u8]>) -> Result<Path> {
        match name {
            Some(name) if self.into => self.target.join(&Name::new(name)?),
            _ if self.target.is_root() => Err(Error::invalid("/ is a directory")),
            _ => Ok(self.target.clone()),
        }
    }
}

/// Where what lands, and what is to be remembered of it.
type Put = (Path, Item, Option<Remembered>);

fn put_one(
    writer: &mut Writer<'_>,
    source: Source,
    place: &Place<'_>,
    options: &PutOptions,
    watch: &Watch,
    (report, links): (&mut PutReport, &mut Links),
) -> Result<Option<Put>> {
    let path = match source {
        Source::Stream(input) => {
            return put_stream(writer, input, place, options, watch, (report, links)).map(Some);
        }
        Source::Path(path) => path,
    };
    let what = || format!("looking at {}", path.display());
    let metadata = fs::metadata(&path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => Error::not_found(path.display().to_string()),
        _ => Error::Io { what: what(), source: error },
    })?;
    let whole = fs::canonicalize(&path).context(what)?;
    let name = whole.file_name().map(|name| name.as_bytes().to_vec());
    let entry = Entry::new(name.as_deref().unwrap_or_default(), &Facts::of(&metadata), || {
        // What was named was followed.
        Err(nix::errno::Errno::ELOOP)
    });
    if writer.database().is_same_file(&metadata) {
        return Err(Error::invalid(format!("{} is the database itself", path.display())));
    }
    // Of several, what cannot be read is left out, as it is within a directory.
    if place.many
        && entry.found == Found::Directory
        && let Err(error) = fs::read_dir(&whole)
    {
        watch.warn(format!("{}: not read: {error}", path.display()));
        report.unreadable += 1;
        return Ok(None);
    }
    let directory = entry.found == Found::Directory;
    let to = match (directory, place.many) {
        (true, false) => place.target.clone(),
        _ => place.of(name.as_deref())?,
    };
    let old = object::resolve(writer, place.head, &to)?;
    let file_id = writer.database().file_id();
    let identity = [
        options.identity.as_ref().map_or(file_id.as_slice(), Vec::as_slice),
        whole.as_os_str().as_bytes(),
        b"\0",
        to.as_bytes(),
        &options.keep.identity(),
    ]
    .concat();
    let cache = CacheFile::new(options.cache.as_deref(), &identity);
    let mut loader = Loader::new(writer, options, watch, report, (links, &to));
    match (entry.found.clone(), old) {
        (Found::Directory, Some(there)) if !options.mirror && !is_directory(&there) => {
            Err(Error::invalid(format!("{to} is not a directory")))
        }
        (Found::Directory, old) => {
            if old.as_ref().is_some_and(|there| !is_directory(there)) {
                loader.replaces_file();
            }
            let path_len = if to.is_root() { 0 } else { to.as_bytes().len() };
            let (directory, remembered) = loader.directory(whole, path_len, old, &cache)?;
            Ok(Some((to, Item::Directory(directory), Some(remembered))))
        }
        (Found::File(_), Some(Item::Directory(_))) => {
            Err(Error::invalid(format!("{to} is a directory")))
        }
        (Found::File(_), old) => {
            let Some(record) = loader.single(&whole, old.as_ref(), place.many)? else {
                return Ok(None);
            };
            let item = Item::File(record);
            report.count(old.as_ref(), &item);
            Ok(Some((to, item, None)))
        }
        (Found::Symlink(target), _) => {
            let item = Item::Symlink(Symlink { target, attributes: entry.facts.attributes() });
            Ok(Some((to, item, None)))
        }
        (Found::Special(what), _) => {
            Err(Error::invalid(format!("{} is a {}", path.display(), what.name())))
        }
        (Found::Unreadable(why), _) => {
            Err(Error::invalid(format!("{} cannot be read: {why}", path.display())))
        }
    }
}

fn is_directory(item: &Item) -> bool {
    matches!(item, Item::Directory(_))
}

fn put_stream(
    writer: &mut Writer<'_>,
    input: Box<dyn Read + Send>,
    place: &Place<'_>,
    options: &PutOptions,
    watch: &Watch,
    (report, links): (&mut PutReport, &mut Links),
) -> Result<Put> {
    let to = match place.into {
        true => {
            let target = place.target;
            return Err(Error::invalid(format!("{target} is a directory: a stream has no name")));
        }
        false => place.of(None)?,
    };
    let old = object::resolve(writer, place.head, &to)?;
    let now = writer.database().clock().now();
    let mut loader = Loader::new(writer, options, watch, report, (links, &to));
    let mut record = loader.stream(input, "the input")?;
    record.attributes = Attributes::new(0o644, now);
    loader.describe(&mut record, old.as_ref());
    report.files += 1;
    report.bytes += record.size;
    let item = Item::File(record);
    check_empty(&item, old.as_ref(), &to, options, report)?;
    report.count(old.as_ref(), &item);
    Ok((to, item, None))
}

/// A stream of nothing is what a program that failed leaves: it takes the place of nothing.
fn check_empty(
    new: &Item,
    old: Option<&Item>,
    path: &Path,
    options: &PutOptions,
    report: &mut PutReport,
) -> Result<()> {
    let is_empty = |item: &Item| matches!(item, Item::File(record) if record.size == 0);
    if options.allow_empty || !is_empty(new) || old.is_none_or(is_empty) {
        return Ok(());
    }
    let refused = Error::EmptySource { name: "the input".into(), path: path.to_string(), files: 1 };
    if !options.outline {
        return Err(refused);
    }
    report.refused = Some(refused);
    Ok(())
}
