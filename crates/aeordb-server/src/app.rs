//! What all requests share.

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use aeordb::db::{Committer, Database, Edit, EditReport, Reader};
use aeordb::error::Result;
use aeordb::hash::VersionId;
use aeordb::store::ViewEntries;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot, watch};

use crate::backups::BackupDirectory;
use crate::cache::Cache;
use crate::comparisons::Comparisons;
use crate::jobs::Jobs;
use crate::keys::{Key, KeyRing, NewKey, Rights};
use crate::limiter::Limiter;
use crate::log;
use crate::metrics::Metrics;
use crate::overlays::Overlays;
use crate::places::{Places, Taken};
use crate::problem::Problem;

/// Exports and patches that are made at once.
const EXPORTS_MAX: usize = 4;
/// Large files that are taken in at once, a few MiB of each in memory.
const UPLOADS_MAX: usize = 64;
/// Bodies that are kept in a file of their own at once.
const SPOOLS_MAX: usize = 512;
/// Archives that are unpacked at once: the memory of each does not grow with its entries.
const ARCHIVES_MAX: usize = 4;
/// Bytes of bodies that are in memory at once.
const BODIES_LEN_MAX: usize = 256 * 1024 * 1024;
/// Threads that wait for the writer at once. They are few, so that the rest is there for readers,
/// however long somebody writes.
const WRITERS_MAX: usize = 16;
/// How often it is looked at whether the database's file is what it was.
const LOOK: Duration = Duration::from_secs(1);

/// How long clients may take.
#[derive(Clone, Copy, Debug)]
pub struct Deadlines {
    /// For the headers of a request, and between requests.
    pub headers: Duration,
    /// For a body, beyond what it earns by its bytes.
    pub body: Duration,
    /// For reading an answer, likewise.
    pub answer: Duration,
    /// For requests that were accepted, once the server is to stop.
    pub shutdown: Duration,
    /// How long a request waits for its turn, where as many as possible are under way.
    pub turn: Duration,
}

impl Deadlines {
    /// How long somebody waits for a place among those who wait for the writer, and then for the
    /// writer: the turn, together.
    pub(crate) fn writer(&self) -> Duration {
        self.turn / 2
    }
}

impl Default for Deadlines {
    fn default() -> Self {
        Deadlines {
            headers: Duration::from_secs(15),
            body: Duration::from_secs(30),
            answer: Duration::from_secs(30),
            shutdown: Duration::from_secs(30),
            turn: Duration::from_secs(10),
        }
    }
}

/// What all requests share.
pub struct App {
    /// The database.
    pub database: Arc<Database>,
    committer: Committer,
    keys: RwLock<Arc<KeyRing>>,
    /// Held while a key changes: the rings are stored in the order of the commits.
    changing_keys: Mutex<()>,
    /// Holds failures back.
    pub limiter: Limiter,
    /// Holds the lines back that tell of them.
    pub refusals_told: Limiter,
    /// What was read lately.
    pub cache: Cache,
    /// Versions whose changes were listed lately.
    pub comparisons: Comparisons,
    reader: RwLock<Option<Arc<Reader>>>,
    /// False while a collection runs: a reader that is kept would keep it from releasing bytes.
    keeps_reader: AtomicBool,
    /// Where backups are by name.
    pub backups: BackupDirectory,
    /// Patches on top of the database.
    pub overlays: Overlays,
    /// Long work.
    pub jobs: Jobs,
    /// What is counted.
    pub metrics: Metrics,
    /// How long clients may take.
    pub deadlines: Deadlines,
    /// What is logged.
    pub level: log::Level,
    exports: Arc<Semaphore>,
    /// Large files that are taken in.
    pub uploads: Places,
    /// Bodies that are kept in files.
    pub spools: Places,
    /// Archives that are unpacked.
    pub archives: Places,
    /// Bytes of bodies in memory.
    pub bodies: Places,
    writers: Arc<Semaphore>,
    /// True once the database's file is no longer what this server wrote.
    is_file_lost: AtomicBool,
    /// True once the server is to stop.
    pub stopping: AtomicBool,
}

impl App {
    /// Serves `database`.
    pub fn new(
        database: Arc<Database>,
        backups: BackupDirectory,
        deadlines: Deadlines,
        level: log::Level,
    ) -> Result<Arc<Self>> {
        let keys = KeyRing::read(&database.reader()?)?;
        Ok(Arc::new(App {
            committer: Committer::new(database.clone())?,
            keys: RwLock::new(Arc::new(keys)),
            changing_keys: Mutex::default(),
            limiter: Limiter::new(50.0, 100.0),
            refusals_told: Limiter::new(1.0, 10.0),
            cache: Cache::new(),
            comparisons: Comparisons::default(),
            reader: RwLock::default(),
            keeps_reader: AtomicBool::new(true),
            backups,
            overlays: Overlays::default(),
            jobs: Jobs::default(),
            metrics: Metrics::default(),
            deadlines,
            level,
            exports: Arc::new(Semaphore::new(EXPORTS_MAX)),
            uploads: Places::new(UPLOADS_MAX),
            spools: Places::new(SPOOLS_MAX),
            archives: Places::new(ARCHIVES_MAX),
            bodies: Places::new(BODIES_LEN_MAX),
            writers: Arc::new(Semaphore::new(WRITERS_MAX)),
            is_file_lost: AtomicBool::new(false),
            stopping: AtomicBool::new(false),
            database,
        }))
    }

