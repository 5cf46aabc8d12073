//! The one writer of a database: appends entries, takes them back, closes.

mod commit;
mod compacted;
mod own;
mod reserve;
mod tail;
mod written;

use std::sync::{Arc, RwLock};

use bytes::Bytes;

use own::OwnSlots;
pub use reserve::Purpose;
use reserve::Reserve;
pub use written::Written;

use crate::clock::Clock;
use crate::error::{Context, Error, Result};
use crate::format::checkpoint::VoidRef;
use crate::format::commit::Seal;
use crate::format::run::Record;
use crate::format::superblock::EXTENDED;
use crate::hash::{Hash, Kind};
use crate::limits::RECENT_ENTRIES_MAX;
use crate::log::index::Index;
use crate::log::layers::{self, Below, Published};
use crate::log::packer::{Packed, Packer};
use crate::log::pins::WRITER_LOCK;
use crate::log::source::Source;
use crate::log::state::State;
use crate::pool::Pool;
use crate::store::{AppendEntries, Place, RawBlock, ReadEntries, Root, Transaction};

/// A tail shorter than this is not worth a checkpoint at close: replaying it is a few reads.
const TAIL_LEN_AT_CLOSE: u64 = 1024 * 1024;

/// Appends to a database. There is one for a file: it holds the writer's lock.
pub struct Appender {
    source: Arc<Source>,
    published: Arc<RwLock<Arc<Published>>>,
    clock: Clock,
    packer: Packer,
    pool: Arc<Pool>,
    state: State,
    /// The index with what was appended since the last commit.
    index: Arc<Index>,
    /// What reads fall through to; such a log ends with the process and is never synced.
    below: Option<Below>,
    /// Where the next frame goes.
    end: u64,
    seal: Seal,
    /// Set once a sync failed: what is on the disk is unknown then, and syncing again would only
    /// pretend that it is known. Set as well once the file is not this writer's any more.
    latched: Option<String>,
    own: OwnSlots,
    /// Set when a write failed: nothing is appended before the attempt was rolled back.
    broken: bool,
    /// What opening found is not settled yet: the disk was full.
    unsettled: bool,
    /// What was restored is safe only once both superblocks lead there.
    superblocks_due: bool,
    /// Features that a reader must know of what was appended.
    required: u64,
    reserve: Reserve,
}

impl Appender {
    /// The appender of an opened database whose writer's lock is held. Cuts off a torn tail, and
    /// secures one that is not proven to be on the disk. On a full disk that waits for the next
    /// writer.
    pub fn new(
        source: Arc<Source>,
        published: Arc<RwLock<Arc<Published>>>,
        state: State,
        pool: Arc<Pool>,
        clock: Clock,
    ) -> Result<Self> {
        let own = OwnSlots::found(&source)?;
        let mut appender = Appender {
            own,
            packer: Packer::new(pool.clone()),
            index: state.index.clone(),
            end: state.end,
            source,
            published,
            clock,
            pool,
            below: None,
            state,
            seal: Seal::new(),
            latched: None,
            broken: false,
            unsettled: true,
            superblocks_due: false,
            required: 0,
            reserve: Reserve::new(),
        };
        match appender.settle() {
            Err(error) if error.is_no_space() && appender.latched.is_none() => {
                appender.index_in_memory()?;
            }
            settled => settled?,
        }
        Ok(appender)
    }

    /// Prepares for a writer: settles what opening could not, and notes what it needs space for.
    pub fn begin(&mut self, purpose: Purpose) -> Result<()> {
        self.check_own()?;
        self.settle()?;
        self.reserve.purpose = purpose;
        Ok(())
    }

    /// Lets reads fall through to another file.
    pub(super) fn over(mut self, below: Below) -> Self {
        self.below = Some(below);
        self.reserve.give_up();
        self
    }

    /// The index with what was written since the last commit.
    pub fn index(&self) -> &Arc<Index> {
        &self.index
    }

    /// The checkpoint's facts, for collection.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Where bytes are read from.
    pub fn source(&self) -> &Arc<Source> {
        &self.source
    }

    /// Features that a reader must know, of what is committed and what is appended.
    pub fn required(&self) -> u64 {
        self.state.superblock.required.get() | self.required
    }

    /// Notes what whoever reads an entry must know. A version with flags has attributes.
    fn note(&mut self, kind: Kind, encoding: &[u8]) {
        let has_flags = kind == Kind::Version && encoding.first().is_some_and(|flags| *flags != 0);
        if kind == Kind::Attributes || has_flags {
            self.require(EXTENDED);
        }
    }

    fn usable(&self) -> Result<()> {
        self.check_latch()?;
        if self.broken {
            let what = self.source.name().to_owned();
            let why = "an earlier write of the same attempt failed".into();
            return Err(Error::ReadOnly { what, why });
        }
        Ok(())
    }

    /// Prepares for [`Appender::append_again`]: readers, and a rollback, keep the index as it is.
    pub fn fork_index(&mut self) {
        self.index = Arc::new(self.index.fork());
    }

    /// Adds an entry that is here already, so that it is found in a new place.
    pub fn append_again(&mut self, kind: Kind, hash: Hash, encoding: &[u8]) -> Result<()> {
        self.usable()?;
        self.note(kind, encoding);
        self.packer.push(kind, hash, encoding);
        self.drain(false)
    }

