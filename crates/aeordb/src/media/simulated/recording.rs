//! The log of what happened to a disk, and which of it a crash can undo.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use super::image::{CrashImage, Scene, Shape};
use super::random::Random;

/// One thing that happened to the bytes.
#[derive(Clone)]
pub(super) enum Change {
    Write(usize, Arc<[u8]>),
    SetLen(usize),
    Release(Range<usize>),
    /// The bits of a byte that the medium turned round: there at once, and for good.
    Flip(usize, u8),
    Sync(Synced),
}

/// What a sync did.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Synced {
    /// What was unsynced is durable.
    Durable,
    /// What was unsynced will never be saved by any later sync.
    Lost,
    /// Nothing, whatever it said.
    Nothing,
}

impl Change {
    /// The bytes that may look different afterwards, the length aside.
    pub(super) fn range(&self) -> Range<usize> {
        match self {
            Change::Write(offset, bytes) => *offset..offset + bytes.len(),
            Change::Release(range) => range.clone(),
            Change::Flip(offset, _) => *offset..offset + 1,
            Change::SetLen(_) | Change::Sync(_) => 0..0,
        }
    }

    pub(super) fn apply(&self, bytes: &mut Vec<u8>) {
        match self {
            Change::Write(offset, written) => write(bytes, *offset, written),
            Change::SetLen(len) => bytes.resize(*len, 0),
            Change::Release(range) => {
                let end = range.end.min(bytes.len());
                bytes[range.start.min(end)..end].fill(0);
            }
            Change::Flip(offset, bits) => {
                if let Some(byte) = bytes.get_mut(*offset) {
                    *byte ^= bits;
                }
            }
            Change::Sync(_) => {}
        }
    }

    /// The length of a file of `len` bytes after the change.
    fn len_after(&self, len: usize) -> usize {
        match self {
            Change::Write(..) => len.max(self.range().end),
            Change::SetLen(set) => *set,
            Change::Release(_) | Change::Flip(..) | Change::Sync(_) => len,
        }
    }
}

/// Puts `written` at `offset`, after zeros if the bytes end before.
pub(super) fn write(bytes: &mut Vec<u8>, offset: usize, written: &[u8]) {
    let end = offset + written.len();
    if end > bytes.len() {
        bytes.resize(end, 0);
    }
    bytes[offset..end].copy_from_slice(written);
}

/// Which images of a crash are built. What is not synced counts as pending: every write, change
/// of the length and release by itself.
#[derive(Clone, Debug)]
pub struct Budget {
    /// Up to so many pending changes, all subsets of them land in turn. With more, every prefix
    /// does, everything but one, and random subsets.
    pub all_up_to: usize,
    /// How many random subsets.
    pub random: usize,
    /// The forms in which each subset lands.
    pub shapes: Vec<Shape>,
    /// Only prefixes land: a disk that keeps the order. For what a lying disk leaves behind.
    pub ordered: bool,
    /// Most images of one moment. If there would be more, nothing and everything land first, then
    /// a random choice of the others.
    pub at_most: usize,
}

impl Default for Budget {
    /// All subsets up to 10 pending changes, 64 random ones beyond, in all shapes.
    fn default() -> Self {
        let shapes = Shape::ALL.to_vec();
        Budget { all_up_to: 10, random: 64, shapes, ordered: false, at_most: usize::MAX }
    }
}

impl Budget {
    /// The usual budget, but at most so many images of one moment.
    pub fn at_most(images: usize) -> Self {
        Budget { at_most: images, ..Budget::default() }
    }

    /// Which of `pending` changes land, one subset after another.
    fn subsets(&self, pending: usize, random: &mut Random) -> Vec<Vec<bool>> {
        let prefixes = (0..=pending).map(|len| (0..pending).map(|i| i < len).collect());
        let mut subsets: Vec<Vec<bool>> = if self.ordered {
            prefixes.collect()
        } else if pending <= self.all_up_to {
            let all = 0..1_usize << pending;
            all.map(|bits| (0..pending).map(|i| bits >> i & 1 == 1).collect()).collect()
        } else {
            let but_one = (0..pending).map(|missing| (0..pending).map(|i| i != missing).collect());
            let mut chosen: Vec<Vec<bool>> = prefixes.chain(but_one).collect();
            for _ in 0..self.random {
                chosen.push((0..pending).map(|_| random.below(2) == 1).collect());
            }
            chosen
        };
        subsets.sort_unstable();
        subsets.dedup();
        let most = self.at_most.div_ceil(self.shapes.len().max(1)).max(2);
        if subsets.len() > most {
            // Sorted, nothing lands in the first and everything in the last.
            let last = subsets.len() - 1;
            subsets.swap(1, last);
            for i in 2..most {
                let other = i + random.below(subsets.len() - i);
                subsets.swap(i, other);
            }
            subsets.truncate(most);
        }
        subsets
    }
}

/// What happened to a disk from some moment on. It stays what it is when the disk goes on, and
/// can be used by several threads.
#[derive(Clone)]
pub struct Recording {
    pub(super) base: Arc<Vec<u8>>,
    changes: Vec<Change>,
}

impl fmt::Debug for Recording {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Recording({} changes of {} bytes)", self.changes.len(), self.base.len())
    }
}