    /// The database as of the last commit.
    pub fn reader(&self) -> Result<Arc<Reader>> {
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

    /// Keeps no reader while `work` runs.
    pub fn without_reader<T>(&self, work: impl FnOnce() -> T) -> T {
        self.keeps_reader.store(false, Relaxed);
        *self.reader.write().unwrap_or_else(PoisonError::into_inner) = None;
        let done = work();
        self.keeps_reader.store(true, Relaxed);
        done
    }

    /// Runs work that may wait for the disk or another thread.
    pub async fn blocking<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Arc<App>) -> std::result::Result<T, Problem> + Send + 'static,
    ) -> std::result::Result<T, Problem> {
        let app = self.clone();
        match tokio::task::spawn_blocking(move || work(&app)).await {
            Ok(done) => done,
            Err(error) => Err(Problem::internal(&error.to_string())),
        }
    }

    /// Refuses to write once the database's file is no longer what this server wrote.
    pub fn check_file(&self) -> std::result::Result<(), Problem> {
        match self.is_file_lost.load(Relaxed) {
            true => Err(Problem::read_only()),
            false => Ok(()),
        }
    }

    /// Looks whether the database's file was removed, replaced or written to by another program:
    /// what is committed to it then is lost, or harms what is there. Once found it stays so.
    pub fn look_at_file(&self) -> std::result::Result<(), Problem> {
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

    /// Looks at the file once a second until the server stops: what became of it is told when it
    /// happens, and not when the next request meets it.
    pub async fn watch_file(self: Arc<Self>, mut stopped: watch::Receiver<bool>) {
        while tokio::time::timeout(LOOK, stopped.wait_for(|stopped| *stopped)).await.is_err() {
            // What it finds is noted, and told by every request that follows.
            let _ = self.blocking(|app| app.look_at_file()).await;
        }
    }

    /// Runs work that may wait for the writer, which an import or a collection can have for long:
    /// few threads wait for it, everybody else waits here, and not without end.
    pub async fn writing<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Arc<App>) -> std::result::Result<T, Problem> + Send + 'static,
    ) -> std::result::Result<T, Problem> {
        self.check_file()?;
        let place = self.writers.clone().acquire_owned();
        let place = tokio::time::timeout(self.deadlines.writer(), place).await;
        let busy = "the database is being written to, by many or for long";
        let place = place.map_err(|_| Problem::busy(busy))?;
        let place = place.map_err(|_| Problem::unavailable("the server stops"))?;
        self.blocking(move |app| {
            let _place = place;
            work(app)
        })
        .await
    }

    /// Makes an edit, together with those of others, durable when this returns.
    pub async fn edit(&self, edit: Edit) -> std::result::Result<EditReport, Problem> {
        self.check_file()?;
        let (done, outcome) = oneshot::channel();
        // Whoever asked may be gone.
        self.committer.submit(edit, move |outcome| drop(done.send(outcome)));
        match outcome.await {
            Ok(outcome) => outcome.map_err(Problem::from),
            Err(_) => Err(Problem::internal("the committer ended")),
        }
    }

    /// The group commits so far.
    pub fn commit_stats(&self) -> aeordb::db::CommitStats {
        self.committer.stats()
    }

    /// A place among the exports that are made at once.
    pub fn export_permit(&self) -> std::result::Result<OwnedSemaphorePermit, Problem> {
        self.exports
            .clone()
            .try_acquire_owned()
            .map_err(|_| Problem::busy("as many exports as the server makes at once are under way"))
    }

    /// Takes `count` of some places for a key, waited for in bounds.
    pub async fn place(
        &self,
        places: &Places,
        key: &str,
        count: u32,
    ) -> std::result::Result<Taken, Problem> {
        let taken = places.take(key, count, self.deadlines.turn).await;
        taken.ok_or_else(|| {
            Problem::busy("as many bodies as the server takes in at once are under way")
        })
    }

    /// The keys as of now.
    pub fn keys(&self) -> Arc<KeyRing> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Makes a key.
    pub fn create_key(&self, new: NewKey) -> Result<(Key, String)> {
        let _changing = self.changing_keys.lock().unwrap_or_else(PoisonError::into_inner);
        let created = crate::keys::create(&self.database, new)?;
        self.know_key(&created.0);
        Ok(created)
    }

    /// Revokes a key for `by`: no request that comes after this succeeds with it.
    pub fn revoke_key(&self, id: &str, by: &Rights) -> Result<Option<Key>> {
        let _changing = self.changing_keys.lock().unwrap_or_else(PoisonError::into_inner);
        let revoked = crate::keys::revoke(&self.database, id, by)?;
        if let Some(key) = &revoked {
            self.know_key(key);
        }
        Ok(revoked)
    }

    /// Takes a key as it was committed into the ring. Reading the ring anew could fail, and leave
    /// a key valid that was revoked.
    fn know_key(&self, key: &Key) {
        let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        *keys = Arc::new(keys.with(key.clone()));
    }

    /// Counts a key that was refused; false if its address has too many.
    pub fn refuse(&self, address: IpAddr) -> bool {
        self.metrics.refused.fetch_add(1, Relaxed);
        self.limiter.failure(address)
    }

    /// The version that a request names: by `version`, or by the name of a snapshot, or HEAD.
    pub fn version(
        reader: &Reader,
        version: Option<&str>,
        snapshot: Option<&str>,
    ) -> std::result::Result<VersionId, Problem> {
        match (version, snapshot) {
            (Some(_), Some(_)) => Err(Problem::invalid("name a version or a snapshot, not both")),
            (Some(version), None) => Ok(reader.resolve(version)?),
            (None, Some(name)) => {
                let found = reader.snapshot(name)?;
                Ok(found.ok_or_else(|| Problem::not_found(format!("snapshot '{name}'")))?.version)
            }
            (None, None) => Ok(reader.head()),
        }
    }
}

#[cfg(test)]
mod tests;
