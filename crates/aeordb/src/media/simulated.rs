//! A disk that fails on purpose. It keeps a log of what was asked of it, so that afterwards every
//! state can be built that a crash at any moment could have left behind. Everything follows from
//! seeds; there is no global state.

mod fault;
mod image;
mod random;
mod recording;
mod space;
#[cfg(test)]
mod tests;

use std::fmt;
use std::io;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nix::libc;

pub use fault::{FailedSync, Failure, Fault, Operation};
pub use image::{CrashImage, Shape};
pub use recording::{Budget, Recording};

use super::locks::{self, LockTable};
use super::memory::{available, clamp, end_of};
use super::{Lock, Media};
use random::Random;
use recording::{Change, Synced};
use space::Space;

/// Bytes that the disk writes as one: a sector survives a crash wholly or not at all.
pub const SECTOR_LEN: usize = 512;
/// The capacity of a disk unless it is set: enough for tests, too little to harm the machine.
const CAPACITY: u64 = 1 << 30;

/// A simulated disk with one file on it. Clones are the same disk; [`SimulatedDisk::open`] gives
/// open files.
#[derive(Clone)]
pub struct SimulatedDisk(Arc<Mutex<State>>);

struct State {
    /// What reads show: all changes, as a system's cache has them.
    current: Vec<u8>,
    recording: Recording,
    counts: [u64; Operation::ALL.len()],
    faults: Vec<Fault>,
    failed_sync: FailedSync,
    lies: bool,
    releases: bool,
    reserves: bool,
    capacity: u64,
    space: Space,
    random: Random,
    locks: LockTable,
}

impl SimulatedDisk {
    /// A disk with these bytes, durable, on a file.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        let current = bytes.into();
        SimulatedDisk(Arc::new(Mutex::new(State {
            recording: Recording::new(current.clone()),
            space: Space::of(current.len()),
            current,
            counts: [0; Operation::ALL.len()],
            faults: Vec::new(),
            failed_sync: FailedSync::default(),
            lies: false,
            releases: true,
            reserves: true,
            capacity: CAPACITY,
            random: Random::new(0, &[]),
            locks: LockTable::default(),
        })))
    }

    /// Opens the file for reading and writing.
    pub fn open(&self) -> SimulatedMedia {
        self.open_as(true)
    }

    /// Opens the file for reading: changes and exclusive locks fail with EBADF.
    pub fn open_read(&self) -> SimulatedMedia {
        self.open_as(false)
    }

    fn open_as(&self, writable: bool) -> SimulatedMedia {
        let handle = self.state().locks.open();
        SimulatedMedia { disk: self.clone(), handle, writable }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A copy of what reads show.
    pub fn contents(&self) -> Vec<u8> {
        self.state().current.clone()
    }

    /// What a crash now leaves if nothing unsynced survives, nor anything that a failed sync or a
    /// lie has lost. A new disk with these bytes is this one after its cache was dropped.
    pub fn durable(&self) -> Vec<u8> {
        let recording = self.recording();
        recording.durable(recording.crash_points() - 1)
    }

    /// What happened since the disk was made or [`SimulatedDisk::settle`] was called.
    pub fn recording(&self) -> Recording {
        self.state().recording.clone()
    }

    /// Moments at which a crash can be imagined; see [`Recording::crash_points`].
    pub fn crash_points(&self) -> usize {
        self.state().recording.crash_points()
    }

    /// Shows `visit` what may be on the disk after a crash; see [`Recording::for_each_image`].
    pub fn for_each_image(
        &self,
        at: usize,
        budget: &Budget,
        seed: u64,
        visit: impl FnMut(&CrashImage<'_>),
    ) -> usize {
        self.recording().for_each_image(at, budget, seed, visit)
    }

    /// Does so for every moment; see [`Recording::for_each_crash`].
    pub fn for_each_crash(
        &self,
        budget: &Budget,
        seed: u64,
        visit: impl FnMut(&CrashImage<'_>),
    ) -> usize {
        self.recording().for_each_crash(budget, seed, visit)
    }

    /// Makes what reads show durable, and starts counts and the recording anew: what a test has
    /// prepared is then no part of what it examines. Faults and settings stay.
    pub fn settle(&self) {
        let mut state = self.state();
        state.recording = Recording::new(state.current.clone());
        state.counts = Default::default();
    }

    /// How often an operation was called, failures included.
    pub fn count(&self, operation: Operation) -> u64 {
        self.state().counts[operation as usize]
    }

    /// How often these operations were called together.
    pub fn count_all(&self, operations: &[Operation]) -> u64 {
        operations.iter().map(|operation| self.count(*operation)).sum()
    }

    /// Makes something go wrong. Several faults count apart; the first that hits decides.
    pub fn inject(&self, fault: Fault) {
        self.state().faults.push(fault);
    }

    /// Takes all faults back.
    pub fn clear_faults(&self) {
        self.state().faults.clear();
    }

    /// Decides what a failing sync does to what was not synced.
    pub fn set_failed_sync(&self, failed_sync: FailedSync) {
        self.state().failed_sync = failed_sync;
    }

    /// Makes every later sync say `Ok` and save nothing.
    pub fn set_lying(&self, lies: bool) {
        self.state().lies = lies;
    }

    /// Decides whether the platform can release ranges; otherwise `release` returns false.
    pub fn set_releases(&self, releases: bool) {
        self.state().releases = releases;
    }

    /// Decides whether the platform can reserve ranges; otherwise `reserve` returns false.
    pub fn set_reserves(&self, reserves: bool) {
        self.state().reserves = reserves;
    }

    /// Bytes of the file that take space: all of it but what was released, and what is reserved.
    pub fn used(&self) -> u64 {
        self.state().space.used()
    }

    /// Refuses to let the file use more than `capacity` bytes: what fits arrives, then ENOSPC.
    pub fn set_capacity(&self, capacity: u64) {
        self.state().capacity = capacity;
    }

    /// Turns one bit round, behind everyone's back: in the cache and, for good, on the disk. Does
    /// nothing beyond the end of the file.
    pub fn flip(&self, offset: usize, bit: u8) {
        let mut state = self.state();
        if offset < state.current.len() {
            state.apply(Change::Flip(offset, 1 << (bit % 8)));
        }
    }
}

impl fmt::Debug for SimulatedDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state();
        let (bytes, changes) = (state.current.len(), state.recording.crash_points() - 1);
        write!(f, "SimulatedDisk({bytes} bytes, {changes} changes)")
    }
}

