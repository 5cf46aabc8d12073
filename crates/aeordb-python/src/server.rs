//! A database that is a server's.

mod put;

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::{Path as LocalPath, PathBuf};
use std::sync::Arc;

use aeordb::backup::{self, Input, OnConflict};
use aeordb::media::NewFile;
use aeordb::object::Path;
use aeordb::{Error, Monitor, Result, VersionId, files};
use aeordb_api::backups::{self, Export, Import, Info, Patch};
use aeordb_api::command::{Get, Put};
use aeordb_api::files::{Batch, BatchChange, Edit};
use aeordb_api::item::{Kind, PathEntry, Stat};
use aeordb_api::jobs::{Collection, Verification};
use aeordb_api::parameter::{LIMIT_MAX, Limit, PathBytes, Word};
use aeordb_api::table::{
    ChangesQuery, CreateSnapshot, DeleteSnapshot, DiffQuery, ExportQuery, GetInfo, GetReady,
    ImportQuery, ListChanges, ListHistory, ListSnapshots, MoveFiles, MoveQuery, NoQuery, PageQuery,
    PostBatch, PutFiles, PutQuery, ReadFiles, ReadQuery, StreamExport, StreamPatch,
};
use aeordb_api::versions::{
    Change, Changes, HistoryEntry, NewSnapshot, PathVersion, Promotion, Snapshot,
};
use aeordb_api::{Digest, Name, Page};
use aeordb_client::import::{import, promote};
use aeordb_client::place::{self, place_of};
use aeordb_client::stream::fetch;
use aeordb_client::{Client, Payload, jobs, tree};

use crate::content::{Content, Source};
use crate::home::{Between, Home};
use crate::pages::Showing;
use crate::wishes::{GetWish, ImportWish, PutWish};

/// What bytes are of which nothing is said.
const OCTETS: &str = "application/octet-stream";

/// The server.
pub struct Server {
    client: Arc<Client>,
}

impl Server {
    /// The server at `url`, and the key to it.
    pub fn new(url: &str, key: String) -> Result<Self> {
        Ok(Server { client: Arc::new(Client::new(url, key)?) })
    }

    /// Imports without moving HEAD, fetches the patch that leads back, then moves HEAD if it is still
    /// what the patch leads to.
    fn import_with_undo(
        &self,
        files: &[PathBuf],
        query: &ImportQuery,
        undo: &LocalPath,
        monitor: &Monitor,
    ) -> Result<Import> {
        let mut file = NewFile::create(undo)?;
        let head = VersionId::from(self.client.ask::<GetReady>(b"", &NoQuery {})?.head);
        let query = ImportQuery { promote: false, ..query.clone() };
        let mut report = import(&self.client, inputs(files), files, &query, Some(head))?;
        let (from, to) = (Word(report.version.to_string()), Some(Word(head.to_string())));
        let back = DiffQuery { from, to, ..DiffQuery::default() };
        let (_, bytes) = fetch::<StreamPatch>(&self.client, &back, &mut file, monitor)?;
        file.publish()?;
        if let Err(error) = promote(&self.client, &report.version.to_string(), Some(head)) {
            // There is nothing to undo.
            let _ = fs::remove_file(undo);
            return Err(error);
        }
        (report.promoted, report.undo_bytes) = (true, Some(bytes));
        Ok(report)
    }
}

fn inputs(files: &[PathBuf]) -> Vec<Input> {
    files.iter().cloned().map(Input::File).collect()
}

fn at(version: &str) -> ReadQuery {
    ReadQuery { version: Some(Word(version.into())), ..ReadQuery::default() }
}

fn bytes_of(path: &Path) -> PathBytes {
    PathBytes(path.as_bytes().to_vec())
}

/// A file without a name for what the server sends, beside `local` or where temporary files are.
fn scratch(local: &LocalPath) -> Result<NewFile> {
    let name = format!(".aeordb-{}", std::process::id());
    let near = local.ancestors().skip(1).filter(|near| !near.as_os_str().is_empty());
    let found = near.map(|near| NewFile::create(near.join(&name))).find_map(Result::ok);
    found.map_or_else(|| NewFile::create(std::env::temp_dir().join(&name)), Ok)
}

impl Home for Server {
    fn resolve(&self, name: &str) -> Result<String> {
        Ok(place::version(&self.client, name)?.to_string())
    }

