//! Patches that lie on the database for a while, without being imported: each stack of them is
//! proved once, then read under a name that nobody can guess. What they bring is in a file without
//! a name.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use aeordb::backup::{self, Head, ImportOptions, Input};
use aeordb::db::{Database, Options, Reader};
use aeordb::watch::Watch;
use data_encoding::HEXLOWER;

use crate::app::App;
use crate::problem::Problem;

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

    /// Lays the patch in `file` on the database, or on the stack of this name. Gives the name, and
    /// what is read under it.
    pub fn lay(
        &self,
        app: &App,
        on: Option<&str>,
        file: std::fs::File,
        watch: &Watch,
    ) -> Result<(String, Arc<Reader>), Problem> {
        let database = match on {
            Some(name) => self.find(name, |overlay| overlay.database.clone())?,
            None if self.live().len() >= OVERLAYS_MAX => return Err(too_many()),
            None => Arc::new(begin(app, &file, watch)?),
        };
        let promote = ImportOptions { promote: true, ..ImportOptions::default() };
        let input = Input::Stream(Box::new(file));
        backup::import(&database, vec![input], &promote, watch).map_err(Problem::of_backup)?;
        let reader = Arc::new(database.reader()?);
        let name = on.map_or_else(new_name, |name| Ok(name.to_owned()))?;
        let overlay = Overlay { reader: reader.clone(), database, used: Instant::now() };
        let mut overlays = self.live();
        if on.is_none() && overlays.len() >= OVERLAYS_MAX {
            return Err(too_many());
        }
        overlays.insert(name.clone(), overlay);
        Ok((name, reader))
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

/// Begins a stack for the patch in `file`.
fn begin(app: &App, file: &std::fs::File, watch: &Watch) -> Result<Database, Problem> {
    let first = Head::read_from(file, "the input".into())?;
    std::io::Seek::rewind(&mut &*file).map_err(|error| Problem::internal(&error.to_string()))?;
    let (reader, scratch) = (app.database.reader()?, app.backups.scratch());
    let options = Options { clock: app.database.clock().clone(), ..Options::default() };
    Ok(backup::begin_over(&reader, "the database", first, &scratch, &options, watch)?)
}

fn new_name() -> Result<String, Problem> {
    let mut bytes = [0; NAME_LEN];
    getrandom::fill(&mut bytes).map_err(|error| Problem::internal(&error.to_string()))?;
    Ok(HEXLOWER.encode(&bytes))
}

fn too_many() -> Problem {
    Problem::busy("as many patches as the server takes lie on the database")
}

fn absent(name: &str) -> Problem {
    Problem::not_found(format!("overlay {name}"))
}
