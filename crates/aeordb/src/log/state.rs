//! The state of a database as its file gives it.

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::format::checkpoint::Checkpoint;
use crate::format::commit::Commit;
use crate::format::superblock::{DATABASE_START, Superblock};
use crate::format::{FrameHeader, FrameKind};
use crate::hash::{Hash, VersionId};
use crate::log::checked::{Damage, damage, parse_checkpoint, small_frame};
use crate::log::index::Index;
use crate::log::source::Source;
use crate::store::Root;

/// The state of a database as its file gives it.
pub struct State {
    /// The newest sound superblock.
    pub superblock: Superblock,
    /// The slot that the next superblock goes to. One slot is on the disk for certain: the older,
    /// since the newer was begun only when that one was synced. The newer may be in a cache alone.
    pub next_slot: usize,
    /// The other slot holds no superblock of this file, and why.
    pub lost_slot: Option<Damage>,
    /// What the last whole commit makes visible.
    pub root: Root,
    /// The index as of that commit.
    pub index: Arc<Index>,
    /// End of that commit.
    pub end: u64,
    /// Frame hash of that commit.
    pub commit_hash: [u8; 32],
    /// The newest checkpoint, and its offset; zero if there is none.
    pub checkpoint: Checkpoint,
    /// Offset of the newest checkpoint's frame.
    pub checkpoint_at: u64,
    /// Offset of the commit that sealed the newest checkpoint; zero if there is none.
    pub checkpoint_commit: u64,
    /// End of that commit: the tail starts there.
    pub tail_start: u64,
    /// End of the last commit that is known to have been synced: later ones may be in a cache
    /// alone, and lost in spite of all later syncs.
    pub proven_to: u64,
    /// Blocks before this offset are not in the index: its checkpoint is damaged.
    pub not_indexed_to: Option<u64>,
    /// Damage below the end of what is known to have been synced.
    pub damages: Vec<Damage>,
    /// Why what was found may be older than what was acknowledged last.
    pub doubt: Option<Damage>,
}

impl State {
    /// Takes over a checkpoint that stands at `at`.
    pub fn adopt_checkpoint(&mut self, source: &Arc<Source>, at: u64, checkpoint: Checkpoint) {
        self.index = Arc::new(Index::new(source.clone(), DATABASE_START, &checkpoint));
        self.checkpoint = checkpoint;
        self.checkpoint_at = at;
        self.not_indexed_to = None;
    }

    /// Goes without the checkpoint at `at`, which is damaged and which the commit at `commit`
    /// names: it is derived from the blocks, which are there. But one that has its hash and says
    /// what no writer writes was made so, and nobody knows what else was.
    pub fn miss_checkpoint(&mut self, source: &Source, at: u64, commit: u64) -> Result<()> {
        self.not_indexed_to = Some(commit);
        self.checkpoint_at = at;
        let has_hash = match small_frame(source, at, FrameKind::Checkpoint) {
            Ok((header, body)) => header.expected_hash([body.as_slice()]) == header.hash,
            Err(Error::Damaged { .. }) => false,
            Err(error) => return Err(error),
        };
        if has_hash && let Err(error) = parse_checkpoint(source, self.superblock.file_id, at) {
            self.damages.push(damage(&error));
            self.doubt = Some(damage(&error));
        }
        Ok(())
    }

    /// Takes over what a commit makes visible.
    pub fn adopt(&mut self, commit: &Commit, header: &FrameHeader) {
        self.root = Root {
            sequence: commit.sequence.get(),
            time: commit.time.get(),
            head: Some(VersionId(Hash::new(commit.head))),
            snapshots: Hash::new(commit.snapshots),
            history: Hash::new(commit.history),
            system: Hash::new(commit.system),
            epoch: commit.epoch.get(),
        };
        self.end = commit.offset.get() + header.frame_len();
        self.commit_hash = header.hash;
    }
}
