//! Opening a database: the newest sound superblock gives the last checkpoint, and every whole
//! commit after it counts. Nothing is written.
//!
//! A torn tail and damage are different things. What is broken at or after the end of the last
//! commit that is known to have been synced is a tail that was never acknowledged, and is dropped.
//! What is broken before it is damage: it is reported, and nothing is cut off.

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::format::checkpoint::{self, Checkpoint};
use crate::format::commit::{COMMIT_FRAME_LEN, Commit, Seal};
use crate::format::superblock::{DATABASE_START, FileKind, SLOTS, SUPERBLOCK_LEN, Superblock};
use crate::format::{FRAME_HEADER_LEN, FrameHeader, FrameKind, run};
use crate::hash::{Hash, VersionId};
use crate::limits::{BLOCK_ENTRIES_MAX, RECENT_ENTRIES_MAX};
use crate::log::frames::{self, Frames, Seen};
use crate::log::index::Index;
use crate::log::source::{RawBlock, Source};

/// Entries after a checkpoint that are held in memory. A writer makes a run of fewer, and a block
/// may bring it beyond.
const TAIL_ENTRIES_MAX: usize = RECENT_ENTRIES_MAX + BLOCK_ENTRIES_MAX;

/// What a commit makes visible.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Root {
    /// Number of the commit; zero in a database that has none yet.
    pub sequence: u64,
    /// When it was made, in nanoseconds since 1970.
    pub time: i64,
    /// HEAD.
    pub head: Option<VersionId>,
    /// Root of the map of snapshots; zero if there are none.
    pub snapshots: Hash,
    /// Root of the map of history; zero if there is none.
    pub history: Hash,
    /// Root of the map of system data; zero if there is none.
    pub system: Hash,
    /// Counts the collections that released bytes.
    pub epoch: u64,
}

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
    /// The other slot holds no sound superblock.
    pub one_slot: bool,
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
}

/// Reads a database's superblocks; the newest sound one first, each with its slot.
pub fn read_slots(source: &Source) -> Result<Vec<(usize, Superblock)>> {
    let mut sound = Vec::new();
    let mut first_error = None;
    for (slot, offset) in SLOTS.into_iter().enumerate() {
        let mut buffer = [0; SUPERBLOCK_LEN];
        let parsed = match source.media().read_at(&mut buffer, offset) {
            Ok(read) => Superblock::parse(source.name(), offset, &buffer[..read]),
            Err(error) => {
                let what = format!("reading {} at offset {offset}", source.name());
                Err(Error::Io { what, source: error })
            }
        };
        match parsed {
            Ok(superblock) => sound.push((slot, superblock)),
            // What both slots say is not ours is not ours; otherwise the damage is what counts.
            // What a newer program wrote there is not passed over: it may be all that counts.
            Err(error @ Error::Newer { .. }) => return Err(error),
            Err(error) => match (&first_error, &error) {
                (Some(Error::Foreign { .. }), Error::Damaged { .. }) | (None, _) => {
                    first_error = Some(error);
                }
                _ => {}
            },
        }
    }
    sound.sort_by_key(|(_, superblock)| std::cmp::Reverse(superblock.sequence.get()));
    match (sound.is_empty(), first_error) {
        (true, Some(error)) => Err(error),
        _ => Ok(sound),
    }
}

/// The state of the database behind `source`.
pub fn recover(source: &Arc<Source>) -> Result<State> {
    recover_until(source, u64::MAX)
}

