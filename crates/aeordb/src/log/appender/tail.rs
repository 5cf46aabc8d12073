//! What a crash or a failed sync has left: commits that are whole, but perhaps only in a cache.
//!
//! A commit counts the ones before it as synced, and so does a superblock. Later commits may never
//! have reached the disk, and a sync need not bring them there: a system that failed to write a
//! page may hold it for clean. Only bytes that are written anew are known to be there. They are
//! not written over the old ones, which may well have been acknowledged and be needed after the
//! next crash, but appended again, before anything new is acknowledged.

use std::ops::Range;

use super::Appender;
use crate::error::Result;
use crate::format::FrameKind;
use crate::format::checkpoint::VoidRef;
use crate::limits::RECENT_ENTRIES_MAX;
use crate::log::recover;

impl Appender {
    /// Appends the blocks of the unproven commits again, with a checkpoint and a commit of the
    /// same roots. Once both superblocks lead there nothing needs the old bytes, whatever the disk
    /// holds in their place: they are void.
    ///
    /// If the old bytes are not on the disk and there is a crash before that, the new ones follow
    /// a torn tail and fall with it; neither was ever acknowledged.
    pub(super) fn secure_tail(&mut self) -> Result<()> {
        let unproven = self.state.proven_to..self.state.end;
        let proven = recover::recover_until(&self.source, unproven.start)?;
        self.index = proven.index;
        let mut at = unproven.start;
        while at < unproven.end {
            let header = self
                .source
                .header(at)?
                .ok_or_else(|| self.source.damaged(at, "expected a frame, found none"))?;
            if header.frame_kind() == Some(FrameKind::Block) {
                self.append_again(at)?;
            }
            at += header.frame_len();
        }
        let mut checkpoint = self.checkpoint()?;
        checkpoint.voids = with_void(proven.checkpoint.voids, &unproven);
        self.seal_and_sync(self.state.root.clone(), Some(checkpoint))?;
        self.write_both_superblocks()
    }

    fn append_again(&mut self, at: u64) -> Result<()> {
        let block = self.source.raw_block(at, None)?;
        self.write(&block.frame, self.end)?;
        self.seal.add(self.end, &block.hash);
        let hashes = block.head.entries.iter().map(|entry| entry.hash);
        self.index.add(hashes, self.end, crate::format::first_u64(&block.hash));
        self.end += block.frame.len() as u64;
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
