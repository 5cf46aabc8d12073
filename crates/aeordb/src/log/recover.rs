//! Opening a database: the newest sound superblock gives the last checkpoint, and every whole
//! commit after it counts. Nothing is written.
//!
//! A torn tail and damage are different things. What is broken at or after the end of the last
//! commit that is known to have been synced is a tail that was never acknowledged, and is dropped.
//! What is broken before it is damage: it is reported, and nothing is cut off.

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::format::checkpoint::{self, Checkpoint};
use crate::format::commit::{COMMIT_FRAME_LEN, Commit};
use crate::format::superblock::{DATABASE_START, FileKind, Superblock};
use crate::format::{FRAME_HEADER_LEN, FrameHeader, FrameKind, run};
use crate::hash::{Hash, VersionId};
use crate::log::index::Index;
use crate::log::replay::Replay;
use crate::log::slots::Slots;
use crate::log::source::Source;
use crate::store::Root;

/// Damage that was found while opening.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Damage {
    /// Where in the file.
    pub offset: u64,
    /// What is wrong.
    pub detail: String,
}

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

/// What an error says of the file.
pub fn damage(error: &Error) -> Damage {
    match error {
        Error::Damaged { offset, detail, .. } => Damage { offset: *offset, detail: detail.clone() },
        other => Damage { offset: 0, detail: other.to_string() },
    }
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

/// Reads a frame that is small enough to be held in memory.
pub fn small_frame(
    source: &Source,
    offset: u64,
    kind: FrameKind,
) -> Result<(FrameHeader, Vec<u8>)> {
    let header = source.header(offset)?;
    if let Some(header) = header.filter(|header| header.frame_kind().is_none()) {
        return source.named(Err(header.newer()));
    }
    let header = header
        .filter(|header| header.frame_kind() == Some(kind))
        .ok_or_else(|| source.damaged(offset, format!("expected a {kind:?} frame, found none")))?;
    let len = header.body_len.get();
    let room = source.file_len()?.saturating_sub(offset);
    let bounded = len <= checkpoint::BODY_LEN_MAX && len <= room;
    let len = usize::try_from(len).ok().filter(|_| bounded).ok_or_else(|| {
        source.damaged(offset, format!("a {kind:?} frame of {len} bytes, {room} are there"))
    })?;
    let body = source.bytes(offset + FRAME_HEADER_LEN as u64, len)?;
    Ok((header, body))
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

/// The checkpoint at `at`, whole.
pub fn parse_checkpoint(source: &Source, file_id: [u8; 16], at: u64) -> Result<Checkpoint> {
    let (header, body) = small_frame(source, at, FrameKind::Checkpoint)?;
    source.named(Checkpoint::parse(file_id, at, &header, &body))
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

/// Checks every page of a run, and that its header is what was written with them.
pub fn check_run(source: &Source, at: u64, header: &FrameHeader) -> Result<()> {
    let records = u64::from(header.count.get());
    if header.body_len.get() != run::body_len(records) {
        return Err(source.damaged(at, format!("a run of {records} records of another length")));
    }
    let run = checkpoint::RunRef { offset: at.into(), records: records.into() };
    let mut hasher = RunHasher::default();
    for page in 0..run::pages(records) {
        hasher.add(&source.read_page(&run, page)?);
    }
    if header.expected_hash([hasher.0.as_slice()]) != header.hash {
        return Err(source.damaged(at, "a run that does not have the hash it was written with"));
    }
    Ok(())
}

/// A run's hash covers the checks of its pages.
#[derive(Default)]
pub struct RunHasher(pub Vec<u8>);

impl RunHasher {
    /// Adds the next page.
    pub fn add(&mut self, page: &[u8]) {
        let (_, check) = page.split_at(page.len().saturating_sub(run::PAGE_CHECK_LEN));
        self.0.extend_from_slice(check);
    }
}