    fn stat(&self, path: &Path, version: &str) -> Result<Stat> {
        place::stat(&self.client, path, &at(version))
    }

    fn open(&self, path: &Path, version: &str) -> Result<Content> {
        let found = self.stat(path, version)?;
        if found.entry.item.kind != Kind::File {
            return Err(Error::invalid(format!("{path} is not a file")));
        }
        let query = at(&found.version.to_string());
        let source = Source::Server(self.client.clone(), path.clone(), query);
        Ok(Content::new(found.entry.item.size, source))
    }

    fn entries(&self, path: Path, version: &str, recursive: bool) -> Result<Showing<PathEntry>> {
        let found = self.stat(&path, version)?;
        if !found.entry.item.is_directory() {
            return Err(Error::invalid(format!("{path} is not a directory")));
        }
        let (client, query) = (self.client.clone(), at(&found.version.to_string()));
        Ok(Box::new(move |each| {
            let limit = usize::MAX;
            let mut each = |path: &Path, item| each(PathEntry::new(path.as_bytes(), item));
            match recursive {
                true => place::walk(&client, &path, &query, limit, &mut each),
                false => place::list(&client, &path, &query, None, limit, &mut each),
            }
        }))
    }

    fn write(
        &self,
        path: &Path,
        mut bytes: Box<dyn Read + Send>,
        content_type: Option<String>,
    ) -> Result<String> {
        let kind = content_type.as_deref().unwrap_or(OCTETS);
        let payload = Payload::Bytes(&mut bytes, kind);
        let (place, query) = (place_of(path), PutQuery::default());
        let reply = self.client.open::<PutFiles>(&place, &query, &[], payload)?;
        let stored: aeordb_api::files::StoredFile = self.client.read(reply)?;
        Ok(stored.version.to_string())
    }

    fn put(
        &self,
        locals: Vec<PathBuf>,
        to: Path,
        inside: bool,
        wish: &PutWish,
        monitor: &Arc<Monitor>,
    ) -> Result<Put> {
        put::put(&self.client, &locals, &to, inside, wish, monitor)
    }

    fn get(
        &self,
        path: Path,
        version: &str,
        local: PathBuf,
        wish: &GetWish,
        monitor: &Arc<Monitor>,
    ) -> Result<Get> {
        let coming = tree::export(&self.client, &path, &at(version))?;
        let version = coming.from;
        let opened = coming.open(&self.client, scratch(&local)?, monitor)?;
        let reader = opened.reader()?;
        let options = wish.options(Vec::new())?;
        let got = files::get(&reader, &reader.head(), path, local, &options, monitor)?;
        Ok(Get { version: version.into(), ..(&got).into() })
    }

    fn remove(&self, paths: &[Path], recursive: bool) -> Result<Edit> {
        let changes = paths.iter().map(|path| {
            let Name { text, b64 } = Name::new(path.as_bytes());
            let path = b64.is_none().then_some(text);
            BatchChange::Delete { path, path_b64: b64, recursive }
        });
        self.client.call::<PostBatch>(&Batch { changes: changes.collect() }, &[])
    }

    fn rename(&self, from: &Path, to: &Path, force: bool) -> Result<Edit> {
        let query = MoveQuery { rename_to: Some(bytes_of(to)), force, ..MoveQuery::default() };
        self.client.ask::<MoveFiles>(&place_of(from), &query)
    }

    fn copy(&self, from: &Path, version: &str, to: &Path, force: bool) -> Result<Edit> {
        let (copy_to, version) = (Some(bytes_of(to)), Some(Word(version.into())));
        let query = MoveQuery { copy_to, version, force, rename_to: None };
        self.client.ask::<MoveFiles>(&place_of(from), &query)
    }

    fn snapshots(&self) -> Result<Showing<Snapshot>> {
        let client = self.client.clone();
        Ok(Box::new(move |each| {
            client.pages::<ListSnapshots, Page<Snapshot>>(b"", PageQuery::default(), each)
        }))
    }

    fn snapshot(
        &self,
        name: &str,
        version: &str,
        metadata: BTreeMap<String, String>,
    ) -> Result<Snapshot> {
        let new = NewSnapshot { name: name.into(), version: Some(version.into()), metadata };
        self.client.call::<CreateSnapshot>(&new, &[])
    }

