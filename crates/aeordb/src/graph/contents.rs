//! The proof of what files hold: chunks that end where the chunker cuts, and that have the content
//! hash together. The pool reads and checks chunks, one thread goes through them in file order.

use std::sync::Arc;

use bytes::Bytes;

use crate::error::{Error, Result};
use crate::hash::{Hash, Kind};
use crate::monitor::Monitor;
use crate::object::{FileRecord, ListReader, chunker};
use crate::pool::{Pool, Queue};
use crate::store::ReadEntries;

/// Bytes of chunks that are read at once.
const PIECE_LEN: u64 = 2 * 1024 * 1024;
/// A file may be so much longer than what its list stores, and by so many bytes, to be gone
/// through: lists that name the same nodes again and again unfold to more than anybody can read.
const UNFOLDED_TIMES: u64 = 64;
const UNFOLDED_MORE: u64 = 1024 * 1024 * 1024;

/// Files whose contents are being proved, in order.
pub(super) struct Contents<'a, S> {
    store: &'a S,
    monitor: &'a Monitor,
    under_way: Queue<Part>,
    file: File,
}

enum Part {
    Start(String, Hash),
    Chunks(Result<Vec<Bytes>>),
    End,
}

/// The file that is gone through.
#[derive(Default)]
struct File {
    what: String,
    expected: Hash,
    hasher: blake3::Hasher,
    /// The chunk whose end is not proved yet: the bytes after it decide.
    last: Bytes,
    window: Vec<u8>,
}

impl<'a, S: ReadEntries + Clone + Send + 'static> Contents<'a, S> {
    /// No file yet.
    pub fn new(store: &'a S, pool: &Arc<Pool>, monitor: &'a Monitor) -> Self {
        Contents { store, monitor, under_way: Queue::new(pool), file: File::default() }
    }

    /// Begins to prove a file of several chunks, all of which are here, called `what` in errors.
    /// `listed` are the bytes of the chunks in the different nodes of its list.
    pub fn add(&mut self, what: String, record: &FileRecord, listed: u64) -> Result<()> {
        let most = listed.saturating_mul(UNFOLDED_TIMES).saturating_add(UNFOLDED_MORE);
        if record.size > most {
            self.monitor.warn(format!(
                "{what}: its content hash is not proved: {} bytes repeat what takes {listed}",
                record.size
            ));
            return Ok(());
        }
        self.under_way.note(Part::Start(what, record.content_hash));
        let (mut piece, mut len) = (Vec::new(), 0);
        for chunk in ListReader::new(self.store, &record.content, record.size, 0)? {
            let (_, chunk) = chunk?;
            piece.push(chunk.id);
            len += u64::from(chunk.len);
            if len >= PIECE_LEN {
                self.read(std::mem::take(&mut piece))?;
                len = 0;
            }
        }
        self.read(piece)?;
        self.under_way.note(Part::End);
        Ok(())
    }

    fn read(&mut self, chunks: Vec<crate::hash::ChunkId>) -> Result<()> {
        self.monitor.check()?;
        let store = self.store.clone();
        self.under_way.submit(move || {
            let bytes = chunks.iter().map(|chunk| store.read(Kind::Chunk, chunk.hash()));
            Part::Chunks(bytes.collect())
        });
        while let Some(part) = self.under_way.surplus() {
            self.take(part)?;
        }
        Ok(())
    }

    fn take(&mut self, part: Part) -> Result<()> {
        match part {
            Part::Start(what, expected) => {
                let window = std::mem::take(&mut self.file.window);
                self.file = File { what, expected, window, ..File::default() };
                Ok(())
            }
            Part::Chunks(chunks) => chunks?.into_iter().try_for_each(|chunk| self.file.push(chunk)),
            Part::End => self.file.finish(),
        }
    }

    /// Waits until all that was added is proved.
    pub fn finish(&mut self) -> Result<()> {
        while let Some(part) = self.under_way.take() {
            self.monitor.check()?;
            self.take(part)?;
        }
        Ok(())
    }

    /// Lets go of what was added.
    pub fn clear(&mut self) {
        self.under_way.clear();
    }
}

impl File {
    fn push(&mut self, chunk: Bytes) -> Result<()> {
        if !self.last.is_empty() {
            self.check_cut(&chunk)?;
        }
        self.hasher.update(&chunk);
        self.last = chunk;
        Ok(())
    }

    fn check_cut(&mut self, next: &[u8]) -> Result<()> {
        if chunker::is_cut(&self.last, next, &mut self.window) {
            return Ok(());
        }
        let (chunk, len) = (Hash::of(&self.last), self.last.len());
        let detail = format!("expected chunks where its bytes say, found chunk {chunk} of {len}");
        Err(Error::damaged(self.what.clone(), 0, detail))
    }

    fn finish(&mut self) -> Result<()> {
        self.check_cut(&[])?;
        let found = Hash::new(*self.hasher.finalize().as_bytes());
        if found != self.expected {
            let detail = format!("expected the content hash {}, found {found}", self.expected);
            return Err(Error::damaged(self.what.clone(), 0, detail));
        }
        Ok(())
    }
}