/// Its state as of the last commit that ends at or before `until`.
pub fn recover_until(source: &Arc<Source>, until: u64) -> Result<State> {
    let slots = read_slots(source)?;
    let one_slot = slots.len() < SLOTS.len();
    let durable_to = slots.iter().map(|(_, superblock)| superblock.durable_to.get()).max();
    let durable_to = durable_to.unwrap_or(0);
    let mut damages = Vec::new();
    let mut newest = None;
    for (slot, superblock) in slots {
        if superblock.file_kind() != Some(FileKind::Database) {
            let detail = "is sealed: it is not a database that grows".into();
            return Err(Error::Foreign { what: source.name().into(), detail });
        }
        let next_slot = if one_slot { 1 - slot } else { slot };
        match start_from(source, next_slot, &superblock) {
            Ok(mut state) => {
                state.one_slot = one_slot;
                return Replay::new(source, state, durable_to, until).run();
            }
            Err(error @ (Error::Damaged { .. } | Error::Limit { .. })) => {
                damages.push(damage(&error));
                newest.get_or_insert((next_slot, superblock));
            }
            Err(error) => return Err(error),
        }
    }
    // Neither superblock leads anywhere: what is sound from the first frame on counts.
    let (next_slot, superblock) =
        newest.ok_or_else(|| source.damaged(0, "expected a superblock, found none"))?;
    let mut state = start_anew(source, next_slot, &superblock);
    state.damages = damages;
    let mut replay = Replay::new(source, state, durable_to, until);
    replay.lenient = true;
    replay.run()
}

fn damage(error: &Error) -> Damage {
    match error {
        Error::Damaged { offset, detail, .. } => Damage { offset: *offset, detail: detail.clone() },
        other => Damage { offset: 0, detail: other.to_string() },
    }
}

/// The state as of the checkpoint that the superblock names.
fn start_from(source: &Arc<Source>, next_slot: usize, superblock: &Superblock) -> Result<State> {
    let mut state = start_anew(source, next_slot, superblock);
    let at = superblock.commit.get();
    if at == 0 {
        return Ok(state);
    }
    let (header, body) = small_frame(source, at, FrameKind::Commit)?;
    let commit = source.named(Commit::parse(superblock.file_id, at, &header, &body))?;
    match adopt_checkpoint(source, &mut state, commit.checkpoint.get()) {
        Ok(()) => {}
        // Derived from the blocks, which are there.
        Err(Error::Damaged { .. } | Error::Limit { .. }) => state.not_indexed_to = Some(at),
        Err(error) => return Err(error),
    }
    state.adopt(&commit, &header);
    state.checkpoint_commit = at;
    state.tail_start = state.end;
    Ok(state)
}

