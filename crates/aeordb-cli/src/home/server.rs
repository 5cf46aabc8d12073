//! A database that is a server's.

mod import;
mod put;

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path as LocalPath, PathBuf};

use aeordb::Error;
use aeordb::backup::{self, VerifyReport};
use aeordb::files::{GetReport, PutReport};
use aeordb::media::NewFile;
use aeordb::object::{Name as PathName, Path};
use aeordb_api::backups::{Export, Import, Patch};
use aeordb_api::files::{Batch, BatchChange, Edit};
use aeordb_api::item::Stat;
use aeordb_api::jobs::Collection;
use aeordb_api::keys::{CreatedKey, Key, NewKey};
use aeordb_api::parameter::{LIMIT_MAX, Limit, NameBytes, PathBytes, Token, Word};
use aeordb_api::table::{
    ChangesQuery, CreateKey, CreateSnapshot, DeleteSnapshot, DiffQuery, ExportQuery, GetInfo,
    ListChanges, ListHistory, ListKeys, ListSnapshots, MoveFiles, MoveQuery, NoQuery, PageQuery,
    PostBatch, ReadFiles, ReadQuery, RevokeKey, StreamExport, StreamPatch,
};
use aeordb_api::versions::{Change, Changes, HistoryEntry, NewSnapshot, Promotion, Snapshot};
use aeordb_api::{Digest, Name, Page};
use aeordb_client::import::promote;
use aeordb_client::place::place_of;
use aeordb_client::stream::{copy, fetch};
use aeordb_client::{Client, Overlay, Payload, jobs, json, place, tree};

use super::{Each, EachItem, Home, Reading};
use crate::app::{App, Opened};
use crate::args::{self, At, With};
use crate::cmd;
use crate::cmd::put::Plan;
use crate::exit::{self, About, Attempt, Failure, Subject};
use crate::location::{Location, Target, location};
use crate::output;

/// How often a put is made when others change the same place meanwhile.
const ATTEMPTS: usize = 5;

/// The server that `--server` names.
pub struct Server {
    client: Client,
}

impl Server {
    /// The server at `url`; the key comes from the environment.
    pub fn new(url: &str) -> aeordb::Result<Self> {
        Ok(Server { client: Client::new(url, super::key::key()?)? })
    }

    /// Lays patches on what is read.
    fn with(&self, app: &mut App, patches: &[PathBuf]) -> Attempt<Overlay<'_>> {
        app.watched(|_, _| Overlay::lay(&self.client, patches).about(Subject::Backup))
    }

    /// Whether a directory is at a target, or must be. Who may not read cannot know better.
    fn is_directory(&self, to: &Target) -> Attempt<bool> {
        if to.is_directory {
            return Ok(true);
        }
        match look(&self.client, &to.path, &ReadQuery::default()) {
            Ok(found) => Ok(found.entry.item.is_directory()),
            Err(Failure { error: Error::NotFound(_), .. }) => Ok(false),
            Err(Failure { error, .. }) if exit::is_denied(&error) => Ok(false),
            Err(failure) => Err(failure),
        }
    }

    /// Where something called `from` lands: at `to`, or inside it if that is a directory.
    fn destination(&self, from: Option<&[u8]>, to: Target) -> Attempt<PathBytes> {
        let path = match from {
            Some(name) if self.is_directory(&to)? => to.path.join(&PathName::new(name)?)?,
            _ => to.path,
        };
        Ok(PathBytes(path.as_bytes().to_vec()))
    }

    fn edit(&self, from: &Path, query: &MoveQuery) -> Attempt<Edit> {
        self.client.ask::<MoveFiles>(&place_of(from), query).about(Subject::Path)
    }
}

/// What is recorded of what is at a path.
fn look(client: &Client, path: &Path, query: &ReadQuery) -> Attempt<Stat> {
    place::stat(client, path, query).about(Subject::Version).map_err(about_path)
}

/// A path that is not there is told apart from a version by what is named.
fn about_path(failure: Failure) -> Failure {
    match &failure.error {
        Error::NotFound(what) if what.starts_with('/') => {
            Failure { subject: Subject::Path, ..failure }
        }
        _ => failure,
    }
}

/// A file without a name, in the first of these directories that takes it.
fn create(directories: &[PathBuf]) -> aeordb::Result<NewFile> {
    let name = format!(".aeordb-{}", std::process::id());
    let mut last = Err(Error::invalid("there is no directory for what the server sends"));
    for directory in directories {
        last = NewFile::create(directory.join(&name));
        if last.is_ok() {
            break;
        }
    }
    last
}

