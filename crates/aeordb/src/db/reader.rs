//! Readers: a database as of one commit.

use std::collections::BTreeMap;
use std::io::{self, Read, Seek, SeekFrom};
use std::sync::Arc;

use bytes::Bytes;

use crate::clock::Clock;
use crate::db::journal::{self, HistoryEntry, Snapshot};
use crate::db::{Database, FileKind, resolve};
use crate::error::{Error, Result};
use crate::graph;
use crate::hash::{Kind, VersionId};
use crate::log::View;
use crate::object::chunker::{ZEROS, ZEROS_ID};
use crate::object::{
    self, AsPath, FileRecord, Item, ListReader, Name, Path, Subdirectory, Version,
};
use crate::pool::Pool;
use crate::store::{ReadEntries, ViewEntries};

/// History is read in pages from its end.
const HISTORY_PAGE: u64 = 256;

/// A database as it was at one commit. Cloning it is cheap.
#[derive(Clone)]
pub struct Reader {
    view: View,
    kind: FileKind,
    pool: Arc<Pool>,
    clock: Clock,
}

impl Reader {
    pub(super) fn new(view: View, database: &Database) -> Self {
        let (pool, clock) = (database.pool().clone(), database.clock().clone());
        Reader { view, kind: database.kind(), pool, clock }
    }

    /// The time, for what is named by how long ago it was.
    pub(super) fn now(&self) -> i64 {
        self.clock.now()
    }

    /// What the file is.
    pub fn kind(&self) -> FileKind {
        self.kind
    }

    /// Where entries are read from.
    #[doc(hidden)]
    pub fn view(&self) -> &View {
        &self.view
    }

    /// The worker threads that long verbs share.
    #[doc(hidden)]
    pub fn pool(&self) -> &Arc<Pool> {
        &self.pool
    }

    /// HEAD; of an export its version, of a patch the version it leads to.
    pub fn head(&self) -> VersionId {
        self.view.root().head.unwrap_or_else(|| Version::empty().id())
    }

    /// The version that a user calls `spec`.
    pub fn resolve(&self, spec: &str) -> Result<VersionId> {
        resolve::resolve(self, spec)
    }

    /// The version that a user calls `spec`; where nothing is called so and it is a time, what HEAD
    /// was then. For what only reads: a name that has gone must not become another version.
    pub fn resolve_or_time(&self, spec: &str) -> Result<VersionId> {
        resolve::resolve_or_time(self, spec)
    }

    /// What a version holds.
    pub fn version(&self, id: &VersionId) -> Result<Version> {
        Version::read(&self.view, id)
    }

    /// What stands at a path; `None` if nothing does.
    pub fn item(&self, version: &VersionId, path: impl AsPath) -> Result<Option<Item>> {
        let path = path.as_path()?;
        let version = self.version(version)?;
        if path.is_root() {
            return Ok(Some(Item::Directory(version.root_directory())));
        }
        object::resolve(&self.view, &version, &path)
    }

    /// The directory at a path.
    pub fn directory(&self, version: &VersionId, path: impl AsPath) -> Result<Subdirectory> {
        let path = path.as_path()?;
        match self.item(version, &*path)? {
            Some(Item::Directory(directory)) => Ok(directory),
            Some(_) => Err(Error::invalid(format!("{path} is not a directory"))),
            None => Err(Error::not_found(path.to_string())),
        }
    }

