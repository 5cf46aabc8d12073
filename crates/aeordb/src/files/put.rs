//! Put: local files, directories and streams into a new version.

mod report;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path as LocalPath, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

pub use self::report::{Did, PutReport, Tell, Told};
use crate::db::{Database, Naming, Writer};
use crate::error::{Context, Error, Result};
use crate::files::bound::{MaxDelete, Replaced};
use crate::files::cache::{CacheFile, Ignored, Remembered};
use crate::files::choose::{Choice, Within};
use crate::files::count;
use crate::files::extended::KeepOptions;
use crate::files::links::Links;
use crate::files::load::Loader;
use crate::files::resume::Resume;
use crate::files::scan::{Entry, Facts, Found};
use crate::format::superblock::EXTENDED;
use crate::monitor::Monitor;
use crate::object::{self, AsPath, Attributes, Item, Name, Path, Symlink, Version};
use crate::store::Transaction;

/// The source of a put.
pub enum Source {
    /// A local file or directory. A symbolic link named here is followed; links below are kept.
    Path(PathBuf),
    /// Bytes that come in order.
    Stream(Box<dyn Read + Send>),
}

impl From<&str> for Source {
    fn from(path: &str) -> Source {
        Source::Path(path.into())
    }
}

impl From<&LocalPath> for Source {
    fn from(path: &LocalPath) -> Source {
        Source::Path(path.into())
    }
}

impl From<PathBuf> for Source {
    fn from(path: PathBuf) -> Source {
        Source::Path(path)
    }
}

/// How files are put.
#[derive(Clone, Default, Debug)]
pub struct PutOptions {
    /// Delete paths that the local tree does not have.
    pub mirror: bool,
    /// How many of the files at the target may be deleted.
    pub max_delete: MaxDelete,
    /// An empty source may take the place of files.
    pub allow_empty: bool,
    /// Keep no bytes of files: the version can be compared, not read. It stands beside HEAD, and a
    /// bound that it breaks is in [`PutReport::refused`] instead of an error.
    pub outline: bool,
    /// Attributes that are kept beside bytes, mode and time.
    pub keep: KeepOptions,
    /// The files of the local trees that are put.
    pub choice: Arc<Choice>,
    /// Read every file, whatever the cache says.
    pub rehash: bool,
    /// Signs of change that do not have a file read again.
    pub ignored: Ignored,
    /// Name the version that comes of it, in the same commit; refused if there is that name.
    pub snapshot: Option<Naming>,
    /// The content type of the files; else a file that is replaced keeps its own.
    pub content_type: Option<String>,
    /// Where the cache of unchanged files is.
    pub cache: Option<PathBuf>,
    /// So many bytes of files are read before what there is is kept, for a put at the same place to go on
    /// if this one does not come to its end; nothing is kept if not said. See [`super::CHECKPOINT_INTERVAL`].
    pub checkpoint: Option<u64>,
    /// The name of the database in the cache, where that is not its file id.
    pub identity: Option<Vec<u8>>,
}

/// Puts `sources` at `target`, as one commit. A directory's contents land under `target`; one file
/// lands at `target`, or in it where that is a directory or `target_is_directory`; several land
/// in it under their own names.
pub fn put(
    database: &Database,
    sources: impl IntoIterator<Item = impl Into<Source>>,
    target: impl AsPath,
    target_is_directory: bool,
    options: &PutOptions,
    monitor: &Monitor,
) -> Result<PutReport> {
    let sources = sources.into_iter().map(Into::into).collect();
    let target = target.as_path()?;
    put_telling(database, sources, &target, target_is_directory, options, monitor, None)
}

