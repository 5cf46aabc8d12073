//! Copies the entries of one sealed file into a database, every one of them hashed.

use std::cell::{Cell, RefCell};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use crate::backup::delta::{Decoded, decode};
use crate::backup::listing::{Sum, Tally};
use crate::db::Writer;
use crate::error::{Error, Result};
use crate::format::change_list::ChangeList;
use crate::format::link::Link;
use crate::format::seal::Closing;
use crate::hash::{Hash, Kind, VersionId};
use crate::limits::CHUNK_BLOCK_LEN_TARGET;
use crate::log::stream::{Delta, Part, StreamReader};
use crate::monitor::Monitor;
use crate::object::chunker;
use crate::pool::{Pool, Queue};
use crate::store::{RawBlock, ReadEntries, Transaction};

/// Bytes of what comes out of the blocks and deltas that are under way.
const UNDER_WAY_LEN_MAX: usize = 48 * 1024 * 1024;
/// A delta that refers to more bytes than this is decoded while no other such is.
const LARGE_LEN: usize = 8 * 1024 * 1024;

/// What was copied out of a file.
pub struct Copied {
    /// The file's closing superblock.
    pub closing: Closing,
    /// What its list of changes comes to.
    pub sum: Sum,
    /// Entries that the database did not have.
    pub new_entries: u64,
}

/// An entry that has its name.
pub type Named = (Kind, Hash, Bytes);

/// What came out of a block or a delta.
enum Checked {
    Block(Box<RawBlock>, Vec<Named>),
    Delta(Vec<Named>),
    /// A delta that refers to what is not written yet, and the name of its file.
    Early(String, Box<Delta>),
}

/// The copy of one file.
pub struct Copy<'a, 'd> {
    pool: Arc<Pool>,
    writer: &'a mut Writer<'d>,
    monitor: &'a Monitor,
    /// Blocks and deltas that are being checked, and the bytes that they take.
    under_way: Queue<Result<Checked>>,
    large: Arc<Mutex<()>>,
    /// The versions that what is being read leads from and to.
    base: VersionId,
    target: VersionId,
    linked: bool,
    entries: u64,
    chunks: u64,
    raw_bytes: u64,
    stored_bytes: u64,
    new_entries: u64,
    tally: Tally,
}

/// Copies what `stream` holds.
pub fn copy(
    writer: &mut Writer<'_>,
    stream: &mut StreamReader<'_>,
    monitor: &Monitor,
) -> Result<Copied> {
    let superblock = stream.superblock();
    writer.entries().require(superblock.features());
    let pool = writer.database().pool().clone();
    let copy = Copy {
        base: VersionId(Hash::new(superblock.base)),
        target: VersionId(Hash::new(superblock.target)),
        writer,
        monitor,
        under_way: Queue::new(&pool),
        pool,
        large: Arc::default(),
        linked: false,
        entries: 0,
        chunks: 0,
        raw_bytes: 0,
        stored_bytes: 0,
        new_entries: 0,
        tally: Tally::default(),
    };
    copy.run(stream)
}

impl Copy<'_, '_> {
    fn run(mut self, stream: &mut StreamReader<'_>) -> Result<Copied> {
        loop {
            self.monitor.check()?;
            let name = stream.name().to_owned();
            match stream.next_part()? {
                Part::Block(at, block) => {
                    self.stored_bytes += block.frame.len() as u64;
                    let len = block.frame.len() + block.head.raw_len;
                    self.submit(len, move || {
                        let checked = check_block(at, &block).map_err(|e| e.in_file(&name))?;
                        Ok(Checked::Block(Box::new(block), checked))
                    })?;
                }
                Part::Delta(delta) => self.delta(name, delta)?,
                Part::Changes(changes) => tally(&mut self.tally, changes, &name, stream.offset())?,
                Part::Link(at, link) => self.link(&name, at, &link)?,
                Part::Unopened(_) => {
                    return Err(Error::encrypted(name, "nothing of it was opened"));
                }
                Part::End(closing) => {
                    self.take_until(0, 0)?;
                    return self.end(stream, *closing);
                }
            }
        }
    }