/// The parameter that names a path.
fn part(path: Option<&OsStr>) -> Option<PathBytes> {
    path.map(|path| PathBytes(path.as_bytes().to_vec()))
}

/// The database of a server, read with patches on top.
struct Remote<'h> {
    client: &'h Client,
    overlay: Overlay<'h>,
    at: Option<String>,
}

impl Remote<'_> {
    fn query(&self, place: &Location) -> ReadQuery {
        let version = place.version.as_deref().or(self.at.as_deref());
        let with = self.overlay.parameter().cloned();
        let version = version.map(|name| Word(name.into()));
        ReadQuery { version, with, ..ReadQuery::default() }
    }
}

impl Reading for Remote<'_> {
    fn look(&self, place: &Location) -> Attempt<Stat> {
        let is_version = || {
            let name = place.maybe_version();
            name.is_some_and(|name| place::version(self.client, name).is_ok())
        };
        look(self.client, &place.path, &self.query(place)).map_err(|failure| {
            match failure.subject {
                Subject::Path if is_version() => {
                    Failure { subject: Subject::VersionAsPath, ..failure }
                }
                _ => failure,
            }
        })
    }

    fn list(
        &self,
        place: &Location,
        after: Option<&[u8]>,
        limit: usize,
        each: EachItem<'_>,
    ) -> Attempt<()> {
        let after = after.map(|name| NameBytes(name.to_vec()));
        let query = self.query(place);
        let mut left = limit;
        if left == 0 {
            return Ok(());
        }
        let listed = place::list(self.client, &place.path, &query, after, limit, |path, item| {
            left -= 1;
            Ok(each(path, item)? && left > 0)
        });
        listed.about(Subject::Database)
    }

    fn walk(&self, place: &Location, limit: usize, each: EachItem<'_>) -> Attempt<()> {
        let query = self.query(place);
        let mut left = limit;
        if left == 0 {
            return Ok(());
        }
        let walked = place::walk(self.client, &place.path, &query, limit, |path, item| {
            left -= 1;
            Ok(each(path, item)? && left > 0)
        });
        walked.about(Subject::Database)
    }

    fn print(&self, app: &mut App, places: &[Location]) -> Attempt<()> {
        app.watched(|out, watch| {
            for place in places {
                let (bytes, query) = (place_of(&place.path), self.query(place));
                let reply = self.client.open::<ReadFiles>(&bytes, &query, &[], Payload::Empty);
                copy(reply.about(Subject::Path)?, out.data(), watch)?;
            }
            Ok(())
        })
    }
}

