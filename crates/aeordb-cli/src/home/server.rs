//! A database that is a server's.

mod import;
mod put;
mod reading;

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path as LocalPath, PathBuf};

use aeordb::Error;
use aeordb::backup::{self, VerifyReport};
use aeordb::files::{Part, PutReport};
use aeordb::hash::VersionId;
use aeordb::media::NewFile;
use aeordb::object::{Name as PathName, Path};
use aeordb_api::backups::{Export, Import, Patch};
use aeordb_api::files::{Batch, BatchChange, Edit};
use aeordb_api::jobs::{Collection, Forget, Forgotten, Verify};
use aeordb_api::keys::{CreatedKey, Key, NewKey};
use aeordb_api::parameter::{LIMIT_MAX, Limit, PathBytes, Token, Word};
use aeordb_api::retention::{Keep, Kept, Policies, Policy};
use aeordb_api::space::Space;
use aeordb_api::table::{
    ChangeSnapshot, ChangesQuery, CreateKey, CreateSnapshot, DeleteSnapshot, DiffQuery,
    ExportQuery, GetInfo, ListChanges, ListHistory, ListKeys, ListPolicies, ListSnapshots,
    MoveFiles, MoveQuery, NoQuery, PageQuery, PolicyQuery, PostBatch, PutPolicy, ReadFiles,
    ReadQuery, ReadSnapshot, RemovePolicy, RevokeKey, StreamExport, StreamPatch,
};
use aeordb_api::versions::{
    Change, Changes, EditSnapshot, HistoryEntry, NewSnapshot, PathVersion, Promotion, Snapshot,
};
use aeordb_api::{Digest, Name, Page};
use aeordb_client::import::promote;
use aeordb_client::place::place_of;
use aeordb_client::stream::fetch;
use aeordb_client::{Client, Overlay, Payload, jobs, json, place, tree};

