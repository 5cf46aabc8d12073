//! What the server does with its database, through whatever door it is asked: HTTP, and what else may
//! come. A door reads what is asked, calls one function here, and shows what comes back. Nothing here
//! knows how a request came, or how an answer leaves.
//!
//! Functions that may wait for the disk or the writer are asynchronous, and do it on threads of their
//! own. What a key may do is said by [`Asker`]; whether it may call the function at all, the door has
//! asked before.

pub mod archive;
pub mod backups;
pub mod batch;
mod comparisons;
pub mod conditions;
pub mod counters;
pub mod facts;
pub mod files;
pub mod import;
pub mod jobs;
pub mod listing;
mod overlays;
pub mod permits;
pub mod pieces;
pub mod problem;
mod spool;
pub mod streams;
mod tarball;
#[cfg(test)]
mod tests;
pub mod trees;
pub mod upload;
pub mod verification;
pub mod versions;
pub mod work;
mod written;

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use aeordb::db::{Committer, Database, Edit, EditReport, Reader};
use aeordb::hash::VersionId;
use aeordb::internals::store::ViewEntries;
use aeordb::monitor::Monitor;
use aeordb::object::{Item, Path};
use tokio::sync::{Semaphore, oneshot};

use self::backups::BackupDirectory;
use self::comparisons::Comparisons;
use self::counters::Counters;
use self::jobs::Jobs;
use self::overlays::Overlays;
use self::permits::Permits;
use self::problem::Problem;
use crate::keys::{Rights, Scope};
use crate::log;

/// Exports and patches that are made at once.
const EXPORTS_MAX: usize = 4;
/// Large files that are taken in at once, a few MiB of each in memory.
const UPLOADS_MAX: usize = 64;
/// Bodies that are kept in a file of their own at once.
const SPOOLS_MAX: usize = 512;
/// Archives that are unpacked at once: the memory of each does not grow with its entries.
const ARCHIVES_MAX: usize = 4;
/// Threads that wait for the writer at once. They are few, so that the rest is there for readers,
/// however long somebody writes.
pub const WRITERS_MAX: usize = 16;

/// Whoever asks for something.
#[derive(Clone, Debug)]
pub struct Asker {
    /// The public id of the key; empty where none is needed.
    pub key: String,
    /// What the key may do.
    pub rights: Rights,
}

impl Asker {
    /// Refuses a key without this scope.
    pub fn need(&self, scope: Scope) -> Result<(), Problem> {
        match self.rights.has(scope) {
            true => Ok(()),
            false => Err(Problem::forbidden(format!("this needs the scope {}", scope.name()))),
        }
    }
}

/// A path, as somebody asks for what is there.
#[derive(Clone, Debug)]
pub struct Place {
    /// The path.
    pub path: Path,
    /// True if it ended in a slash: a directory is meant.
    pub slash: bool,
}

impl Place {
    /// A path that ends in a slash names a directory: a file of that name is not what was meant.
    pub fn check(&self, found: Option<&Item>) -> aeordb::Result<()> {
        match found {
            Some(Item::File(_) | Item::Symlink(_) | Item::Special(_)) if self.slash => {
                Err(aeordb::Error::NotFound(format!("directory {}/", self.path)))
            }
            _ => Ok(()),
        }
    }
}

/// Stops the work when whoever asked for it is gone.
#[derive(Default)]
pub struct Cancelled(pub Arc<Monitor>);

impl Drop for Cancelled {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

/// A database, and all that is done with it.
pub struct Service {
    /// The database.
    pub database: Arc<Database>,
    committer: Committer,
    /// Where backups are by name.
    pub backups: BackupDirectory,
    /// Long work.
    pub jobs: Jobs,
    /// What is counted.
    pub counters: Arc<Counters>,
    overlays: Overlays,
    comparisons: Comparisons,
    reader: RwLock<Option<Arc<Reader>>>,
    /// False while a collection runs: a reader that is kept would keep it from releasing bytes.
    keeps_reader: AtomicBool,
    exports: Arc<Semaphore>,
    uploads: Permits,
    spools: Permits,
    archives: Permits,
    writers: Arc<Semaphore>,
    /// How long somebody waits for a place among the writers.
    writer_wait: Duration,
    /// True once the database's file is no longer what this server wrote.
    is_file_lost: AtomicBool,
}

impl Service {
    /// Serves `database`. Whoever finds all places taken waits `turn` for one, `writer_wait` for one
    /// among those who wait for the writer.
    pub fn new(
        database: Arc<Database>,
        backups: BackupDirectory,
        turn: Duration,
        writer_wait: Duration,
    ) -> aeordb::Result<Self> {
        let counters = Arc::<Counters>::default();
        Ok(Service {
            committer: Committer::new(database.clone())?,
            backups,
            jobs: Jobs::new(database.clock().clone(), counters.failed_jobs.clone()),
            counters,
            overlays: Overlays::default(),
            comparisons: Comparisons::default(),
            reader: RwLock::default(),
            keeps_reader: AtomicBool::new(true),
            exports: Arc::new(Semaphore::new(EXPORTS_MAX)),
            uploads: Permits::new(UPLOADS_MAX, turn),
            spools: Permits::new(SPOOLS_MAX, turn),
            archives: Permits::new(ARCHIVES_MAX, turn),
            writers: Arc::new(Semaphore::new(WRITERS_MAX)),
            writer_wait,
            is_file_lost: AtomicBool::new(false),
            database,
        })
    }