impl State {
    /// Counts an operation and says how it goes wrong, if it does.
    fn begin(&mut self, operation: Operation) -> Option<Failure> {
        self.counts[operation as usize] += 1;
        let mut hit = None;
        self.faults.retain_mut(|fault| {
            if !fault.operations.contains(&operation) {
                return true;
            }
            if fault.skip > 0 {
                fault.skip -= 1;
                return true;
            }
            hit = hit.or(Some(fault.failure));
            fault.lasting
        });
        hit
    }

    /// Like `begin`, for operations that either happen or fail.
    fn begin_or_fail(&mut self, operation: Operation) -> io::Result<()> {
        match self.begin(operation).and_then(Failure::error) {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    /// Changes what reads show, and notes it down.
    fn apply(&mut self, change: Change) {
        change.apply(&mut self.current);
        self.recording.push(change);
    }

    fn write(&mut self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let failure = self.begin(Operation::Write);
        let end = end_of(offset, bytes.len())?;
        if bytes.is_empty() {
            return failure.and_then(Failure::error).map_or(Ok(()), Err);
        }
        // A gap takes space too.
        let place = offset.min(self.current.len() as u64)..end;
        let reach = self.reach(&place);
        let mut arriving = bytes;
        let mut outcome = Ok(());
        if reach < end {
            let fits = usize::try_from(reach.saturating_sub(offset)).unwrap_or(0);
            arriving = &bytes[..fits];
            outcome = Err(io::Error::from_raw_os_error(libc::ENOSPC));
        }
        if let Some(error) = failure.and_then(Failure::error) {
            let short = failure == Some(Failure::Short) && arriving.len() > 1;
            let part = if short { 1 + self.random.below(arriving.len() - 1) } else { 0 };
            arriving = &arriving[..part];
            outcome = Err(error);
        }
        if arriving.is_empty() {
            return outcome;
        }
        self.space.take(place.start..offset + arriving.len() as u64);
        let offset = index(offset)?;
        let change = Change::Write(offset, arriving.into());
        match failure {
            Some(Failure::Misdirected { sectors }) => {
                change.apply(&mut self.current);
                self.recording.push(Change::Write(moved(offset, sectors), arriving.into()));
            }
            _ => self.apply(change),
        }
        outcome
    }

    /// The end of what of `range` fits on the disk, from its start on.
    fn reach(&self, range: &Range<u64>) -> u64 {
        self.space.reach(range, self.capacity.saturating_sub(self.space.used()))
    }

    fn sync(&mut self) -> io::Result<()> {
        match self.begin(Operation::Sync).and_then(Failure::error) {
            Some(error) => {
                let lost = self.failed_sync == FailedSync::Loses;
                let synced = if lost { Synced::Lost } else { Synced::Nothing };
                self.apply(Change::Sync(synced));
                Err(error)
            }
            None => {
                let synced = if self.lies { Synced::Nothing } else { Synced::Durable };
                self.apply(Change::Sync(synced));
                Ok(())
            }
        }
    }
}

fn index(offset: u64) -> io::Result<usize> {
    usize::try_from(offset).map_err(|_| io::ErrorKind::FileTooLarge.into())
}

/// `offset` so many sectors further on, or further back if it would not come to lie in the file.
fn moved(offset: usize, sectors: i64) -> usize {
    let distance = usize::try_from(sectors.unsigned_abs()).unwrap_or(1) * SECTOR_LEN;
    match offset.checked_sub(distance) {
        Some(back) if sectors < 0 => back,
        _ => offset + distance,
    }
}

/// An open file on a [`SimulatedDisk`]. Dropping it frees its locks; the disk stays.
pub struct SimulatedMedia {
    disk: SimulatedDisk,
    handle: u64,
    writable: bool,
}

impl SimulatedMedia {
    /// The disk that the file is on.
    pub fn disk(&self) -> &SimulatedDisk {
        &self.disk
    }

    fn check_writable(&self) -> io::Result<()> {
        if self.writable { Ok(()) } else { Err(io::Error::from_raw_os_error(libc::EBADF)) }
    }
}

impl fmt::Debug for SimulatedMedia {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SimulatedMedia({} on {:?})", self.handle, self.disk)
    }
}

impl Drop for SimulatedMedia {
    fn drop(&mut self) {
        self.disk.state().locks.close(self.handle);
    }
}

impl Media for SimulatedMedia {
    fn len(&self) -> io::Result<u64> {
        Ok(self.disk.state().current.len() as u64)
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut state = self.disk.state();
        state.begin_or_fail(Operation::Read)?;
        let found = available(&state.current, offset, buffer.len());
        buffer[..found.len()].copy_from_slice(found);
        Ok(found.len())
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.check_writable()?;
        self.disk.state().write(bytes, offset)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.check_writable()?;
        let mut state = self.disk.state();
        state.begin_or_fail(Operation::SetLen)?;
        let grown = state.current.len() as u64..len;
        if !grown.is_empty() && state.reach(&grown) < len {
            return Err(io::Error::from_raw_os_error(libc::ENOSPC));
        }
        let change = Change::SetLen(index(len)?);
        state.space.take(grown);
        state.space.give_back(len..u64::MAX);
        state.apply(change);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        self.disk.state().sync()
    }

