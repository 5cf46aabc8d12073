//! What every verb shares: the options of every command, the open database, the watch beside
//! long work.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aeordb::backup;
use aeordb::db::{Damage, Database, Options, Reader};
use aeordb::hash::VersionId;
use aeordb::media::MemoryMedia;
use aeordb::object::Item;
use aeordb::watch::Watch;
use aeordb::{Error, Result};
use aeordb_api::command::Warning;

use crate::args::{At, Global, With};
use crate::exit::{self, About, Attempt, Failure, Scene, Subject};
use crate::interrupt;
use crate::location::{Location, location};
use crate::out::Out;
use crate::progress::Bar;
use crate::render::Report;
use crate::text;

/// What a verb returns: its exit code, or why it failed.
pub type Outcome = Attempt<u8>;

/// One run of the program.
pub struct App {
    pub global: Global,
    pub verb: String,
    pub out: Out,
    /// Standard error is a terminal.
    pub attended: bool,
}

/// A database that is read, and the commit that it is read at.
pub struct Opened {
    pub reader: Reader,
    /// Kept open as long as the reader.
    database: Database,
}

impl App {
    /// The database file.
    pub fn path(&self) -> &Path {
        &self.global.database
    }

    /// Opens the database for reading.
    pub fn open(&self) -> Attempt<Opened> {
        let database = Database::open(self.path(), &Options::default()).about(Subject::Database)?;
        let reader = database.reader().about(Subject::Database)?;
        Ok(Opened { reader, database })
    }

    /// Opens the database for reading, with patches on top.
    pub fn open_with(&mut self, with: &With) -> Attempt<Opened> {
        if with.patches.is_empty() {
            return self.open();
        }
        let (path, options) = (self.path().to_owned(), Options::default());
        let scratch = std::env::temp_dir();
        let database = self.watched(|_, watch| {
            backup::open_with(&path, &with.patches, &scratch, &options, watch)
                .about(Subject::Backup)
        })?;
        let reader = database.reader().about(Subject::Database)?;
        Ok(Opened { reader, database })
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
        let options = Options { doubtful: true, ..Options::default() };
        let database = Database::open(self.path(), &options).about(Subject::Database)?;
        if let Some(Damage { offset, detail }) = database.doubt() {
            let path = self.path().display();
            self.warn(&format!("{path} is damaged at offset {offset}: {detail}"));
        }
        let reader = database.reader().about(Subject::Database)?;
        Ok((Opened { reader, database }, places))
    }

    /// Opens a database that exists for writing.
    pub fn open_writer(&self) -> Attempt<Database> {
        Database::open_writer(self.path(), &Options::default()).about(Subject::Database)
    }

    /// Opens a database for writing that appears with its first commit.
    pub fn open_or_create(&self) -> Attempt<Database> {
        Database::open_or_create(self.path(), &Options::default()).about(Subject::Database)
    }

    /// Runs long work with progress, signals and warnings.
    pub fn watched<T>(
        &mut self,
        work: impl FnOnce(&mut Out, &Arc<Watch>) -> Attempt<T>,
    ) -> Attempt<T> {
        let watch = Arc::new(Watch::new());
        interrupt::cancel_on_signal(&watch)?;
        let drawn = self.attended && !self.global.quiet && !self.global.no_progress;
        let bar = drawn.then(|| Bar::start(&watch));
        let result = work(&mut self.out, &watch);
        drop(bar);
        for warning in watch.take_warnings() {
            self.warn(&warning);
        }
        result.map_err(|failure| Failure { error: stopped(failure.error, &watch), ..failure })
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
        Ok(Opened { reader: database.reader()?, database })
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
            Some(name) => self.version(name),
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
fn stopped(error: Error, watch: &Watch) -> Error {
    match (watch.check(), error) {
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
