//! What all requests share.

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use aeordb::db::{Committer, Database, Edit, EditReport, Reader};
use aeordb::error::Result;
use aeordb::hash::VersionId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use crate::backups::BackupDirectory;
use crate::cache::Cache;
use crate::comparisons::Comparisons;
use crate::jobs::Jobs;
use crate::keys::{Key, KeyRing, NewKey};
use crate::limiter::Limiter;
use crate::log;
use crate::metrics::Metrics;
use crate::overlays::Overlays;
use crate::problem::Problem;

/// Exports and patches that are made at once.
const EXPORTS_MAX: usize = 4;
/// Large uploads that are taken in at once; more wait.
const UPLOADS_MAX: usize = 64;

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
}

impl Default for Deadlines {
    fn default() -> Self {
        Deadlines {
            headers: Duration::from_secs(15),
            body: Duration::from_secs(30),
            answer: Duration::from_secs(30),
            shutdown: Duration::from_secs(30),
        }
    }
}

/// What all requests share.
pub struct App {
    /// The database.
    pub database: Arc<Database>,
    committer: Committer,
    keys: RwLock<Arc<KeyRing>>,
    /// Holds failures back.
    pub limiter: Limiter,
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
    uploads: Arc<Semaphore>,
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
            limiter: Limiter::new(),
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
            uploads: Arc::new(Semaphore::new(UPLOADS_MAX)),
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

    /// Makes an edit, together with those of others, durable when this returns.
    pub async fn edit(&self, edit: Edit) -> std::result::Result<EditReport, Problem> {
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

    /// A place among the large uploads, waited for.
    pub async fn upload_permit(&self) -> std::result::Result<OwnedSemaphorePermit, Problem> {
        let permit = self.uploads.clone().acquire_owned().await;
        permit.map_err(|_| Problem::busy("the server stops"))
    }

    /// The keys as of now.
    pub fn keys(&self) -> Arc<KeyRing> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn reload_keys(&self) -> Result<()> {
        let keys = KeyRing::read(&self.database.reader()?)?;
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keys);
        Ok(())
    }

    /// Makes a key.
    pub fn create_key(&self, new: NewKey) -> Result<(Key, String)> {
        let created = crate::keys::create(&self.database, new)?;
        self.reload_keys()?;
        Ok(created)
    }

    /// Revokes a key: no request that comes after this succeeds with it.
    pub fn revoke_key(&self, id: &str) -> Result<Key> {
        let revoked = crate::keys::revoke(&self.database, id)?;
        self.reload_keys()?;
        Ok(revoked)
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