    /// The database as of the last commit.
    pub fn reader(&self) -> aeordb::Result<Arc<Reader>> {
        let sequence = self.database.sequence();
        let kept = self.reader.read().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(reader) = kept.filter(|reader| reader.view().root().sequence == sequence) {
            return Ok(reader);
        }
        let reader = Arc::new(self.database.reader()?);
        if self.keeps_reader.load(Relaxed) {
            *self.reader.write().unwrap_or_else(PoisonError::into_inner) = Some(reader.clone());
        }
        Ok(reader)
    }

    /// What is read: the database as of the last commit, or with the overlay `with` on it.
    pub fn reader_with(&self, with: Option<&str>) -> Result<Arc<Reader>, Problem> {
        match with {
            Some(name) => self.overlays.reader(name),
            None => Ok(self.reader()?),
        }
    }

    /// Takes an overlay away.
    pub fn remove_overlay(&self, name: &str) -> Result<(), Problem> {
        self.overlays.remove(name)
    }

    /// Keeps no reader while `work` runs.
    fn without_reader<T>(&self, work: impl FnOnce() -> T) -> T {
        self.keeps_reader.store(false, Relaxed);
        *self.reader.write().unwrap_or_else(PoisonError::into_inner) = None;
        let done = work();
        self.keeps_reader.store(true, Relaxed);
        done
    }

    /// Runs work that may wait for the disk or another thread.
    pub async fn blocking<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Arc<Self>) -> Result<T, Problem> + Send + 'static,
    ) -> Result<T, Problem> {
        let service = self.clone();
        match tokio::task::spawn_blocking(move || work(&service)).await {
            Ok(done) => done,
            Err(error) => Err(Problem::internal(&error.to_string())),
        }
    }

    /// Runs work that may wait for the writer, which an import or a collection can have for long:
    /// few threads wait for it, everybody else waits here, and not without end.
    pub async fn writing<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Arc<Self>) -> Result<T, Problem> + Send + 'static,
    ) -> Result<T, Problem> {
        self.check_file()?;
        let place = self.writers.clone().acquire_owned();
        let place = tokio::time::timeout(self.writer_wait, place).await;
        let busy = "the database is being written to, by many or for long";
        let place = place.map_err(|_| Problem::busy(busy))?;
        let place = place.map_err(|_| Problem::unavailable("the server stops"))?;
        self.blocking(move |service| {
            let _place = place;
            work(service)
        })
        .await
    }

    /// Makes an edit, together with those of others, durable when this returns.
    pub async fn edit(&self, edit: Edit) -> Result<EditReport, Problem> {
        self.check_file()?;
        let (done, outcome) = oneshot::channel();
        // Whoever asked may be gone.
        self.committer.submit(edit, move |outcome| drop(done.send(outcome)));
        match outcome.await {
            Ok(outcome) => outcome.map_err(Problem::from),
            Err(_) => Err(Problem::internal("the committer ended")),
        }
    }

    /// Refuses to write once the database's file is no longer what this server wrote.
    pub fn check_file(&self) -> Result<(), Problem> {
        match self.is_file_lost.load(Relaxed) {
            true => Err(Problem::read_only()),
            false => Ok(()),
        }
    }

    /// Looks whether the database's file was removed, replaced or written to by another program:
    /// what is committed to it then is lost, or harms what is there. Once found it stays so.
    pub fn look_at_file(&self) -> Result<(), Problem> {
        if !self.is_file_lost.load(Relaxed)
            && let Some(why) = self.why_lost()
            && !self.is_file_lost.swap(true, Relaxed)
        {
            let detail = format!(
                "{why}. Save what is needed through this server, which still reads what it can, \
                 then start it again"
            );
            let file = self.database.path().display().to_string();
            log::event("read-only", &[("file", file.into()), ("detail", detail.into())]);
        }
        self.check_file()
    }

    fn why_lost(&self) -> Option<String> {
        // That it cannot be looked at does not say that it is gone.
        if !self.database.still_at_path().unwrap_or(true) {
            let why = "the database file was removed or replaced while it was served: nothing is \
                       written any more";
            return Some(why.into());
        }
        match self.database.check_writable() {
            Err(aeordb::Error::ReadOnly { why, .. }) => Some(why),
            _ => None,
        }
    }

    /// Now, in seconds since 1970.
    fn seconds(&self) -> i64 {
        self.database.clock().now() / 1_000_000_000
    }
}

/// The version that is named: by `version`, or by the name of a snapshot, or HEAD.
pub fn named(
    reader: &Reader,
    version: Option<&str>,
    snapshot: Option<&str>,
) -> Result<VersionId, Problem> {
    match (version, snapshot) {
        (Some(_), Some(_)) => Err(Problem::invalid("name a version or a snapshot, not both")),
        (Some(version), None) => Ok(reader.resolve_or_time(version)?),
        (None, Some(name)) => {
            let found = reader.snapshot(name)?;
            Ok(found.ok_or_else(|| Problem::not_found(format!("snapshot '{name}'")))?.version)
        }
        (None, None) => Ok(reader.head()),
    }
}
