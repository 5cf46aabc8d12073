//! Files whose bytes come slowly: chunks are written in batches, and nobody else waits for a
//! sender. Nothing is visible before an edit puts the finished records somewhere.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use crate::db::edit::{Edit, Entry};
use crate::db::{Database, Draft, Writer};
use crate::error::{Error, Result};
use crate::hash::{ChunkId, Hash, Kind};
use crate::object::chunker::Chunker;
use crate::object::{ChunkRef, Content, FileRecord, ListBuilder, Reference, Totals, list};
use crate::store::{AppendEntries, Place, ReadEntries};

/// Bytes that are collected before they are written. An upload that stays below is written by
/// the commit that it ends in.
const BATCH_LEN: usize = 4 * 1024 * 1024;

/// Where the uploads under way began to write: a collection keeps every block from there on.
#[derive(Default)]
pub struct Uploads(Mutex<BTreeMap<u64, usize>>);

impl Uploads {
    /// The first byte that an upload under way may have written.
    pub fn start(&self) -> Option<u64> {
        let begun = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        begun.keys().next().copied()
    }
}

/// What an upload wrote before its edit, kept from collection.
pub(super) struct Uploaded {
    uploads: Arc<Uploads>,
    start: u64,
    epoch: u64,
    files: Vec<(Content, u64)>,
}

impl Uploaded {
    fn begin(uploads: &Arc<Uploads>, start: u64, epoch: u64) -> Self {
        let mut begun = uploads.0.lock().unwrap_or_else(PoisonError::into_inner);
        *begun.entry(start).or_default() += 1;
        Uploaded { uploads: uploads.clone(), start, epoch, files: Vec::new() }
    }

    /// Makes sure that everything is still there. A collection keeps what an upload wrote, but not
    /// what the upload only met: a dead chunk with the same bytes.
    pub fn check(&self, writer: &Writer<'_>) -> Result<()> {
        if writer.root().epoch == self.epoch {
            return Ok(());
        }
        for (content, size) in &self.files {
            let here = |found: Reference<'_>| match writer.locate(found.entry().1)? {
                Some(_) => Ok(true),
                None => Err(Error::Interrupted),
            };
            list::verify_list(writer, content, *size, here).map_err(|error| match error {
                Error::NotFound(_) => Error::Interrupted,
                other => other,
            })?;
        }
        Ok(())
    }
}

impl Drop for Uploaded {
    fn drop(&mut self) {
        let mut begun = self.uploads.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = begun.get_mut(&self.start) {
            *count -= 1;
            if *count == 0 {
                begun.remove(&self.start);
            }
        }
    }
}

/// Entries that are not written yet.
#[derive(Default)]
struct Batch {
    entries: Vec<Entry>,
    bytes: usize,
}

impl ReadEntries for Batch {
    fn locate(&self, _: &Hash) -> Result<Option<Place>> {
        Ok(None)
    }

    fn read(&self, kind: Kind, hash: &Hash) -> Result<Bytes> {
        Err(Error::not_found(format!("{} {hash}", kind.name())))
    }

    fn number_limit(&self) -> u64 {
        0
    }
}

impl AppendEntries for Batch {
    fn append(&mut self, kind: Kind, encoding: &[u8]) -> Result<Hash> {
        let hash = kind.hash(encoding);
        self.entries.push((kind, hash, Bytes::copy_from_slice(encoding)));
        self.bytes += encoding.len();
        Ok(hash)
    }
}

/// Takes in the bytes of one file after another, in any pieces.
pub struct Upload {
    database: Arc<Database>,
    batch: Batch,
    written: Option<Uploaded>,
    chunker: Chunker,
    list: ListBuilder,
    content: blake3::Hasher,
    size: u64,
}

impl Upload {
    /// An upload into `database`, at the start of its first file.
    pub fn new(database: Arc<Database>) -> Self {
        Upload {
            database,
            batch: Batch::default(),
            written: None,
            chunker: Chunker::new(),
            list: ListBuilder::new(),
            content: blake3::Hasher::new(),
            size: 0,
        }
    }

    /// Adds the next bytes of the file. Holds the writer's lock only while a full batch is
    /// written.
    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.content.update(bytes);
        self.size += bytes.len() as u64;
        let Upload { chunker, list, batch, .. } = self;
        chunker.push(bytes, |chunk| add(list, batch, chunk))?;
        if self.batch.bytes >= BATCH_LEN { self.flush() } else { Ok(()) }
    }

    /// Ends the file, and begins the next one.
    pub fn finish_file(&mut self) -> Result<FileRecord> {
        let Upload { chunker, list, batch, .. } = self;
        chunker.finish(|chunk| add(list, batch, chunk))?;
        let content = std::mem::take(list).finish(batch)?;
        let size = std::mem::take(&mut self.size);
        let hash = Hash::new(*self.content.finalize().as_bytes());
        self.content.reset();
        if let Some(written) = &mut self.written {
            written.files.push((content.clone(), size));
        }
        Ok(FileRecord::new(size, hash, content))
    }

    /// The edit that makes the files visible by `plan`.
    pub fn into_edit(
        self,
        what: &'static str,
        plan: impl Fn(&mut Draft<'_, '_>) -> Result<Totals> + Send + 'static,
    ) -> Edit {
        let mut edit = Edit::new(what, plan);
        edit.entries = self.batch.entries;
        edit.uploaded = self.written;
        edit
    }

    /// Writes what was collected. It is durable then, so that no other writer that gives up takes
    /// it along, and nothing reaches it.
    fn flush(&mut self) -> Result<()> {
        let batch = std::mem::take(&mut self.batch);
        let mut writer = self.database.writer()?;
        if self.written.is_none() {
            let (start, epoch) = (writer.entries().end(), writer.root().epoch);
            self.written = Some(Uploaded::begin(self.database.uploads(), start, epoch));
        }
        for (kind, hash, bytes) in &batch.entries {
            writer.entries().append_hashed(*kind, *hash, bytes)?;
        }
        if writer.entries().is_dirty() { writer.commit().map(drop) } else { Ok(()) }
    }
}

fn add(list: &mut ListBuilder, batch: &mut Batch, chunk: &[u8]) -> Result<()> {
    let id = ChunkId(batch.append(Kind::Chunk, chunk)?);
    let len = u32::try_from(chunk.len()).unwrap_or(u32::MAX);
    list.push(batch, ChunkRef { id, len })
}
