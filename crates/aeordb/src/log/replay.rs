//! Replays the frames after a checkpoint, as far as commits can be proved.
//!
//! At or after the end of the last commit that is known to have been synced everything that does
//! not prove itself is a torn tail, whatever frame it is. Before it, it is damage: the next sound
//! commit counts all the same, and what it seals is there or is missed when it is read.

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::format::checkpoint::Checkpoint;
use crate::format::commit::{COMMIT_FRAME_LEN, Commit, Seal};
use crate::format::{FrameHeader, FrameKind};
use crate::hash::Hash;
use crate::limits::{BLOCK_ENTRIES_MAX, CHECKPOINT_INTERVAL, RECENT_ENTRIES_MAX};
use crate::log::checked::{Damage, check_run, damage, parse_checkpoint, small_frame};
use crate::log::frames::{self, Frames, Seen};
use crate::log::index::Index;
use crate::log::source::Source;
use crate::log::state::State;

/// Entries after a checkpoint that are held in memory: a writer may make a run only of so many, ours
/// does of fewer, and a block may bring it beyond.
const TAIL_ENTRIES_MAX: usize = 256 * 1024 + BLOCK_ENTRIES_MAX;
const _: () = assert!(RECENT_ENTRIES_MAX + BLOCK_ENTRIES_MAX <= TAIL_ENTRIES_MAX);

/// Bytes after broken ones that are searched for a commit that knows them to have been synced. A
/// superblock says so for what is further on: writers make one that often.
const SEARCHED_LEN: u64 = CHECKPOINT_INTERVAL + CHECKPOINT_INTERVAL / 2;

/// How often such a commit is looked for.
const SEARCHES: usize = 8;

/// Replays the frames after a checkpoint.
pub struct Replay<'a> {
    source: &'a Arc<Source>,
    state: State,
    /// Below this, what is broken is damage.
    durable_to: u64,
    /// Commits that end after this are left out.
    until: u64,
    file_len: u64,
    seal: Seal,
    blocks: Blocks,
    /// The last checkpoint since the last commit, and where it stands.
    checkpoint: Option<(u64, Checkpoint)>,
    /// A collection that no superblock knows has released bytes: the superblocks are older than
    /// what follows them, and its commit is there to be found.
    released: bool,
    /// Something was damaged since the last commit, so its seal cannot be right.
    lenient: bool,
}

/// What became of a commit.
enum Step {
    Taken,
    Skipped(u64),
    Torn,
}

impl<'a> Replay<'a> {
    /// A replay from the end of `state` on; `lenient` if damage lies before it.
    pub fn new(
        source: &'a Arc<Source>,
        state: State,
        (durable_to, until): (u64, u64),
        lenient: bool,
    ) -> Result<Self> {
        Ok(Replay {
            state,
            durable_to,
            until,
            file_len: source.file_len()?,
            source,
            seal: Seal::new(),
            blocks: Blocks::default(),
            checkpoint: None,
            released: false,
            lenient,
        })
    }

    /// The state as of the last commit.
    pub fn run(mut self) -> Result<State> {
        if self.file_len < self.durable_to {
            let durable_to = self.durable_to;
            let detail = format!("the file ends here, of at least {durable_to} bytes");
            self.damaged(self.file_len, detail);
        }
        for _ in 0..SEARCHES {
            let whole = self.replay()?;
            if whole || self.until < u64::MAX {
                break;
            }
            match self.synced_beyond()? {
                Some(durable_to) => self.durable_to = durable_to,
                None => break,
            }
        }
        self.state.proven_to = self.durable_to;
        let cut = self.file_len < self.durable_to;
        if self.until == u64::MAX && (cut || self.state.end < self.durable_to) {
            self.doubt();
        }
        Ok(self.state)
    }

    fn damaged(&mut self, offset: u64, detail: String) {
        let damage = Damage { offset, detail };
        if !self.state.damages.contains(&damage) {
            self.state.damages.push(damage);
        }
    }

    /// Commits that were acknowledged are missing: what there is may be an older state.
    fn doubt(&mut self) {
        let State { end, root, damages, doubt, .. } = &mut self.state;
        let proved = match root.head {
            Some(head) => format!("the last that can be proved ends at {end}, with version {head}"),
            None => "none can be proved".into(),
        };
        let missing =
            format!("commits up to offset {} were acknowledged, {proved}", self.durable_to);
        match damages.first_mut() {
            Some(first) => first.detail = format!("{}; {missing}", first.detail),
            None => damages.push(Damage { offset: *end, detail: missing }),
        }
        *doubt = doubt.take().or_else(|| damages.first().cloned());
    }

