//! The one writer of a database: appends entries, commits, writes checkpoints.

mod compacted;
mod tail;

use std::sync::{Arc, PoisonError, RwLock};

use bytes::Bytes;
use zerocopy::IntoBytes;

use crate::clock::Clock;
use crate::crew::Crew;
use crate::error::{Context, Error, Result};
use crate::format::FrameHeader;
use crate::format::checkpoint::{Checkpoint, VoidRef};
use crate::format::commit::{COMMIT_FRAME_LEN, Commit, Seal};
use crate::format::run::Record;
use crate::format::superblock::{DATABASE_START, SLOTS};
use crate::hash::{Hash, Kind};
use crate::limits::{CHECKPOINT_INTERVAL, RECENT_ENTRIES_MAX};
use crate::log::index::Index;
use crate::log::layers::{self, Below};
use crate::log::packer::{Packed, Packer};
use crate::log::recover::{Root, State};
use crate::log::run_writer;
use crate::log::source::{RawBlock, Source};
use crate::log::{Published, WRITER_LOCK};
use crate::store::{AppendEntries, Bitmap, Place, ReadEntries};

/// A tail shorter than this is not worth a checkpoint at close: replaying it is a few reads.
const TAIL_LEN_AT_CLOSE: u64 = 1024 * 1024;

/// Appends to a database. There is one in the world for a file: it holds the writer's lock.
pub struct Appender {
    source: Arc<Source>,
    published: Arc<RwLock<Arc<Published>>>,
    clock: Clock,
    packer: Packer,
    crew: Arc<Crew>,
    state: State,
    /// The index with what was appended since the last commit.
    index: Arc<Index>,
    /// What reads fall through to; such a log ends with the process and is never synced.
    below: Option<Below>,
    /// Where the next frame goes.
    end: u64,
    seal: Seal,
    /// Set once a sync failed: what is on the disk is unknown then, and syncing again would only
    /// pretend that it is known.
    latched: Option<String>,
    /// Set when a write failed: nothing is appended before the attempt was rolled back.
    broken: bool,
}

impl Appender {
    /// The appender of an opened database whose writer's lock is held. Cuts off a torn tail, and
    /// secures one that is not proven to be on the disk.
    pub fn new(
        source: Arc<Source>,
        published: Arc<RwLock<Arc<Published>>>,
        state: State,
        crew: Arc<Crew>,
        clock: Clock,
    ) -> Result<Self> {
        let mut appender = Appender {
            packer: Packer::new(crew.clone()),
            index: state.index.clone(),
            end: state.end,
            source,
            published,
            clock,
            crew,
            below: None,
            state,
            seal: Seal::new(),
            latched: None,
            broken: false,
        };
        if appender.source.file_len()? > appender.end {
            // Synced, so that a commit which was torn stays away once it was seen to be.
            appender.cut_tail()?;
            appender.sync()?;
        }
        if appender.state.one_slot {
            appender.write_superblock()?;
        }
        let State { end, proven_to, not_indexed_to, .. } = &appender.state;
        if end > proven_to || not_indexed_to.is_some() {
            appender.restore()?;
        }
        Ok(appender)
    }

    /// Lets reads fall through to another file.
    pub(super) fn over(mut self, below: Below) -> Self {
        self.below = Some(below);
        self
    }

    /// The index with what was written since the last commit.
    pub fn index(&self) -> &Arc<Index> {
        &self.index
    }

    /// What the last commit made visible.
    pub fn root(&self) -> &Root {
        &self.state.root
    }

    /// Bytes of the file, with what is appended and not yet committed.
    pub fn end(&self) -> u64 {
        self.end
    }

    /// The checkpoint's facts, for collection.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Where bytes are read from.
    pub fn source(&self) -> &Arc<Source> {
        &self.source
    }

    /// [`Error::ReadOnly`] once nothing can be written until the file is opened again.
    pub fn check_usable(&self) -> Result<()> {
        self.usable()
    }

    fn usable(&self) -> Result<()> {
        if let Some(why) = &self.latched {
            let what = self.source.name().to_owned();
            return Err(Error::ReadOnly { what, why: why.clone() });
        }
        if self.broken {
            let what = self.source.name().to_owned();
            let why = "an earlier write of the same attempt failed".into();
            return Err(Error::ReadOnly { what, why });
        }
        Ok(())
    }

    /// Adds an entry whose name is known. Returns whether it was new.
    pub fn append_hashed(&mut self, kind: Kind, hash: Hash, encoding: &[u8]) -> Result<bool> {
        self.usable()?;
        if self.contains(&hash)? {
            return Ok(false);
        }
        self.packer.push(kind, hash, encoding);
        self.drain(false)?;
        Ok(true)
    }