impl Home for Server {
    fn reading<'h>(
        &'h self,
        app: &mut App,
        places: &[OsString],
        at: &At,
        with: &With,
    ) -> Attempt<(Vec<Location>, Box<dyn Reading + 'h>)> {
        let overlay = self.with(app, &with.patches)?;
        let places = places.iter().map(|place| location(place));
        let places = places.collect::<aeordb::Result<Vec<_>>>()?;
        let remote = Remote { client: &self.client, overlay, at: at.at.clone() };
        Ok((places, Box::new(remote)))
    }

    fn outline(&self, app: &mut App, plan: Plan) -> Attempt<(Plan, Opened, Vec<u8>)> {
        let plan = self.place(plan)?;
        let opened = app.watched(|_, watch| {
            let outline = tree::outline(&self.client, &plan.changes).about(Subject::Path)?;
            let file = create(&[std::env::temp_dir()]).about(Subject::Local)?;
            Ok(Opened::of(outline.open(&self.client, file, watch)?)?)
        })?;
        Ok((plan, opened, self.client.base().as_bytes().to_vec()))
    }

    fn put(&self, app: &mut App, args: &args::Put, plan: Plan) -> Attempt<PutReport> {
        let plan = self.place(plan)?;
        let options = cmd::put::options(args, Some(self.client.base().as_bytes().to_vec()));
        app.watched(|_, watch| {
            for _ in 1..ATTEMPTS {
                match self.attempt(&plan, &options, watch) {
                    Err(Failure { error: Error::Changed { .. }, .. })
                        if plan.can_be_read_again() => {}
                    done => return done,
                }
            }
            self.attempt(&plan, &options, watch)
        })
    }

    fn get(&self, app: &mut App, args: &args::Get) -> Attempt<GetReport> {
        let overlay = self.with(app, &args.with.patches)?;
        let place = location(&args.path)?;
        let remote = Remote { client: &self.client, overlay, at: args.at.at.clone() };
        app.watched(|_, watch| {
            // Beside what is to be written there is most likely as much space again.
            let mut near: Vec<PathBuf> =
                args.local.ancestors().skip(1).map(PathBuf::from).collect();
            near.push(std::env::temp_dir());
            let coming = tree::export(&self.client, &place.path, &remote.query(&place));
            let coming = coming.about(Subject::Path)?;
            let from = coming.from;
            let file = create(&near).about(Subject::Local)?;
            let opened = Opened::of(coming.open(&self.client, file, watch)?)?;
            let part = opened.reader.head();
            let mut report = cmd::get::restore(args, &opened.reader, &part, &place.path, watch)?;
            report.version = from;
            Ok(report)
        })
    }

    fn remove(&self, _: &App, paths: &[Path], recursive: bool) -> Attempt<Edit> {
        let changes = paths.iter().map(|path| {
            let Name { text, b64 } = Name::new(path.as_bytes());
            let path = b64.is_none().then_some(text);
            BatchChange::Delete { path, path_b64: b64, recursive }
        });
        let batch = Batch { changes: changes.collect() };
        self.client.call::<PostBatch>(&batch, &[]).about(Subject::Path)
    }

    fn rename(&self, _: &App, from: &Path, to: Target, force: bool) -> Attempt<Edit> {
        let rename_to = Some(self.destination(from.name(), to)?);
        self.edit(from, &MoveQuery { rename_to, force, ..MoveQuery::default() })
    }

    fn copy(
        &self,
        _: &App,
        from: &Location,
        at: Option<&str>,
        to: Target,
        force: bool,
    ) -> Attempt<Edit> {
        let copy_to = Some(self.destination(from.path.name(), to)?);
        let version = from.version.as_deref().or(at).map(|name| Word(name.into()));
        self.edit(&from.path, &MoveQuery { copy_to, version, force, rename_to: None })
    }

    fn create_snapshot(&self, _: &App, new: NewSnapshot) -> Attempt<(Snapshot, bool)> {
        let reply = self.client.open::<CreateSnapshot>(b"", &NoQuery {}, &[], json(&new)?);
        let reply = reply.about(Subject::Snapshot)?;
        let was_there = reply.status() == 200;
        Ok((self.client.read(reply)?, was_there))
    }

    fn snapshots(&self, app: &mut App, each: Each<'_, Snapshot>) -> Attempt<()> {
        let query = PageQuery::default();
        let pages = |found| each(app, found);
        Ok(self.client.pages::<ListSnapshots, Page<Snapshot>>(b"", query, pages)?)
    }

    fn delete_snapshot(&self, app: &mut App, name: &str) -> Attempt<Snapshot> {
        let kept = cmd::snapshot::find(app, self, name)?;
        let (place, query) = (name.as_bytes(), NoQuery {});
        let deleted = self.client.open::<DeleteSnapshot>(place, &query, &[], Payload::Empty);
        deleted.about(Subject::Snapshot)?;
        Ok(kept)
    }

    fn history(&self, app: &mut App, limit: usize, each: Each<'_, HistoryEntry>) -> Attempt<()> {
        let mut left = limit;
        if left == 0 {
            return Ok(());
        }
        let query = PageQuery { limit: Some(Limit::up_to(left.min(1000))), cursor: None };
        self.client.pages::<ListHistory, Page<HistoryEntry>>(b"", query, |entry| {
            left -= 1;
            Ok(each(app, entry)? && left > 0)
        })?;
        Ok(())
    }

    fn promote(&self, _: &App, name: &str, expect: Option<&str>) -> Attempt<Promotion> {
        // The header takes a whole hash; the server knows which one is meant.
        let expect = expect.map(|name| place::version(&self.client, name)).transpose();
        let expect = expect.about(Subject::Version)?;
        promote(&self.client, name, expect).about(Subject::Version)
    }

    fn export(&self, app: &mut App, args: &args::Export) -> Attempt<Export> {
        let overlay = self.with(app, &args.with.patches)?;
        let snapshot = args.snapshot.clone().map(Word);
        let hash = args.given().filter(|_| snapshot.is_none()).map(|hash| Word(hash.into()));
        let (path, with) = (part(args.path.as_deref()), overlay.parameter().cloned());
        let query = ExportQuery { snapshot, hash, path, with };
        let subject = args.snapshot.as_ref().map_or(Subject::Version, |_| Subject::Snapshot);
        let (closing, bytes) = output::write_from(app, &args.output, subject, |out, watch| {
            fetch::<StreamExport>(&self.client, &query, out, watch)
        })
        .map_err(about_path)?;
        Ok(Export {
            version: Digest(closing.target),
            files: closing.files.get(),
            chunks: closing.chunks.get(),
            directories: closing.directories.get(),
            output: args.output.to_string_lossy().into_owned(),
            bytes,
        })
    }

    fn patch(&self, app: &mut App, args: &args::Diff, output: &LocalPath) -> Attempt<Patch> {
        let overlay = self.with(app, &args.with.patches)?;
        let query = ends(args, overlay.parameter())?;
        let (closing, bytes) = output::write_from(app, output, Subject::Version, |out, watch| {
            fetch::<StreamPatch>(&self.client, &query, out, watch)
        })
        .map_err(about_path)?;
        Ok(Patch {
            from: Digest(closing.base),
            to: Digest(closing.target),
            files_added: closing.files_added.get(),
            files_modified: closing.files_modified.get(),
            files_deleted: closing.files_deleted.get(),
            chunks: closing.chunks.get(),
            directories: closing.directories.get(),
            output: output.to_string_lossy().into_owned(),
            bytes,
        })
    }

    fn changes(&self, app: &mut App, args: &args::Diff, each: Each<'_, Change>) -> Attempt<()> {
        let overlay = self.with(app, &args.with.patches)?;
        let DiffQuery { from, to, path, with } = ends(args, overlay.parameter())?;
        let limit = Some(Limit(LIMIT_MAX));
        let query = ChangesQuery { from, to, path, with, cursor: None, limit };
        let pages = |change| each(app, change);
        let listed = self.client.pages::<ListChanges, Changes>(b"", query, pages);
        listed.about(Subject::Version).map_err(about_path)
    }

    fn import(&self, app: &mut App, args: &args::Import) -> Attempt<Import> {
        match &args.undo {
            None => app.watched(|_, watch| self.send(args, args.promote, None, watch)),
            Some(undo) => self.import_with_undo(app, args, undo),
        }
    }

    fn info(&self, app: &App) -> Attempt<(PathBuf, backup::Info)> {
        let info = self.client.ask::<GetInfo>(b"", &NoQuery {}).about(Subject::Database)?;
        // It is called by the URL of the server.
        let name = app.global.server.clone().unwrap_or_default();
        Ok((name.into(), info.into()))
    }

    fn verify(&self, app: &mut App, args: &args::Verify) -> Attempt<VerifyReport> {
        let found = app.watched(|_, watch| {
            jobs::verify(&self.client, args.deep, watch).about(Subject::Database)
        })?;
        let mut report = VerifyReport::try_from(found)?;
        if args.with.is_empty() {
            return Ok(report);
        }
        // The patches are looked at here, and whether they lead on is proved where the database is.
        app.watched(|_, watch| {
            for file in &args.with {
                let other = backup::verify(file, args.deep, watch).about(Subject::Database)?;
                report.count_in(file, other);
            }
            Ok(())
        })?;
        if report.damages.is_empty() && report.newer.is_empty() {
            let laid = self.with(app, &args.with).map(drop);
            let laid = laid.map_err(|failure| failure.error);
            report.lead_to(laid).about(Subject::Database)?;
        }
        Ok(report)
    }

    fn collect(&self, app: &mut App, dry_run: bool) -> Attempt<Collection> {
        app.watched(|_, watch| jobs::collect(&self.client, dry_run, watch).about(Subject::Database))
    }

    fn create_key(&self, _: &App, new: NewKey) -> Attempt<CreatedKey> {
        Ok(self.client.call::<CreateKey>(&new, &[])?)
    }

    fn keys(&self, _: &App) -> Attempt<Vec<Key>> {
        Ok(self.client.ask::<ListKeys>(b"", &NoQuery {})?.items)
    }

    fn revoke_key(&self, _: &App, id: &str) -> Attempt<Key> {
        self.client.ask::<RevokeKey>(id.as_bytes(), &NoQuery {}).about(Subject::Key)
    }
}

/// The versions of a difference as the parameters of a call.
fn ends(args: &args::Diff, with: Option<&Token>) -> aeordb::Result<DiffQuery> {
    let (from, to) = args.between()?;
    let (from, to) = (Word(from.into()), Some(Word(to.into())));
    Ok(DiffQuery { from, to, path: part(args.path.as_deref()), with: with.cloned() })
}
