//! Files whose bytes come slowly: chunks are written in batches, and nobody else waits for a
//! sender. Nothing is visible before an edit puts the finished records somewhere.

use std::sync::Arc;

use crate::db::batches::{Batches, Leads};
use crate::db::edit::Edit;
use crate::db::{Database, Draft};
use crate::error::Result;
use crate::hash::{ChunkId, Hash, Kind};
use crate::object::chunker::Chunker;
use crate::object::{ChunkRef, Content, FileRecord, ListBuilder, Totals};
use crate::store::AppendEntries;

/// Takes in the bytes of one file after another, in any pieces.
pub struct Upload {
    pub(super) batches: Batches,
    chunker: Chunker,
    list: ListBuilder,
    content: blake3::Hasher,
    size: u64,
    files: Vec<(Content, u64)>,
}

impl Upload {
    /// An upload into `database`, at the start of its first file.
    pub fn new(database: Arc<Database>) -> Self {
        Upload {
            batches: Batches::new(database),
            chunker: Chunker::new(),
            list: ListBuilder::new(),
            content: blake3::Hasher::new(),
            size: 0,
            files: Vec::new(),
        }
    }

    /// Adds the next bytes of the file. Holds the writer's lock only while a full batch is
    /// written.
    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.content.update(bytes);
        self.size += bytes.len() as u64;
        let Upload { chunker, list, batches, .. } = self;
        chunker.push(bytes, |chunk| add(list, batches, chunk))
    }

    /// Ends the file, and begins the next one.
    pub fn finish_file(&mut self) -> Result<FileRecord> {
        let record = self.end_file()?;
        self.files.push((record.content.clone(), record.size));
        Ok(record)
    }

    /// The same, of a file that a tree leads to.
    pub(super) fn end_file(&mut self) -> Result<FileRecord> {
        let Upload { chunker, list, batches, .. } = self;
        chunker.finish(|chunk| add(list, batches, chunk))?;
        let content = std::mem::take(list).finish(batches)?;
        let size = std::mem::take(&mut self.size);
        let hash = Hash::new(*self.content.finalize().as_bytes());
        self.content.reset();
        Ok(FileRecord::new(size, hash, content))
    }

    /// The edit that makes the files visible by `plan`.
    pub fn into_edit(
        self,
        what: &'static str,
        plan: impl Fn(&mut Draft<'_, '_>) -> Result<Totals> + Send + 'static,
    ) -> Edit {
        let mut edit = Edit::new(what, plan);
        (edit.entries, edit.uploaded) = self.batches.end(Leads::Files(self.files));
        edit
    }
}

fn add(list: &mut ListBuilder, batches: &mut Batches, chunk: &[u8]) -> Result<()> {
    let id = ChunkId(batches.append(Kind::Chunk, chunk)?);
    let len = u32::try_from(chunk.len()).unwrap_or(u32::MAX);
    list.push(batches, ChunkRef { id, len })
}