    /// The entries of a directory, in the order of their names' bytes, from the first name after
    /// `after`.
    pub fn list<P: AsPath>(
        &self,
        version: &VersionId,
        path: P,
        after: Option<&[u8]>,
    ) -> Result<impl Iterator<Item = Result<(Name, Item)>> + use<'_, P>> {
        let directory = self.directory(version, path)?;
        graph::entries(&self.view, &directory.root, after)
    }

    /// Everything below a directory, each directory before what it holds.
    pub fn walk<P: AsPath>(
        &self,
        version: &VersionId,
        path: P,
    ) -> Result<impl Iterator<Item = Result<(Path, Item)>> + use<'_, P>> {
        self.walk_after(version, &*path.as_path()?, &[])
    }

    /// Everything below a directory after the place that the names `after` lead to, whether or not
    /// anything is there.
    pub fn walk_after(
        &self,
        version: &VersionId,
        path: &Path,
        after: &[&[u8]],
    ) -> Result<impl Iterator<Item = Result<(Path, Item)>> + use<'_>> {
        let directory = self.directory(version, path)?;
        graph::walk(&self.view, path, &directory.root, after)
    }

    /// The bytes of the file at a path; [`Error::NotFound`] if nothing is there, [`Error::Invalid`] if it
    /// is no file.
    pub fn open(&self, version: &VersionId, path: impl AsPath) -> Result<FileReader> {
        let path = path.as_path()?;
        match self.item(version, &*path)? {
            Some(Item::File(record)) => Ok(self.file(&record)),
            Some(_) => Err(Error::invalid(format!("{path} is not a file"))),
            None => Err(Error::not_found(format!("{path} in version {version}"))),
        }
    }

    /// The bytes of a file.
    pub fn file(&self, record: &FileRecord) -> FileReader {
        FileReader {
            view: self.view.clone(),
            record: record.clone(),
            position: 0,
            chunk: Bytes::new(),
            chunk_start: 0,
        }
    }

    /// All snapshots, by name.
    pub fn snapshots(&self) -> Result<Vec<Snapshot>> {
        journal::snapshots(&self.view, self.view.root())
    }

    /// The numbers of the commits that made snapshots, by name, where they are known.
    pub fn snapshots_made(&self) -> Result<BTreeMap<String, u64>> {
        journal::made(&self.view, self.view.root())
    }

    /// The snapshot of this name.
    pub fn snapshot(&self, name: &str) -> Result<Option<Snapshot>> {
        journal::snapshot(&self.view, self.view.root(), name)
    }

    /// The system data whose keys start with `prefix`, in the order of keys.
    pub fn system(&self, prefix: &[u8]) -> Result<Vec<(Bytes, Bytes)>> {
        journal::system(&self.view, &self.view.root().system, prefix)
    }

    /// Number of entries of history.
    pub fn history_len(&self) -> Result<u64> {
        journal::len(&self.view, &self.view.root().history)
    }

    /// History, newest first.
    pub fn history(&self) -> Result<impl Iterator<Item = Result<HistoryEntry>> + '_> {
        self.history_before(None)
    }

    /// History before the entry of this number, newest first.
    pub fn history_before(
        &self,
        before: Option<u64>,
    ) -> Result<impl Iterator<Item = Result<HistoryEntry>> + '_> {
        let newest = self.view.root().sequence + 1;
        let mut end = before.map_or(newest, |before| before.min(newest));
        let mut page_len = HISTORY_PAGE;
        let mut page: Vec<HistoryEntry> = Vec::new();
        Ok(std::iter::from_fn(move || {
            while page.is_empty() && end > 0 {
                let start = end.saturating_sub(page_len);
                match journal::history(&self.view, &self.view.root().history, start..end) {
                    Ok(read) => page = read,
                    Err(error) => {
                        end = 0;
                        return Some(Err(error));
                    }
                }
                end = start;
                // Most commits may be of another sort than those that history is about.
                page_len = if page.is_empty() { page_len * 2 } else { HISTORY_PAGE };
            }
            page.pop().map(Ok)
        }))
    }
}

/// The bytes of a file: every chunk is verified before it is given out.
pub struct FileReader {
    view: View,
    record: FileRecord,
    position: u64,
    chunk: Bytes,
    chunk_start: u64,
}

impl FileReader {
    /// The next bytes, as many as are at hand; empty at the end of the file.
    pub fn next_bytes(&mut self) -> Result<Bytes> {
        if self.position >= self.record.size {
            return Ok(Bytes::new());
        }
        let within = self.position.checked_sub(self.chunk_start);
        let within = within.filter(|within| *within < self.chunk.len() as u64);
        let within = match within {
            Some(within) => within,
            None => self.load()?,
        };
        let bytes = self.chunk.slice(usize::try_from(within).unwrap_or(usize::MAX)..);
        self.position += bytes.len() as u64;
        Ok(bytes)
    }

    /// Loads the chunk at the position; returns the position in it.
    fn load(&mut self) -> Result<u64> {
        let FileRecord { content, size, .. } = &self.record;
        let mut chunks = ListReader::new(&self.view, content, *size, self.position)?;
        let short =
            || Error::damaged("a chunk list", 0, format!("no chunk for offset {}", self.position));
        let (start, chunk) = chunks.next().transpose()?.ok_or_else(short)?;
        // Files with holes have many of those, and their name says what they are.
        let bytes = match chunk.id == *ZEROS_ID {
            true => Bytes::from_static(&ZEROS),
            false => self.view.read(Kind::Chunk, &chunk.id.0)?,
        };
        if bytes.len() as u64 != u64::from(chunk.len) || self.position < start {
            let detail = format!("chunk {} has {} bytes, not {}", chunk.id, bytes.len(), chunk.len);
            return Err(Error::damaged("a chunk list", 0, detail));
        }
        self.chunk = bytes;
        self.chunk_start = start;
        Ok(self.position - start)
    }
}

impl Read for FileReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        let bytes = self.next_bytes().map_err(io::Error::other)?;
        let len = bytes.len().min(buffer.len());
        let (Some(into), Some(from)) = (buffer.get_mut(..len), bytes.get(..len)) else {
            return Ok(0);
        };
        into.copy_from_slice(from);
        self.position -= (bytes.len() - len) as u64;
        Ok(len)
    }
}

impl Seek for FileReader {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::Current(by) => self.position.checked_add_signed(by),
            SeekFrom::End(by) => self.record.size.checked_add_signed(by),
        };
        self.position = position.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.position)
    }
}
