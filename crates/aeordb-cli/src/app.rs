//! What every verb shares: the options of every command, the open database, the monitor beside
//! long work.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use aeordb::backup;
use aeordb::db::{Damage, Database, Options, Reader};
use aeordb::hash::VersionId;
use aeordb::media::MemoryMedia;
use aeordb::monitor::Monitor;
use aeordb::object::Item;
use aeordb::{Error, Result};
use aeordb_api::command::Warning;

use crate::args::{At, Global, With};
use crate::exit::{self, About, Attempt, Failure, Scene, Subject};
use crate::interrupt;
use crate::location::{Location, location};
use crate::out::Out;
use crate::progress::{self, Bar, Lines};
use crate::render::Report;
use crate::text;
use crate::unattended::Progress as Shown;

/// What a verb returns: its exit code, or why it failed.
pub type Outcome = Attempt<u8>;

/// One run of the program.
pub struct App {
    pub global: Global,
    pub verb: String,
    pub out: Out,
    /// Standard error is a terminal.
    pub attended: bool,
    /// What this is a part of, if it is.
    pub within: Option<Within>,
}

/// What a verb is a part of: a run of several verbs, or a server.
#[derive(Clone)]
pub struct Within {
    /// Its progress and its end are those of all.
    pub monitor: Arc<Monitor>,
    /// The database, where the process around has it open.
    pub database: Option<Arc<Database>>,
}

/// Long work, as long as it goes on.
struct Doing {
    monitor: Arc<Monitor>,
    over: Arc<AtomicBool>,
    _bar: Option<Bar>,
    _said: Option<Lines>,
}

impl Drop for Doing {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
    }
}

/// An open database: this verb's own, or that of the process around.
pub enum Held {
    /// Closed when the verb is done with it.
    Own(Box<Database>),
    /// Open before and after.
    Shared(Arc<Database>),
}

impl Held {
    /// The one of the process around; else this opens one.
    pub fn or_open(
        within: Option<&Within>,
        open: impl FnOnce() -> Result<Database>,
    ) -> Attempt<Held> {
        match within.and_then(|within| within.database.clone()) {
            Some(database) => Ok(Held::Shared(database)),
            None => Ok(Held::Own(Box::new(open().about(Subject::Database)?))),
        }
    }

    /// Closes what is the verb's own.
    pub fn close(self) -> Result<()> {
        match self {
            Held::Own(database) => database.close(),
            Held::Shared(_) => Ok(()),
        }
    }
}

impl std::ops::Deref for Held {
    type Target = Database;

    fn deref(&self) -> &Database {
        match self {
            Held::Own(database) => database,
            Held::Shared(database) => database,
        }
    }
}

/// A database that is read, and the commit that it is read at.
pub struct Opened {
    pub reader: Reader,
    /// Kept open as long as the reader.
    database: Held,
}

impl App {
    /// The database file.
    pub fn path(&self) -> &Path {
        &self.global.database
    }

    /// Opens the database for reading.
    pub fn open(&self) -> Attempt<Opened> {
        let open = || Database::open(self.path(), &self.global.options(None));
        let database = Held::or_open(self.within.as_ref(), open)?;
        let reader = database.reader().about(Subject::Database)?;
        Ok(Opened { reader, database })
    }

    /// Opens the database for reading, with patches on top.
    pub fn open_with(&mut self, with: &With) -> Attempt<Opened> {
        if with.patches.is_empty() {
            return self.open();
        }
        let (path, options) = (self.path().to_owned(), self.global.options(None));
        let scratch = std::env::temp_dir();
        let database = self.watched(|_, monitor| {
            backup::open_with(&path, &with.patches, &scratch, &options, monitor)
                .about(Subject::Backup)
        })?;
        Ok(Opened::of(database)?)
    }

    /// Opens the database for reading these places, with patches on top. A file that may show an
    /// older state than was acknowledged is read where every version is named by its whole hash:
    /// that can be nothing older.
    pub fn open_for(
        &mut self,
        places: &[OsString],
        at: &At,
        with: &With,
    ) -> Attempt<(Opened, Vec<Location>)> {
        let places = places.iter().map(|place| location(place)).collect::<Result<Vec<_>>>()?;
        let version = |place: &Location| {
            let name = place.version.as_deref().or(at.at.as_deref());
            name.is_some_and(|name| name.parse::<VersionId>().is_ok())
        };
        if !with.patches.is_empty() || !places.iter().all(version) {
            return Ok((self.open_with(with)?, places));
        }
        let options = Options { doubtful: true, ..self.global.options(None) };
        let database = Database::open(self.path(), &options).about(Subject::Database)?;
        if let Some(Damage { offset, detail }) = database.doubt() {
            let path = self.path().display();
            self.warn(&format!("{path} is damaged at offset {offset}: {detail}"));
        }
        Ok((Opened::of(database)?, places))
    }

