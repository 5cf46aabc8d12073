//! One run of a profile, by the bodies of the verbs: put, name, write to each target, verify, prune.
//! A step that fails ends what builds on it; nothing is removed after one that failed.

mod sources;
mod targets;

use std::time::Instant;

use aeordb::Error;
use aeordb_api::Time;
use aeordb_api::profiles::{Ending, KeptNames, Run};
use aeordb_api::retention::Keep;
use aeordb_api::versions::NewSnapshot;
use jiff::{SignedDuration, Timestamp};

use super::profile::{Place, Profile, metadata};
use super::{hooks, target};
use crate::app::App;
use crate::exit::{self, Attempt, Failure};
use crate::home::{File, Home, Server, key};
use crate::render;

/// How often a name that is taken is waited for: names have seconds.
const NAMES: usize = 5;

/// One run.
pub struct Running<'a> {
    profile: &'a Profile,
    home: Box<dyn Home>,
    time: Timestamp,
    done: Run,
}

/// The database of a profile, for the verbs.
pub fn home(app: &mut App, profile: &Profile) -> Attempt<Box<dyn Home>> {
    match &profile.place {
        Place::File(file) => {
            app.global.database.clone_from(file);
            app.global.server = None;
            Ok(Box::new(File))
        }
        Place::Server { url, key_file } => {
            app.global.server = Some(url.clone());
            let key = match key_file {
                Some(file) => key::key_in(file)?,
                None => key::key()?,
            };
            Ok(Box::new(Server::new(url, key, &app.global)?))
        }
    }
}

/// A time as it is told.
pub fn stamp(time: Timestamp) -> Time {
    Time(i64::try_from(time.as_nanosecond()).unwrap_or(i64::MAX))
}

/// Runs a profile; what went wrong is said as it happens, and in what is returned.
pub fn run(app: &mut App, profile: &Profile, dry_run: bool) -> Attempt<Run> {
    let home = home(app, profile)?;
    let (time, started) = (Timestamp::now(), Instant::now());
    let done = Run {
        profile: profile.name.clone(),
        dry_run,
        started_at: stamp(time),
        seconds: 0.0,
        outcome: Ending::Done,
        exit_code: exit::DONE,
        snapshot: None,
        version: None,
        sources: Vec::new(),
        targets: Vec::new(),
        kept: None,
        errors: Vec::new(),
        next_at: profile.schedule.as_ref().and_then(|due| due.after(time)).map(stamp),
    };
    let mut running = Running { profile, home, time, done };
    app.as_one(|app| {
        if let Err(failure) = running.steps(app) {
            running.failed(app, failure);
        }
        running.settle(started);
        if let Err(failure) = running.after(app) {
            running.failed(app, failure);
            running.settle(started);
        }
    })?;
    Ok(running.done)
}

