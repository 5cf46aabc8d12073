//! Each source is put under its own path.

use std::ffi::OsString;
use std::fs;
use std::path::Path;

use aeordb::Error;
use aeordb::error::Context;
use aeordb::files::PutReport;
use aeordb_api::Digest;
use aeordb_api::profiles::SourceRun;

use super::Running;
use crate::app::App;
use crate::args::{Cli, Put, Verb};
use crate::cmd;
use crate::cmd::put::Plan;
use crate::exit::{self, About, Attempt, Failure, Subject};
use crate::home::Home;
use crate::profiles::profile::Source;

impl Running<'_> {
    /// Puts all, also when one fails.
    pub(super) fn put_all(&mut self, app: &mut App) -> Attempt<()> {
        for source in &self.profile.sources {
            let path = source.path.display().to_string();
            match put(app, self.home.as_ref(), source, self.done.dry_run) {
                Ok(report) => {
                    self.done.version = Some(Digest::from(report.version));
                    let unreadable = report.unreadable + report.unsettled;
                    if unreadable > 0 {
                        self.worst(exit::UNREADABLE);
                    }
                    let PutReport { files, bytes, files_new, files_changed, .. } = report;
                    let PutReport { files_deleted, new_bytes, refused, .. } = report;
                    let error = refused.map(|error| self.told(app, error.into()));
                    self.done.sources.push(SourceRun {
                        path,
                        files,
                        bytes,
                        files_new,
                        files_changed,
                        files_deleted,
                        new_bytes,
                        unreadable,
                        error,
                    });
                }
                Err(failure) => {
                    let stops = matches!(failure.error, Error::Interrupted);
                    let error = Some(self.told(app, failure));
                    self.done.sources.push(SourceRun { error, ..nothing(path) });
                    if stops {
                        return Ok(());
                    }
                }
            }
        }
        if self.done.dry_run {
            self.done.version = None;
        }
        Ok(())
    }
}

fn nothing(path: String) -> SourceRun {
    SourceRun {
        path,
        files: 0,
        bytes: 0,
        files_new: 0,
        files_changed: 0,
        files_deleted: 0,
        new_bytes: 0,
        unreadable: 0,
        error: None,
    }
}

fn put(app: &mut App, home: &dyn Home, source: &Source, dry_run: bool) -> Attempt<PutReport> {
    let what = || format!("looking at {}", source.path.display());
    let is_directory = fs::metadata(&source.path).context(what).about(Subject::Local)?.is_dir();
    let args = arguments(source, is_directory, dry_run)?;
    let plan = Plan::of(app, &args)?;
    match dry_run {
        true => cmd::put::foresee(app, home, &args, plan, |_, _, _| Ok(())),
        false => home.put(app, &args, plan),
    }
}

/// The put as it would be typed.
fn arguments(source: &Source, is_directory: bool, dry_run: bool) -> Attempt<Put> {
    let mut words: Vec<OsString> = ["aeordb", "put"].map(OsString::from).to_vec();
    words.extend(is_directory.then(|| "--mirror".into()));
    words.extend(dry_run.then(|| "--dry-run".into()));
    words.extend(source.exclude.iter().map(|pattern| format!("--exclude={pattern}").into()));
    let root = Path::new("/");
    let mut place = match is_directory {
        true => source.path.clone(),
        false => source.path.parent().unwrap_or(root).to_owned(),
    }
    .into_os_string();
    // A file lands in the directory that it is in.
    if !is_directory && place != "/" {
        place.push("/");
    }
    words.extend(["--".into(), source.path.clone().into_os_string(), place]);
    match Cli::understand(&words).map(|cli| cli.verb) {
        Ok(Verb::Put(args)) => Ok(args),
        Ok(_) => Err(Error::invalid("a put is no put").into()),
        Err(error) => Err(Failure::from(Error::invalid(error.to_string()))),
    }
}