    /// Prepares for [`Appender::append_again`]: readers, and a rollback, keep the index as it is.
    pub fn fork_index(&mut self) {
        self.index = Arc::new(self.index.fork());
    }

    /// Adds an entry that is here already, so that it is found in a new place.
    pub fn append_again(&mut self, kind: Kind, hash: Hash, encoding: &[u8]) -> Result<()> {
        self.usable()?;
        self.packer.push(kind, hash, encoding);
        self.drain(false)
    }

    /// Adds a block as it is. The caller has verified its entries, and that none is here yet.
    pub fn append_block(&mut self, block: &RawBlock) -> Result<()> {
        self.usable()?;
        self.packer.push_block(block);
        self.drain(false)
    }

    /// True if the entry is here, written or not.
    pub fn contains(&self, hash: &Hash) -> Result<bool> {
        Ok(self.packer.contains(hash) || self.locate(hash)?.is_some())
    }

    /// Writes what is packed, so that a later commit has little left to do.
    pub fn flush(&mut self) -> Result<()> {
        self.packer.close_all();
        self.drain(true)
    }

    fn drain(&mut self, all: bool) -> Result<()> {
        while let Some(packed) = self.packer.next(all) {
            let written = packed.and_then(|packed| self.write_block(packed));
            if written.is_err() {
                self.broken = true;
                return written;
            }
        }
        Ok(())
    }

    fn write_block(&mut self, packed: Packed) -> Result<()> {
        let offset = self.end;
        self.write(&packed.frame, offset)?;
        self.seal.add(offset, &packed.hash);
        self.end += packed.frame.len() as u64;
        self.index.add(packed.entries.iter().map(|entry| entry.hash), offset, packed.tag());
        self.packer.written(&packed);
        if self.index.recent_len() >= RECENT_ENTRIES_MAX {
            self.write_recent()?;
        }
        Ok(())
    }

    fn write(&self, bytes: &[u8], offset: u64) -> Result<()> {
        write(&self.source, bytes, offset)
    }

    /// Gives back what stands after the last commit.
    fn cut_tail(&self) -> Result<()> {
        let name = self.source.name();
        let media = self.source.media();
        media.set_len(self.end).context(|| format!("cutting {name} to {} bytes", self.end))
    }

    fn sync(&mut self) -> Result<()> {
        if self.below.is_some() {
            return Ok(());
        }
        let synced = self.source.sync();
        if let Err(error) = &synced {
            self.latched = Some(error.to_string());
        }
        synced
    }

    /// Makes the recent entries a run, merged with runs that are not much larger.
    fn write_recent(&mut self) -> Result<()> {
        let recent = self.index.recent_sorted();
        let runs = self.index.runs();
        let sound = self.index.sound_runs();
        let keep = run_writer::runs_to_keep(runs, recent.len() as u64).min(sound);
        let (kept, merge) = runs.split_at(keep);
        let source = &self.source;
        let merged = run_writer::merged(&self.index, merge, recent);
        let written =
            run_writer::write_run(self.end, merged, |bytes, at| write(source, bytes, at))?;
        let mut runs = kept.to_vec();
        if let Some((run, header)) = written {
            self.seal.add(self.end, &header.hash);
            self.end += header.frame_len();
            runs.push(run);
        }
        self.index = Arc::new(self.index.with_runs(runs));
        Ok(())
    }

    /// The checkpoint of what is appended so far: everything recent becomes a run.
    fn checkpoint(&mut self) -> Result<Checkpoint> {
        self.write_recent()?;
        let voids = self.state.checkpoint.voids.clone();
        Ok(Checkpoint { runs: self.index.runs().to_vec(), voids })
    }

    fn write_checkpoint(&mut self, checkpoint: &Checkpoint) -> Result<u64> {
        let at = self.end;
        let frame = checkpoint.encode(self.state.superblock.file_id, at);
        self.write(&frame, at)?;
        let hash = FrameHeader::parse(&frame).map(|header| header.hash).unwrap_or_default();
        self.seal.add(at, &hash);
        self.end += frame.len() as u64;
        Ok(at)
    }

    /// Makes everything appended so far, and these roots, durable and visible: all or nothing.
    pub fn commit(&mut self, root: Root) -> Result<Root> {
        self.usable()?;
        let spilled = self.index.runs() != self.state.index.runs();
        let committed = self.flush().and_then(|()| {
            let tail = self.end - self.state.tail_start;
            let damaged = self.index.sound_runs() < self.index.runs().len();
            let due = spilled || damaged || tail >= CHECKPOINT_INTERVAL;
            let checkpoint = due.then(|| self.checkpoint()).transpose()?;
            let root = self.seal_and_sync(root, checkpoint)?;
            if due {
                // The commit stands, whatever becomes of the superblock, which is only a shorter
                // way to it. A sync that failed has latched the appender.
                let _ = self.write_superblock();
            }
            Ok(root)
        });
        if committed.is_err() {
            self.broken = true;
        }
        committed
    }

