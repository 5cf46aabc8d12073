//! What a crash, a failed sync or damage has left for the next writer to restore, before anything
//! new is acknowledged.
//!
//! Commits may be whole, but in a cache alone. A commit counts the ones before it as synced, and so
//! does a superblock. Later commits may never have reached the disk, and a sync need not bring them
//! there: a system that failed to write a page may hold it for clean. Only bytes that are written
//! anew are known to be there. They are not written over the old ones, which may well have been
//! acknowledged and be needed after the next crash, but appended again.
//!
//! A checkpoint may be damaged. The blocks say what the index was.

use std::ops::Range;
use std::sync::Arc;

use super::{Appender, Purpose};
use crate::error::{Error, Result};
use crate::format::checkpoint::VoidRef;
use crate::format::superblock::DATABASE_START;
use crate::format::{FrameKind, first_u64};
use crate::limits::RECENT_ENTRIES_MAX;
use crate::log::frames::{Frames, Seen};
use crate::log::heal;
use crate::log::index::Index;
use crate::log::recover;
use crate::log::state::State;
use crate::store::RawBlock;

impl Appender {
    /// Does what opening must write, unless it is done: cuts off a torn tail, replaces a lost
    /// superblock, restores. What fails for want of space can be tried again.
    pub(super) fn settle(&mut self) -> Result<()> {
        if !self.unsettled {
            return Ok(());
        }
        self.usable()?;
        self.reserve.purpose = Purpose::Collection;
        let settled = self.settle_now();
        self.or_rollback(settled)?;
        self.unsettled = false;
        self.renew_reserve();
        Ok(())
    }

    fn settle_now(&mut self) -> Result<()> {
        if self.cut_tail(0)? {
            // So that a commit which was torn stays away once it was seen to be.
            self.sync()?;
        }
        self.renew_reserve();
        if self.state.lost_slot.is_some() {
            self.copy_superblock()?;
            self.state.lost_slot = None;
        }
        let State { end, proven_to, not_indexed_to, .. } = &self.state;
        if end > proven_to || not_indexed_to.is_some() {
            self.restore()?;
            self.superblocks_due = true;
        }
        if self.superblocks_due {
            self.write_both_superblocks()?;
            self.superblocks_due = false;
        }
        Ok(())
    }

    /// Until a damaged index is restored, it is held in memory for those who read.
    pub(super) fn index_in_memory(&self) -> Result<()> {
        match self.state.not_indexed_to {
            Some(end) => heal::rebuild(&self.source, &self.state.index, DATABASE_START..end),
            None => Ok(()),
        }
    }

    /// Indexes the blocks that no checkpoint does, appends the blocks of unproven commits again,
    /// and writes a checkpoint and a commit of the same roots. Once both superblocks lead there
    /// nothing needs the unproven bytes, whatever the disk holds in their place: they are void.
    ///
    /// If they are not on the disk and there is a crash before that, the new ones follow a torn
    /// tail and fall with it; neither was ever acknowledged.
    fn restore(&mut self) -> Result<()> {
        let unproven = self.state.proven_to.min(self.state.end)..self.state.end;
        let mut voids = self.state.checkpoint.voids.clone();
        let mut not_indexed_to = self.state.not_indexed_to;
        if !unproven.is_empty() {
            let proven = recover::recover_until(&self.source, unproven.start)?;
            self.index = proven.index;
            not_indexed_to = proven.not_indexed_to;
            voids = with_void(proven.checkpoint.voids, &unproven);
        }
        if let Some(end) = not_indexed_to {
            self.each_block(DATABASE_START..end, |appender, at, block| match block {
                Ok(block) => appender.index_block(at, &block),
                // An index that named it would have new files refer to bytes that are lost.
                Err(Error::Damaged { .. } | Error::Limit { .. }) => Ok(()),
                Err(error) => Err(error),
            })?;
        }
        self.each_block(unproven, |appender, _, block| {
            let (at, block) = (appender.end, block?);
            appender.append_frame(&block.frame)?;
            appender.seal.add(at, &block.hash);
            appender.index_block(at, &block)
        })?;
        let mut checkpoint = self.checkpoint()?;
        checkpoint.voids = voids;
        self.index = Arc::new(Index::new(self.source.clone(), DATABASE_START, &checkpoint));
        self.seal_and_sync(self.state.root.clone(), Some(checkpoint))?;
        self.state.not_indexed_to = None;
        Ok(())
    }

    /// Gives each block of a part of the file to `see`, checked by its hash.
    fn each_block(
        &mut self,
        range: Range<u64>,
        mut see: impl FnMut(&mut Self, u64, Result<RawBlock>) -> Result<()>,
    ) -> Result<()> {
        let source = self.source.clone();
        for seen in Frames::new(&source, range, &[]) {
            let Seen::Frame(at, header) = seen? else { continue };
            match header.frame_kind() {
                Some(FrameKind::Block) => see(self, at, source.raw_block(at, None))?,
                Some(_) => {}
                None => return source.named(Err(header.newer())),
            }
        }
        Ok(())
    }

    /// Adds a block that stands at `at` to the index, whose memory stays bounded.
    fn index_block(&mut self, at: u64, block: &RawBlock) -> Result<()> {
        let hashes = block.head.entries.iter().map(|entry| entry.hash);
        self.index.add(hashes, at, first_u64(&block.hash));
        if self.index.recent_len() >= RECENT_ENTRIES_MAX {
            self.write_recent()?;
        }
        Ok(())
    }
}

/// The voids and one more after them.
fn with_void(mut voids: Vec<VoidRef>, more: &Range<u64>) -> Vec<VoidRef> {
    match voids.last_mut() {
        Some(last) if last.offset.get() + last.len.get() >= more.start => {
            last.len = (more.end - last.offset.get()).into();
        }
        _ => voids.push(VoidRef { offset: more.start.into(), len: (more.end - more.start).into() }),
    }
    voids
}