    /// Opens a database that exists for writing.
    pub fn open_writer(&self) -> Attempt<Held> {
        let open = || Database::open_writer(self.path(), &self.global.options(None));
        Held::or_open(self.within.as_ref(), open)
    }

    /// Opens a database for writing that appears with its first commit.
    pub fn open_or_create(&self) -> Attempt<Held> {
        let open = || Database::open_or_create(self.path(), &self.global.options(None));
        Held::or_open(self.within.as_ref(), open)
    }

    /// Runs long work with progress, signals and warnings.
    pub fn watched<T>(
        &mut self,
        work: impl FnOnce(&mut Out, &Arc<Monitor>) -> Attempt<T>,
    ) -> Attempt<T> {
        let (monitor, doing) = match &self.within {
            Some(within) => (within.monitor.clone(), None),
            None => self.begin().map(|doing| (doing.monitor.clone(), Some(doing)))?,
        };
        let result = work(&mut self.out, &monitor);
        drop(doing);
        for warning in monitor.take_warnings() {
            self.warn(&warning);
        }
        result.map_err(|failure| Failure { error: stopped(failure.error, &monitor), ..failure })
    }

    /// Runs several verbs as one: with one progress, and one end.
    pub fn as_one<T>(&mut self, work: impl FnOnce(&mut App) -> T) -> Attempt<T> {
        if self.within.is_some() {
            return Ok(work(self));
        }
        let doing = self.begin()?;
        self.within = Some(Within { monitor: doing.monitor.clone(), database: None });
        let done = work(self);
        self.within = None;
        drop(doing);
        Ok(done)
    }

    /// Begins long work: signals stop it, and its progress is shown as it is to be.
    fn begin(&self) -> Attempt<Doing> {
        let monitor = Arc::new(Monitor::new());
        monitor.enter(&self.verb);
        let Global { quiet, no_progress, verbose, json, .. } = self.global;
        let lines = self.global.unattended.progress == Shown::Json;
        let drawn = self.attended && !quiet && !no_progress && verbose == 0 && !lines;
        let (global, verb, attended) = (self.global.clone(), self.verb.clone(), self.attended);
        let over = Arc::new(AtomicBool::new(false));
        let (told, is_over) = (monitor.clone(), over.clone());
        let tell = move || {
            if !is_over.load(Ordering::Relaxed) {
                progress::tell(&told, json || lines);
            }
        };
        interrupt::cancel_on_signal(&monitor, tell, move || {
            if let Ok(out) = Out::standard() {
                let mut app = App { global, verb, out, attended, within: None };
                // Behind the bar, which nobody takes away.
                drawn.then(|| app.out.message(""));
                app.fail(Error::Interrupted.into());
            }
        })?;
        let _bar = drawn.then(|| Bar::start(&monitor));
        let _said = lines.then(|| Lines::start(&monitor));
        Ok(Doing { monitor, over, _bar, _said })
    }

    /// Shows something that did not stop the verb.
    pub fn warn(&mut self, warning: &str) {
        if self.global.json {
            let (kind, detail) = ("warning".into(), warning.into());
            self.out.json_message(&Warning { kind, detail });
        } else {
            self.out.message(&format!("aeordb: warning: {warning}"));
        }
    }

    /// Shows what was done on standard output.
    pub fn report(&mut self, report: &Report) -> Result<()> {
        if self.global.json {
            self.out.json(&report.json)
        } else if self.global.quiet {
            Ok(())
        } else {
            self.out.bytes(report.text().as_bytes())
        }
    }

    /// Shows what was done on standard error, where standard output carries data.
    pub fn report_beside(&mut self, report: &Report) {
        if self.global.json {
            self.out.json_message(&report.json);
        } else if !self.global.quiet {
            self.out.message(report.text().trim_end());
        }
    }

