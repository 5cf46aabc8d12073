//! A database that is a file of this machine.

mod open;

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path as LocalPath, PathBuf};

use aeordb::backup::{self, ImportOptions, OnConflict, VerifyReport};
use aeordb::db::{self, Database, Reader, SnapshotEdit};
use aeordb::files::{Part, PutReport};
use aeordb::gc;
use aeordb::hash::VersionId;
use aeordb::object::Path;
use aeordb::{Error, Result};
use aeordb_api::backups::{Export, Import, Patch};
use aeordb_api::files::Edit;
use aeordb_api::jobs::{Collection, Forget, Forgotten};
use aeordb_api::keys::{CreatedKey, Key, NewKey};
use aeordb_api::library::Describe;
use aeordb_api::retention::{Keep, Kept, Policies, Policy};
use aeordb_api::space::Space;
use aeordb_api::versions::{
    Change, EditSnapshot, HistoryEntry, NewSnapshot, PathVersion, Promotion, Snapshot,
};
use aeordb_server::keys::{self, Rights};
use jiff::tz::TimeZone;

use self::open::Open;
use super::{Each, Home, Into, Reading, Trees};
use crate::app::{App, Held, Opened, version};
use crate::args::{self, At, With};
use crate::cmd;
use crate::cmd::put::Plan;
use crate::encryption::of;
use crate::exit::{About, Attempt, Failure, Subject};
use crate::location::{self, Location, Target};
use crate::output;
use crate::text;

/// The file that `--database` names.
pub struct File;

/// Changes the database and closes it.
fn change<T>(
    database: Held,
    subject: Subject,
    work: impl FnOnce(&Database) -> Result<T>,
) -> Attempt<T> {
    let done = work(&database).about(subject)?;
    database.close().about(Subject::Database)?;
    Ok(done)
}

/// What is at the path of an option in each of these versions; without one, the versions.
fn part<const N: usize>(
    opened: &Opened,
    versions: [VersionId; N],
    path: Option<&OsString>,
) -> Attempt<(Reader, [VersionId; N])> {
    let Some(path) = path else { return Ok((opened.reader.clone(), versions)) };
    let path = Path::parse(path.as_bytes())?;
    let (reader, parts) = backup::subtree(&opened.reader, &versions, &path).about(Subject::Path)?;
    // There is one part for each version.
    Ok((reader, parts.try_into().unwrap_or(versions)))
}

/// The version that is called exactly so.
fn snapshot(opened: &Opened, name: &str) -> Attempt<db::Snapshot> {
    let kept = opened.reader.snapshot(name).about(Subject::Database)?;
    let missing = || Error::not_found(format!("snapshot '{}'", text::printable(name)));
    kept.ok_or_else(missing).about(Subject::Snapshot)
}

/// Bytes of the files of these versions.
fn bytes_of(reader: &Reader, versions: &[VersionId]) -> Attempt<u64> {
    let bytes = |id| reader.version(id).map(|version| version.totals.bytes);
    let sum =
        versions.iter().map(bytes).try_fold(0_u64, |sum, bytes| Ok(sum.saturating_add(bytes?)));
    sum.about(Subject::Database)
}

/// The two versions of a difference, and who reads them.
fn ends(app: &mut App, args: &args::Diff) -> Attempt<(Opened, Reader, [VersionId; 2])> {
    let (from, to) = args.between()?;
    let opened = app.open_with(&args.with)?;
    let versions = [opened.version(from)?, opened.version(to)?];
    let (reader, versions) = part(&opened, versions, args.path.as_ref())?;
    Ok((opened, reader, versions))
}

