//! A database that is a file of this machine.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path as LocalPath, PathBuf};

use aeordb::backup::{self, ImportOptions, OnConflict, VerifyReport};
use aeordb::db::{Database, Options, Reader};
use aeordb::files::{GetReport, PutReport};
use aeordb::gc;
use aeordb::hash::VersionId;
use aeordb::object::{Item, Path};
use aeordb::{Error, Result};
use aeordb_api::backups::{Export, Import, Patch};
use aeordb_api::files::Edit;
use aeordb_api::item::{PathEntry, Stat};
use aeordb_api::jobs::Collection;
use aeordb_api::keys::{CreatedKey, Key, NewKey};
use aeordb_api::versions::{Change, HistoryEntry, NewSnapshot, Promotion, Snapshot};
use aeordb_server::keys::{self, Rights};

use super::{Each, EachItem, Home, Reading};
use crate::app::{App, Opened, version};
use crate::args::{self, At, With};
use crate::cmd;
use crate::cmd::put::Plan;
use crate::exit::{About, Attempt, Failure, Subject};
use crate::location::{self, Location, Target};
use crate::output;
use crate::text;

/// The file that `--database` names.
pub struct File;

/// The file, opened.
struct Open {
    opened: Opened,
    at: Option<String>,
}

impl Open {
    fn version(&self, place: &Location) -> Attempt<VersionId> {
        self.opened.version_of(place, self.at.as_deref())
    }
}

impl Reading for Open {
    fn look(&self, place: &Location) -> Attempt<Stat> {
        let (version, item) = self.opened.item(place, self.at.as_deref())?;
        let entry = PathEntry::new(place.path.as_bytes(), (&item).into());
        Ok(Stat { entry, version: version.into() })
    }

    fn list(
        &self,
        place: &Location,
        after: Option<&[u8]>,
        limit: usize,
        each: EachItem<'_>,
    ) -> Attempt<()> {
        let version = self.version(place)?;
        let found = self.opened.reader.list(&version, &place.path, after);
        for found in found.about(Subject::Database)?.take(limit) {
            let (name, item) = found.about(Subject::Database)?;
            if !each(&place.path.join(&name)?, (&item).into())? {
                break;
            }
        }
        Ok(())
    }

    fn walk(&self, place: &Location, limit: usize, each: EachItem<'_>) -> Attempt<()> {
        let version = self.version(place)?;
        let found = self.opened.reader.walk(&version, &place.path);
        for found in found.about(Subject::Database)?.take(limit) {
            let (path, item) = found.about(Subject::Database)?;
            if !each(&path, (&item).into())? {
                break;
            }
        }
        Ok(())
    }

    fn print(&self, app: &mut App, places: &[Location]) -> Attempt<()> {
        for place in places {
            let (_, Item::File(record)) = self.opened.item(place, self.at.as_deref())? else {
                continue;
            };
            let mut file = self.opened.reader.file(&record);
            loop {
                let bytes = file.next_bytes().about(Subject::Database)?;
                if bytes.is_empty() {
                    break;
                }
                app.out.bytes(&bytes)?;
            }
        }
        Ok(())
    }
}

