//! Readers: a database as of one commit.

use std::io::{self, Read, Seek, SeekFrom};
use std::sync::Arc;

use bytes::Bytes;

use crate::crew::Crew;
use crate::db::journal::{self, HistoryEntry, Snapshot};
use crate::db::{FileKind, resolve};
use crate::error::{Error, Result};
use crate::graph;
use crate::hash::{Kind, VersionId};
use crate::log::View;
use crate::object::{self, FileRecord, Item, ListReader, Name, Path, Subdirectory, Version};
use crate::store::{ReadEntries, ViewEntries};

/// History is read in pages from its end.
const HISTORY_PAGE: u64 = 256;

/// A database as it was at one commit. Cloning it is cheap.
#[derive(Clone)]
pub struct Reader {
    view: View,
    kind: FileKind,
    crew: Arc<Crew>,
}

impl Reader {
    pub(super) fn new(view: View, kind: FileKind, crew: Arc<Crew>) -> Self {
        Reader { view, kind, crew }
    }

    /// What the file is.
    pub fn kind(&self) -> FileKind {
        self.kind
    }

    /// Where entries are read from.
    pub fn view(&self) -> &View {
        &self.view
    }

    /// The worker threads that long verbs share.
    pub fn crew(&self) -> &Arc<Crew> {
        &self.crew
    }

    /// HEAD; of an export its version, of a patch the version it leads to.
    pub fn head(&self) -> VersionId {
        self.view.root().head.unwrap_or_else(|| Version::empty().id())
    }

    /// The version that a user calls `spec`.
    pub fn resolve(&self, spec: &str) -> Result<VersionId> {
        resolve::resolve(self, spec)
    }

    /// What a version holds.
    pub fn version(&self, id: &VersionId) -> Result<Version> {
        Version::read(&self.view, id)
    }

    /// What stands at a path; `None` if nothing does.
    pub fn item(&self, version: &VersionId, path: &Path) -> Result<Option<Item>> {
        let version = self.version(version)?;
        if path.is_root() {
            return Ok(Some(Item::Directory(version.root_directory())));
        }
        object::resolve(&self.view, &version, path)
    }

    /// The directory at a path.
    pub fn directory(&self, version: &VersionId, path: &Path) -> Result<Subdirectory> {
        match self.item(version, path)? {
            Some(Item::Directory(directory)) => Ok(directory),
            Some(_) => Err(Error::invalid(format!("{path} is not a directory"))),
            None => Err(Error::not_found(path.to_string())),
        }
    }

    /// The entries of a directory, in the order of their names' bytes, from the first name after
    /// `after`.
    pub fn list(
        &self,
        version: &VersionId,
        path: &Path,
        after: Option<&[u8]>,
    ) -> Result<impl Iterator<Item = Result<(Name, Item)>> + '_> {
        let directory = self.directory(version, path)?;
        graph::entries(&self.view, &directory.root, after)
    }

    /// Everything below a directory, each directory before what it holds.
    pub fn walk(
        &self,
        version: &VersionId,
        path: &Path,
    ) -> Result<impl Iterator<Item = Result<(Path, Item)>> + use<'_>> {
        self.walk_after(version, path, &[])
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
        journal::snapshots(&self.view, &self.view.root().snapshots)
    }

    /// The snapshot of this name.
    pub fn snapshot(&self, name: &str) -> Result<Option<Snapshot>> {
        journal::snapshot(&self.view, &self.view.root().snapshots, name)
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
        let bytes = self.view.read(Kind::Chunk, &chunk.id.0)?;
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
