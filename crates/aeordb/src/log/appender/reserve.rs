//! Space that is kept behind the tail: on a full disk what grows is refused while there is still
//! room for what is removed, for a collection, and for restoring the tail at the next opening.
//!
//! The blocks lie beyond the end of the file, where no reader looks, and appending goes into them.
//! So every append first sees to it that enough of them is left. Where the file system cannot
//! reserve, nothing is kept, and what fits is written.

use std::ops::Range;

use super::Appender;
use crate::error::{Context, Result};
use crate::format::FRAME_HEADER_LEN;
use crate::format::checkpoint::VoidRef;
use crate::format::run;
use crate::log::source::Source;

/// What space is used for: each purpose leaves alone what is kept for those after it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub enum Purpose {
    /// Whatever adds to the database.
    #[default]
    Growth,
    /// Taking something away from HEAD, a snapshot or a key: a collection can free space then.
    Removal,
    /// Freeing space, and what must be done before anything else can be.
    Collection,
}

/// Kept for removals: each takes the nodes of one path, and a commit.
const REMOVAL_LEN: u64 = 512 * 1024;
/// Kept for a collection besides its index.
const COLLECTION_LEN: u64 = 128 * 1024;
/// A commit of more bytes is followed by a superblock that says it was synced, so that restoring
/// it after a crash never takes more.
pub(super) const UNPROVEN_LEN_MAX: u64 = 8 * 1024 * 1024;
/// What is reserved at once beyond what is needed, so that few appends have to: a part of the file.
const AHEAD_PART: u64 = 16;
const AHEAD_LEN: Range<u64> = 128 * 1024..8 * 1024 * 1024;
/// A part of the reserve that is looked for by itself when there is no room for all of it.
const PIECE_LEN_MIN: u64 = 64 * 1024;

/// What is known to be reserved.
pub(super) struct Reserve {
    /// Bytes up to here can be written.
    to: u64,
    /// The file system can reserve.
    able: bool,
    /// The last time it had no room.
    pub short: bool,
    /// Bytes of the last commit, for as long as no superblock proves it.
    pub unproven: u64,
    /// What is under way.
    pub purpose: Purpose,
}

impl Reserve {
    pub fn new() -> Self {
        Reserve { to: 0, able: true, short: false, unproven: 0, purpose: Purpose::default() }
    }

    /// Keeps nothing.
    pub fn give_up(&mut self) {
        self.able = false;
    }

    /// The file was cut at `end`.
    pub fn cut(&mut self, end: u64) {
        self.to = self.to.min(end);
    }

    /// Makes sure that a file that ends at `end` can grow to `until`, or to `ahead` bytes more.
    fn reach(&mut self, source: &Source, end: u64, until: u64, ahead: u64) -> Result<()> {
        if until <= self.to || !self.able {
            return Ok(());
        }
        self.short = false;
        let from = self.to.max(end);
        let mut outcome = Ok(());
        for until in [until.saturating_add(ahead), until] {
            let reserved = source.media().reserve(from..until);
            let what = || format!("reserving {} bytes for {}", until - from, source.name());
            outcome = match reserved.context(what) {
                Ok(true) => {
                    self.to = until;
                    return Ok(());
                }
                Ok(false) => {
                    self.able = false;
                    return Ok(());
                }
                Err(error) if error.is_no_space() => Err(error),
                // Whatever it is, writing will tell.
                Err(_) => return Ok(()),
            };
        }
        self.short = true;
        outcome
    }
}

impl Appender {
    /// Sees to it that `len` bytes can be appended, with what is kept for other purposes left.
    pub(super) fn make_room(&mut self, len: u64) -> Result<()> {
        self.room_for(self.reserve.purpose, len)
    }

    /// True if `len` bytes can be appended without touching what is kept.
    pub(super) fn is_room(&mut self, len: u64) -> bool {
        self.room_for(Purpose::Growth, len).is_ok()
    }

    fn room_for(&mut self, purpose: Purpose, len: u64) -> Result<()> {
        self.check_own()?;
        let until = self.end + len + self.kept_by(purpose, len);
        let ahead = match purpose {
            Purpose::Growth => (self.end / AHEAD_PART).clamp(AHEAD_LEN.start, AHEAD_LEN.end),
            Purpose::Removal | Purpose::Collection => 0,
        };
        // With nothing known to be there, trying is all that is left; and nothing is kept from a
        // collection.
        let tries = match purpose {
            Purpose::Growth => false,
            Purpose::Removal => self.reserve.to <= self.end,
            Purpose::Collection => true,
        };
        match self.reserve.reach(&self.source, self.end, until, ahead) {
            Err(_) if tries => Ok(()),
            outcome => outcome,
        }
    }

    /// Bytes that a purpose leaves to others, once it has appended `len` more.
    fn kept_by(&self, purpose: Purpose, len: u64) -> u64 {
        let entries = self.index.entries();
        // A collection writes the whole index, and a void between any two blocks at the most.
        let collection = COLLECTION_LEN + run_len(entries) + entries * size_of::<VoidRef>() as u64;
        // Restoring writes the last commit again, and a run of what no run has.
        let unproven = (self.end + len - self.state.end).max(self.reserve.unproven);
        let restoring = unproven.min(UNPROVEN_LEN_MAX) + run_len(self.index.recent_len() as u64);
        match purpose {
            Purpose::Growth => REMOVAL_LEN + restoring + collection,
            Purpose::Removal => collection,
            Purpose::Collection => 0,
        }
    }

    /// Bytes that ought to be reserved after the last commit.
    pub(super) fn reserve_len(&self) -> u64 {
        // There is nothing to remove from a database without a commit.
        match self.reserve.able && self.state.root.sequence > 0 {
            true => self.kept_by(Purpose::Growth, 0),
            false => 0,
        }
    }

    /// Gives back what was reserved for appends to come, where there was room for it: a file that
    /// nobody writes to takes what the next removal and collection need, and no more.
    pub fn trim_reserve(&mut self) {
        let is_proven = self.state.superblock.durable_to.get() >= self.state.end;
        if self.reserve.short || !is_proven || self.state.end != self.end {
            return;
        }
        self.reserve.unproven = 0;
        let needed = self.reserve_len();
        if needed == 0 || self.reserve.to <= self.end + needed || self.check_own().is_err() {
            return;
        }
        // To cut the file where it ends takes the blocks beyond, and nothing else.
        if self.source.media().set_len(self.end).is_ok() {
            self.reserve.cut(self.end);
            self.renew_reserve();
        }
    }

    /// True if the file system had no room for all that ought to be reserved.
    pub fn is_short(&self) -> bool {
        self.reserve.short
    }

    /// Reserves what ought to be, or as much of it as there is.
    pub fn renew_reserve(&mut self) {
        let len = self.reserve_len();
        if len == 0 {
            return;
        }
        let wanted = self.end + len;
        let piece = (len / 16).max(PIECE_LEN_MIN);
        let (reserve, source) = (&mut self.reserve, &self.source);
        if reserve.reach(source, self.end, wanted, 0).is_err() {
            loop {
                let until = reserve.to.max(self.end) + piece;
                if until >= wanted || reserve.reach(source, self.end, until, 0).is_err() {
                    break;
                }
                if reserve.to < until {
                    break;
                }
            }
        }
    }
}

/// Most bytes that a run of so many records takes.
pub(super) fn run_len(records: u64) -> u64 {
    FRAME_HEADER_LEN as u64 + run::body_len(records)
}