    fn delete_snapshot(&self, name: &str) -> Result<()> {
        let (place, query) = (name.as_bytes(), NoQuery {});
        self.client.open::<DeleteSnapshot>(place, &query, &[], Payload::Empty).map(drop)
    }

    fn history(&self) -> Result<Showing<HistoryEntry>> {
        let client = self.client.clone();
        Ok(Box::new(move |each| {
            client.pages::<ListHistory, Page<HistoryEntry>>(b"", PageQuery::default(), each)
        }))
    }

    fn log(&self, path: Path) -> Result<Showing<PathVersion>> {
        let client = self.client.clone();
        Ok(Box::new(move |each| {
            let query = ReadQuery { log: true, ..ReadQuery::default() };
            client.pages::<ReadFiles, Page<PathVersion>>(&place_of(&path), query, each)
        }))
    }

    fn changes(&self, between: Between) -> Result<Showing<Change>> {
        let client = self.client.clone();
        let Between { from, to, path } = between;
        Ok(Box::new(move |each| {
            let query = ChangesQuery {
                from: Word(from),
                to: Some(Word(to)),
                path: path.as_ref().map(bytes_of),
                limit: Some(Limit(LIMIT_MAX)),
                ..ChangesQuery::default()
            };
            client.pages::<ListChanges, Changes>(b"", query, each)
        }))
    }

    fn export(
        &self,
        version: &str,
        path: Option<&Path>,
        output: &LocalPath,
        monitor: &Arc<Monitor>,
    ) -> Result<Export> {
        let (hash, path) = (Some(Word(version.into())), path.map(bytes_of));
        let query = ExportQuery { hash, path, ..ExportQuery::default() };
        let mut new = NewFile::create(output)?;
        let (closing, bytes) = fetch::<StreamExport>(&self.client, &query, &mut new, monitor)?;
        new.publish()?;
        Ok(Export {
            version: Digest(closing.target),
            files: closing.files.get(),
            chunks: closing.chunks.get(),
            directories: closing.directories.get(),
            output: output.to_string_lossy().into_owned(),
            bytes,
        })
    }

    fn patch(
        &self,
        between: &Between,
        output: &LocalPath,
        monitor: &Arc<Monitor>,
    ) -> Result<Patch> {
        let (from, to) = (Word(between.from.clone()), Some(Word(between.to.clone())));
        let path = between.path.as_ref().map(bytes_of);
        let query = DiffQuery { from, to, path, with: None };
        let mut new = NewFile::create(output)?;
        let (closing, bytes) = fetch::<StreamPatch>(&self.client, &query, &mut new, monitor)?;
        new.publish()?;
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

    fn import(
        &self,
        files: Vec<PathBuf>,
        wish: &ImportWish,
        monitor: &Arc<Monitor>,
    ) -> Result<Import> {
        let query = ImportQuery {
            promote: wish.promote,
            force: wish.force,
            merge: wish.merge()?.map(|on_conflict| match on_conflict {
                OnConflict::Theirs => backups::OnConflict::Side(backups::Side::Theirs),
                OnConflict::Ours => backups::OnConflict::Side(backups::Side::Ours),
                OnConflict::LeaveOut => backups::OnConflict::Merge(true),
            }),
            snapshot: wish.snapshot.clone().map(Word),
            undo: None,
        };
        backup::look_ahead(&inputs(&files))?;
        match &wish.undo {
            Some(_) if !wish.promote => Err(Error::invalid("undo asks for promote")),
            Some(undo) => self.import_with_undo(&files, &query, undo, monitor),
            None => import(&self.client, inputs(&files), &files, &query, None),
        }
    }

    fn promote(&self, version: &str, expect: Option<&str>) -> Result<Promotion> {
        // The header takes a whole hash; the server knows which one is meant.
        let expect = expect.map(|name| place::version(&self.client, name)).transpose()?;
        promote(&self.client, version, expect)
    }

    fn info(&self) -> Result<Info> {
        self.client.ask::<GetInfo>(b"", &NoQuery {})
    }

    fn verify(&self, deep: bool, monitor: &Arc<Monitor>) -> Result<Verification> {
        jobs::verify(&self.client, deep, monitor)
    }

    fn collect(&self, dry_run: bool, monitor: &Arc<Monitor>) -> Result<Collection> {
        jobs::collect(&self.client, dry_run, monitor)
    }

    fn close(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}