    /// Replays commit after commit. False if it stopped at something broken.
    fn replay(&mut self) -> Result<bool> {
        self.blocks = Blocks::default();
        self.checkpoint = None;
        let mut at = self.state.end;
        // Headers first, so that a large load which never committed costs no hashing.
        loop {
            let commit_at = match self.find_commit(at)? {
                Found::Commit(commit_at) => commit_at,
                Found::Broken => return Ok(false),
                Found::End => return Ok(true),
            };
            if commit_at.saturating_add(COMMIT_FRAME_LEN as u64) > self.until {
                return Ok(true);
            }
            match self.replay_to(at, commit_at)? {
                Step::Taken => at = self.state.end,
                Step::Skipped(next) => at = next,
                Step::Torn => return Ok(false),
            }
        }
    }

    /// What is broken at the end of the replay was synced if a commit beyond it says so: the end of
    /// what was, if that is news.
    ///
    /// With one superblock lost nobody says how far the file was synced. A crash that tears a
    /// superblock tears no commit, and the next writer replaces it first of all: so a commit that
    /// stands after broken bytes had been acknowledged itself.
    fn synced_beyond(&self) -> Result<Option<u64>> {
        let (source, one_slot) = (self.source, self.state.lost_slot.is_some());
        let until = match one_slot || self.released {
            true => self.file_len,
            false => self.state.end.max(self.durable_to).saturating_add(SEARCHED_LEN),
        };
        let mut synced = None;
        for seen in Frames::new(source, self.state.end..until.min(self.file_len), &[]) {
            let Seen::Frame(at, header) = seen? else { continue };
            if header.frame_kind() != Some(FrameKind::Commit) {
                continue;
            }
            let Some((commit, _)) = self.parse_commit(at)?.ok() else { continue };
            let says = if one_slot && commit.sequence.get() > self.state.root.sequence {
                at + header.frame_len()
            } else {
                commit.durable_to.get()
            };
            synced = synced.max(Some(says));
        }
        Ok(synced.filter(|synced| *synced > self.durable_to))
    }

    /// The header of the frame at `at`, if it lies wholly in the file.
    fn frame(&self, at: u64) -> Result<Option<FrameHeader>> {
        frames::frame(self.source, at, self.file_len)
    }

    /// The first commit at or after `at` that is reached over sound headers.
    fn find_commit(&mut self, mut at: u64) -> Result<Found> {
        while at < self.file_len {
            match self.frame(at)? {
                Some(header) if header.frame_kind() == Some(FrameKind::Commit) => {
                    return Ok(Found::Commit(at));
                }
                Some(header) => {
                    self.released |= header.frame_kind() == Some(FrameKind::Void);
                    at += header.frame_len();
                }
                None if at < self.durable_to => {
                    self.damaged(at, "expected a frame, found other bytes".into());
                    self.lenient = true;
                    match self.next_frame(at + 1)? {
                        Some(next) => at = next,
                        None => return Ok(Found::Broken),
                    }
                }
                None => return Ok(Found::Broken),
            }
        }
        Ok(Found::End)
    }

    /// The next place at or after `at`, below `durable_to`, where a frame starts.
    fn next_frame(&self, at: u64) -> Result<Option<u64>> {
        frames::next_frame(self.source, at..self.durable_to.min(self.file_len), self.file_len)
    }

    /// Replays the frames from `at` to the commit at `commit_at`.
    fn replay_to(&mut self, mut at: u64, commit_at: u64) -> Result<Step> {
        self.seal = Seal::new();
        while at < commit_at {
            let Some(header) = self.frame(at)? else {
                // Damage that `find_commit` has reported.
                match self.next_frame(at + 1)? {
                    Some(next) if next <= commit_at => at = next,
                    _ => return Ok(Step::Torn),
                }
                continue;
            };
            match self.take_frame(at, &header) {
                Err(Error::Damaged { .. } | Error::Limit { .. }) if at >= self.durable_to => {
                    return Ok(Step::Torn);
                }
                Err(error @ (Error::Damaged { .. } | Error::Limit { .. })) => {
                    self.damaged(at, damage(&error).detail);
                    self.lenient = true;
                }
                taken => taken?,
            }
            self.seal.add(at, &header.hash);
            at += header.frame_len();
        }
        self.commit(commit_at)
    }

