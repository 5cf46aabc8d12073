//! The first commit of a file that takes the place of another.

use super::Appender;
use crate::error::Result;
use crate::format::FrameKind;
use crate::format::checkpoint::VoidRef;
use crate::format::superblock::DATABASE_START;
use crate::hash::{Hash, Kind};
use crate::log::frames::{Frames, Seen};
use crate::store::{Bitmap, RawBlock, Receive, Root, Transaction};

impl Appender {
    /// Commits everything appended so far, with an index of one run, as the commit that follows
    /// number `root.sequence`, and makes both superblocks lead to it: no reader of this file looks
    /// for commits of lower numbers. Runs that were written on the way are void.
    pub fn commit_compacted(&mut self, root: Root) -> Result<Root> {
        self.flush()?;
        let mut voids = Vec::new();
        for seen in Frames::new(&self.source, DATABASE_START..self.end, &[]) {
            if let Seen::Frame(at, header) = seen?
                && header.frame_kind() == Some(FrameKind::Run)
            {
                voids.push(VoidRef { offset: at.into(), len: header.frame_len().into() });
            }
        }
        self.state.root.sequence = root.sequence;
        let root = self.commit_collected(root, &Bitmap::new(0), DATABASE_START, voids)?;
        self.write_both_superblocks()?;
        Ok(root)
    }
}

impl Receive for Appender {
    fn receive(&mut self, kind: Kind, hash: Hash, encoding: &[u8]) -> Result<()> {
        self.append_again(kind, hash, encoding)
    }

    fn receive_block(&mut self, block: &RawBlock) -> Result<()> {
        self.append_block(block)
    }
}