    /// Shows an error and the command that helps, and says how the program ends.
    pub fn fail(&mut self, failure: Failure) -> u8 {
        let error = exit::unwrapped(failure.error);
        let code = exit::code(&error);
        if exit::is_closed_pipe(&error) {
            return code;
        }
        let database = self.path().to_string_lossy().into_owned();
        let server = self.global.server.as_deref();
        let sealed = server.is_none() && self.is_sealed(&error);
        let scene = Scene { verb: &self.verb, database: &database, sealed, server };
        let hint = exit::hint(&error, failure.subject, &scene);
        if self.global.json {
            let problem = crate::render::problem(&error, code, hint.as_deref());
            self.out.json_message(&problem);
        } else if let Some(lines) = crate::render::mismatch(&error) {
            self.out.message(&lines);
        } else {
            self.out.message(&format!("aeordb: {error}"));
            if let Some(hint) = hint {
                self.out.message(&format!("hint: {hint}"));
            }
        }
        code
    }

    /// Whether the database cannot be written to because it is an export or a patch.
    fn is_sealed(&self, error: &Error) -> bool {
        matches!(error, Error::ReadOnly { .. })
            && self
                .open()
                .is_ok_and(|opened| opened.reader.kind() != aeordb::db::FileKind::Database)
    }

    /// True if `other` is the database file itself, under whatever name.
    pub fn is_database(&self, other: &Path) -> bool {
        match (fs::metadata(other), fs::metadata(self.path())) {
            (Ok(other), Ok(own)) => (other.dev(), other.ino()) == (own.dev(), own.ino()),
            _ => false,
        }
    }
}

impl Opened {
    /// A database that is open.
    pub fn of(database: Database) -> Result<Opened> {
        Ok(Opened { reader: database.reader()?, database: Held::Own(Box::new(database)) })
    }

    /// The database alone.
    pub fn into_database(self) -> Held {
        self.database
    }

    /// What the file is known by.
    pub fn file_id(&self) -> [u8; 16] {
        self.database.file_id()
    }

    /// An empty database that is nowhere, called `name` in errors.
    pub fn nothing(name: &Path) -> Result<Opened> {
        let media = Arc::new(MemoryMedia::new());
        let database = Database::create_media(media, name, [0; 16], &Options::default())?;
        Opened::of(database)
    }

    /// The version that a person named.
    pub fn version(&self, name: &str) -> Attempt<VersionId> {
        version(&self.reader, name)
    }

    /// The version that a location names, else that of `--at`, else HEAD.
    pub fn version_of(&self, location: &Location, at: Option<&str>) -> Attempt<VersionId> {
        match location.version.as_deref().or(at) {
            Some(name) => self.reader.resolve_or_time(name).about(Subject::Version),
            None => Ok(self.reader.head()),
        }
    }

    /// What is at a location, and in which version.
    pub fn item(&self, location: &Location, at: Option<&str>) -> Attempt<(VersionId, Item)> {
        let version = self.version_of(location, at)?;
        let found = item(&self.reader, &version, &location.path).map_err(|failure| {
            let named = location.maybe_version().is_some_and(|name| self.version(name).is_ok());
            if named { Failure { subject: Subject::VersionAsPath, ..failure } } else { failure }
        })?;
        Ok((version, found))
    }
}

/// The version that a person named.
pub fn version(reader: &Reader, name: &str) -> Attempt<VersionId> {
    reader.resolve(name).about(Subject::Version)
}

/// What is at `path` in `version`; that nothing is there is an error.
pub fn item(reader: &Reader, version: &VersionId, path: &aeordb::object::Path) -> Attempt<Item> {
    let found = reader.item(version, path).about(Subject::Database)?;
    found.ok_or_else(|| absent(version, path))
}

/// There is nothing at `path` in `version`.
pub fn absent(version: &VersionId, path: &aeordb::object::Path) -> Failure {
    let path = text::printable_name(path.as_bytes());
    let error = Error::not_found(format!("{path} in version {version}"));
    Failure { error, subject: Subject::Path }
}

/// What was interrupted failed for that reason, whatever the system called it.
fn stopped(error: Error, monitor: &Monitor) -> Error {
    match (monitor.check(), error) {
        (Err(interrupted), Error::Io { .. }) => interrupted,
        (_, error) => error,
    }
}

/// Where `put` remembers what it saw: outside of the database, because it is about this machine.
pub fn cache_directory() -> Option<PathBuf> {
    let absolute = |name| std::env::var_os(name).map(PathBuf::from).filter(|p| p.is_absolute());
    let caches = absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join(".cache")));
    Some(caches?.join("aeordb"))
}
