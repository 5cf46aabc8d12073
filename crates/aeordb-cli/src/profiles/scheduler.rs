//! A server runs profiles on their schedule, on the database that it has open.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use aeordb::monitor::Monitor;
use aeordb::{Error, Result};
use aeordb_api::profiles::Ending;
use aeordb_server::Beside;
use jiff::Timestamp;
use serde_json::Value;

use super::profile::{Place, Profile};
use super::schedule::Schedule;
use super::{lock, run};
use crate::app::{App, Within};
use crate::args::Global;
use crate::exit;
use crate::out::Out;

/// How long it is waited before the clock is asked again: somebody may set it.
const LOOK: Duration = Duration::from_secs(20);

/// A profile that a server runs.
pub struct Scheduled {
    profile: Profile,
    schedule: Schedule,
}

impl Scheduled {
    /// Reads a profile for the server of a database.
    pub fn read(file: &Path, database: &Path) -> Result<Self> {
        let mut profile = Profile::read(file)?;
        let path = profile.path.display();
        match &profile.place {
            Place::File(own) if is_same(own, database) => {}
            Place::File(own) => {
                let (own, database) = (own.display(), database.display());
                let why = format!("{path} is about {own}, and {database} is what is served");
                return Err(Error::invalid(why));
            }
            Place::Server { url, .. } => {
                let why = format!("{path} is about the server {url}: `aeordb run` runs it");
                return Err(Error::invalid(why));
            }
        }
        let none = || Error::invalid(format!("{path} has no `schedule`"));
        let schedule = profile.schedule.take().ok_or_else(none)?;
        Ok(Scheduled { profile, schedule })
    }

    /// Runs the profile whenever it is due, until the server stops.
    pub fn run(&self, global: &Global, beside: &Beside) {
        let name = &self.profile.name;
        let due = |at| beside.due(name, at);
        whenever(&self.schedule, beside, due, || self.once(global, beside));
    }

    fn once(&self, global: &Global, beside: &Beside) {
        let name = &self.profile.name;
        let told = |detail: String| {
            beside.log("run", &[("profile", name.as_str().into()), ("detail", detail.into())]);
        };
        let _lock = match lock::take(&self.profile.path) {
            Ok(Some(lock)) => lock,
            Ok(None) => return told("another run is under way: this one is left out".into()),
            Err(error) => {
                beside.ran(name, exit::code(&error), false);
                return told(error.to_string());
            }
        };
        let monitor = Arc::new(Monitor::new());
        let stops = monitor.clone();
        let _stop = beside.on_stop(move || stops.cancel());
        let lines = Lines { beside: beside.clone(), profile: name.clone(), line: Vec::new() };
        let mut app = App {
            global: global.clone(),
            verb: "run".into(),
            out: Out::new(Box::new(io::sink()), Box::new(lines), false),
            attended: false,
            within: Some(Within { monitor, database: Some(beside.database()) }),
        };
        match run::run(&mut app, &self.profile, false) {
            Ok(done) => {
                beside.ran(name, done.exit_code, done.outcome != Ending::Failed);
                let Ok(Value::Object(members)) = serde_json::to_value(&done) else { return };
                let members: Vec<_> =
                    members.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
                beside.log("run", &members);
            }
            Err(failure) => {
                beside.ran(name, exit::code(&failure.error), false);
                told(failure.error.to_string());
            }
        }
    }
}

/// Does something whenever it is due, until the server stops. What is due while it is done is left out.
fn whenever(schedule: &Schedule, beside: &Beside, told: impl Fn(i64), work: impl Fn()) {
    let mut last = Timestamp::now();
    while let Some(due) = schedule.after(last) {
        told(due.as_second());
        while let Ok(left) = Duration::try_from(due.duration_since(Timestamp::now())) {
            if left.is_zero() {
                break;
            }
            if beside.wait(left.min(LOOK)) {
                return;
            }
        }
        work();
        last = due.max(Timestamp::now());
    }
}

/// Goes on with the pass over the database whenever it is due.
pub fn scrub(schedule: &Schedule, budget: Duration, beside: &Beside) {
    whenever(
        schedule,
        beside,
        |at| beside.scrub_due(at),
        || {
            let monitor = Arc::new(Monitor::new());
            let stops = monitor.clone();
            let _stop = beside.on_stop(move || stops.cancel());
            beside.scrub(budget, &monitor);
        },
    );
}

/// Reads the profiles that a server is to run.
pub fn read(files: &[PathBuf], database: &Path) -> Result<Vec<Scheduled>> {
    files.iter().map(|file| Scheduled::read(file, database)).collect()
}

/// True if both lead to the same file, or would if it were there.
fn is_same(one: &Path, other: &Path) -> bool {
    let whole = |path: &Path| {
        path.canonicalize().or_else(|_| {
            let path = std::path::absolute(path)?;
            let above = path.parent().unwrap_or(Path::new("/")).canonicalize()?;
            io::Result::Ok(above.join(path.file_name().unwrap_or_default()))
        })
    };
    matches!((whole(one), whole(other)), (Ok(one), Ok(other)) if one == other)
}

/// What a run says, as events of the log.
struct Lines {
    beside: Beside,
    profile: String,
    line: Vec<u8>,
}

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.line.extend_from_slice(bytes);
        while let Some(end) = self.line.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.line.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line).trim_end().to_owned();
            let profile = ("profile", self.profile.as_str().into());
            self.beside.log("run", &[profile, ("detail", line.into())]);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