    /// Writes the blocks that are under way, so that entries of those that were added as they are
    /// are found.
    pub fn write_under_way(&mut self) -> Result<()> {
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
        self.append_frame(&packed.frame)?;
        self.seal.add(offset, &packed.hash);
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

    /// Writes a frame at the end, which moves.
    fn append_frame(&mut self, frame: &[u8]) -> Result<()> {
        let len = frame.len() as u64;
        self.make_room(len)?;
        self.write(frame, self.end)?;
        self.end += len;
        Ok(())
    }

    /// Gives back what stands after the last commit if it is more than `spared` bytes. Returns
    /// whether it did.
    fn cut_tail(&mut self, spared: u64) -> Result<bool> {
        if self.source.file_len()? <= self.end.saturating_add(spared) {
            return Ok(false);
        }
        self.check_own()?;
        // The reserve goes with it, and is taken again before anybody else does.
        let (name, end) = (self.source.name(), self.end);
        let cut = self.source.media().set_len(end);
        cut.context(|| format!("cutting {name} to {end} bytes"))?;
        self.reserve.cut(end);
        self.renew_reserve();
        Ok(true)
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

    /// Takes the attempt back if it failed, so that another can be made.
    fn or_rollback<T>(&mut self, attempt: Result<T>) -> Result<T> {
        if attempt.is_err() {
            self.broken = true;
            self.rollback();
        }
        attempt
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
        if self.unsettled {
            return Ok(());
        }
        self.check_own()?;
        self.reserve.purpose = Purpose::Growth;
        match self.shorten_next_opening() {
            // What was committed is safe all the same, and the disk is to be closed when full.
            Err(error) if error.is_no_space() && self.latched.is_none() => Ok(()),
            Ok(()) => {
                self.trim_reserve();
                Ok(())
            }
            outcome => outcome,
        }
    }

    fn shorten_next_opening(&mut self) -> Result<()> {
        if self.state.end - self.state.tail_start >= TAIL_LEN_AT_CLOSE {
            let sealed = self.checkpoint().and_then(|checkpoint| {
                self.seal_and_sync(self.state.root.clone(), Some(checkpoint)).map(drop)
            });
            match self.or_rollback(sealed) {
                // The superblock alone takes no space.
                Err(error) if error.is_no_space() && self.latched.is_none() => {}
                sealed => sealed?,
            }
        }
        if self.state.superblock.durable_to.get() < self.state.end && self.state.root.sequence > 0 {
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
                layers::read(source, &self.index, damages, self.below.as_ref(), kind, hash)
            }
        }
    }

    fn len_of(&self, place: &Place, kind: Kind, hash: &Hash) -> Result<u64> {
        layers::len_of(&self.source, self.below.as_ref(), place, kind, hash)
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

impl Transaction for Appender {
    type Written = Written;

    fn append_hashed(&mut self, kind: Kind, hash: Hash, encoding: &[u8]) -> Result<bool> {
        self.usable()?;
        if self.contains(&hash)? {
            return Ok(false);
        }
        self.note(kind, encoding);
        self.packer.push(kind, hash, encoding);
        self.drain(false)?;
        Ok(true)
    }

    fn append_block(&mut self, block: &RawBlock) -> Result<()> {
        self.usable()?;
        block.head.entries.iter().for_each(|entry| self.note(entry.kind, &[]));
        self.packer.push_block(block);
        self.drain(false)
    }

    fn require(&mut self, features: u64) {
        // No commit comes before a superblock that says so.
        self.required |= features;
    }

    fn contains(&self, hash: &Hash) -> Result<bool> {
        Ok(self.packer.contains(hash) || self.locate(hash)?.is_some())
    }

    fn flush(&mut self) -> Result<()> {
        self.packer.close_all();
        self.drain(true)
    }

    fn written(&self) -> Written {
        Written {
            source: self.source.clone(),
            index: self.index.clone(),
            below: self.below.clone(),
        }
    }

    fn end(&self) -> u64 {
        self.end
    }

    fn is_dirty(&self) -> bool {
        self.end != self.state.end || !self.packer.is_empty()
    }

    fn root(&self) -> &Root {
        &self.state.root
    }

    fn commit(&mut self, before: u64, root: Root) -> Result<Root> {
        let last = self.state.root.sequence;
        if last != before {
            let detail = format!("commit {last} was made after commit {before}, which this is for");
            return Err(Error::Busy(detail));
        }
        self.commit_root(root)
    }

    fn rollback(&mut self) {
        if !self.broken && !self.is_dirty() {
            return;
        }
        self.packer = Packer::new(self.pool.clone());
        self.index = self.state.index.clone();
        self.index.forget_from(self.state.end);
        self.seal = Seal::new();
        self.end = self.state.end;
        self.source.forget();
        if self.latched.is_none() {
            // It may fail: no commit among these bytes follows the last one, and the next ones
            // are written over them. So on a full disk they stay, as a part of the reserve.
            let spared = if self.reserve.short { self.reserve_len() } else { 0 };
            let _ = self.cut_tail(spared);
        }
        self.broken = false;
    }
}
