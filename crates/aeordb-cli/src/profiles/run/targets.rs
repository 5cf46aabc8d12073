//! What goes into each target: a full export or a patch, verified with what it stands on; and what can
//! go then.

use std::fs;
use std::path::{Path, PathBuf};

use aeordb::backup::{self, VerifyReport};
use aeordb::db::FileKind;
use aeordb::error::Context;
use aeordb::{Error, Result};
use aeordb_api::Digest;
use aeordb_api::profiles::TargetRun;

use super::Running;
use crate::app::App;
use crate::args::{Cli, Verb};
use crate::exit::{About, Attempt, Failure, Subject};
use crate::profiles::chain::{self, Next};
use crate::profiles::lock;
use crate::profiles::profile::Destination;
use crate::profiles::target::{self, Files};

impl Running<'_> {
    /// Writes to all targets, also when one fails.
    pub(super) fn write_all(&mut self, app: &mut App) -> Attempt<()> {
        for to in &self.profile.targets {
            let mut done = TargetRun {
                directory: to.directory.display().to_string(),
                kind: None,
                output: None,
                follows: None,
                bytes: 0,
                verified: false,
                removed: Vec::new(),
                error: None,
            };
            let written = self.write(app, to, &mut done);
            let stops = matches!(&written, Err(Failure { error: Error::Interrupted, .. }));
            done.error = written.err().map(|failure| self.told(app, failure));
            self.done.targets.push(done);
            if stops {
                break;
            }
        }
        Ok(())
    }

    fn write(&mut self, app: &mut App, to: &Destination, done: &mut TargetRun) -> Attempt<()> {
        // A file system that is not mounted must not be filled at its mount point.
        let directory = &to.directory;
        let _lock =
            app.watched(|_, monitor| lock::wait(directory, monitor).about(Subject::Local))?;
        let pattern = self.profile.pattern.of_files();
        let mut files = Files::list(directory, &pattern).about(Subject::Local)?;
        let broken = std::mem::take(&mut files.broken);
        let next = chain::next(&files.links, to.full_every);
        let Some(version) = self.done.version else {
            self.foresee(to, next, &mut files, done);
            return Ok(());
        };
        let (kind, on) = self.write_next(app, to, next, &files, version)?;
        let name = target::name(&pattern, self.time, kind);
        let output = directory.join(&name);
        done.kind = Some(if kind == FileKind::Patch {
            aeordb_api::backups::FileKind::Patch
        } else {
            aeordb_api::backups::FileKind::Export
        });
        done.follows = on.last().and_then(|file| files.names.get(*file).cloned());
        done.bytes = fs::metadata(&output).map_or(0, |found| found.len());
        done.output = Some(name);
        self.verify(app, to, &output, &files.paths(directory, &on))?;
        done.verified = true;
        if let Some(error) = broken.into_iter().next() {
            // It is nobody's base; what is sound stays until somebody has looked.
            return Err(Failure { error, subject: Subject::Backup });
        }
        let Some(keep_fulls) = to.keep_fulls.filter(|_| self.done.exit_code == 0) else {
            return Ok(());
        };
        let files = Files::list(directory, &pattern).about(Subject::Local)?;
        for file in chain::prune(&files.links, keep_fulls) {
            let Some(name) = files.names.get(file) else { continue };
            let path = directory.join(name);
            fs::remove_file(&path).context(|| format!("removing {}", path.display()))?;
            done.removed.push(name.clone());
        }
        Ok(sync(directory)?)
    }

    /// Says what would be written, and what would go then.
    fn foresee(&self, to: &Destination, next: Next, files: &mut Files, done: &mut TargetRun) {
        let (kind, follows) = match next {
            Next::Full => (FileKind::Export, None),
            Next::Patch(file) => (FileKind::Patch, Some(file)),
        };
        done.kind = Some(match kind {
            FileKind::Patch => aeordb_api::backups::FileKind::Patch,
            _ => aeordb_api::backups::FileKind::Export,
        });
        done.follows = follows.and_then(|file| files.names.get(file).cloned());
        let name = target::name(&self.profile.pattern.of_files(), self.time, kind);
        let base = follows.and_then(|file| files.links.get(file)).map(|link| link.version);
        // No version is known by nothing but zeros.
        let version = Digest([0; 32]);
        files.links.push(chain::Link { time: self.time, version, base });
        files.names.push(name.clone());
        done.output = Some(name);
        if let Some(keep_fulls) = to.keep_fulls {
            let going = chain::prune(&files.links, keep_fulls);
            done.removed =
                going.iter().filter_map(|file| files.names.get(*file).cloned()).collect();
        }
    }

    /// Writes what comes next, and says what that is and what it stands on. Where the database does not
    /// have the version any more that a patch would start from, it is a full export.
    fn write_next(
        &self,
        app: &mut App,
        to: &Destination,
        next: Next,
        files: &Files,
        version: Digest,
    ) -> Attempt<(FileKind, Vec<usize>)> {
        let pattern = self.profile.pattern.of_files();
        let output = |kind| to.directory.join(target::name(&pattern, self.time, kind));
        let readers = || to.encrypt_to.iter().map(|reader| format!("--encrypt-to={reader}"));
        let base = match next {
            Next::Patch(file) => files.links.get(file).map(|link| (file, link.version)),
            Next::Full => None,
        };
        if let Some((file, base)) = base {
            let output = output(FileKind::Patch);
            let mut words =
                vec!["diff".into(), format!("--from={base}"), format!("--to={version}")];
            words.extend(readers());
            let Verb::Diff(args) = typed(&words, &output)? else {
                return Err(Error::invalid("a patch is no patch").into());
            };
            match self.home.patch(app, &args, &output) {
                Ok(_) => {
                    let on = chain::stands_on(&files.links, file).unwrap_or_default();
                    return Ok((FileKind::Patch, on));
                }
                Err(Failure { error: Error::NotFound(_) | Error::Collected(_), .. }) => {}
                Err(failure) => return Err(failure),
            }
        }
        let mut words = vec!["export".into(), format!("--hash={version}")];
        words.extend(readers());
        let Verb::Export(args) = typed(&words, &output(FileKind::Export))? else {
            return Err(Error::invalid("an export is no export").into());
        };
        self.home.export(app, &args)?;
        Ok((FileKind::Export, Vec::new()))
    }

    /// Reads a file again, with what it stands on. One that is damaged goes: nothing may stand on it. Of
    /// one that is for others it is seen that it is whole.
    fn verify(
        &self,
        app: &mut App,
        to: &Destination,
        output: &Path,
        on: &[PathBuf],
    ) -> Attempt<()> {
        let scratch = std::env::temp_dir();
        let report = app.watched(|_, monitor| {
            let verified = match on {
                [] => backup::verify(output, true, monitor),
                on => backup::verify_with(output, on, true, &scratch, monitor),
            };
            let verified = match verified {
                Err(Error::Encrypted { .. }) if !to.encrypt_to.is_empty() => {
                    backup::verify(output, false, monitor)
                }
                verified => verified,
            };
            verified.about(Subject::Backup)
        })?;
        let Err(error) = sound(output, &report) else { return Ok(()) };
        fs::remove_file(output).context(|| format!("removing {}", output.display()))?;
        Err(Failure { error, subject: Subject::Backup })
    }
}

fn sound(output: &Path, report: &VerifyReport) -> Result<()> {
    match report.damages.first() {
        None => Ok(()),
        Some(damage) => Err(Error::Damaged {
            what: format!("{}, which was just written, or what it stands on,", output.display()),
            offset: damage.offset,
            detail: damage.what.clone(),
        }),
    }
}

/// A verb with an output as it would be typed.
fn typed(words: &[String], output: &Path) -> Attempt<Verb> {
    let words = ["aeordb".to_owned()].into_iter().chain(words.iter().cloned());
    let mut words: Vec<std::ffi::OsString> = words.map(Into::into).collect();
    words.extend(["--output".into(), output.as_os_str().to_owned()]);
    let cli = Cli::understand(&words).map_err(|error| Error::invalid(error.to_string()))?;
    Ok(cli.verb)
}

/// What was removed stays removed.
fn sync(directory: &Path) -> Result<()> {
    let what = || format!("syncing {}", directory.display());
    fs::File::open(directory).and_then(|opened| opened.sync_all()).context(what)
}