    /// What the last checkpoint calls void, by offset.
    pub fn voids(&self) -> &[VoidRef] {
        &self.state.checkpoint.voids
    }

    /// How many bytes that is.
    pub fn void_bytes(&self) -> u64 {
        self.voids().iter().map(|void| void.len.get()).sum()
    }

    /// Every record of the index, in the order of hashes, each hash once.
    pub fn records(&self) -> impl Iterator<Item = Result<Record>> + '_ {
        self.index.all_records()
    }

    /// What is written and found, for whoever reads while this writes: nothing that is packed.
    pub fn snapshot(&self) -> Written {
        Written {
            source: self.source.clone(),
            index: self.index.clone(),
            below: self.below.clone(),
        }
    }

    /// Commits with an index of the entries whose numbers are in `live`, and of those that were
    /// appended from `moved_from` on, as one run; `voids` are the bytes that it does not need. Everything that was
    /// appended is flushed already. Nothing may be released before both superblocks lead here.
    pub fn commit_collected(
        &mut self,
        root: Root,
        live: &Bitmap,
        moved_from: u64,
        voids: Vec<VoidRef>,
    ) -> Result<Root> {
        self.usable()?;
        let committed = self.write_collected(root, live, moved_from, voids);
        if committed.is_err() {
            self.broken = true;
        }
        committed
    }

    fn write_collected(
        &mut self,
        root: Root,
        live: &Bitmap,
        moved_from: u64,
        voids: Vec<VoidRef>,
    ) -> Result<Root> {
        let source = &self.source;
        let kept = self.records().filter(|record| match record {
            Ok(record) if record.block_offset() >= moved_from => true,
            Ok(record) => match self.index.locate(&Hash::new(record.hash)) {
                Ok(place) => place.is_some_and(|place| live.contains(place.number)),
                Err(_) => true,
            },
            Err(_) => true,
        });
        let written = run_writer::write_run(self.end, kept, |bytes, at| write(source, bytes, at))?;
        let mut runs = Vec::new();
        if let Some((run, header)) = written {
            self.seal.add(self.end, &header.hash);
            self.end += header.frame_len();
            runs.push(run);
        }
        let checkpoint = Checkpoint { runs, voids };
        self.index = Arc::new(Index::new(self.source.clone(), DATABASE_START, &checkpoint));
        self.seal_and_sync(root, Some(checkpoint))
    }

    /// Writes a commit, after a checkpoint if there is one, and makes it durable and visible.
    fn seal_and_sync(&mut self, mut root: Root, checkpoint: Option<Checkpoint>) -> Result<Root> {
        let checkpoint_at =
            checkpoint.as_ref().map(|checkpoint| self.write_checkpoint(checkpoint)).transpose()?;
        root.sequence = self.state.root.sequence + 1;
        root.time = self.clock.now();
        let commit = Commit {
            file_id: self.state.superblock.file_id,
            offset: self.end.into(),
            sequence: root.sequence.into(),
            time: root.time.into(),
            head: root.head.map(|head| *head.0.as_bytes()).unwrap_or_default(),
            snapshots: *root.snapshots.as_bytes(),
            history: *root.history.as_bytes(),
            system: *root.system.as_bytes(),
            previous: self.state.commit_hash,
            seal: self.seal.finish(),
            durable_to: self.state.proven_to.into(),
            checkpoint: checkpoint_at.unwrap_or(self.state.checkpoint_at).into(),
            epoch: root.epoch.into(),
            reserved: 0.into(),
        };
        let (frame, hash) = commit.encode();
        self.write(&frame, self.end)?;
        self.sync()?;
        let at = self.end;
        self.end += COMMIT_FRAME_LEN as u64;
        self.seal = Seal::new();
        self.state.end = self.end;
        self.state.proven_to = self.end;
        self.state.commit_hash = hash;
        self.state.root = root.clone();
        self.state.index = self.index.clone();
        if let Some((checkpoint, checkpoint_at)) = checkpoint.zip(checkpoint_at) {
            self.state.checkpoint = checkpoint;
            self.state.checkpoint_at = checkpoint_at;
            self.state.checkpoint_commit = at;
            self.state.tail_start = self.end;
        }
        self.publish();
        Ok(root)
    }

    fn publish(&self) {
        let published = Published { root: self.state.root.clone(), index: self.index.clone() };
        *self.published.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(published);
    }

    /// Writes one slot and syncs it, so that never both are under way.
    fn write_superblock(&mut self) -> Result<()> {
        let mut superblock = self.state.superblock;
        superblock.sequence = (superblock.sequence.get() + 1).into();
        superblock.commit = self.state.checkpoint_commit.into();
        superblock.durable_to = self.state.proven_to.into();
        let superblock = superblock.sealed();
        let slot = self.state.next_slot;
        self.write(superblock.as_bytes(), SLOTS[slot])?;
        self.sync()?;
        self.state.superblock = superblock;
        self.state.next_slot = 1 - slot;
        Ok(())
    }

    /// Makes both slots lead to the last checkpoint: nothing that only an older one needs is
    /// needed from then on.
    pub fn write_both_superblocks(&mut self) -> Result<()> {
        self.usable()?;
        self.write_superblock()?;
        self.write_superblock()
    }

    /// Takes back everything since the last commit.
    pub fn rollback(&mut self) {
        if !self.broken && !self.is_dirty() {
            return;
        }
        self.packer = Packer::new(self.crew.clone());
        self.index = self.state.index.clone();
        self.index.forget_from(self.state.end);
        self.seal = Seal::new();
        self.end = self.state.end;
        self.source.forget();
        if self.latched.is_none() {
            // It may fail: no commit among these bytes follows the last one, and the next ones
            // are written over them.
            let _ = self.cut_tail();
        }
        self.broken = false;
    }

    /// True if something was appended since the last commit.
    pub fn is_dirty(&self) -> bool {
        self.end != self.state.end || !self.packer.is_empty()
    }

    /// Takes back what was not committed, and leaves the file so that the next opening is short
    /// and knows how far it was synced.
    pub fn close(&mut self) -> Result<()> {
        if self.latched.is_some() || self.below.is_some() {
            return Ok(());
        }
        if self.is_dirty() || self.broken {
            self.rollback();
        }
        if self.state.end - self.state.tail_start >= TAIL_LEN_AT_CLOSE {
            let checkpoint = self.checkpoint()?;
            self.seal_and_sync(self.state.root.clone(), Some(checkpoint))?;
            self.write_superblock()?;
        } else if self.state.superblock.durable_to.get() < self.state.end
            && self.state.root.sequence > 0
        {
            self.write_superblock()?;
        }
        Ok(())
    }
}