use self::reading::{Remote, about_path, look};
use super::{Each, Home, Into, Reading, Trees};
use crate::app::{App, Opened};
use crate::args::{self, At, Global, With};
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
    /// The server at `url`, and the key to it.
    pub fn new(url: &str, key: String, global: &Global) -> aeordb::Result<Self> {
        Ok(Server { client: super::key::client(url, key, global)? })
    }

    /// Lays patches on what is read.
    fn with(&self, app: &mut App, patches: &[PathBuf]) -> Attempt<Overlay<'_>> {
        app.watched(|_, _| Overlay::lay(&self.client, patches).about(Subject::Backup))
    }

    /// The one version that all these names are of.
    fn one_version<'n>(
        &self,
        names: impl Iterator<Item = Option<&'n str>>,
        remote: &Remote<'_>,
    ) -> Attempt<VersionId> {
        let mut known: Vec<(Option<&str>, VersionId)> = Vec::new();
        for name in names {
            if known.iter().any(|(other, _)| *other == name) {
                continue;
            }
            let place = Location { version: name.map(str::to_owned), path: Path::root() };
            let found = look(&self.client, &place.path, &remote.query(&place))?;
            known.push((name, found.version.into()));
        }
        match known.as_slice() {
            [(_, first), rest @ ..] if rest.iter().all(|(_, other)| other == first) => Ok(*first),
            _ => Err(super::of_two_versions().into()),
        }
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

/// A file without a name, in the first of these directories that takes it.
pub fn create(directories: &[PathBuf]) -> aeordb::Result<NewFile> {
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
        let opened = app.watched(|_, monitor| {
            let outline = tree::outline(&self.client, &plan.changes, &ReadQuery::default())
                .about(Subject::Path)?;
            let file = create(&[std::env::temp_dir()]).about(Subject::Local)?;
            Ok(Opened::of(outline.open(&self.client, file, monitor)?)?)
        })?;
        Ok((plan, opened, self.client.base().as_bytes().to_vec()))
    }

    fn put(&self, app: &mut App, args: &args::Put, plan: Plan) -> Attempt<PutReport> {
        let plan = self.place(plan)?;
        let options = cmd::put::options(args, &plan, Some(self.client.base().as_bytes().to_vec()));
        if let Some(naming) = &options.snapshot {
            cmd::put::check_name(app, self, &naming.name)?;
        }
        let (json, told) = (app.global.json, app.global.verbose > 0);
        app.watched(|out, monitor| {
            for _ in 1..ATTEMPTS {
                match self.attempt(&plan, &options, monitor, told.then_some((&mut *out, json))) {
                    Err(Failure { error: Error::Changed { .. }, .. })
                        if plan.can_be_read_again() => {}
                    done => return done,
                }
            }
            self.attempt(&plan, &options, monitor, told.then_some((out, json)))
        })
    }

    fn trees(
        &self,
        app: &mut App,
        places: &[OsString],
        at: &At,
        with: &With,
        into: Into<'_>,
    ) -> Attempt<Trees> {
        let overlay = self.with(app, &with.patches)?;
        let places = places.iter().map(|place| location(place));
        let places = places.collect::<aeordb::Result<Vec<_>>>()?;
        let mut remote = Remote { client: &self.client, overlay, at: at.at.clone() };
        let names = places.iter().map(|place| place.version.as_deref().or(at.at.as_deref()));
        if places.len() > 1 {
            // What is taken one by one is to be of one version, whatever others change meanwhile.
            remote.at = Some(self.one_version(names, &remote)?.to_string());
        }
        app.watched(|_, monitor| {
            // Beside what is to be written there is most likely as much space again.
            let near = into.local().into_iter().flat_map(|local| local.ancestors().skip(1));
            let near: Vec<_> = near.map(PathBuf::from).chain([std::env::temp_dir()]).collect();
            let (mut parts, mut opened, mut from) = (Vec::new(), Vec::new(), None);
            for place in places {
                let alone =
                    Location { version: place.version.filter(|_| parts.is_empty()), ..place };
                let query = remote.query(&alone);
                let coming = match into {
                    Into::Tree(_) => tree::export(&self.client, &alone.path, &query),
                    Into::Comparison => {
                        remote.look(&alone)?;
                        tree::outline(&self.client, &alone.path, &query)
                    }
                };
                let coming = coming.about(Subject::Path)?;
                from = from.or(Some(coming.from));
                let file = create(&near).about(Subject::Local)?;
                let found = Opened::of(coming.open(&self.client, file, monitor)?)?;
                let (reader, version) = (found.reader.clone(), found.reader.head());
                parts.push(Part { reader, version, path: alone.path });
                opened.push(found);
            }
            let version = from.ok_or_else(|| Error::invalid("no PATH"))?;
            Ok(Trees { parts, version, _opened: opened })
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

    fn snapshot(&self, _: &App, name: &str) -> Attempt<Snapshot> {
        let found = self.client.ask::<ReadSnapshot>(name.as_bytes(), &NoQuery {});
        found.about(Subject::Snapshot)
    }

    fn edit_snapshot(&self, _: &App, name: &str, edit: EditSnapshot) -> Attempt<Snapshot> {
        let (place, query) = (name.as_bytes(), NoQuery {});
        let reply = self.client.open::<ChangeSnapshot>(place, &query, &[], json(&edit)?);
        Ok(self.client.read(reply.about(Subject::Snapshot)?)?)
    }

    fn delete_snapshot(&self, app: &App, name: &str) -> Attempt<Snapshot> {
        let kept = self.snapshot(app, name)?;
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

    fn trace(
        &self,
        app: &mut App,
        path: &Path,
        limit: usize,
        each: Each<'_, PathVersion>,
    ) -> Attempt<()> {
        let mut left = limit;
        if left == 0 {
            return Ok(());
        }
        let limit = Some(Limit::up_to(left.min(1000)));
        let query = ReadQuery { log: true, limit, ..ReadQuery::default() };
        let place = place_of(path);
        let traced = self.client.pages::<ReadFiles, Page<PathVersion>>(&place, query, |version| {
            left -= 1;
            Ok(each(app, version)? && left > 0)
        });
        traced.about(Subject::Path).map(drop)
    }

    fn promote(&self, _: &App, name: &str, expect: Option<&str>) -> Attempt<Promotion> {
        // The header takes a whole hash; the server knows which one is meant.
        let expect = expect.map(|name| place::version(&self.client, name)).transpose();
        let expect = expect.about(Subject::Version)?;
        promote(&self.client, name, expect).about(Subject::Version)
    }

    fn export(&self, app: &mut App, args: &args::Export) -> Attempt<Export> {
        args.readers.refuse()?;
        let overlay = self.with(app, &args.with.patches)?;
        let snapshot = args.snapshot.clone().map(Word);
        let hash = args.given().filter(|_| snapshot.is_none()).map(|hash| Word(hash.into()));
        let (path, with) = (part(args.path.as_deref()), overlay.parameter().cloned());
        let query = ExportQuery { snapshot, hash, path, with };
        let subject = args.snapshot.as_ref().map_or(Subject::Version, |_| Subject::Snapshot);
        let (closing, bytes) = output::write_from(app, &args.output, subject, |out, monitor| {
            fetch::<StreamExport>(&self.client, &query, out, monitor)
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
        args.readers.refuse()?;
        let overlay = self.with(app, &args.with.patches)?;
        let query = ends(args, overlay.parameter())?;
        let (closing, bytes) = output::write_from(app, output, Subject::Version, |out, monitor| {
            fetch::<StreamPatch>(&self.client, &query, out, monitor)
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
            None => app.watched(|_, monitor| self.send(args, args.promote, None, monitor)),
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
        let asked = Verify::new(args.deep, args.portion());
        let found = app.watched(|_, on| Ok(jobs::verify_part(&self.client, &asked, on)?))?;
        let mut report = VerifyReport::try_from(found)?;
        if args.with.is_empty() {
            return Ok(report);
        }
        // The patches are looked at here, and whether they lead on is proved where the database is.
        app.watched(|_, monitor| {
            for file in &args.with {
                let other = backup::verify(file, args.deep, monitor).about(Subject::Database)?;
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

    fn keep(&self, app: &mut App, asked: Keep) -> Attempt<Kept> {
        app.watched(|_, monitor| Ok(jobs::keep(&self.client, &asked, monitor)?))
    }

    fn policies(&self, _: &App) -> Attempt<Policies> {
        Ok(self.client.ask::<ListPolicies>(b"", &NoQuery {})?)
    }

    fn set_policy(&self, _: &App, policy: Policy) -> Attempt<Policies> {
        Ok(self.client.call::<PutPolicy>(&policy, &[])?)
    }

    fn remove_policy(&self, _: &App, name: Option<&str>) -> Attempt<Policies> {
        let query = PolicyQuery { name: name.map(|name| Word(name.into())) };
        Ok(self.client.ask::<RemovePolicy>(b"", &query)?)
    }

    fn forget(&self, app: &mut App, asked: Forget) -> Attempt<Forgotten> {
        let forget = |monitor: &_| jobs::forget(&self.client, &asked, monitor);
        app.watched(|_, monitor| forget(monitor).about(Subject::Version))
    }

    fn collect(&self, app: &mut App, dry_run: bool) -> Attempt<Collection> {
        app.watched(|_, on| Ok(jobs::collect(&self.client, dry_run, on)?))
    }

    fn space(&self, app: &mut App) -> Attempt<Space> {
        app.watched(|_, on| Ok(jobs::space(&self.client, on)?))
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