impl Home for File {
    fn reading<'h>(
        &'h self,
        app: &mut App,
        places: &[OsString],
        at: &At,
        with: &With,
    ) -> Attempt<(Vec<Location>, Box<dyn Reading + 'h>)> {
        let (opened, places) = app.open_for(places, at, with)?;
        Ok((places, Box::new(Open { opened, at: at.at.clone() })))
    }

    fn outline(&self, app: &mut App, plan: Plan) -> Attempt<(Plan, Opened, Vec<u8>)> {
        let opened = match app.open() {
            Err(Failure { error: Error::NotFound(_), subject: Subject::Database }) => {
                Opened::nothing(app.path())?
            }
            opened => opened?,
        };
        let identity = opened.file_id().to_vec();
        Ok((plan, opened, identity))
    }

    fn put(&self, app: &mut App, args: &args::Put, plan: Plan) -> Attempt<PutReport> {
        let path = app.path().to_owned();
        let options = cmd::put::options(args, &plan, None);
        let global = app.global.clone();
        let (json, told) = (global.json, global.verbose > 0);
        let within = app.within.clone();
        // Its threads begin when signals are taken already.
        let (database, report) = app.watched(|out, monitor| {
            let open = || Database::open_or_create(&path, &global.options(Some(monitor)));
            let database = Held::or_open(within.as_ref(), open)?;
            let out = told.then_some((out, json));
            let report = cmd::put::load(&plan, &database, &options, monitor, out)?;
            Ok((database, report))
        })?;
        database.close().about(Subject::Database)?;
        Ok(report)
    }

    fn trees(
        &self,
        app: &mut App,
        places: &[OsString],
        at: &At,
        with: &With,
        _: Into<'_>,
    ) -> Attempt<Trees> {
        let (opened, places) = app.open_for(places, at, with)?;
        let mut parts = Vec::with_capacity(places.len());
        let mut common = None;
        for place in places {
            let (version, _) = opened.item(&place, at.at.as_deref())?;
            if *common.get_or_insert(version) != version {
                return Err(super::of_two_versions().into());
            }
            parts.push(Part { reader: opened.reader.clone(), version, path: place.path });
        }
        let version = common.unwrap_or_else(|| opened.reader.head());
        Ok(Trees { parts, version, _opened: vec![opened] })
    }

    fn remove(&self, app: &App, paths: &[Path], recursive: bool) -> Attempt<Edit> {
        let remove = |database: &Database| database.remove(paths, recursive);
        Ok((&change(app.open_writer()?, Subject::Path, remove)?).into())
    }

    fn rename(&self, app: &App, from: &Path, to: Target, force: bool) -> Attempt<Edit> {
        let database = app.open_writer()?;
        let reader = database.reader().about(Subject::Database)?;
        let to = location::destination(&reader, from, to)?;
        let rename = |database: &Database| database.rename(from, &to, force);
        Ok((&change(database, Subject::Path, rename)?).into())
    }

    fn copy(
        &self,
        app: &App,
        from: &Location,
        at: Option<&str>,
        to: Target,
        force: bool,
    ) -> Attempt<Edit> {
        let database = app.open_writer()?;
        let reader = database.reader().about(Subject::Database)?;
        let source = match from.version.as_deref().or(at) {
            Some(name) => version(&reader, name)?,
            None => reader.head(),
        };
        let to = location::destination(&reader, &from.path, to)?;
        let copy = |database: &Database| database.copy(&source, &from.path, &to, force);
        Ok((&change(database, Subject::Path, copy)?).into())
    }

    fn create_snapshot(&self, app: &App, new: NewSnapshot) -> Attempt<(Snapshot, bool)> {
        let NewSnapshot { name, version: of, metadata } = new;
        let database = app.open_writer()?;
        let reader = database.reader().about(Subject::Database)?;
        let version = version(&reader, of.as_deref().unwrap_or("HEAD"))?;
        let was_there = reader.snapshot(&name).about(Subject::Database)?.is_some();
        let create = |database: &Database| database.create_snapshot(&name, &version, metadata);
        let made = change(database, Subject::Snapshot, create)?;
        Ok(((&made).into(), was_there))
    }

    fn snapshot(&self, app: &App, name: &str) -> Attempt<Snapshot> {
        Ok((&snapshot(&app.open()?, name)?).into())
    }

    fn edit_snapshot(&self, app: &App, name: &str, edit: EditSnapshot) -> Attempt<Snapshot> {
        let EditSnapshot { name: to, metadata, held } = edit;
        let edit = SnapshotEdit { name: to, metadata, held };
        let edit = |database: &Database| database.edit_snapshot(name, &edit);
        Ok((&change(app.open_writer()?, Subject::Snapshot, edit)?).into())
    }

    fn snapshots(&self, app: &mut App, each: Each<'_, Snapshot>) -> Attempt<()> {
        let opened = app.open()?;
        for snapshot in opened.reader.snapshots().about(Subject::Database)? {
            if !each(app, (&snapshot).into())? {
                break;
            }
        }
        Ok(())
    }

    fn delete_snapshot(&self, app: &App, name: &str) -> Attempt<Snapshot> {
        let delete = |database: &Database| database.delete_snapshot(name);
        Ok((&change(app.open_writer()?, Subject::Snapshot, delete)?).into())
    }

    fn history(&self, app: &mut App, limit: usize, each: Each<'_, HistoryEntry>) -> Attempt<()> {
        let opened = app.open()?;
        for entry in opened.reader.history().about(Subject::Database)?.take(limit) {
            if !each(app, (&entry.about(Subject::Database)?).into())? {
                break;
            }
        }
        Ok(())
    }

    fn trace(
        &self,
        app: &mut App,
        path: &Path,
        limit: usize,
        each: Each<'_, PathVersion>,
    ) -> Attempt<()> {
        let opened = app.open()?;
        let reader = &opened.reader;
        let traced =
            app.watched(|_, monitor| reader.trace(path, monitor).about(Subject::Database))?;
        if traced.is_empty() {
            let path = text::printable_name(path.as_bytes());
            let error = Error::not_found(path);
            return Err(Failure { error, subject: Subject::Path });
        }
        let mut describe = Describe::new(reader);
        for traced in traced.into_iter().take(limit) {
            let Some(version) = describe.traced(path, traced) else { continue };
            if !each(app, version)? {
                break;
            }
        }
        Ok(())
    }

    fn promote(&self, app: &App, name: &str, expect: Option<&str>) -> Attempt<Promotion> {
        let database = app.open_writer()?;
        let reader = database.reader().about(Subject::Database)?;
        let head = version(&reader, name)?;
        let expect = expect.map(|name| version(&reader, name)).transpose()?;
        let promote = |database: &Database| database.promote(&head, expect.as_ref());
        Ok((&change(database, Subject::Version, promote)?).into())
    }

    fn export(&self, app: &mut App, args: &args::Export) -> Attempt<Export> {
        let readers = args.readers.of(&app.global)?;
        let opened = app.open_with(&args.with)?;
        let version = match (&args.snapshot, args.given()) {
            (Some(name), _) => snapshot(&opened, name)?.version,
            (None, Some(hash)) => opened.version(hash)?,
            (None, None) => opened.reader.head(),
        };
        let (reader, [version]) = part(&opened, [version], args.path.as_ref())?;
        let expected = bytes_of(&reader, &[version])?;
        let report = output::write(app, &args.output, expected, |out, monitor| {
            backup::export_for(&reader, &version, of(readers.as_ref()), out, monitor)
        })?;
        Ok(Export::new(&report, &args.output.to_string_lossy()))
    }

    fn patch(&self, app: &mut App, args: &args::Diff, output: &LocalPath) -> Attempt<Patch> {
        let readers = args.readers.of(&app.global)?;
        let (_opened, reader, [from, to]) = ends(app, args)?;
        let expected = bytes_of(&reader, &[from, to])?;
        let report = output::write(app, output, expected, |out, monitor| {
            backup::diff_for(&reader, (&from, &to), of(readers.as_ref()), out, monitor)
        })?;
        Ok(Patch::new(&report, &output.to_string_lossy()))
    }

    fn changes(&self, app: &mut App, args: &args::Diff, each: Each<'_, Change>) -> Attempt<()> {
        let (_opened, reader, [from, to]) = ends(app, args)?;
        let mut describe = Describe::new(&reader);
        let changes = backup::changes(&reader, &from, &to, &mut |change| {
            each(app, describe.change(&change)).map(drop)
        });
        changes.about(Subject::Database).map(drop)
    }

    fn import(&self, app: &mut App, args: &args::Import) -> Attempt<Import> {
        let files = args.given().to_vec();
        if let Some(file) = files.iter().find(|file| app.is_database(file)) {
            let file = file.display();
            return Err(Error::invalid(format!("{file} is the database to import into")).into());
        }
        let options = ImportOptions {
            promote: args.promote,
            force: args.force,
            expect: None,
            snapshot: args.snapshot.clone(),
            merge: args.merge.then_some(match (args.theirs, args.ours) {
                (true, _) => OnConflict::Theirs,
                (_, true) => OnConflict::Ours,
                _ => OnConflict::LeaveOut,
            }),
            undo: args.undo.clone(),
        };
        let database = app.open_or_create()?;
        let report = app.watched(|_, monitor| {
            let inputs = cmd::import::inputs(files, monitor)?;
            backup::import(&database, inputs, &options, monitor).about(Subject::Backup)
        })?;
        database.close().about(Subject::Database)?;
        Ok((&report).into())
    }

    fn info(&self, app: &App) -> Attempt<(PathBuf, backup::Info)> {
        let path = app.path().to_owned();
        let info = backup::info(&path).about(Subject::Database)?;
        Ok((path, info))
    }

    fn verify(&self, app: &mut App, args: &args::Verify) -> Attempt<VerifyReport> {
        let path = app.path().to_owned();
        let scratch = std::env::temp_dir();
        app.watched(|_, monitor| {
            let verified = match (args.with.as_slice(), args.portion()) {
                (_, Some(portion)) => backup::verify_part(&path, &portion, monitor),
                ([], None) => backup::verify(&path, args.deep, monitor),
                (with, None) => backup::verify_with(&path, with, args.deep, &scratch, monitor),
            };
            verified.about(Subject::Database)
        })
    }

    fn keep(&self, app: &mut App, asked: Keep) -> Attempt<Kept> {
        let Keep { policy, dry_run } = asked;
        let database = match dry_run {
            true => app.open()?.into_database(),
            false => app.open_writer()?,
        };
        let policies: Vec<db::Policy> = policy.map(db::Policy::from).into_iter().collect();
        let keep = |database: &Database| database.keep(&policies, &TimeZone::system(), dry_run);
        Ok(Kept::new(&change(database, Subject::Nothing, keep)?, dry_run))
    }

    fn policies(&self, app: &App) -> Attempt<Policies> {
        let stored = app.open()?.reader.policies().about(Subject::Database)?;
        Ok(Policies { items: stored.into_iter().map(Policy::from).collect() })
    }

    fn set_policy(&self, app: &App, policy: Policy) -> Attempt<Policies> {
        let policy = policy.into();
        let set = |database: &Database| database.set_policy(&policy);
        change(app.open_writer()?, Subject::Nothing, set)?;
        self.policies(app)
    }

    fn remove_policy(&self, app: &App, name: Option<&str>) -> Attempt<Policies> {
        let remove = |database: &Database| database.remove_policy(name);
        change(app.open_writer()?, Subject::Nothing, remove)?;
        self.policies(app)
    }

    fn forget(&self, app: &mut App, asked: Forget) -> Attempt<Forgotten> {
        let dry_run = asked.dry_run;
        let database = match dry_run {
            true => app.open()?.into_database(),
            false => app.open_writer()?,
        };
        let asked = asked.into();
        let forget = |database: &Database| database.forget(&asked, dry_run);
        Ok(Forgotten::new(&change(database, Subject::Version, forget)?, dry_run))
    }

    fn space(&self, app: &mut App) -> Attempt<Space> {
        let database = app.open()?.into_database();
        let found =
            app.watched(|_, on| aeordb::space::space(&database, on).about(Subject::Database))?;
        Ok((&found).into())
    }

    fn collect(&self, app: &mut App, dry_run: bool) -> Attempt<Collection> {
        // To say what would be collected takes no writer.
        let database = match dry_run {
            true => app.open()?.into_database(),
            false => app.open_writer()?,
        };
        let report = app.watched(|_, monitor| {
            gc::collect(&database, dry_run, monitor).about(Subject::Database)
        })?;
        database.close().about(Subject::Database)?;
        Ok(Collection::new(&report, dry_run))
    }

    fn create_key(&self, app: &App, new: NewKey) -> Attempt<CreatedKey> {
        let within = keys::within(&new)?;
        let NewKey { name, scopes, expires_at, .. } = new;
        let rights = Rights::parse(scopes.iter().map(String::as_str))?;
        let expires_at = expires_at.map(|time| time.0);
        let new = keys::NewKey { name, rights, within, expires_at };
        let create = |database: &Database| keys::create(database, new);
        let (key, text) = change(app.open_or_create()?, Subject::Database, create)?;
        Ok(CreatedKey { of: key.shown(), key: text })
    }

    fn keys(&self, app: &App) -> Attempt<Vec<Key>> {
        let keys = keys::list(&app.open()?.reader).about(Subject::Database)?;
        Ok(keys.iter().map(keys::Key::shown).collect())
    }

    fn revoke_key(&self, app: &App, id: &str) -> Attempt<Key> {
        let revoke = |database: &Database| keys::revoke(database, id, &Rights::admin());
        let key = change(app.open_writer()?, Subject::Key, revoke)?;
        // Whoever has the file may do everything.
        let key = key.ok_or_else(|| Error::invalid("the key may do more than everything"))?;
        Ok(key.shown())
    }
}
