//! Which bytes of the file take space on the disk, written or reserved.

use std::ops::Range;

/// Ranges that neither meet nor overlap, in order.
#[derive(Default)]
pub(super) struct Space(Vec<Range<u64>>);

impl Space {
    /// The space of a file of `len` bytes.
    pub fn of(len: usize) -> Self {
        let mut space = Space::default();
        space.take(0..len as u64);
        space
    }

    /// Bytes that take space.
    pub fn used(&self) -> u64 {
        self.0.iter().map(|range| range.end - range.start).sum()
    }

    /// The end of what of `range` can be taken, from its start on, with `room` bytes more.
    pub fn reach(&self, range: &Range<u64>, mut room: u64) -> u64 {
        let mut at = range.start;
        for held in self.0.iter().filter(|held| held.end > range.start) {
            let gap = held.start.clamp(at, range.end) - at;
            if gap > room {
                break;
            }
            room -= gap;
            at = held.end.min(range.end);
            if at == range.end {
                return at;
            }
        }
        range.end.min(at.saturating_add(room))
    }

    /// Takes space for a range.
    pub fn take(&mut self, mut range: Range<u64>) {
        if range.is_empty() {
            return;
        }
        self.0.retain(|held| {
            let apart = held.end < range.start || range.end < held.start;
            if !apart {
                range = range.start.min(held.start)..range.end.max(held.end);
            }
            apart
        });
        let place = self.0.partition_point(|held| held.start < range.start);
        self.0.insert(place, range);
    }

    /// Gives the space of a range back.
    pub fn give_back(&mut self, range: Range<u64>) {
        for held in std::mem::take(&mut self.0) {
            let before = held.start..held.end.min(range.start);
            let after = held.start.max(range.end)..held.end;
            self.0.extend([before, after].into_iter().filter(|left| !left.is_empty()));
        }
    }
}