    fn end(self, stream: &StreamReader<'_>, closing: Closing) -> Result<Copied> {
        let damaged = |detail| Err(Error::damaged(stream.name(), closing.offset.get(), detail));
        for (what, promised, found) in [
            ("entries", closing.entries.get(), self.entries),
            ("chunks", closing.chunks.get(), self.chunks),
            ("bytes of entries", closing.raw_bytes.get(), self.raw_bytes),
            ("bytes of blocks", closing.stored_bytes.get(), self.stored_bytes),
        ] {
            if promised != found {
                return damaged(format!("it promises {promised} {what} and has {found}"));
            }
        }
        if *self.target.0.as_bytes() != closing.target {
            return damaged(format!("its last link leads to version {}", self.target));
        }
        Ok(Copied { closing, sum: self.tally.finish(), new_entries: self.new_entries })
    }

    /// The next patch of several that are in one file: it starts where the one before ends.
    fn link(&mut self, name: &str, at: u64, link: &Link) -> Result<()> {
        let base = VersionId(Hash::new(link.base));
        let expected = if self.linked { self.target } else { self.base };
        if base != expected || (self.entries > 0 || !self.under_way.is_empty()) && !self.linked {
            let detail = format!("expected a link from version {expected}, found one from {base}");
            return Err(Error::damaged(name, at, detail));
        }
        self.take_until(0, 0)?;
        // What the next patch refers to is found where it is written.
        self.writer.entries().flush()?;
        self.linked = true;
        self.base = base;
        self.target = VersionId(Hash::new(link.target));
        Ok(())
    }

    fn submit(
        &mut self,
        len: usize,
        job: impl FnOnce() -> Result<Checked> + Send + 'static,
    ) -> Result<()> {
        self.take_until(self.pool.depth(), UNDER_WAY_LEN_MAX.saturating_sub(len) as u64)?;
        self.under_way.submit_sized(len as u64, job);
        Ok(())
    }

    /// Waits until so many jobs with so many bytes are left under way.
    fn take_until(&mut self, jobs: usize, len: u64) -> Result<()> {
        while let Some(checked) = self.under_way.surplus_over(jobs, len) {
            self.take(checked?)?;
        }
        Ok(())
    }

    /// What a delta refers to is in the file already, as a rule.
    fn delta(&mut self, name: String, delta: Delta) -> Result<()> {
        self.stored_bytes += delta.frame.len() as u64;
        let written = self.writer.entries().written();
        let large = self.large.clone();
        self.submit(delta.frame.len() + delta.raw_len(), move || {
            let decoded = decode_within(&large, &delta, &written).map_err(|e| e.in_file(&name))?;
            Ok(match decoded {
                Decoded::Entries(entries) => Checked::Delta(entries),
                Decoded::Missing(_) => Checked::Early(name, Box::new(delta)),
            })
        })
    }

    /// A delta that refers to what stands shortly before it.
    fn early(&mut self, name: &str, delta: &Delta) -> Result<Vec<Named>> {
        let appender = self.writer.entries();
        match decode_within(&self.large, delta, appender).map_err(|error| error.in_file(name))? {
            Decoded::Entries(entries) => Ok(entries),
            Decoded::Missing(missing) => {
                let (version, supplier) = (self.target, Some(self.base));
                Err(Error::Incomplete { version, missing, supplier })
            }
        }
    }