impl Drop for Appender {
    fn drop(&mut self) {
        // Whoever wants to know whether this worked calls `close`; what was committed is safe.
        let _ = self.close();
        let _ = self.source.media().unlock(WRITER_LOCK);
    }
}

/// The entries that are written, as of one moment.
pub struct Written {
    source: Arc<Source>,
    index: Arc<Index>,
    below: Option<Below>,
}

impl Written {
    /// Where they are read from.
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// The index that finds them.
    pub fn index(&self) -> &Index {
        &self.index
    }
}

impl ReadEntries for Written {
    fn locate(&self, hash: &Hash) -> Result<Option<Place>> {
        layers::locate(&self.index, self.below.as_ref(), hash)
    }

    fn read(&self, kind: Kind, hash: &Hash) -> Result<Bytes> {
        super::read(&self.source, &self.index, &[], self.below.as_ref(), kind, hash)
    }

    fn number_limit(&self) -> u64 {
        layers::number_limit(&self.index, self.below.as_ref())
    }
}

/// Writes bytes of a file.
pub(super) fn write(source: &Source, bytes: &[u8], offset: u64) -> Result<()> {
    source
        .media()
        .write_at(bytes, offset)
        .context(|| format!("writing {} at offset {offset}", source.name()))
}

impl ReadEntries for Appender {
    fn locate(&self, hash: &Hash) -> Result<Option<Place>> {
        layers::locate(&self.index, self.below.as_ref(), hash)
    }

    fn read(&self, kind: Kind, hash: &Hash) -> Result<Bytes> {
        match self.packer.get(hash) {
            Some((found, bytes)) if found == kind => Ok(bytes),
            _ => {
                let (source, damages) = (&self.source, &self.state.damages);
                super::read(source, &self.index, damages, self.below.as_ref(), kind, hash)
            }
        }
    }

    fn number_limit(&self) -> u64 {
        layers::number_limit(&self.index, self.below.as_ref())
    }
}

impl AppendEntries for Appender {
    fn append(&mut self, kind: Kind, encoding: &[u8]) -> Result<Hash> {
        let hash = kind.hash(encoding);
        self.append_hashed(kind, hash, encoding)?;
        Ok(hash)
    }
}