    fn allocated(&self) -> io::Result<u64> {
        Ok(self.disk.used())
    }

    fn free(&self) -> io::Result<u64> {
        let state = self.disk.state();
        Ok(state.capacity.saturating_sub(state.space.used()))
    }

    fn release(&self, range: Range<u64>) -> io::Result<bool> {
        self.check_writable()?;
        let mut state = self.disk.state();
        state.begin_or_fail(Operation::Release)?;
        let place = clamp(&range, state.current.len());
        if !state.releases || place.is_empty() {
            return Ok(false);
        }
        state.space.give_back(place.start as u64..place.end as u64);
        state.apply(Change::Release(place));
        Ok(true)
    }

    fn reserve(&self, range: Range<u64>) -> io::Result<bool> {
        self.check_writable()?;
        let mut state = self.disk.state();
        state.begin_or_fail(Operation::Reserve)?;
        if !state.reserves || range.is_empty() {
            return Ok(false);
        }
        if state.reach(&range) < range.end {
            return Err(io::Error::from_raw_os_error(libc::ENOSPC));
        }
        state.space.take(range);
        Ok(true)
    }

    fn try_lock(&self, range: Range<u64>, lock: Lock) -> io::Result<bool> {
        locks::check_range(&range)?;
        if lock == Lock::Exclusive && !range.is_empty() {
            self.check_writable()?;
        }
        Ok(self.disk.state().locks.try_lock(self.handle, range, lock))
    }

    fn unlock(&self, range: Range<u64>) -> io::Result<()> {
        locks::check_range(&range)?;
        self.disk.state().locks.unlock(self.handle, range);
        Ok(())
    }

    fn locked_by_others(&self, range: Range<u64>) -> io::Result<bool> {
        locks::check_range(&range)?;
        Ok(self.disk.state().locks.held_by_others(self.handle, &range))
    }
}