    /// Checks a frame before the commit that seals it, and remembers what it holds.
    fn take_frame(&mut self, at: u64, header: &FrameHeader) -> Result<()> {
        match header.frame_kind() {
            Some(FrameKind::Block) => {
                let block = self.source.raw_block(at, None);
                // What is damaged is missed where its table says that it is.
                let table = match &block {
                    Ok(block) => block.head.entries.iter().map(|entry| entry.hash).collect(),
                    Err(_) => hashes(self.source, at, header),
                };
                self.blocks.add(at, header.tag(), table);
                block.map(drop)
            }
            Some(FrameKind::Run) => check_run(self.source, at, header),
            Some(FrameKind::Checkpoint) => {
                let file_id = self.state.superblock.file_id;
                let checkpoint = parse_checkpoint(self.source, file_id, at)?;
                self.checkpoint = Some((at, checkpoint));
                // Its runs say what the blocks before it hold.
                self.blocks = Blocks::default();
                Ok(())
            }
            Some(FrameKind::Void) => Ok(()),
            None => self.source.named(Err(header.newer())),
            _ => Err(self.source.damaged(at, "a frame that no database holds")),
        }
    }

    /// The commit at `at` and its header. The inner error is damage.
    fn parse_commit(&self, at: u64) -> Result<Result<(Commit, FrameHeader)>> {
        let parsed = small_frame(self.source, at, FrameKind::Commit).and_then(|(header, body)| {
            let file_id = self.state.superblock.file_id;
            let commit = Commit::parse(file_id, at, &header, &body);
            Ok((self.source.named(commit)?, header))
        });
        match parsed {
            Err(error) if !matches!(error, Error::Damaged { .. }) => Err(error),
            parsed => Ok(parsed),
        }
    }

    /// Takes the commit at `at` if it is sound and follows the one before.
    fn commit(&mut self, at: u64) -> Result<Step> {
        let (commit, header) = match self.parse_commit(at)? {
            Ok(parsed) => parsed,
            Err(error) => return Ok(self.broken(at, damage(&error).detail)),
        };
        let follows = commit.sequence.get() == self.state.root.sequence + 1
            && commit.previous == self.state.commit_hash
            && commit.seal == self.seal.finish();
        let later = commit.sequence.get() > self.state.root.sequence;
        let stands_in = self.lenient && later && at < self.durable_to;
        if !follows && !stands_in {
            return Ok(self.broken(at, "the commit does not seal what stands before it".into()));
        }
        let named = commit.checkpoint.get();
        let before = self.checkpoint.take();
        let is_new = named != self.state.checkpoint_at;
        match before {
            Some((found, checkpoint)) if found == named => {
                self.state.adopt_checkpoint(self.source, found, checkpoint);
            }
            None if !is_new => {}
            _ if at >= self.durable_to => return Ok(Step::Torn),
            // Derived from the blocks, which are there.
            _ => self.state.miss_checkpoint(self.source, named, at)?,
        }
        if !self.blocks.index(&self.state.index) {
            self.state.not_indexed_to = Some(at);
        }
        self.state.adopt(&commit, &header);
        if is_new {
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
        self.damaged(at, detail);
        self.lenient = true;
        Step::Skipped(at + COMMIT_FRAME_LEN as u64)
    }
}

/// What stands ahead.
enum Found {
    Commit(u64),
    Broken,
    End,
}

/// The names in the table of a damaged block, as far as it can be read.
fn hashes(source: &Source, at: u64, header: &FrameHeader) -> Vec<Hash> {
    let entries = source.table(at, header).map(|head| head.entries).unwrap_or_default();
    entries.iter().map(|entry| entry.hash).collect()
}

/// What the blocks since the last commit or checkpoint hold.
#[derive(Default)]
struct Blocks {
    /// Offset, first bytes of the hash, and names of the entries.
    tables: Vec<(u64, u64, Vec<Hash>)>,
    entries: usize,
}

impl Blocks {
    fn add(&mut self, at: u64, tag: u64, hashes: Vec<Hash>) {
        self.entries += hashes.len();
        if self.entries <= TAIL_ENTRIES_MAX {
            self.tables.push((at, tag, hashes));
        } else {
            // A commit of so many writes a checkpoint, which says all this.
            self.tables.clear();
        }
    }

    /// Adds the entries to an index, which stays within the memory that a writer allows it. False
    /// if they are too many.
    fn index(&mut self, index: &Index) -> bool {
        if self.entries + index.recent_len() > TAIL_ENTRIES_MAX {
            return false;
        }
        for (at, tag, hashes) in self.tables.drain(..) {
            index.add(hashes.into_iter(), at, tag);
        }
        true
    }
}