/// The state before the first frame.
fn start_anew(source: &Arc<Source>, next_slot: usize, superblock: &Superblock) -> State {
    let checkpoint = Checkpoint::default();
    State {
        superblock: *superblock,
        next_slot,
        one_slot: false,
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
    let slots = read_slots(source)?;
    let Some((_, superblock)) = slots.first().filter(|(_, one)| one.commit.get() > 0) else {
        return Ok(0);
    };
    let at = superblock.commit.get();
    let (header, body) = small_frame(source, at, FrameKind::Commit)?;
    Ok(source.named(Commit::parse(superblock.file_id, at, &header, &body))?.epoch.get())
}

fn adopt_checkpoint(source: &Arc<Source>, state: &mut State, at: u64) -> Result<()> {
    let (header, body) = small_frame(source, at, FrameKind::Checkpoint)?;
    let file_id = state.superblock.file_id;
    let checkpoint = source.named(Checkpoint::parse(file_id, at, &header, &body))?;
    state.index = Arc::new(Index::new(source.clone(), DATABASE_START, &checkpoint));
    state.checkpoint = checkpoint;
    state.checkpoint_at = at;
    state.not_indexed_to = None;
    Ok(())
}

impl State {
    fn adopt(&mut self, commit: &Commit, header: &FrameHeader) {
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

/// Replays the frames after a checkpoint.
struct Replay<'a> {
    source: &'a Arc<Source>,
    state: State,
    /// Below this, what is broken is damage.
    durable_to: u64,
    /// Commits that end after this are left out.
    until: u64,
    file_len: u64,
    seal: Seal,
    blocks: Blocks,
    /// Something was damaged since the last commit, so its seal cannot be right.
    lenient: bool,
}

impl<'a> Replay<'a> {
    fn new(source: &'a Arc<Source>, state: State, durable_to: u64, until: u64) -> Self {
        let (seal, blocks) = (Seal::new(), Blocks::default());
        Replay { source, state, durable_to, until, file_len: 0, seal, blocks, lenient: false }
    }

    fn run(mut self) -> Result<State> {
        self.file_len = self.source.file_len()?;
        if self.file_len < self.durable_to {
            let detail = format!(
                "the file ends here, but commits up to offset {} were synced",
                self.durable_to
            );
            self.state.damages.push(Damage { offset: self.file_len, detail });
        }
        let mut at = self.state.end;
        // Headers first, so that a large load which never committed costs no hashing.
        while let Some(commit_at) = self.find_commit(at)? {
            if commit_at.saturating_add(COMMIT_FRAME_LEN as u64) > self.until {
                break;
            }
            match self.replay_to(at, commit_at)? {
                Step::Taken => at = self.state.end,
                Step::Skipped(next) => at = next,
                Step::Torn => break,
            }
        }
        self.state.proven_to = self.durable_to;
        if self.state.one_slot && self.until == u64::MAX {
            self.look_beyond()?;
        }
        Ok(self.state)
    }

    /// With one superblock lost nobody says how far the file was synced. A crash that tears a
    /// superblock tears no commit, and the next writer replaces it first of all: so a commit that
    /// stands after broken bytes had been acknowledged, and they are damage.
    fn look_beyond(&mut self) -> Result<()> {
        let (source, end) = (self.source, self.state.end);
        for seen in Frames::new(source, end..self.file_len, &[]) {
            let Seen::Frame(at, header) = seen? else { continue };
            if header.frame_kind() != Some(FrameKind::Commit) {
                continue;
            }
            let (header, body) = small_frame(source, at, FrameKind::Commit)?;
            let commit = Commit::parse(self.state.superblock.file_id, at, &header, &body);
            if commit.is_ok_and(|commit| commit.sequence.get() > self.state.root.sequence) {
                let detail = format!("expected what the commit at offset {at} follows");
                self.state.damages.push(Damage { offset: end, detail });
                break;
            }
        }
        Ok(())
    }

    /// The frame at `at`: its header, if it lies wholly in the file.
    fn frame(&self, at: u64) -> Result<Option<FrameHeader>> {
        frames::frame(self.source, at, self.file_len)
    }

    /// Offset of the first commit at or after `at` that is reached over sound headers.
    fn find_commit(&mut self, mut at: u64) -> Result<Option<u64>> {
        loop {
            match self.frame(at)? {
                Some(header) if header.frame_kind() == Some(FrameKind::Commit) => {
                    return Ok(Some(at));
                }
                Some(header) => at += header.frame_len(),
                None if at < self.durable_to.min(self.file_len) => {
                    let detail = "expected a frame, found other bytes".to_owned();
                    self.state.damages.push(Damage { offset: at, detail });
                    self.lenient = true;
                    match self.next_frame(at + 1)? {
                        Some(next) => at = next,
                        None => return Ok(None),
                    }
                }
                None => return Ok(None),
            }
        }
    }

    /// The next place at or after `at`, below `durable_to`, where a frame starts.
    fn next_frame(&self, at: u64) -> Result<Option<u64>> {
        frames::next_frame(self.source, at..self.durable_to.min(self.file_len), self.file_len)
    }

    /// Replays the frames from `at` to the commit at `commit_at`.
    fn replay_to(&mut self, mut at: u64, commit_at: u64) -> Result<Step> {
        self.seal = Seal::new();
        let mut checkpoint_at = None;
        while at < commit_at {
            let Some(header) = self.frame(at)? else {
                // Damage that `find_commit` has reported.
                match self.next_frame(at + 1)? {
                    Some(next) if next <= commit_at => at = next,
                    _ => return Ok(Step::Torn),
                }
                continue;
            };
            if let Err(error) = self.check_frame(at, &header) {
                match error {
                    Error::Damaged { .. } | Error::Limit { .. } if at >= self.durable_to => {
                        return Ok(Step::Torn);
                    }
                    Error::Damaged { .. } | Error::Limit { .. } => {
                        let offset = at;
                        self.state.damages.push(Damage { offset, detail: damage(&error).detail });
                        self.lenient = true;
                    }
                    other => return Err(other),
                }
            }
            if header.frame_kind() == Some(FrameKind::Checkpoint) {
                checkpoint_at = Some(at);
            }
            self.seal.add(at, &header.hash);
            at += header.frame_len();
        }
        self.commit(commit_at, checkpoint_at)
    }

    /// Checks a frame before the commit that seals it, and remembers blocks.
    fn check_frame(&mut self, at: u64, header: &FrameHeader) -> Result<()> {
        match header.frame_kind() {
            Some(FrameKind::Block) => {
                let block = self.source.raw_block(at, None)?;
                self.blocks.add(at, header.tag(), &block);
                Ok(())
            }
            Some(FrameKind::Run) => check_run(self.source, at, header),
            Some(FrameKind::Checkpoint | FrameKind::Void) => Ok(()),
            None => self.source.named(Err(header.newer())),
            _ => Err(self.source.damaged(at, "a frame that no database holds")),
        }
    }

    /// Takes the commit at `at` if it is sound and follows the one before.
    fn commit(&mut self, at: u64, checkpoint_at: Option<u64>) -> Result<Step> {
        let source = self.source;
        let parsed = small_frame(source, at, FrameKind::Commit).and_then(|(header, body)| {
            let file_id = self.state.superblock.file_id;
            Ok((source.named(Commit::parse(file_id, at, &header, &body))?, header))
        });
        let (commit, header) = match parsed {
            Ok(parsed) => parsed,
            Err(error @ Error::Damaged { .. }) => return Ok(self.broken(at, damage(&error).detail)),
            Err(error) => return Err(error),
        };
        let follows = commit.sequence.get() == self.state.root.sequence + 1
            && commit.previous == self.state.commit_hash
            && commit.seal == self.seal.finish();
        let later = commit.sequence.get() > self.state.root.sequence;
        let stands_in = self.lenient && later && at < self.durable_to;
        if !follows && !stands_in {
            return Ok(self.broken(at, "the commit does not seal what stands before it".into()));
        }
        if let Some(checkpoint_at) = checkpoint_at {
            adopt_checkpoint(source, &mut self.state, checkpoint_at)?;
        } else {
            self.blocks.index(source, &self.state.index)?;
        }
        self.state.adopt(&commit, &header);
        if checkpoint_at.is_some() {
            self.state.checkpoint_commit = at;
            self.state.tail_start = self.state.end;
        }
        self.durable_to = self.durable_to.max(commit.durable_to.get());
        self.lenient = false;
        self.blocks = Blocks::default();
        Ok(Step::Taken)
    }

    /// A commit that does not count: the torn tail starts before it, or it is damage, and the
    /// next sound commit stands for it.
    fn broken(&mut self, at: u64, detail: String) -> Step {
        if at >= self.durable_to {
            return Step::Torn;
        }
        self.state.damages.push(Damage { offset: at, detail });
        self.lenient = true;
        Step::Skipped(at + COMMIT_FRAME_LEN as u64)
    }
}

/// What the blocks since the last commit hold.
#[derive(Default)]
struct Blocks {
    /// Offset, first bytes of the hash, and names of the entries.
    tables: Vec<(u64, u64, Vec<Hash>)>,
    entries: usize,
}

impl Blocks {
    fn add(&mut self, at: u64, tag: u64, block: &RawBlock) {
        self.entries += block.head.entries.len();
        if self.entries <= TAIL_ENTRIES_MAX {
            let hashes = block.head.entries.iter().map(|entry| entry.hash).collect();
            self.tables.push((at, tag, hashes));
        } else {
            // A commit of so many writes a checkpoint, which says all this.
            self.tables.clear();
        }
    }

    /// Adds the entries to an index, which stays within the memory that a writer allows it.
    fn index(&mut self, source: &Source, index: &Index) -> Result<()> {
        if self.entries + index.recent_len() > TAIL_ENTRIES_MAX {
            return Err(Error::Limit {
                what: format!(
                    "the number of entries after the last checkpoint of {}",
                    source.name()
                ),
                limit: TAIL_ENTRIES_MAX as u64,
                found: (self.entries + index.recent_len()) as u64,
            });
        }
        for (at, tag, hashes) in self.tables.drain(..) {
            index.add(hashes.into_iter(), at, tag);
        }
        Ok(())
    }
}

/// What became of a commit.
enum Step {
    Taken,
    Skipped(u64),
    Torn,
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