impl Running<'_> {
    fn steps(&mut self, app: &mut App) -> Attempt<()> {
        if !self.done.dry_run {
            self.before(app)?;
        }
        self.put_all(app)?;
        if self.done.sources.iter().any(|source| source.error.is_some()) {
            // What was put stays. A version that lacks a source is no backup of this profile.
            return Ok(());
        }
        let name = self.free_name(app)?;
        if let (false, Some(version)) = (self.done.dry_run, self.done.version) {
            let metadata = metadata(&self.profile.name);
            let version = Some(version.to_string());
            let new = NewSnapshot { name: name.clone(), version, metadata };
            self.home.create_snapshot(app, new)?;
        }
        self.done.snapshot = Some(name);
        self.write_all(app)?;
        self.keep(app)
    }

    /// Removes the names of versions that the rules do not keep, if all has gone well.
    fn keep(&mut self, app: &mut App) -> Attempt<()> {
        let Some(policy) = self.profile.keep.clone().filter(|_| self.done.exit_code == exit::DONE)
        else {
            return Ok(());
        };
        let dry_run = self.done.dry_run;
        let judged = self.home.keep(app, Keep { policy: Some(policy), dry_run });
        let kept = match judged {
            // A first run makes the database.
            Err(Failure { error: Error::NotFound(_), .. }) if dry_run => return Ok(()),
            judged => judged?,
        };
        let gone = kept.judged.into_iter().filter(|one| one.reasons.is_empty());
        let removed = gone.map(|one| one.snapshot.name.to_string()).collect();
        self.done.kept = Some(KeptNames { stay: kept.stay, removed });
        Ok(())
    }

    /// The name of the version: one that neither a version nor a file has.
    fn free_name(&mut self, app: &mut App) -> Attempt<String> {
        let files = self.profile.pattern.of_files();
        let mut left = NAMES;
        loop {
            let name = self.profile.pattern.name(self.time);
            let mut targets = self.profile.targets.iter();
            let file = targets.any(|to| target::is_taken(&to.directory, &files, self.time));
            let taken = file || self.is_taken(app, &name)?;
            match (taken, left) {
                (false, _) => return Ok(name),
                (true, 0) => return Err(Error::Exists(format!("snapshot {name}")).into()),
                (true, _) => {}
            }
            left -= 1;
            std::thread::park_timeout(std::time::Duration::from_secs(1));
            self.time = Timestamp::now().max(self.time + SignedDuration::from_secs(1));
        }
    }

    fn is_taken(&self, app: &mut App, name: &str) -> Attempt<bool> {
        match self.home.snapshot(app, name) {
            Ok(_) => Ok(true),
            Err(Failure { error: Error::NotFound(_), .. }) => Ok(false),
            Err(failure) => Err(failure),
        }
    }

    fn before(&mut self, app: &mut App) -> Attempt<()> {
        let Some(words) = &self.profile.hooks.before else { return Ok(()) };
        let told = [("AEORDB_PROFILE", self.profile.name.clone())];
        app.watched(|_, monitor| Ok(hooks::run("before", words, &told, monitor)?))
    }

    fn after(&mut self, app: &mut App) -> Attempt<()> {
        let Some(words) = self.profile.hooks.after.as_ref().filter(|_| !self.done.dry_run) else {
            return Ok(());
        };
        let done = &self.done;
        let report = serde_json::to_string(done).unwrap_or_default();
        let told = [
            ("AEORDB_PROFILE", done.profile.clone()),
            ("AEORDB_OUTCOME", done.outcome.name().to_owned()),
            ("AEORDB_EXIT_CODE", done.exit_code.to_string()),
            ("AEORDB_SNAPSHOT", done.snapshot.clone().unwrap_or_default()),
            ("AEORDB_VERSION", done.version.map(|id| id.to_string()).unwrap_or_default()),
            ("AEORDB_REPORT", report),
        ];
        app.watched(|_, monitor| Ok(hooks::run("after", words, &told, monitor)?))
    }

    /// Says what went wrong, and counts it.
    fn failed(&mut self, app: &mut App, failure: Failure) {
        let error = self.told(app, failure);
        self.done.errors.push(error);
    }

    /// Says what went wrong.
    fn told(&mut self, app: &mut App, failure: Failure) -> aeordb_api::command::Failure {
        let error = exit::unwrapped(failure.error);
        let shown = render::problem(&error, exit::code(&error), None);
        app.fail(Failure { error, ..failure });
        self.worst(shown.exit_code);
        shown
    }

    /// What the run ends with is the worst of its steps.
    fn worst(&mut self, code: u8) {
        let rank = |code| match code {
            exit::DONE => 0,
            exit::UNREADABLE => 1,
            exit::DAMAGED => 3,
            exit::INTERRUPTED => 4,
            _ => 2,
        };
        if rank(code) > rank(self.done.exit_code) {
            self.done.exit_code = code;
        }
    }

    fn settle(&mut self, started: Instant) {
        self.done.seconds = (started.elapsed().as_secs_f64() * 1000.0).round() / 1000.0;
        self.done.outcome = match self.done.exit_code {
            exit::DONE => Ending::Done,
            exit::UNREADABLE => Ending::Incomplete,
            _ => Ending::Failed,
        };
    }
}