    fn take(&mut self, checked: Checked) -> Result<()> {
        let (block, entries) = match checked {
            Checked::Block(block, entries) => (Some(block), entries),
            Checked::Delta(entries) => (None, entries),
            Checked::Early(name, delta) => (None, self.early(&name, &delta)?),
        };
        self.entries += entries.len() as u64;
        for (kind, _, bytes) in &entries {
            self.chunks += u64::from(*kind == Kind::Chunk);
            self.raw_bytes += bytes.len() as u64;
        }
        let appender = self.writer.entries();
        if let Some(block) = block
            && block.head.raw_len >= CHUNK_BLOCK_LEN_TARGET / 2
            && self.pool.compression().is_usual()
        {
            let mut all_new = true;
            for (_, hash, _) in &entries {
                all_new = all_new && !appender.contains(hash)?;
            }
            if all_new {
                self.new_entries += entries.len() as u64;
                self.monitor.advance(0, block.head.raw_len as u64);
                return appender.append_block(&block);
            }
        }
        for (kind, hash, bytes) in entries {
            self.monitor.advance(0, bytes.len() as u64);
            self.new_entries += u64::from(appender.append_hashed(kind, hash, &bytes)?);
        }
        Ok(())
    }
}

/// Adds a part of a list of changes, which ends at `end`.
pub fn tally(tally: &mut Tally, changes: ChangeList, name: &str, end: u64) -> Result<()> {
    for change in changes {
        let added = change.map_err(|error| error.in_file(name)).and_then(|c| tally.add(&c));
        added.map_err(|error| match error {
            Error::Invalid(detail) => {
                let detail = format!("a list of changes that ends here: {detail}");
                Error::damaged(name, end, detail)
            }
            other => other,
        })?;
    }
    Ok(())
}

/// The entries of a block, each held against its name.
pub fn check_block(at: u64, block: &RawBlock) -> Result<Vec<Named>> {
    let decoded = block.decode(at)?;
    let mut entries = Vec::with_capacity(block.head.entries.len());
    for (ordinal, entry) in block.head.entries.iter().enumerate() {
        if entry.kind == Kind::System {
            return Err(Error::damaged("", at, "a node of a system map in a sealed file"));
        }
        entries.push((entry.kind, entry.hash, decoded.verified(ordinal, at)?));
    }
    check_cuts(at, &entries)?;
    // Two entries of one name in a block would make a copy of it a block that no packer writes.
    let mut names: Vec<_> = entries.iter().map(|(_, hash, _)| hash).collect();
    names.sort_unstable();
    if names.windows(2).any(|pair| pair.first() == pair.last()) {
        return Err(Error::damaged("", at, "a block with two entries of one name"));
    }
    Ok(entries)
}

/// Whether this can be an entry of its kind, as far as its bytes tell: the chunker ends no chunk
/// before its end. That it ends there is proved where it is used.
pub fn can_be(kind: Kind, bytes: &[u8]) -> bool {
    kind != Kind::Chunk || chunker::is_cut(bytes, &[], &mut Vec::new())
}

/// What is wrong with a chunk that can be none.
pub fn uncut(hash: &Hash) -> String {
    format!("chunk {hash} is none: its bytes make more than one")
}

fn check_cuts(at: u64, entries: &[Named]) -> Result<()> {
    let wrong = entries.iter().find(|(kind, _, bytes)| !can_be(*kind, bytes));
    wrong.map_or(Ok(()), |(_, hash, _)| Err(Error::damaged("", at, uncut(hash))))
}

/// Decodes a delta against what `store` has. Of those that refer to much, one at a time: the others
/// wait, so that memory does not grow with the number of threads.
fn decode_within<S: ReadEntries>(large: &Mutex<()>, delta: &Delta, store: &S) -> Result<Decoded> {
    let referred = Cell::new(0);
    let alone = RefCell::new(None);
    let read = |kind, hash: &Hash| match store.read(kind, hash) {
        Ok(bytes) => {
            referred.set(referred.get() + bytes.len());
            if referred.get() > LARGE_LEN && alone.borrow().is_none() {
                alone.replace(Some(large.lock().unwrap_or_else(PoisonError::into_inner)));
            }
            Ok(Some(bytes))
        }
        Err(Error::NotFound(_)) => Ok(None),
        Err(error) => Err(error),
    };
    let decoded = decode(delta, &read)?;
    if let Decoded::Entries(entries) = &decoded {
        check_cuts(delta.at, entries)?;
    }
    Ok(decoded)
}