/// As [`put`], and tells of every change as it goes; none of them is made before the end.
pub fn put_telling(
    database: &Database,
    sources: Vec<Source>,
    target: &Path,
    target_is_directory: bool,
    options: &PutOptions,
    monitor: &Monitor,
    mut tell: Tell<'_>,
) -> Result<PutReport> {
    let counted: Vec<PathBuf> = match monitor.is_observed() {
        true => sources.iter().filter_map(Source::path).collect(),
        false => Vec::new(),
    };
    // Nobody waits for the count; it stops when there is nothing left to be expected.
    let done = AtomicBool::new(counted.len() < sources.len());
    std::thread::scope(|scope| {
        scope.spawn(|| count::count(&counted, &options.choice, &done, monitor));
        let to = (target, target_is_directory);
        let put = put_all(database, sources, to, options, monitor, &mut tell);
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
    (target, target_is_directory): (&Path, bool),
    options: &PutOptions,
    monitor: &Monitor,
    tell: &mut Tell<'_>,
) -> Result<PutReport> {
    let mut writer = database.writer()?;
    if let Some(naming) = &options.snapshot {
        writer.check_free(naming)?;
    }
    monitor.let_go();
    let previous = writer.head();
    let start = writer.entries().end();
    let interval = options.checkpoint.filter(|_| !options.outline);
    let mut resume = Resume::new(&writer, target, interval, monitor)?;
    let to = (target, target_is_directory);
    let loaded = load_all(&mut writer, sources, to, options, monitor, (&mut resume, tell))
        .and_then(|loaded| monitor.hold().map(|()| loaded));
    if loaded.is_err() {
        resume.keep_at_last(&mut writer, monitor);
    }
    let (mut report, caches) = loaded?;
    if report.version != previous {
        writer.set_head(report.version, "put")?;
    }
    if let Some(naming) = &options.snapshot {
        let now = database.clock().now();
        writer.add_snapshot(&naming.of(report.version, now))?;
    }
    resume.end(&mut writer)?;
    if report.version != previous || options.snapshot.is_some() || resume.is_kept() {
        report.new_bytes = writer.commit_and_end()?.saturating_sub(start);
    }
    if !options.outline {
        caches.into_iter().for_each(Remembered::save);
    }
    Ok(report)
}

/// Loads the sources into a version that nothing names yet; gives what is to be remembered of them as
/// well.
fn load_all(
    writer: &mut Writer<'_>,
    sources: Vec<Source>,
    (target, target_is_directory): (&Path, bool),
    options: &PutOptions,
    monitor: &Monitor,
    (resume, tell): (&mut Resume, &mut Tell<'_>),
) -> Result<(PutReport, Vec<Remembered>)> {
    let head = writer.head_version()?;
    let mut report = PutReport::new(writer.head());
    let into = target_is_directory
        || sources.len() > 1
        || matches!(object::resolve(writer, &head, target)?, Some(Item::Directory(_)));
    let many = sources.len() > 1;
    let mut changes: BTreeMap<Path, Option<Item>> = BTreeMap::new();
    let mut caches = Vec::new();
    let mut links = Links::default();
    for source in sources {
        let place = Place { head: &head, target, into, many };
        let name = source.name();
        let (put, deleted) = (report.files, report.files_deleted);
        let files_left_out = report.files_left_out;
        let told = (&mut report, &mut links, &mut *resume, &mut *tell);
        let landed = put_one(writer, source, &place, options, monitor, told)?;
        let Some((path, item, cache)) = landed else { continue };
        let there = object::resolve(writer, &head, &path)?;
        if let (Some(tell), Some(did)) = (tell.as_mut(), Did::of(there.as_ref(), &item)) {
            tell(Told { did, path: &path, item: &item })?;
        }
        let replaced = Replaced {
            source: &name,
            path: &path.to_string(),
            put: report.files - put,
            deleted: report.files_deleted - deleted,
            files: there.as_ref().map_or(0, |there| there.totals().files),
        };
        let left_out = report.files_left_out - files_left_out;
        match guarded(&replaced, left_out, options, monitor) {
            Err(refused) if options.outline => report.refused = report.refused.or(Some(refused)),
            checked => checked?,
        }
        if changes.insert(path.clone(), Some(item)).is_some() {
            return Err(Error::invalid(format!("two of the sources would land at {path}")));
        }
        caches.extend(cache);
    }
    let landed_at: Vec<Path> = changes.keys().cloned().collect();
    let version = object::apply(writer.entries(), &head, changes)?;
    let links = links.changes(writer, &version)?;
    let version = if links.is_empty() {
        version
    } else {
        writer.entries().require(EXTENDED);
        tell_links(writer, (&head, &version), &links, tell)?;
        object::apply(writer.entries(), &version, links)?
    };
    tell_parents(writer, (&head, &version), &landed_at, tell)?;
    report.version = writer.add_version(&version)?;
    Ok((report, caches))
}

/// Whether a source may replace what it would; of what would be deleted, `left_out` files are not gone.
fn guarded(
    replaced: &Replaced<'_>,
    left_out: u64,
    options: &PutOptions,
    monitor: &Monitor,
) -> Result<()> {
    let checked = replaced.check(options.max_delete, options.allow_empty);
    if checked.is_err() && left_out > 0 {
        let what = "files that would be deleted are left out of what is put, not gone";
        monitor.warn(format!("{}: {left_out} of the {what}", replaced.source));
    }
    checked
}

/// Tells of the directories that were made on the way to these paths.
fn tell_parents(
    writer: &Writer<'_>,
    (head, version): (&Version, &Version),
    paths: &[Path],
    tell: &mut Tell<'_>,
) -> Result<()> {
    let Some(tell) = tell else { return Ok(()) };
    let mut made = BTreeMap::new();
    for path in paths {
        let mut above = path.parent();
        while let Some(path) = above.filter(|path| !path.is_root()) {
            if object::resolve(writer, head, &path)?.is_some() {
                break;
            }
            above = path.parent();
            if let Some(item) = object::resolve(writer, version, &path)? {
                made.insert(path, item);
            }
        }
    }
    made.iter().try_for_each(|(path, item)| tell(Told { did: Did::Added, path, item }))
}

/// Tells of what is the same but for the other paths that it has.
fn tell_links(
    writer: &Writer<'_>,
    (head, version): (&Version, &Version),
    links: &BTreeMap<Path, Option<Item>>,
    tell: &mut Tell<'_>,
) -> Result<()> {
    let Some(tell) = tell else { return Ok(()) };
    for (path, item) in links {
        let old = object::resolve(writer, head, path)?;
        let Some(item) = item.as_ref().filter(|item| old.is_some() && old.as_ref() != Some(*item))
        else {
            continue;
        };
        if object::resolve(writer, version, path)? == old {
            tell(Told { did: Did::Modified, path, item })?;
        }
    }
    Ok(())
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
    monitor: &Monitor,
    (report, links, resume, tell): (&mut PutReport, &mut Links, &mut Resume, &mut Tell<'_>),
) -> Result<Option<Put>> {
    let path = match source {
        Source::Stream(input) => {
            return put_stream(writer, input, place, options, monitor, (report, links, resume))
                .map(Some);
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
    let lands = match (&name, place.many) {
        (Some(name), true) => PathBuf::from(OsStr::from_bytes(name)),
        _ => PathBuf::new(),
    };
    if is_left_out(options, &entry, place.many) {
        report.excluded += 1;
        return Ok(None);
    }
    // Of several, what cannot be read is left out, as it is within a directory.
    if place.many
        && entry.found == Found::Directory
        && let Err(error) = fs::read_dir(&whole)
    {
        monitor.warn(format!("{}: not read: {error}", path.display()));
        report.unreadable += 1;
        return Ok(None);
    }
    let directory = entry.found == Found::Directory;
    if options.choice.listed.is_some() && (!directory || place.many || options.mirror) {
        return Err(Error::invalid("a list is one of what is in a directory, and mirrors nothing"));
    }
    let to = match (directory, place.many) {
        (true, false) => place.target.clone(),
        _ => place.of(name.as_deref())?,
    };
    let old = object::resolve(writer, place.head, &to)?;
    let file_id = writer.database().file_id();
    // Where it lies here is no part of it: a snapshot of a file system is mounted elsewhere.
    let identity = [
        options.identity.as_ref().map_or(file_id.as_slice(), Vec::as_slice),
        b"\0",
        to.as_bytes(),
        &options.keep.identity(),
    ]
    .concat();
    let cache = CacheFile::new(options.cache.as_deref(), &identity);
    let mut loader = Loader::new(writer, options, monitor, report, (links, resume, &to));
    if let Some(tell) = tell {
        loader.tell = Some(&mut **tell);
    }
    match (entry.found.clone(), old) {
        (Found::Directory, Some(there)) if !options.mirror && !is_directory(&there) => {
            Err(Error::invalid(format!("{to} is not a directory")))
        }
        (Found::Directory, old) => {
            if old.as_ref().is_some_and(|there| !is_directory(there)) {
                loader.replaces_file();
            }
            let path_len = if to.is_root() { 0 } else { to.as_bytes().len() };
            let (directory, remembered) = loader.directory(whole, path_len, old, lands, &cache)?;
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

/// Whether what was named is not chosen. One directory is nothing but what is in it.
fn is_left_out(options: &PutOptions, entry: &Entry, many: bool) -> bool {
    let start = Within::start(&options.choice, PathBuf::new(), &entry.facts);
    match &entry.found {
        Found::Directory => many && start.leaves_out(&entry.name, true),
        Found::File(stat) if start.is_too_large(stat.size) => true,
        _ => start.leaves_out(&entry.name, false),
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
    monitor: &Monitor,
    (report, links, resume): (&mut PutReport, &mut Links, &mut Resume),
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
    let mut loader = Loader::new(writer, options, monitor, report, (links, resume, &to));
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
