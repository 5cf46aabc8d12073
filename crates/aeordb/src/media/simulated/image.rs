//! What is on the disk after a crash, built in one buffer: only what can differ from image to
//! image is written again.

use std::fmt;
use std::ops::{Deref, Range};

use super::SECTOR_LEN;
use super::random::Random;
use super::recording::{Change, write};

/// In which form the changes that land do so.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Shape {
    /// As they were asked for.
    Whole,
    /// Of the last write, only its first sectors.
    TornPrefix,
    /// Of the last write, and of some others, any sectors; the others hold what was there, or
    /// garbage, or bytes from elsewhere in the file. Writes that did not land may leave garbage.
    Scattered,
    /// The file has its full length, also where the bytes did not land: there it holds zeros.
    LengthAhead,
    /// The file has a length from before, and bytes beyond it are cut off.
    LengthBehind,
}

impl Shape {
    /// Every shape.
    pub const ALL: [Shape; 5] = [
        Shape::Whole,
        Shape::TornPrefix,
        Shape::Scattered,
        Shape::LengthAhead,
        Shape::LengthBehind,
    ];
}

/// What is on the disk after a crash. `Debug` says how it came about.
pub struct CrashImage<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) at: usize,
    pub(super) shape: Shape,
    pub(super) landed: &'a [bool],
}

impl CrashImage<'_> {
    /// The bytes of the file.
    pub fn bytes(&self) -> &[u8] {
        self.bytes
    }

    /// The moment of the crash: so many changes had happened.
    pub fn at(&self) -> usize {
        self.at
    }

    /// The form in which changes landed.
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// For each pending change, oldest first, whether it landed.
    pub fn landed(&self) -> &[bool] {
        self.landed
    }
}

impl Deref for CrashImage<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.bytes
    }
}

impl fmt::Debug for CrashImage<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let landed: String = self.landed.iter().map(|l| if *l { '1' } else { '0' }).collect();
        let (at, len, shape) = (self.at, self.bytes.len(), self.shape);
        write!(f, "crash after change {at}: {shape:?}, landed '{landed}', {len} bytes")
    }
}

/// One moment, with all that a crash in it has to choose from.
pub(super) struct Scene<'a> {
    /// The bytes before the first change that is not certain.
    start: Vec<u8>,
    /// The changes from there on, and whether they may be undone.
    steps: Vec<(&'a Change, bool)>,
    /// Lengths that the disk may have written down.
    lengths: Vec<usize>,
    /// The length before the crash.
    full: usize,
    buffer: Vec<u8>,
}

