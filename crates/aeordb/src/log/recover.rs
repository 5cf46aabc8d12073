//! Opening a database: the newest sound superblock gives the last checkpoint, and every whole
//! commit after it counts. Nothing is written.
//!
//! A torn tail and damage are different things. What is broken at or after the end of the last
//! commit that is known to have been synced is a tail that was never acknowledged, and is dropped.
//! What is broken before it is damage: it is reported, and nothing is cut off.

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::format::FrameKind;
use crate::format::checkpoint::Checkpoint;
use crate::format::commit::{COMMIT_FRAME_LEN, Commit};
use crate::format::superblock::{DATABASE_START, FileKind, Superblock};
use crate::log::checked::{damage, parse_checkpoint, small_frame};
use crate::log::index::Index;
use crate::log::replay::Replay;
use crate::log::slots::Slots;
use crate::log::source::Source;
use crate::log::state::State;
use crate::store::Root;

/// The state of the database behind `source`.
pub fn recover(source: &Arc<Source>) -> Result<State> {
    recover_until(source, u64::MAX)
}

/// Its state as of the last commit that ends at or before `until`.
pub fn recover_until(source: &Arc<Source>, until: u64) -> Result<State> {
    let Slots { sound, lost } = Slots::read(source)?;
    let durable_to = sound.iter().map(|(_, superblock)| superblock.durable_to.get()).max();
    let durable_to = durable_to.unwrap_or(0);
    let mut damages = Vec::new();
    for (slot, superblock) in &sound {
        if superblock.file_kind() != Some(FileKind::Database) {
            let detail = "is sealed: it is not a database that grows".into();
            return Err(Error::Foreign { what: source.name().into(), detail });
        }
        match start_from(source, superblock) {
            Ok(mut state) => {
                state.next_slot = if lost.is_some() { 1 - slot } else { *slot };
                state.lost_slot = lost;
                state.damages.extend(damages);
                return Replay::new(source, state, (durable_to, until), false)?.run();
            }
            Err(error @ (Error::Damaged { .. } | Error::Limit { .. })) => {
                let end = superblock.commit.get().saturating_add(COMMIT_FRAME_LEN as u64);
                if end <= durable_to {
                    damages.push(damage(&error));
                }
            }
            Err(error) => return Err(error),
        }
    }
    // Neither superblock leads anywhere: what is sound from the first frame on counts.
    let (_, superblock) =
        sound.first().ok_or_else(|| source.damaged(0, "expected a superblock, found none"))?;
    let mut state = start_anew(source, superblock);
    state.lost_slot = lost;
    state.damages = damages;
    Replay::new(source, state, (durable_to, until), true)?.run()
}

/// The state as of the checkpoint that the superblock names.
fn start_from(source: &Arc<Source>, superblock: &Superblock) -> Result<State> {
    let mut state = start_anew(source, superblock);
    let at = superblock.commit.get();
    if at == 0 {
        return Ok(state);
    }
    let (header, body) = small_frame(source, at, FrameKind::Commit)?;
    let commit = source.named(Commit::parse(superblock.file_id, at, &header, &body))?;
    let checkpoint_at = commit.checkpoint.get();
    match parse_checkpoint(source, superblock.file_id, checkpoint_at) {
        Ok(checkpoint) => state.adopt_checkpoint(source, checkpoint_at, checkpoint),
        Err(Error::Damaged { .. } | Error::Limit { .. }) => {
            state.miss_checkpoint(source, checkpoint_at, at)?;
        }
        Err(error) => return Err(error),
    }
    state.adopt(&commit, &header);
    state.checkpoint_commit = at;
    state.tail_start = state.end;
    Ok(state)
}

/// The state before the first frame.
fn start_anew(source: &Arc<Source>, superblock: &Superblock) -> State {
    let checkpoint = Checkpoint::default();
    State {
        superblock: *superblock,
        next_slot: 0,
        lost_slot: None,
        root: Root::default(),
        index: Arc::new(Index::new(source.clone(), DATABASE_START, &checkpoint)),
        end: DATABASE_START,
        commit_hash: [0; 32],
        checkpoint,
        checkpoint_at: 0,
        checkpoint_commit: 0,
        tail_start: DATABASE_START,
        proven_to: 0,
        not_indexed_to: None,
        damages: Vec::new(),
        doubt: None,
    }
}

/// The epoch of the commit that the newest superblock leads to; zero in a file without any.
pub fn newest_epoch(source: &Source) -> Result<u64> {
    let slots = Slots::read(source)?;
    let Some(superblock) = slots.newest().filter(|one| one.commit.get() > 0) else {
        return Ok(0);
    };
    let at = superblock.commit.get();
    let (header, body) = small_frame(source, at, FrameKind::Commit)?;
    Ok(source.named(Commit::parse(superblock.file_id, at, &header, &body))?.epoch.get())
}