/// Changes the database and closes it.
fn change<T>(
    database: Database,
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
fn snapshot(opened: &Opened, name: &str) -> Attempt<VersionId> {
    let kept = opened.reader.snapshots().about(Subject::Database)?;
    let kept = kept.into_iter().find(|snapshot| snapshot.name == name);
    let missing = || Error::not_found(format!("snapshot '{}'", text::printable(name)));
    Ok(kept.ok_or_else(missing).about(Subject::Snapshot)?.version)
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
        let database = app.open_or_create()?;
        let options = cmd::put::options(args, None);
        let report = app.watched(|_, watch| cmd::put::load(&plan, &database, &options, watch))?;
        database.close().about(Subject::Database)?;
        Ok(report)
    }

    fn get(&self, app: &mut App, args: &args::Get) -> Attempt<GetReport> {
        let places = std::slice::from_ref(&args.path);
        let (opened, places) = app.open_for(places, &args.at, &args.with)?;
        let place = places.first().ok_or_else(|| Error::invalid("no PATH"))?;
        let (version, _) = opened.item(place, args.at.at.as_deref())?;
        app.watched(|_, watch| {
            cmd::get::restore(args, &opened.reader, &version, &place.path, watch)
        })
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

    fn snapshots(&self, app: &mut App, each: Each<'_, Snapshot>) -> Attempt<()> {
        let opened = app.open()?;
        for snapshot in opened.reader.snapshots().about(Subject::Database)? {
            if !each(app, (&snapshot).into())? {
                break;
            }
        }
        Ok(())
    }

    fn delete_snapshot(&self, app: &mut App, name: &str) -> Attempt<Snapshot> {
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

    fn promote(&self, app: &App, name: &str, expect: Option<&str>) -> Attempt<Promotion> {
        let database = app.open_writer()?;
        let reader = database.reader().about(Subject::Database)?;
        let head = version(&reader, name)?;
        let expect = expect.map(|name| version(&reader, name)).transpose()?;
        let promote = |database: &Database| database.promote(&head, expect.as_ref());
        Ok((&change(database, Subject::Version, promote)?).into())
    }

    fn export(&self, app: &mut App, args: &args::Export) -> Attempt<Export> {
        let opened = app.open_with(&args.with)?;
        let version = match (&args.snapshot, args.given()) {
            (Some(name), _) => snapshot(&opened, name)?,
            (None, Some(hash)) => opened.version(hash)?,
            (None, None) => opened.reader.head(),
        };
        let (reader, [version]) = part(&opened, [version], args.path.as_ref())?;
        let report = output::write(app, &args.output, |out, watch| {
            backup::export(&reader, &version, out, watch)
        })?;
        Ok(Export::new(&report, &args.output.to_string_lossy()))
    }

    fn patch(&self, app: &mut App, args: &args::Diff, output: &LocalPath) -> Attempt<Patch> {
        let (_opened, reader, [from, to]) = ends(app, args)?;
        let report =
            output::write(app, output, |out, watch| backup::diff(&reader, &from, &to, out, watch))?;
        Ok(Patch::new(&report, &output.to_string_lossy()))
    }

    fn changes(&self, app: &mut App, args: &args::Diff, each: Each<'_, Change>) -> Attempt<()> {
        let (_opened, reader, [from, to]) = ends(app, args)?;
        let changes = backup::changes(&reader, &from, &to, &mut |change| {
            each(app, (&change).into()).map(drop)
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
        let report = app.watched(|_, watch| {
            let inputs = cmd::import::inputs(files, watch)?;
            backup::import(&database, inputs, &options, watch).about(Subject::Backup)
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
        app.watched(|_, watch| {
            let verified = match args.with.as_slice() {
                [] => backup::verify(&path, args.deep, watch),
                with => backup::verify_with(&path, with, args.deep, &scratch, watch),
            };
            verified.about(Subject::Database)
        })
    }

    fn collect(&self, app: &mut App, dry_run: bool) -> Attempt<Collection> {
        // To say what would be collected takes no writer.
        let database = match dry_run {
            true => Database::open(app.path(), &Options::default()).about(Subject::Database)?,
            false => app.open_writer()?,
        };
        let report = app
            .watched(|_, watch| gc::collect(&database, dry_run, watch).about(Subject::Database))?;
        database.close().about(Subject::Database)?;
        Ok(Collection::new(&report, dry_run))
    }

    fn create_key(&self, app: &App, new: NewKey) -> Attempt<CreatedKey> {
        let NewKey { name, scopes, expires_at } = new;
        let rights = Rights::parse(scopes.iter().map(String::as_str))?;
        let expires_at = expires_at.map(|time| time.0);
        let new = keys::NewKey { name, rights, expires_at };
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