impl Recording {
    pub(super) fn new(base: Vec<u8>) -> Self {
        Recording { base: Arc::new(base), changes: Vec::new() }
    }

    pub(super) fn push(&mut self, change: Change) {
        self.changes.push(change);
    }

    /// Moments at which a crash can be imagined: `0` before anything happened, `n` after the
    /// first `n` changes. Writes, changes of the length, releases and syncs count, if they did
    /// anything, and so do failed syncs and flipped bits. A commit is acknowledged from the
    /// moment `crash_points() - 1`, asked when the acknowledgement is there.
    pub fn crash_points(&self) -> usize {
        self.changes.len() + 1
    }

    /// What a crash at the moment `at` leaves if nothing survives that may not.
    pub fn durable(&self, at: usize) -> Vec<u8> {
        let mut bytes = self.base.to_vec();
        let changes = self.until(at);
        let (free, _) = fates(changes);
        for (change, _) in changes.iter().zip(free).filter(|(_, free)| !free) {
            change.apply(&mut bytes);
        }
        bytes
    }

    /// Shows `visit` what may be on the disk after a crash at the moment `at`, one image after
    /// the other, as `budget` chooses; `seed` decides all that is random. Returns how many there
    /// were: at least one, the first of them with nothing unsynced in it.
    pub fn for_each_image(
        &self,
        at: usize,
        budget: &Budget,
        seed: u64,
        mut visit: impl FnMut(&CrashImage<'_>),
    ) -> usize {
        let mut random = Random::new(seed, &[at as u64]);
        let mut scene = self.scene(at);
        let mut shown = 0;
        for subset in budget.subsets(scene.pending(), &mut random) {
            for shape in &budget.shapes {
                if shown == budget.at_most {
                    return shown;
                }
                if let Some(bytes) = scene.build(&subset, *shape, &mut random) {
                    visit(&CrashImage { bytes, at, shape: *shape, landed: &subset });
                    shown += 1;
                }
            }
        }
        shown
    }

    /// Shows `visit` what may be on the disk after a crash at any moment: what
    /// [`Recording::for_each_image`] shows for each of [`Recording::crash_points`]. Returns how
    /// many images there were.
    pub fn for_each_crash(
        &self,
        budget: &Budget,
        seed: u64,
        mut visit: impl FnMut(&CrashImage<'_>),
    ) -> usize {
        (0..self.crash_points()).map(|at| self.for_each_image(at, budget, seed, &mut visit)).sum()
    }

    pub(super) fn until(&self, at: usize) -> &[Change] {
        &self.changes[..at.min(self.changes.len())]
    }

    fn scene(&self, at: usize) -> Scene<'_> {
        let changes = self.until(at);
        let (free, synced) = fates(changes);
        let first_free = free.iter().position(|free| *free).unwrap_or(changes.len());
        let mut start = self.base.to_vec();
        for change in &changes[..first_free] {
            change.apply(&mut start);
        }
        let steps = changes.iter().zip(free).skip(first_free).collect();

        // The lengths that the disk may have written down: the last durable one, and every one
        // that the file has had since.
        let mut len = self.base.len();
        let mut lengths = vec![self.durable(synced).len()];
        for (index, change) in changes.iter().enumerate() {
            len = change.len_after(len);
            if index >= synced {
                lengths.push(len);
            }
        }
        Scene::new(start, steps, lengths, len)
    }
}

/// Which changes a crash after them may undo, and how many there are up to the last sync that
/// made something durable.
pub(super) fn fates(changes: &[Change]) -> (Vec<bool>, usize) {
    let mut free = vec![false; changes.len()];
    let mut pending = Vec::new();
    let mut synced = 0;
    for (index, change) in changes.iter().enumerate() {
        match change {
            Change::Flip(..) | Change::Sync(Synced::Nothing) => {}
            Change::Sync(Synced::Lost) => pending.clear(),
            Change::Sync(Synced::Durable) => {
                for saved in pending.drain(..) {
                    free[saved] = false;
                }
                synced = index + 1;
            }
            Change::Write(..) | Change::SetLen(_) | Change::Release(_) => {
                free[index] = true;
                pending.push(index);
            }
        }
    }
    (free, synced)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn up_to_ten_pending_changes_land_in_every_subset() {
        let mut random = Random::new(1, &[]);
        for pending in 0..=10 {
            let subsets = Budget::default().subsets(pending, &mut random);
            assert_eq!(subsets.len(), 1 << pending);
        }
    }

    #[test]
    fn more_pending_changes_land_as_prefixes_without_one_and_at_random() {
        let subsets = Budget::default().subsets(40, &mut Random::new(1, &[]));
        // The prefix without the last change is everything but one.
        assert_eq!(subsets.len(), 41 + 39 + 64);
        assert!(subsets.contains(&vec![true; 40]) && subsets.contains(&vec![false; 40]));
    }

    #[test]
    fn a_small_budget_keeps_nothing_and_everything() {
        for pending in [3, 30] {
            let subsets = Budget::at_most(10).subsets(pending, &mut Random::new(1, &[]));
            assert_eq!(subsets, [vec![false; pending], vec![true; pending]]);
            let subsets = Budget::at_most(30).subsets(pending, &mut Random::new(1, &[]));
            assert_eq!(subsets.len(), 6);
            assert_eq!(subsets[..2], [vec![false; pending], vec![true; pending]]);
        }
    }
}
