//! Patches that lie on the database for a while, without being imported: each stack of them is
//! proved once, then read under a name that nobody can guess. What they bring is in a file without
//! a name.

use std::collections::BTreeMap;
use std::fs::File;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use aeordb::backup::{self, Head, ImportOptions, Input};
use aeordb::db::{Database, Options, Reader};
use aeordb::internals::random;
use aeordb::monitor::Monitor;
use data_encoding::HEXLOWER;

use super::pieces::Pieces;
use super::problem::Problem;
use super::{Asker, Cancelled, Service};

/// Stacks that lie there at once.
const OVERLAYS_MAX: usize = 8;
/// How long one lies there that nobody reads.
const IDLE: Duration = Duration::from_secs(600);
/// Random bytes of a name.
const NAME_LEN: usize = 16;

/// The stacks of a server.
#[derive(Default)]
pub struct Overlays(Mutex<BTreeMap<String, Overlay>>);

struct Overlay {
    reader: Arc<Reader>,
    database: Arc<Database>,
    used: Instant,
}

impl Overlays {
    /// Those that somebody read lately.
    fn live(&self) -> MutexGuard<'_, BTreeMap<String, Overlay>> {
        let mut overlays = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        overlays.retain(|_, overlay| overlay.used.elapsed() < IDLE);
        overlays
    }

    /// Forgets those that nobody reads.
    pub fn expire(&self) {
        drop(self.live());
    }

    /// What is read under a name.
    pub fn reader(&self, name: &str) -> Result<Arc<Reader>, Problem> {
        self.find(name, |overlay| overlay.reader.clone())
    }

    fn find<T>(&self, name: &str, what: impl FnOnce(&Overlay) -> T) -> Result<T, Problem> {
        let mut overlays = self.live();
        let overlay = overlays.get_mut(name).ok_or_else(|| absent(name))?;
        overlay.used = Instant::now();
        Ok(what(overlay))
    }

    /// Takes a stack away.
    pub fn remove(&self, name: &str) -> Result<(), Problem> {
        self.live().remove(name).map(drop).ok_or_else(|| absent(name))
    }
}

impl Service {
    /// Lays a patch on the database, or on the stack of the name `on`. Gives the name, and what is read
    /// under it.
    pub async fn lay_overlay(
        self: &Arc<Self>,
        asker: &Asker,
        on: Option<String>,
        sent: impl Pieces,
    ) -> Result<(String, Arc<Reader>), Problem> {
        let file = self.spool(asker, sent).await?;
        let cancelled = Cancelled::default();
        let monitor = cancelled.0.clone();
        self.blocking(move |service| service.lay(on.as_deref(), file, &monitor)).await
    }

    fn lay(
        &self,
        on: Option<&str>,
        file: File,
        monitor: &Monitor,
    ) -> Result<(String, Arc<Reader>), Problem> {
        let overlays = &self.overlays;
        let database = match on {
            Some(name) => overlays.find(name, |overlay| overlay.database.clone())?,
            None if overlays.live().len() >= OVERLAYS_MAX => return Err(too_many()),
            None => Arc::new(self.begin_overlay(&file, monitor)?),
        };
        let promote = ImportOptions { promote: true, ..ImportOptions::default() };
        let input = Input::Stream(Box::new(file));
        backup::import(&database, vec![input], &promote, monitor).map_err(Problem::of_backup)?;
        let reader = Arc::new(database.reader()?);
        let name = on.map_or_else(new_name, |name| Ok(name.to_owned()))?;
        let overlay = Overlay { reader: reader.clone(), database, used: Instant::now() };
        let mut overlays = overlays.live();
        if on.is_none() && overlays.len() >= OVERLAYS_MAX {
            return Err(too_many());
        }
        overlays.insert(name.clone(), overlay);
        Ok((name, reader))
    }

    /// Begins a stack for the patch in `file`.
    fn begin_overlay(&self, file: &File, monitor: &Monitor) -> Result<Database, Problem> {
        let first = Head::read_from(file, "the input".into())?;
        std::io::Seek::rewind(&mut &*file)
            .map_err(|error| Problem::internal(&error.to_string()))?;
        let (reader, scratch) = (self.database.reader()?, self.backups.scratch());
        let options = Options { clock: self.database.clock().clone(), ..Options::default() };
        Ok(backup::begin_over(&reader, "the database", first, &scratch, &options, monitor)?)
    }
}

fn new_name() -> Result<String, Problem> {
    Ok(HEXLOWER.encode(&random::bytes::<NAME_LEN>()?))
}

fn too_many() -> Problem {
    Problem::busy("as many patches as the server takes lie on the database")
}

fn absent(name: &str) -> Problem {
    Problem::not_found(format!("overlay {name}"))
}
