//! Commits: the index that a checkpoint needs, the record that makes everything before it visible,
//! and the superblocks, which are a shorter way there.

use std::sync::{Arc, PoisonError};

use zerocopy::IntoBytes;

use super::reserve::{UNPROVEN_LEN_MAX, run_len};
use super::{Appender, write};
use crate::error::Result;
use crate::format::checkpoint::{Checkpoint, RunRef, VoidRef};
use crate::format::commit::{Commit, Seal};
use crate::format::superblock::{DATABASE_START, SLOTS, Superblock};
use crate::format::{FrameHeader, check_numbers};
use crate::hash::Hash;
use crate::limits::CHECKPOINT_INTERVAL;
use crate::log::Published;
use crate::log::index::Index;
use crate::log::run_writer;
use crate::store::{Bitmap, Root, Transaction};

impl Appender {
    /// Makes everything appended so far, and these roots, durable and visible: all or nothing.
    pub(super) fn commit_root(&mut self, root: Root) -> Result<Root> {
        self.usable()?;
        let committed = self.flush().and_then(|()| {
            let due = self.is_checkpoint_due();
            let checkpoint = due.then(|| self.checkpoint()).transpose()?;
            let root = self.seal_and_sync(root, checkpoint)?;
            if due || self.reserve.unproven > UNPROVEN_LEN_MAX {
                // The commit stands, whatever becomes of the superblock, which is only a shorter
                // way to it. A sync that failed has latched the appender.
                let _ = self.write_superblock();
            }
            Ok(root)
        });
        self.after_commit(committed)
    }

    fn after_commit(&mut self, committed: Result<Root>) -> Result<Root> {
        match &committed {
            Ok(_) => self.renew_reserve(),
            Err(_) => self.broken = true,
        }
        committed
    }

    fn is_checkpoint_due(&mut self) -> bool {
        // A run that is written already is lost without one.
        if self.index.runs() != self.state.index.runs() {
            return true;
        }
        let long = self.end - self.state.tail_start >= CHECKPOINT_INTERVAL;
        let damaged = self.index.sound_runs() < self.index.runs().len();
        // It only makes opening shorter: on a full disk it waits.
        (long || damaged) && self.is_room(run_len(self.index.entries()))
    }

    /// Commits with an index of the entries whose numbers are in `live`, and of those that were
    /// appended from `moved_from` on, as one run; `voids` are the bytes that it does not need.
    /// Everything that was appended is flushed already. Nothing may be released before both
    /// superblocks lead here.
    pub fn commit_collected(
        &mut self,
        root: Root,
        live: &Bitmap,
        moved_from: u64,
        voids: Vec<VoidRef>,
    ) -> Result<Root> {
        self.usable()?;
        let committed = self.make_room(run_len(self.index.entries()));
        let committed =
            committed.and_then(|()| self.write_collected(root, live, moved_from, voids));
        self.after_commit(committed)
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
    pub(super) fn seal_and_sync(
        &mut self,
        mut root: Root,
        checkpoint: Option<Checkpoint>,
    ) -> Result<Root> {
        self.write_features()?;
        let checkpoint_at =
            checkpoint.as_ref().map(|checkpoint| self.write_checkpoint(checkpoint)).transpose()?;
        root.sequence = self.next(self.state.root.sequence)?;
        check_numbers("file", 0, [root.epoch])
            .map_err(|error| error.in_file(self.source.name()))?;
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
        let at = self.end;
        self.append_frame(&frame)?;
        self.sync()?;
        self.seal = Seal::new();
        self.reserve.unproven = self.end - self.state.end;
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
        let published = Published {
            root: self.state.root.clone(),
            index: self.index.clone(),
            required: self.state.superblock.required.get(),
        };
        *self.published.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(published);
    }

    /// Writes one slot, which leads to the last checkpoint, and syncs it, so that never both are
    /// under way.
    pub(super) fn write_superblock(&mut self) -> Result<()> {
        let mut superblock = self.state.superblock;
        superblock.commit = self.state.checkpoint_commit.into();
        superblock.durable_to = self.state.proven_to.into();
        self.write_next_slot(superblock)?;
        self.reserve.unproven = 0;
        Ok(())
    }

    /// Says in a superblock which features whoever reads what comes must know, if none says so yet.
    fn write_features(&mut self) -> Result<()> {
        let before = self.state.superblock;
        let required = self.required();
        if before.required.get() == required {
            return Ok(());
        }
        self.state.superblock.required = required.into();
        let written = self.write_superblock();
        if written.is_err() {
            self.state.superblock = before;
        }
        written
    }

    /// Writes what the sound superblock says to the slot of the one that was lost.
    pub(super) fn copy_superblock(&mut self) -> Result<()> {
        self.write_next_slot(self.state.superblock)
    }

    fn write_next_slot(&mut self, mut superblock: Superblock) -> Result<()> {
        superblock.sequence = self.next(superblock.sequence.get())?.into();
        let superblock = superblock.sealed();
        let slot = self.state.next_slot;
        self.check_own()?;
        self.own.note(slot, None);
        self.write(superblock.as_bytes(), SLOTS[slot])?;
        self.own.note(slot, superblock.as_bytes().try_into().ok());
        self.sync()?;
        self.state.superblock = superblock;
        self.state.next_slot = 1 - slot;
        Ok(())
    }

    /// The number after this one, which may have come from a file.
    fn next(&self, number: u64) -> Result<u64> {
        let next = number + 1;
        check_numbers("file", 0, [next]).map_err(|error| error.in_file(self.source.name()))?;
        Ok(next)
    }

    /// Makes both slots lead to the last checkpoint: nothing that only an older one needs is
    /// needed from then on.
    pub fn write_both_superblocks(&mut self) -> Result<()> {
        self.usable()?;
        self.write_superblock()?;
        self.write_superblock()
    }

    /// Makes the recent entries a run, merged with runs that are not much larger.
    pub(super) fn write_recent(&mut self) -> Result<()> {
        let recent = self.index.recent_sorted();
        let index = self.index.clone();
        let runs = index.runs();
        let sound = self.index.sound_runs();
        let mut keep = run_writer::runs_to_keep(runs, recent.len() as u64).min(sound);
        let len = |keep: usize| run_len(recent.len() as u64 + records(&runs[keep..]));
        if !self.is_room(len(keep)) {
            // Merging can wait.
            keep = sound;
        }
        self.make_room(len(keep))?;
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
    pub(super) fn checkpoint(&mut self) -> Result<Checkpoint> {
        self.write_recent()?;
        let voids = self.state.checkpoint.voids.clone();
        Ok(Checkpoint { runs: self.index.runs().to_vec(), voids })
    }

    fn write_checkpoint(&mut self, checkpoint: &Checkpoint) -> Result<u64> {
        let at = self.end;
        let frame = checkpoint.encode(self.state.superblock.file_id, at);
        self.append_frame(&frame)?;
        let hash = FrameHeader::parse(&frame).map(|header| header.hash).unwrap_or_default();
        self.seal.add(at, &hash);
        Ok(at)
    }
}

/// Records in these runs.
fn records(runs: &[RunRef]) -> u64 {
    runs.iter().map(|run| run.records.get()).sum()
}
