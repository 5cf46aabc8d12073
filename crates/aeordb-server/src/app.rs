//! What all requests share.

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use aeordb::db::Database;
use aeordb::error::Result;
use tokio::sync::watch;

use crate::body::Intake;
use crate::cache::Cache;
use crate::keys::{Key, KeyRing, NewKey, Rights};
use crate::limiter::Limiter;
use crate::log;
use crate::metrics::Metrics;
use crate::service::Service;
use crate::service::backups::BackupDirectory;
use crate::service::permits::Permits;

/// Bytes of bodies that are in memory at once.
const BODIES_LEN_MAX: usize = 256 * 1024 * 1024;
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
    /// What is done with the database.
    pub service: Arc<Service>,
    keys: RwLock<Arc<KeyRing>>,
    /// Held while a key changes: the rings are stored in the order of the commits.
    changing_keys: Mutex<()>,
    /// Holds failures back.
    pub limiter: Limiter,
    /// Holds the lines back that tell of them.
    pub refusals_told: Limiter,
    /// What was read lately.
    pub cache: Cache,
    /// What is counted.
    pub metrics: Metrics,
    /// What bodies of requests take.
    pub intake: Arc<Intake>,
    /// How long clients may take.
    pub deadlines: Deadlines,
    /// What is logged.
    pub level: log::Level,
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
        let service = Service::new(database, backups, deadlines.turn, deadlines.writer())?;
        let metrics = Metrics::of(service.counters.clone());
        let intake = Intake {
            memory: Permits::new(BODIES_LEN_MAX, deadlines.turn),
            deadline: deadlines.body,
            bytes: metrics.bytes_in.clone(),
        };
        Ok(Arc::new(App {
            service: Arc::new(service),
            keys: RwLock::new(Arc::new(keys)),
            changing_keys: Mutex::default(),
            limiter: Limiter::new(50.0, 100.0),
            refusals_told: Limiter::new(1.0, 10.0),
            cache: Cache::new(),
            metrics,
            intake: Arc::new(intake),
            deadlines,
            level,
            stopping: AtomicBool::new(false),
        }))
    }

    /// Looks at the file once a second until the server stops: what became of it is told when it
    /// happens, and not when the next request meets it.
    pub async fn watch_file(self: Arc<Self>, mut stopped: watch::Receiver<bool>) {
        while tokio::time::timeout(LOOK, stopped.wait_for(|stopped| *stopped)).await.is_err() {
            // What it finds is noted, and told by every request that follows.
            let _ = self.service.blocking(|service| service.look_at_file()).await;
        }
    }

    /// The keys as of now.
    pub fn keys(&self) -> Arc<KeyRing> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Makes a key.
    pub fn create_key(&self, new: NewKey) -> Result<(Key, String)> {
        let _changing = self.changing_keys.lock().unwrap_or_else(PoisonError::into_inner);
        let created = crate::keys::create(&self.service.database, new)?;
        self.know_key(&created.0);
        Ok(created)
    }

    /// Revokes a key for `by`: no request that comes after this succeeds with it.
    pub fn revoke_key(&self, id: &str, by: &Rights) -> Result<Option<Key>> {
        let _changing = self.changing_keys.lock().unwrap_or_else(PoisonError::into_inner);
        let revoked = crate::keys::revoke(&self.service.database, id, by)?;
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
}

#[cfg(test)]
mod tests;