impl<'a> Scene<'a> {
    pub(super) fn new(
        start: Vec<u8>,
        steps: Vec<(&'a Change, bool)>,
        lengths: Vec<usize>,
        full: usize,
    ) -> Self {
        let buffer = start.clone();
        Scene { start, steps, lengths, full, buffer }
    }

    /// How many changes may be undone.
    pub(super) fn pending(&self) -> usize {
        self.steps.iter().filter(|(_, free)| *free).count()
    }

    /// The bytes when these changes have landed in this shape; `None` if the shape makes no
    /// difference here.
    pub(super) fn build(
        &mut self,
        landed: &[bool],
        shape: Shape,
        random: &mut Random,
    ) -> Option<&[u8]> {
        let last = self.last_write(landed, true);
        match shape {
            Shape::TornPrefix
                if sectors(last.map(|last| self.steps[last].0.range())?).len() < 2 =>
            {
                return None;
            }
            Shape::Scattered if last.is_none() && self.last_write(landed, false).is_none() => {
                return None;
            }
            _ => {}
        }
        self.restore();
        match shape {
            Shape::Scattered => self.scatter(landed, last, random),
            _ => self.replay(landed, last.filter(|_| shape == Shape::TornPrefix), random),
        }
        let len = self.buffer.len();
        match shape {
            Shape::LengthAhead if self.full > len => self.buffer.resize(self.full, 0),
            Shape::LengthAhead => return None,
            Shape::LengthBehind => {
                let shorter: Vec<_> = self.lengths.iter().filter(|known| **known < len).collect();
                if shorter.is_empty() {
                    return None;
                }
                self.buffer.truncate(*shorter[random.below(shorter.len())]);
            }
            _ => {}
        }
        Some(&self.buffer)
    }

    /// The last step with bytes that landed, or that did not.
    fn last_write(&self, landed: &[bool], wanted: bool) -> Option<usize> {
        let mut landed = landed.iter();
        let mut last = None;
        for (index, (change, free)) in self.steps.iter().enumerate() {
            if *free && landed.next() == Some(&wanted) && !change.range().is_empty() {
                last = Some(index);
            }
        }
        last
    }

    /// Makes the buffer what it was at the start. Only the ranges of the steps can differ, and
    /// what was cut off before the file grew again.
    fn restore(&mut self) {
        let len = self.start.len();
        self.buffer.truncate(len);
        self.buffer.extend_from_slice(&self.start[self.buffer.len()..]);
        for (change, _) in &self.steps {
            let range = match change {
                Change::SetLen(cut) => *cut..len,
                _ => change.range(),
            };
            let range = range.start.min(len)..range.end.min(len);
            self.buffer[range.clone()].copy_from_slice(&self.start[range]);
        }
    }

    /// Lets changes land, of the step `torn` only the first sectors.
    fn replay(&mut self, landed: &[bool], torn: Option<usize>, random: &mut Random) {
        let mut landed = landed.iter();
        for (index, (change, free)) in self.steps.iter().enumerate() {
            if *free && landed.next() != Some(&true) {
                continue;
            }
            if torn == Some(index) {
                let sectors = sectors(change.range());
                let kept = 1 + random.below(sectors.len() - 1);
                for sector in &sectors[..kept] {
                    land_sector(&mut self.buffer, change, sector);
                }
            } else {
                change.apply(&mut self.buffer);
            }
        }
    }

    /// Lets changes land, the step `last` and some others in any of their sectors.
    fn scatter(&mut self, landed: &[bool], last: Option<usize>, random: &mut Random) {
        let soiled = if last.is_none() { self.last_write(landed, false) } else { None };
        let mut landed = landed.iter();
        for (index, (change, free)) in self.steps.iter().enumerate() {
            let has_bytes = !change.range().is_empty();
            if !*free {
                change.apply(&mut self.buffer);
            } else if landed.next() != Some(&true) {
                if has_bytes && (soiled == Some(index) || random.below(8) == 0) {
                    let sectors = sectors(change.range());
                    let sector = &sectors[random.below(sectors.len())];
                    spoil_sector(&mut self.buffer, change, sector, random);
                }
            } else if has_bytes && (last == Some(index) || random.below(4) == 0) {
                scatter_change(&mut self.buffer, change, random);
            } else {
                change.apply(&mut self.buffer);
            }
        }
    }
}

/// `range`, cut where sectors of the disk meet.
fn sectors(range: Range<usize>) -> Vec<Range<usize>> {
    let mut sectors = Vec::with_capacity(range.len() / SECTOR_LEN + 2);
    let mut start = range.start;
    while start < range.end {
        let end = range.end.min((start / SECTOR_LEN + 1) * SECTOR_LEN);
        sectors.push(start..end);
        start = end;
    }
    sectors
}

/// Lets some sectors of `change` land, but not all of them.
fn scatter_change(buffer: &mut Vec<u8>, change: &Change, random: &mut Random) {
    let sectors = sectors(change.range());
    let spared = random.below(sectors.len());
    let grows = matches!(change, Change::Write(..)) && random.below(2) == 0;
    if grows && change.range().end > buffer.len() {
        buffer.resize(change.range().end, 0);
    }
    for (index, sector) in sectors.iter().enumerate() {
        let fate = if index == spared { 4 + random.below(4) } else { random.below(8) };
        match fate {
            0..=3 => land_sector(buffer, change, sector),
            4 | 5 => {}
            _ => spoil_sector(buffer, change, sector, random),
        }
    }
}

fn land_sector(buffer: &mut Vec<u8>, change: &Change, sector: &Range<usize>) {
    match change {
        Change::Write(offset, bytes) => {
            write(buffer, sector.start, &bytes[sector.start - offset..sector.end - offset]);
        }
        _ => Change::Release(sector.clone()).apply(buffer),
    }
}

/// Leaves garbage, or bytes from elsewhere in the file, where a write was under way. A release
/// writes nothing, so it leaves nothing either.
fn spoil_sector(buffer: &mut [u8], change: &Change, sector: &Range<usize>, random: &mut Random) {
    let end = sector.end.min(buffer.len());
    if !matches!(change, Change::Write(..)) || sector.start >= end {
        return;
    }
    if random.below(2) == 0 {
        random.fill(&mut buffer[sector.start..end]);
    } else {
        let from = random.below(buffer.len() / SECTOR_LEN + 1) * SECTOR_LEN;
        let from = (from + sector.start % SECTOR_LEN).min(buffer.len() - (end - sector.start));
        buffer.copy_within(from..from + (end - sector.start), sector.start);
    }
}
